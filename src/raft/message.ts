/**
 * What Raft nodes say to each other: a union by `kind`, one interface each.
 *
 * Every message carries its sender and its sender's term. Every result carries
 * what it answers, so that a stale one is recognised and dropped (a result of an
 * earlier term, or one whose range the sender has since rewritten).
 */
import type { Entry, LogIndex, NodeId, SnapshotInfo, Term } from "./types.js";

interface MessageBase {
  readonly from: NodeId;
  /** the sender's term; for `preVote` the term it would campaign in */
  readonly term: Term;
}

/** "Would you vote for me?", asked without raising any term (thesis §9.6). */
export interface PreVote extends MessageBase {
  readonly kind: "preVote";
  /** of the sender's flushed log */
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

/** `term` is the voter's own current term when it refuses, and the asked one when it grants. */
export interface PreVoteResult extends MessageBase {
  readonly kind: "preVoteResult";
  readonly granted: boolean;
}

/** Raft Fig. 2, RequestVote. */
export interface RequestVote extends MessageBase {
  readonly kind: "requestVote";
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** set by a leadership transfer: overrides leader stickiness (thesis §4.2.3) */
  readonly disruptLeader: boolean;
}

export interface RequestVoteResult extends MessageBase {
  readonly kind: "requestVoteResult";
  readonly granted: boolean;
}

/** Raft Fig. 2, AppendEntries. An empty one is a probe; liveness is the heartbeat's work. */
export interface AppendEntries extends MessageBase {
  readonly kind: "appendEntries";
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  /** the checksum at prevLogIndex: equal index and term with another checksum is divergence, never a conflict */
  readonly prevLogChecksum: number;
  readonly leaderCommit: LogIndex;
  /** contiguous from prevLogIndex + 1 */
  readonly entries: readonly Entry[];
}

/** Sent only once what it claims is flushed. */
export interface AppendEntriesResult extends MessageBase {
  readonly kind: "appendEntriesResult";
  /** prevLogIndex of the request answered */
  readonly prevLogIndex: LogIndex;
  readonly success: boolean;
  /** on success: the last index known to match the leader and flushed here; on refusal: 0 */
  readonly matchIndex: LogIndex;
  /**
   * On refusal: the greatest index at which the logs can still agree, judged by
   * terms (conflictIndex in replication.ts), and the term there. 0 on success.
   */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** Liveness, the commit index and the read round; never waits behind bulk. */
export interface Heartbeat extends MessageBase {
  readonly kind: "heartbeat";
  /** min(leader's commit index, the receiver's match index): safe without a log check */
  readonly commitIndex: LogIndex;
  /** the newest read round, 0 when none; echoed */
  readonly readRound: number;
}

export interface HeartbeatResult extends MessageBase {
  readonly kind: "heartbeatResult";
  readonly readRound: number;
  /** for the status table only */
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
}

/** A follower asks the leader for a read index (thesis §6.4). */
export interface ReadIndex extends MessageBase {
  readonly kind: "readIndex";
  /** unique per sender and process; never reused */
  readonly context: number;
}

export interface ReadIndexResult extends MessageBase {
  readonly kind: "readIndexResult";
  readonly context: number;
  /** false: the receiver is not a leader that can answer; ask again elsewhere */
  readonly granted: boolean;
  readonly index: LogIndex;
}

/**
 * A part of the leader's snapshot, for a follower whose next entry was compacted
 * (§7, Fig. 13). An empty part asks how far the follower has come.
 */
export interface InstallSnapshot extends MessageBase {
  readonly kind: "installSnapshot";
  readonly snapshot: SnapshotInfo;
  /** of `data` in the file */
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface InstallSnapshotResult extends MessageBase {
  readonly kind: "installSnapshotResult";
  /** which snapshot is meant */
  readonly index: LogIndex;
  readonly fileChecksum: number;
  /** bytes the follower holds: the next part starts here */
  readonly offset: number;
  /** its state is at `index` or later, and on its disk */
  readonly isInstalled: boolean;
}

/** "Campaign now" (thesis §3.10). */
export interface TimeoutNow extends MessageBase {
  readonly kind: "timeoutNow";
}

export type Message =
  | PreVote
  | PreVoteResult
  | RequestVote
  | RequestVoteResult
  | AppendEntries
  | AppendEntriesResult
  | Heartbeat
  | HeartbeatResult
  | ReadIndex
  | ReadIndexResult
  | InstallSnapshot
  | InstallSnapshotResult
  | TimeoutNow;

export interface Envelope {
  readonly to: NodeId;
  readonly message: Message;
}
