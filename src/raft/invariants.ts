/**
 * Invariants of one server, checked with every Ready, in production too.
 *
 * They cost a few comparisons per peer. The paper's five properties (Fig. 3)
 * speak of several servers and are checked by the tests (test/raft/properties.ts).
 */
import { assert } from "../assert.js";
import { currentTerm } from "./state.js";
import type { LeaderState, RaftState } from "./state.js";

/** @throws {AssertionError} when the state is one that Raft cannot be in */
export function assertInvariants(state: RaftState): void {
  const { log, role, outbox } = state;
  assert(log.flushedIndex <= log.lastIndex, "what is flushed is in the log");
  assert(state.commitIndex <= log.lastIndex, "what is committed is in the log");
  assert(state.deliveredIndex <= state.commitIndex, "only what is committed is delivered");
  assert(state.appliedIndex <= state.deliveredIndex, "only what was delivered is applied");
  assert(log.firstIndex - 1 <= state.appliedIndex, "only what is applied is compacted");
  assert(log.lastTerm <= currentTerm(state), "no entry is of a later term than the server");
  if (role.role === "candidate") {
    assert(outbox.hardState.vote === state.id, "a candidate votes for itself");
  }
  if (role.role === "leader") assertLeader(state, role);
}

function assertLeader(state: RaftState, leader: LeaderState): void {
  const { log, outbox } = state;
  assert(outbox.hardState.vote === state.id, "a leader voted for itself");
  assert(outbox.isHardStateFlushed, "a leader's term is on its disk");
  assert(log.lastTerm === currentTerm(state), "a leader opened its term with an entry");
  assert(leader.uncommittedSize >= 0, "no more is committed than was proposed");
  for (const progress of leader.progress.values()) {
    assert(progress.matchIndex < progress.nextIndex, "a match lies before the next");
    assert(progress.matchIndex <= log.lastIndex, "nobody matches beyond the leader's log");
    assert(progress.nextIndex <= log.lastIndex + 1, "nothing beyond the log is sent");
    assert(progress.commitIndexTold <= state.commitIndex, "no more is told than is committed");
  }
}
