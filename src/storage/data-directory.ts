/**
 * The data directory: who owns it, whose it is, and where things lie in it.
 *
 *   <data>/identity.json          cluster id, node id, incarnation id, format version
 *   <data>/hard-state-1, -2       term and vote
 *   <data>/log/                   segments
 *   <data>/snapshots/             snapshots
 *   <data>/LOCK, LOCK.owner       the lock
 */
import type { NodeId } from "../raft/types.js";

export interface Identity {
  /** 32 hex digits */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, minted when the directory was made */
  readonly incarnationId: string;
  readonly formatVersion: number;
}

export interface DataDirectory extends AsyncDisposable {
  readonly path: string;
  readonly identity: Identity;
  /** Releases the lock. Idempotent. */
  close(): Promise<void>;
}

export interface OpenDataDirectoryOptions {
  readonly path: string;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** called when the lock was lost although this process lives: the node must stop at once */
  readonly onCompromised: (error: Error) => void;
}

/**
 * Locks the directory, creating it when it is not there, and reads or writes its identity.
 *
 * @throws {DatabaseError} DIRECTORY_IN_USE when a live process (also a stopped one) owns it, within half a second
 *   and without touching a byte; WRONG_DIRECTORY when it is another node's or cluster's; STORAGE_FAILED when it
 *   cannot be made or written; CORRUPTION when its identity is unreadable
 */
export declare function openDataDirectory(
  options: OpenDataDirectoryOptions,
): Promise<DataDirectory>;

/** Reads a directory's identity without a lock, for the offline tools; undefined when it has none. */
export declare function readIdentity(path: string): Identity | undefined;
