/**
 * The order of the keys of a state that is taken back (state-restore.ts): the index of
 * those that are there, and of those that were deleted.
 *
 * In slices each key goes to its place as it comes, and none takes long. At once, while
 * nobody waits for anything but the end: most keys come in their order; those that
 * came with a change later on are sorted and go between them, so that both indexes are
 * built from their first key to their last. No way is looked for in them, and no
 * node is split.
 */
import type { KeyIndex } from "./key-index.js";
import type { Records } from "./records.js";

const FIRST_COUNT = 1024;
/** Of a rank's six bytes the last two. */
const RANK_REST: number = 2 ** 16;

export interface RestoredKeys {
  /** A key that is there, behind all others that were added so; before all else. */
  addBehind(key: number): void;
  /** A key that was not there has a record. */
  put(key: number, wasDeleted: boolean): void;
  /** A key that was there has none any more. */
  delete(key: number): void;
  /** All have come. */
  end(): void;
}

export class KeysInSlices implements RestoredKeys {
  readonly #live: KeyIndex;
  readonly #dead: KeyIndex;

  constructor(live: KeyIndex, dead: KeyIndex) {
    this.#live = live;
    this.#dead = dead;
  }

  addBehind(key: number): void {
    this.#live.append(key);
  }

  put(key: number, wasDeleted: boolean): void {
    this.#live.add(key);
    if (wasDeleted) this.#dead.remove(key);
  }

  delete(key: number): void {
    this.#live.remove(key);
    this.#dead.add(key);
  }

  end(): void {
    // Nothing was put off.
  }
}

export class KeysAtOnce implements RestoredKeys {
  readonly #records: Records;
  readonly #live: KeyIndex;
  readonly #dead: KeyIndex;
  #inOrder = new Uint32Array(FIRST_COUNT);
  #inOrderCount = 0;
  #late = new Uint32Array(FIRST_COUNT);
  #lateCount = 0;
  #hasDeletions = false;

  constructor(records: Records, live: KeyIndex, dead: KeyIndex) {
    this.#records = records;
    this.#live = live;
    this.#dead = dead;
  }

  addBehind(key: number): void {
    if (this.#inOrderCount === this.#inOrder.length) this.#inOrder = doubled(this.#inOrder);
    this.#inOrder[this.#inOrderCount++] = key;
  }

  put(key: number, wasDeleted: boolean): void {
    if (wasDeleted) return;
    if (this.#lateCount === this.#late.length) this.#late = doubled(this.#late);
    this.#late[this.#lateCount++] = key;
  }

  delete(): void {
    this.#hasDeletions = true;
  }

  end(): void {
    const inOrder = this.#inOrder.subarray(0, this.#inOrderCount);
    let next = 0;
    for (const key of this.#sortedLate()) {
      while (next < inOrder.length && this.#records.compareKeys(inOrder[next] ?? 0, key) < 0) {
        this.#append(inOrder[next++] ?? 0);
      }
      this.#append(key);
    }
    while (next < inOrder.length) this.#append(inOrder[next++] ?? 0);
  }

  #append(key: number): void {
    // What a key is now lies far from it: nobody looks there without a reason.
    const isLive = !this.#hasDeletions || this.#records.isRecord(this.#records.newestOf(key));
    (isLive ? this.#live : this.#dead).append(key);
  }

  /** By the six bytes behind what all of them begin with, which tell most of them apart, or else by all. */
  #sortedLate(): Uint32Array {
    const records = this.#records;
    const late = this.#late.subarray(0, this.#lateCount);
    const first = late[0];
    if (first === undefined) return late;
    let shared = records.keySizeOf(first);
    for (const key of late) shared = records.commonSizeOf(first, key, shared);
    const ranks = new Float64Array(late.length);
    for (let i = 0; i < late.length; i++) {
      const key = late[i] ?? 0;
      const rest = records.hintOfKey(key, shared + 4) >>> 16;
      ranks[i] = records.hintOfKey(key, shared) * RANK_REST + rest;
    }
    const order = new Uint32Array(late.length).map((_, i) => i);
    order.sort((left, right) => {
      const difference = (ranks[left] ?? 0) - (ranks[right] ?? 0);
      return difference === 0 ? records.compareKeys(late[left] ?? 0, late[right] ?? 0) : difference;
    });
    return order.map((i) => late[i] ?? 0);
  }
}

function doubled(keys: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(2 * keys.length);
  grown.set(keys);
  return grown;
}
