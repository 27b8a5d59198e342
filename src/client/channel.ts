/**
 * The remote client's way to the cluster: calls go in, and each is settled once.
 *
 * One connection at a time, dialed when a call wants it and kept; endpoints in
 * turn. Calls wait here until they are handed to a socket, all that came in one
 * turn of the loop in one write. What the nodes refuse with proof that nothing was
 * applied, and reads that were cut off, are tried again until their deadline,
 * after a short rest of growing, random length. A node that refuses the same call
 * twice is left for the next one; calls it still owes an answer keep waiting for it.
 *
 *   waiting --send--> sent --answer--> settled
 *      ^                | refused
 *      +--- resting <---+                    deadline, signal, close settle from anywhere
 *
 * One timer looks after deadlines, rests, dialing and silent peers.
 */
import { assert } from "../assert.js";
import type { ClientResponse } from "../codec/client-message.js";
import { DatabaseError, type ErrorCode } from "../errors.js";
import { type Answer, Call, type CallOptions, type CallRequest } from "./call.js";
import type { Endpoint } from "./endpoint.js";
import {
  type ConnectionTimeouts,
  NativeConnection,
  type NativeConnectionOwner,
} from "./native-connection.js";
import { aborted, closed } from "./failures.js";

/** Refusals that prove that nothing was applied and may be different the next time. */
const TRY_AGAIN: ReadonlySet<ErrorCode> = new Set([
  "NO_LEADER",
  "BUSY",
  "UNAVAILABLE",
  "DISK_FULL",
]);
/** Refusals that another node might not give. */
const TRY_ELSEWHERE: ReadonlySet<ErrorCode> = new Set(["NO_LEADER", "UNAVAILABLE", "DISK_FULL"]);

const REST_MS_MIN = 20;
const REST_MS_MAX = 250;
/**
 * A refused write is not sent again with less than this left: a node that finds no
 * leader says so when its share of the time is up, and that must still arrive, or
 * the outcome would be unknown for nothing.
 */
const RETRY_LEFT_MS_MIN = 400;
/** The timer's grain: what falls due within it is done together. */
const ALARM_GRAIN_MS = 2;

export interface ChannelTimeouts extends ConnectionTimeouts {
  /** how long calls wait while no endpoint can be reached; Infinity: until their deadlines */
  readonly unreachableMs: number;
}

export class Channel implements NativeConnectionOwner {
  readonly #endpoints: readonly Endpoint[];
  readonly #timeouts: ChannelTimeouts;
  /** every call that is not settled */
  readonly #calls = new Set<Call>();
  /** to be sent as soon as a connection has room, in this order */
  readonly #waiting = new Set<Call>();
  /** refused; to be tried again later */
  readonly #resting = new Set<Call>();
  #connection: NativeConnection | undefined;
  /** to take the place of the connection as soon as it is ready */
  #successor: NativeConnection | undefined;
  /** left for another node, but still owing answers */
  readonly #leaving = new Set<NativeConnection>();
  /** of the endpoint to dial next */
  #endpointIndex = 0;
  /** attempts to connect that failed, since the last that did not */
  #failureCount = 0;
  readonly #lastFailures = new Map<Endpoint, DatabaseError>();
  #dialNotBefore = 0;
  /** when the first attempt of the present row of failures was over; undefined while there is none */
  #unreachableSince: number | undefined;
  #sendScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #alarmAt = Infinity;
  #closed = false;

  /** @param endpoints at least one */
  constructor(endpoints: readonly Endpoint[], timeouts: ChannelTimeouts) {
    assert(endpoints.length > 0, "a channel has an endpoint");
    this.#endpoints = endpoints;
    this.#timeouts = timeouts;
  }

  call(request: CallRequest, options: CallOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(closed());
        return;
      }
      if (options.signal?.aborted === true) {
        reject(aborted(options.signal));
        return;
      }
      const call = new Call(request, options, performance.now(), {
        resolve,
        reject,
        onAbort: (aborted) => {
          this.#forget(aborted);
        },
      });
      this.#calls.add(call);
      this.#waiting.add(call);
      this.#wakeAt(call.deadline);
      this.#sendSoon();
    });
  }

  /** Where calls go now; undefined while there is no connection that is ready. */
  get endpoint(): Endpoint | undefined {
    return this.#connection?.ready === true ? this.#connection.endpoint : undefined;
  }

  /** Moves to another of its endpoints, once that answers; until then, and if it does not, nothing changes. */
  prefer(endpoint: Endpoint): void {
    if (this.#closed || this.#successor !== undefined || this.endpoint === endpoint) return;
    assert(this.#endpoints.includes(endpoint), "a channel stays with its endpoints");
    this.#successor = new NativeConnection(endpoint, this.#timeouts, this);
    this.#wakeAt(this.#successor.check(performance.now()));
  }

  /** Settles every call, closes every connection. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const connections = [...this.#leaving];
    if (this.#connection !== undefined) connections.push(this.#connection);
    if (this.#successor !== undefined) connections.push(this.#successor);
    const error = closed();
    for (const connection of connections) connection.close(error);
    for (const call of this.#calls) call.reject(error);
    this.#calls.clear();
    this.#waiting.clear();
    this.#resting.clear();
    await Promise.all(connections.map((connection) => connection.gone()));
  }

  onReady(connection: NativeConnection): void {
    if (connection === this.#successor) this.#succeed(connection);
    this.#failureCount = 0;
    this.#unreachableSince = undefined;
    this.#lastFailures.delete(connection.endpoint);
    this.#sendSoon();
  }

  onAnswer(
    connection: NativeConnection,
    call: Call,
    response: Exclude<ClientResponse, { kind: "goodbye" }>,
  ): boolean {
    if (response.kind === "failed") {
      if (!call.settled) this.#onFailed(connection, call, response);
    } else {
      // Of a wrong kind: the call stays sent, and the end of the connection settles it.
      if (!call.fits(response)) {
        this.#onCutOff(call, new DatabaseError("PROTOCOL", "the answer is of a wrong kind"));
        return false;
      }
      call.resolve(response);
      this.#calls.delete(call);
    }
    if (this.#waiting.size > 0) this.#sendSoon();
    this.#dropIfLeft(connection);
    return true;
  }

  #succeed(connection: NativeConnection): void {
    const before = this.#connection;
    this.#successor = undefined;
    this.#connection = connection;
    this.#endpointIndex = this.#endpoints.indexOf(connection.endpoint);
    if (before === undefined) return;
    this.#leaving.add(before);
    this.#dropIfLeft(before);
  }

  onGoodbye(connection: NativeConnection): void {
    if (connection === this.#connection) this.#moveOn(connection);
    this.#sendSoon();
  }

  onClosed(connection: NativeConnection, error: DatabaseError): void {
    for (const call of connection.sentCalls()) this.#onCutOff(call, error);
    this.#leaving.delete(connection);
    if (connection === this.#successor) this.#successor = undefined;
    if (connection !== this.#connection) {
      // Left already: what it owed goes to the one that took its place.
      if (this.#waiting.size > 0) this.#sendSoon();
      return;
    }
    this.#connection = undefined;
    if (this.#closed) return;
    this.#lastFailures.set(connection.endpoint, error);
    this.#failureCount += 1;
    this.#unreachableSince ??= performance.now();
    this.#endpointIndex = (this.#endpointIndex + 1) % this.#endpoints.length;
    if (this.#failureCount % this.#endpoints.length === 0) this.#onRoundFailed();
    this.#sendSoon();
  }

  /** Every endpoint was tried in vain. */
  #onRoundFailed(): void {
    const round = this.#failureCount / this.#endpoints.length;
    this.#dialNotBefore = performance.now() + restMs(round);
    const failures = this.#endpoints.map((endpoint) => this.#lastFailures.get(endpoint));
    if (failures.every((failure) => failure?.code === "PROTOCOL")) {
      // Nobody there speaks the protocol, and waiting will not teach them.
      this.#rejectWaiting(new DatabaseError("PROTOCOL", this.#failuresText()));
      return;
    }
    const since = this.#unreachableSince ?? Infinity;
    if (performance.now() - since < this.#timeouts.unreachableMs) return;
    this.#rejectWaiting(new DatabaseError("UNAVAILABLE", this.#failuresText()));
  }

  /** Calls that nobody was sent. */
  #rejectWaiting(error: DatabaseError): void {
    for (const call of this.#waiting) this.#reject(call, call.lastRefusal ?? error);
  }

  #onFailed(
    connection: NativeConnection,
    call: Call,
    failed: Extract<ClientResponse, { kind: "failed" }>,
  ): void {
    const { code, message, outcome, revisions } = failed;
    const requestId = failed.requestId === "" ? undefined : failed.requestId;
    const error = new DatabaseError(code, message, { outcome, requestId, revisions });
    call.sentOn = undefined;
    if (outcome !== "not-applied" || !TRY_AGAIN.has(code)) {
      this.#reject(call, error);
      return;
    }
    if (TRY_ELSEWHERE.has(code) && call.refusedBy === connection) this.#leave(connection);
    call.refusalCount += 1;
    call.refusedBy = connection;
    call.lastRefusal = error;
    const now = performance.now();
    call.notBefore = now + restMs(call.refusalCount);
    if (call.isWrite && call.notBefore + RETRY_LEFT_MS_MIN >= call.deadline) {
      this.#reject(call, error);
      return;
    }
    this.#resting.add(call);
    this.#wakeAt(call.notBefore);
  }

  /** The connection on which `call` was sent has gone without an answer. */
  #onCutOff(call: Call, error: DatabaseError): void {
    if (call.settled) return;
    if (call.isWrite) {
      call.rejectUnknown(`cut off after it was sent: ${error.message}`, error);
      this.#calls.delete(call);
    } else if (this.#closed) {
      this.#reject(call, error);
    } else {
      call.sentOn = undefined;
      this.#waiting.add(call);
    }
  }

  /** Looks for another node; this one may still answer what it was sent. */
  #leave(connection: NativeConnection): void {
    if (connection !== this.#connection || this.#endpoints.length === 1) return;
    this.#moveOn(connection);
  }

  #moveOn(connection: NativeConnection): void {
    this.#connection = undefined;
    this.#leaving.add(connection);
    this.#endpointIndex = (this.#endpointIndex + 1) % this.#endpoints.length;
    this.#dropIfLeft(connection);
  }

  #dropIfLeft(connection: NativeConnection): void {
    if (!this.#leaving.has(connection) || connection.sentCount > 0) return;
    connection.close(new DatabaseError("UNAVAILABLE", "left for another node"));
  }

  #reject(call: Call, error: DatabaseError): void {
    call.reject(error);
    this.#forget(call);
  }

  /** A settled call has no place here any more. Its connection still awaits the answer, to keep count. */
  #forget(call: Call): void {
    this.#calls.delete(call);
    this.#waiting.delete(call);
    this.#resting.delete(call);
  }

  /** Once a turn, behind everything that the user's code does in it. */
  #sendSoon(): void {
    if (this.#sendScheduled || this.#closed) return;
    this.#sendScheduled = true;
    process.nextTick(() => {
      this.#sendScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#closed || this.#waiting.size === 0) return;
    const now = performance.now();
    const connection = this.#connection ?? this.#tryDial(now);
    if (connection?.ready !== true) return;
    connection.send(now, () => {
      const [call] = this.#waiting;
      if (call === undefined) return undefined;
      this.#waiting.delete(call);
      call.sentOn = connection;
      return call;
    });
    this.#wakeAt(connection.check(now));
  }

  #tryDial(now: number): NativeConnection | undefined {
    if (now < this.#dialNotBefore) {
      this.#wakeAt(this.#dialNotBefore);
      return undefined;
    }
    const endpoint = this.#endpoints[this.#endpointIndex];
    if (endpoint === undefined) return undefined;
    this.#connection = new NativeConnection(endpoint, this.#timeouts, this);
    this.#wakeAt(this.#connection.check(now));
    return this.#connection;
  }

  /** Has `#onAlarm` called at `at` or earlier. */
  #wakeAt(at: number): void {
    if (at >= this.#alarmAt || this.#closed) return;
    this.#alarmAt = at;
    clearTimeout(this.#timer);
    const inMs = Math.max(ALARM_GRAIN_MS, Math.ceil(at - performance.now()));
    this.#timer = setTimeout(() => {
      // Behind the sockets: what has arrived while this process was busy counts as arrived.
      setImmediate(() => {
        this.#onAlarm();
      });
    }, inMs);
  }

  #onAlarm(): void {
    if (this.#closed) return;
    this.#alarmAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const connection of [this.#connection, this.#successor, ...this.#leaving])
      if (connection !== undefined) next = Math.min(next, connection.check(now));
    for (const call of this.#calls) {
      if (call.deadline <= now) {
        call.expire(() => this.#unsentError(call));
        this.#forget(call);
      } else {
        next = Math.min(next, call.deadline);
      }
    }
    for (const call of this.#resting) {
      if (call.notBefore > now) {
        next = Math.min(next, call.notBefore);
      } else {
        this.#resting.delete(call);
        this.#waiting.add(call);
      }
    }
    if (next < Infinity) this.#wakeAt(next);
    this.#sendSoon();
  }

  /** Why a call has not been sent until its deadline. */
  #unsentError(call: Call): DatabaseError {
    if (call.lastRefusal !== undefined) return call.lastRefusal;
    if (this.#connection?.ready === true)
      return new DatabaseError("TIMEOUT", "the deadline passed before the request was sent");
    const text =
      this.#lastFailures.size === 0 ? "no endpoint has answered yet" : this.#failuresText();
    return new DatabaseError("UNAVAILABLE", text);
  }

  #failuresText(): string {
    const failures = [...this.#lastFailures.values()].map(({ message }) => message);
    return `no node could be reached: ${failures.join("; ")}`;
  }
}

/** How long to rest before the attempt after the `count`-th failure: growing, half of it random. */
function restMs(count: number): number {
  const full = Math.min(REST_MS_MAX, REST_MS_MIN * 2 ** Math.min(count, 10));
  return (full / 2) * (1 + Math.random());
}
