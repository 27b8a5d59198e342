/**
 * Every change since the compaction, in order. What a key was before a change hangs
 * on the change itself (records.ts).
 *
 * A compaction moves the start on at once; what it makes unreadable is freed in
 * steps, oldest first, but for what a view may still read (pin.ts) and the last of what was compacted
 * while there is one. A change that is
 * freed past takes along what it superseded; a tombstone that nothing superseded
 * takes its key.
 */
import { assert } from "../assert.js";
import { ChangeLog } from "./change-log.js";
import { Pin } from "./pin.js";
import { PlaceSet } from "./place-set.js";
import type { Records } from "./records.js";
import { TimeSteps } from "./time-steps.js";

/** Bytes that a change costs beside its key and value, as the limits on history count them. */
const CHANGE_OVERHEAD_SIZE = 200;
/**
 * Compacted changes that may wait for the end of a view: what each supersedes has to be looked at while there is one, and
 * most views are closed before there are so many.
 */
const HELD_COUNT_MAX = 128 * 1024;
/** Changes whose superseded versions are looked at together. */
const TOGETHER_COUNT = 64;

export class History {
  readonly times: TimeSteps = new TimeSteps();
  /** of other than the usual number: for tests */
  heldCountMax: number = HELD_COUNT_MAX;
  readonly #records: Records;
  readonly #log = new ChangeLog();
  #start = 0;
  #size = 0;
  #pin: Pin | undefined;
  /** versions that a view kept which is closed */
  #released = new PlaceSet();
  /** for the next view; both empty */
  #spare = new PlaceSet();
  readonly #given = new PlaceSet();
  /** tombstones whose keys a view kept */
  readonly #graves = new PlaceSet();
  readonly #olderRevisions = new Float64Array(TOGETHER_COUNT);

  constructor(records: Records) {
    this.#records = records;
  }

  /** Changes are numbered; the first that is not compacted, or `end`. */
  get start(): number {
    return this.#start;
  }

  /** the number of the next change */
  get end(): number {
    return this.#log.end;
  }

  /** changes that are kept */
  get count(): number {
    return this.#log.end - this.#start;
  }

  /** bytes, about */
  get size(): number {
    return this.#size;
  }

  /** Whether something compacted is still to be freed. */
  get isBehind(): boolean {
    if (this.#log.start < this.#freeableEnd || this.#released.count > 0) return true;
    return this.#pin === undefined && this.#graves.count > 0;
  }

  /** The first compacted change that is not to be freed yet, or `start`. */
  get #freeableEnd(): number {
    return this.#pin === undefined ? this.#start : this.#start - this.heldCountMax;
  }

  /** Notes that a key has become `version`. */
  record(version: number, logTime: number): void {
    const records = this.#records;
    const keySize = records.keySizeOf(records.keyOfVersion(version));
    const size = keySize + records.valueSizeOf(version);
    this.times.add(records.modRevisionOf(version), logTime);
    this.#log.push(version, records.olderOf(version), size, records.isTombstone(version));
    this.#size += size + CHANGE_OVERHEAD_SIZE;
  }

  /**
   * The same of a record over another, for who knows what they are.
   * @param size of key and value
   */
  recordPut(version: number, older: number, revision: number, size: number, logTime: number): void {
    this.times.add(revision, logTime);
    this.#log.push(version, older, size, false);
    this.#size += size + CHANGE_OVERHEAD_SIZE;
  }

  /** What a key became by the change of this number; 0 when it is not there. */
  versionAt(number: number): number {
    return this.#log.versionAt(number);
  }

  /** The revision of a change; undefined when it is not there. */
  revisionAt(number: number): number | undefined {
    const version = this.#log.versionAt(number);
    return version === 0 ? undefined : this.#records.modRevisionOf(version);
  }

  /** The number of the first change later than `revision`, of those that are not compacted. */
  firstAfter(revision: number): number {
    let low = this.#start;
    let high = this.#log.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.revisionAt(middle) ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Changes up to `revision` are not counted any more. */
  compact(revision: number): void {
    const start = this.firstAfter(revision);
    for (; this.#start < start; this.#start++) {
      this.#size -= this.#log.sizeAt(this.#start) + CHANGE_OVERHEAD_SIZE;
    }
  }

  // ---- freeing -------------------------------------------------------------

  /** Keeps what is readable now, at `revision` and from the compacted one on, until `unpin`. */
  pin(revision: number): Pin {
    assert(this.#pin === undefined, "there is one view at a time");
    const { compactedRevision } = this.#records;
    const pinned = { compactedRevision, revision, start: this.#start, end: this.#log.end };
    this.#records.pinnedRevision = revision;
    this.#pin = new Pin(this.#records, this.#spare, this.#given, pinned);
    return this.#pin;
  }

  /** What was kept is freed in steps. */
  unpin(): void {
    assert(this.#pin !== undefined, "there is a view");
    const { waiting } = this.#pin;
    this.#pin = undefined;
    this.#records.pinnedRevision = 0;
    this.#given.clear();
    // What an earlier view left is freed with it. One of the two is small: whatever made the other has freed it.
    const isMore = waiting.count > this.#released.count;
    const [less, more] = isMore ? [this.#released, waiting] : [waiting, this.#released];
    while (less.count > 0) more.add(less.takeAny());
    this.#spare = less;
    this.#released = more;
  }

  /**
   * Frees what is compacted, up to so many changes, versions and keys.
   * @param dropKey frees a key with its tombstone, which nothing has superseded
   */
  free(countMax: number, dropKey: (key: number, tombstone: number) => void): void {
    const records = this.#records;
    const log = this.#log;
    const end = Math.max(log.start, Math.min(this.#freeableEnd, log.start + countMax));
    let left = countMax - (end - log.start);
    for (let from = log.start; from < end; from = log.start) {
      const count = Math.min(end - from, TOGETHER_COUNT);
      if (this.#pin !== undefined) this.#readOlder(from, count);
      for (let i = 0; i < count; i++) {
        this.#freeBefore(from + i, this.#olderRevisions[i] ?? 0);
        if (log.isDeletionAt(from + i)) this.#bury(from + i, dropKey);
        log.shift();
      }
    }
    for (; left > 0 && this.#released.count > 0; left--) {
      records.arena.free(this.#released.takeAny());
    }
    if (this.#pin !== undefined) return;
    for (; left > 0 && this.#graves.count > 0; left--) {
      const tombstone = this.#graves.takeAny();
      const key = records.keyOfVersion(tombstone);
      // Otherwise the key is there again, and its tombstone goes when that change is compacted.
      if (records.newestOf(key) === tombstone) dropKey(key, tombstone);
    }
  }

  /**
   * The modRevisions of what some changes superseded. It is rarely in the processor's cache, and loads that
   * stand close together are waited for together.
   */
  #readOlder(from: number, count: number): void {
    const records = this.#records;
    for (let i = 0; i < count; i++) {
      const older = this.#log.olderAt(from + i);
      this.#olderRevisions[i] = older === 0 ? 0 : records.modRevisionOf(older);
    }
  }

  /**
   * Frees what a change superseded, or leaves it to the view.
   * @param olderRevision its modRevision, if there is a view
   */
  #freeBefore(number: number, olderRevision: number): void {
    const version = this.#log.versionAt(number);
    const older = this.#log.olderAt(number);
    const pin = this.#pin;
    pin?.note(number, version);
    if (older === 0) return;
    this.#graves.take(older);
    if (pin?.tryKeep(number, version, older, olderRevision) !== true)
      this.#records.arena.free(older);
  }

  #bury(number: number, dropKey: (key: number, tombstone: number) => void): void {
    const tombstone = this.#log.versionAt(number);
    const key = this.#records.keyOfVersion(tombstone);
    if (this.#records.newestOf(key) !== tombstone) return;
    if (this.#pin?.mayRead(number, tombstone) === true) this.#graves.add(tombstone);
    else dropKey(key, tombstone);
  }
}
