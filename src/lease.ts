/**
 * Leases as a user holds them: keys that end together, by themselves, unless
 * somebody goes on saying that they are wanted. And the time to live of one key.
 */
import type { OperationOptions } from "./operations.js";

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

/** How a lease is granted. */
export interface LeaseOptions extends OperationOptions {
  /** milliseconds after which it ends unless it is kept alive; at least 1 */
  readonly ttlMs: number;
  /** whether this object keeps it alive by itself until it is closed; default true */
  readonly keepAlive?: boolean;
}

/**
 * A lease granted to this process. Its time is the log's, by the clock of whoever
 * leads: while nobody does it stands still, so a change of leaders adds at most the
 * election and the two seconds between checkpoints; a leader whose wall clock is ahead
 * of the one's before takes the difference off, once, at most ten seconds.
 *
 * It is no lock by itself: a process that was stopped, or a leader's clock that jumps
 * ahead, and it has ended without the holder's knowledge. Give the key's `createRevision` to whatever is guarded, as a fencing
 * token, and let it refuse smaller ones. Leaving `await using` revokes it.
 *
 * @example
 * await using lease = await db.lease({ ttlMs: 10_000 });
 * const lock = await db.putIfAbsent("lock/printer", "me", { lease });
 * assert.ok(lock.applied); // otherwise somebody has it: watch the key, and try again when it is deleted
 * const fencingToken = lock.revision; // its createRevision: greater than that of every holder before
 * assert.equal((await db.get("lock/printer"))?.createRevision, fencingToken);
 */
export interface Lease extends AsyncDisposable {
  /** a whole number above 0; what other processes name it by */
  readonly id: number;
  /** milliseconds */
  readonly ttlMs: number;
  /**
   * Fires when the lease has ended, or may have: its time has passed by this
   * process's clock since it was last kept alive. Its reason is a DatabaseError LEASE_GONE.
   *
   * @example
   * await using lease = await db.lease({ ttlMs: 10_000 });
   * const work = db.get("job/1", { signal: lease.lost }); // given up with the lease
   * assert.equal(await work, undefined);
   */
  readonly lost: AbortSignal;
  /**
   * Its time starts anew.
   *
   * @throws {DatabaseError} LEASE_GONE
   *
   * @example
   * await using lease = await db.lease({ ttlMs: 10_000, keepAlive: false });
   * await lease.keepAlive(); // ten seconds more, from now
   */
  keepAlive(options?: OperationOptions): Promise<void>;
  /**
   * Ends it now, and its keys with it. Fine when it has ended already.
   *
   * @example
   * const lease = await db.lease({ ttlMs: 10_000 });
   * await db.put("worker/1", "here", { lease });
   * await lease.revoke();
   * assert.equal(await db.get("worker/1"), undefined);
   */
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
