/**
 * The words of Raft that everything else is said in.
 *
 * Pure types and their constructors; nothing here knows a disk, a socket or a
 * clock. Numbers are safe integers: avsc refuses a `long` beyond 2^53.
 */
import { assert } from "../assert.js";

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A leader's reign; grows, never repeats. 0 before the first election. Safe integer. */
export type Term = Branded<number, "Term">;
/** Position in the log, in entries; the first is 1, and 0 means "none". Safe integer. */
export type LogIndex = Branded<number, "LogIndex">;
/** A member's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, the first a letter or digit. */
export type NodeId = Branded<string, "NodeId">;
/** Periods of the driver's one timer. */
export type Ticks = Branded<number, "Ticks">;

export function Term(value: number): Term {
  assert(Number.isSafeInteger(value), "a term is a safe integer");
  assert(value >= 0, "a term is not negative");
  return value as Term;
}

export function LogIndex(value: number): LogIndex {
  assert(Number.isSafeInteger(value), "a log index is a safe integer");
  assert(value >= 0, "a log index is not negative");
  return value as LogIndex;
}

export function Ticks(value: number): Ticks {
  assert(Number.isSafeInteger(value), "ticks are a safe integer");
  assert(value >= 0, "ticks are not negative");
  return value as Ticks;
}

const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Whether `text` may name a node. */
export function isNodeId(text: string): text is NodeId {
  return NODE_ID.test(text);
}

export function NodeId(text: string): NodeId {
  assert(isNodeId(text), "a node id is 1 to 64 letters, digits, dots, dashes or underscores");
  return text;
}

/** What must survive a crash before any message reveals it (Raft Fig. 2, persistent state; the log is kept apart). */
export interface HardState {
  readonly term: Term;
  /** whom this node voted for in `term` */
  readonly vote: NodeId | undefined;
}

/** What the log says of one member. */
export interface MemberRecord {
  readonly id: NodeId;
  /** host:port for peers; empty for a founding member, whose address every node was started with */
  readonly address: string;
  /** which life of its data directory is meant (hex, minted with the directory); empty before it was seen */
  readonly incarnation: string;
}

/** Who takes part. Effective as soon as it is in the log (§6). */
export interface Configuration {
  /** distinct, sorted by code unit, at least one */
  readonly voters: readonly NodeId[];
  /** distinct, sorted, disjoint from voters; replicated to, never counted */
  readonly learners: readonly NodeId[];
  /** of members only, sorted by id; a member without one is a founding member not seen yet */
  readonly records?: readonly MemberRecord[];
  /** sorted; ids that were members once, and are never used again */
  readonly removed?: readonly NodeId[];
}

/** Where an entry stands, and what it must chain to. */
export interface EntryPosition {
  readonly index: LogIndex;
  readonly term: Term;
  /** the checksum of the entry at `index - 1`, or 0 for the first entry */
  readonly previousChecksum: number;
}

interface EntryBase {
  readonly index: LogIndex;
  readonly term: Term;
  /**
   * Unsigned 32 bits, seeded with the predecessor's: two logs with the same
   * checksum at an index are the same log up to it.
   */
  readonly checksum: number;
  /**
   * The sealed block: made once by the leader, copied verbatim to every disk
   * and socket. Nobody writes to these bytes after sealing.
   */
  readonly block: Uint8Array;
}

/** What the state machine folds: one or more requests gathered in one turn of the leader's loop. */
export interface CommandsEntry extends EntryBase {
  readonly kind: "commands";
}
/** The entry every leader starts its term with, so that it can learn what is committed (§5.4.2, §8). */
export interface NoopEntry extends EntryBase {
  readonly kind: "noop";
}
/** A change of members (§6). */
export interface ConfigurationEntry extends EntryBase {
  readonly kind: "configuration";
  readonly configuration: Configuration;
}
export type Entry = CommandsEntry | NoopEntry | ConfigurationEntry;

/** Makes the entries that the core itself proposes; injected, because their bytes are the codec's. Deterministic. */
export interface EntrySealer {
  noop(position: EntryPosition): NoopEntry;
  configuration(position: EntryPosition, configuration: Configuration): ConfigurationEntry;
}

/**
 * The flushed and unflushed log as the disk's side knows it; synchronous and
 * without effects. The core keeps the tail in memory itself and asks this only
 * for what it has let go of.
 */
export interface LogReader {
  /** the first index still held; 1 when nothing was compacted; lastIndex + 1 when empty */
  readonly firstIndex: LogIndex;
  /** the last index appended, flushed or not; firstIndex - 1 when empty */
  readonly lastIndex: LogIndex;
  /** the term at `index`, for firstIndex - 1 <= index <= lastIndex (0 at index 0) */
  term(index: LogIndex): Term;
  /** the checksum at `index`, same range (0 at index 0) */
  checksum(index: LogIndex): number;
  /**
   * Consecutive entries from `from` (within [firstIndex, lastIndex]): at least
   * one, then as many as fit in `sizeMax` bytes of blocks, none beyond `to` (inclusive).
   */
  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[];
  /** Where configurations stand, ascending: whoever recovers a log need not read all of it for them. */
  configurationIndexes(): readonly LogIndex[];
}

/** A snapshot on this node's disk: the state after entry `index`. */
export interface SnapshotInfo {
  readonly index: LogIndex;
  /** of the entry at `index` */
  readonly term: Term;
  /** of the entry at `index`, in the log's chain */
  readonly checksum: number;
  /** bytes of the file */
  readonly size: number;
  /** over the file; equal states have equal files, so that a transfer goes on under another leader */
  readonly fileChecksum: number;
}

/** The snapshots as the disk's side knows them; synchronous and without effects. */
export interface SnapshotSource {
  readonly newest: SnapshotInfo | undefined;
  /** Bytes of the file from `offset`, at most `sizeMax`; undefined when the snapshot is no longer held. */
  read(snapshot: SnapshotInfo, offset: number, sizeMax: number): Uint8Array | undefined;
}

export type Role = "follower" | "pre-candidate" | "candidate" | "leader" | "learner";

/** Why a role changed; machine-readable, shown by `cluster status` and in the node's log of events. */
export type RoleReason =
  | "start"
  | "election-timeout"
  | "pre-vote-won"
  | "pre-vote-lost"
  | "election-won"
  | "election-lost"
  /** a message of a higher term was seen */
  | "higher-term"
  /** the leader of this term made itself known */
  | "leader-found"
  /** a leader heard from no quorum for one election timeout (check-quorum) */
  | "quorum-lost"
  | "transfer"
  /** the configuration made a learner a voter */
  | "promoted"
  /** the configuration knows this node's id under another incarnation: its disk was wiped */
  | "wiped"
  /** the configuration no longer counts this node among its voters */
  | "removed"
  | "disk-stall"
  | "loop-stall";

export interface RoleChange {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  readonly reason: RoleReason;
}
