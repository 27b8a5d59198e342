/** A lease kept alive for as long as somebody stands by it, whoever leads meanwhile. */
import { setTimeout as pause } from "node:timers/promises";
import type { Database } from "../database.js";
import { DatabaseError } from "../errors.js";
import type { LeaseStatus } from "../lease.js";
import { DURATION_MS_MAX } from "./duration.js";

const RETRY_MS_MAX = 1000;

export interface KeepLeaseOptions {
  /** each time that it was kept */
  readonly kept: () => Promise<void>;
  /** each time that it could not be, and will be tried again */
  readonly failed: (reason: string) => void;
}

/**
 * Keeps it alive three times within its time to live, until that fails for good:
 * LEASE_GONE, or no answer for one time to live.
 *
 * @throws {DatabaseError}
 */
export async function keepLease(
  database: Database,
  { id, ttlMs }: LeaseStatus,
  { kept, failed }: KeepLeaseOptions,
): Promise<never> {
  let aliveAt = performance.now();
  for (;;) {
    try {
      await database.keepLease(id);
      aliveAt = performance.now();
    } catch (error) {
      // What is left of it is time enough for another leader.
      const isLate = performance.now() - aliveAt > ttlMs;
      if (!(error instanceof DatabaseError) || !error.retryable || isLate) throw error;
      failed(error.message);
      await pause(Math.min(ttlMs / 10, RETRY_MS_MAX));
      continue;
    }
    await kept();
    // A longer timer would fire at once.
    await pause(Math.min(ttlMs / 3, DURATION_MS_MAX));
  }
}
