/**
 * The versioned map: the keys, what they are and what they were.
 *
 * Everything a key costs is in an arena off the heap (records.ts); a hash finds keys
 * (key-table.ts), two indexes have them in order (key-index.ts): the live ones, and
 * those that were deleted and whose history is kept, so that a range over the
 * present does not walk over graves.
 *
 * Revisions are etcd's. All changes between `begin` and `end` are one request's: they share one
 * revision, a key that is changed twice has one change, and `takeBack` undoes all of them. A
 * version whose modRevision is the next revision is thus one of the request under way.
 *
 * A view pins a compaction: what it reads stays readable where it is, while the map
 * goes on changing and even while it is compacted further (pin.ts).
 */
import { assert } from "../assert.js";
import type { KeyValue } from "./command.js";
import { hashOf } from "./hash.js";
import { History } from "./history.js";
import { KeyIndex } from "./key-index.js";
import { keyText } from "./key-order.js";
import type { KeyPage } from "./key-page.js";
import { KeyTable } from "./key-table.js";
import type { Leases } from "./lease.js";
import { Records } from "./records.js";
import { KeysAtOnce, KeysInSlices, type RestoredKeys } from "./restored-keys.js";
import type { Pin } from "./pin.js";
import type { RecordRow } from "./state-row.js";

/** Compacted changes freed with a compaction or the end of a view, and with each request until all are. */
const FREED_COUNT_MAX = 4000;
const FREED_WITH_REQUEST_COUNT_MAX = 64;
/** Room that is made for keys that are only expected. */
const EXPECTED_COUNT_MAX = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

export class VersionedMap {
  readonly records: Records = new Records();
  readonly history: History = new History(this.records);
  readonly keys: KeyTable = new KeyTable(this.records);
  readonly #live = new KeyIndex(this.records);
  readonly #dead = new KeyIndex(this.records);
  readonly #leases: Leases;
  #revision = 1;
  #logTime = 0;
  #liveSize = 0;
  /** keys that the request under way has changed, in the order in which it did: the first `#touchedCount` */
  #touched: number[] = [];
  #touchedCount = 0;
  #restored: RestoredKeys = new KeysInSlices(this.#live, this.#dead);

  /** @param leases told which keys name them */
  constructor(leases: Leases) {
    this.#leases = leases;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Reads below it are refused; 0 when nothing was compacted. */
  get compactedRevision(): number {
    return this.records.compactedRevision;
  }

  /** keys */
  get size(): number {
    return this.#live.size;
  }

  /** bytes of the keys and their values */
  get liveSize(): number {
    return this.#liveSize;
  }

  // ---- reading -------------------------------------------------------------

  /** The current record of a key, as the place of a version; 0 when it is absent. */
  find(bytes: Uint8Array, start: number, size: number): number {
    const key = this.keys.find(hashOf(bytes, start, size), bytes, start, size);
    return key === 0 ? 0 : this.#recordOr0(this.records.newestOf(key));
  }

  /** As `find`, of a whole key. */
  findKey(key: Uint8Array): number {
    return this.find(key, 0, key.length);
  }

  get(key: Uint8Array): KeyValue | undefined {
    const version = this.findKey(key);
    return version === 0 ? undefined : this.records.keyValueOf(version);
  }

  /** What a key was at `revision`, which is not compacted. */
  at(key: Uint8Array, revision: number): KeyValue | undefined {
    const place = this.#keyAt(key);
    const version = place === 0 ? 0 : this.#recordOr0(this.records.at(place, revision));
    return version === 0 ? undefined : this.records.keyValueOf(version);
  }

  /** The revision of a key's last change; 0 when it is absent and its deletion is compacted, or never was. */
  changedAt(key: Uint8Array): number {
    const newest = this.#newestOf(key);
    if (newest === 0) return 0;
    const revision = this.records.modRevisionOf(newest);
    // Tombstones that are not freed yet are there on this node alone: they must not reach the fold.
    const isKnown = this.records.isRecord(newest) || revision > this.compactedRevision;
    return isKnown ? revision : 0;
  }

  /** The versions of a key that can be read, newest first; the last may be what it was at the compaction. */
  versionsOf(key: Uint8Array): number[] {
    const versions: number[] = [];
    let version = this.#newestOf(key);
    while (version !== 0) {
      versions.push(version);
      if (this.records.modRevisionOf(version) <= this.compactedRevision) break;
      version = this.records.olderOf(version);
    }
    return versions;
  }

  /**
   * The records of the keys in [from, end), in order, as places of versions; an empty
   * `end` means no upper bound. The map must not be changed meanwhile.
   */
  *findRange(from: Uint8Array, end: Uint8Array): IterableIterator<number> {
    const cursor = this.#live.from(from);
    while (cursor.key !== 0 && this.#isBefore(cursor.key, end)) {
      yield this.records.newestOf(cursor.key);
      cursor.advance();
    }
  }

  /** As `findRange`, at `revision`, which is not compacted. */
  *findRangeAt(from: Uint8Array, end: Uint8Array, revision: number): IterableIterator<number> {
    const live = this.#live.from(from);
    const dead = this.#dead.from(from);
    for (;;) {
      const isLive =
        live.key !== 0 && (dead.key === 0 || this.records.compareKeys(live.key, dead.key) < 0);
      const cursor = isLive ? live : dead;
      if (cursor.key === 0 || !this.#isBefore(cursor.key, end)) return;
      const version = this.#recordOr0(this.records.at(cursor.key, revision));
      cursor.advance();
      if (version !== 0) yield version;
    }
  }

  /** As `findRangeAt` without an end, a page of it. */
  findPageAt(from: Uint8Array, revision: number, page: KeyPage): void {
    page.find(this.#live, this.#dead, from, revision);
  }

  /** As `findRange`, the records themselves. */
  *range(from: Uint8Array, end: Uint8Array): IterableIterator<KeyValue> {
    for (const version of this.findRange(from, end)) yield this.records.keyValueOf(version);
  }

  /** As `findRangeAt`, the records themselves. */
  *rangeAt(from: Uint8Array, end: Uint8Array, revision: number): IterableIterator<KeyValue> {
    for (const version of this.findRangeAt(from, end, revision)) {
      yield this.records.keyValueOf(version);
    }
  }

  #isBefore(key: number, end: Uint8Array): boolean {
    return end.length === 0 || this.records.compareKey(key, end, 0, end.length) < 0;
  }

  #keyAt(key: Uint8Array): number {
    return this.keys.find(hashOf(key, 0, key.length), key, 0, key.length);
  }

  #newestOf(key: Uint8Array): number {
    const place = this.#keyAt(key);
    return place === 0 ? 0 : this.records.newestOf(place);
  }

  #recordOr0(version: number): number {
    return this.records.isRecord(version) ? version : 0;
  }

  // ---- changing ------------------------------------------------------------

  begin(logTime: number): void {
    this.#logTime = logTime;
    if (this.history.isBehind) this.#free(FREED_WITH_REQUEST_COUNT_MAX);
  }

  /**
   * The same as `begin`, `put` of a key and a value without a lease, and `end`: a request of one put.
   * @returns the revision
   */
  putAlone(
    bytes: Uint8Array,
    keyStart: number,
    keySize: number,
    valueStart: number,
    valueSize: number,
    logTime: number,
  ): number {
    this.begin(logTime);
    const { records } = this;
    const key = this.#keyFor(bytes, keyStart, keySize);
    const newest = records.newestOf(key);
    const sizeBefore = records.newestSizeOf(key);
    const revision = this.#revision + 1;
    const record = records.tryPut(key, revision, bytes, valueStart, valueSize);
    if (record === 0) {
      this.#setRecord(key, 0, bytes, valueStart, valueSize);
      this.end();
      return this.#revision;
    }
    this.history.recordPut(record, newest, revision, keySize + valueSize, logTime);
    if (newest === 0) this.#live.add(key);
    this.#liveSize += newest === 0 ? keySize + valueSize : valueSize - sizeBefore;
    return (this.#revision = revision);
  }

  /**
   * Sets a key, whose bytes and value are copied.
   *
   * @param lease 0 for none
   * @returns the place of the record
   */
  put(
    keyBytes: Uint8Array,
    keyStart: number,
    keySize: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueSize: number,
    lease: number,
  ): number {
    const key = this.#keyFor(keyBytes, keyStart, keySize);
    return this.#setRecord(key, lease, valueBytes, valueStart, valueSize);
  }

  #setRecord(
    key: number,
    lease: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueSize: number,
  ): number {
    const { records } = this;
    const revision = this.#revision + 1;
    const newest = records.newestOf(key);
    const isThere = records.isRecord(newest);
    const isTouched = newest !== 0 && records.modRevisionOf(newest) === revision;
    const record = records.addVersion(
      key,
      isTouched ? records.olderOf(newest) : newest,
      isTouched ? newest : 0,
      isThere ? records.createRevisionOf(newest) : revision,
      revision,
      isThere ? records.versionOf(newest) + 1 : 1,
      lease,
      valueBytes,
      valueStart,
      valueSize,
    );
    records.setNewest(key, record);
    if (!isThere) {
      this.#live.add(key);
      if (newest !== 0) this.#dead.remove(key);
    }
    if (isTouched) records.arena.free(newest);
    else this.#touched[this.#touchedCount++] = key;
    return record;
  }

  #keyFor(bytes: Uint8Array, start: number, size: number): number {
    const hash = hashOf(bytes, start, size);
    let key = this.keys.find(hash, bytes, start, size);
    if (key === 0) {
      key = this.records.addKey(bytes, start, size);
      this.keys.add(hash, key);
    }
    return key;
  }

  /** Deletes a key. @param record its current one */
  delete(record: number): void {
    const { records } = this;
    const key = records.keyOfVersion(record);
    const revision = this.#revision + 1;
    const isTouched = records.modRevisionOf(record) === revision;
    const older = isTouched ? records.olderOf(record) : record;
    const replaced = isTouched ? record : 0;
    records.setNewest(
      key,
      records.addVersion(key, older, replaced, 0, revision, 0, 0, NO_BYTES, 0, 0),
    );
    this.#live.remove(key);
    this.#dead.add(key);
    if (isTouched) records.arena.free(record);
    else this.#touched[this.#touchedCount++] = key;
  }

  /** The request is done. What it changed makes a revision. */
  end(): void {
    const count = this.#touchedCount;
    for (let i = 0; i < count; i++) this.#settle(this.#touched[i] ?? 0);
    this.#forgetTouched();
    this.#leases.end();
    if (count > 0) this.#revision += 1;
  }

  /** The request is refused. */
  takeBack(): void {
    for (let i = this.#touchedCount - 1; i >= 0; i--) this.#undo(this.#touched[i] ?? 0);
    this.#forgetTouched();
    this.#leases.takeBack();
  }

  #forgetTouched(): void {
    if (this.#touchedCount > FREED_COUNT_MAX) this.#touched = [];
    this.#touchedCount = 0;
  }

  #settle(key: number): void {
    const { records } = this;
    const after = records.newestOf(key);
    const before = this.#recordOr0(records.olderOf(after));
    // A key that came and went within the request was never there.
    if (before === 0 && records.isTombstone(after)) {
      this.#undo(key);
      return;
    }
    this.history.record(after, this.#logTime);
    this.#liveSize += this.#sizeOf(key, after) - this.#sizeOf(key, before);
    const leaseBefore = before === 0 ? 0 : records.leaseOf(before);
    const leaseAfter = records.leaseOf(after);
    if (leaseBefore !== leaseAfter) this.#moveLease(key, leaseBefore, leaseAfter);
  }

  #sizeOf(key: number, version: number): number {
    const { records } = this;
    if (!records.isRecord(version)) return 0;
    return records.keySizeOf(key) + records.valueSizeOf(version);
  }

  #moveLease(key: number, before: number, after: number): void {
    const text = keyText(this.records.viewOfKey(key));
    this.#leases.moved(text, before === 0 ? undefined : before, after === 0 ? undefined : after);
  }

  /** A key becomes again what it was before the request. */
  #undo(key: number): void {
    const { records } = this;
    const version = records.newestOf(key);
    const older = records.olderOf(version);
    const isLive = records.isRecord(version);
    const wasLive = records.isRecord(older);
    const wasDead = older !== 0 && !wasLive;
    if (isLive && !wasLive) this.#live.remove(key);
    if (!isLive && wasLive) this.#live.add(key);
    if (!isLive && !wasDead) this.#dead.remove(key);
    if (isLive && wasDead) this.#dead.add(key);
    records.setNewest(key, older);
    records.uncount(key);
    records.arena.free(version);
    if (older === 0) this.#dropKey(key);
  }

  #dropKey(key: number): void {
    const bytes = this.records.viewOfKey(key);
    this.keys.remove(hashOf(bytes, 0, bytes.length), key);
    this.records.arena.free(key);
  }

  // ---- compacting ----------------------------------------------------------

  /** @param revision beyond the compacted one, at most the current one */
  compact(revision: number): void {
    assert(revision > this.compactedRevision, "a compaction moves on");
    assert(revision <= this.#revision, "what did not happen is not compacted");
    this.records.compactedRevision = revision;
    this.history.compact(revision);
    this.#free(FREED_COUNT_MAX);
  }

  /** Keeps what is readable now readable, where it is, until it was given or `unpin`. */
  pin(): Pin {
    return this.history.pin(this.#revision);
  }

  unpin(): void {
    this.history.unpin();
    this.#free(FREED_COUNT_MAX);
  }

  #free(countMax: number): void {
    this.history.free(countMax, this.#dropDead);
    if (!this.history.isBehind) this.history.times.compact(this.compactedRevision);
  }

  readonly #dropDead = (key: number, tombstone: number): void => {
    this.#dead.remove(key);
    this.records.arena.free(tombstone);
    this.#dropKey(key);
  };

  // ---- taking a state back -------------------------------------------------

  /** Before a restore for whose end alone somebody waits. */
  restoreAtOnce(): void {
    this.#restored = new KeysAtOnce(this.records, this.#live, this.#dead);
  }

  /** The first of a restore: an empty map that was compacted. */
  restoreRevisions(revision: number, compactedRevision: number): void {
    assert(this.#revision === 1, "a state is restored into an empty map");
    this.#revision = revision;
    this.records.compactedRevision = compactedRevision;
  }

  /** So many keys or so will come: room is made for them, for a million at most. */
  expect(keyCount: number): void {
    this.keys.expect(Math.min(keyCount, EXPECTED_COUNT_MAX));
  }

  /** A key as it was at the compacted revision, behind all others. @returns its place */
  restoreKey(row: RecordRow): number {
    const { keyBytes, keyStart, keySize, lease } = row;
    const key = this.records.addKey(keyBytes, keyStart, keySize);
    this.keys.add(hashOf(keyBytes, keyStart, keySize), key);
    this.#restored.addBehind(key);
    this.records.setNewest(key, this.#restoreVersion(key, 0, row));
    this.#liveSize += keySize + row.valueSize;
    if (lease !== 0) this.#moveLease(key, 0, lease);
    return key;
  }

  /** A change after it; in order. */
  restorePut(row: RecordRow): void {
    this.#logTime = row.time;
    const key = this.#keyFor(row.keyBytes, row.keyStart, row.keySize);
    const newest = this.records.newestOf(key);
    const isThere = this.records.isRecord(newest);
    this.records.setNewest(key, this.#restoreVersion(key, newest, row));
    if (!isThere) this.#restored.put(key, newest !== 0);
    this.#settle(key);
  }

  /** A deletion after it; in order. @returns whether the key was there */
  restoreDelete({ keyBytes, keyStart, keySize, modRevision, time }: RecordRow): boolean {
    this.#logTime = time;
    const record = this.find(keyBytes, keyStart, keySize);
    if (record === 0) return false;
    const key = this.records.keyOfVersion(record);
    const { records } = this;
    records.setNewest(
      key,
      records.addVersion(key, record, 0, 0, modRevision, 0, 0, NO_BYTES, 0, 0),
    );
    this.#restored.delete(key);
    this.#settle(key);
    return true;
  }

  restoreEnd(): void {
    this.#restored.end();
    this.#restored = new KeysInSlices(this.#live, this.#dead);
  }

  #restoreVersion(key: number, older: number, row: RecordRow): number {
    const { createRevision, modRevision, version, lease, valueBytes, valueStart, valueSize } = row;
    // prettier-ignore
    return this.records.addVersion(key, older, 0, createRevision, modRevision, version, lease, valueBytes, valueStart, valueSize);
  }
}
