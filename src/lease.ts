/**
 * Leases as a user holds them: keys that end together, by themselves, unless
 * somebody goes on saying that they are wanted. And the time to live of one key.
 */
import type { OperationOptions } from "./database.js";

/** How long a key lives; nothing given: until it is deleted. One of them at most. */
export interface ExpiryOptions {
  /** milliseconds from now, at least 1 */
  readonly ttlMs?: number;
  /** a moment: a date, or milliseconds since 1970. One that has passed ends the key at once */
  readonly expiresAt?: Date | number;
  /** the key ends with this lease; its id will do. LEASE_GONE when there is none */
  readonly lease?: Lease | number;
  /** true: the key keeps the life it has */
  readonly keepExpiry?: boolean;
}

export interface LeaseOptions extends OperationOptions {
  /** milliseconds after which it ends unless it is kept alive; at least 1 */
  readonly ttlMs: number;
  /** whether this object keeps it alive by itself until it is closed; default true */
  readonly keepAlive?: boolean;
}

/**
 * A lease granted to this process. A fresh leader grants it up to its whole time to
 * live anew, so it may outlive what is left of it, never end early.
 *
 * It is no lock by itself: a process that was stopped does not know that its lease
 * has ended. Give the key's `createRevision` to whatever is guarded, as a fencing
 * token, and let it refuse smaller ones. Leaving `await using` revokes it.
 */
export interface Lease extends AsyncDisposable {
  readonly id: number;
  /** milliseconds */
  readonly ttlMs: number;
  /**
   * Fires when the lease has ended, or may have: its time has passed by this
   * process's clock since it was last kept alive. Its reason is a DatabaseError LEASE_GONE.
   */
  readonly lost: AbortSignal;
  /** Its time starts anew. @throws {DatabaseError} LEASE_GONE */
  keepAlive(options?: OperationOptions): Promise<void>;
  /** Ends it now, and its keys with it. Fine when it has ended already. */
  revoke(options?: OperationOptions): Promise<void>;
}

/** A lease as the cluster knows it. */
export interface LeaseStatus {
  readonly id: number;
  /** milliseconds */
  readonly ttlMs: number;
  /** milliseconds; 0: about to end */
  readonly remainingMs: number;
  /** in byte order */
  readonly keys: readonly Uint8Array[];
}
