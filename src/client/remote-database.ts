/**
 * The Database of a cluster behind a socket, over the native client protocol.
 *
 * Connects when first used. Every write carries a request id of its own; when its
 * outcome is unknown, the error tells it. The limits of keys and values are the
 * node's: what exceeds them is refused there.
 */
import { assert } from "../assert.js";
import type { AdminAction } from "../codec/admin-action.js";
import { type AnswerDetail, CLIENT_REQUEST_SIZE_MAX } from "../codec/client-message.js";
import { FOUND_KIND, type FoundFor, type Query } from "../codec/client-query.js";
import type { SavedSnapshot } from "../codec/inspection-message.js";
import type { OperationOptions } from "../operations.js";
import type { AdminResult, ClusterStatus, HeldSnapshot, NodeInfo } from "../node/service.js";
import { type Entry, Term } from "../raft/types.js";
import type { KeyValue, Limits, Request, RequestResult } from "../store/command.js";
import { BackedDatabase } from "./backed-database.js";
import type { At, Backend, KeyPage } from "./backend.js";
import type { Answer, CallRequest } from "./call.js";
import { Channel } from "./channel.js";
import { parseEndpoints } from "./endpoint.js";
import { durationOf } from "./expiry.js";
import { LeaderFollower } from "./leader-follower.js";
import { parseClusterStatus, parseNodeInfo, parseSnapshots, readBlocks } from "./inspection.js";
import {
  checkTimeoutMs,
  type KeyRange,
  PAGE_SIZE_MAX,
  TIMEOUT_MS_DEFAULT,
  timeoutMsOf,
} from "./request.js";
import { requestIdOf } from "./request-id.js";
import { ClientSession } from "./session.js";

/** What `connect` gives: the Database, and the cluster's inside. */
export type RemoteDatabase = BackedDatabase;

/** Where a cluster is, and how patient its client is. */
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
  /**
   * Whether reads are spread over all endpoints, which answers them all alike: reads
   * are linearizable on any node. Default true
   */
  readonly balanceReads?: boolean;
  /**
   * Writes that are cut off are sent again, and applied once: each goes through a
   * session of the cluster that knows them by their numbers. Costs the first write a
   * round trip more, and each some bytes of the log. Default false
   */
  readonly exactlyOnce?: boolean | { readonly ttlMs: number };
}

const CONNECT_TIMEOUT_MS_DEFAULT = 1000;
const SILENCE_TIMEOUT_MS_DEFAULT = 2000;
/** After so long without a write a session ends, and the next write opens another. Milliseconds. */
const SESSION_TTL_MS_DEFAULT = 300_000;

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
 *
 * @example
 * import { connect } from "balsa-db";
 * await using database = connect({ endpoints: ["127.0.0.1:14141"], exactlyOnce: true });
 * const { revision } = await database.put("color", "green");
 * assert.equal((await database.get("color"))?.modRevision, revision);
 */
export function connect(options: ConnectOptions | readonly string[]): RemoteDatabase {
  const given = "endpoints" in options ? options : { endpoints: options };
  return new BackedDatabase(new RemoteBackend(given));
}

class RemoteBackend implements Backend {
  readonly limits: Limits = SENDABLE;
  readonly timeoutMs: number;
  /** for all but reads; it looks for the leader */
  readonly #channel: Channel;
  readonly #follower: LeaderFollower;
  /** for reads, each beginning at another endpoint; at least one */
  readonly #readChannels: readonly Channel[];
  #readCount = 0;
  readonly #session: ClientSession | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {DatabaseError} INVALID_ARGUMENT */
  constructor(options: ConnectOptions) {
    const { timeoutMs, connectTimeoutMs, silenceTimeoutMs, unreachableTimeoutMs } = options;
    this.timeoutMs = checkTimeoutMs(timeoutMs ?? TIMEOUT_MS_DEFAULT, "timeoutMs");
    const endpoints = parseEndpoints(options.endpoints);
    const timeouts = {
      connectMs: checkTimeoutMs(connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT, "connectTimeoutMs"),
      silenceMs: checkTimeoutMs(silenceTimeoutMs ?? SILENCE_TIMEOUT_MS_DEFAULT, "silenceTimeoutMs"),
      unreachableMs:
        unreachableTimeoutMs === undefined
          ? Infinity
          : checkTimeoutMs(unreachableTimeoutMs, "unreachableTimeoutMs"),
    };
    this.#channel = new Channel(endpoints, timeouts);
    this.#follower = new LeaderFollower(this.#channel, endpoints, () => this.status(undefined));
    this.#readChannels = [
      this.#channel,
      ...(options.balanceReads === false ? [] : endpoints.slice(1)).map(
        (_, i) => new Channel(rotated(endpoints, i + 1), timeouts),
      ),
    ];
    const { exactlyOnce = false } = options;
    if (exactlyOnce === false) return;
    const ttlMs = exactlyOnce === true ? SESSION_TTL_MS_DEFAULT : exactlyOnce.ttlMs;
    const life = { ttlMs: durationOf(ttlMs, "exactlyOnce.ttlMs"), openTimeoutMs: this.timeoutMs };
    this.#session = new ClientSession(life, (request, leftMs) =>
      this.#send(request, "whole", { timeoutMs: leftMs }),
    );
  }

  async execute(
    request: Request,
    detail: AnswerDetail,
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    this.#follower.onWrite();
    if (this.#session === undefined) return this.#send(request, detail, options);
    const { signal } = options ?? {};
    const deadline = performance.now() + timeoutMsOf(options, this.timeoutMs);
    const send = (marked: Request, timeoutMs: number): Promise<RequestResult> =>
      this.#send(marked, detail, { ...options, timeoutMs });
    return this.#session.execute(request, send, { deadline, signal });
  }

  async #send(
    request: Request,
    detail: AnswerDetail,
    options: OperationOptions | undefined,
  ): Promise<RequestResult> {
    const call = { kind: "execute", answer: detail, request } as const;
    const answer = await this.#call(call, options, requestIdOf(request));
    assert(answer.kind === "executed" || answer.kind === "answered", "an answer fits its request");
    return answer.result;
  }

  async get(
    key: Uint8Array,
    options: OperationOptions | undefined,
  ): Promise<At<KeyValue | undefined>> {
    const answer = await this.#read({ kind: "get", key }, options);
    assert(answer.kind === "got", "an answer fits its request");
    return { revision: answer.revision, found: answer.keyValue };
  }

  async page(
    { from, end }: KeyRange,
    countMax: number,
    options: OperationOptions | undefined,
  ): Promise<At<KeyPage>> {
    const call = { kind: "range", from, end, countMax, sizeMax: PAGE_SIZE_MAX } as const;
    const answer = await this.#read(call, options);
    assert(answer.kind === "page", "an answer fits its request");
    const { revision, keyValues, more } = answer;
    return { revision, found: { keyValues, more } };
  }

  async query<Q extends Query>(
    query: Q,
    options: OperationOptions | undefined,
  ): Promise<At<FoundFor<Q>>> {
    const answer = await this.#read({ kind: "query", query }, options);
    assert(answer.kind === "found", "an answer fits its request");
    const { revision, found } = answer;
    assert(found.kind === FOUND_KIND[query.kind], "what is found fits its question");
    return { revision, found: found as FoundFor<Q> };
  }

  async status(options: OperationOptions | undefined): Promise<ClusterStatus> {
    const answer = await this.#call({ kind: "status" }, options);
    assert(answer.kind === "statusOf", "an answer fits its request");
    return parseClusterStatus(answer.json);
  }

  async administer(
    action: AdminAction,
    options: OperationOptions | undefined,
  ): Promise<AdminResult> {
    const answer = await this.#call({ kind: "administer", action }, options);
    assert(answer.kind === "administered", "an answer fits its request");
    return { index: answer.index };
  }

  async info(options: OperationOptions | undefined): Promise<NodeInfo> {
    const answer = await this.#call({ kind: "info" }, options);
    assert(answer.kind === "infoOf", "an answer fits its request");
    return parseNodeInfo(answer.json);
  }

  async readLog(
    from: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<readonly Entry[]> {
    const answer = await this.#call({ kind: "readLog", from, sizeMax }, options);
    assert(answer.kind === "logPage", "an answer fits its request");
    return readBlocks(answer.blocks, answer.previousChecksum);
  }

  async checksumAt(
    index: number,
    options: OperationOptions | undefined,
  ): Promise<{ readonly term: Term; readonly checksum: number } | undefined> {
    const answer = await this.#call({ kind: "checksumAt", index }, options);
    assert(answer.kind === "checksumOf", "an answer fits its request");
    return answer.held ? { term: Term(answer.term), checksum: answer.checksum } : undefined;
  }

  async snapshots(options: OperationOptions | undefined): Promise<readonly HeldSnapshot[]> {
    const answer = await this.#call({ kind: "snapshots" }, options);
    assert(answer.kind === "snapshotsOf", "an answer fits its request");
    return parseSnapshots(answer.json);
  }

  async saveSnapshot(options: OperationOptions | undefined): Promise<SavedSnapshot> {
    const answer = await this.#call({ kind: "saveSnapshot" }, options);
    assert(answer.kind === "savedAs", "an answer fits its request");
    return answer.saved;
  }

  async readSaved(
    { index }: SavedSnapshot,
    offset: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<Uint8Array> {
    const answer = await this.#call({ kind: "readSaved", index, offset, sizeMax }, options);
    assert(answer.kind === "savedPart", "an answer fits its request");
    return answer.bytes;
  }

  /** Ends at once. What was not sent fails as CLOSED, a write that was sent and has no answer yet as OUTCOME_UNKNOWN. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#readChannels.map((channel) => channel.close()));
  }

  #read(request: CallRequest, options: OperationOptions | undefined): Promise<Answer> {
    const channel = this.#readChannels[this.#readCount % this.#readChannels.length];
    this.#readCount += 1;
    return this.#call(request, options, undefined, channel);
  }

  #call(
    request: CallRequest,
    options: OperationOptions | undefined,
    requestId?: string,
    channel = this.#channel,
  ): Promise<Answer> {
    const timeoutMs = timeoutMsOf(options, this.timeoutMs);
    return channel.call(request, { timeoutMs, signal: options?.signal, requestId });
  }
}

/** The same, beginning at another one. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  return [...items.slice(by), ...items.slice(0, by)];
}
