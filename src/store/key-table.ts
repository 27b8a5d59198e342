/**
 * Keys by their bytes: an extendible hash of small open-addressing tables.
 *
 *   directory  the first bits of a hash  ->  partition; several may share one
 *   partition  slot*; slot := hash u32, place of a key u32 (0: empty)
 *
 * A full partition grows by a quarter, and splits in two when it is large: no
 * insertion moves more than a few thousand slots, however many keys there are.
 * Keys that are made to have the same hash share a partition and make only that
 * one long: the directory doubles only for many partitions' sake.
 */
import { assert } from "../assert.js";
import type { Records } from "./records.js";

const FIRST_SLOT_COUNT = 8;
/** A partition of so many slots splits instead of growing. */
const SPLIT_SLOT_COUNT = 4096;
/** directory entries for each partition, before the directory is not doubled any more */
const SPREAD_MAX = 16;
const DEPTH_MAX = 24;
/** Of the slots of a partition whose keys are expected: full enough, and chance does not fill it up. */
const EXPECTED_PART = 0.7;

interface Partition {
  /** hash, key, hash, key ... */
  slots: Uint32Array;
  count: number;
  /** bits of the hash that all its keys share */
  depth: number;
}

export class KeyTable {
  readonly #records: Records;
  #directory: Partition[] = [{ slots: new Uint32Array(2 * FIRST_SLOT_COUNT), count: 0, depth: 0 }];
  /** the directory has 2^depth entries */
  #depth = 0;
  #partitionCount = 1;
  /** slots that a partition gets with its first keys: it is expected to need them */
  #firstSlotCount = FIRST_SLOT_COUNT;
  /** for the slots of a partition that is divided */
  #divided = new Uint32Array(0);

  constructor(records: Records) {
    this.#records = records;
  }

  /** Makes room in an empty table for so many keys: none of them has to be moved for the next. */
  expect(keyCount: number): void {
    assert(this.#directory[0]?.count === 0 && this.#depth === 0, "the table is empty");
    let depth = 0;
    while (depth < DEPTH_MAX && keyCount / 2 ** depth > EXPECTED_PART * SPLIT_SLOT_COUNT) depth++;
    this.#depth = depth;
    this.#partitionCount = 2 ** depth;
    this.#directory = Array.from({ length: 2 ** depth }, () => emptyPartition(0, depth));
    const slotCount = Math.ceil(keyCount / 2 ** depth / EXPECTED_PART);
    this.#firstSlotCount = Math.max(FIRST_SLOT_COUNT, slotCount);
  }

  /** The place of a key; 0 when it is not here. */
  find(hash: number, bytes: Uint8Array, start: number, size: number): number {
    const { slots } = this.#partitionOf(hash);
    const slotCount = slots.length >>> 1;
    let slot = homeOf(hash, slotCount);
    for (;;) {
      const key = slots[2 * slot + 1] ?? 0;
      if (key === 0) return 0;
      if (slots[2 * slot] === hash && this.#records.isKey(key, bytes, start, size)) return key;
      slot += 1;
      if (slot === slotCount) slot = 0;
    }
  }

  /** The place of a key with this hash, if one stands where it would stand alone; 0 otherwise. */
  firstWith(hash: number): number {
    const { slots } = this.#partitionOf(hash);
    const slot = homeOf(hash, slots.length >>> 1);
    return slots[2 * slot] === hash ? (slots[2 * slot + 1] ?? 0) : 0;
  }

  /** Adds a key that is not here. */
  add(hash: number, key: number): void {
    let partition = this.#partitionOf(hash);
    while (5 * (partition.count + 1) > 2 * partition.slots.length) {
      if (!this.#split(partition, hash)) grow(partition, this.#firstSlotCount);
      partition = this.#partitionOf(hash);
    }
    place(partition.slots, hash, key);
    partition.count += 1;
  }

  /** Removes a key that is here. */
  remove(hash: number, key: number): void {
    const partition = this.#partitionOf(hash);
    const { slots } = partition;
    const slotCount = slots.length >>> 1;
    let hole = homeOf(hash, slotCount);
    while (slots[2 * hole + 1] !== key) {
      assert(slots[2 * hole + 1] !== 0, "a key that is removed is in the table");
      hole = hole + 1 === slotCount ? 0 : hole + 1;
    }
    // What follows moves up, unless it would pass its home: no marks are left that would fill the table.
    for (let next = hole; ;) {
      next = next + 1 === slotCount ? 0 : next + 1;
      const moved = slots[2 * next + 1] ?? 0;
      if (moved === 0) break;
      const home = homeOf(slots[2 * next] ?? 0, slotCount);
      const isBetween = hole <= next ? home > hole && home <= next : home > hole || home <= next;
      if (isBetween) continue;
      slots[2 * hole] = slots[2 * next] ?? 0;
      slots[2 * hole + 1] = moved;
      hole = next;
    }
    slots[2 * hole + 1] = 0;
    partition.count -= 1;
  }

  #partitionOf(hash: number): Partition {
    // In two steps: a shift by 32 would be one by 0.
    const partition = this.#directory[(hash >>> 1) >>> (31 - this.#depth)];
    assert(partition !== undefined, "the directory covers all hashes");
    return partition;
  }

  /** @returns whether it was split: not while it is small, nor when keys were made to be alike */
  #split(partition: Partition, hash: number): boolean {
    const { depth, slots } = partition;
    if (slots.length < 2 * SPLIT_SLOT_COUNT) return false;
    if (depth === this.#depth) {
      const isSparse = this.#directory.length >= SPREAD_MAX * this.#partitionCount;
      if (isSparse || depth === DEPTH_MAX) return false;
      this.#directory = this.#directory.flatMap((each) => [each, each]);
      this.#depth += 1;
    }
    const high = this.#divide(partition);
    const half = 1 << (this.#depth - depth - 1);
    const first = ((hash >>> 1) >>> (31 - depth)) * 2 * half;
    for (let i = 0; i < half; i++) {
      this.#directory[first + half + i] = high;
    }
    this.#partitionCount += 1;
    return true;
  }

  /**
   * Leaves the half of a partition whose next bit is 0 where it is: with arrays anew for both, all old ones would be garbage at
   * about the same time, when all partitions are full.
   * @returns the other half
   */
  #divide(low: Partition): Partition {
    const { slots } = low;
    const bit = 1 << (31 - low.depth);
    if (this.#divided.length < slots.length) this.#divided = new Uint32Array(slots.length);
    const divided = this.#divided.subarray(0, slots.length);
    divided.set(slots);
    let highCount = 0;
    for (let i = 0; i < divided.length; i += 2) {
      if (divided[i + 1] !== 0 && ((divided[i] ?? 0) & bit) !== 0) highCount += 1;
    }
    low.depth += 1;
    low.count -= highCount;
    const high = emptyPartition(highCount, low.depth);
    slots.fill(0);
    for (let i = 0; i < divided.length; i += 2) {
      const key = divided[i + 1] ?? 0;
      const hash = divided[i] ?? 0;
      if (key !== 0) place((hash & bit) === 0 ? slots : high.slots, hash, key);
    }
    return high;
  }
}

function emptyPartition(count: number, depth: number): Partition {
  const slotCount = Math.max(FIRST_SLOT_COUNT, Math.ceil(1.5 * count));
  return { slots: new Uint32Array(2 * slotCount), count, depth };
}

function grow(partition: Partition, slotCountMin: number): void {
  const { slots } = partition;
  const slotCount = slots.length >>> 1;
  const wanted = slotCount < 256 ? 2 * slotCount : Math.ceil(1.25 * slotCount);
  const grown = Math.max(wanted, slotCountMin);
  partition.slots = new Uint32Array(2 * grown);
  for (let i = 0; i < slots.length; i += 2) {
    const key = slots[i + 1] ?? 0;
    if (key !== 0) place(partition.slots, slots[i] ?? 0, key);
  }
}

/** The directory takes the first bits of a hash, the home the last 16. */
function homeOf(hash: number, slotCount: number): number {
  return (((hash & 0xffff) * slotCount) / 0x1_0000) >>> 0;
}

function place(slots: Uint32Array, hash: number, key: number): void {
  const slotCount = slots.length >>> 1;
  let slot = homeOf(hash, slotCount);
  while (slots[2 * slot + 1] !== 0) slot = slot + 1 === slotCount ? 0 : slot + 1;
  slots[2 * slot] = hash;
  slots[2 * slot + 1] = key;
}
