/**
 * What the operations of a database take and give: keys and values, ranges, options,
 * results. The same for the database itself, its keyspaces and its transactions.
 */
import type { ExpiryOptions } from "./lease.js";

/** Text is UTF-8. */
export type Bytes = string | Uint8Array;

/** What every operation takes. A signal gives up the waiting: ABORTED when nothing was sent, OUTCOME_UNKNOWN when a write was. */
export interface OperationOptions {
  readonly signal?: AbortSignal;
  /** milliseconds; default 5000 */
  readonly timeoutMs?: number;
}

/** A key and what is known of it. */
export interface KeyRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** the lease that it ends with, when it has one; a key with a time to live has one of its own */
  readonly lease?: number;
}

/** How a read is made; without a revision it is linearizable (thesis §6.4), on whichever node is asked. */
export interface ReadOptions extends OperationOptions {
  /** read the past: as it was at this revision. REVISION_COMPACTED, REVISION_FUTURE */
  readonly revision?: number;
}

/** How a put is made. One way of ending at most: `ttlMs`, `expiresAt`, `lease` or `keepExpiry`. */
export interface PutOptions extends OperationOptions, ExpiryOptions {
  /** only if the key is absent, or only if it is present; otherwise CONDITION_FAILED and nothing is applied */
  readonly only?: "if-absent" | "if-present";
}

/** An expected outcome is a value: the condition held, or this is what the key is. */
export type ConditionalResult =
  | { readonly applied: true; readonly revision: number }
  | { readonly applied: false; readonly revision: number; readonly current: KeyRecord | undefined };

/** How a conditional put is made; the condition is an argument of its own. */
export type PutIfOptions = OperationOptions & ExpiryOptions;

/** What a revert did; nothing to do leaves the revision as it was. */
export interface RevertResult {
  readonly revision: number;
  /** keys that were set or removed */
  readonly changed: number;
}

/** The store's revision after a put, and the key before it. */
export interface PutResult {
  readonly revision: number;
  readonly previous: KeyRecord | undefined;
}

/** The store's revision after a deletion; unchanged when no key was there. */
export interface DeleteResult {
  readonly revision: number;
  /** keys removed */
  readonly deleted: number;
}

/** A range of keys in byte order. */
export interface Range {
  /** every key that starts with this; excludes from and to */
  readonly prefix?: Bytes;
  /** first key, inclusive */
  readonly from?: Bytes;
  /** exclusive */
  readonly to?: Bytes;
}

/** How a list is read. */
export interface ListOptions extends ReadOptions {
  /** at most this many keys */
  readonly limit?: number;
}

/** One operation of a batch. `only` on any of them is a condition of the whole. */
export type BatchOperation =
  | (ExpiryOptions & {
      readonly kind: "put";
      readonly key: Bytes;
      readonly value: Bytes;
      readonly only?: "if-absent" | "if-present";
    })
  | { readonly kind: "delete"; readonly key: Bytes };

/** The one revision of a batch, and what its operations did. */
export interface BatchResult {
  readonly revision: number;
  /** per operation: keys removed (0 for put) */
  readonly deleted: readonly number[];
}

/** What became of a write, by its request id. */
export type RequestOutcome =
  | { readonly kind: "applied"; readonly revision: number }
  | { readonly kind: "rejected" }
  /** not applied so far as anybody remembers (the last 30,000 writes or more); it may still be on its way */
  | { readonly kind: "unknown" };

/** Which revisions can be read. */
export interface RevisionRange {
  readonly current: number;
  /** the oldest that can be read */
  readonly oldest: number;
  /** milliseconds since 1970: the greatest time that a leader has put into the log */
  readonly time: number;
}
