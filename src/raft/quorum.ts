/**
 * Quorum arithmetic: what a majority of voters has reached, and what it decided.
 *
 * Every counting in Raft (votes §5.2, commit §5.3, read rounds thesis §6.4,
 * check-quorum thesis §6.2) goes through these few pure functions, so that half
 * of an even cluster can never pass for a majority in one place only. Learners
 * never reach this file: callers pass voters alone.
 */
import { assert } from "../assert.js";
import type { NodeId } from "./types.js";

/** How many of `voterCount` voters make a majority: more than half. */
export function quorumSize(voterCount: number): number {
  assert(voterCount >= 1, "a quorum is of at least one voter");
  return Math.floor(voterCount / 2) + 1;
}

/**
 * The greatest value that a majority has reached: the commit index when the
 * values are match indexes, the confirmed round when they are read rounds.
 *
 * @param values one per voter, the own one included; any order
 */
export function majorityValue<T extends number>(values: readonly T[]): T {
  const quorum = quorumSize(values.length);
  // There are few, and it is asked for with every turn: nothing is sorted.
  let greatest: T | undefined;
  for (const value of values) {
    if (greatest !== undefined && value <= greatest) continue;
    let count = 0;
    for (const other of values) if (other >= value) count += 1;
    if (count >= quorum) greatest = value;
  }
  assert(greatest !== undefined, "the least of all values is reached by all");
  return greatest;
}

type VoteOutcome = "won" | "lost" | "pending";

/**
 * What the votes so far decide. Only voters count, each once; "lost" is said as
 * soon as the voters not yet heard from cannot change it.
 */
export function voteOutcome(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteOutcome {
  const quorum = quorumSize(voters.length);
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted += 1;
    if (vote === false) refused += 1;
  }
  if (granted >= quorum) return "won";
  return voters.length - refused < quorum ? "lost" : "pending";
}
