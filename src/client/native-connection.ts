/**
 * One connection of the remote client to one node: preamble, handshake, frames.
 *
 * It starts with an `info` request. Its answer proves that the peer speaks the
 * protocol, so nothing of the user's is sent before it came. Answers come in any
 * order and are matched by id; an answer that was not asked for ends the
 * connection. It never throws at its owner and emits nothing: it tells it.
 *
 * No timer here: the owner asks `check` now and then. A peer that is silent while
 * it owes answers is probed with another `info`; when that is not answered either
 * it is taken for dead (a stopped process, a cut cable).
 */
import { connect, type Socket } from "node:net";
import { assert } from "../assert.js";
import {
  CLIENT_PREAMBLE,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientResponse,
} from "../codec/client-message.js";
import { encodeClientRequestFrame } from "../codec/client-request.js";
import { decodeClientResponse } from "../codec/client-response.js";
import { FrameReader } from "../codec/frame.js";
import { DatabaseError } from "../errors.js";
import type { Call } from "./call.js";
import type { Endpoint } from "./endpoint.js";

/** The owner's side of a connection. */
export interface NativeConnectionOwner {
  /** The peer proved to speak the protocol: calls may be sent. */
  onReady(connection: NativeConnection): void;
  /** The answer to a call that was sent. @returns whether it is one that the call can have */
  onAnswer(
    connection: NativeConnection,
    call: Call,
    response: Exclude<ClientResponse, { kind: "goodbye" }>,
  ): boolean;
  /** The node is going down: it still answers what it was sent, and is to be sent nothing more. */
  onGoodbye(connection: NativeConnection): void;
  /** Gone, or never come about; told once, last. Calls in `sent` have no answer. */
  onClosed(connection: NativeConnection, error: DatabaseError): void;
}

/** Requests in flight on one connection; fewer than a node allows. */
const IN_FLIGHT_MAX = 2048;
const IN_FLIGHT_MIN = 8;
/** Bytes of requests in flight; fewer than a node allows. */
const IN_FLIGHT_SIZE_MAX = 16 * 1024 * 1024;
/** Bytes of answers to have under way: how many requests that is follows from their mean size. */
const ANSWERS_SIZE_AIM = 8 * 1024 * 1024;
/** Frames up to this many bytes together are copied into one write. */
const JOIN_SIZE_MAX = 256 * 1024;
/** Bytes of a stranger's answer that are shown in the error. */
const SHOWN_SIZE_MAX = 60;

export interface ConnectionTimeouts {
  /** from dialing to the handshake's end; milliseconds */
  readonly connectMs: number;
  /** a silence of a peer that owes answers, before it is probed; and then before it is given up */
  readonly silenceMs: number;
}

/** What a client door says, before any protocol, when it has all the clients it takes (doors/door.ts). */
const DOOR_IS_FULL = "-ERR max number of clients reached";

interface SentCall {
  readonly call: Call;
  /** bytes of its frame */
  readonly size: number;
}

export class NativeConnection {
  readonly endpoint: Endpoint;
  readonly #owner: NativeConnectionOwner;
  readonly #timeouts: ConnectionTimeouts;
  readonly #socket: Socket;
  readonly #frames: FrameReader;
  readonly #sent = new Map<number, SentCall>();
  #sentSize = 0;
  #nextId = 1;
  /** of the `info` that this connection itself has asked for */
  #ownId: number | undefined;
  #ownSince: number;
  #ready = false;
  #closed = false;
  #firstBytes: Buffer | undefined;
  /** Since when nothing has moved; meaningful while the peer owes something. */
  #silentSince: number;
  /** bytes not yet taken by the socket, when last looked */
  #unsentSize = 0;
  #answerSizeMean = 0;

  constructor(endpoint: Endpoint, timeouts: ConnectionTimeouts, owner: NativeConnectionOwner) {
    this.endpoint = endpoint;
    this.#owner = owner;
    this.#timeouts = timeouts;
    this.#silentSince = this.#ownSince = performance.now();
    this.#frames = new FrameReader({
      bodySizeMax: CLIENT_RESPONSE_SIZE_MAX,
      onFrame: (body) => {
        this.#onFrame(body);
      },
    });
    this.#socket = connect({ host: endpoint.host, port: endpoint.port, noDelay: true });
    this.#socket.on("connect", () => {
      this.#socket.write(Buffer.concat([CLIENT_PREAMBLE, this.#ownFrame()]));
    });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#onBytes(chunk);
    });
    // An error tells the reason before "close"; an end without one is the peer's doing.
    this.#socket.on("error", (error) => {
      this.#fail(
        new DatabaseError("UNAVAILABLE", `${endpoint.text}: ${reasonOf(error)}`, { cause: error }),
      );
    });
    this.#socket.on("close", () => {
      const when = this.#ready ? "" : " before it answered (is it the client address of a node?)";
      this.#fail(
        new DatabaseError("UNAVAILABLE", `${endpoint.text}: closed the connection${when}`),
      );
    });
  }

  /** whether calls may be sent */
  get ready(): boolean {
    return this.#ready && !this.#closed && this.#socket.writable;
  }

  /** calls that were sent and have no answer, given up or not */
  get sentCount(): number {
    return this.#sent.size;
  }

  /** Calls that were sent and have no answer. */
  *sentCalls(): IterableIterator<Call> {
    for (const { call } of this.#sent.values()) yield call;
  }

  /** Whether one more call may be sent now. */
  get hasRoom(): boolean {
    const countMax = Math.max(IN_FLIGHT_MIN, ANSWERS_SIZE_AIM / Math.max(1, this.#answerSizeMean));
    return (
      this.#sent.size < Math.min(IN_FLIGHT_MAX, countMax) && this.#sentSize < IN_FLIGHT_SIZE_MAX
    );
  }

  /** Sends calls in one write, for as long as there is room. @param next the next call, or undefined */
  send(now: number, next: () => Call | undefined): void {
    assert(this.ready, "only a connection that is ready sends");
    const frames: Buffer[] = [];
    let size = 0;
    if (this.#sent.size === 0) this.#silentSince = now;
    while (this.hasRoom) {
      const call = next();
      if (call === undefined) break;
      const id = this.#takeId();
      const frame = encodeClientRequestFrame(call.message(id, now));
      this.#sent.set(id, { call, size: frame.length });
      this.#sentSize += frame.length;
      frames.push(frame);
      size += frame.length;
    }
    if (size <= JOIN_SIZE_MAX) {
      if (size > 0)
        this.#socket.write(frames.length === 1 ? (frames[0] ?? "") : Buffer.concat(frames, size));
      return;
    }
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  /** Looks after the peer. @returns when to look again at the latest; Infinity while nothing is owed */
  check(now: number): number {
    if (this.#closed) return Infinity;
    const { connectMs, silenceMs } = this.#timeouts;
    const unsentSize = this.#socket.writableLength;
    if (unsentSize < this.#unsentSize) this.#onMoved(now);
    this.#unsentSize = unsentSize;
    if (this.#ownId !== undefined || !this.#ready) {
      const waitMs = this.#ready ? silenceMs : connectMs;
      if (now < this.#ownSince + waitMs) return this.#ownSince + waitMs;
      const what = this.#ready ? "no longer answers" : "does not answer";
      const message = `${this.endpoint.text}: ${what} (waited ${waitMs} ms)`;
      this.#fail(new DatabaseError("UNAVAILABLE", message));
      return Infinity;
    }
    if (this.#sent.size === 0) return Infinity;
    if (now < this.#silentSince + silenceMs) return this.#silentSince + silenceMs;
    this.#ownSince = now;
    this.#socket.write(this.#ownFrame());
    return now + silenceMs;
  }

  /** Closes at once. The owner is told in the same way as of any other end. */
  close(error: DatabaseError): void {
    this.#fail(error);
  }

  /** When the socket is gone from this process. */
  async gone(): Promise<void> {
    if (this.#socket.closed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once("close", () => {
        resolve();
      });
    });
  }

  /** The peer lives: it took bytes or sent some. A handshake gets no more time for that. */
  #onMoved(now: number): void {
    this.#silentSince = now;
    if (this.#ready) this.#ownSince = now;
  }

  #ownFrame(): Buffer {
    this.#ownId = this.#takeId();
    return encodeClientRequestFrame({ kind: "info", id: this.#ownId });
  }

  #takeId(): number {
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  #onBytes(chunk: Buffer): void {
    if (this.#closed) return;
    this.#firstBytes ??= Buffer.from(chunk.subarray(0, SHOWN_SIZE_MAX));
    this.#onMoved(performance.now());
    try {
      this.#frames.push(chunk);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.#fail(this.#ready ? this.#violation(error.message) : this.#stranger(error));
    }
  }

  #onFrame(body: Buffer): void {
    const response = decodeClientResponse(body);
    if (response.kind === "goodbye") {
      this.#owner.onGoodbye(this);
      return;
    }
    if (response.kind === "failed" && response.id === 0) {
      this.#fail(new DatabaseError("PROTOCOL", `${this.endpoint.text}: ${response.message}`));
      return;
    }
    if (response.id === this.#ownId) {
      this.#ownId = undefined;
      if (!this.#ready) this.#onHandshake(response);
      return;
    }
    const sent = this.#sent.get(response.id);
    if (sent === undefined) throw this.#violation("an answer that nobody asked for");
    this.#sent.delete(response.id);
    this.#sentSize -= sent.size;
    if (response.kind !== "failed")
      this.#answerSizeMean += (body.length - this.#answerSizeMean) / 8;
    if (!this.#owner.onAnswer(this, sent.call, response))
      throw this.#violation(`an answer of the wrong kind, ${response.kind}`);
  }

  #onHandshake(response: ClientResponse): void {
    if (response.kind === "failed") {
      this.#fail(new DatabaseError("UNAVAILABLE", `${this.endpoint.text}: ${response.message}`));
      return;
    }
    if (response.kind !== "infoOf") throw this.#violation(`it answered info with ${response.kind}`);
    this.#ready = true;
    this.#owner.onReady(this);
  }

  #violation(what: string): DatabaseError {
    return new DatabaseError("PROTOCOL", `${this.endpoint.text} breaks the protocol: ${what}`);
  }

  #stranger(cause: DatabaseError): DatabaseError {
    const said = this.#firstBytes?.toString("latin1") ?? "";
    const text = JSON.stringify(said);
    if (said.startsWith(DOOR_IS_FULL))
      return new DatabaseError("UNAVAILABLE", `${this.endpoint.text}: it answered ${text}`);
    return new DatabaseError(
      "PROTOCOL",
      `${this.endpoint.text} does not speak the native client protocol: it answered ${text}. Is it the client address of a node?`,
      { cause },
    );
  }

  #fail(error: DatabaseError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#frames.stop();
    this.#socket.destroy();
    this.#owner.onClosed(this, error);
  }
}

/** Node's errors for several addresses at once have no message of their own. */
function reasonOf(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : error.message;
}
