/**
 * Transactions as a user holds them. Both kinds are optimistic: reads see one
 * moment and the own writes, nothing is locked, and the commit is refused as
 * CONFLICT, with the keys, when another got in between.
 *
 * One from `begin` is held by the cluster: it survives its leader and this
 * process, and goes on through any node by its id. One from `transact` is held in
 * this process and sent whole at its end: faster, and gone with the process.
 */
import type { Bytes, KeyRecord, ListOptions, OperationOptions, Range } from "./operations.js";
import type { ExpiryOptions } from "./lease.js";

/**
 * What must not have been changed by others between a transaction's beginning and its commit:
 * "serializable": what it has read, keys and ranges; "snapshot": what it writes (the first to commit wins).
 */
export type Isolation = "serializable" | "snapshot";

/** How a transaction that the cluster holds is begun. */
export interface BeginOptions extends OperationOptions {
  /** default "serializable" */
  readonly isolation?: Isolation;
  /** milliseconds without a command after which the cluster ends it; default 60,000, at most a day */
  readonly idleMs?: number;
}

/** How a transaction of this process is run; `timeoutMs` and `signal` are each read's, and the commit's. */
export interface TransactOptions extends OperationOptions {
  /** default "serializable" */
  readonly isolation?: Isolation;
  /** how often the function may run in all; default 16 */
  readonly attempts?: number;
}

/** What may be done in a transaction, whoever holds it. */
export interface TransactionBody {
  /**
   * A key as it was when the transaction began, or as this transaction has set it (revisions 0 then).
   *
   * @example
   * await db.transact(async (tx) => {
   *   await tx.put("color", "green");
   *   assert.equal((await tx.get("color"))?.version, 0); // its own write, not committed yet
   * });
   */
  get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined>;
  /**
   * Keys of that moment with the own writes, in byte order. What was looked at is
   * validated, as far as it was listed: no phantoms (serializable).
   *
   * @example
   * await db.put("shift/ada", "on");
   * await db.transact(async (tx) => {
   *   let onDuty = 0;
   *   for await (const record of tx.list({ prefix: "shift/" })) if (record.value.length === 2) onDuty += 1;
   *   if (onDuty > 1) await tx.delete("shift/ada"); // never the last one
   * });
   * assert.notEqual(await db.get("shift/ada"), undefined);
   */
  list(
    range?: Range,
    options?: TransactionListOptions,
  ): AsyncIterableIterator<KeyRecord, void, undefined>;
  /**
   * Stages a put; others see it when the transaction commits.
   *
   * @throws {DatabaseError} REQUEST_TOO_LARGE when the cluster holds it and it would grow beyond its limits; it goes on without
   *
   * @example
   * await db.transact(async (tx) => {
   *   await tx.put("order/1", "paid");
   *   await tx.put("code/1", "123456", { ttlMs: 60_000 });
   * });
   * assert.notEqual(await db.timeToLive("code/1"), undefined);
   */
  put(key: Bytes, value: Bytes, options?: TransactionPutOptions): Promise<void>;
  /**
   * Stages a deletion. Fine when the key is absent.
   *
   * @example
   * await db.put("queue/1", "send mail");
   * await db.transact(async (tx) => {
   *   for await (const { key, value } of tx.list({ prefix: "queue/" }, { limit: 1 })) {
   *     await tx.delete(key);
   *     await tx.put("running/1", value);
   *   }
   * });
   * assert.equal(await db.get("queue/1"), undefined);
   */
  delete(key: Bytes, options?: OperationOptions): Promise<void>;
  /**
   * The range must name at least one bound.
   *
   * @example
   * await db.put("cart/1/oak", "2");
   * await db.transact(async (tx) => {
   *   await tx.deleteRange({ prefix: "cart/1/" });
   *   await tx.put("order/1", "oak: 2");
   * });
   * assert.equal(await db.get("cart/1/oak"), undefined);
   */
  deleteRange(range: Range, options?: OperationOptions): Promise<void>;
  /**
   * Marks a place to come back to; a name that is used again moves. 1 to 256 bytes.
   *
   * @example
   * await db.transact(async (tx) => {
   *   await tx.put("order/1", "paid");
   *   await tx.savepoint("order");
   *   await tx.put("voucher/1", "used");
   *   await tx.rollbackTo("order");
   * });
   * assert.equal(await db.get("voucher/1"), undefined);
   */
  savepoint(name: Bytes, options?: OperationOptions): Promise<void>;
  /**
   * Drops what was written after the savepoint; what was read stays read.
   *
   * @throws {DatabaseError} INVALID_ARGUMENT when there is no such savepoint
   *
   * @example
   * await using tx = await db.begin();
   * await tx.savepoint("empty");
   * await tx.put("color", "green");
   * await tx.rollbackTo("empty");
   * assert.equal(await tx.get("color"), undefined);
   */
  rollbackTo(name: Bytes, options?: OperationOptions): Promise<void>;
}

/** How a transaction lists: always at the revision that it reads at. */
export type TransactionListOptions = Omit<ListOptions, "revision">;
/** How a transaction sets a key. A time to live counts from the commit. */
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
  /** what is validated at its commit */
  readonly isolation: Isolation;
  /** the revision that it reads at */
  readonly readRevision: number;
  /**
   * Applies all its writes in one revision, or nothing. Asked again, here or by
   * another process, it tells the same again (for ten minutes).
   *
   * @throws {DatabaseError} CONFLICT, with `conflicts`; TRANSACTION_GONE when it was rolled back or has expired
   *
   * @example
   * const tx = await db.begin();
   * await tx.put("order/1", "paid");
   * const { revision } = await tx.commit();
   * assert.deepEqual(await tx.commit(), { revision }); // asked again, the same answer
   */
  commit(options?: OperationOptions): Promise<CommitResult>;
  /**
   * Ends it without a trace. Fine when it has ended already, unless it was committed.
   *
   * @example
   * const tx = await db.begin();
   * await tx.put("order/1", "paid");
   * await tx.rollback();
   * assert.equal(await db.get("order/1"), undefined);
   */
  rollback(options?: OperationOptions): Promise<void>;
  /**
   * What the cluster knows of it.
   *
   * @throws {DatabaseError} TRANSACTION_GONE when it was forgotten
   *
   * @example
   * await using tx = await db.begin({ isolation: "snapshot" });
   * const { status, isolation } = await tx.status();
   * assert.deepEqual([status, isolation], ["open", "snapshot"]);
   */
  status(options?: OperationOptions): Promise<TransactionInfo>;
  /**
   * Hands it over: what was read here and not told the cluster yet is told now.
   * To be called before another process goes on with the id.
   *
   * @returns the id
   *
   * @example
   * const tx = await db.begin();
   * await tx.get("stock/bolts");
   * const id = await tx.detach();
   * const elsewhere = await db.transaction(id); // in any process, through any node
   * await elsewhere.rollback();
   */
  detach(options?: OperationOptions): Promise<string>;
}

/** What a commit made. */
export interface CommitResult {
  /** the store's revision after it; unchanged when it wrote nothing */
  readonly revision: number;
}

/** A transaction as the cluster knows it; one that has ended is remembered for ten minutes. */
export interface TransactionInfo {
  /** hex */
  readonly id: string;
  readonly status: "open" | "committed" | "conflict" | "rolled-back" | "expired";
  readonly isolation: Isolation;
  readonly readRevision: number;
  /** of the commit; undefined when it is not committed */
  readonly revision: number | undefined;
}
