/**
 * The Database a user holds in the hand: the same interface whether the data is
 * in this process (embedded.ts) or behind a socket (client/).
 */
import type { ExpiryOptions, Lease, LeaseOptions, LeaseStatus } from "./lease.js";
import type { ClusterStatus } from "./node/service.js";
import type {
  BeginOptions,
  Transaction,
  TransactionBody,
  TransactionInfo,
  TransactionListOptions,
  TransactionPutOptions,
  TransactOptions,
} from "./transaction.js";
import type {
  HistoryOptions,
  KeyChange,
  KeyDifference,
  TypedKeyChange,
  TypedWatchEvent,
  WatchEvent,
  WatchOptions,
} from "./watch.js";

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
  /** the lease that it ends with, when it has one; a key with a time to live has one of its own */
  readonly lease?: number;
}

export interface ReadOptions extends OperationOptions {
  /** read the past: as it was at this revision. REVISION_COMPACTED, REVISION_FUTURE */
  readonly revision?: number;
}

export interface PutOptions extends OperationOptions, ExpiryOptions {
  /** only if the key is absent, or only if it is present; otherwise CONDITION_FAILED and nothing is applied */
  readonly only?: "if-absent" | "if-present";
}

/** An expected outcome is a value: the condition held, or this is what the key is. */
export type ConditionalResult =
  | { readonly applied: true; readonly revision: number }
  | { readonly applied: false; readonly revision: number; readonly current: KeyRecord | undefined };

export type PutIfOptions = OperationOptions & ExpiryOptions;

export interface RevertResult {
  readonly revision: number;
  /** keys that were set or removed */
  readonly changed: number;
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

export interface ListOptions extends ReadOptions {
  /** at most this many keys */
  readonly limit?: number;
}

export type BatchOperation =
  | (ExpiryOptions & {
      readonly kind: "put";
      readonly key: Bytes;
      readonly value: Bytes;
      readonly only?: "if-absent" | "if-present";
    })
  | { readonly kind: "delete"; readonly key: Bytes };

export interface BatchResult {
  readonly revision: number;
  /** per operation: keys removed (0 for put) */
  readonly deleted: readonly number[];
}

/**
 * A condition on what a key is, as etcd's. The numbers of an absent key are 0; a
 * comparison of an absent key's value never holds, "!=" neither.
 */
export type Condition =
  | {
      readonly target: "version" | "createRevision" | "modRevision" | "lease";
      readonly relation: Relation;
      readonly key: Bytes;
      readonly number: number;
    }
  | {
      readonly target: "value";
      readonly relation: Relation;
      readonly key: Bytes;
      readonly value: Bytes;
    };
export type Relation = "=" | "!=" | "<" | ">";

/** What a decision may do: operations of a batch, and reads among them. */
export type DecisionOperation =
  | BatchOperation
  | { readonly kind: "deleteRange"; readonly range: Range }
  | { readonly kind: "get"; readonly key: Bytes }
  /** `limit`: 1 to 1000, default 1000 */
  | { readonly kind: "list"; readonly range: Range; readonly limit?: number };

export interface Decision {
  /** all must hold */
  readonly when: readonly Condition[];
  /** at least one */
  readonly then: readonly DecisionOperation[];
  /** otherwise; left out: nothing is done */
  readonly otherwise?: readonly DecisionOperation[];
}

export interface DecisionResult {
  readonly revision: number;
  /** whether all conditions held: `then` was done, and not `otherwise` */
  readonly succeeded: boolean;
  /** one for each operation that was done, in order */
  readonly results: readonly DecisionOperationResult[];
}

export interface DecisionOperationResult {
  /** the key before it, or what `get` found */
  readonly previous: KeyRecord | undefined;
  /** keys removed */
  readonly deleted: number;
  /** what `list` found; else empty */
  readonly records: readonly KeyRecord[];
  /** whether keys beyond the limit follow */
  readonly more: boolean;
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
  /** the lease that it ends with, when it has one */
  readonly lease?: number;
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

export type TypedConditionalResult<K, V> =
  | { readonly applied: true; readonly revision: number }
  | {
      readonly applied: false;
      readonly revision: number;
      readonly current: TypedRecord<K, V> | undefined;
    };

/** A keyspace's keys as a transaction sees and changes them. */
export interface TransactionKeyspace<K, V> {
  get(key: K, options?: OperationOptions): Promise<TypedRecord<K, V> | undefined>;
  list(
    range?: KeyspaceRange<K>,
    options?: TransactionListOptions,
  ): AsyncIterableIterator<TypedRecord<K, V>, void, undefined>;
  put(key: K, value: V, options?: TransactionPutOptions): Promise<void>;
  delete(key: K, options?: OperationOptions): Promise<void>;
  /** `{}` is every key of the keyspace. */
  deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<void>;
}

export type KeyspaceOperation<K, V> =
  | (ExpiryOptions & {
      readonly kind: "put";
      readonly key: K;
      readonly value: V;
      readonly only?: "if-absent" | "if-present";
    })
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
  /** Linearizable, unless a revision is named. Undefined when the key is absent. */
  get(key: K, options?: ReadOptions): Promise<TypedRecord<K, V> | undefined>;
  put(key: K, value: V, options?: PutOptions): Promise<{ readonly revision: number }>;
  delete(key: K, options?: OperationOptions): Promise<DeleteResult>;
  /** `{}` is every key of the keyspace. */
  deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<DeleteResult>;
  /** In the byte order of the encoded keys, page by page, as the database's `list`. */
  list(
    range?: KeyspaceRange<K>,
    options?: ListOptions,
  ): AsyncIterableIterator<TypedRecord<K, V>, void, undefined>;
  /** All operations or none, one revision. */
  batch(
    operations: readonly KeyspaceOperation<K, V>[],
    options?: OperationOptions,
  ): Promise<BatchResult>;
  /** Sets a key that is absent. */
  putIfAbsent(key: K, value: V, options?: PutIfOptions): Promise<TypedConditionalResult<K, V>>;
  /** Sets a key that was last changed at `modRevision`; 0: that is absent. */
  putIf(
    key: K,
    value: V,
    modRevision: number,
    options?: PutIfOptions,
  ): Promise<TypedConditionalResult<K, V>>;
  /** Removes a key that was last changed at `modRevision`. */
  deleteIf(
    key: K,
    modRevision: number,
    options?: OperationOptions,
  ): Promise<TypedConditionalResult<K, V>>;
  /** A key's changes, as far back as they are kept. */
  history(
    key: K,
    options?: HistoryOptions,
  ): AsyncIterableIterator<TypedKeyChange<K, V>, void, undefined>;
  /** Changes as they are made; `{}` is every key of the keyspace. A value that cannot be decoded ends it. */
  watch(
    range?: KeyspaceRange<K>,
    options?: WatchOptions,
  ): AsyncIterableIterator<TypedWatchEvent<K, V>, void, undefined>;
  /** The same keys, inside a transaction. */
  in(transaction: TransactionBody): TransactionKeyspace<K, V>;
  /** A keyspace inside this one, with codecs of its own. */
  readonly keyspace: KeyspaceMaker;
}

export interface Database extends AsyncDisposable {
  /** Linearizable, unless a revision is named. Undefined when the key is absent. */
  get(key: Bytes, options?: ReadOptions): Promise<KeyRecord | undefined>;
  put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult>;
  delete(key: Bytes, options?: OperationOptions): Promise<DeleteResult>;
  /** The range must name at least one bound; every key is `{ prefix: "" }`. */
  deleteRange(range: Range, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * In byte order, page by page. Each page is linearizable; the whole is one moment
   * only when a revision is named. The timeout is that of each page.
   */
  list(range?: Range, options?: ListOptions): AsyncIterableIterator<KeyRecord, void, undefined>;
  /** All operations or none, one revision. A key may appear more than once: in order. */
  batch(operations: readonly BatchOperation[], options?: OperationOptions): Promise<BatchResult>;
  /** Sets a key that is absent. */
  putIfAbsent(key: Bytes, value: Bytes, options?: PutIfOptions): Promise<ConditionalResult>;
  /** Sets a key that was last changed at `modRevision`; 0: that is absent. */
  putIf(
    key: Bytes,
    value: Bytes,
    modRevision: number,
    options?: PutIfOptions,
  ): Promise<ConditionalResult>;
  /** Removes a key that was last changed at `modRevision`. */
  deleteIf(key: Bytes, modRevision: number, options?: OperationOptions): Promise<ConditionalResult>;
  /** etcd's transaction: one request that looks first. All of its branch or nothing, one revision. */
  decide(decision: Decision, options?: OperationOptions): Promise<DecisionResult>;

  /**
   * Runs `body` in a transaction held in this process and commits what it did; runs it
   * again when it conflicts, and only then: not when the outcome is unknown, nor when
   * it throws, which gives the transaction up. `body` may run many times, so it has no
   * effects of its own; the last attempt's return value is returned.
   *
   * @throws {DatabaseError} CONFLICT, when its attempts are used up
   */
  transact<T>(
    body: (transaction: TransactionBody) => Promise<T> | T,
    options?: TransactOptions,
  ): Promise<T>;
  /** Begins a transaction that the cluster holds. */
  begin(options?: BeginOptions): Promise<Transaction>;
  /** Takes up a transaction by its id, here or in another process than began it. @throws {DatabaseError} TRANSACTION_GONE */
  transaction(id: string, options?: OperationOptions): Promise<Transaction>;
  /** The open ones, oldest first. */
  transactions(options?: OperationOptions): Promise<readonly TransactionInfo[]>;

  /** Which revisions can be read. */
  revisions(options?: OperationOptions): Promise<RevisionRange>;
  /** The newest revision at a moment, by the log's time. @throws {DatabaseError} REVISION_COMPACTED */
  revisionAt(time: Date | number, options?: OperationOptions): Promise<number>;
  /** A key's changes, as far back as they are kept. */
  history(key: Bytes, options?: HistoryOptions): AsyncIterableIterator<KeyChange, void, undefined>;
  /** What is not the same at revision `from` and at `to` (default: now), in byte order. Holds all of it in memory. */
  diff(
    range: Range,
    from: number,
    to?: number,
    options?: OperationOptions,
  ): AsyncIterableIterator<KeyDifference, void, undefined>;
  /**
   * Makes the range what it was at `revision`, by one new request: history is never
   * rewritten. Keys come back without their leases.
   *
   * @throws {DatabaseError} CONFLICT when the range is changed meanwhile; REQUEST_TOO_LARGE: revert smaller ranges
   */
  revert(range: Range, revision: number, options?: OperationOptions): Promise<RevertResult>;
  /** Forgets the history before `revision`, on every node: it cannot be read any more. */
  compact(revision: number, options?: OperationOptions): Promise<void>;
  /** Changes of the range as they are made, from the next on or from a revision of the past. */
  watch(range: Range, options?: WatchOptions): AsyncIterableIterator<WatchEvent, void, undefined>;

  /** Grants a lease, and keeps it alive. */
  lease(options: LeaseOptions): Promise<Lease>;
  /** A lease as the cluster knows it; undefined when it has ended. */
  leaseStatus(id: number, options?: OperationOptions): Promise<LeaseStatus | undefined>;
  /** Ids of the leases that were granted and have not ended. */
  leases(options?: OperationOptions): Promise<readonly number[]>;
  /** Gives a lease more time: all it was granted with. @throws {DatabaseError} LEASE_GONE */
  keepLease(id: number, options?: OperationOptions): Promise<void>;
  /** Ends a lease and its keys. @throws {DatabaseError} LEASE_GONE */
  revokeLease(id: number, options?: OperationOptions): Promise<void>;
  /** Milliseconds until a key ends by itself; undefined when it is absent or does not. */
  timeToLive(key: Bytes, options?: OperationOptions): Promise<number | undefined>;
  /**
   * Changes how long a key lives, not its value; nothing given: until it is deleted.
   * @returns whether the key is there
   */
  expire(key: Bytes, expiry: ExpiryOptions, options?: OperationOptions): Promise<boolean>;

  /** What became of a write whose error said that nobody knew. @param requestId hex, of the error */
  outcome(requestId: string, options?: OperationOptions): Promise<RequestOutcome>;

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
