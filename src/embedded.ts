/**
 * The Database in the process of its node: the same interface as the remote one,
 * with no socket between. Promises over the service's callbacks.
 *
 * Deadlines are the service's business. A signal gives up the waiting, not the
 * work: a write handed to the service may be applied, and its error says so.
 */
import type {
  BatchOperation,
  BatchResult,
  Bytes,
  Database,
  DeleteResult,
  KeyRecord,
  KeyspaceMaker,
  ListOptions,
  OperationOptions,
  PutOptions,
  PutResult,
  Range,
} from "./database.js";
import { assert } from "./assert.js";
import { watchAbort } from "./client/abort-watch.js";
import { listPages, type Page } from "./client/list.js";
import { newRequestId } from "./client/request-id.js";
import {
  aborted,
  batchRequest,
  batchResultOf,
  checkKey,
  checkRange,
  closed,
  deleteRangeRequest,
  deleteRequest,
  deleteResultOf,
  keyOf,
  type KeyRange,
  outcomeUnknown,
  PAGE_SIZE_MAX,
  putRequest,
  putResultOf,
  recordOf,
  requestIdOf,
  throwIf,
  timeoutMsOf,
} from "./client/request.js";
import { keyspaceMaker } from "./client/typed-keyspace.js";
import { DatabaseError } from "./errors.js";
import type { ClusterStatus, NodeService, StoreView } from "./node/service.js";
import type { Request, RequestResult } from "./store/command.js";
import { checkRequest } from "./store/limits.js";

/**
 * The Database over a node of this process.
 *
 * @param close stops the node, which answers what it still has; called once
 */
export function databaseOver(service: NodeService, close: () => Promise<void>): Database {
  return new EmbeddedDatabase(service, close);
}

/** An operation handed to the service and not answered yet. */
interface Pending {
  readonly requestId: string | undefined;
  reject(error: DatabaseError): void;
}

class EmbeddedDatabase implements Database {
  readonly #service: NodeService;
  readonly #stop: () => Promise<void>;
  readonly #pending = new Set<Pending>();
  readonly keyspace: KeyspaceMaker = keyspaceMaker(this);
  #closing: Promise<void> | undefined;

  constructor(service: NodeService, stop: () => Promise<void>) {
    this.#service = service;
    this.#stop = stop;
  }

  async get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined> {
    const bytes = keyOf(key);
    throwIf(checkKey(bytes, this.#service.limits));
    return this.#read((store) => recordOf(store.get(bytes)), options);
  }

  async put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult> {
    const request = putRequest(newRequestId(), key, value, options?.only);
    return putResultOf(request, await this.#execute(request, options));
  }

  async delete(key: Bytes, options?: OperationOptions): Promise<DeleteResult> {
    const request = deleteRequest(newRequestId(), key);
    return deleteResultOf(request, await this.#execute(request, options));
  }

  async deleteRange(range: Range, options?: OperationOptions): Promise<DeleteResult> {
    const request = deleteRangeRequest(newRequestId(), range);
    return deleteResultOf(request, await this.#execute(request, options));
  }

  async batch(
    operations: readonly BatchOperation[],
    options?: OperationOptions,
  ): Promise<BatchResult> {
    const request = batchRequest(newRequestId(), operations);
    return batchResultOf(request, await this.#execute(request, options));
  }

  list(range: Range = {}, options: ListOptions = {}): AsyncIterableIterator<KeyRecord> {
    return listPages(range, options.limit, (keys, countMax) => this.#page(keys, countMax, options));
  }

  async status(options?: OperationOptions): Promise<ClusterStatus> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run(undefined, options, (done) => {
      this.#service.status(timeoutMs, done);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // The flag is up: `#closing` is set as soon as this first waits.
    await Promise.resolve();
    try {
      await this.#stop();
    } finally {
      // A service that has stopped answers nothing any more.
      for (const pending of [...this.#pending]) pending.reject(unansweredError(pending.requestId));
    }
  }

  async #execute(request: Request, options: OperationOptions | undefined): Promise<RequestResult> {
    const timeoutMs = timeoutMsOf(options);
    throwIf(checkRequest(request, this.#service.limits));
    return this.#run(requestIdOf(request), options, (done) => {
      this.#service.execute(request, timeoutMs, done);
    });
  }

  async #page(range: KeyRange, countMax: number, options: ListOptions): Promise<Page> {
    throwIf(checkRange(range, this.#service.limits));
    return this.#read((store) => {
      const { keyValues, more } = store.range(range.from, range.end, countMax, PAGE_SIZE_MAX);
      return { records: keyValues.map((keyValue) => recordOf(keyValue)), more };
    }, options);
  }

  /** @param look runs while the store may be looked at */
  async #read<T>(look: (store: StoreView) => T, options: OperationOptions | undefined): Promise<T> {
    const timeoutMs = timeoutMsOf(options);
    const { found } = await this.#run<{ readonly found: T }>(undefined, options, (done) => {
      this.#service.read(timeoutMs, (error, store) => {
        done(error, store === undefined ? undefined : { found: look(store) });
      });
    });
    return found;
  }

  /** Hands an operation to the service, and settles it by its answer or its signal. */
  #run<T>(
    requestId: string | undefined,
    options: OperationOptions | undefined,
    begin: (done: (error: DatabaseError | undefined, answer: T | undefined) => void) => void,
  ): Promise<T> {
    const signal = options?.signal;
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) {
        reject(closed());
        return;
      }
      if (signal?.aborted === true) {
        reject(aborted(signal));
        return;
      }
      const settle = (): void => {
        this.#pending.delete(pending);
        unwatch?.();
      };
      const pending: Pending = {
        requestId,
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.#pending.add(pending);
      const unwatch =
        signal &&
        watchAbort(signal, () => {
          pending.reject(abortedError(signal, requestId));
        });
      begin((error, answer) => {
        // Given up already: nobody waits for the answer.
        if (!this.#pending.has(pending)) return;
        if (answer === undefined) {
          assert(error !== undefined, "a request ends with a result or an error");
          pending.reject(withRequestId(error, requestId));
          return;
        }
        settle();
        resolve(answer);
      });
    });
  }
}

/** The error of an operation given up after it was handed to the service. */
function abortedError(signal: AbortSignal, requestId: string | undefined): DatabaseError {
  if (requestId === undefined) return aborted(signal);
  return outcomeUnknown(requestId, "aborted by its signal", signal.reason);
}

/** An error with an unknown outcome names its request. */
function withRequestId(error: DatabaseError, requestId: string | undefined): DatabaseError {
  if (error.outcome !== "unknown" || error.requestId !== undefined) return error;
  const { code, message, outcome } = error;
  return new DatabaseError(code, message, { outcome, requestId, cause: error });
}

function unansweredError(requestId: string | undefined): DatabaseError {
  if (requestId === undefined) return closed();
  return outcomeUnknown(requestId, "the database was closed");
}
