/**
 * The log as the core sees it: a tail in memory over what the disk's side holds.
 *
 *   index:   firstIndex ...... | tailFirst ...... handedIndex ...... lastIndex
 *            read by LogReader | in memory        in memory, not yet in a Ready
 *
 * Entries are in memory from their append until they are flushed, and some while
 * longer (cacheSizeMax) for apply and, a quarter of it, for followers. The reader is asked only
 * below `tailFirst`: what stands there has been handed out, is flushed, and no
 * truncation is pending on it.
 *
 * Durability is told by persist ids (ready.ts). A completion counts only for
 * what it still covers: a truncation lowers the claim of every earlier flush in
 * flight, so that a flush of index 7 can never vouch for the entry that has
 * since taken its place (raft-rs and etcd know this race as "append ABA").
 *
 * Invariants kept here: contiguity; flushedIndex <= handedIndex <= lastIndex;
 * tailFirst <= flushedIndex + 1.
 */
import { assert } from "../assert.js";
import { LogIndex } from "./types.js";
import type { Entry, LogReader, Term } from "./types.js";

/** What is to be persisted next. */
interface LogChange {
  /** drop the log from here (inclusive) before appending */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly Entry[];
}

/** A flush in flight, and the last index it still covers. */
interface Flush {
  readonly persistId: number;
  lastIndex: number;
}

/** Of the cache's size, so much is for what is delivered: it dies before the collector takes it for old. */
const DELIVERED_PART = 4;
/** So small a part of the tail's entries may be let go and still there. */
const DEAD_PART = 8;

export class RaftLog {
  readonly #reader: LogReader;
  readonly #cacheSizeMax: number;
  /** consecutive entries, the first at index #tailFirst; those before #tailStart are let go */
  #tail: Entry[] = [];
  #tailStart = 0;
  #tailFirst: number;
  #tailSize = 0;
  #handedIndex: LogIndex;
  #flushedIndex: LogIndex;
  #truncateFrom: LogIndex | undefined;
  /** the disk has no room: nothing is handed out until `resume` */
  #isHeld = false;
  /** where a snapshot made the log start anew */
  #base: { readonly index: LogIndex; readonly term: Term; readonly checksum: number } | undefined;
  #flushes: Flush[] = [];

  /** @param reader the recovered log; all of it is flushed */
  constructor(reader: LogReader, cacheSizeMax: number) {
    assert(reader.lastIndex >= reader.firstIndex - 1, "a log does not end before it starts");
    this.#reader = reader;
    this.#cacheSizeMax = cacheSizeMax;
    this.#tailFirst = reader.lastIndex + 1;
    this.#handedIndex = reader.lastIndex;
    this.#flushedIndex = reader.lastIndex;
  }

  /** The first index still held; 1 when nothing was compacted. */
  get firstIndex(): LogIndex {
    return LogIndex(Math.max(this.#reader.firstIndex, (this.#base?.index ?? 0) + 1));
  }

  get lastIndex(): LogIndex {
    return LogIndex(this.#tailFirst + this.#tail.length - this.#tailStart - 1);
  }

  get lastTerm(): Term {
    return this.term(this.lastIndex);
  }

  /** The last index that a crash cannot take away. */
  get flushedIndex(): LogIndex {
    return this.#flushedIndex;
  }

  /** Whether `index` is one whose term and checksum are known. */
  holds(index: LogIndex): boolean {
    return index >= this.firstIndex - 1 && index <= this.lastIndex;
  }

  /** The term at `index`, for firstIndex - 1 <= index <= lastIndex; 0 at index 0. */
  term(index: LogIndex): Term {
    assert(this.holds(index), "a term is asked for an index that is held");
    if (index === this.#base?.index) return this.#base.term;
    return this.#inTail(index)?.term ?? this.#reader.term(index);
  }

  /** The checksum at `index`, same range; 0 at index 0. */
  checksum(index: LogIndex): number {
    assert(this.holds(index), "a checksum is asked for an index that is held");
    if (index === this.#base?.index) return this.#base.checksum;
    return this.#inTail(index)?.checksum ?? this.#reader.checksum(index);
  }

  /**
   * Consecutive entries from `from`: at least one, as many as fit in `sizeMax`
   * bytes of blocks, none beyond `to` (inclusive). Fewer when the rest lies on
   * the other side of the boundary between disk and memory.
   */
  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[] {
    assert(from >= this.firstIndex, "a read starts at an entry that is held");
    assert(from <= to, "a read is not empty");
    assert(to <= this.lastIndex, "a read ends at an entry that is held");
    if (from < this.#tailFirst) {
      const entries = this.#reader.read(from, LogIndex(Math.min(to, this.#tailFirst - 1)), sizeMax);
      assert(entries[0]?.index === from, "the reader starts where it was asked to");
      return entries;
    }
    const start = this.#offset(from);
    const end = this.#offset(to) + 1;
    let size = 0;
    let next = start;
    while (next < end) {
      size += this.#tail[next]?.block.length ?? 0;
      if (size > sizeMax && next > start) break;
      next += 1;
    }
    return this.#tail.slice(start, next);
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "the log is contiguous");
    assert(entry.term >= this.lastTerm, "terms do not fall along the log");
    this.#tail.push(entry);
    this.#tailSize += entry.block.length;
  }

  /** Drops the log from `from` (inclusive). */
  truncate(from: LogIndex): void {
    assert(from >= this.firstIndex, "a truncation starts at an entry that is held");
    assert(from <= this.lastIndex, "a truncation drops something");
    if (from <= this.#tailFirst) {
      this.#tail = [];
      this.#tailStart = 0;
      this.#tailFirst = from;
      this.#tailSize = 0;
    } else {
      for (const entry of this.#tail.splice(this.#offset(from))) {
        this.#tailSize -= entry.block.length;
      }
    }
    const kept = LogIndex(from - 1);
    if (from <= this.#handedIndex) {
      this.#truncateFrom = LogIndex(Math.min(this.#truncateFrom ?? from, from));
      this.#handedIndex = kept;
    }
    if (this.#flushedIndex > kept) this.#flushedIndex = kept;
    for (const flush of this.#flushes) flush.lastIndex = Math.min(flush.lastIndex, kept);
  }

  /** A snapshot takes the log's place: nothing is left of it, and it goes on behind `base`. The reader follows at once. */
  reset(base: { readonly index: LogIndex; readonly term: Term; readonly checksum: number }): void {
    this.#tail = [];
    this.#tailStart = 0;
    this.#tailFirst = base.index + 1;
    this.#tailSize = 0;
    this.#base = base;
    this.#handedIndex = base.index;
    this.#flushedIndex = base.index;
    this.#truncateFrom = undefined;
    this.#isHeld = false;
    // What was under way vouches for nothing that comes after.
    for (const flush of this.#flushes) flush.lastIndex = 0;
  }

  /**
   * The disk has no room for what was handed out from `from` on, nor, unless
   * `isTruncated`, to drop its own log from there: no flush vouches for it, and it
   * is handed out again after `resume`.
   */
  hold(from: LogIndex, isTruncated: boolean): void {
    assert(from > this.#flushedIndex, "what is flushed was written");
    assert(from <= this.#handedIndex + 1, "only what was handed out can find no room");
    this.#handedIndex = LogIndex(from - 1);
    if (!isTruncated) this.#truncateFrom = LogIndex(Math.min(this.#truncateFrom ?? from, from));
    for (const flush of this.#flushes) flush.lastIndex = Math.min(flush.lastIndex, from - 1);
    this.#isHeld = true;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  resume(): void {
    this.#isHeld = false;
  }

  hasChange(): boolean {
    if (this.#isHeld) return false;
    return this.#truncateFrom !== undefined || this.lastIndex > this.#handedIndex;
  }

  /** Hands out what is to be persisted under `persistId`; the disk's side appends it at once. */
  takeChange(persistId: number): LogChange {
    const entries =
      this.lastIndex > this.#handedIndex
        ? this.#tail.slice(this.#offset(LogIndex(this.#handedIndex + 1)))
        : [];
    const change = { truncateFrom: this.#truncateFrom, entries };
    this.#truncateFrom = undefined;
    this.#handedIndex = this.lastIndex;
    this.#flushes.push({ persistId, lastIndex: this.#handedIndex });
    return change;
  }

  /**
   * Flush `persistId` and every earlier one are done.
   * @param deliveredIndex up to here apply has its entries
   */
  persisted(persistId: number, deliveredIndex: LogIndex): void {
    let done = 0;
    for (const flush of this.#flushes) {
      if (flush.persistId > persistId) break;
      done += 1;
      if (flush.lastIndex > this.#flushedIndex) this.#flushedIndex = LogIndex(flush.lastIndex);
    }
    this.#flushes.splice(0, done);
    assert(this.#flushedIndex <= this.#handedIndex, "only what was handed out is flushed");
    this.#shrink(deliveredIndex);
  }

  /** Lets go of flushed entries beyond the cache's size, oldest first. */
  #shrink(deliveredIndex: LogIndex): void {
    while (this.#tailFirst <= this.#flushedIndex) {
      const isDelivered = this.#tailFirst <= deliveredIndex;
      const sizeMax = isDelivered ? this.#cacheSizeMax / DELIVERED_PART : this.#cacheSizeMax;
      if (this.#tailSize <= sizeMax) break;
      this.#tailSize -= this.#tail[this.#tailStart]?.block.length ?? 0;
      this.#tailStart += 1;
      this.#tailFirst += 1;
    }
    // A copy of the array pays for the steps it removes; what is let go is held until then.
    if (this.#tailStart * DEAD_PART > this.#tail.length) {
      this.#tail = this.#tail.slice(this.#tailStart);
      this.#tailStart = 0;
    }
  }

  #offset(index: LogIndex): number {
    return this.#tailStart + index - this.#tailFirst;
  }

  #inTail(index: LogIndex): Entry | undefined {
    return index >= this.#tailFirst ? this.#tail[this.#offset(index)] : undefined;
  }
}
