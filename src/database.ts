/**
 * The Database a user holds in the hand: the same interface whether the data is
 * in this process (embedded.ts) or behind a socket (client/).
 */
import type { ClusterStatus } from "./node/service.js";

/** Text is UTF-8. */
export type Bytes = string | Uint8Array;

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
}

export interface PutOptions extends OperationOptions {
  /** only if the key is absent, or only if it is present; otherwise CONDITION_FAILED and nothing is applied */
  readonly only?: "if-absent" | "if-present";
}

export interface PutResult {
  readonly revision: number;
  readonly previous: KeyRecord | undefined;
}

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

export interface ListOptions extends OperationOptions {
  /** at most this many keys */
  readonly limit?: number;
}

export type BatchOperation =
  | {
      readonly kind: "put";
      readonly key: Bytes;
      readonly value: Bytes;
      readonly only?: "if-absent" | "if-present";
    }
  | { readonly kind: "delete"; readonly key: Bytes };

export interface BatchResult {
  readonly revision: number;
  /** per operation: keys removed (0 for put) */
  readonly deleted: readonly number[];
}

export interface Database extends AsyncDisposable {
  /** Linearizable. Undefined when the key is absent. */
  get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined>;
  put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult>;
  delete(key: Bytes, options?: OperationOptions): Promise<DeleteResult>;
  /** The range must name at least one bound; every key is `{ prefix: "" }`. */
  deleteRange(range: Range, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * In byte order, page by page; each page is linearizable, the whole is not one
   * moment. The timeout is that of each page.
   */
  list(range?: Range, options?: ListOptions): AsyncIterableIterator<KeyRecord>;
  /** All operations or none, one revision. A key may appear more than once: in order. */
  batch(operations: readonly BatchOperation[], options?: OperationOptions): Promise<BatchResult>;
  status(options?: OperationOptions): Promise<ClusterStatus>;
  /**
   * Idempotent. Settles what is under way before it resolves: answered if the
   * answer is there in time, otherwise CLOSED, and OUTCOME_UNKNOWN for a write
   * that was already handed over.
   */
  close(): Promise<void>;
}
