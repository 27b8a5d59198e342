/**
 * Reads of the past: at a revision, at a time, through a key's history, over what
 * changed. What is compacted or has not happened is an error with the revisions
 * that can be read.
 */
import { DatabaseError } from "../errors.js";
import type { KeyValue } from "./command.js";
import type { VersionedMap } from "./versioned-map.js";

export interface RangePage {
  readonly keyValues: readonly KeyValue[];
  /** whether keys beyond the last one follow in the range */
  readonly more: boolean;
}

/** One key's change. */
export interface Change {
  readonly kind: "put" | "delete";
  readonly key: Uint8Array;
  /** of the request that made it; several changes may share it */
  readonly revision: number;
  /** milliseconds since 1970, by the log */
  readonly time: number;
  /** the key after it; undefined after a deletion */
  readonly current: KeyValue | undefined;
  /** the key before it; undefined when it was absent, or when that is compacted */
  readonly previous: KeyValue | undefined;
}

export interface ChangesPage {
  /** whole revisions only */
  readonly changes: readonly Change[];
  /** where to go on: everything before it has been seen. The store's next revision when nothing follows */
  readonly nextRevision: number;
  /** whether changes follow that are there already */
  readonly more: boolean;
}

/** How much a page may hold: at least one item, whatever its size. */
export interface PageLimits {
  readonly countMax: number;
  /** bytes, about */
  readonly sizeMax: number;
}

/** @throws {DatabaseError} REVISION_COMPACTED, REVISION_FUTURE */
export function checkRevision(map: VersionedMap, asked: number): void {
  const revisions = { asked, compacted: map.compactedRevision, current: map.revision };
  const { compacted, current } = revisions;
  if (asked < compacted) {
    throw new DatabaseError(
      "REVISION_COMPACTED",
      `revision ${asked} is compacted; the oldest that can be read is ${compacted}, the newest ${current}`,
      { revisions },
    );
  }
  if (asked > current) {
    throw new DatabaseError(
      "REVISION_FUTURE",
      `revision ${asked} has not happened; the newest is ${current}, the oldest that can be read ${compacted}`,
      { revisions },
    );
  }
}

/** Fills a page from records in order. */
export function pageOf(records: Iterable<KeyValue>, limits: PageLimits): RangePage {
  const keyValues: KeyValue[] = [];
  let size = 0;
  for (const keyValue of records) {
    const full = keyValues.length >= limits.countMax || size >= limits.sizeMax;
    if (keyValues.length > 0 && full) return { keyValues, more: true };
    keyValues.push(keyValue);
    size += keyValue.key.length + keyValue.value.length;
  }
  return { keyValues, more: false };
}

/**
 * The revision that was the newest at `time`.
 * @throws {DatabaseError} REVISION_COMPACTED when it is not kept any more
 */
export function revisionAt(map: VersionedMap, time: number): number {
  const { times } = map.history;
  const after = times.firstAfter(time);
  if (after === undefined) return map.revision;
  const revision = after - 1;
  if (revision < map.compactedRevision) checkRevision(map, revision);
  return revision;
}

/** What made the compacted revision itself is forgotten. */
function checkChangesFrom(map: VersionedMap, from: number): void {
  const { compactedRevision, revision } = map;
  if (from <= compactedRevision) checkRevision(map, Math.min(from, compactedRevision) - 1);
  if (from > revision + 1) checkRevision(map, from);
}

/**
 * The keys of all changes at or after `from`, oldest first, and nothing of their values.
 *
 * @param look gets a key where it stands, which is good for the call alone; false ends the walk
 */
export function eachChangedKey(
  map: VersionedMap,
  from: number,
  look: (key: Uint8Array, revision: number) => boolean,
): void {
  checkChangesFrom(map, from);
  const { history, records } = map;
  for (let number = history.firstAfter(from - 1); number < history.end; number++) {
    const version = history.versionAt(number);
    const key = records.viewOfKey(records.keyOfVersion(version));
    if (!look(key, records.modRevisionOf(version))) return;
  }
}

/** All changes at or after `from` as far as a page goes. */
export function changesSince(map: VersionedMap, from: number, limits: PageLimits): ChangesPage {
  const { history, revision } = map;
  checkChangesFrom(map, from);
  const changes: Change[] = [];
  let size = 0;
  for (let number = history.firstAfter(from - 1); number < history.end; number++) {
    const version = history.versionAt(number);
    const nextRevision = map.records.modRevisionOf(version);
    const last = changes.at(-1);
    const full = changes.length >= limits.countMax || size >= limits.sizeMax;
    if (full && last !== undefined && last.revision !== nextRevision) {
      return { changes, nextRevision, more: true };
    }
    const change = changeOf(map, version);
    changes.push(change);
    const { key, current, previous } = change;
    size += key.length + (current?.value.length ?? 0) + (previous?.value.length ?? 0);
  }
  return { changes, nextRevision: revision + 1, more: false };
}

/** The change that made a version. */
function changeOf({ records, history, compactedRevision }: VersionedMap, version: number): Change {
  const revision = records.modRevisionOf(version);
  const key = records.keyOf(records.keyOfVersion(version));
  const isDeleted = records.isTombstone(version);
  // What it was before its compaction is not told, though it may be there still.
  const before = revision <= compactedRevision ? 0 : records.olderOf(version);
  return {
    kind: isDeleted ? "delete" : "put",
    key,
    revision,
    time: history.times.timeOf(revision),
    current: isDeleted ? undefined : records.keyValueOf(version, key),
    previous: records.isRecord(before) ? records.keyValueOf(before, key) : undefined,
  };
}

/** How to walk a key's history. */
export interface HistoryOptions extends PageLimits {
  readonly order: "newest-first" | "oldest-first";
  /** where to go on: only changes older than it (newest first) or newer (oldest first) */
  readonly beyond?: number;
}

export interface HistoryPage {
  readonly changes: readonly Change[];
  readonly more: boolean;
}

/** A key's changes that are kept; the oldest may be what it was at the compaction. */
export function historyOf(
  map: VersionedMap,
  key: Uint8Array,
  options: HistoryOptions,
): HistoryPage {
  const { order, beyond, countMax, sizeMax } = options;
  const versions = map.versionsOf(key);
  const oldest = versions.at(-1);
  // What it was at the compaction was nothing.
  if (oldest !== undefined && isCompactedDeletion(map, oldest)) versions.pop();
  if (order === "oldest-first") versions.reverse();
  const changes: Change[] = [];
  let size = 0;
  for (const version of versions) {
    const revision = map.records.modRevisionOf(version);
    const isBeyond =
      beyond === undefined || (order === "newest-first" ? revision < beyond : revision > beyond);
    if (!isBeyond) continue;
    const full = changes.length >= countMax || size >= sizeMax;
    if (changes.length > 0 && full) return { changes, more: true };
    changes.push(changeOf(map, version));
    size += key.length + map.records.valueSizeOf(version);
  }
  return { changes, more: false };
}

function isCompactedDeletion(
  { records, compactedRevision }: VersionedMap,
  version: number,
): boolean {
  return records.isTombstone(version) && records.modRevisionOf(version) <= compactedRevision;
}
