/**
 * A transaction held in this process: reads at one revision, writes staged here,
 * and at the end one request that carries the writes and what they depend on. The
 * store validates and applies it in one step (Store.apply, "conflict"), so nothing
 * of it is ever seen in part, and nothing is left behind by a process that dies.
 *
 *   read revision   that of the first read; all others are at it
 *   reads           each key with the modRevision found, each range with the revision
 *   commit          the request { commands, reads }; without writes nothing is sent:
 *                   what was read is one moment already
 */
import { DatabaseError } from "../errors.js";
import type { Read, Request, StagedCommand } from "../store/command.js";
import { checkRequest } from "../store/limits.js";
import type { Bytes, KeyRecord, OperationOptions, Range } from "../operations.js";
import type {
  Isolation,
  TransactionBody,
  TransactionListOptions,
  TransactionPutOptions,
  TransactOptions,
} from "../transaction.js";
import type { At, Backend, KeyPage } from "./backend.js";
import { isolationOf } from "./held-transaction.js";
import { listPages } from "./list.js";
import { appliedResults } from "./rejection.js";
import { newRequestId } from "./request-id.js";
import {
  bytesOf,
  checkKey,
  checkRange,
  deleteRangeCommand,
  keyAfter,
  keyOf,
  type KeyRange,
  PAGE_SIZE_MAX,
  putCommand,
} from "./request.js";
import { invalid, throwIf } from "./failures.js";

const ATTEMPTS_DEFAULT = 16;
/** Between two attempts, at most: random, and growing to it. Milliseconds. */
const REST_MS_MAX = 100;

export async function transactLocally<T>(
  backend: Backend,
  body: (transaction: TransactionBody) => Promise<T> | T,
  options: TransactOptions = {},
): Promise<T> {
  const isolation = isolationOf(options.isolation);
  const { attempts = ATTEMPTS_DEFAULT } = options;
  if (!Number.isInteger(attempts) || attempts < 1)
    throw invalid("attempts is a whole number from 1");
  for (let attempt = 1; ; attempt += 1) {
    const transaction = new LocalTransaction(backend, isolation, options);
    try {
      const result = await body(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      // Only what the commit or a read of this transaction said; not what the body made of it.
      if (!transaction.isConflict(error) || attempt === attempts) throw error;
    } finally {
      transaction.end();
    }
    await rest(attempt, options.signal);
  }
}

/** Two that conflict would do so again if both came back at once. */
async function rest(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.random() * Math.min(REST_MS_MAX, 2 ** attempt);
  await new Promise((resolve) => setTimeout(resolve, ms));
  if (signal?.aborted === true)
    throw new DatabaseError("ABORTED", "aborted by its signal", { cause: signal.reason });
}

class LocalTransaction implements TransactionBody {
  readonly #backend: Backend;
  readonly #isolation: Isolation;
  readonly #options: OperationOptions;
  #readRevision: number | undefined;
  readonly #reads: Read[] = [];
  #commands: StagedCommand[] = [];
  /** by name: how many commands were staged before */
  readonly #savepoints = new Map<string, number>();
  #conflict: DatabaseError | undefined;
  #ended = false;

  constructor(backend: Backend, isolation: Isolation, options: OperationOptions) {
    this.#backend = backend;
    this.#isolation = isolation;
    const { timeoutMs, signal } = options;
    this.#options = {
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(signal !== undefined && { signal }),
    };
  }

  /** Whether `error` is this transaction's own word that it came too late. */
  isConflict(error: unknown): boolean {
    return error !== undefined && error === this.#conflict;
  }

  end(): void {
    this.#ended = true;
  }

  async get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined> {
    this.#assertOpen();
    const bytes = keyOf(key);
    throwIf(checkKey(bytes, this.#backend.limits));
    const own = this.#ownWrite(bytes);
    if (own !== undefined) return own === "deleted" ? undefined : own;
    const record = await this.#readKey(bytes, options);
    this.#reads.push({ kind: "key", key: bytes, revision: record?.modRevision ?? 0 });
    return record;
  }

  list(
    range: Range = {},
    options: TransactionListOptions = {},
  ): AsyncIterableIterator<KeyRecord, void, undefined> {
    return listPages(range, options.limit, async (keys, countMax) => {
      this.#assertOpen();
      throwIf(checkRange(keys, this.#backend.limits));
      const { found, revision } = await this.#readPage(keys, countMax, options);
      const last = found.keyValues.at(-1);
      // Nobody has looked behind the page's last key.
      const end = found.more && last !== undefined ? keyAfter(last.key) : keys.end;
      this.#reads.push({ kind: "range", key: keys.from, end, revision });
      const records = this.#withOwnWrites(found.keyValues, { from: keys.from, end });
      return { records, more: found.more, nextFrom: end };
    });
  }

  put(key: Bytes, value: Bytes, options: TransactionPutOptions = {}): Promise<void> {
    return this.#stage(() => putCommand(key, value, options));
  }

  delete(key: Bytes): Promise<void> {
    return this.#stage(() => ({ kind: "delete", key: keyOf(key) }));
  }

  deleteRange(range: Range): Promise<void> {
    return this.#stage(() => deleteRangeCommand(range));
  }

  async savepoint(name: Bytes): Promise<void> {
    this.#assertOpen();
    const text = savepointText(name);
    this.#savepoints.delete(text);
    this.#savepoints.set(text, this.#commands.length);
    await Promise.resolve();
  }

  async rollbackTo(name: Bytes): Promise<void> {
    this.#assertOpen();
    const text = savepointText(name);
    const count = this.#savepoints.get(text);
    if (count === undefined) throw invalid("the transaction has no such savepoint");
    this.#commands = this.#commands.slice(0, count);
    let after = false;
    for (const each of [...this.#savepoints.keys()]) {
      if (after) this.#savepoints.delete(each);
      after ||= each === text;
    }
    await Promise.resolve();
  }

  async commit(): Promise<void> {
    this.#assertOpen();
    if (this.#commands.length === 0) return;
    const reads = this.#validated();
    const base = { id: newRequestId(), commands: this.#commands };
    const request: Request = reads.length === 0 ? base : { ...base, reads };
    throwIf(checkRequest(request, this.#backend.limits));
    const result = await this.#backend.execute(request, "whole", this.#options);
    this.#observe(() => appliedResults(request, result));
  }

  /** What must not have changed: what was read, or what is written. */
  #validated(): readonly Read[] {
    if (this.#isolation === "serializable") return this.#reads;
    const revision = this.#readRevision;
    // Nothing was read: there is no moment that what is written could have changed since.
    if (revision === undefined) return [];
    return this.#commands.map((command) => {
      const end = command.kind === "deleteRange" ? command.end : keyAfter(command.key);
      return { kind: "range", key: command.key, end, revision };
    });
  }

  async #stage(command: () => StagedCommand): Promise<void> {
    this.#assertOpen();
    this.#commands.push(command());
    await Promise.resolve();
  }

  async #readKey(
    key: Uint8Array,
    options: OperationOptions | undefined,
  ): Promise<KeyRecord | undefined> {
    const within = { ...this.#options, ...options };
    const revision = this.#readRevision;
    if (revision === undefined) {
      const at = await this.#backend.get(key, within);
      return this.#isFirst(at.revision) ? at.found : this.#readKey(key, options);
    }
    return this.#past(async () => {
      const { found } = await this.#backend.query({ kind: "at", key, revision }, within);
      return found.keyValue;
    });
  }

  async #readPage(
    range: KeyRange,
    countMax: number,
    options: OperationOptions,
  ): Promise<At<KeyPage>> {
    const within = { ...this.#options, ...options };
    const revision = this.#readRevision;
    if (revision === undefined) {
      const at = await this.#backend.page(range, countMax, within);
      return this.#isFirst(at.revision) ? at : this.#readPage(range, countMax, options);
    }
    return this.#past(async () => {
      const query = { kind: "range", ...range, revision, countMax } as const;
      const { found } = await this.#backend.query({ ...query, sizeMax: PAGE_SIZE_MAX }, within);
      return { revision, found };
    });
  }

  /** The first read that is answered says at which revision all are; one that went out beside it asks again. */
  #isFirst(revision: number): boolean {
    this.#readRevision ??= revision;
    return this.#readRevision === revision;
  }

  /** A read of the past. If that is compacted, the transaction has lasted too long: another attempt may not. */
  async #past<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "REVISION_COMPACTED") throw error;
      throw this.#lost(error);
    }
  }

  #lost(cause?: DatabaseError): DatabaseError {
    this.#conflict = new DatabaseError(
      "CONFLICT",
      "conflict: the moment that the transaction reads at cannot be read any more",
      { cause, conflicts: [] },
    );
    return this.#conflict;
  }

  #observe(look: () => unknown): void {
    try {
      look();
    } catch (error) {
      if (error instanceof DatabaseError && error.code === "CONFLICT") this.#conflict = error;
      throw error;
    }
  }

  /** What this transaction has made of a key. */
  #ownWrite(key: Uint8Array): KeyRecord | "deleted" | undefined {
    for (const command of this.#commands.toReversed()) {
      if (command.kind === "deleteRange") {
        if (isWithin(key, { from: command.key, end: command.end })) return "deleted";
      } else if (Buffer.compare(command.key, key) === 0) {
        return command.kind === "put" ? staged(command.key, command.value) : "deleted";
      }
    }
    return undefined;
  }

  #withOwnWrites(records: readonly KeyRecord[], range: KeyRange): readonly KeyRecord[] {
    const byKey = new Map(records.map((record) => [textOf(record.key), record]));
    for (const command of this.#commands) {
      if (command.kind === "deleteRange") {
        const dropped = { from: command.key, end: command.end };
        for (const [text, { key }] of byKey) if (isWithin(key, dropped)) byKey.delete(text);
      } else if (isWithin(command.key, range)) {
        const text = textOf(command.key);
        if (command.kind === "put") byKey.set(text, staged(command.key, command.value));
        else byKey.delete(text);
      }
    }
    return [...byKey.values()].sort((a, b) => Buffer.compare(a.key, b.key));
  }

  #assertOpen(): void {
    if (this.#ended)
      throw new DatabaseError(
        "TRANSACTION_GONE",
        "the transaction is over: it is not used after its function",
      );
  }
}

function savepointText(name: Bytes): string {
  const bytes = bytesOf(name, "name");
  if (bytes.length === 0) throw invalid("a savepoint has a name");
  return textOf(bytes);
}

/** A record that was never committed. */
function staged(key: Uint8Array, value: Uint8Array): KeyRecord {
  const own = { key: new Uint8Array(key), value: new Uint8Array(value) };
  return { ...own, createRevision: 0, modRevision: 0, version: 0 };
}

function isWithin(key: Uint8Array, { from, end }: KeyRange): boolean {
  if (Buffer.compare(key, from) < 0) return false;
  return end.length === 0 || Buffer.compare(key, end) < 0;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
