/**
 * A call: one request of the remote client from its birth to its one settlement,
 * over as many attempts as it takes.
 *
 * A call that was never handed to a socket, or whose answer proved that nothing
 * was applied, may be tried again. A write that was handed to one is settled by
 * its answer or as OUTCOME_UNKNOWN, and is never sent again.
 */
import { unreachable } from "../assert.js";
import type { ClientRequest, ClientResponse } from "../codec/client-message.js";
import { FOUND_KIND } from "../codec/client-query.js";
import { DatabaseError } from "../errors.js";
import { watchAbort } from "./abort-watch.js";
import type { NativeConnection } from "./native-connection.js";
import { aborted, outcomeUnknown } from "./failures.js";

type Without<T, Key extends string> = T extends unknown ? Omit<T, Key> : never;
/** A request before it has an id and knows how much time is left. */
export type CallRequest = Without<ClientRequest, "id" | "timeoutMs">;
export type Answer = Exclude<ClientResponse, { kind: "failed" | "goodbye" }>;

const ANSWER_KIND = {
  execute: "executed",
  get: "got",
  range: "page",
  status: "statusOf",
  info: "infoOf",
  readLog: "logPage",
  checksumAt: "checksumOf",
  administer: "administered",
  query: "found",
  snapshots: "snapshotsOf",
  saveSnapshot: "savedAs",
  readSaved: "savedPart",
} as const satisfies Record<ClientRequest["kind"], Answer["kind"]>;

/** What the node is given less than what is left, so that its answer is here in time … */
const MARGIN_SHARE = 0.25;
/** … in milliseconds at most. */
const MARGIN_MS_MAX = 250;

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** hex; of a write */
  readonly requestId: string | undefined;
}

export class Call {
  readonly #request: CallRequest;
  readonly #options: CallOptions;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: DatabaseError) => void;
  readonly #unwatch: (() => void) | undefined;
  #settled = false;

  /** by `performance.now` */
  readonly deadline: number;
  /** where it was sent and is not answered yet */
  sentOn: NativeConnection | undefined;
  /** refusals so far that proved nothing was applied */
  refusalCount = 0;
  /** who refused it last */
  refusedBy: NativeConnection | undefined;
  lastRefusal: DatabaseError | undefined;
  /** not to be tried again earlier than this, by `performance.now` */
  notBefore = 0;

  constructor(
    request: CallRequest,
    options: CallOptions,
    now: number,
    settle: {
      readonly resolve: (answer: Answer) => void;
      readonly reject: (error: DatabaseError) => void;
      /** its signal gave it up; it is settled */
      readonly onAbort: (call: Call) => void;
    },
  ) {
    this.#request = request;
    this.#options = options;
    this.deadline = now + options.timeoutMs;
    this.#resolve = settle.resolve;
    this.#reject = settle.reject;
    const { signal } = options;
    if (signal === undefined) return;
    this.#unwatch = watchAbort(signal, () => {
      this.reject(this.#abortedError(signal));
      settle.onAbort(this);
    });
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** whether it may change something */
  get isWrite(): boolean {
    return this.#request.kind === "execute" || this.#request.kind === "administer";
  }

  /** The message of an attempt made now. */
  message(id: number, now: number): ClientRequest {
    const leftMs = this.deadline - now;
    const marginMs = Math.min(MARGIN_MS_MAX, leftMs * MARGIN_SHARE);
    const timeoutMs = Math.max(1, Math.ceil(leftMs - marginMs));
    const request = this.#request;
    switch (request.kind) {
      case "execute":
        return { kind: "execute", id, timeoutMs, answer: request.answer, request: request.request };
      case "get":
        return { kind: "get", id, timeoutMs, key: request.key };
      case "range":
      case "status":
      case "administer":
      case "query":
      case "saveSnapshot":
        return { ...request, id, timeoutMs };
      case "info":
      case "readLog":
      case "checksumAt":
      case "snapshots":
      case "readSaved":
        return { ...request, id };
      default:
        return unreachable(request);
    }
  }

  /** Whether an answer of this kind can be this call's. */
  fits(answer: Answer): boolean {
    const request = this.#request;
    if (request.kind === "execute" && request.answer === "whole") return answer.kind === "answered";
    if (request.kind === "query") {
      return answer.kind === "found" && answer.found.kind === FOUND_KIND[request.query.kind];
    }
    return ANSWER_KIND[request.kind] === answer.kind;
  }

  /** Settles the call; only the first time counts. */
  resolve(answer: Answer): void {
    if (this.#settle()) this.#resolve(answer);
  }

  /** Settles the call; only the first time counts. */
  reject(error: DatabaseError): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Its connection broke after it was sent. For a write; a read is tried again. */
  rejectUnknown(reason: string, cause?: unknown): void {
    this.reject(outcomeUnknown(this.#options.requestId, reason, cause));
  }

  /** The time is up. @param unsent the error when it is not on its way */
  expire(unsent: () => DatabaseError): void {
    const within = `no answer within ${this.#options.timeoutMs} ms`;
    if (this.sentOn === undefined) this.reject(unsent());
    else if (this.isWrite) this.rejectUnknown(`${within} from ${this.sentOn.endpoint.text}`);
    // Why a read was refused before says more than that its repeat is still under way.
    else if (this.lastRefusal !== undefined) this.reject(this.lastRefusal);
    else this.reject(new DatabaseError("TIMEOUT", `${within} from ${this.sentOn.endpoint.text}`));
  }

  #abortedError(signal: AbortSignal): DatabaseError {
    if (!this.isWrite || this.sentOn === undefined) return aborted(signal);
    const reason = "aborted by its signal after it was sent";
    return outcomeUnknown(this.#options.requestId, reason, signal.reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#unwatch?.();
    return true;
  }
}
