/**
 * Keys that are looked up together.
 *
 * Of a million keys hardly one is in the processor's caches: its slot, its cell and its
 * value come from memory, each when the one before it has told where it is. One key after
 * another would wait three times each. So all of a group's slots are read first, then all
 * of their keys' cells, then the heads of all values: what one waits for the others wait for too.
 *
 * For use again and again; what was found is good until the store next changes.
 */
import { unitOf } from "./arena.js";
import { hashOf } from "./hash.js";
import type { KeyTable } from "./key-table.js";
import type { Records } from "./records.js";

/** Some processors have no more than ten or so such reads on their way. */
const COUNT_MAX = 16;
/** Of a line of the processor's cache. */
const LINE_WORD_COUNT = 16;
const NO_BYTES = new Uint8Array(0);

export class Lookups {
  readonly #bytes = new Array<Uint8Array>(COUNT_MAX).fill(NO_BYTES);
  readonly #starts = new Uint32Array(COUNT_MAX);
  readonly #sizes = new Uint32Array(COUNT_MAX);
  readonly #hashes = new Uint32Array(COUNT_MAX);
  /** places of keys that may be those; 0: none is known yet */
  readonly #keys = new Uint32Array(COUNT_MAX);
  /** places of records, 0 for none */
  readonly #records = new Uint32Array(COUNT_MAX);
  /** what of them was read, so that it is near when it is wanted */
  readonly #near = new Uint32Array(COUNT_MAX);
  #count = 0;

  get isFull(): boolean {
    return this.#count === COUNT_MAX;
  }

  /** Adds a key, of at least a byte, to a group that is not full. */
  add(bytes: Uint8Array, start: number, size: number): void {
    const at = this.#count;
    this.#bytes[at] = bytes;
    this.#starts[at] = start;
    this.#sizes[at] = size;
    this.#count += 1;
  }

  /** As the store's `find`, of the key that was added as number `at`, from 0 on. */
  placeAt(at: number): number {
    const record = this.#records[at] ?? 0;
    return record === 0 ? -1 : record;
  }

  /** Looks all of them up, and holds nothing more of what was asked: the next that is added is number 0. */
  find(table: KeyTable, records: Records): void {
    const count = this.#count;
    const hashes = this.#hashes;
    for (let at = 0; at < count; at++) {
      hashes[at] = hashOf(this.#bytes[at] ?? NO_BYTES, this.#starts[at] ?? 0, this.#sizes[at] ?? 0);
    }
    if (count === 1) this.#keys[0] = 0;
    else this.#approach(table, records, count);
    for (let at = 0; at < count; at++) this.#records[at] = this.#check(table, records, at);
    this.#bytes.fill(NO_BYTES, 0, count);
    this.#count = 0;
  }

  #approach(table: KeyTable, records: Records, count: number): void {
    const keys = this.#keys;
    const found = this.#records;
    for (let at = 0; at < count; at++) keys[at] = table.firstWith(this.#hashes[at] ?? 0);
    for (let at = 0; at < count; at++) {
      const key = keys[at] ?? 0;
      found[at] = key === 0 ? 0 : records.newestOf(key);
    }
    for (let at = 0; at < count; at++) {
      const version = found[at] ?? 0;
      this.#near[at] = version === 0 ? 0 : touch(records, version);
    }
  }

  /** The key in the first slot is nearly always the one. */
  #check(table: KeyTable, records: Records, at: number): number {
    const bytes = this.#bytes[at] ?? NO_BYTES;
    const start = this.#starts[at] ?? 0;
    const size = this.#sizes[at] ?? 0;
    let key = this.#keys[at] ?? 0;
    const isIt = key !== 0 && records.isKey(key, bytes, start, size);
    if (!isIt) key = table.find(this.#hashes[at] ?? 0, bytes, start, size);
    const newest = key === 0 ? 0 : records.newestOf(key);
    return records.isRecord(newest) ? newest : 0;
  }
}

/** Brings the beginning of a version near: the two lines of the processor's cache that most values reach to. */
function touch(records: Records, version: number): number {
  const { words } = records.arena.page(version);
  const word = unitOf(version) << 1;
  const far = Math.min(word + LINE_WORD_COUNT, words.length - 1);
  return (words[word] ?? 0) ^ (words[far] ?? 0);
}
