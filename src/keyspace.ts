/**
 * Keyspaces: the part of a database under a prefix, with types. Keys and values go
 * through codecs; everything else is as in database.ts.
 */
import type { ExpiryOptions } from "./lease.js";
import type {
  BatchResult,
  Bytes,
  DeleteResult,
  ListOptions,
  OperationOptions,
  PutIfOptions,
  PutOptions,
  ReadOptions,
} from "./operations.js";
import type {
  TransactionBody,
  TransactionListOptions,
  TransactionPutOptions,
} from "./transaction.js";
import type { HistoryOptions, TypedKeyChange, TypedWatchEvent, WatchOptions } from "./watch.js";

/** How one type becomes bytes and comes back. Synchronous; may throw, which users meet as CODEC_FAILED. */
export interface Codec<T> {
  /** what messages call it */
  readonly name: string;
  /**
   * @param value as the user gave it
   * @returns the bytes that are stored; not kept by the caller
   *
   * @example
   * const date = { name: "date", encode: (d: Date) => Buffer.from(d.toISOString()), decode: (b: Uint8Array) => new Date(Buffer.from(b).toString()) };
   * const birthdays = db.keyspace("birthday/", { value: date });
   * await birthdays.put("ada", new Date("1815-12-10"));
   * assert.equal((await db.get("birthday/ada"))?.value.length, 24);
   */
  encode(value: T): Uint8Array;
  /**
   * @param stored the caller's own: may be kept or changed
   *
   * @example
   * const seconds = { name: "seconds", encode: (n: number) => Buffer.from(String(n)), decode: (b: Uint8Array) => Number(Buffer.from(b).toString()) };
   * const timeouts = db.keyspace("timeout/", { value: seconds });
   * await timeouts.put("connect", 30);
   * assert.equal((await timeouts.get("connect"))?.value, 30);
   */
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

/** As ConditionalResult, of a keyspace: the condition held, or this is what the key is. */
export type TypedConditionalResult<K, V> =
  | { readonly applied: true; readonly revision: number }
  | {
      readonly applied: false;
      readonly revision: number;
      readonly current: TypedRecord<K, V> | undefined;
    };

/** A keyspace's keys as a transaction sees and changes them. */
export interface TransactionKeyspace<K, V> {
  /**
   * A key as it was when the transaction began, or as it has set it (revisions 0 then).
   *
   * @example
   * import { codecs } from "balsa-db";
   * const stock = db.keyspace("stock/", { value: codecs.json<number>() });
   * await stock.put("bolts", 7);
   * const left = await db.transact(async (tx) => (await stock.in(tx).get("bolts"))?.value);
   * assert.equal(left, 7);
   */
  get(key: K, options?: OperationOptions): Promise<TypedRecord<K, V> | undefined>;
  /**
   * Keys of that moment with the own writes, in the byte order of the encoded keys. What was looked at is validated: no phantoms.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const stock = db.keyspace("stock/", { value: codecs.json<number>() });
   * await stock.batch([{ kind: "put", key: "bolts", value: 7 }, { kind: "put", key: "nuts", value: 5 }]);
   * const total = await db.transact(async (tx) => {
   *   let sum = 0;
   *   for await (const { value } of stock.in(tx).list()) sum += value;
   *   return sum;
   * });
   * assert.equal(total, 12);
   */
  list(
    range?: KeyspaceRange<K>,
    options?: TransactionListOptions,
  ): AsyncIterableIterator<TypedRecord<K, V>, void, undefined>;
  /**
   * Stages a put; others see it when the transaction commits.
   *
   * @throws {DatabaseError} CODEC_FAILED: nothing was staged
   *
   * @example
   * import { codecs } from "balsa-db";
   * const balance = db.keyspace("balance/", { value: codecs.json<number>() });
   * await balance.put("ada", 10);
   * await db.transact(async (tx) => {
   *   const own = balance.in(tx);
   *   for (const [who, by] of [["ada", -4], ["bob", 4]] as const) await own.put(who, ((await own.get(who))?.value ?? 0) + by);
   * });
   * assert.equal((await balance.get("bob"))?.value, 4);
   */
  put(key: K, value: V, options?: TransactionPutOptions): Promise<void>;
  /**
   * Stages a deletion. Fine when the key is absent.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const queue = db.keyspace("queue/", { value: codecs.text });
   * await queue.put("0001", "first");
   * const job = await db.transact(async (tx) => {
   *   for await (const { key, value } of queue.in(tx).list({}, { limit: 1 })) {
   *     await queue.in(tx).delete(key);
   *     return value;
   *   }
   *   return undefined;
   * });
   * assert.equal(job, "first");
   */
  delete(key: K, options?: OperationOptions): Promise<void>;
  /**
   * Stages the deletion of a range; `{}` is every key of the keyspace.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const draft = db.keyspace("draft/", { value: codecs.text });
   * await draft.put("title", "Rafts");
   * await db.transact(async (tx) => {
   *   await draft.in(tx).deleteRange({});
   *   await tx.put("published", "1");
   * });
   * assert.equal(await draft.get("title"), undefined);
   */
  deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<void>;
}

/** One operation of a keyspace's batch. */
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
  /**
   * Keys are text, values what the codec says.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const flags = db.keyspace("flag/", { value: codecs.json<boolean>() });
   * await flags.put("dark-mode", true);
   * assert.equal((await flags.get("dark-mode"))?.value, true);
   */
  <V>(
    prefix: Bytes,
    codecs: { readonly key?: undefined; readonly value: Codec<V> },
  ): Keyspace<string, V>;
  /**
   * Both through codecs; keys sort by the bytes of their encoding.
   *
   * @example
   * import { codecs, type Codec } from "balsa-db";
   * const number: Codec<number> = {
   *   name: "uint32",
   *   encode: (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; },
   *   decode: (b) => Buffer.from(b).readUInt32BE(),
   * };
   * const jobs = db.keyspace("job/", { key: number, value: codecs.text });
   * await jobs.put(10, "ten");
   * await jobs.put(9, "nine");
   * for await (const { key } of jobs.list({}, { limit: 1 })) assert.equal(key, 9);
   */
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
  /**
   * Linearizable, unless a revision is named. Undefined when the key is absent.
   *
   * @throws {DatabaseError} CODEC_FAILED when what is stored cannot be decoded; REVISION_COMPACTED, REVISION_FUTURE
   *
   * @example
   * import { codecs } from "balsa-db";
   * const users = db.keyspace("user/", { value: codecs.json<{ name: string }>() });
   * await users.put("ada", { name: "Ada" });
   * const ada = await users.get("ada");
   * assert.equal(ada?.value.name, "Ada");
   * assert.equal(ada.version, 1);
   */
  get(key: K, options?: ReadOptions): Promise<TypedRecord<K, V> | undefined>;
  /**
   * Sets a key. What was there before is not told: it would have to be decoded, and a write that succeeded must not fail by it.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const config = db.keyspace("config/", { value: codecs.text });
   * const { revision } = await config.put("color", "green");
   * assert.equal((await db.get("config/color"))?.modRevision, revision);
   */
  put(key: K, value: V, options?: PutOptions): Promise<{ readonly revision: number }>;
  /**
   * Removes a key. Fine when it is absent: `deleted` is 0 then.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const config = db.keyspace("config/", { value: codecs.text });
   * await config.put("color", "green");
   * assert.equal((await config.delete("color")).deleted, 1);
   */
  delete(key: K, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * `{}` is every key of the keyspace.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const visits = db.keyspace("visit/", { value: codecs.json<number>() });
   * await visits.batch([{ kind: "put", key: "2026-01-31", value: 4 }, { kind: "put", key: "2026-02-01", value: 9 }]);
   * assert.equal((await visits.deleteRange({ to: "2026-02" })).deleted, 1);
   */
  deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<DeleteResult>;
  /**
   * In the byte order of the encoded keys, page by page, as the database's `list`.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const users = db.keyspace("user/", { value: codecs.json<{ age: number }>() });
   * await users.batch([{ kind: "put", key: "bob", value: { age: 44 } }, { kind: "put", key: "ada", value: { age: 36 } }]);
   * const names: string[] = [];
   * for await (const { key } of users.list()) names.push(key);
   * assert.deepEqual(names, ["ada", "bob"]);
   */
  list(
    range?: KeyspaceRange<K>,
    options?: ListOptions,
  ): AsyncIterableIterator<TypedRecord<K, V>, void, undefined>;
  /**
   * All operations or none, one revision.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const ledger = db.keyspace("ledger/", { value: codecs.json<{ from: string; to: string; cents: number }>() });
   * await ledger.batch([
   *   { kind: "put", key: "0001", value: { from: "ada", to: "bob", cents: 500 }, only: "if-absent" },
   *   { kind: "put", key: "0002", value: { from: "bob", to: "eve", cents: 200 }, only: "if-absent" },
   * ]);
   * assert.equal((await ledger.get("0002"))?.value.cents, 200);
   */
  batch(
    operations: readonly KeyspaceOperation<K, V>[],
    options?: OperationOptions,
  ): Promise<BatchResult>;
  /**
   * Sets a key that is absent.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const seats = db.keyspace("seat/", { value: codecs.text });
   * await seats.putIfAbsent("12A", "ada");
   * const second = await seats.putIfAbsent("12A", "bob");
   * assert.equal(second.applied, false);
   * assert.equal(second.current?.value, "ada");
   */
  putIfAbsent(key: K, value: V, options?: PutIfOptions): Promise<TypedConditionalResult<K, V>>;
  /**
   * Sets a key that was last changed at `modRevision`; 0: that is absent.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const counters = db.keyspace("counter/", { value: codecs.json<number>() });
   * await counters.put("visits", 41);
   * const seen = await counters.get("visits");
   * const set = await counters.putIf("visits", (seen?.value ?? 0) + 1, seen?.modRevision ?? 0);
   * assert.equal(set.applied, true);
   */
  putIf(
    key: K,
    value: V,
    modRevision: number,
    options?: PutIfOptions,
  ): Promise<TypedConditionalResult<K, V>>;
  /**
   * Removes a key that was last changed at `modRevision`.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const jobs = db.keyspace("job/", { value: codecs.text });
   * const { revision } = await jobs.put("7", "send mail");
   * const taken = await jobs.deleteIf("7", revision);
   * assert.equal(taken.applied, true); // of two who try, one has it
   */
  deleteIf(
    key: K,
    modRevision: number,
    options?: OperationOptions,
  ): Promise<TypedConditionalResult<K, V>>;
  /**
   * A key's changes, as far back as they are kept.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const price = db.keyspace("price/", { value: codecs.json<number>() });
   * await price.put("oak", 10);
   * await price.put("oak", 12);
   * const prices: (number | undefined)[] = [];
   * for await (const { record } of price.history("oak")) prices.push(record?.value);
   * assert.deepEqual(prices, [12, 10]);
   */
  history(
    key: K,
    options?: HistoryOptions,
  ): AsyncIterableIterator<TypedKeyChange<K, V>, void, undefined>;
  /**
   * Changes as they are made; `{}` is every key of the keyspace. A value that cannot be decoded ends it.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const config = db.keyspace("config/", { value: codecs.text });
   * const { revision } = await config.put("color", "green");
   * for await (const event of config.watch({}, { from: revision })) {
   *   if (event.kind !== "changes") continue;
   *   assert.equal(event.changes[0]?.record?.value, "green");
   *   break;
   * }
   */
  watch(
    range?: KeyspaceRange<K>,
    options?: WatchOptions,
  ): AsyncIterableIterator<TypedWatchEvent<K, V>, void, undefined>;
  /**
   * The same keys, inside a transaction.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const stock = db.keyspace("stock/", { value: codecs.json<number>() });
   * await stock.put("bolts", 7);
   * await db.transact(async (tx) => {
   *   const mine = stock.in(tx);
   *   await mine.put("bolts", ((await mine.get("bolts"))?.value ?? 0) - 1);
   * });
   * assert.equal((await stock.get("bolts"))?.value, 6);
   */
  in(transaction: TransactionBody): TransactionKeyspace<K, V>;
  /**
   * A keyspace inside this one, with codecs of its own.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const tenant = db.keyspace("tenant-1/", { value: codecs.bytes });
   * const users = tenant.keyspace("user/", { value: codecs.text });
   * await users.put("ada", "Ada");
   * assert.notEqual(await db.get("tenant-1/user/ada"), undefined);
   */
  readonly keyspace: KeyspaceMaker;
}
