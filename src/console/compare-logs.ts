/**
 * Do these replicas agree, and where do they first differ?
 *
 * Blocks chain: the checksum at an index covers everything up to it, so "equal at
 * i" means "equal up to i", and the first difference is found by bisection: about
 * twenty questions to a log of a million blocks, and no command is read. Where a
 * log can answer for some indexes more cheaply than for others (a directory: for
 * those before its segments), the search narrows down on these first.
 *
 * What was compacted is compared by what is left of it: the checksum that each log
 * goes on from, and snapshots at the same index, which hold the log's checksum there
 * and one over the state.
 */
import { assert } from "../assert.js";

/** The checksum and term of one log at one index. */
export interface LogPoint {
  readonly term: number;
  readonly checksum: number;
}

/** What a snapshot says of the log and the state at its index. */
export interface SnapshotPoint extends LogPoint {
  readonly index: number;
  readonly stateChecksum: number;
}

/** A log as comparison sees it. */
export interface ReplicaLog {
  /** a directory or an address */
  readonly name: string;
  /** the first index still held */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** ascending */
  readonly snapshots: readonly SnapshotPoint[];
  /** indexes that `checksumAt` answers for at little cost; undefined: all of them */
  readonly boundaries: readonly number[] | undefined;
  /** undefined when not held; the one before the first may be known, for the log chains to it */
  checksumAt(index: number): Promise<LogPoint | undefined>;
}

/** Where some replicas differ. */
export interface Difference {
  readonly index: number;
  /** the difference may lie before `index`, but behind this one: what is between is no longer held by every log */
  readonly after: number | undefined;
  /** in the order of the logs */
  readonly points: readonly (LogPoint | undefined)[];
}

export type Comparison = {
  /** from where on it was compared, and up to where; what is before is covered by the checksums themselves */
  readonly from: number;
  readonly comparedTo: number;
} & (
  | /** the same last index, the same checksum there */ { readonly kind: "equal" }
    /** equal as far as the shortest goes; `behind` have not got the rest */
  | { readonly kind: "lag"; readonly behind: readonly string[] }
  | ({ readonly kind: "different" } & Difference)
  /** the logs agree, but what was made of them does not */
  | { readonly kind: "state-differs"; readonly index: number; readonly names: readonly string[] }
  /** there is no index that all of them hold */
  | { readonly kind: "incomparable" }
);

/** Compares two or more logs. */
export async function compareLogs(logs: readonly ReplicaLog[]): Promise<Comparison> {
  assert(logs.length >= 2, "a comparison is between two logs or more");
  const firstHeld = Math.max(...logs.map(({ firstIndex }) => firstIndex));
  const comparedTo = Math.min(...logs.map(({ lastIndex }) => lastIndex));
  const base = firstHeld - 1;
  const basePoints = base === 0 ? undefined : await pointsAt(logs, base);
  // Where every log can tell what it goes on from, that is one more index to compare.
  const from = basePoints?.every((point) => point !== undefined) === true ? base : firstHeld;
  if (comparedTo < from) return withoutCommonIndex(logs, firstHeld, comparedTo);
  if (!agree(await pointsAt(logs, comparedTo))) {
    const index = await firstDisagreement(logs, from, comparedTo);
    const points = await pointsAt(logs, index);
    const after = index === from && from > 1 ? lastAgreement(logs, index) : undefined;
    return { kind: "different", from, comparedTo, index, after, points };
  }
  const state = stateDifference(logs, comparedTo);
  if (state !== undefined) return { kind: "state-differs", from, comparedTo, ...state };
  return equalUpTo(logs, from, comparedTo);
}

function equalUpTo(logs: readonly ReplicaLog[], from: number, comparedTo: number): Comparison {
  const longest = Math.max(...logs.map(({ lastIndex }) => lastIndex));
  const behind = logs.filter(({ lastIndex }) => lastIndex < longest).map(({ name }) => name);
  return behind.length === 0
    ? { kind: "equal", from, comparedTo }
    : { kind: "lag", from, comparedTo, behind };
}

/** An empty log is the prefix of any that still has its beginning; otherwise nothing can be said. */
function withoutCommonIndex(
  logs: readonly ReplicaLog[],
  from: number,
  comparedTo: number,
): Comparison {
  const nothingCompacted = logs.every(({ firstIndex }) => firstIndex === 1);
  return nothingCompacted && comparedTo === 0
    ? equalUpTo(logs, from, 0)
    : { kind: "incomparable", from, comparedTo: 0 };
}

/** The least index in [from, last] where the logs disagree; they disagree at `last`, and wherever they once did. */
async function firstDisagreement(
  logs: readonly ReplicaLog[],
  from: number,
  last: number,
): Promise<number> {
  const cheap = commonBoundaries(logs).filter((index) => index >= from && index < last);
  // Positions in `cheap`: up to `low` all agree.
  let [low, high] = [-1, cheap.length];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (agree(await pointsAt(logs, cheap[middle] ?? last))) low = middle;
    else high = middle;
  }
  let [first, found] = [(cheap[low] ?? from - 1) + 1, cheap[high] ?? last];
  while (first < found) {
    const middle = Math.floor((first + found) / 2);
    if (agree(await pointsAt(logs, middle))) first = middle + 1;
    else found = middle;
  }
  return found;
}

/** Indexes that every log answers for at little cost, ascending; empty when all indexes are alike. */
function commonBoundaries(logs: readonly ReplicaLog[]): readonly number[] {
  const lists = logs.flatMap(({ boundaries }) => (boundaries === undefined ? [] : [boundaries]));
  const [first = [], ...others] = lists;
  const sets = others.map((list) => new Set(list));
  return first.filter((index) => sets.every((set) => set.has(index)));
}

/** The last index before `index` where snapshots of all logs agree about the log; 0 when there is none. */
function lastAgreement(logs: readonly ReplicaLog[], index: number): number {
  const common = commonSnapshots(logs).filter(
    ({ points, index: at }) => at < index && points.length === logs.length && agree(points),
  );
  return common.at(-1)?.index ?? 0;
}

/** The first index up to `last` where snapshots of the same log hold different states. */
function stateDifference(
  logs: readonly ReplicaLog[],
  last: number,
): { readonly index: number; readonly names: readonly string[] } | undefined {
  for (const { index, points, names } of commonSnapshots(logs)) {
    const [reference] = points;
    if (index > last || reference === undefined || !agree(points)) continue;
    if (points.some(({ stateChecksum }) => stateChecksum !== reference.stateChecksum))
      return { index, names };
  }
  return undefined;
}

interface CommonSnapshot {
  readonly index: number;
  readonly points: readonly SnapshotPoint[];
  /** of the logs that have it, in their order */
  readonly names: readonly string[];
}

/** Snapshots at the same index of two logs or more, ascending. */
function commonSnapshots(logs: readonly ReplicaLog[]): readonly CommonSnapshot[] {
  const indexes = new Set(logs.flatMap(({ snapshots }) => snapshots.map(({ index }) => index)));
  return [...indexes]
    .sort((a, b) => a - b)
    .map((index) => {
      const holders = logs.flatMap(({ name, snapshots }) => {
        const point = snapshots.find((one) => one.index === index);
        return point === undefined ? [] : [{ name, point }];
      });
      const points = holders.map(({ point }) => point);
      return { index, points, names: holders.map(({ name }) => name) };
    })
    .filter(({ points }) => points.length >= 2);
}

function pointsAt(
  logs: readonly ReplicaLog[],
  index: number,
): Promise<readonly (LogPoint | undefined)[]> {
  return Promise.all(logs.map((log) => log.checksumAt(index)));
}

function agree(points: readonly (LogPoint | undefined)[]): boolean {
  const [reference] = points;
  return (
    reference !== undefined &&
    points.every((point) => point?.term === reference.term && point.checksum === reference.checksum)
  );
}
