/**
 * The data directory: who owns it, whose it is, and where things lie in it.
 *
 *   <data>/identity.json          cluster id, node id, incarnation id, format version
 *   <data>/hard-state-1, -2       term and vote
 *   <data>/log/                   segments
 *   <data>/snapshots/             snapshots
 *   <data>/LOCK, LOCK.owner       the lock (directory-lock.ts)
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { AssertionError } from "../assert.js";
import { DatabaseError } from "../errors.js";
import type { NodeId } from "../raft/types.js";
import { lockDirectory, type DirectoryLock } from "./directory-lock.js";
import { claimIdentity, readIdentityFile, type Identity } from "./identity.js";
import { NodeFileSystem } from "./node-file-system.js";

export type { Identity } from "./identity.js";

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

class LockedDirectory implements DataDirectory {
  readonly path: string;
  readonly identity: Identity;
  readonly #lock: DirectoryLock;

  constructor(path: string, identity: Identity, lock: DirectoryLock) {
    this.path = path;
    this.identity = identity;
    this.#lock = lock;
  }

  close(): Promise<void> {
    return this.#lock.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Locks the directory, creating it when it is not there, and reads or writes its identity.
 *
 * @throws {DatabaseError} DIRECTORY_IN_USE when a live process (also a stopped one) owns it, within half a second
 *   and without touching a byte; WRONG_DIRECTORY when it is another node's or cluster's; STORAGE_FAILED when it
 *   cannot be made or written; CORRUPTION when its identity is unreadable
 */
export async function openDataDirectory(options: OpenDataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path);
  const { nodeId, clusterId, onCompromised } = options;
  const fileSystem = new NodeFileSystem();
  try {
    fileSystem.makeDirectory(path);
    const lock = await lockDirectory({ path, nodeId, onCompromised });
    try {
      const freshIncarnationId = randomBytes(16).toString("hex");
      const identity = claimIdentity(fileSystem, path, { clusterId, nodeId, freshIncarnationId });
      return new LockedDirectory(path, identity, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    if (error instanceof DatabaseError || error instanceof AssertionError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    const message = `the data directory ${path} cannot be used: ${text}`;
    throw new DatabaseError("STORAGE_FAILED", message, { cause: error });
  }
}

/**
 * Reads a directory's identity without a lock, for the offline tools; undefined when it has none.
 * @throws {DatabaseError} CORRUPTION when it is unreadable
 */
export function readIdentity(path: string): Identity | undefined {
  return readIdentityFile(new NodeFileSystem(), resolve(path));
}
