/**
 * The contract between the core and the driver: inputs in, one `Ready` out.
 *
 * The driver calls any number of inputs (`tick`, `step`, `propose`,
 * `requestRead`, `persisted`, `applied`), then takes one `Ready` and carries it
 * out in the order of its fields:
 *
 *   1. send     every message of `messages`, at once: none of them speaks of
 *               anything that is not flushed, except a leader's AppendEntries,
 *               whose entries may travel while the leader's own disk works
 *               (thesis §10.2.1)
 *   2. persist  hand `hardState`, `truncateFrom` and `entries` to the disk, in
 *               that order (a term is durable before its entries); when all of
 *               it is flushed, come back with `persisted(ready.persistId)`;
 *               what finds no room is told by `notWritten` before that; messages
 *               that `persisted` sets free may be sent at once (`takeReleased`)
 *   3. apply    `committed`, in order; then `applied(index)`
 *   4. answer   `reads` whose index is applied; `refusedReads`; role changes
 *
 * Durability is an input: the core lets go of a vote, an append result or a
 * leader's own acknowledgement only when `persisted` says that what they claim
 * is on disk. Sending before the disk has spoken has no representation.
 */
import type { Envelope } from "./message.js";
import type {
  Configuration,
  Entry,
  HardState,
  LogIndex,
  NodeId,
  Role,
  RoleChange,
  RoleReason,
  SnapshotInfo,
  Term,
  Ticks,
} from "./types.js";

export interface Ready {
  /** names this record's persistence for `persisted`; 0 when there is nothing to persist */
  readonly persistId: number;
  /** drop the log from this index (inclusive) before appending; undefined: keep all */
  readonly truncateFrom: LogIndex | undefined;
  /** to append, contiguous with the log after truncation */
  readonly entries: readonly Entry[];
  /** to write when defined; term or vote changed */
  readonly hardState: HardState | undefined;
  readonly messages: readonly Envelope[];
  /**
   * newly committed, in order, contiguous with the last `committed`. Flushed on a
   * majority; a leader's own disk may still be at work (thesis §10.2.1)
   */
  readonly committed: readonly Entry[];
  /** reads that may be served once `index` is applied */
  readonly reads: readonly ReadState[];
  /**
   * contexts of reads that cannot be answered: leadership was lost, no leader is known, or
   * the leader could commit nothing yet for an election timeout; not a proof of anything else
   */
  readonly refusedReads: readonly number[];
  /** every change since the last Ready, in order */
  readonly roleChanges: readonly RoleChange[];
  /** parts of a snapshot: store them, and say how far with `snapshotStored`; no order with the rest */
  readonly snapshotChunks: readonly SnapshotChunk[];
  /**
   * Defined when a leader's log and ours hold the same index and term with
   * different checksums, or when a leader would overwrite what is committed
   * here: somebody's bytes are damaged. The node must stop.
   */
  readonly divergence: Divergence | undefined;
}

/** A part of a leader's snapshot (§7). Empty `data`: only asks how far the receiver is. */
export interface SnapshotChunk {
  readonly snapshot: SnapshotInfo;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** What a verified snapshot says of the log it stands for. */
export interface InstalledSnapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
  readonly configuration: Configuration;
  readonly configurationIndex: LogIndex;
}

/**
 * What becomes of the log when a snapshot was put in place (§7, Fig. 13 rules 6 and 7):
 * it holds the snapshot's last entry and goes on behind it; it does not, and starts
 * anew behind it; or what it holds is committed that far already, and the snapshot is not needed.
 */
export type SnapshotVerdict = "log-kept" | "log-reset" | "not-needed";

/** One change of members at a time (docs/decisions/0005). */
export type MembershipChange =
  | {
      /** comes as a learner */
      readonly kind: "add";
      readonly id: NodeId;
      /** host:port for peers */
      readonly address: string;
    }
  | { readonly kind: "promote"; readonly id: NodeId }
  | { readonly kind: "remove"; readonly id: NodeId };

export type ChangeRefusal =
  /** a change before it is not committed yet */
  | "change-under-way"
  | "transfer-under-way"
  /** the leader has not committed an entry of its own term yet */
  | "term-not-opened"
  | "already-member"
  | "already-voter"
  | "not-a-member"
  /** a member of this id was removed: ids are never used twice */
  | "id-was-used"
  | "address-in-use"
  /** its last round of catching up took longer than an election timeout */
  | "behind"
  | "not-alive"
  /** it came back with an empty disk, and is being made a learner */
  | "wiped"
  /** the leader, or a member, is new: those whom the change would need have not answered yet */
  | "not-heard-yet"
  /** the majority that the change would need is not alive */
  | "quorum-not-alive"
  | "last-voter";

export type ChangeResult =
  | { readonly kind: "accepted"; readonly index: LogIndex; readonly term: Term }
  | { readonly kind: "not-leader"; readonly leader: NodeId | undefined }
  | { readonly kind: "refused"; readonly reason: ChangeRefusal };

export type TransferRefusal =
  | "transfer-under-way"
  | "leads-already"
  | "not-a-voter"
  /** the leader is new: the target, or everybody, has not answered it yet */
  | "not-heard-yet"
  | "not-alive"
  | "nobody-alive";

export type TransferResult =
  /** to see whether it came to an end, watch who leads */
  | { readonly kind: "started"; readonly target: NodeId }
  | { readonly kind: "not-leader"; readonly leader: NodeId | undefined }
  | { readonly kind: "refused"; readonly reason: TransferRefusal };

export interface Divergence {
  readonly index: LogIndex;
  readonly term: Term;
  readonly leader: NodeId;
  readonly reason: "checksum-differs" | "committed-conflict";
}

export interface ReadState {
  /** as given to `requestRead` */
  readonly context: number;
  readonly index: LogIndex;
}

export type ProposeResult =
  | { readonly kind: "accepted"; readonly index: LogIndex; readonly term: Term }
  /** not the leader: nothing happened */
  | { readonly kind: "not-leader"; readonly leader: NodeId | undefined }
  /** too much is waiting for its quorum: nothing happened */
  | { readonly kind: "busy" };

/** How one peer stands in the leader's eyes (Raft Fig. 2, nextIndex and matchIndex; etcd's probe and replicate). */
export interface PeerStatus {
  readonly id: NodeId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  /** answered within the last election timeout */
  readonly alive: boolean;
  readonly ticksSinceContact: Ticks;
  readonly inflightBytes: number;
  /** its last round of catching up took less than an election timeout (thesis §4.2.1) */
  readonly caughtUp: boolean;
  /** bytes of a snapshot it holds already; undefined when none is being sent to it */
  readonly snapshotOffset: number | undefined;
  /** as its last heartbeat result said; 0 before the first */
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
}

export interface RaftStatus {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: NodeId | undefined;
  readonly leader: NodeId | undefined;
  readonly lastIndex: LogIndex;
  readonly flushedIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** why the role last changed */
  readonly reason: RoleReason;
  /** one per other member; empty unless leader */
  readonly peers: readonly PeerStatus[];
  /** whom this leader is handing over to */
  readonly transferTarget: NodeId | undefined;
}
