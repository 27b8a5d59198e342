/**
 * The Database a user holds, over any backend: what can be asked, made of requests
 * and questions. Everything with a life of its own is in a file of its own:
 * transactions, leases, watches.
 */
import type { AdminAction } from "../codec/admin-action.js";
import type { Query } from "../codec/client-query.js";
import type { SavedSnapshot } from "../codec/inspection-message.js";
import type { Database } from "../database.js";
import type { Decision, DecisionResult } from "../decision.js";
import type { KeyspaceMaker } from "../keyspace.js";
import type { ExpiryOptions, Lease, LeaseOptions, LeaseStatus } from "../lease.js";
import type { AdminResult, ClusterStatus, HeldSnapshot, NodeInfo } from "../node/service.js";
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
} from "../operations.js";
import type { Entry, Term } from "../raft/types.js";
import type { Command, Compare, Request, RequestResult } from "../store/command.js";
import { checkRequest } from "../store/limits.js";
import type {
  BeginOptions,
  Transaction,
  TransactionBody,
  TransactionInfo,
  TransactOptions,
} from "../transaction.js";
import type {
  HistoryOptions,
  KeyChange,
  KeyDifference,
  WatchEvent,
  WatchOptions,
} from "../watch.js";
import type { Backend } from "./backend.js";
import { conditionalResultOf, decisionRequest, decisionResultOf } from "./decision.js";
import { expiryOf, leaseIdOf, momentOf } from "./expiry.js";
import {
  beginTransaction,
  infoOf,
  resumeTransaction,
  transactionIdOf,
} from "./held-transaction.js";
import { differences, historyOf, revertCommands, wholeRevision } from "./history.js";
import { grantLease } from "./kept-lease.js";
import { listPages, type Page } from "./list.js";
import { transactLocally } from "./local-transaction.js";
import { appliedResults } from "./rejection.js";
import { newRequestId } from "./request-id.js";
import {
  batchRequest,
  batchResultOf,
  checkKey,
  checkRange,
  deleteRangeRequest,
  deleteRequest,
  deleteResultOf,
  keyOf,
  type KeyRange,
  PAGE_SIZE_MAX,
  putCommand,
  putRequest,
  putResultOf,
  rangeOf,
} from "./request.js";
import { invalid, throwIf } from "./failures.js";
import { keyspaceMaker } from "./typed-keyspace.js";
import { watchChanges } from "./watch.js";

export class BackedDatabase implements Database {
  readonly #backend: Backend;
  readonly keyspace: KeyspaceMaker = keyspaceMaker(this);

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  // ---- keys ------------------------------------------------------------------

  async get(key: Bytes, options: ReadOptions = {}): Promise<KeyRecord | undefined> {
    const bytes = keyOf(key);
    throwIf(checkKey(bytes, this.#backend.limits));
    const { revision } = options;
    if (revision === undefined) return (await this.#backend.get(bytes, options)).found;
    const query = { kind: "at", key: bytes, revision: wholeRevision(revision) } as const;
    return (await this.#backend.query(query, options)).found.keyValue;
  }

  async put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult> {
    const request = putRequest(newRequestId(), key, value, options);
    return putResultOf(request, await this.#execute(request, "previous", options));
  }

  async delete(key: Bytes, options?: OperationOptions): Promise<DeleteResult> {
    const request = deleteRequest(newRequestId(), key);
    return deleteResultOf(request, await this.#execute(request, "counts", options));
  }

  async deleteRange(range: Range, options?: OperationOptions): Promise<DeleteResult> {
    const request = deleteRangeRequest(newRequestId(), range);
    return deleteResultOf(request, await this.#execute(request, "counts", options));
  }

  async batch(
    operations: readonly BatchOperation[],
    options?: OperationOptions,
  ): Promise<BatchResult> {
    const request = batchRequest(newRequestId(), operations);
    return batchResultOf(request, await this.#execute(request, "counts", options));
  }

  list(
    range: Range = {},
    options: ListOptions = {},
  ): AsyncIterableIterator<KeyRecord, void, undefined> {
    return listPages(range, options.limit, (keys, countMax) => this.#page(keys, countMax, options));
  }

  // ---- conditions --------------------------------------------------------------

  putIfAbsent(key: Bytes, value: Bytes, options?: PutIfOptions): Promise<ConditionalResult> {
    return this.putIf(key, value, 0, options);
  }

  async putIf(
    key: Bytes,
    value: Bytes,
    modRevision: number,
    options: PutIfOptions = {},
  ): Promise<ConditionalResult> {
    const command = putCommand(key, value, options);
    return this.#runIf(command.key, modRevision, command, options);
  }

  async deleteIf(
    key: Bytes,
    modRevision: number,
    options?: OperationOptions,
  ): Promise<ConditionalResult> {
    const bytes = keyOf(key);
    return this.#runIf(bytes, modRevision, { kind: "delete", key: bytes }, options);
  }

  async decide(decision: Decision, options?: OperationOptions): Promise<DecisionResult> {
    const request = decisionRequest(newRequestId(), decision);
    return decisionResultOf(request, await this.#execute(request, "whole", options));
  }

  // ---- transactions --------------------------------------------------------------

  async transact<T>(
    body: (transaction: TransactionBody) => Promise<T> | T,
    options?: TransactOptions,
  ): Promise<T> {
    return transactLocally(this.#backend, body, options);
  }

  async begin(options?: BeginOptions): Promise<Transaction> {
    return beginTransaction(this.#backend, options);
  }

  async transaction(id: string, options?: OperationOptions): Promise<Transaction> {
    return resumeTransaction(this.#backend, transactionIdOf(id), options);
  }

  async transactions(options?: OperationOptions): Promise<readonly TransactionInfo[]> {
    const { found } = await this.#backend.query({ kind: "transactions" }, options);
    return found.transactions.map(infoOf);
  }

  // ---- the past --------------------------------------------------------------

  async revisions(options?: OperationOptions): Promise<RevisionRange> {
    const { revision, found } = await this.#backend.query({ kind: "bounds" }, options);
    const { compactedRevision, logTime } = found;
    return { current: revision, oldest: Math.max(compactedRevision, 1), time: logTime };
  }

  async revisionAt(time: Date | number, options?: OperationOptions): Promise<number> {
    const query = { kind: "revisionAt", time: momentOf(time, "time") } as const;
    const { revision, found } = await this.#backend.query(query, options);
    return found.number ?? revision;
  }

  history(
    key: Bytes,
    options: HistoryOptions = {},
  ): AsyncIterableIterator<KeyChange, void, undefined> {
    return historyOf(this.#backend, keyOf(key), options);
  }

  diff(
    range: Range,
    from: number,
    to?: number,
    options?: OperationOptions,
  ): AsyncIterableIterator<KeyDifference, void, undefined> {
    return differences(this.#backend, rangeOf(range), { from, to }, options);
  }

  async revert(range: Range, revision: number, options?: OperationOptions): Promise<RevertResult> {
    const { commands, reads, current } = await revertCommands(
      this.#backend,
      rangeOf(range),
      wholeRevision(revision),
      options,
    );
    if (commands.length === 0) return { revision: current, changed: 0 };
    const request: Request = { id: newRequestId(), commands, reads };
    const result = await this.#execute(request, "whole", options);
    return { revision: result.revision, changed: appliedResults(request, result).length };
  }

  async compact(revision: number, options?: OperationOptions): Promise<void> {
    await this.#control({ kind: "compact", revision: wholeRevision(revision) }, options);
  }

  watch(
    range: Range,
    options: WatchOptions = {},
  ): AsyncIterableIterator<WatchEvent, void, undefined> {
    return watchChanges(this.#backend, rangeOf(range), options);
  }

  // ---- leases ------------------------------------------------------------------

  async lease(options: LeaseOptions): Promise<Lease> {
    return grantLease(this.#backend, options);
  }

  async leaseStatus(id: number, options?: OperationOptions): Promise<LeaseStatus | undefined> {
    const { found } = await this.#backend.query({ kind: "lease", lease: leaseIdOf(id) }, options);
    if (found.lease === undefined) return undefined;
    const { lease, ttl, remaining, keys } = found.lease;
    return { id: lease, ttlMs: ttl, remainingMs: remaining, keys };
  }

  async leases(options?: OperationOptions): Promise<readonly number[]> {
    return (await this.#backend.query({ kind: "leases" }, options)).found.leases;
  }

  async keepLease(id: number, options?: OperationOptions): Promise<void> {
    await this.#control({ kind: "keepLease", lease: leaseIdOf(id) }, options);
  }

  async revokeLease(id: number, options?: OperationOptions): Promise<void> {
    await this.#control({ kind: "revokeLease", lease: leaseIdOf(id) }, options);
  }

  async timeToLive(key: Bytes, options?: OperationOptions): Promise<number | undefined> {
    const query = { kind: "remaining", key: keyOf(key) } as const;
    return (await this.#backend.query(query, options)).found.number;
  }

  async expire(key: Bytes, expiry: ExpiryOptions, options?: OperationOptions): Promise<boolean> {
    const after = expiryOf(expiry);
    const command = {
      kind: "setExpiry",
      key: keyOf(key),
      ...(after && { expiry: after }),
    } as const;
    const request: Request = { id: newRequestId(), commands: [command] };
    const result = await this.#execute(request, "previous", options);
    return appliedResults(request, result)[0]?.previous !== undefined;
  }

  // ---- the cluster ----------------------------------------------------------------

  async outcome(requestId: string, options?: OperationOptions): Promise<RequestOutcome> {
    if (!/^[0-9a-f]{32}$/i.test(requestId)) throw invalid("a request id has 32 hex digits");
    const query: Query = { kind: "outcome", requestId: Buffer.from(requestId, "hex") };
    const { found } = await this.#backend.query(query, options);
    return found.outcome ?? { kind: "unknown" };
  }

  async status(options?: OperationOptions): Promise<ClusterStatus> {
    return this.#backend.status(options);
  }

  /**
   * Changes members or the leader; resolves when it is done, with the index of the
   * log where it stands. Errors beside the usual: CHANGE_REFUSED.
   */
  async administer(action: AdminAction, options?: OperationOptions): Promise<AdminResult> {
    return this.#backend.administer(action, options);
  }

  /** The node that this database stands on or is connected to, alone, as it is now. */
  async info(options?: OperationOptions): Promise<NodeInfo> {
    return this.#backend.info(options);
  }

  /**
   * Entries of that node's own log, consecutive from `from`: at least one if it holds
   * it, then as many as fit in `sizeMax` bytes (at most 1 MiB). Each is checked
   * against its predecessor.
   */
  async readLog(
    from: number,
    sizeMax: number = PAGE_SIZE_MAX,
    options?: OperationOptions,
  ): Promise<readonly Entry[]> {
    if (!(Number.isSafeInteger(from) && from >= 1)) throw invalid("a log starts at index 1");
    if (!(Number.isSafeInteger(sizeMax) && sizeMax >= 1)) throw invalid("sizeMax is a size");
    return this.#backend.readLog(from, sizeMax, options);
  }

  /** Checksum and term at `index` of that node's log; undefined when it does not hold it. */
  async checksumAt(
    index: number,
    options?: OperationOptions,
  ): Promise<{ readonly term: Term; readonly checksum: number } | undefined> {
    if (!(Number.isSafeInteger(index) && index >= 0)) throw invalid("a log index is not negative");
    return this.#backend.checksumAt(index, options);
  }

  /** The snapshots on that node's disk, oldest first. */
  async snapshots(options?: OperationOptions): Promise<readonly HeldSnapshot[]> {
    return this.#backend.snapshots(options);
  }

  /**
   * Has that node write a snapshot that holds everything acknowledged before the
   * call, for `readSaved`. It keeps it until it is asked for another one, or has
   * not been asked for a part of it for a minute.
   */
  async saveSnapshot(options?: OperationOptions): Promise<SavedSnapshot> {
    return this.#backend.saveSnapshot(options);
  }

  /**
   * Bytes of what `saveSnapshot` has written, from `offset` on: at most `sizeMax`
   * (and 1 MiB), none behind its end. Errors beside the usual: INVALID_ARGUMENT when
   * the node does not keep it any more.
   */
  async readSaved(
    saved: SavedSnapshot,
    offset: number,
    sizeMax: number = PAGE_SIZE_MAX,
    options?: OperationOptions,
  ): Promise<Uint8Array> {
    if (!(Number.isSafeInteger(offset) && offset >= 0)) throw invalid("an offset is not negative");
    if (!(Number.isSafeInteger(sizeMax) && sizeMax >= 1)) throw invalid("sizeMax is a size");
    return this.#backend.readSaved(saved, offset, sizeMax, options);
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- to the backend ---------------------------------------------------------------

  async #execute(
    request: Request,
    detail: "counts" | "previous" | "whole",
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    throwIf(checkRequest(request, this.#backend.limits));
    return this.#backend.execute(request, detail, options);
  }

  /** A command that stands alone. @throws {DatabaseError} when it is refused */
  async #control(command: Command, options: OperationOptions | undefined): Promise<void> {
    const request: Request = { id: newRequestId(), commands: [command] };
    appliedResults(request, await this.#execute(request, "whole", options));
  }

  async #runIf(
    key: Uint8Array,
    modRevision: number,
    command: Command,
    options: OperationOptions | undefined,
  ): Promise<ConditionalResult> {
    const number = modRevision === 0 ? 0 : wholeRevision(modRevision);
    const compare: Compare = { target: "modRevision", relation: "=", key, number };
    const request: Request = { id: newRequestId(), commands: [command], compares: [compare] };
    return conditionalResultOf(request, await this.#execute(request, "whole", options));
  }

  async #page(range: KeyRange, countMax: number, options: ListOptions): Promise<Page> {
    throwIf(checkRange(range, this.#backend.limits));
    const { revision } = options;
    if (revision === undefined) {
      const { keyValues, more } = (await this.#backend.page(range, countMax, options)).found;
      return { records: keyValues, more };
    }
    const query = {
      kind: "range",
      ...range,
      revision: wholeRevision(revision),
      countMax,
      sizeMax: PAGE_SIZE_MAX,
    } as const;
    const { keyValues, more } = (await this.#backend.query(query, options)).found;
    return { records: keyValues, more };
  }
}
