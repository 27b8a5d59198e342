/**
 * Transactions as a user holds them. Both kinds are optimistic: reads see one
 * moment and the own writes, nothing is locked, and the commit is refused as
 * CONFLICT, with the keys, when another got in between.
 *
 * One from `begin` is held by the cluster: it survives its leader and this
 * process, and goes on through any node by its id. One from `transact` is held in
 * this process and sent whole at its end: faster, and gone with the process.
 */
import type { Bytes, KeyRecord, ListOptions, OperationOptions, Range } from "./database.js";
import type { ExpiryOptions } from "./lease.js";

/**
 * What must not have been changed by others between a transaction's beginning and its commit:
 * "serializable": what it has read, keys and ranges; "snapshot": what it writes (the first to commit wins).
 */
export type Isolation = "serializable" | "snapshot";

export interface BeginOptions extends OperationOptions {
  /** default "serializable" */
  readonly isolation?: Isolation;
  /** milliseconds without a command after which the cluster ends it; default 60,000, at most a day */
  readonly idleMs?: number;
}

export interface TransactOptions extends OperationOptions {
  /** default "serializable" */
  readonly isolation?: Isolation;
  /** how often the function may run in all; default 16 */
  readonly attempts?: number;
}

/** What may be done in a transaction, whoever holds it. */
export interface TransactionBody {
  /** A key as it was when the transaction began, or as this transaction has set it (revisions 0 then). */
  get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined>;
  /** Keys of that moment with the own writes, in byte order. */
  list(
    range?: Range,
    options?: TransactionListOptions,
  ): AsyncIterableIterator<KeyRecord, void, undefined>;
  put(key: Bytes, value: Bytes, options?: TransactionPutOptions): Promise<void>;
  delete(key: Bytes, options?: OperationOptions): Promise<void>;
  /** The range must name at least one bound. */
  deleteRange(range: Range, options?: OperationOptions): Promise<void>;
  /** Marks a place to come back to; a name that is used again moves. 1 to 256 bytes. */
  savepoint(name: Bytes, options?: OperationOptions): Promise<void>;
  /** Drops what was written after the savepoint; what was read stays read. @throws {DatabaseError} INVALID_ARGUMENT */
  rollbackTo(name: Bytes, options?: OperationOptions): Promise<void>;
}

export type TransactionListOptions = Omit<ListOptions, "revision">;
export type TransactionPutOptions = OperationOptions & ExpiryOptions;

/**
 * A transaction that the cluster holds. Its own id makes every step idempotent: what
 * is cut off is asked again until the operation's deadline.
 *
 * Errors beside the database's: TRANSACTION_GONE when it is not open any more.
 * Leaving `await using` without a commit rolls it back.
 */
export interface Transaction extends TransactionBody, AsyncDisposable {
  /** hex, 32 digits; `Database.transaction` takes it up again, in any process */
  readonly id: string;
  readonly isolation: Isolation;
  /** the revision that it reads at */
  readonly readRevision: number;
  /**
   * Applies all its writes in one revision, or nothing. Asked again, here or by
   * another process, it tells the same again (for ten minutes).
   *
   * @throws {DatabaseError} CONFLICT, with `conflicts`; TRANSACTION_GONE when it was rolled back or has expired
   */
  commit(options?: OperationOptions): Promise<CommitResult>;
  /** Ends it without a trace. Fine when it has ended already, unless it was committed. */
  rollback(options?: OperationOptions): Promise<void>;
  /** What the cluster knows of it. @throws {DatabaseError} TRANSACTION_GONE when it was forgotten */
  status(options?: OperationOptions): Promise<TransactionInfo>;
  /**
   * Hands it over: what was read here and not told the cluster yet is told now.
   * To be called before another process goes on with the id. @returns the id
   */
  detach(options?: OperationOptions): Promise<string>;
}

export interface CommitResult {
  /** the store's revision after it; unchanged when it wrote nothing */
  readonly revision: number;
}

export interface TransactionInfo {
  /** hex */
  readonly id: string;
  readonly status: "open" | "committed" | "conflict" | "rolled-back" | "expired";
  readonly isolation: Isolation;
  readonly readRevision: number;
  /** of the commit; undefined when it is not committed */
  readonly revision: number | undefined;
}
