/**
 * Where the entries of one segment stand: eight bytes of memory an entry, no
 * block among them. Terms are kept as runs, because they change rarely; where
 * configurations stand is kept too, because they are looked for.
 */
import { assert } from "../assert.js";
import { LogIndex, type Entry, type EntryPosition, type Term } from "../raft/types.js";
import { MARKER_SIZE, type SegmentStart } from "./segment.js";

export class SegmentIndex {
  readonly start: SegmentStart;
  #offsets = new Uint32Array(64);
  #checksums = new Uint32Array(64);
  #count = 0;
  /** behind the last block's marker */
  #end: number;
  /** ascending; a run reaches to the next one's first index */
  readonly #runs: { readonly firstIndex: number; readonly term: Term }[] = [];
  /** ascending */
  readonly #configurations: LogIndex[] = [];

  /** @param headerSize offset of the first block */
  constructor(start: SegmentStart, headerSize: number) {
    this.start = start;
    this.#end = headerSize;
  }

  get count(): number {
    return this.#count;
  }
  get firstIndex(): LogIndex {
    return this.start.firstIndex;
  }
  /** firstIndex - 1 when empty */
  get lastIndex(): LogIndex {
    return LogIndex(this.start.firstIndex + this.#count - 1);
  }
  /** Offset behind the last block's marker; the header's size when empty. */
  get end(): number {
    return this.#end;
  }
  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.start.previousTerm;
  }
  get lastChecksum(): number {
    return this.#count === 0 ? this.start.previousChecksum : this.checksum(this.lastIndex);
  }

  /** Where configurations stand, ascending. */
  get configurations(): readonly LogIndex[] {
    return this.#configurations;
  }

  /** Adds the next entry, which stands from this index' end to `end`. */
  add({ kind, term, checksum }: Pick<Entry, "kind" | "term" | "checksum">, end: number): void {
    assert(term >= this.lastTerm, "terms do not decrease");
    assert(end > this.#end, "an entry has bytes");
    if (this.#count === this.#offsets.length) this.#grow(2 * this.#count);
    this.#offsets[this.#count] = this.#end;
    this.#checksums[this.#count] = checksum;
    if (this.#runs.at(-1)?.term !== term) {
      this.#runs.push({ firstIndex: this.start.firstIndex + this.#count, term });
    }
    this.#count += 1;
    this.#end = end;
    if (kind === "configuration") this.#configurations.push(this.lastIndex);
  }

  /** Where the block of `index` starts; for lastIndex + 1 the end. */
  offset(index: number): number {
    if (index === this.lastIndex + 1) return this.#end;
    return this.#at(this.#offsets, index);
  }

  checksum(index: number): number {
    return this.#at(this.#checksums, index);
  }

  /** Of an entry that the segment holds. */
  positionOf(index: number): EntryPosition {
    const previousChecksum =
      index === this.start.firstIndex ? this.start.previousChecksum : this.checksum(index - 1);
    return { index: LogIndex(index), term: this.term(index), previousChecksum };
  }

  term(index: number): Term {
    assert(this.#holds(index), "the segment holds the index");
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#runs[middle]?.firstIndex ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    return this.#runs[low]?.term ?? this.start.previousTerm;
  }

  /** How many entries of [from, last] fit in `sizeMax` bytes of blocks, markers not counted. */
  countWithin(from: number, last: number, sizeMax: number): number {
    const start = this.offset(from);
    let low = 0;
    let high = last - from + 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const size = this.offset(from + middle) - start - middle * MARKER_SIZE;
      if (size <= sizeMax) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Forgets everything from `from` on (within the segment). */
  truncate(from: number): void {
    const end = this.offset(from);
    this.#count = from - this.start.firstIndex;
    this.#end = end;
    while ((this.#runs.at(-1)?.firstIndex ?? 0) >= from) this.#runs.pop();
    while ((this.#configurations.at(-1) ?? 0) >= from) this.#configurations.pop();
  }

  /** Gives back memory held for entries to come. */
  shrink(): void {
    this.#grow(Math.max(1, this.#count));
  }

  #grow(size: number): void {
    const offsets = new Uint32Array(size);
    const checksums = new Uint32Array(size);
    offsets.set(this.#offsets.subarray(0, this.#count));
    checksums.set(this.#checksums.subarray(0, this.#count));
    this.#offsets = offsets;
    this.#checksums = checksums;
  }

  #holds(index: number): boolean {
    return index >= this.start.firstIndex && index <= this.lastIndex;
  }

  #at(values: Uint32Array, index: number): number {
    const value = this.#holds(index) ? values[index - this.start.firstIndex] : undefined;
    assert(value !== undefined, "the segment holds the index");
    return value;
  }
}
