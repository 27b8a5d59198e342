/**
 * Do these replicas agree, and where do they first differ?
 *
 * Blocks chain: the checksum at an index covers everything up to it, so "equal at
 * i" means "equal up to i", and the first difference is found by bisection: about
 * twenty questions to a log of a million blocks, and no command is read.
 */
import { assert } from "../assert.js";

/** The checksum and term of one log at one index. */
export interface LogPoint {
  readonly term: number;
  readonly checksum: number;
}

/** A log as comparison sees it. */
export interface ReplicaLog {
  /** a directory or an address */
  readonly name: string;
  /** the first index still held */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** undefined when not held */
  checksumAt(index: number): Promise<LogPoint | undefined>;
}

export type Comparison =
  /** the same last index, the same checksum there */
  | { readonly kind: "equal"; readonly comparedTo: number }
  /** equal as far as the shortest goes; `behind` have not got the rest */
  | { readonly kind: "lag"; readonly comparedTo: number; readonly behind: readonly string[] }
  | {
      readonly kind: "different";
      readonly comparedTo: number;
      readonly index: number;
      /** the difference may lie before `index`: what is before it is no longer held by every log */
      readonly orBefore: boolean;
      /** in the order of the logs */
      readonly points: readonly (LogPoint | undefined)[];
    }
  /** there is no index that all of them hold */
  | { readonly kind: "incomparable"; readonly comparedTo: 0 };

/** Compares two or more logs, from what all of them hold. */
export async function compareLogs(logs: readonly ReplicaLog[]): Promise<Comparison> {
  assert(logs.length >= 2, "a comparison is between two logs or more");
  const first = Math.max(...logs.map(({ firstIndex }) => firstIndex));
  const last = Math.min(...logs.map(({ lastIndex }) => lastIndex));
  const longest = Math.max(...logs.map(({ lastIndex }) => lastIndex));
  const behind = logs.filter(({ lastIndex }) => lastIndex < longest).map(({ name }) => name);
  if (last < first) {
    // An empty log is the prefix of any that still has its beginning; otherwise nothing can be said.
    const nothingCompacted = logs.every(({ firstIndex }) => firstIndex === 1);
    if (!nothingCompacted) return { kind: "incomparable", comparedTo: 0 };
    return behind.length === 0
      ? { kind: "equal", comparedTo: 0 }
      : { kind: "lag", comparedTo: 0, behind };
  }
  if (agree(await pointsAt(logs, last))) {
    return behind.length === 0
      ? { kind: "equal", comparedTo: last }
      : { kind: "lag", comparedTo: last, behind };
  }
  const index = await firstDisagreement(logs, first, last);
  return {
    kind: "different",
    comparedTo: last,
    index,
    orBefore: index === first && first > 1,
    points: await pointsAt(logs, index),
  };
}

/** The least index in [first, last] where the logs disagree; they disagree at `last`, and wherever they once did. */
async function firstDisagreement(
  logs: readonly ReplicaLog[],
  first: number,
  last: number,
): Promise<number> {
  let low = first;
  let high = last;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (agree(await pointsAt(logs, middle))) low = middle + 1;
    else high = middle;
  }
  return high;
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
