/**
 * The Database in the process of its node: the same as the remote one, with no
 * socket between. Promises over the service's callbacks.
 *
 * Deadlines are the service's business. A signal gives up the waiting, not the
 * work: a write handed to the service may be applied, and its error says so.
 */
import { assert } from "./assert.js";
import { watchAbort } from "./client/abort-watch.js";
import { BackedDatabase } from "./client/backed-database.js";
import type { At, Backend, KeyPage } from "./client/backend.js";
import { type Answered, runQuery } from "./client/query.js";
import {
  type KeyRange,
  PAGE_SIZE_MAX,
  recordOf,
  TIMEOUT_MS_DEFAULT,
  timeoutMsOf,
} from "./client/request.js";
import { aborted, closed, invalid, outcomeUnknown } from "./client/failures.js";
import { requestIdOf } from "./client/request-id.js";
import type { AdminAction } from "./codec/admin-action.js";
import type { AnswerDetail } from "./codec/client-message.js";
import {
  decodeFound,
  encodeFound,
  FOUND_KIND,
  type FoundFor,
  type Query,
} from "./codec/client-query.js";
import type { SavedSnapshot } from "./codec/inspection-message.js";
import type { OperationOptions } from "./operations.js";
import { DatabaseError } from "./errors.js";
import type {
  AdminResult,
  ClusterStatus,
  HeldSnapshot,
  NodeInfo,
  NodeService,
  StoreView,
} from "./node/service.js";
import { type Entry, LogIndex, type Term } from "./raft/types.js";
import type { KeyValue, Limits, Request, RequestResult } from "./store/command.js";

/** What `open` gives: the Database, and the cluster's inside. */
export type EmbeddedDatabase = BackedDatabase;

/**
 * The Database over a node of this process.
 *
 * @param close stops the node, which answers what it still has; called once
 */
export function databaseOver(service: NodeService, close: () => Promise<void>): EmbeddedDatabase {
  return new BackedDatabase(new EmbeddedBackend(service, close));
}

/** An operation handed to the service and not answered yet. */
interface Pending {
  readonly requestId: string | undefined;
  reject(error: DatabaseError): void;
}

class EmbeddedBackend implements Backend {
  readonly limits: Limits;
  readonly timeoutMs: number = TIMEOUT_MS_DEFAULT;
  readonly #service: NodeService;
  readonly #stop: () => Promise<void>;
  readonly #pending = new Set<Pending>();
  #closing: Promise<void> | undefined;

  constructor(service: NodeService, stop: () => Promise<void>) {
    this.limits = service.limits;
    this.#service = service;
    this.#stop = stop;
  }

  async execute(
    request: Request,
    _detail: AnswerDetail,
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run(requestIdOf(request), options, (done) => {
      this.#service.execute(request, timeoutMs, done);
    });
  }

  async get(
    key: Uint8Array,
    options: OperationOptions | undefined,
  ): Promise<At<KeyValue | undefined>> {
    return this.#read((store) => recordOf(store.get(key)), options);
  }

  async page(
    { from, end }: KeyRange,
    countMax: number,
    options: OperationOptions | undefined,
  ): Promise<At<KeyPage>> {
    return this.#read((store) => {
      const { keyValues, more } = store.range(from, end, countMax, PAGE_SIZE_MAX);
      return { keyValues: keyValues.map((keyValue) => recordOf(keyValue)), more };
    }, options);
  }

  async query<Q extends Query>(
    query: Q,
    options: OperationOptions | undefined,
  ): Promise<At<FoundFor<Q>>> {
    const timeoutMs = timeoutMsOf(options);
    let giveUp: (() => void) | undefined;
    try {
      const answered = await this.#run<Answered>(undefined, options, (done) => {
        giveUp = runQuery(this.#service, query, timeoutMs, done);
      });
      // What was found is the store's; as over a socket, the asker gets his own.
      const found = decodeFound(encodeFound(answered.found));
      assert(found.kind === FOUND_KIND[query.kind], "what is found fits its question");
      return { revision: answered.revision, found: found as FoundFor<Q> };
    } finally {
      giveUp?.();
    }
  }

  async status(options: OperationOptions | undefined): Promise<ClusterStatus> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run(undefined, options, (done) => {
      this.#service.status(timeoutMs, done);
    });
  }

  async administer(
    action: AdminAction,
    options: OperationOptions | undefined,
  ): Promise<AdminResult> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run(undefined, options, (done) => {
      this.#service.administer(action, timeoutMs, done);
    });
  }

  async info(options: OperationOptions | undefined): Promise<NodeInfo> {
    return this.#now(options, () => this.#service.info());
  }

  async readLog(
    from: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<readonly Entry[]> {
    return this.#now(options, () => this.#service.readLog(LogIndex(from), sizeMax));
  }

  async checksumAt(
    index: number,
    options: OperationOptions | undefined,
  ): Promise<{ readonly term: Term; readonly checksum: number } | undefined> {
    return this.#now(options, () => this.#service.checksumAt(LogIndex(index)));
  }

  async snapshots(options: OperationOptions | undefined): Promise<readonly HeldSnapshot[]> {
    return this.#now(options, () => this.#service.snapshots.held());
  }

  async saveSnapshot(options: OperationOptions | undefined): Promise<SavedSnapshot> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run(undefined, options, (done) => {
      this.#service.snapshots.save(timeoutMs, done);
    });
  }

  async readSaved(
    { index }: SavedSnapshot,
    offset: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<Uint8Array> {
    return this.#now(options, () => {
      const bytes = this.#service.snapshots.readSaved(index, offset, sizeMax);
      if (bytes !== undefined) return bytes;
      throw invalid(`no snapshot of entry ${index} is kept here`);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
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

  /** What this node alone knows, at once. */
  async #now<T>(options: OperationOptions | undefined, look: () => T): Promise<T> {
    timeoutMsOf(options);
    const { found } = await this.#run<{ readonly found: T }>(undefined, options, (done) => {
      done(undefined, { found: look() });
    });
    return found;
  }

  /** @param look runs while the store may be looked at */
  async #read<T>(
    look: (store: StoreView) => T,
    options: OperationOptions | undefined,
  ): Promise<At<T>> {
    const timeoutMs = timeoutMsOf(options);
    return this.#run<At<T>>(undefined, options, (done) => {
      this.#service.read(timeoutMs, (error, store) => {
        const at = store && { revision: store.revision, found: look(store) };
        done(error, at);
      });
    });
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
      try {
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
      } catch (error) {
        // The promise is rejected by what is thrown; nothing is under way.
        settle();
        throw error;
      }
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
