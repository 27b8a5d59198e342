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

/** How one type becomes bytes and comes back. Synchronous; may throw, which users meet as CODEC_FAILED. */
export interface Codec<T> {
  /** for messages */
  readonly name: string;
  encode(value: T): Uint8Array;
  /** @param stored the caller's own: may be kept or changed */
  decode(stored: Uint8Array): T;
}

/** A key of a keyspace and what is known of it. */
export interface TypedRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

/** A range of a keyspace's keys in the byte order of their encodings; nothing given: all of them. */
export interface KeyspaceRange<K> {
  /** every key whose encoding starts with this one's; excludes from and to */
  readonly prefix?: K;
  /** first key, inclusive */
  readonly from?: K;
  /** exclusive */
  readonly to?: K;
}

export type KeyspaceOperation<K, V> =
  | {
      readonly kind: "put";
      readonly key: K;
      readonly value: V;
      readonly only?: "if-absent" | "if-present";
    }
  | { readonly kind: "delete"; readonly key: K };

/** Makes a keyspace; without a codec for keys they are text. */
export interface KeyspaceMaker {
  <V>(
    prefix: Bytes,
    codecs: { readonly key?: undefined; readonly value: Codec<V> },
  ): Keyspace<string, V>;
  <K, V>(
    prefix: Bytes,
    codecs: { readonly key: Codec<K>; readonly value: Codec<V> },
  ): Keyspace<K, V>;
}

/**
 * The keys behind a prefix, typed. Its prefix is all that separates it: end it
 * with a byte that no other keyspace's prefix has there, such as "/".
 *
 * Errors beside the database's: CODEC_FAILED; when it comes from a write, nothing was applied.
 */
export interface Keyspace<K, V> {
  /** what stands before each key */
  readonly prefix: Uint8Array;
  /** Linearizable. Undefined when the key is absent. */
  get(key: K, options?: OperationOptions): Promise<TypedRecord<K, V> | undefined>;
  put(key: K, value: V, options?: PutOptions): Promise<{ readonly revision: number }>;
  delete(key: K, options?: OperationOptions): Promise<DeleteResult>;
  /** `{}` is every key of the keyspace. */
  deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<DeleteResult>;
  /** In the byte order of the encoded keys, page by page, as the database's `list`. */
  list(range?: KeyspaceRange<K>, options?: ListOptions): AsyncIterableIterator<TypedRecord<K, V>>;
  /** All operations or none, one revision. */
  batch(
    operations: readonly KeyspaceOperation<K, V>[],
    options?: OperationOptions,
  ): Promise<BatchResult>;
  /** A keyspace inside this one, with codecs of its own. */
  readonly keyspace: KeyspaceMaker;
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
  /** The keys behind `prefix`, through codecs. @throws {DatabaseError} INVALID_ARGUMENT */
  readonly keyspace: KeyspaceMaker;
  status(options?: OperationOptions): Promise<ClusterStatus>;
  /**
   * Idempotent. Settles what is under way before it resolves: answered if the
   * answer is there in time, otherwise CLOSED, and OUTCOME_UNKNOWN for a write
   * that was already handed over.
   */
  close(): Promise<void>;
}
