/**
 * Reads of the past: at a revision, at a time, through a key's history, over what
 * changed. What is compacted or has not happened is an error with the revisions
 * that can be read.
 */
import { DatabaseError } from "../errors.js";
import type { KeyValue } from "./command.js";
import { isTombstone } from "./history.js";
import { keyText } from "./key-order.js";
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

/** All changes at or after `from` as far as a page goes. */
export function changesSince(map: VersionedMap, from: number, limits: PageLimits): ChangesPage {
  const { history, revision } = map;
  // What made the compacted revision itself is forgotten.
  if (from <= map.compactedRevision) checkRevision(map, Math.min(from, map.compactedRevision) - 1);
  if (from > revision + 1) checkRevision(map, from);
  const changes: Change[] = [];
  let size = 0;
  for (let place = history.placeAfter(from - 1); ; place++) {
    const record = history.change(place);
    if (record === undefined) return { changes, nextRevision: revision + 1, more: false };
    const last = changes.at(-1);
    const full = changes.length >= limits.countMax || size >= limits.sizeMax;
    if (full && last !== undefined && last.revision !== record.modRevision) {
      return { changes, nextRevision: record.modRevision, more: true };
    }
    const change = changeOf(map, record);
    changes.push(change);
    size += record.key.length + record.value.length + (change.previous?.value.length ?? 0);
  }
}

function changeOf(map: VersionedMap, record: KeyValue): Change {
  const { key, modRevision: revision } = record;
  const time = map.history.times.timeOf(revision);
  const text = keyText(key);
  const before = revision - 1 < map.compactedRevision ? undefined : map.at(text, revision - 1);
  const deleted = isTombstone(record);
  return {
    kind: deleted ? "delete" : "put",
    key,
    revision,
    time,
    current: deleted ? undefined : record,
    previous: before,
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
  const records = recordsOf(map, keyText(key));
  if (options.order === "newest-first") records.reverse();
  const changes: Change[] = [];
  let size = 0;
  for (const record of records) {
    const { beyond } = options;
    const newest = options.order === "newest-first";
    if (
      beyond !== undefined &&
      (newest ? record.modRevision >= beyond : record.modRevision <= beyond)
    )
      continue;
    const full = changes.length >= options.countMax || size >= options.sizeMax;
    if (changes.length > 0 && full) return { changes, more: true };
    changes.push(changeOf(map, record));
    size += record.key.length + record.value.length;
  }
  return { changes, more: false };
}

/** A key's records that are not compacted, oldest first. */
function recordsOf(map: VersionedMap, text: string): KeyValue[] {
  const current = map.get(text);
  const all = [...map.history.olderOf(text), ...(current === undefined ? [] : [current])];
  const start = all.findIndex((record) => record.modRevision > map.compactedRevision);
  const younger = start < 0 ? [] : all.slice(start);
  const base = all[start < 0 ? all.length - 1 : start - 1];
  return base === undefined || isTombstone(base) ? younger : [base, ...younger];
}
