/**
 * Keys by their bytes: an extendible hash of small open-addressing tables.
 *
 *   directory  the first bits of a hash  ->  number of a partition; several may have one
 *   row        chunk count and depth of a partition, a chunk each: ROW_WORD_COUNT words
 *   partition  chunk*, whose slots are one table (key-chunks.ts)
 *
 * A full partition gets some chunks more, and splits in two when it is large: no
 * insertion moves more than a few thousand slots, however many keys there are. With
 * arrays of their own, old ones were as much memory again, for all partitions are full
 * at about the same time; and a row is less to look at than objects are, which out of
 * the processor's cache is what counts.
 * Keys that are made to have the same hash share a partition and make only that
 * one long: the directory doubles only for many partitions' sake.
 */
import { assert } from "../assert.js";
import {
  CHUNK_SHIFT,
  CHUNK_SLOT_MASK,
  CHUNK_WORD_COUNT,
  CHUNK_WORD_MASK,
  KeyChunks,
} from "./key-chunks.js";
import type { Records } from "./records.js";

const ROW_SHIFT = 5;
const ROW_WORD_COUNT: number = 1 << ROW_SHIFT;
/** A partition of so many chunks splits; one that cannot has the rest elsewhere. */
const ROW_CHUNK_COUNT: number = ROW_WORD_COUNT - 1;
/** Of a row's first word: bits of the hash that all keys of the partition share. */
const DEPTH_BITS = 5;
const DEPTH_MASK: number = (1 << DEPTH_BITS) - 1;
const DEPTH_MAX = 24;
/** directory entries for each partition, before the directory is not doubled any more */
const SPREAD_MAX = 16;
/** Of a partition's slots: more are not taken. */
const FULL_PART = 0.8;
/** Of the slots of a partition that was split. */
const SPLIT_PART = 0.65;
/** Of the slots of a partition whose keys are expected: full enough, and chance does not fill it up. */
const EXPECTED_PART = 0.77;
const FIRST_PARTITION_COUNT = 4;

export class KeyTable {
  readonly #records: Records;
  readonly #chunks = new KeyChunks();
  #directory = new Uint32Array(1);
  /** the directory has 2^depth entries */
  #depth = 0;
  #partitionCount = 1;
  /** by the number of a partition: its row, and its keys */
  #rows = new Uint32Array(FIRST_PARTITION_COUNT << ROW_SHIFT);
  #counts = new Uint32Array(FIRST_PARTITION_COUNT);
  /** the chunks of a partition that its row has no room for */
  readonly #far = new Map<number, number[]>();
  /** chunks that a partition gets with its first key: it is expected to need them */
  #firstChunkCount = 1;
  /** slots of partitions that are laid out anew */
  #laid = new Uint32Array(0);

  constructor(records: Records) {
    this.#records = records;
  }

  /** Makes room in an empty table for so many keys: hardly any of them has to be moved for the next. */
  expect(keyCount: number): void {
    assert(this.#counts[0] === 0 && this.#depth === 0, "the table is empty");
    let depth = 0;
    while (chunkCountOf(keyCount / 2 ** depth, EXPECTED_PART) >= ROW_CHUNK_COUNT) depth++;
    assert(depth <= DEPTH_MAX, "so many keys may be expected");
    this.#depth = depth;
    this.#partitionCount = 2 ** depth;
    this.#directory = new Uint32Array(2 ** depth).map((_, number) => number);
    this.#rows = new Uint32Array((2 ** depth) << ROW_SHIFT);
    this.#counts = new Uint32Array(2 ** depth);
    for (let number = 0; number < 2 ** depth; number++) this.#rows[number << ROW_SHIFT] = depth;
    this.#firstChunkCount = chunkCountOf(keyCount / 2 ** depth, EXPECTED_PART);
  }

  /** The place of a key; 0 when it is not here. */
  find(hash: number, bytes: Uint8Array, start: number, size: number): number {
    const number = this.#partitionOf(hash);
    const chunkCount = this.#chunkCountOf(number);
    if (chunkCount === 0) return 0;
    const home = homeOf(hash, chunkCount << CHUNK_SHIFT);
    let at = home >>> CHUNK_SHIFT;
    let chunk = this.#chunkAt(number, at);
    let words = this.#chunks.wordsOf(chunk);
    let word = KeyChunks.firstOf(chunk) + ((home & CHUNK_SLOT_MASK) << 1);
    for (;;) {
      const key = words[word + 1] ?? 0;
      if (key === 0) return 0;
      if (words[word] === hash && this.#records.isKey(key, bytes, start, size)) return key;
      word += 2;
      if ((word & CHUNK_WORD_MASK) !== 0) continue;
      at = at + 1 === chunkCount ? 0 : at + 1;
      chunk = this.#chunkAt(number, at);
      words = this.#chunks.wordsOf(chunk);
      word = KeyChunks.firstOf(chunk);
    }
  }

  /** The place of a key with this hash, if one stands where it would stand alone; 0 otherwise. */
  firstWith(hash: number): number {
    const number = this.#partitionOf(hash);
    const chunkCount = this.#chunkCountOf(number);
    if (chunkCount === 0) return 0;
    const home = homeOf(hash, chunkCount << CHUNK_SHIFT);
    const chunk = this.#chunkAt(number, home >>> CHUNK_SHIFT);
    const words = this.#chunks.wordsOf(chunk);
    const word = KeyChunks.firstOf(chunk) + ((home & CHUNK_SLOT_MASK) << 1);
    return words[word] === hash ? (words[word + 1] ?? 0) : 0;
  }

  /** Adds a key that is not here. */
  add(hash: number, key: number): void {
    let number = this.#partitionOf(hash);
    while (this.#countOf(number) >= FULL_PART * this.#slotCountOf(number)) {
      if (!this.#split(number, hash)) this.#grow(number);
      number = this.#partitionOf(hash);
    }
    this.#counts[number] = this.#countOf(number) + 1;
    const chunkCount = this.#chunkCountOf(number);
    const home = homeOf(hash, chunkCount << CHUNK_SHIFT);
    let at = home >>> CHUNK_SHIFT;
    let chunk = this.#chunkAt(number, at);
    let words = this.#chunks.wordsOf(chunk);
    let word = KeyChunks.firstOf(chunk) + ((home & CHUNK_SLOT_MASK) << 1);
    while (words[word + 1] !== 0) {
      word += 2;
      if ((word & CHUNK_WORD_MASK) !== 0) continue;
      at = at + 1 === chunkCount ? 0 : at + 1;
      chunk = this.#chunkAt(number, at);
      words = this.#chunks.wordsOf(chunk);
      word = KeyChunks.firstOf(chunk);
    }
    words[word] = hash;
    words[word + 1] = key;
  }

  /** Removes a key that is here. */
  remove(hash: number, key: number): void {
    const number = this.#partitionOf(hash);
    const slotCount = this.#slotCountOf(number);
    let hole = homeOf(hash, slotCount);
    for (;;) {
      const found = this.#slotWord(number, hole, 1);
      if (found === key) break;
      assert(found !== 0, "a key that is removed is in the table");
      hole = hole + 1 === slotCount ? 0 : hole + 1;
    }
    // What follows moves up, unless it would pass its home: no marks are left that would fill the table.
    for (let next = hole; ;) {
      next = next + 1 === slotCount ? 0 : next + 1;
      const moved = this.#slotWord(number, next, 1);
      if (moved === 0) break;
      const movedHash = this.#slotWord(number, next, 0);
      const home = homeOf(movedHash, slotCount);
      const isBetween = hole <= next ? home > hole && home <= next : home > hole || home <= next;
      if (isBetween) continue;
      this.#setSlot(number, hole, movedHash, moved);
      hole = next;
    }
    this.#setSlot(number, hole, 0, 0);
    const count = this.#countOf(number) - 1;
    this.#counts[number] = count;
    if (count === 0) this.#resize(number, 0);
  }

  // ---- partitions ----------------------------------------------------------

  #partitionOf(hash: number): number {
    // In two steps: a shift by 32 would be one by 0.
    return this.#directory[(hash >>> 1) >>> (31 - this.#depth)] ?? 0;
  }

  #countOf(number: number): number {
    return this.#counts[number] ?? 0;
  }

  #chunkCountOf(number: number): number {
    return (this.#rows[number << ROW_SHIFT] ?? 0) >>> DEPTH_BITS;
  }

  #slotCountOf(number: number): number {
    return this.#chunkCountOf(number) << CHUNK_SHIFT;
  }

  #depthOf(number: number): number {
    return (this.#rows[number << ROW_SHIFT] ?? 0) & DEPTH_MASK;
  }

  #chunkAt(number: number, at: number): number {
    return at < ROW_CHUNK_COUNT
      ? (this.#rows[(number << ROW_SHIFT) + 1 + at] ?? 0)
      : (this.#far.get(number)?.[at - ROW_CHUNK_COUNT] ?? 0);
  }

  /** @param which 0: the hash, 1: the key, which is 0 when the slot is empty */
  #slotWord(number: number, slot: number, which: 0 | 1): number {
    const chunk = this.#chunkAt(number, slot >>> CHUNK_SHIFT);
    const word = KeyChunks.firstOf(chunk) + ((slot & CHUNK_SLOT_MASK) << 1);
    return this.#chunks.wordsOf(chunk)[word + which] ?? 0;
  }

  #setSlot(number: number, slot: number, hash: number, key: number): void {
    const chunk = this.#chunkAt(number, slot >>> CHUNK_SHIFT);
    const words = this.#chunks.wordsOf(chunk);
    const word = KeyChunks.firstOf(chunk) + ((slot & CHUNK_SLOT_MASK) << 1);
    words[word] = hash;
    words[word + 1] = key;
  }

  // ---- growing -------------------------------------------------------------

  #grow(number: number): void {
    const chunkCount = this.#chunkCountOf(number);
    const grown = Math.max(chunkCount + Math.max(1, chunkCount >>> 2), this.#firstChunkCount);
    const isCut = chunkCount < ROW_CHUNK_COUNT && grown > ROW_CHUNK_COUNT;
    const count = isCut ? ROW_CHUNK_COUNT : grown;
    this.#makeRoom(count);
    this.#layOut(number, 0, 0, 0, count);
    this.#resize(number, count);
    this.#fill(number, 0);
  }

  /** @returns whether it was split: not while it is small, nor when keys were made to be alike */
  #split(low: number, hash: number): boolean {
    const depth = this.#depthOf(low);
    if (this.#chunkCountOf(low) < ROW_CHUNK_COUNT) return false;
    if (depth === this.#depth) {
      const isSparse = this.#directory.length >= SPREAD_MAX * this.#partitionCount;
      if (isSparse || depth === DEPTH_MAX) return false;
      this.#directory = this.#doubledDirectory();
      this.#depth += 1;
    }
    const high = this.#addPartition();
    const bit = 1 << (31 - depth);
    const highCount = this.#countWith(low, bit);
    const lowCount = this.#countOf(low) - highCount;
    this.#counts[low] = lowCount;
    this.#counts[high] = highCount;
    const lowChunkCount = chunkCountOf(lowCount, SPLIT_PART);
    const highChunkCount = chunkCountOf(highCount, SPLIT_PART);
    this.#makeRoom(lowChunkCount + highChunkCount);
    this.#layOut(low, bit, 0, 0, lowChunkCount);
    this.#layOut(low, bit, bit, lowChunkCount, highChunkCount);
    this.#resize(low, lowChunkCount, depth + 1);
    this.#resize(high, highChunkCount, depth + 1);
    this.#fill(low, 0);
    this.#fill(high, lowChunkCount);
    const half = 1 << (this.#depth - depth - 1);
    const first = ((hash >>> 1) >>> (31 - depth)) * 2 * half;
    this.#directory.fill(high, first + half, first + 2 * half);
    return true;
  }

  #doubledDirectory(): Uint32Array<ArrayBuffer> {
    const before = this.#directory;
    return new Uint32Array(2 * before.length).map((_, i) => before[i >>> 1] ?? 0);
  }

  #addPartition(): number {
    const number = this.#partitionCount;
    if (number === this.#counts.length) {
      this.#rows = doubled(this.#rows);
      this.#counts = doubled(this.#counts);
    }
    this.#partitionCount += 1;
    return number;
  }

  /** What stands in its chunks then is not told. */
  #resize(number: number, count: number, depth: number = this.#depthOf(number)): void {
    const row = number << ROW_SHIFT;
    let at = this.#chunkCountOf(number);
    while (at > count) this.#chunks.free(this.#chunkAt(number, --at));
    if (count <= ROW_CHUNK_COUNT) this.#far.delete(number);
    else this.#far.get(number)?.splice(count - ROW_CHUNK_COUNT);
    for (; at < count; at++) {
      const chunk = this.#chunks.allocate();
      if (at < ROW_CHUNK_COUNT) this.#rows[row + 1 + at] = chunk;
      else this.#farOf(number).push(chunk);
    }
    this.#rows[row] = (count << DEPTH_BITS) | depth;
  }

  #farOf(number: number): number[] {
    const known = this.#far.get(number);
    if (known !== undefined) return known;
    const far: number[] = [];
    this.#far.set(number, far);
    return far;
  }

  /** How many of its keys have a bit. */
  #countWith(number: number, bit: number): number {
    let count = 0;
    for (let at = 0; at < this.#chunkCountOf(number); at++) {
      const chunk = this.#chunkAt(number, at);
      const words = this.#chunks.wordsOf(chunk);
      const first = KeyChunks.firstOf(chunk);
      for (let word = first; word < first + CHUNK_WORD_COUNT; word += 2) {
        if (words[word + 1] !== 0 && ((words[word] ?? 0) & bit) !== 0) count += 1;
      }
    }
    return count;
  }

  /** Empty chunks to lay out so many. */
  #makeRoom(chunkCount: number): void {
    const count = chunkCount * CHUNK_WORD_COUNT;
    if (this.#laid.length < count) this.#laid = new Uint32Array(count);
    else this.#laid.fill(0, 0, count);
  }

  /** Lays out what becomes of a partition: those of its keys whose bits of `mask` are these. */
  #layOut(number: number, mask: number, bits: number, from: number, chunkCount: number): void {
    const first = from * CHUNK_WORD_COUNT;
    const end = first + chunkCount * CHUNK_WORD_COUNT;
    for (let at = 0; at < this.#chunkCountOf(number); at++) {
      const chunk = this.#chunkAt(number, at);
      const words = this.#chunks.wordsOf(chunk);
      place(words, KeyChunks.firstOf(chunk), mask, bits, this.#laid, first, end);
    }
  }

  /** Fills a partition's chunks with what was laid out. */
  #fill(number: number, from: number): void {
    for (let at = 0; at < this.#chunkCountOf(number); at++) {
      const chunk = this.#chunkAt(number, at);
      const first = (from + at) * CHUNK_WORD_COUNT;
      const words = this.#laid.subarray(first, first + CHUNK_WORD_COUNT);
      this.#chunks.wordsOf(chunk).set(words, KeyChunks.firstOf(chunk));
    }
  }
}

function doubled(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(2 * words.length);
  grown.set(words);
  return grown;
}

/** Chunks of which so many keys take a part. */
function chunkCountOf(keyCount: number, part: number): number {
  return Math.max(1, Math.ceil((2 * keyCount) / part / CHUNK_WORD_COUNT));
}

/** The directory takes the first bits of a hash, the home the last 16. */
function homeOf(hash: number, slotCount: number): number {
  return (((hash & 0xffff) * slotCount) / 0x1_0000) >>> 0;
}

/** Places the keys of a chunk whose bits of `mask` are these. @param end behind the last of the slots from `first` */
function place(
  words: Uint32Array,
  firstWord: number,
  mask: number,
  bits: number,
  slots: Uint32Array,
  first: number,
  end: number,
): void {
  const slotCount = (end - first) >>> 1;
  for (let word = firstWord; word < firstWord + CHUNK_WORD_COUNT; word += 2) {
    const key = words[word + 1] ?? 0;
    const hash = words[word] ?? 0;
    if (key === 0 || (hash & mask) !== bits) continue;
    let to = first + 2 * homeOf(hash, slotCount);
    while (slots[to + 1] !== 0) to = to + 2 === end ? first : to + 2;
    slots[to] = hash;
    slots[to + 1] = key;
  }
}
