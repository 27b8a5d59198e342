/**
 * Replication: how a leader spreads its log and decides what is committed.
 *
 * Implements AppendEntries on both sides (Raft §5.3) and the commit rule
 * (§5.4.2). Pure: it reads and changes the state it is given, and queues
 * messages; it never sends them.
 *
 * Invariants kept here: Log Matching and Leader Append-Only (Fig. 3); the commit
 * index never falls, and moves on a leader only by counting flushed entries of
 * its own term; nothing committed is ever truncated.
 */
import { assert } from "../assert.js";
import { majorityValue } from "./quorum.js";
import {
  becomeFollower,
  currentTerm,
  knownLeader,
  refreshPassiveRole,
  resetElectionTimer,
  send,
} from "./state.js";
import { LogIndex, Term } from "./types.js";
import type { AppendEntries, AppendEntriesResult, Heartbeat, InstallSnapshot } from "./message.js";
import type { Progress } from "./progress.js";
import type { Divergence, ProposeResult } from "./ready.js";
import type { LeaderState, RaftState } from "./state.js";
import type { Configuration, Entry, EntryPosition } from "./types.js";

/** The terms along a log; they never fall. */
export interface Terms {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** for firstIndex - 1 <= index <= lastIndex */
  term(index: LogIndex): Term;
}

/**
 * The greatest index up to `index` at which this log can still agree with one
 * that has `term` there: beyond it all entries are of later terms, which the
 * other log, whose terms never fall either, does not hold up to there.
 *
 * Applied by the follower to what the leader asked, and by the leader to what
 * the follower answered, it leaves at most one probe per conflicting term.
 * Never below firstIndex - 1; found by bisection.
 */
export function conflictIndex(log: Terms, index: LogIndex, term: Term): LogIndex {
  let low: number = log.firstIndex - 1;
  let high: number = Math.max(low, Math.min(index, log.lastIndex));
  // All up to `low` may agree; all beyond `high` cannot.
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (log.term(LogIndex(middle)) <= term) low = middle;
    else high = middle - 1;
  }
  return LogIndex(low);
}

// The leader's side.

/**
 * Whether somebody else is about to lead: what is asked waits for whoever that is.
 * A leader that removes itself takes nothing behind its removal, for it would never
 * hear what became of it.
 */
export function isLeaving(state: RaftState, leader: LeaderState): boolean {
  return leader.transfer !== undefined || !state.membership.isVoter(state.id);
}

/** Appends what `seal` makes for the next position; it travels with the next Ready. */
export function propose(state: RaftState, seal: (position: EntryPosition) => Entry): ProposeResult {
  const { role } = state;
  if (role.role !== "leader") return { kind: "not-leader", leader: knownLeader(state) };
  if (isLeaving(state, role)) return { kind: "busy" };
  if (role.uncommittedSize >= state.options.uncommittedSizeMax) return { kind: "busy" };
  const entry = seal(nextPosition(state));
  assert(entry.kind !== "configuration", "a configuration is not proposed like a command");
  appendOwn(state, entry);
  const size = entry.block.length;
  role.uncommitted.push({ index: entry.index, size });
  role.uncommittedSize += size;
  return { kind: "accepted", index: entry.index, term: entry.term };
}

/** A configuration is in force as soon as it is in the leader's log (§6). */
export function appendConfiguration(
  state: RaftState,
  leader: LeaderState,
  configuration: Configuration,
): LogIndex {
  assert(state.role === leader, "only a leader changes who takes part");
  const entry = state.options.sealer.configuration(nextPosition(state), configuration);
  appendOwn(state, entry);
  return entry.index;
}

/** The first entry of a term: committing it commits all that came before (§5.4.2, §8). */
export function appendNoop(state: RaftState, leader: LeaderState): void {
  assert(state.role === leader, "only the leader of the term opens it");
  appendOwn(state, state.options.sealer.noop(nextPosition(state)));
}

function nextPosition(state: RaftState): EntryPosition {
  const { lastIndex } = state.log;
  return {
    index: LogIndex(lastIndex + 1),
    term: currentTerm(state),
    previousChecksum: state.log.checksum(lastIndex),
  };
}

function appendOwn(state: RaftState, entry: Entry): void {
  assert(entry.term === currentTerm(state), "a leader appends entries of its own term");
  state.log.append(entry);
  state.membership.onAppend(entry);
}

/** Whether an append may leave for this follower now. */
export function canSendAppend(state: RaftState, progress: Progress): boolean {
  // What was compacted cannot be replicated from the log (install-snapshot.ts).
  if (progress.nextIndex < state.log.firstIndex) return false;
  return progress.canSend(state.log.lastIndex, state.options.inflightSizeMax);
}

/** Sends each follower as much as its window takes. */
export function sendAppends(state: RaftState, leader: LeaderState): void {
  for (const progress of leader.progress.values()) {
    while (canSendAppend(state, progress)) sendAppend(state, progress);
  }
}

function sendAppend(state: RaftState, progress: Progress): void {
  const { log, options } = state;
  const prevLogIndex = LogIndex(progress.nextIndex - 1);
  const entries = progress.hasRoom(log.lastIndex, options.inflightSizeMax)
    ? log.read(progress.nextIndex, log.lastIndex, options.appendSizeMax)
    : [];
  send(state, progress.id, {
    kind: "appendEntries",
    from: state.id,
    term: currentTerm(state),
    prevLogIndex,
    prevLogTerm: log.term(prevLogIndex),
    prevLogChecksum: log.checksum(prevLogIndex),
    leaderCommit: state.commitIndex,
    entries,
  });
  const lastIndex = LogIndex(prevLogIndex + entries.length);
  progress.onSent(lastIndex, sizeOf(entries));
  const told = LogIndex(Math.min(state.commitIndex, lastIndex));
  if (told > progress.commitIndexTold) progress.commitIndexTold = told;
}

function sizeOf(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.block.length;
  return size;
}

export function onAppendEntriesResult(state: RaftState, message: AppendEntriesResult): void {
  const term = currentTerm(state);
  if (message.term > term) {
    becomeFollower(state, message.term, undefined, "higher-term");
    return;
  }
  const { role, log } = state;
  if (message.term < term || role.role !== "leader") return;
  const progress = role.progress.get(message.from);
  if (progress === undefined) return;
  progress.onContact();
  if (message.success) {
    // Beyond our log nothing can match it: not a word of this term's follower.
    if (message.matchIndex > log.lastIndex) return;
    progress.onMatch(message.matchIndex);
    advanceCommit(state, role);
    return;
  }
  // A follower that knows less than it once confirmed is answering an older question.
  if (message.hintIndex < progress.matchIndex) return;
  if (!progress.isRefusalCurrent(message.prevLogIndex)) return;
  const meeting = conflictIndex(log, message.hintIndex, message.hintTerm);
  // Where the logs can meet was compacted here: only a snapshot helps (install-snapshot.ts).
  const isCompacted =
    message.hintIndex < log.firstIndex - 1 || log.term(meeting) > message.hintTerm;
  progress.becomeProbe(LogIndex(isCompacted ? log.firstIndex - 1 : meeting + 1));
}

/**
 * Commits what a majority of voters has flushed, if it is of this term: an older
 * entry on a majority may yet be overwritten, and is committed by what follows
 * it (§5.4.2, Fig. 8). The own disk counts like any other (thesis §10.2.1).
 */
export function advanceCommit(state: RaftState, leader: LeaderState): void {
  const matchIndexes = state.membership.voters.map((voter) => {
    if (voter === state.id) return state.log.flushedIndex;
    // A wiped disk's word is true, but the one it gave in its former life is not any more.
    if (!state.membership.isGenuine(voter)) return LogIndex(0);
    return leader.progress.get(voter)?.matchIndex ?? LogIndex(0);
  });
  const index = majorityValue(matchIndexes);
  if (index <= state.commitIndex) return;
  if (state.log.term(index) !== currentTerm(state)) return;
  state.commitIndex = index;
  let done = 0;
  for (const proposed of leader.uncommitted) {
    if (proposed.index > index) break;
    done += 1;
    leader.uncommittedSize -= proposed.size;
  }
  leader.uncommitted.splice(0, done);
}

// The follower's side.

/**
 * Submits to the sender of a leader's message. A candidate yields to a leader of
 * its own term (§5.2). @returns false when the message is not of the leader of
 * the term, and must not be obeyed
 */
export function followLeader(
  state: RaftState,
  message: AppendEntries | Heartbeat | InstallSnapshot,
): boolean {
  const term = currentTerm(state);
  assert(message.term >= term, "only a leader of this term or a later one is followed");
  if (message.term === term) {
    if (state.role.role === "leader") return false;
    const leader = knownLeader(state);
    if (leader !== undefined && leader !== message.from) return false;
  }
  if (message.term > term || knownLeader(state) !== message.from) {
    becomeFollower(state, message.term, message.from, "leader-found");
  }
  resetElectionTimer(state);
  // Its lease may count on our echo, whatever later term we hear of (thesis §6.4.1).
  if (state.options.leaseMs > 0) state.withholdTicks = state.options.electionTicks;
  return true;
}

export function onAppendEntries(state: RaftState, message: AppendEntries): void {
  if (message.term < currentTerm(state)) {
    // The result's term is what matters: it ends the sender's reign.
    refuseAppend(state, message, LogIndex(0));
    return;
  }
  if (!isWellFormed(message)) return;
  if (!followLeader(state, message)) return;
  const { log } = state;
  const { prevLogIndex, prevLogTerm } = message;
  // What was compacted here is committed, and so the same everywhere.
  if (prevLogIndex >= log.firstIndex - 1) {
    const agrees = prevLogIndex <= log.lastIndex && log.term(prevLogIndex) === prevLogTerm;
    if (!agrees && prevLogIndex <= state.commitIndex) {
      diverge(state, message, prevLogIndex, "committed-conflict");
      return;
    }
    if (!agrees) {
      refuseAppend(state, message, conflictIndex(log, prevLogIndex, prevLogTerm));
      return;
    }
    if (log.checksum(prevLogIndex) !== message.prevLogChecksum) {
      diverge(state, message, prevLogIndex, "checksum-differs");
      return;
    }
  }
  for (const entry of message.entries) {
    if (!storeEntry(state, message, entry)) return;
  }
  const verifiedIndex = LogIndex(prevLogIndex + message.entries.length);
  assert(verifiedIndex <= log.lastIndex, "what a message verified is in the log");
  // Beyond what this message verified, our log may still be another leader's (etcd-io/etcd#1203).
  commitTo(state, LogIndex(Math.min(message.leaderCommit, verifiedIndex)));
  send(
    state,
    message.from,
    {
      kind: "appendEntriesResult",
      from: state.id,
      term: currentTerm(state),
      prevLogIndex,
      success: true,
      matchIndex: verifiedIndex,
      hintIndex: LogIndex(0),
      hintTerm: Term(0),
    },
    verifiedIndex,
  );
}

/**
 * Keeps what agrees, drops a conflicting suffix, appends what is new (§5.3).
 * Entries that agree are never dropped, for a late message may be shorter than
 * what newer ones brought.
 *
 * @returns false when the logs differ where they must not
 */
function storeEntry(state: RaftState, message: AppendEntries, entry: Entry): boolean {
  const { log } = state;
  if (entry.index < log.firstIndex - 1) return true;
  if (entry.index <= log.lastIndex) {
    if (log.term(entry.index) === entry.term) {
      if (log.checksum(entry.index) === entry.checksum) return true;
      diverge(state, message, entry.index, "checksum-differs");
      return false;
    }
    if (entry.index <= state.commitIndex) {
      diverge(state, message, entry.index, "committed-conflict");
      return false;
    }
    log.truncate(entry.index);
    if (state.membership.onTruncate(entry.index)) refreshPassiveRole(state);
  }
  log.append(entry);
  if (state.membership.onAppend(entry)) refreshPassiveRole(state);
  return true;
}

function refuseAppend(state: RaftState, message: AppendEntries, hintIndex: LogIndex): void {
  send(state, message.from, {
    kind: "appendEntriesResult",
    from: state.id,
    term: currentTerm(state),
    prevLogIndex: message.prevLogIndex,
    success: false,
    matchIndex: LogIndex(0),
    hintIndex,
    hintTerm: state.log.holds(hintIndex) ? state.log.term(hintIndex) : Term(0),
  });
}

/** What a leader says is committed, as far as this log is known to agree with its own. */
export function commitTo(state: RaftState, index: LogIndex): void {
  assert(index <= state.log.lastIndex, "what is committed is in the log");
  if (index > state.commitIndex) state.commitIndex = index;
}

/** Somebody's bytes are damaged: the node stops, and says where. */
function diverge(
  state: RaftState,
  message: AppendEntries,
  index: LogIndex,
  reason: Divergence["reason"],
): void {
  state.divergence ??= { index, term: state.log.term(index), leader: message.from, reason };
}

/** Whether a leader could have sent this at all: the network's word is not trusted to be contiguous. */
function isWellFormed(message: AppendEntries): boolean {
  const { prevLogIndex, prevLogTerm, prevLogChecksum } = message;
  if (prevLogTerm > message.term) return false;
  if (prevLogIndex === 0 && (prevLogTerm !== 0 || prevLogChecksum !== 0)) return false;
  let index: number = prevLogIndex;
  let term = prevLogTerm;
  for (const entry of message.entries) {
    index += 1;
    if (entry.index !== index || entry.term < term) return false;
    if (entry.kind === "configuration" && entry.configuration.voters.length === 0) return false;
    term = entry.term;
  }
  return term <= message.term;
}
