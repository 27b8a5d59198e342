/**
 * A keyspace over any Database: keys behind a prefix, keys and values through
 * codecs. It holds nothing of its own; every operation is one of the database's.
 *
 * Everything is encoded before anything is sent, so a codec that throws has
 * applied nothing; and a write decodes nothing, so one that throws cannot hide
 * that the write was applied.
 */
import type { Database } from "../database.js";
import type {
  Codec,
  Keyspace,
  KeyspaceMaker,
  KeyspaceOperation,
  KeyspaceRange,
  TransactionKeyspace,
  TypedConditionalResult,
  TypedRecord,
} from "../keyspace.js";
import { DatabaseError } from "../errors.js";
import { prefixEnd } from "../store/key-order.js";
import type {
  BatchResult,
  Bytes,
  ConditionalResult,
  DeleteResult,
  KeyRecord,
  ListOptions,
  OperationOptions,
  PutIfOptions,
  PutOptions,
  Range,
  ReadOptions,
} from "../operations.js";
import type {
  TransactionBody,
  TransactionListOptions,
  TransactionPutOptions,
} from "../transaction.js";
import { codecs } from "../value-codecs.js";
import type {
  HistoryOptions,
  KeyChange,
  TypedKeyChange,
  TypedWatchEvent,
  WatchOptions,
} from "../watch.js";
import { bytesOf } from "./request.js";
import { invalid } from "./failures.js";
import { untilLeft } from "./watch.js";

/** Makes keyspaces of `database`, whose prefixes stand behind `parent`. */
export function keyspaceMaker(
  database: Database,
  parent: Uint8Array = new Uint8Array(0),
): KeyspaceMaker {
  function make<V>(
    prefix: Bytes,
    codecs: { readonly key?: undefined; readonly value: Codec<V> },
  ): Keyspace<string, V>;
  function make<K, V>(
    prefix: Bytes,
    codecs: { readonly key: Codec<K>; readonly value: Codec<V> },
  ): Keyspace<K, V>;
  function make(
    prefix: Bytes,
    {
      key = codecs.text,
      value,
    }: { readonly key?: Codec<unknown> | undefined; readonly value: Codec<unknown> },
  ): Keyspace<unknown, unknown> {
    checkCodec(key, "key");
    checkCodec(value, "value");
    const start = Buffer.concat([parent, bytesOf(prefix, "prefix")]);
    return new TypedKeyspace(database, start, key, value);
  }
  return make;
}

class TypedKeyspace<K, V> implements Keyspace<K, V> {
  readonly #database: Database;
  readonly #codec: KeyspaceCodec<K, V>;
  readonly keyspace: KeyspaceMaker;

  constructor(database: Database, prefix: Uint8Array, key: Codec<K>, value: Codec<V>) {
    this.#database = database;
    this.#codec = new KeyspaceCodec(prefix, key, value);
    this.keyspace = keyspaceMaker(database, prefix);
  }

  get prefix(): Uint8Array {
    return new Uint8Array(this.#codec.prefix);
  }

  async get(key: K, options?: ReadOptions): Promise<TypedRecord<K, V> | undefined> {
    const record = await this.#database.get(this.#codec.keyOf(key), options);
    return record && this.#codec.typed(record);
  }

  async put(key: K, value: V, options?: PutOptions): Promise<{ readonly revision: number }> {
    const codec = this.#codec;
    const { revision } = await this.#database.put(codec.keyOf(key), codec.valueOf(value), options);
    return { revision };
  }

  async delete(key: K, options?: OperationOptions): Promise<DeleteResult> {
    return this.#database.delete(this.#codec.keyOf(key), options);
  }

  async deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<DeleteResult> {
    return this.#database.deleteRange(this.#codec.rangeOf(range), options);
  }

  async *list(
    range: KeyspaceRange<K> = {},
    options?: ListOptions,
  ): AsyncGenerator<TypedRecord<K, V>, void, undefined> {
    const records = this.#database.list(this.#codec.rangeOf(range), options);
    for await (const record of records) yield this.#codec.typed(record);
  }

  async batch(
    operations: readonly KeyspaceOperation<K, V>[],
    options?: OperationOptions,
  ): Promise<BatchResult> {
    const codec = this.#codec;
    const encoded = operations.map((operation) =>
      operation.kind === "put"
        ? { ...operation, key: codec.keyOf(operation.key), value: codec.valueOf(operation.value) }
        : { ...operation, key: codec.keyOf(operation.key) },
    );
    return this.#database.batch(encoded, options);
  }

  async putIfAbsent(
    key: K,
    value: V,
    options?: PutIfOptions,
  ): Promise<TypedConditionalResult<K, V>> {
    return this.putIf(key, value, 0, options);
  }

  async putIf(
    key: K,
    value: V,
    modRevision: number,
    options?: PutIfOptions,
  ): Promise<TypedConditionalResult<K, V>> {
    const [bytes, encoded] = [this.#codec.keyOf(key), this.#codec.valueOf(value)];
    return this.#conditional(await this.#database.putIf(bytes, encoded, modRevision, options));
  }

  async deleteIf(
    key: K,
    modRevision: number,
    options?: OperationOptions,
  ): Promise<TypedConditionalResult<K, V>> {
    const bytes = this.#codec.keyOf(key);
    return this.#conditional(await this.#database.deleteIf(bytes, modRevision, options));
  }

  async *history(
    key: K,
    options?: HistoryOptions,
  ): AsyncGenerator<TypedKeyChange<K, V>, void, undefined> {
    const changes = this.#database.history(this.#codec.keyOf(key), options);
    for await (const change of changes) yield this.#codec.typedChange(change);
  }

  watch(
    range: KeyspaceRange<K> = {},
    options: WatchOptions = {},
  ): AsyncIterableIterator<TypedWatchEvent<K, V>, void, undefined> {
    return untilLeft(options.signal, (signal) => this.#changes(range, { ...options, signal }));
  }

  async *#changes(
    range: KeyspaceRange<K>,
    options: WatchOptions,
  ): AsyncGenerator<TypedWatchEvent<K, V>, void, undefined> {
    for await (const event of this.#database.watch(this.#codec.rangeOf(range), options)) {
      if (event.kind !== "changes") yield event;
      else
        yield { ...event, changes: event.changes.map((change) => this.#codec.typedChange(change)) };
    }
  }

  in(transaction: TransactionBody): TransactionKeyspace<K, V> {
    return new KeyspaceInTransaction(transaction, this.#codec);
  }

  #conditional(result: ConditionalResult): TypedConditionalResult<K, V> {
    if (result.applied) return result;
    return { ...result, current: result.current && this.#codec.typed(result.current) };
  }
}

class KeyspaceInTransaction<K, V> implements TransactionKeyspace<K, V> {
  readonly #transaction: TransactionBody;
  readonly #codec: KeyspaceCodec<K, V>;

  constructor(transaction: TransactionBody, codec: KeyspaceCodec<K, V>) {
    this.#transaction = transaction;
    this.#codec = codec;
  }

  async get(key: K, options?: OperationOptions): Promise<TypedRecord<K, V> | undefined> {
    const record = await this.#transaction.get(this.#codec.keyOf(key), options);
    return record && this.#codec.typed(record);
  }

  async *list(
    range: KeyspaceRange<K> = {},
    options?: TransactionListOptions,
  ): AsyncGenerator<TypedRecord<K, V>, void, undefined> {
    const records = this.#transaction.list(this.#codec.rangeOf(range), options);
    for await (const record of records) yield this.#codec.typed(record);
  }

  async put(key: K, value: V, options?: TransactionPutOptions): Promise<void> {
    const codec = this.#codec;
    await this.#transaction.put(codec.keyOf(key), codec.valueOf(value), options);
  }

  async delete(key: K, options?: OperationOptions): Promise<void> {
    await this.#transaction.delete(this.#codec.keyOf(key), options);
  }

  async deleteRange(range: KeyspaceRange<K>, options?: OperationOptions): Promise<void> {
    await this.#transaction.deleteRange(this.#codec.rangeOf(range), options);
  }
}

/** A keyspace's types and the database's bytes. */
class KeyspaceCodec<K, V> {
  readonly prefix: Uint8Array;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;

  constructor(prefix: Uint8Array, key: Codec<K>, value: Codec<V>) {
    this.prefix = prefix;
    this.#key = key;
    this.#value = value;
  }

  keyOf(key: K): Uint8Array {
    const bytes = encode(this.#key, key, "key");
    if (bytes.length === 0) throw invalid("key is empty");
    return this.#behindPrefix(bytes);
  }

  valueOf(value: V): Uint8Array {
    return encode(this.#value, value, "value");
  }

  rangeOf({ prefix, from, to }: KeyspaceRange<K>): Range {
    if (prefix !== undefined) {
      if (from !== undefined || to !== undefined)
        throw invalid("a range has either a prefix, or from and to");
      return { prefix: this.#behindPrefix(encode(this.#key, prefix, "prefix")) };
    }
    if (from === undefined && to === undefined) return { prefix: this.prefix };
    const start =
      from === undefined ? this.prefix : this.#behindPrefix(encode(this.#key, from, "from"));
    const end = to === undefined ? prefixEnd(this.prefix) : this.keyOf(to);
    // No key is greater than all that start with bytes 0xff: there is no upper bound then.
    return end.length === 0 ? { from: start } : { from: start, to: end };
  }

  typed(record: KeyRecord): TypedRecord<K, V> {
    const { key, value } = record;
    return {
      ...record,
      key: this.#keyFrom(key),
      value: decode(this.#value, value, "value", key),
    };
  }

  typedChange(change: KeyChange): TypedKeyChange<K, V> {
    const { key, record, previous } = change;
    return {
      ...change,
      key: this.#keyFrom(key),
      record: record && this.typed(record),
      previous: previous && this.typed(previous),
    };
  }

  #keyFrom(key: Uint8Array): K {
    return decode(this.#key, key.subarray(this.prefix.length), "key", key);
  }

  #behindPrefix(bytes: Uint8Array): Uint8Array {
    return Buffer.concat([this.prefix, bytes]);
  }
}

function encode<T>(codec: Codec<T>, value: T, name: string): Uint8Array {
  let encoded: unknown;
  try {
    encoded = codec.encode(value);
  } catch (cause) {
    const message = `${name} cannot be encoded by the codec "${codec.name}"`;
    throw new DatabaseError("CODEC_FAILED", message, { cause });
  }
  if (encoded instanceof Uint8Array) return encoded;
  throw new DatabaseError("CODEC_FAILED", `the codec "${codec.name}" made no bytes of ${name}`);
}

function decode<T>(codec: Codec<T>, bytes: Uint8Array, name: string, key: Uint8Array): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    const at = Buffer.from(key.subarray(0, 64)).toString("hex");
    const message = `${name} cannot be decoded by the codec "${codec.name}" (key 0x${at})`;
    throw new DatabaseError("CODEC_FAILED", message, { cause });
  }
}

function checkCodec(codec: unknown, name: string): void {
  // Users of plain JavaScript may hand in anything.
  const { encode: to, decode: from } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof to !== "function" || typeof from !== "function")
    throw invalid(`the ${name} codec of a keyspace has the methods encode and decode`);
}
