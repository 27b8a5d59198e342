/**
 * What a leader has to propose by itself: that something has run out, that the
 * clock needs a checkpoint, that the history has grown beyond what is kept.
 *
 * Only a question: nothing here changes the state. The policy is the leader's own
 * setting; what it decides is in the log, so that all nodes forget alike.
 */
import type { Command, Request } from "./command.js";
import { CHECKPOINT_INTERVAL } from "./log-clock.js";
import type { State } from "./state.js";

/** How much history is kept; what is beyond any of these is compacted. */
export interface HistoryPolicy {
  /** changes; default 100,000 */
  readonly changeCountMax: number;
  /** bytes of keys and values, and 200 for each change; default 64 MiB */
  readonly sizeMax: number;
  /** milliseconds of log time; default Infinity */
  readonly ageMax: number;
}

/**
 * Enough for watches and readers that were away for a while, and for `diff` of a
 * day's work by hand; and a memory that a small machine has beside its keys.
 */
export const DEFAULT_HISTORY_POLICY: HistoryPolicy = {
  changeCountMax: 100_000,
  sizeMax: 64 * 1024 * 1024,
  ageMax: Infinity,
};

/** The history may grow by this part of it before it is cut, so that it is not cut at every change. */
const SLACK = 1 / 8;
/** Changes forgotten with one entry, and those that share the last one's revision: a few milliseconds of work. */
const COMPACT_STEP = 2000;
/** How many times the history an open transaction may keep from being cut. */
const HELD_FACTOR = 2;
const NO_ID = new Uint8Array(0);

/** @param now the leader's clock, milliseconds since 1970 */
export function dueRequest(state: State, policy: HistoryPolicy, now: number): Request | undefined {
  const command = dueCommand(state, policy, now);
  return command === undefined ? undefined : { id: NO_ID, commands: [command] };
}

function dueCommand(state: State, policy: HistoryPolicy, now: number): Command | undefined {
  const { clock } = state;
  const deadline = earliestDeadline(state);
  if (deadline !== undefined) {
    // A clock that is behind the last stamp starts afresh at once: until then no time passes.
    const late = now < clock.stamp || now - clock.stamp >= CHECKPOINT_INTERVAL;
    if (late || deadline <= clock.runTimeAt(now)) return { kind: "expire" };
  }
  const revision = revisionToCompact(state, policy, now);
  return revision === undefined ? undefined : { kind: "compact", revision };
}

/**
 * When `dueRequest` will have an answer if nothing is applied until then; undefined:
 * never. By a clock that is behind the last stamp: at once, if ever (`mayBeDue`).
 */
export function nextDueTime(state: State, policy: HistoryPolicy): number | undefined {
  const { clock } = state;
  if (revisionToCompact(state, policy, clock.stamp) !== undefined) return clock.stamp;
  const deadline = earliestDeadline(state);
  if (deadline === undefined) return undefined;
  return clock.stamp + Math.min(Math.max(deadline - clock.runTime, 0), CHECKPOINT_INTERVAL);
}

/** Whether `dueRequest` may have an answer at `now`: cheap, for it is asked all the time. */
export function mayBeDue(state: State, policy: HistoryPolicy, now: number): boolean {
  const next = nextDueTime(state, policy);
  return next !== undefined && (now >= next || now < state.clock.stamp);
}

function earliestDeadline({ leases, sessions, transactions }: State): number | undefined {
  const deadlines = [
    leases.earliestDeadline,
    sessions.earliestDeadline,
    transactions.earliestDeadline,
  ].filter((deadline) => deadline !== undefined);
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

function revisionToCompact(
  { map, transactions }: State,
  { changeCountMax, sizeMax, ageMax }: HistoryPolicy,
  now: number,
): number | undefined {
  const { history } = map;
  const { count, size, start, end } = history;
  const excess = Math.max(count / changeCountMax, size / sizeMax);
  let target = 0;
  if (excess > 1 + SLACK) {
    // The oldest changes go, as many as are too many on the average.
    target = history.revisionAt(end - Math.floor(count / excess) - 1) ?? 0;
  }
  target = Math.max(target, revisionOlderThan(map, now, ageMax));
  const readRevisionMin = transactions.readRevisionMin;
  if (readRevisionMin !== undefined && excess <= HELD_FACTOR) {
    target = Math.min(target, readRevisionMin);
  }
  if (target <= map.compactedRevision) return undefined;
  // A little at a time: forgetting holds up everything else.
  const stepEnd = history.revisionAt(start + COMPACT_STEP - 1) ?? target;
  return Math.min(target, Math.max(stepEnd, map.compactedRevision + 1));
}

/** The last revision whose time is out; 0 when none is, or so little that it can wait. */
function revisionOlderThan({ history, revision }: State["map"], now: number, age: number): number {
  if (age === Infinity || history.count === 0) return 0;
  const oldest = history.revisionAt(history.start) ?? 0;
  if (now - history.times.timeOf(oldest) <= age * (1 + SLACK)) return 0;
  return (history.times.firstAfter(now - age) ?? revision + 1) - 1;
}
