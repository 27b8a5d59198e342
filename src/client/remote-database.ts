/**
 * The Database of a cluster behind a socket, over the native client protocol.
 *
 * Connects when first used, to one node at a time. Every write carries a request
 * id of its own; when its outcome is unknown, the error tells it. The limits of
 * keys and values are the node's: what exceeds them is refused there.
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
} from "../database.js";
import type { AdminAction } from "../codec/admin-action.js";
import { type AnswerDetail, CLIENT_REQUEST_SIZE_MAX } from "../codec/client-message.js";
import { assert } from "../assert.js";
import type { AdminResult, ClusterStatus, NodeInfo } from "../node/service.js";
import { type Entry, Term } from "../raft/types.js";
import type { Limits, Request, RequestResult } from "../store/command.js";
import { checkRequest } from "../store/limits.js";
import type { Answer, CallRequest } from "./call.js";
import { Channel } from "./channel.js";
import { parseEndpoints } from "./endpoint.js";
import { parseClusterStatus, parseNodeInfo, readBlocks } from "./inspection.js";
import { listPages, type Page } from "./list.js";
import { newRequestId } from "./request-id.js";
import {
  batchRequest,
  batchResultOf,
  checkKey,
  checkRange,
  checkTimeoutMs,
  deleteRangeRequest,
  deleteRequest,
  deleteResultOf,
  invalid,
  keyOf,
  type KeyRange,
  PAGE_SIZE_MAX,
  putRequest,
  putResultOf,
  requestIdOf,
  throwIf,
  TIMEOUT_MS_DEFAULT,
  timeoutMsOf,
} from "./request.js";
import { keyspaceMaker } from "./typed-keyspace.js";

export interface ConnectOptions {
  /** client addresses of nodes, host:port; tried in this order */
  readonly endpoints: readonly string[];
  /** milliseconds that an operation may take unless it says otherwise; default 5000 */
  readonly timeoutMs?: number;
  /** milliseconds for one attempt to connect to one node; default 1000 */
  readonly connectTimeoutMs?: number;
  /**
   * milliseconds that a connected node may owe answers in silence before it is
   * asked for a sign of life, and then before it is given up; default 2000
   */
  readonly silenceTimeoutMs?: number;
  /**
   * milliseconds that operations wait while no endpoint can be reached at all;
   * default: until their own deadline, so that a restarted cluster is waited for
   */
  readonly unreachableTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS_DEFAULT = 1000;
const SILENCE_TIMEOUT_MS_DEFAULT = 2000;

/** What can be sent at all; a node's own limits are lower. */
const SENDABLE_SIZE_MAX = CLIENT_REQUEST_SIZE_MAX - 64 * 1024;
const SENDABLE: Limits = {
  keySizeMax: SENDABLE_SIZE_MAX / 4,
  valueSizeMax: SENDABLE_SIZE_MAX / 2,
  requestSizeMax: SENDABLE_SIZE_MAX,
};

/**
 * A Database of the cluster whose nodes have these client addresses; they may be
 * all that is given. Nothing is sent before the first operation.
 *
 * @throws {DatabaseError} INVALID_ARGUMENT when an endpoint is no address
 */
export function connect(options: ConnectOptions | readonly string[]): RemoteDatabase {
  return new RemoteDatabase("endpoints" in options ? options : { endpoints: options });
}

export class RemoteDatabase implements Database {
  readonly #channel: Channel;
  readonly #timeoutMs: number;
  readonly keyspace: KeyspaceMaker = keyspaceMaker(this);
  #closing: Promise<void> | undefined;

  /** @throws {DatabaseError} INVALID_ARGUMENT */
  constructor(options: ConnectOptions) {
    const { timeoutMs, connectTimeoutMs, silenceTimeoutMs, unreachableTimeoutMs } = options;
    this.#timeoutMs = checkTimeoutMs(timeoutMs ?? TIMEOUT_MS_DEFAULT, "timeoutMs");
    this.#channel = new Channel(parseEndpoints(options.endpoints), {
      connectMs: checkTimeoutMs(connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT, "connectTimeoutMs"),
      silenceMs: checkTimeoutMs(silenceTimeoutMs ?? SILENCE_TIMEOUT_MS_DEFAULT, "silenceTimeoutMs"),
      unreachableMs:
        unreachableTimeoutMs === undefined
          ? Infinity
          : checkTimeoutMs(unreachableTimeoutMs, "unreachableTimeoutMs"),
    });
  }

  async get(key: Bytes, options?: OperationOptions): Promise<KeyRecord | undefined> {
    const bytes = keyOf(key);
    throwIf(checkKey(bytes, SENDABLE));
    const answer = await this.#call({ kind: "get", key: bytes }, options);
    assert(answer.kind === "got", "an answer fits its request");
    return answer.keyValue;
  }

  async put(key: Bytes, value: Bytes, options?: PutOptions): Promise<PutResult> {
    const request = putRequest(newRequestId(), key, value, options?.only);
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

  list(range: Range = {}, options: ListOptions = {}): AsyncIterableIterator<KeyRecord> {
    return listPages(range, options.limit, (keys, countMax) => this.#page(keys, countMax, options));
  }

  async status(options?: OperationOptions): Promise<ClusterStatus> {
    const answer = await this.#call({ kind: "status" }, options);
    assert(answer.kind === "statusOf", "an answer fits its request");
    return parseClusterStatus(answer.json);
  }

  /**
   * Changes members or the leader; resolves when it is done, with the index of the
   * log where it stands. Errors beside the usual: CHANGE_REFUSED.
   */
  async administer(action: AdminAction, options?: OperationOptions): Promise<AdminResult> {
    const answer = await this.#call({ kind: "administer", action }, options);
    assert(answer.kind === "administered", "an answer fits its request");
    return { index: answer.index };
  }

  /** The node that this client is connected to, alone, as it is now. */
  async info(options?: OperationOptions): Promise<NodeInfo> {
    const answer = await this.#call({ kind: "info" }, options);
    assert(answer.kind === "infoOf", "an answer fits its request");
    return parseNodeInfo(answer.json);
  }

  /**
   * Entries of the log of the node that this client is connected to, consecutive
   * from `from`: at least one if it holds it, then as many as fit in `sizeMax`
   * bytes (at most 1 MiB). Each is checked against its predecessor.
   */
  async readLog(
    from: number,
    sizeMax: number = PAGE_SIZE_MAX,
    options?: OperationOptions,
  ): Promise<readonly Entry[]> {
    if (!(Number.isSafeInteger(from) && from >= 1)) throw invalid("a log starts at index 1");
    if (!(Number.isSafeInteger(sizeMax) && sizeMax >= 1)) throw invalid("sizeMax is a size");
    const answer = await this.#call({ kind: "readLog", from, sizeMax }, options);
    assert(answer.kind === "logPage", "an answer fits its request");
    return readBlocks(answer.blocks, answer.previousChecksum);
  }

  /** Checksum and term at `index` of that node's log; undefined when it does not hold it. */
  async checksumAt(
    index: number,
    options?: OperationOptions,
  ): Promise<{ readonly term: Term; readonly checksum: number } | undefined> {
    if (!(Number.isSafeInteger(index) && index >= 0)) throw invalid("a log index is not negative");
    const answer = await this.#call({ kind: "checksumAt", index }, options);
    assert(answer.kind === "checksumOf", "an answer fits its request");
    return answer.held ? { term: Term(answer.term), checksum: answer.checksum } : undefined;
  }

  /**
   * Ends at once. What was not sent fails as CLOSED, a write that was sent and has
   * no answer yet as OUTCOME_UNKNOWN. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#channel.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #execute(
    request: Request,
    detail: AnswerDetail,
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    throwIf(checkRequest(request, SENDABLE));
    const call = { kind: "execute", answer: detail, request } as const;
    const answer = await this.#call(call, options, requestIdOf(request));
    assert(answer.kind === "executed", "an answer fits its request");
    return answer.result;
  }

  async #page(range: KeyRange, countMax: number, options: ListOptions): Promise<Page> {
    throwIf(checkRange(range, SENDABLE));
    const { from, end } = range;
    const call = { kind: "range", from, end, countMax, sizeMax: PAGE_SIZE_MAX } as const;
    const answer = await this.#call(call, options);
    assert(answer.kind === "page", "an answer fits its request");
    return { records: answer.keyValues, more: answer.more };
  }

  #call(
    request: CallRequest,
    options: OperationOptions | undefined,
    requestId?: string,
  ): Promise<Answer> {
    const timeoutMs = timeoutMsOf(options, this.#timeoutMs);
    return this.#channel.call(request, { timeoutMs, signal: options?.signal, requestId });
  }
}
