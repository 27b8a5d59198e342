/**
 * Leadership transfer: a leader hands over on purpose (thesis §3.10).
 *
 * The leader takes no more proposals, brings the target's flushed log level with
 * its own, and tells it to campaign at once; the target's requests for votes
 * override stickiness (thesis §4.2.3). If no new leader has shown itself within
 * one election timeout, the transfer is over and the leader goes on: it is never
 * stuck in it. What is asked meanwhile waits with the driver, here and at the
 * followers, and goes to whoever leads then.
 *
 * A leader whose own disk or event loop stands still hands over too: it would
 * keep its office by heartbeats and serve nobody (hashicorp/raft#503).
 */
import { hasContact, isAlive } from "./membership-change.js";
import { becomeFollower, currentTerm, knownLeader, send } from "./state.js";
import type { Progress } from "./progress.js";
import type { TransferRefusal, TransferResult } from "./ready.js";
import type { LeaderState, RaftState } from "./state.js";
import type { NodeId, RoleReason } from "./types.js";

/** Begins to hand over, to `target` or to the voter that is nearest to the leader's log. */
export function transferLeadership(state: RaftState, target: NodeId | undefined): TransferResult {
  const { role } = state;
  if (role.role !== "leader") return { kind: "not-leader", leader: knownLeader(state) };
  if (role.transfer !== undefined) return { kind: "refused", reason: "transfer-under-way" };
  if (target !== undefined) {
    if (target === state.id) return { kind: "refused", reason: "leads-already" };
    if (!state.membership.isVoter(target)) return { kind: "refused", reason: "not-a-voter" };
    if (!hasContact(state, role, target)) return { kind: "refused", reason: "not-alive" };
    if (!isAlive(state, role, target)) return { kind: "refused", reason: "not-heard-yet" };
  }
  const chosen = target ?? successor(state, role)?.id;
  if (chosen === undefined) return { kind: "refused", reason: whyNobody(state, role) };
  role.transfer = { target: chosen, ticks: 0, isTold: false };
  advanceTransfer(state, role);
  return { kind: "started", target: chosen };
}

/** The target's log moved: once it has flushed all there is, it is told to campaign. */
export function advanceTransfer(state: RaftState, leader: LeaderState): void {
  const { transfer } = leader;
  if (transfer === undefined || transfer.isTold) return;
  if (leader.progress.get(transfer.target)?.matchIndex !== state.log.lastIndex) return;
  transfer.isTold = true;
  leader.isLeaseVoid = true;
  tellToCampaign(state, transfer.target);
}

/** One tick of a leader that hands over; after an election timeout it leads on. */
export function tickTransfer(state: RaftState, leader: LeaderState): void {
  const { transfer } = leader;
  if (transfer === undefined) return;
  transfer.ticks += 1;
  const isOver =
    transfer.ticks >= state.options.electionTicks || !state.membership.isVoter(transfer.target);
  if (isOver) leader.transfer = undefined;
}

/**
 * Hands over at once, without the log being level: what stands still here cannot
 * wait for itself. Without anybody to hand over to, it leads on: no leader would
 * be worse.
 *
 * @returns whether it did
 */
export function handOver(state: RaftState, leader: LeaderState, reason: RoleReason): boolean {
  const heir = successor(state, leader);
  if (heir === undefined) return false;
  tellToCampaign(state, heir.id);
  becomeFollower(state, currentTerm(state), undefined, reason);
  return true;
}

/** A leader that the committed configuration no longer counts has done its last work (thesis §4.2.2). */
export function resignIfRemoved(state: RaftState, leader: LeaderState): void {
  const { membership } = state;
  if (membership.isVoter(state.id) || membership.index > state.commitIndex) return;
  if (handOver(state, leader, "removed")) return;
  becomeFollower(state, currentTerm(state), undefined, "removed");
}

function tellToCampaign(state: RaftState, target: NodeId): void {
  send(state, target, { kind: "timeoutNow", from: state.id, term: currentTerm(state) });
}

function whyNobody(state: RaftState, leader: LeaderState): TransferRefusal {
  const { voters } = state.membership;
  const hasHope = voters.some((voter) => voter !== state.id && hasContact(state, leader, voter));
  return hasHope ? "not-heard-yet" : "nobody-alive";
}

/** The living voter with the longest flushed log. */
function successor(state: RaftState, leader: LeaderState): Progress | undefined {
  let best: Progress | undefined;
  for (const voter of state.membership.voters) {
    const progress = leader.progress.get(voter);
    if (progress === undefined || !isAlive(state, leader, voter)) continue;
    if (best === undefined || progress.matchIndex > best.matchIndex) best = progress;
  }
  return best;
}
