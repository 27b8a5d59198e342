/**
 * ReadIndex: linearizable reads without the log (Raft §8, thesis §6.4).
 *
 * A leader that has committed an entry of its own term knows all that is
 * committed. It notes its commit index, learns from a majority that it is still
 * the leader, and the read may be served once that index is applied. All reads
 * that wait share a *round*: one number, sent as a heartbeat and echoed. A
 * round is confirmed by echoes of it or of a newer one, in the same term. Round
 * numbers are never reused and never given by callers, so that neither a
 * repeated context nor a late echo can vouch for a read that came after it
 * (etcd-io/raft#397).
 *
 * A lease (thesis §6.4.1), when it is asked for, saves the round: a majority that
 * echoed a beat takes no part in another election for an election timeout of its
 * own clock, so that until a little less has passed since that beat *was sent*,
 * by a clock that does not stop with the process, nobody else can lead. It is
 * void when the process stood still, when somebody was told to campaign over
 * stickiness, and with the term.
 *
 * A follower gathers its reads likewise and asks its leader for one index.
 * reads.ts keeps the books.
 */
import { askForEchoes, learnEchoers } from "./heartbeat.js";
import { majorityValue } from "./quorum.js";
import { refusal } from "./reads.js";
import { becomeFollower, currentTerm, knownLeader, send } from "./state.js";
import type { ReadIndex, ReadIndexResult } from "./message.js";
import type { LeaderState, RaftState } from "./state.js";

/** Takes the waiting reads one step on: a leader starts a round, a follower asks its leader. */
export function advanceReads(state: RaftState): void {
  if (!canAdvanceReads(state)) return;
  const { role } = state;
  if (role.role === "leader") {
    state.reads.startRound(state.commitIndex);
    // What a lease answers says nothing of whom the last beats have reached: it renews no lease.
    if (hasLease(state, role)) answer(state, state.reads.lastRound);
    else askForEchoes(state, role);
    return;
  }
  const leader = knownLeader(state);
  if (leader === undefined) return;
  const kind = "readIndex";
  const context = state.reads.forward();
  send(state, leader, { kind, from: state.id, term: currentTerm(state), context });
}

/** One tick: what has waited for an election timeout is given back, to be asked anew. */
export function tickReads(state: RaftState): void {
  const { id, role, reads, options } = state;
  reads.tick(options.electionTicks);
  if (role.role !== "leader") return;
  const refusals = reads.tickWaiting(id, currentTerm(state), options.electionTicks);
  for (const { to, message } of refusals) send(state, to, message);
}

/** A leader waits for a committed entry of its own term: before, it may not know all that is committed (§8). */
export function canAdvanceReads(state: RaftState): boolean {
  if (!state.reads.hasWaiting) return false;
  if (state.role.role !== "leader") return knownLeader(state) !== undefined;
  return state.log.term(state.commitIndex) === currentTerm(state);
}

/** Answers the rounds that a majority has echoed by now; a single voter is one at once. */
export function confirmReads(state: RaftState): void {
  const { role } = state;
  if (role.role !== "leader" || !state.reads.hasRounds) return;
  const rounds = state.membership.voters.map((voter) => {
    if (voter === state.id) return state.reads.lastRound;
    // Whoever lost its memory may have voted for another since.
    if (!state.membership.isGenuine(voter)) return 0;
    return role.progress.get(voter)?.readRound ?? 0;
  });
  const round = majorityValue(rounds);
  state.reads.renewLease(round);
  learnEchoers(state, role, round);
  answer(state, round);
}

function answer(state: RaftState, round: number): void {
  const answers = state.reads.confirm(state.id, currentTerm(state), round);
  for (const { to, message } of answers) send(state, to, message);
}

/** Whether nobody else can lead, by the own clock and a majority's word. */
function hasLease(state: RaftState, leader: LeaderState): boolean {
  const { leaseMs } = state.options;
  if (leaseMs === 0 || leader.isLeaseVoid || leader.transfer !== undefined) return false;
  return state.now < state.reads.leaseStart + leaseMs;
}

export function onReadIndex(state: RaftState, message: ReadIndex): void {
  const term = currentTerm(state);
  if (message.term > term) becomeFollower(state, message.term, undefined, "higher-term");
  if (state.role.role === "leader" && message.term === term) {
    state.reads.addRemote(message.from, message.context);
    return;
  }
  const answer = refusal(state.id, currentTerm(state), message.from, message.context);
  send(state, answer.to, answer.message);
}

export function onReadIndexResult(state: RaftState, message: ReadIndexResult): void {
  const term = currentTerm(state);
  if (message.term > term) becomeFollower(state, message.term, undefined, "higher-term");
  if (message.term !== term || knownLeader(state) !== message.from) return;
  state.reads.onAnswer(message.context, message.granted ? message.index : undefined);
}
