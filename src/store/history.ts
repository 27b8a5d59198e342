/**
 * What keys were before: every change since the compaction, in order, and for
 * each key what it was superseded by.
 *
 *   changes   (compacted, now]    records and tombstones as they came to be
 *   older     key -> its superseded records, oldest first; the current one is the table's
 *   dead      keys that have older records and no current one
 *
 * A tombstone is a record of version 0 without a value: the key was deleted at its
 * modRevision. A request changes a key once, however many of its commands do.
 *
 * Invariant: of a key's older records at most the first is from before the
 * compaction, and it is no tombstone; it is what the key was at the compaction.
 */
import { assert } from "../assert.js";
import type { KeyValue } from "./command.js";
import { KeyIndex } from "./key-index.js";
import { keyText } from "./key-order.js";
import { ShardedMap } from "./sharded-map.js";
import { TimeSteps } from "./time-steps.js";

/** Bytes that a change costs beside its key and value: objects and the places that point to them. */
const CHANGE_OVERHEAD_SIZE = 200;
/** Compacted changes before the array of changes is cut to what is left. */
const CUT_COUNT_MIN = 1024;
const NO_BYTES = new Uint8Array(0);

/** What a key became: a record, or a tombstone. */
export function isTombstone(record: KeyValue): boolean {
  return record.version === 0;
}

export function tombstone(key: Uint8Array, revision: number): KeyValue {
  return { key, value: NO_BYTES, createRevision: 0, modRevision: revision, version: 0 };
}

export class History {
  readonly #older = new ShardedMap<KeyValue[]>();
  readonly #dead = new KeyIndex();
  readonly #times = new TimeSteps();
  #changes: KeyValue[] = [];
  /** changes before this place are compacted */
  #head = 0;
  #size = 0;

  /** changes that are kept */
  get count(): number {
    return this.#changes.length - this.#head;
  }

  /** bytes, about */
  get size(): number {
    return this.#size;
  }

  get times(): TimeSteps {
    return this.#times;
  }

  /** Notes that `before` became `after` (a tombstone when the key is gone). */
  record(text: string, before: KeyValue | undefined, after: KeyValue, logTime: number): void {
    this.#times.add(after.modRevision, logTime);
    this.#changes.push(after);
    this.#size += sizeOf(after);
    if (before === undefined) {
      if (this.#dead.size > 0 && this.#older.get(text) !== undefined) this.#dead.delete(text);
    } else {
      this.#supersede(text, before);
    }
    if (isTombstone(after)) {
      this.#supersede(text, after);
      this.#dead.add(text);
    }
  }

  #supersede(text: string, record: KeyValue): void {
    const older = this.#older.get(text);
    if (older === undefined) this.#older.set(text, [record]);
    else older.push(record);
  }

  /** The last superseded record of a key up to `revision`, a tombstone perhaps; undefined when none is known. */
  at(text: string, revision: number): KeyValue | undefined {
    const older = this.#older.get(text);
    return older?.[placeAt(older, revision)];
  }

  /** Keys without a current record, from `from` on, in order. Not to be changed meanwhile. */
  deadKeys(from: string): IterableIterator<string> {
    return this.#dead.keys(from);
  }

  /** A key's superseded records that are kept, oldest first. */
  olderOf(text: string): readonly KeyValue[] {
    return this.#older.get(text) ?? [];
  }

  /** The change at `place`, counted from the oldest that is kept. */
  change(place: number): KeyValue | undefined {
    return this.#changes[this.#head + place];
  }

  /** The place of the first change later than `revision`. */
  placeAfter(revision: number): number {
    return placeAt(this.#changes, revision, this.#head) + 1 - this.#head;
  }

  /**
   * Forgets what only reads below `revision` need.
   * @param currentOf the table
   */
  compact(revision: number, currentOf: (text: string) => KeyValue | undefined): void {
    const end = placeAt(this.#changes, revision, this.#head) + 1;
    for (let i = this.#head; i < end; i++) {
      const change = this.#changes[i];
      assert(change !== undefined, "changes are contiguous");
      this.#size -= sizeOf(change);
      const text = keyText(change.key);
      this.#trim(text, revision, currentOf(text));
    }
    this.#head = end;
    this.#times.compact(revision);
    if (this.#head >= CUT_COUNT_MIN && this.#head * 2 >= this.#changes.length) {
      this.#changes = this.#changes.slice(this.#head);
      this.#head = 0;
    }
  }

  #trim(text: string, revision: number, current: KeyValue | undefined): void {
    const older = this.#older.get(text);
    if (older === undefined) return;
    // What the key was at the compaction stays readable, unless that was nothing.
    let keep = Math.max(placeAt(older, revision), 0);
    const oldest = older[keep];
    if (oldest !== undefined && oldest.modRevision <= revision && isTombstone(oldest)) keep++;
    const superseded = current !== undefined && current.modRevision <= revision;
    if (superseded || keep === older.length) {
      this.#older.delete(text);
      if (current === undefined) this.#dead.delete(text);
    } else if (keep > 0) {
      older.splice(0, keep);
    }
  }
}

function sizeOf(record: KeyValue): number {
  return record.key.length + record.value.length + CHANGE_OVERHEAD_SIZE;
}

/** The last place whose modRevision is at most `revision`; `from - 1` when there is none. */
function placeAt(records: readonly KeyValue[], revision: number, from = 0): number {
  let low = from;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((records[middle]?.modRevision ?? Infinity) <= revision) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
