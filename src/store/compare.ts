/**
 * Conditions on the state before a request: its compares, the conditions of its
 * puts, and that what its writer has read is unchanged.
 */
import type {
  Command,
  Compare,
  CompareRelation,
  Conflict,
  KeyValue,
  PutCondition,
  Read,
} from "./command.js";
import { ChangedKeys } from "./changed-keys.js";
import { keyText } from "./key-order.js";
import type { VersionedMap } from "./versioned-map.js";

/** Conflicts that are told; there may be more. */
const CONFLICT_COUNT_MAX = 100;
const NO_KEYS: ReadonlyMap<string, Uint8Array> = new Map();

/** The place of the first compare that does not hold; -1 when all do. */
export function failedCompare(map: VersionedMap, compares: readonly Compare[]): number {
  return compares.findIndex((compare) => !holds(map.get(compare.key), compare));
}

function holds(record: KeyValue | undefined, compare: Compare): boolean {
  if (compare.target !== "value") {
    return related((record?.[compare.target] ?? 0) - compare.number, compare.relation);
  }
  return record !== undefined && related(order(record.value, compare.value), compare.relation);
}

/** @param difference negative, 0 or positive, as a comparison function gives it */
function related(difference: number, relation: CompareRelation): boolean {
  switch (relation) {
    case "=":
      return difference === 0;
    case "!=":
      return difference !== 0;
    case "<":
      return difference < 0;
    case ">":
      return difference > 0;
  }
}

function order(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The place of the first put whose condition does not hold; -1 when all do. */
export function failedCondition(map: VersionedMap, commands: readonly Command[]): number {
  return commands.findIndex(
    (command) => command.kind === "put" && !conditionHolds(map, command.key, command.condition),
  );
}

export function conditionHolds(
  map: VersionedMap,
  key: Uint8Array,
  condition: PutCondition,
): boolean {
  return condition === "none" || (map.findKey(key) === 0) === (condition === "absent");
}

/** Keys in [from, end), as key texts; an empty `end` means no upper bound. */
export interface TextRange {
  readonly from: string;
  readonly end: string;
}

/** What changed among the reads; "too-old" when that cannot be known any more. */
export function conflictsOf(
  map: VersionedMap,
  reads: readonly Read[],
): readonly Conflict[] | "too-old" {
  const conflicts: Conflict[] = [];
  let changed: ChangedRanges | undefined;
  for (const read of reads) {
    if (conflicts.length >= CONFLICT_COUNT_MAX) break;
    if (read.kind === "key") {
      const current = map.findKey(read.key);
      const seen = current === 0 ? 0 : map.records.modRevisionOf(current);
      if (seen === read.revision) continue;
      const currentRevision = map.changedAt(read.key);
      // A copy: the request's key is a view of its block, and a conflict is kept for long.
      const key = new Uint8Array(read.key);
      conflicts.push({ key, readRevision: read.revision, currentRevision });
    } else {
      if (read.revision < map.compactedRevision) return "too-old";
      changed ??= changedAmong(map, reads);
      changed(conflicts, read);
    }
  }
  return conflicts;
}

type RangeRead = Extract<Read, { kind: "range" }>;
/** Notes what of one range changed since it was read. */
type ChangedRanges = (conflicts: Conflict[], read: RangeRead) => void;

/** However many ranges were read, the history is walked once. */
function changedAmong(map: VersionedMap, reads: readonly Read[]): ChangedRanges {
  const ranged = reads.filter((read) => read.kind === "range");
  if (ranged.length === 1) {
    return (conflicts, read) => {
      addChanged(conflicts, map, { keys: NO_KEYS, ranges: [rangeOf(read)] }, read.revision);
    };
  }
  const sorted = union(ranged.map(rangeOf));
  const least = ranged.reduce((least, { revision }) => Math.min(least, revision), Infinity);
  const keys = new ChangedKeys(map, least, (text) => contains(sorted, text));
  return (conflicts, read) => {
    for (const place of keys.within(rangeOf(read), read.revision)) {
      if (conflicts.length >= CONFLICT_COUNT_MAX) return;
      const key = map.records.keyOf(place);
      conflicts.push({ key, readRevision: read.revision, currentRevision: map.changedAt(key) });
    }
  };
}

function rangeOf({ key, end }: RangeRead): TextRange {
  return { from: keyText(key), end: keyText(end) };
}

/** What must not have changed. */
export interface Watched {
  /** by key text */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  readonly ranges: readonly TextRange[];
}

/** Notes what of `watched` changed after `revision`, which is not compacted. */
export function addChanged(
  conflicts: Conflict[],
  map: VersionedMap,
  watched: Watched,
  revision: number,
): void {
  for (const key of watched.keys.values()) {
    const currentRevision = map.changedAt(key);
    if (currentRevision <= revision) continue;
    if (conflicts.length >= CONFLICT_COUNT_MAX) return;
    conflicts.push({ key, readRevision: revision, currentRevision });
  }
  if (watched.ranges.length === 0) return;
  const sorted = union(watched.ranges);
  const seen = new Set(watched.keys.keys());
  const { history, records } = map;
  for (let number = history.firstAfter(revision); number < history.end; number++) {
    if (conflicts.length >= CONFLICT_COUNT_MAX) return;
    const place = records.keyOfVersion(history.versionAt(number));
    const text = keyText(records.viewOfKey(place));
    if (seen.has(text) || !contains(sorted, text)) continue;
    seen.add(text);
    const key = records.keyOf(place);
    conflicts.push({ key, readRevision: revision, currentRevision: map.changedAt(key) });
  }
}

/** The same keys in ranges that are in order and do not meet. */
function union(ranges: readonly TextRange[]): readonly TextRange[] {
  const sorted = ranges.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const joined: { from: string; end: string }[] = [];
  for (const { from, end } of sorted) {
    const last = joined.at(-1);
    if (last === undefined || (last.end !== "" && last.end < from)) joined.push({ from, end });
    else if (last.end !== "" && (end === "" || end > last.end)) last.end = end;
  }
  return joined;
}

function contains(sorted: readonly TextRange[], text: string): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.from ?? "") <= text) low = middle + 1;
    else high = middle;
  }
  const range = sorted[low - 1];
  return range !== undefined && (range.end === "" || text < range.end);
}
