/**
 * The one error class users meet, and its stable codes.
 *
 * Law 4 of the house: an error is a proof or it says it is not. `outcome` is
 * "not-applied" only where that is proven, and "unknown" otherwise; an unknown
 * outcome carries the request id by which the log can be searched.
 */

/** Stable; messages are not. */
export type ErrorCode =
  /** an argument, flag or option has a wrong form or value */
  | "INVALID_ARGUMENT"
  /** a key longer than the limit (8 KiB by default) */
  | "KEY_TOO_LARGE"
  /** a value longer than the limit (1 MiB by default) */
  | "VALUE_TOO_LARGE"
  /** a request whose commands together exceed the limit of one block */
  | "REQUEST_TOO_LARGE"
  /** a condition of the request did not hold: nothing was applied */
  | "CONDITION_FAILED"
  /** what a transaction has read or writes was changed by another: nothing was applied. `conflicts` */
  | "CONFLICT"
  /** the transaction was never begun, has ended, or is forgotten */
  | "TRANSACTION_GONE"
  /** the lease was never granted, was revoked, or has run out */
  | "LEASE_GONE"
  /** the session was never opened, was closed, or has run out: nothing was applied now */
  | "SESSION_GONE"
  /** a change of members or of the leader that cannot be done, or not now: nothing was changed */
  | "CHANGE_REFUSED"
  /** the revision is older than the history that is kept: `revisions` */
  | "REVISION_COMPACTED"
  /** the store has not come to that revision: `revisions` */
  | "REVISION_FUTURE"
  /** no leader is known, or no quorum: not applied, safe to retry */
  | "NO_LEADER"
  /** no connection could be made, or it was refused before anything was sent */
  | "UNAVAILABLE"
  /** the node has as much waiting as it allows: not applied, safe to retry */
  | "BUSY"
  /** the deadline passed before the request was sent or, for a read, before it was answered */
  | "TIMEOUT"
  /** timed out or cut off after sending a write: it may or may not have been applied */
  | "OUTCOME_UNKNOWN"
  /** used after close */
  | "CLOSED"
  /** the operation was aborted by its signal */
  | "ABORTED"
  /** bytes on disk that cannot be a torn write are damaged */
  | "CORRUPTION"
  /** two logs that must be equal differ in a committed part */
  | "DIVERGENCE"
  /** another live process owns the data directory */
  | "DIRECTORY_IN_USE"
  /** the data directory belongs to another node or another cluster */
  | "WRONG_DIRECTORY"
  /**
   * the peer or client speaks another protocol, version or cluster, or breaks the rules; with the
   * outcome "applied": the answer of a write does not fit, or is more than can be told
   */
  | "PROTOCOL"
  /** the node's disk has no room for the write: not applied, safe to retry; it goes on by itself when there is room */
  | "DISK_FULL"
  /** a write or sync failed: the node stops */
  | "STORAGE_FAILED"
  /** an address could not be listened on */
  | "ADDRESS_UNAVAILABLE"
  /** a codec of a keyspace could not encode or decode a key or value: `cause`; a write sent nothing */
  | "CODEC_FAILED";

/** What is known of a failed request's effect. */
export type Outcome = "not-applied" | "applied" | "unknown";

/** Of REVISION_COMPACTED and REVISION_FUTURE: what was asked for, and what is there. */
export interface RevisionBounds {
  readonly asked: number;
  /** the oldest revision that can be read; 0 when all can */
  readonly compacted: number;
  readonly current: number;
}

/** Of CONFLICT: a key that was changed. */
export interface KeyConflict {
  readonly key: Uint8Array;
  /** what was read or compared with; 0: absent */
  readonly readRevision: number;
  /** of its last change; 0 when it is absent and nothing more is known */
  readonly currentRevision: number;
}

/** What an error tells beside its code. */
export interface DatabaseErrorOptions extends ErrorOptions {
  readonly conflicts?: readonly KeyConflict[] | undefined;
  readonly revisions?: RevisionBounds | undefined;
  /** default: "not-applied", or "unknown" for OUTCOME_UNKNOWN */
  readonly outcome?: Outcome;
  /** hex; present whenever the outcome is unknown */
  readonly requestId?: string | undefined;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  "NO_LEADER",
  "UNAVAILABLE",
  "BUSY",
  "TIMEOUT",
  "DISK_FULL",
]);

/**
 * Thrown to users of the library. Codes are stable; messages are not.
 *
 * @example
 * import { DatabaseError } from "balsa-db";
 * try {
 *   await db.put("lock", "me", { only: "if-present" });
 * } catch (error) {
 *   if (!(error instanceof DatabaseError) || error.code !== "CONDITION_FAILED") throw error;
 *   assert.deepEqual([error.outcome, error.retryable], ["not-applied", false]);
 * }
 */
export class DatabaseError extends Error {
  /** always "DatabaseError" */
  override readonly name = "DatabaseError";
  /** what went wrong; stable */
  readonly code: ErrorCode;
  /** "not-applied" only where that is proven */
  readonly outcome: Outcome;
  /** whether the same request may simply be sent again (its outcome is "not-applied") */
  readonly retryable: boolean;
  /** hex; undefined when the request carried none */
  readonly requestId: string | undefined;
  /** of REVISION_COMPACTED and REVISION_FUTURE; else undefined */
  readonly revisions: RevisionBounds | undefined;

  /** of CONFLICT, at most 100; else undefined */
  readonly conflicts: readonly KeyConflict[] | undefined;

  /**
   * For doubles of a database, and for what is built over one.
   *
   * @example
   * import { DatabaseError } from "balsa-db";
   * const error = new DatabaseError("BUSY", "the queue is full", { cause: new Error("2000 waiting") });
   * assert.deepEqual([error.outcome, error.retryable], ["not-applied", true]);
   */
  constructor(code: ErrorCode, message: string, options: DatabaseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options.outcome ?? (code === "OUTCOME_UNKNOWN" ? "unknown" : "not-applied");
    this.retryable = this.outcome === "not-applied" && RETRYABLE.has(code);
    this.requestId = options.requestId;
    this.revisions = options.revisions;
    this.conflicts = options.conflicts;
  }
}
