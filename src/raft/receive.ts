/**
 * Receive: what a message of a peer is given to. Each kind has its handler in the
 * file of its idea; here is who is heard at all.
 */
import { unreachable } from "../assert.js";
import {
  onPreVote,
  onPreVoteResult,
  onRequestVote,
  onRequestVoteResult,
  onTimeoutNow,
} from "./election.js";
import { onHeartbeat, onHeartbeatResult } from "./heartbeat.js";
import { onInstallSnapshot, onInstallSnapshotResult } from "./install-snapshot.js";
import { confirmReads, onReadIndex, onReadIndexResult } from "./read-index.js";
import { onAppendEntries, onAppendEntriesResult } from "./replication.js";
import { currentTerm } from "./state.js";
import { advanceTransfer, resignIfRemoved } from "./transfer.js";
import type { Message } from "./message.js";
import type { RaftState } from "./state.js";
import type { Term } from "./types.js";

/** Terms beyond are not believed: a term must leave room to grow. */
const TERM_MAX = 2 ** 50;
/**
 * Nor is a term so far beyond the own one: a thousand elections a second would take
 * thirty years to it. Without this bound one damaged message of the greatest term that
 * is believed would end the cluster for good: everybody records it, and nobody believes
 * the next. Whoever has no term yet (a new member, an emptied disk) has nothing to compare with.
 */
const TERM_LEAP_MAX = 2 ** 40;

/**
 * Requests are heard from anybody, for a server that was away may know neither the
 * leader nor the members of today (thesis §4.1); but not what an emptied disk or a
 * removed server says about elections (docs/decisions/0005).
 */
export function receive(state: RaftState, message: Message): void {
  if (message.from === state.id || !isBelieved(message.term, currentTerm(state))) return;
  if (isAboutElection(message) && !state.membership.mayTakePart(message.from, state.commitIndex)) {
    return;
  }
  switch (message.kind) {
    case "preVote":
      onPreVote(state, message);
      return;
    case "preVoteResult":
      onPreVoteResult(state, message);
      return;
    case "requestVote":
      onRequestVote(state, message);
      return;
    case "requestVoteResult":
      onRequestVoteResult(state, message);
      return;
    case "appendEntries":
      onAppendEntries(state, message);
      return;
    case "appendEntriesResult":
      onAppendEntriesResult(state, message);
      onLogMoved(state);
      return;
    case "heartbeat":
      onHeartbeat(state, message);
      return;
    case "heartbeatResult":
      onHeartbeatResult(state, message);
      confirmReads(state);
      return;
    case "readIndex":
      onReadIndex(state, message);
      return;
    case "readIndexResult":
      onReadIndexResult(state, message);
      return;
    case "installSnapshot":
      onInstallSnapshot(state, message);
      return;
    case "installSnapshotResult":
      onInstallSnapshotResult(state, message);
      onLogMoved(state);
      return;
    case "timeoutNow":
      onTimeoutNow(state, message);
      return;
    default:
      unreachable(message);
  }
}

function isBelieved(term: Term, own: Term): boolean {
  return term <= TERM_MAX && (own === 0 || term - own <= TERM_LEAP_MAX);
}

/** Something was flushed here or at a follower: a hand-over may go on, a removed leader may go. */
export function onLogMoved(state: RaftState): void {
  if (state.role.role === "leader") advanceTransfer(state, state.role);
  if (state.role.role === "leader") resignIfRemoved(state, state.role);
}

function isAboutElection({ kind }: Message): boolean {
  switch (kind) {
    case "preVote":
    case "preVoteResult":
    case "requestVote":
    case "requestVoteResult":
      return true;
    default:
      return false;
  }
}
