/**
 * Every change since the compaction, in order. What a key was before a change hangs
 * on the change itself (records.ts).
 *
 * A compaction moves the start on at once; what it makes unreadable is freed in
 * steps, oldest first, and not while a view may still read it. A change that is
 * freed past takes along what it superseded; a tombstone that nothing superseded
 * takes its key.
 */
import { ChangeLog } from "./change-log.js";
import type { Records } from "./records.js";
import { TimeSteps } from "./time-steps.js";

/** Bytes that a change costs beside its key and value, as the limits on history count them. */
const CHANGE_OVERHEAD_SIZE = 200;

export class History {
  readonly times: TimeSteps = new TimeSteps();
  readonly #records: Records;
  readonly #log = new ChangeLog();
  #start = 0;
  #size = 0;

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
    return this.#log.start < this.#start;
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

  /**
   * Frees what is compacted, up to so many changes.
   * @param dropKey frees a key with its tombstone, which nothing has superseded
   */
  free(countMax: number, dropKey: (key: number, tombstone: number) => void): void {
    const records = this.#records;
    const log = this.#log;
    const end = Math.min(this.#start, log.start + countMax);
    for (let number = log.start; number < end; number++) {
      const older = log.olderAt(number);
      if (older !== 0) records.arena.free(older);
      if (log.isDeletionAt(number)) {
        const tombstone = log.versionAt(number);
        const key = records.keyOfVersion(tombstone);
        if (records.newestOf(key) === tombstone) dropKey(key, tombstone);
      }
      log.shift();
    }
  }
}
