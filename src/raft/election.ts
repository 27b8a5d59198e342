/**
 * Election: how a leader comes to be (Raft §5.2, §5.4.1).
 *
 * Three defences are one feature here, and cannot be switched apart, because
 * each alone costs availability: pre-vote (thesis §9.6), so that a node that was
 * cut off does not raise terms; stickiness (thesis §4.2.3), so that nobody votes
 * while it hears its leader; and check-quorum (heartbeat.ts, thesis §6.2), so
 * that a leader nobody answers falls silent and stickiness to it ends.
 *
 * Invariants kept here: one vote a term, first come first served, only for a log
 * at least as up to date; a vote counts, and is told, only once it is flushed.
 */
import { assert } from "../assert.js";
import { appendNoop, advanceCommit } from "./replication.js";
import { voteOutcome } from "./quorum.js";
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  currentTerm,
  knownLeader,
  resetElectionTimer,
  send,
  setVote,
} from "./state.js";
import { Term } from "./types.js";
import type {
  PreVote,
  PreVoteResult,
  RequestVote,
  RequestVoteResult,
  TimeoutNow,
} from "./message.js";
import type { RaftState } from "./state.js";
import type { LogIndex } from "./types.js";

/** One tick of anybody but a leader. */
export function tickElection(state: RaftState): void {
  state.electionElapsed += 1;
  if (state.withholdTicks > 0) state.withholdTicks -= 1;
  if (state.electionElapsed < state.electionTimeout) return;
  if (canCampaign(state)) startPreVote(state);
  else forgetLeader(state);
}

/** Whoever cannot campaign, a learner or a server that was removed, takes a leader that is silent for none all the same. */
function forgetLeader(state: RaftState): void {
  if (knownLeader(state) === undefined) return;
  const reason = state.membership.isMember(state.id) ? "election-timeout" : "removed";
  becomeFollower(state, currentTerm(state), undefined, reason);
}

/** A node whose disk has not taken its last term would only pile up terms. */
function canCampaign(state: RaftState): boolean {
  return state.membership.mayCampaign(state.commitIndex) && state.outbox.isHardStateFlushed;
}

function startPreVote(state: RaftState): void {
  becomePreCandidate(state, "election-timeout");
  const { index, term } = flushedLast(state);
  for (const voter of state.membership.voters) {
    if (voter === state.id) continue;
    state.outbox.sendAtOnce(voter, {
      kind: "preVote",
      from: state.id,
      term: Term(currentTerm(state) + 1),
      lastLogIndex: index,
      lastLogTerm: term,
    });
  }
  countPreVotes(state);
}

/** Would we vote for it? Changes nothing here, not even the timer. */
export function onPreVote(state: RaftState, message: PreVote): void {
  const term = currentTerm(state);
  const granted = message.term > term && !hearsLeader(state) && isUpToDate(state, message);
  if (granted) {
    // The term asked for is echoed, not claimed.
    const { term: asked } = message;
    const kind = "preVoteResult";
    state.outbox.sendAtOnce(message.from, { kind, from: state.id, term: asked, granted });
    return;
  }
  send(state, message.from, { kind: "preVoteResult", from: state.id, term, granted });
}

export function onPreVoteResult(state: RaftState, message: PreVoteResult): void {
  const term = currentTerm(state);
  if (!message.granted && message.term > term) {
    // Told of a later term, it will campaign beyond it next time (etcd-io/etcd#8501).
    becomeFollower(state, message.term, undefined, "higher-term");
    return;
  }
  if (state.role.role !== "pre-candidate") return;
  // A grant for another term answers an earlier round.
  if (message.granted && message.term !== term + 1) return;
  if (!state.role.votes.has(message.from)) state.role.votes.set(message.from, message.granted);
  countPreVotes(state);
}

function countPreVotes(state: RaftState): void {
  assert(state.role.role === "pre-candidate", "a pre-candidate counts pre-votes");
  const outcome = voteOutcome(state.membership.voters, state.role.votes);
  if (outcome === "lost") becomeFollower(state, currentTerm(state), undefined, "pre-vote-lost");
  if (outcome === "won") becomeCandidate(state, "pre-vote-won", false);
}

/**
 * Term and own vote of a candidate are flushed: now others are asked. The log
 * quoted is the flushed one, for what a crash can take away cannot win votes
 * (cowsql/raft a54636b).
 */
export function askForVotes(state: RaftState): void {
  const { role } = state;
  if (role.role !== "candidate" || role.hasAsked || !state.outbox.isHardStateFlushed) return;
  role.hasAsked = true;
  role.votes.set(state.id, true);
  const { index, term } = flushedLast(state);
  for (const voter of state.membership.voters) {
    if (voter === state.id) continue;
    send(state, voter, {
      kind: "requestVote",
      from: state.id,
      term: currentTerm(state),
      lastLogIndex: index,
      lastLogTerm: term,
      disruptLeader: role.disruptLeader,
    });
  }
  countVotes(state);
}

export function onRequestVote(state: RaftState, message: RequestVote): void {
  if (message.term > currentTerm(state)) {
    // Whoever hears its leader takes no part in another election (thesis §4.2.3).
    if (!message.disruptLeader && hearsLeader(state)) return;
    const isHeir = state.role.role === "leader" && state.role.transfer?.target === message.from;
    becomeFollower(state, message.term, undefined, isHeir ? "transfer" : "higher-term");
  }
  const term = currentTerm(state);
  const { vote } = state.outbox.hardState;
  const granted =
    message.term === term &&
    (vote === undefined || vote === message.from) &&
    (message.disruptLeader || state.withholdTicks === 0) &&
    isUpToDate(state, message);
  if (granted) {
    setVote(state, message.from);
    resetElectionTimer(state);
    // Whoever helps another to lead does not try to overtake it.
    if (state.role.role === "pre-candidate") {
      becomeFollower(state, term, undefined, "pre-vote-lost");
    }
  }
  send(state, message.from, { kind: "requestVoteResult", from: state.id, term, granted });
}

export function onRequestVoteResult(state: RaftState, message: RequestVoteResult): void {
  const term = currentTerm(state);
  if (message.term > term) {
    becomeFollower(state, message.term, undefined, "higher-term");
    return;
  }
  if (message.term < term || state.role.role !== "candidate") return;
  if (!state.role.votes.has(message.from)) state.role.votes.set(message.from, message.granted);
  countVotes(state);
}

function countVotes(state: RaftState): void {
  assert(state.role.role === "candidate", "a candidate counts votes");
  const outcome = voteOutcome(state.membership.voters, state.role.votes);
  if (outcome === "lost") becomeFollower(state, currentTerm(state), undefined, "election-lost");
  if (outcome === "won") {
    const leader = becomeLeader(state);
    appendNoop(state, leader);
    advanceCommit(state, leader);
  }
}

/** The leader hands over (thesis §3.10): campaign at once, without asking whether one would win. */
export function onTimeoutNow(state: RaftState, message: TimeoutNow): void {
  if (message.term < currentTerm(state) || state.role.role === "leader") return;
  if (message.term > currentTerm(state)) {
    becomeFollower(state, message.term, message.from, "leader-found");
  }
  // A term learnt only now has to reach the disk first; the timer then has to do.
  if (canCampaign(state)) becomeCandidate(state, "transfer", true);
}

/** A leader, or a follower that its leader reached within the shortest election timeout. */
function hearsLeader(state: RaftState): boolean {
  const { role } = state;
  if (role.role === "leader") return true;
  // A leader may count on its echo, even one that it has forgotten or left for a later term (thesis §6.4.1).
  if (state.withholdTicks > 0) return true;
  if (role.role !== "follower" && role.role !== "learner") return false;
  return role.leader !== undefined && state.electionElapsed < state.options.electionTicks;
}

/** Later last term, or same last term and no shorter (§5.4.1). */
function isUpToDate(state: RaftState, candidate: PreVote | RequestVote): boolean {
  const { lastTerm, lastIndex } = state.log;
  if (candidate.lastLogTerm !== lastTerm) return candidate.lastLogTerm > lastTerm;
  return candidate.lastLogIndex >= lastIndex;
}

function flushedLast(state: RaftState): { readonly index: LogIndex; readonly term: Term } {
  const index = state.log.flushedIndex;
  return { index, term: state.log.term(index) };
}
