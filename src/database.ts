/**
 * The Database a user holds in the hand: the same interface whether the data is
 * in this process (embedded.ts) or behind a socket (client/).
 */
import type { Decision, DecisionResult } from "./decision.js";
import type { KeyspaceMaker } from "./keyspace.js";
import type { ExpiryOptions, Lease, LeaseOptions, LeaseStatus } from "./lease.js";
import type { ClusterStatus } from "./node/service.js";
import type {
  BatchOperation,
  BatchResult,
  Bytes,
  ConditionalResult,
  DeleteResult,
  KeyRecord,
  ListOptions,
  OperationOptions,
  PutIfOptions,
  PutOptions,
  PutResult,
  Range,
  ReadOptions,
  RequestOutcome,
  RevertResult,
  RevisionRange,
} from "./operations.js";
import type {
  BeginOptions,
  Transaction,
  TransactionBody,
  TransactionInfo,
  TransactOptions,
} from "./transaction.js";
import type {
  HistoryOptions,
  KeyChange,
  KeyDifference,
  WatchEvent,
  WatchOptions,
} from "./watch.js";

/**
 * A database, wherever its data is: what `open` and `connect` give.
 *
 * A failure is a DatabaseError. Every operation may fail with INVALID_ARGUMENT, CLOSED, ABORTED, NO_LEADER,
 * UNAVAILABLE, BUSY, TIMEOUT and PROTOCOL, all proven not applied; a write also with KEY_TOO_LARGE, VALUE_TOO_LARGE,
 * REQUEST_TOO_LARGE, DISK_FULL and OUTCOME_UNKNOWN. A write with PROTOCOL and the outcome "applied" was applied, and only
 * its answer could not be told. What else it may fail with is said of it.
 */
export interface Database extends AsyncDisposable {
  /**
   * Linearizable, unless a revision is named. Undefined when the key is absent.
   *
   * @throws {DatabaseError} REVISION_COMPACTED, REVISION_FUTURE
   *
   * @example
   * await db.put("color", "green");
   * const record = await db.get("color");
   * assert.equal(Buffer.from(record?.value ?? []).toString(), "green");
   * assert.equal(await db.get("size"), undefined);
   */
  get(key: Bytes, options?: ReadOptions): Promise<KeyRecord | undefined>;
  /**
   * Sets a key, and tells what was there before.
   *
   * @throws {DatabaseError} CONDITION_FAILED when `only` did not hold; LEASE_GONE
   *
   * @example
   * const first = await db.put("color", "green");
   * const second = await db.put("color", "blue", { ttlMs: 60_000 });
   * assert.equal(second.revision, first.revision + 1);
   * assert.equal(second.previous?.version, 1);
   */
  put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult>;
  /**
   * Removes a key. Fine when it is absent: `deleted` is 0 then, and the revision stays.
   *
   * @example
   * await db.put("color", "green");
   * assert.equal((await db.delete("color")).deleted, 1);
   * assert.equal((await db.delete("color")).deleted, 0);
   */
  delete(key: Bytes, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * The range must name at least one bound; every key is `{ prefix: "" }`.
   *
   * @example
   * await db.batch([{ kind: "put", key: "session/1", value: "a" }, { kind: "put", key: "session/2", value: "b" }]);
   * assert.equal((await db.deleteRange({ prefix: "session/" })).deleted, 2);
   */
  deleteRange(range: Range, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * In byte order, page by page. Each page is linearizable; the whole is one moment
   * only when a revision is named. The timeout is that of each page.
   *
   * @example
   * await db.batch([{ kind: "put", key: "user/bob", value: "44" }, { kind: "put", key: "user/ada", value: "36" }]);
   * const { current } = await db.revisions();
   * const keys: string[] = [];
   * for await (const { key } of db.list({ prefix: "user/" }, { revision: current })) keys.push(Buffer.from(key).toString());
   * assert.deepEqual(keys, ["user/ada", "user/bob"]);
   */
  list(range?: Range, options?: ListOptions): AsyncIterableIterator<KeyRecord, void, undefined>;
  /**
   * All operations or none, one revision. A key may appear more than once: in order.
   *
   * @throws {DatabaseError} CONDITION_FAILED when an `only` did not hold; LEASE_GONE
   *
   * @example
   * const { revision } = await db.batch([
   *   { kind: "put", key: "user/ada", value: "Ada" },
   *   { kind: "put", key: "email/ada@example.org", value: "user/ada", only: "if-absent" },
   * ]);
   * assert.equal((await db.get("user/ada"))?.modRevision, revision);
   */
  batch(operations: readonly BatchOperation[], options?: OperationOptions): Promise<BatchResult>;
  /**
   * Sets a key that is absent.
   *
   * @example
   * const mine = await db.putIfAbsent("leader", "me", { ttlMs: 10_000 });
   * const yours = await db.putIfAbsent("leader", "you", { ttlMs: 10_000 });
   * assert.equal(mine.applied, true);
   * assert.equal(yours.applied, false);
   */
  putIfAbsent(key: Bytes, value: Bytes, options?: PutIfOptions): Promise<ConditionalResult>;
  /**
   * Sets a key that was last changed at `modRevision`; 0: that is absent.
   *
   * @example
   * const { revision } = await db.put("config", "v1");
   * const changed = await db.putIf("config", "v2", revision);
   * assert.equal(changed.applied, true);
   * const late = await db.putIf("config", "v3", revision);
   * assert.equal(late.applied ? 0 : late.current?.modRevision, changed.revision);
   */
  putIf(
    key: Bytes,
    value: Bytes,
    modRevision: number,
    options?: PutIfOptions,
  ): Promise<ConditionalResult>;
  /**
   * Removes a key that was last changed at `modRevision`.
   *
   * @example
   * await db.put("lock", "me");
   * const held = await db.get("lock");
   * assert.ok(held !== undefined);
   * assert.equal((await db.deleteIf("lock", held.modRevision)).applied, true);
   */
  deleteIf(key: Bytes, modRevision: number, options?: OperationOptions): Promise<ConditionalResult>;
  /**
   * etcd's transaction: one request that looks first. All of its branch or nothing, one revision.
   *
   * @example
   * await db.put("stock/bolts", "7");
   * const sold = await db.decide({
   *   when: [{ target: "version", relation: ">", key: "stock/bolts", number: 0 }],
   *   then: [{ kind: "delete", key: "stock/bolts" }, { kind: "put", key: "sold/bolts", value: "7" }],
   *   otherwise: [{ kind: "get", key: "sold/bolts" }],
   * });
   * assert.equal(sold.succeeded, true);
   * assert.equal(sold.results[0]?.deleted, 1);
   */
  decide(decision: Decision, options?: OperationOptions): Promise<DecisionResult>;

  /**
   * Runs `body` in a transaction held in this process and commits what it did; runs it
   * again when it conflicts, and only then: not when the outcome is unknown, nor when
   * it throws, which gives the transaction up. `body` may run many times, so it has no
   * effects of its own; the last attempt's return value is returned.
   *
   * @throws {DatabaseError} CONFLICT, when its attempts are used up
   *
   * @example
   * await db.put("balance/ada", "10");
   * await db.transact(async (tx) => {
   *   const ada = Number(Buffer.from((await tx.get("balance/ada"))?.value ?? []).toString());
   *   await tx.put("balance/ada", String(ada - 4));
   *   await tx.put("balance/bob", "4");
   * });
   * assert.equal((await db.get("balance/ada"))?.version, 2);
   */
  transact<T>(
    body: (transaction: TransactionBody) => Promise<T> | T,
    options?: TransactOptions,
  ): Promise<T>;
  /**
   * Begins a transaction that the cluster holds: it survives its leader and this process.
   *
   * @example
   * await using tx = await db.begin({ idleMs: 30_000 });
   * await tx.put("order/1", "paid");
   * const { revision } = await tx.commit();
   * assert.equal((await db.get("order/1"))?.modRevision, revision);
   */
  begin(options?: BeginOptions): Promise<Transaction>;
  /**
   * Takes up a transaction by its id, here or in another process than began it.
   *
   * @throws {DatabaseError} TRANSACTION_GONE
   *
   * @example
   * const begun = await db.begin();
   * await begun.put("order/1", "paid");
   * const id = await begun.detach(); // 32 hex digits, for another process
   * const tx = await db.transaction(id);
   * await tx.commit();
   * assert.equal((await db.get("order/1"))?.version, 1);
   */
  transaction(id: string, options?: OperationOptions): Promise<Transaction>;
  /**
   * The open ones, oldest first.
   *
   * @example
   * await using tx = await db.begin();
   * assert.deepEqual((await db.transactions()).map(({ id }) => id), [tx.id]);
   */
  transactions(options?: OperationOptions): Promise<readonly TransactionInfo[]>;

  /**
   * Which revisions can be read, all sides included.
   *
   * @example
   * const { current, oldest } = await db.revisions();
   * assert.deepEqual([current, oldest], [1, 1]); // an empty store is at revision 1, as etcd's
   */
  revisions(options?: OperationOptions): Promise<RevisionRange>;
  /**
   * The newest revision at a moment, by the log's time.
   *
   * @throws {DatabaseError} REVISION_COMPACTED
   *
   * @example
   * const { revision } = await db.put("color", "green");
   * const { time } = await db.revisions();
   * await db.put("color", "blue");
   * assert.ok((await db.revisionAt(time)) >= revision);
   */
  revisionAt(time: Date | number, options?: OperationOptions): Promise<number>;
  /**
   * A key's changes, as far back as they are kept; the newest first, unless asked otherwise.
   *
   * @example
   * await db.put("color", "green");
   * await db.delete("color");
   * const kinds: string[] = [];
   * for await (const { kind } of db.history("color", { order: "oldest-first" })) kinds.push(kind);
   * assert.deepEqual(kinds, ["put", "delete"]);
   */
  history(key: Bytes, options?: HistoryOptions): AsyncIterableIterator<KeyChange, void, undefined>;
  /**
   * What is not the same at revision `from` and at `to` (default: now), in byte order. Holds all of it in memory.
   *
   * @throws {DatabaseError} REVISION_COMPACTED, REVISION_FUTURE
   *
   * @example
   * const { revision } = await db.put("config/color", "green");
   * await db.put("config/size", "xl");
   * for await (const { key, before } of db.diff({ prefix: "config/" }, revision)) {
   *   assert.equal(Buffer.from(key).toString(), "config/size");
   *   assert.equal(before, undefined);
   * }
   */
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
   *
   * @example
   * const good = await db.put("config/color", "green");
   * await db.put("config/color", "chartreuse");
   * const { changed } = await db.revert({ prefix: "config/" }, good.revision);
   * assert.equal(changed, 1);
   * assert.equal((await db.get("config/color"))?.version, 3); // history goes on
   */
  revert(range: Range, revision: number, options?: OperationOptions): Promise<RevertResult>;
  /**
   * Forgets the history before `revision`, on every node: it cannot be read any more.
   *
   * @throws {DatabaseError} REVISION_COMPACTED, REVISION_FUTURE
   *
   * @example
   * await db.put("color", "green");
   * const { revision } = await db.put("color", "blue");
   * await db.compact(revision);
   * await assert.rejects(db.get("color", { revision: revision - 1 }), { code: "REVISION_COMPACTED" });
   */
  compact(revision: number, options?: OperationOptions): Promise<void>;
  /**
   * Changes of the range as they are made, from the next on or from a revision of the past.
   * Leaving the loop ends it; nothing is held for it at the cluster in between. To go on after an
   * error: `from` the revision after the last event's.
   *
   * @throws {DatabaseError} REVISION_COMPACTED, when it is behind the history that is kept; REVISION_FUTURE
   *
   * @example
   * const { revision } = await db.put("config/color", "green");
   * for await (const event of db.watch({ prefix: "config/" }, { from: revision })) {
   *   if (event.kind === "changes") assert.equal(event.changes.length, 1);
   *   if (event.kind === "caughtUp") break; // what comes now is new
   * }
   */
  watch(range: Range, options?: WatchOptions): AsyncIterableIterator<WatchEvent, void, undefined>;

  /**
   * Grants a lease, and keeps it alive.
   *
   * @example
   * await using lease = await db.lease({ ttlMs: 10_000 });
   * await db.put("worker/1", "127.0.0.1:8080", { lease });
   * assert.equal((await db.get("worker/1"))?.lease, lease.id);
   */
  lease(options: LeaseOptions): Promise<Lease>;
  /**
   * A lease as the cluster knows it; undefined when it has ended.
   *
   * @example
   * await using lease = await db.lease({ ttlMs: 10_000 });
   * await db.put("worker/1", "here", { lease });
   * const status = await db.leaseStatus(lease.id);
   * assert.equal(status?.keys.length, 1);
   * assert.ok(status.remainingMs <= 10_000);
   */
  leaseStatus(id: number, options?: OperationOptions): Promise<LeaseStatus | undefined>;
  /**
   * Ids of the leases that were granted and have not ended.
   *
   * @example
   * await using lease = await db.lease({ ttlMs: 10_000 });
   * assert.deepEqual(await db.leases(), [lease.id]);
   */
  leases(options?: OperationOptions): Promise<readonly number[]>;
  /**
   * Gives a lease more time: all it was granted with.
   *
   * @throws {DatabaseError} LEASE_GONE
   *
   * @example
   * const { id } = await db.lease({ ttlMs: 10_000, keepAlive: false });
   * await db.keepLease(id); // from any process that knows the id
   * await db.revokeLease(id);
   */
  keepLease(id: number, options?: OperationOptions): Promise<void>;
  /**
   * Ends a lease and its keys.
   *
   * @throws {DatabaseError} LEASE_GONE
   *
   * @example
   * const { id } = await db.lease({ ttlMs: 10_000, keepAlive: false });
   * await db.put("worker/1", "here", { lease: id });
   * await db.revokeLease(id);
   * assert.equal(await db.get("worker/1"), undefined);
   */
  revokeLease(id: number, options?: OperationOptions): Promise<void>;
  /**
   * Milliseconds until a key ends by itself; undefined when it is absent or does not.
   *
   * @example
   * await db.put("code/ada", "123456", { ttlMs: 60_000 });
   * const leftMs = await db.timeToLive("code/ada");
   * assert.ok(leftMs !== undefined && leftMs <= 60_000);
   * assert.equal(await db.timeToLive("absent"), undefined);
   */
  timeToLive(key: Bytes, options?: OperationOptions): Promise<number | undefined>;
  /**
   * Changes how long a key lives, not its value; nothing given: until it is deleted.
   *
   * @returns whether the key is there
   *
   * @example
   * await db.put("session/1", "ada");
   * assert.equal(await db.expire("session/1", { ttlMs: 1_800_000 }), true);
   * await db.expire("session/1", {}); // until it is deleted
   * assert.equal(await db.timeToLive("session/1"), undefined);
   */
  expire(key: Bytes, expiry: ExpiryOptions, options?: OperationOptions): Promise<boolean>;

  /**
   * What became of a write whose error said that nobody knew.
   *
   * @param requestId hex, of the error
   *
   * @example
   * import { DatabaseError } from "balsa-db";
   * try {
   *   await db.put("order/1", "paid");
   * } catch (error) {
   *   if (!(error instanceof DatabaseError) || error.requestId === undefined) throw error;
   *   const { kind } = await db.outcome(error.requestId); // "applied", "rejected", "unknown"
   *   if (kind !== "applied") throw error;
   * }
   */
  outcome(requestId: string, options?: OperationOptions): Promise<RequestOutcome>;

  /**
   * The keys behind `prefix`, through codecs.
   *
   * @throws {DatabaseError} INVALID_ARGUMENT
   *
   * @example
   * import { codecs } from "balsa-db";
   * interface User { readonly name: string }
   * const users = db.keyspace("user/", { value: codecs.json<User>() });
   * await users.put("ada", { name: "Ada" });
   * assert.equal((await users.get("ada"))?.value.name, "Ada");
   */
  readonly keyspace: KeyspaceMaker;
  /**
   * The cluster as its leader sees it, or as the asked node does when no leader answers.
   *
   * @example
   * const { leader, nodes } = await db.status();
   * assert.equal(nodes.find(({ id }) => id === leader)?.role, "leader");
   */
  status(options?: OperationOptions): Promise<ClusterStatus>;
  /**
   * Idempotent. Settles what is under way before it resolves: answered if the
   * answer is there in time, otherwise CLOSED, and OUTCOME_UNKNOWN for a write
   * that was already handed over.
   *
   * @example
   * await db.put("color", "green");
   * await db.close();
   * await assert.rejects(db.get("color"), { code: "CLOSED" });
   */
  close(): Promise<void>;
}
