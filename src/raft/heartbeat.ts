/**
 * Heartbeat: a leader makes itself known, and learns who lives (Raft §5.2).
 *
 * Apart from AppendEntries, so that neither bulk nor a slow disk stands between
 * a leader and its followers. Its answers feed three things: the table of living
 * followers, check-quorum (a leader that no majority answers for one election
 * timeout steps down, thesis §6.2, and from then on sends nothing that would
 * keep others from electing another), and the rounds of reads (read-index.ts).
 */
import { forgetLeavers, hasContact, recordIncarnations } from "./membership-change.js";
import { quorumSize } from "./quorum.js";
import { commitTo, followLeader } from "./replication.js";
import { becomeFollower, currentTerm, send } from "./state.js";
import { handOver, tickTransfer } from "./transfer.js";
import { LogIndex } from "./types.js";
import type { Heartbeat, HeartbeatResult } from "./message.js";
import type { Progress } from "./progress.js";
import type { LeaderState, RaftState } from "./state.js";

/** One tick of a leader. */
export function tickLeader(state: RaftState, leader: LeaderState): void {
  for (const progress of leader.progress.values()) {
    progress.tick(state.log.lastIndex, state.options);
  }
  if (!hasQuorumContact(state, leader)) {
    becomeFollower(state, currentTerm(state), undefined, "quorum-lost");
    return;
  }
  const isOutrun = isDiskStalled(state, leader) && state.commitIndex > state.log.flushedIndex;
  if (isOutrun && handOver(state, leader, "disk-stall")) return;
  tickTransfer(state, leader);
  recordIncarnations(state, leader);
  forgetLeavers(state, leader);
  leader.heartbeatElapsed += 1;
  if (leader.heartbeatElapsed >= state.options.heartbeatTicks || isRoundLate(state, leader)) {
    beat(state, leader);
    return;
  }
  // Between beats only those hear whom for a whole tick no append has told what was committed before it.
  for (const progress of leader.progress.values()) {
    if (progress.commitIndexDue > progress.commitIndexTold) sendHeartbeat(state, progress);
    progress.commitIndexDue = commitFor(state, progress);
  }
}

/** Tells a follower what is committed, unless an append or a heartbeat has told it. */
export function announceCommit(state: RaftState, progress: Progress): void {
  if (commitFor(state, progress) > progress.commitIndexTold) sendHeartbeat(state, progress);
}

function hasQuorumContact(state: RaftState, leader: LeaderState): boolean {
  const { voters } = state.membership;
  let count = 0;
  for (const voter of voters) if (hasContact(state, leader, voter)) count += 1;
  return count >= quorumSize(voters.length);
}

/**
 * Whether the own disk has confirmed nothing for an election timeout although
 * entries wait for it. When the followers' disks do without it, whoever is next to
 * this leader does better. When they do not (all may be full), nobody would: a new
 * leader could commit nothing, and serve no read either.
 */
function isDiskStalled(state: RaftState, leader: LeaderState): boolean {
  const { flushedIndex, lastIndex } = state.log;
  const isWaiting = flushedIndex < lastIndex && flushedIndex === leader.flushedBefore;
  leader.flushStallTicks = isWaiting ? leader.flushStallTicks + 1 : 0;
  leader.flushedBefore = flushedIndex;
  return leader.flushStallTicks >= state.options.electionTicks;
}

/** A read round that only some were asked for has waited for a whole tick: the others may be quicker now. */
function isRoundLate({ reads }: RaftState, leader: LeaderState): boolean {
  const { oldestRound, lastRound } = reads;
  const isLate = oldestRound !== undefined && oldestRound <= leader.roundAtTick;
  leader.roundAtTick = lastRound;
  return isLate && leader.echoers !== undefined;
}

/** A heartbeat for everybody; the next read round asks everybody too, and tells who is quick now. */
export function beat(state: RaftState, leader: LeaderState): void {
  leader.echoers = undefined;
  leader.echoersFrom = state.reads.lastRound + 1;
  broadcastHeartbeat(state, leader);
}

/**
 * Asks for an echo of the newest round. A majority is enough, so that no more are
 * asked than were the quickest when all were: a message less for each of the others.
 */
export function askForEchoes(state: RaftState, leader: LeaderState): void {
  if (leader.echoers === undefined || state.options.leaseMs > 0) {
    broadcastHeartbeat(state, leader);
    return;
  }
  for (const id of leader.echoers) {
    const progress = leader.progress.get(id);
    if (progress !== undefined) sendHeartbeat(state, progress);
  }
}

/** A round that all were asked for is confirmed: whoever has echoed it by now was quick. */
export function learnEchoers(state: RaftState, leader: LeaderState, round: number): void {
  if (leader.echoers !== undefined || round < leader.echoersFrom) return;
  const { voters } = state.membership;
  const quick = voters.filter((voter) => {
    const progress = leader.progress.get(voter);
    return (
      progress !== undefined && state.membership.isGenuine(voter) && progress.readRound >= round
    );
  });
  const isVoter = voters.includes(state.id);
  leader.echoers = quick.slice(0, quorumSize(voters.length) - (isVoter ? 1 : 0));
}

function broadcastHeartbeat(state: RaftState, leader: LeaderState): void {
  leader.heartbeatElapsed = 0;
  // With leases every beat is a round: its echoes say since when a majority has been waiting.
  if (state.options.leaseMs > 0) state.reads.stampRound(state.now);
  for (const progress of leader.progress.values()) sendHeartbeat(state, progress);
}

export function sendHeartbeat(state: RaftState, progress: Progress): void {
  const commitIndex = commitFor(state, progress);
  progress.commitIndexTold = commitIndex;
  send(state, progress.id, {
    kind: "heartbeat",
    from: state.id,
    term: currentTerm(state),
    commitIndex,
    readRound: state.reads.lastRound,
  });
}

/** Within what the follower is known to hold, a commit index is safe without a log check. */
function commitFor(state: RaftState, progress: Progress): LogIndex {
  return LogIndex(Math.min(state.commitIndex, progress.matchIndex));
}

export function onHeartbeat(state: RaftState, message: Heartbeat): void {
  const isObeyed = message.term >= currentTerm(state) && followLeader(state, message);
  // A log shorter than it once confirmed has lost what it promised to keep: it commits nothing on trust.
  if (isObeyed && message.commitIndex <= state.log.lastIndex) {
    commitTo(state, message.commitIndex);
  }
  if (!isObeyed && message.term === currentTerm(state)) return;
  send(state, message.from, {
    kind: "heartbeatResult",
    from: state.id,
    term: currentTerm(state),
    // A stale leader learns our term, and gets no word for its reads.
    readRound: isObeyed ? message.readRound : 0,
    lastIndex: state.log.lastIndex,
    commitIndex: state.commitIndex,
    appliedIndex: state.appliedIndex,
  });
}

export function onHeartbeatResult(state: RaftState, message: HeartbeatResult): void {
  const term = currentTerm(state);
  if (message.term > term) {
    becomeFollower(state, message.term, undefined, "higher-term");
    return;
  }
  const { role } = state;
  if (message.term < term || role.role !== "leader") return;
  const progress = role.progress.get(message.from);
  if (progress === undefined) return;
  progress.onContact();
  const { lastIndex, commitIndex, appliedIndex } = message;
  progress.reported = { lastIndex, commitIndex, appliedIndex };
  progress.onHeartbeatResult();
  if (message.readRound > state.reads.lastRound) return;
  progress.readRound = Math.max(progress.readRound, message.readRound);
}
