/**
 * A transaction that the cluster holds, and the hand that a user has on it.
 *
 * Every command names the transaction, and doing it twice is the same as doing it
 * once (a put that is staged again is the same put, a commit that is asked again
 * gives its first answer): so a command whose outcome is unknown is simply asked
 * again, until its deadline.
 *
 * What is read must be told to the cluster before the commit, or it could not be
 * validated. It is told with the next command that is sent anyway.
 */
import { randomBytes } from "node:crypto";
import { DatabaseError, type ErrorCode } from "../errors.js";
import type {
  RequestResult,
  Request,
  StagedCommand,
  StagedRead,
  TransactionCommand,
  TransactionDetail,
} from "../store/command.js";
import type { Bytes, KeyRecord, OperationOptions, Range } from "../operations.js";
import type {
  BeginOptions,
  CommitResult,
  Isolation,
  Transaction,
  TransactionInfo,
  TransactionListOptions,
  TransactionPutOptions,
} from "../transaction.js";
import type { Backend } from "./backend.js";
import { durationOf } from "./expiry.js";
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
  PAGE_SIZE_MAX,
  putCommand,
  timeoutMsOf,
} from "./request.js";
import { invalid, throwIf, unknownSince } from "./failures.js";
import { checkRequest } from "../store/limits.js";

const ID_SIZE = 16;
const IDLE_MS_DEFAULT = 60_000;
/** What a commit that fails with it leaves: nothing to roll back. Otherwise it may still be open. */
const ENDS: ReadonlySet<ErrorCode> = new Set(["CONFLICT", "TRANSACTION_GONE"]);
const ISOLATIONS: ReadonlySet<unknown> = new Set(["serializable", "snapshot"]);

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function transactionIdOf(id: string): Uint8Array {
  const given: unknown = id;
  if (typeof given !== "string" || !/^[0-9a-f]{32}$/i.test(given))
    throw invalid("a transaction's id has 32 hex digits");
  return Buffer.from(given, "hex");
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function isolationOf(isolation: Isolation | undefined): Isolation {
  if (isolation === undefined) return "serializable";
  if (!ISOLATIONS.has(isolation)) throw invalid('isolation is "serializable" or "snapshot"');
  return isolation;
}

export function infoOf(detail: TransactionDetail): TransactionInfo {
  const { transaction, status, isolation, readRevision, revision } = detail;
  return {
    id: hexOf(transaction),
    status,
    isolation,
    readRevision,
    revision: status === "committed" ? revision : undefined,
  };
}

export async function beginTransaction(
  backend: Backend,
  options: BeginOptions = {},
): Promise<Transaction> {
  const transaction = randomBytes(ID_SIZE);
  const isolation = isolationOf(options.isolation);
  const idle = durationOf(options.idleMs ?? IDLE_MS_DEFAULT, "idleMs");
  const begin = { kind: "begin", transaction, isolation, idle } as const;
  const detail = detailOf(await run(backend, begin, options));
  return new HeldTransaction(backend, detail);
}

/** @throws {DatabaseError} TRANSACTION_GONE when nobody remembers it */
export async function resumeTransaction(
  backend: Backend,
  transaction: Uint8Array,
  options: OperationOptions | undefined,
): Promise<Transaction> {
  return new HeldTransaction(backend, await lookUp(backend, transaction, options));
}

async function lookUp(
  backend: Backend,
  transaction: Uint8Array,
  options: OperationOptions | undefined,
): Promise<TransactionDetail> {
  const { found } = await backend.query({ kind: "transaction", transaction }, options);
  const [detail] = found.transactions;
  if (detail === undefined) throw gone(transaction);
  return detail;
}

class HeldTransaction implements Transaction {
  readonly id: string;
  readonly isolation: Isolation;
  readonly readRevision: number;
  readonly #backend: Backend;
  readonly #transaction: Uint8Array;
  /** read here, and not told the cluster yet */
  #reads: StagedRead[] = [];
  #ended = false;

  constructor(backend: Backend, detail: TransactionDetail) {
    this.#backend = backend;
    this.#transaction = detail.transaction;
    this.id = hexOf(detail.transaction);
    this.isolation = detail.isolation;
    this.readRevision = detail.readRevision;
    this.#ended = detail.status !== "open";
  }

  async get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined> {
    const bytes = keyOf(key);
    throwIf(checkKey(bytes, this.#backend.limits));
    const query = { kind: "getIn", transaction: this.#transaction, key: bytes } as const;
    const { found } = await this.#backend.query(query, options);
    this.#note({ key: bytes });
    return found.keyValue;
  }

  list(
    range: Range = {},
    options: TransactionListOptions = {},
  ): AsyncIterableIterator<KeyRecord, void, undefined> {
    return listPages(range, options.limit, async ({ from, end }, countMax) => {
      throwIf(checkRange({ from, end }, this.#backend.limits));
      const { found } = await this.#backend.query(
        {
          kind: "rangeIn",
          transaction: this.#transaction,
          from,
          end,
          countMax,
          sizeMax: PAGE_SIZE_MAX,
        },
        options,
      );
      const last = found.keyValues.at(-1);
      // Nobody has looked behind the page's last key.
      this.#note({ key: from, end: found.more && last !== undefined ? keyAfter(last.key) : end });
      return { records: found.keyValues, more: found.more };
    });
  }

  async put(key: Bytes, value: Bytes, options: TransactionPutOptions = {}): Promise<void> {
    await this.#stage([putCommand(key, value, options)], options);
  }

  async delete(key: Bytes, options?: OperationOptions): Promise<void> {
    await this.#stage([{ kind: "delete", key: keyOf(key) }], options);
  }

  async deleteRange(range: Range, options?: OperationOptions): Promise<void> {
    await this.#stage([deleteRangeCommand(range)], options);
  }

  async savepoint(name: Bytes, options?: OperationOptions): Promise<void> {
    const transaction = this.#transaction;
    await this.#run({ kind: "savepoint", transaction, name: bytesOf(name, "name") }, options);
  }

  async rollbackTo(name: Bytes, options?: OperationOptions): Promise<void> {
    const transaction = this.#transaction;
    await this.#run({ kind: "rollbackTo", transaction, name: bytesOf(name, "name") }, options);
  }

  async commit(options?: OperationOptions): Promise<CommitResult> {
    await this.#tellReads(options);
    const commit = { kind: "commit", transaction: this.#transaction } as const;
    try {
      const { revision } = await this.#run(commit, options);
      this.#ended = true;
      return { revision };
    } catch (error) {
      this.#ended ||= error instanceof DatabaseError && ENDS.has(error.code);
      throw error;
    }
  }

  async rollback(options?: OperationOptions): Promise<void> {
    const transaction = this.#transaction;
    this.#reads = [];
    try {
      await this.#run({ kind: "rollback", transaction }, options);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== "TRANSACTION_GONE") throw error;
      const { found } = await this.#backend.query({ kind: "transaction", transaction }, options);
      if (found.transactions[0]?.status === "committed") throw error;
    }
    this.#ended = true;
  }

  async status(options?: OperationOptions): Promise<TransactionInfo> {
    return infoOf(await lookUp(this.#backend, this.#transaction, options));
  }

  async detach(options?: OperationOptions): Promise<string> {
    await this.#tellReads(options);
    this.#ended = true;
    return this.id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.rollback();
  }

  #note(read: StagedRead): void {
    // Of a snapshot only what it writes is validated.
    if (this.isolation === "serializable") this.#reads.push(read);
  }

  async #tellReads(options: OperationOptions | undefined): Promise<void> {
    if (this.#reads.length > 0) await this.#stage([], options);
  }

  async #stage(
    commands: readonly StagedCommand[],
    options: OperationOptions | undefined,
  ): Promise<void> {
    const transaction = this.#transaction;
    const reads = this.#reads;
    this.#reads = [];
    try {
      await this.#run({ kind: "stage", transaction, commands, reads }, options);
    } catch (error) {
      // Not told, as far as is known: the next command tells them again.
      this.#reads = [...reads, ...this.#reads];
      throw error;
    }
  }

  async #run(
    command: TransactionCommand,
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    return run(this.#backend, command, options);
  }
}

/** Has a command done; what nobody knows the outcome of is asked again. @throws {DatabaseError} */
async function run(
  backend: Backend,
  command: TransactionCommand,
  options: OperationOptions | undefined,
): Promise<RequestResult> {
  const deadline = performance.now() + timeoutMsOf(options, backend.timeoutMs);
  // Under one id, so that its outcome is that of whichever came.
  const request: Request = { id: newRequestId(), commands: [command] };
  throwIf(checkRequest(request, backend.limits));
  let wasCutOff = false;
  for (;;) {
    const timeoutMs = Math.max(1, deadline - performance.now());
    let result: RequestResult;
    try {
      result = await backend.execute(request, "whole", { ...options, timeoutMs });
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      // That a repeat was refused or never left proves nothing of what was cut off before.
      if (error.outcome !== "unknown") throw wasCutOff ? unknownSince(request, error) : error;
      if (options?.signal?.aborted === true || deadline - performance.now() <= 1) throw error;
      wasCutOff = true;
      continue;
    }
    appliedResults(request, result);
    return result;
  }
}

function detailOf(result: RequestResult): TransactionDetail {
  const detail = result.kind === "applied" ? result.results[0]?.detail : undefined;
  if (detail?.kind !== "transaction")
    throw new DatabaseError("PROTOCOL", "the answer tells nothing of the transaction");
  return detail;
}

function gone(transaction: Uint8Array): DatabaseError {
  return new DatabaseError(
    "TRANSACTION_GONE",
    `there is no transaction ${hexOf(transaction)}: it was never begun, or ended so long ago that it is forgotten`,
  );
}

function hexOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex");
}
