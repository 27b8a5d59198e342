/**
 * What a node offers to the doors: one interface, so that a door can be tried
 * without a cluster. Callbacks, not promises: this is the hot path.
 */
import type { AdminAction } from "../codec/admin-action.js";
export type { AdminAction } from "../codec/admin-action.js";
import type { SavedSnapshot } from "../codec/inspection-message.js";
import type { DatabaseError } from "../errors.js";
import type { Entry, LogIndex, NodeId, Role, RoleReason, Term } from "../raft/types.js";
import type { Limits, Request, RequestResult } from "../store/command.js";
import type { Store } from "../store/store.js";
import type { PlainPut } from "./plain-put.js";
import type { WriteOrder } from "./write-order.js";

/** The state machine as a reader sees it, at one moment. Use it only inside the callback it was given to. */
export type StoreView = Pick<
  Store,
  | "revision"
  | "compactedRevision"
  | "size"
  | "logTime"
  | "get"
  | "find"
  | "findAll"
  | "valueSizeAt"
  | "copyValueAt"
  | "range"
  | "remainingOf"
  | "at"
  | "rangeAt"
  | "revisionAt"
  | "history"
  | "changesSince"
  | "eachChangedKey"
  | "lease"
  | "leases"
  | "transaction"
  | "transactions"
  | "getIn"
  | "rangeIn"
  | "outcome"
>;

export type ExecuteDone = (
  error: DatabaseError | undefined,
  result: RequestResult | undefined,
) => void;
/**
 * What whoever waits for a write wants of its result. "revision": outcome and
 * revision alone, an applied result may come without `results`.
 */
export type Needs = "revision" | "result";
export type ReadDone = (error: DatabaseError | undefined, store: StoreView | undefined) => void;
/** @param since up to here there was nothing for the asker, from here on there may be */
export type ChangeDone = (
  error: DatabaseError | undefined,
  store: StoreView | undefined,
  since: number,
) => void;
export type StatusDone = (
  error: DatabaseError | undefined,
  status: ClusterStatus | undefined,
) => void;

/** Keys in [from, end), byte order; an empty `end` means no upper bound. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly end: Uint8Array;
}

export interface AdminResult {
  /** of the configuration's entry; for a transfer where the old leader's log ended */
  readonly index: number;
}
export type AdminDone = (error: DatabaseError | undefined, result: AdminResult | undefined) => void;

export type SaveDone = (error: DatabaseError | undefined, saved: SavedSnapshot | undefined) => void;

/** A snapshot on a node's disk. */
export interface HeldSnapshot {
  /** the last entry whose effect it holds */
  readonly index: number;
  /** of that entry, and its checksum in the log's chain */
  readonly term: number;
  readonly checksum: number;
  /** CRC-32 of the file's end, which holds the last link of the chain of checksums over all rows */
  readonly stateChecksum: number;
  /** bytes */
  readonly size: number;
}

/** Snapshots, for inspection and for keeping them elsewhere. */
export interface SnapshotService {
  /** This node's own, oldest first. */
  held(): readonly HeldSnapshot[];
  /**
   * Writes one that holds everything acknowledged before the call. It stays until
   * the next one, or until nobody has read of it for a minute. Errors: as `read`,
   * and STORAGE_FAILED.
   */
  save(timeoutMs: number, done: SaveDone): void;
  /** Bytes of what was saved at `index`, none behind its end; undefined when it is not there any more. */
  readSaved(index: number, offset: number, sizeMax: number): Uint8Array | undefined;
}

export interface NodeService {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly limits: Limits;
  /**
   * Has a request applied, wherever the leader is; `done` is called exactly once,
   * never before `execute` returned. Errors: NO_LEADER, BUSY, CLOSED (not applied),
   * OUTCOME_UNKNOWN, and the limits' (checked before anything is sent).
   *
   * @param needs default "result"; "revision" spares the fold what nobody looks at
   * @param order of requests whose effects happen in the order of their calls, or not at all (BUSY)
   */
  execute(
    request: Request,
    timeoutMs: number,
    done: ExecuteDone,
    needs?: Needs,
    order?: WriteOrder,
  ): void;
  /**
   * As `execute` of a bare put that needs its revision alone: its own `done` gets it, and until
   * then the put is the node's. For many of them, which need no object each, and whose deadline
   * (PlainPut.deadline, by `now`) is looked up once for all that came together.
   */
  put(put: PlainPut): void;
  /** A linearizable read: `done` gets the store once it holds everything acknowledged before the call. */
  read(timeoutMs: number, done: ReadDone): void;
  /**
   * Waits until this node's own store has come to `revision`, which is no linearizable
   * read: `done` gets the store then, at the earliest after `whenRevision` returned, or
   * TIMEOUT, or CLOSED.
   *
   * @returns how to give up: `done` is not called any more
   */
  whenRevision(revision: number, timeoutMs: number, done: ReadDone): () => void;
  /**
   * Waits until this node's own store has come to `since`, and at it or later to a
   * change within `range`; at once when it has come to `since` already. For watches.
   * Otherwise as `whenRevision`.
   */
  whenChanged(range: KeyRange, since: number, timeoutMs: number, done: ChangeDone): () => void;
  /** Milliseconds, monotonic, any origin. */
  now(): number;
  /** Milliseconds since 1970 by this node's clock: what leases are measured with when they are read. */
  wallTime(): number;
  /** The cluster as the leader sees it; as this node sees it when no leader answers. */
  status(timeoutMs: number, done: StatusDone): void;
  /**
   * Changes members or the leader; `done` when the change is committed, or another
   * node leads. Errors: INVALID_ARGUMENT, CHANGE_REFUSED, NO_LEADER, CLOSED (nothing
   * was changed), OUTCOME_UNKNOWN.
   */
  administer(action: AdminAction, timeoutMs: number, done: AdminDone): void;
  /** This node alone, now. */
  info(): NodeInfo;
  /** Entries of this node's own log, for inspection: consecutive from `from`, at least one if it is held. */
  readLog(from: LogIndex, sizeMax: number): readonly Entry[];
  /** Checksum and term at `index` of this node's own log, or right before its first; undefined when not held. */
  checksumAt(index: LogIndex): { readonly term: Term; readonly checksum: number } | undefined;
  readonly snapshots: SnapshotService;
}

/** One node alone, as it is now. Indexes are of the log; 0: none. */
export interface NodeInfo {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  readonly reason: RoleReason;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly flushedIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly revision: number;
  readonly keyCount: number;
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly version: string;
  readonly uptimeSeconds: number;
}

/** CONTRACT: `cluster status --json`. */
export interface ClusterStatus {
  readonly clusterId: string;
  readonly leader: string | null;
  readonly term: number;
  readonly nodes: readonly NodeStatus[];
}

/** A member as the leader knows it; null: not known. */
export interface NodeStatus {
  readonly id: string;
  readonly role: "leader" | "follower" | "candidate" | "learner" | "unknown";
  readonly term: number | null;
  /** what the leader's heartbeats say */
  readonly alive: boolean;
  readonly lastIndex: number | null;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  readonly matchIndex: number | null;
  readonly peer: string;
  readonly client: string | null;
  /** entries of the leader's log that it has not flushed; null when not known */
  readonly lag: number | null;
  /** why its role last changed; known for the answering node and the leader only */
  readonly reason: string | null;
}
