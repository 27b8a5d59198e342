/**
 * Incoming: one connection that a peer dialed. Its first frame must be an
 * introduction that fits; every later one is a message of that peer.
 *
 * Hostile until introduced, and bounded ever after: a violation closes this one
 * connection and touches nothing else.
 */
import type net from "node:net";
import { DatabaseError } from "../errors.js";
import { encodeFrame, FrameReader } from "../codec/frame.js";
import {
  decodeHello,
  decodePeerMessage,
  encodeWelcome,
  HANDSHAKE_SIZE_MAX,
  type Hello,
  type PeerMessage,
  type Welcome,
} from "../codec/peer-message.js";

/** Bytes of a frame: the largest append and what is around it. */
const MESSAGE_SIZE_MAX = 24 * 1024 * 1024;
/** Nothing in it: only a sign of life for the dialer. */
const SIGN_OF_LIFE = encodeFrame(new Uint8Array(0));

export interface IncomingOptions {
  readonly socket: net.Socket;
  readonly handshakeMs: number;
  /** Judges an introduction. */
  readonly onHello: (hello: Hello) => Welcome;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onNotice: (notice: string) => void;
  readonly onClose: (incoming: Incoming) => void;
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #socket: net.Socket;
  readonly #reader: FrameReader;
  readonly #handshakeTimer: NodeJS.Timeout;
  #hello: Hello | undefined;
  #closed = false;
  /** size of the unfinished frame at the last look */
  #pendingAtLook = 0;
  #idleLooks = 0;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#reader = new FrameReader({
      bodySizeMax: HANDSHAKE_SIZE_MAX,
      onFrame: (body) => {
        this.#onFrame(body);
      },
    });
    this.#handshakeTimer = setTimeout(() => {
      this.#violated(`no introduction within ${options.handshakeMs} ms`);
    }, options.handshakeMs);
    this.#socket.on("data", (chunk) => {
      this.#onData(chunk);
    });
    this.#socket.on("error", () => {
      // "close" follows; the dialer knows why and dials again
    });
    this.#socket.on("close", () => {
      this.#onClose();
    });
  }

  /** Who introduced itself; undefined before. */
  get hello(): Hello | undefined {
    return this.#hello;
  }

  /** Called at even intervals: tells the dialer that we live, and ends a frame that does not grow. */
  look(idleLooksMax: number): void {
    if (this.#hello !== undefined) this.#socket.write(SIGN_OF_LIFE);
    const pending = this.#reader.pendingSize;
    this.#idleLooks = pending > 0 && pending === this.#pendingAtLook ? this.#idleLooks + 1 : 0;
    this.#pendingAtLook = pending;
    if (this.#idleLooks >= idleLooksMax) this.#violated("a frame that does not go on");
  }

  close(): void {
    if (this.#closed) return;
    this.#socket.destroy();
    this.#onClose();
  }

  #onData(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      // An assertion is our mistake, wherever it was made; what the peer did wrong is its own affair.
      if (!(error instanceof DatabaseError) || error.code !== "PROTOCOL") throw error;
      this.#violated(error.message);
    }
  }

  #onFrame(body: Buffer): void {
    if (this.#closed) return;
    if (this.#hello === undefined) {
      this.#introduce(decodeHello(body));
      return;
    }
    const message = decodePeerMessage(body);
    if (message.from !== this.#hello.nodeId) {
      throw new DatabaseError(
        "PROTOCOL",
        `a message in the name of ${message.from} on a connection of ${this.#hello.nodeId}`,
      );
    }
    this.#options.onMessage(message);
  }

  #introduce(hello: Hello): void {
    clearTimeout(this.#handshakeTimer);
    const welcome = this.#options.onHello(hello);
    if (welcome.kind === "refused") {
      this.#options.onNotice(
        `refused ${hello.nodeId} from ${this.#remote} (${welcome.reason}): ${welcome.text}`,
      );
      this.#closed = true;
      this.#socket.end(encodeFrame(encodeWelcome(welcome)));
      this.#options.onClose(this);
      return;
    }
    this.#hello = hello;
    this.#reader.bodySizeMax = MESSAGE_SIZE_MAX;
    this.#socket.write(encodeFrame(encodeWelcome(welcome)));
  }

  get #remote(): string {
    return `${this.#socket.remoteAddress ?? "?"}:${this.#socket.remotePort ?? 0}`;
  }

  #violated(what: string): void {
    if (this.#closed) return;
    const who = this.#hello === undefined ? "a stranger" : this.#hello.nodeId;
    this.#options.onNotice(`closed the connection of ${who} from ${this.#remote}: ${what}`);
    this.close();
  }

  #onClose(): void {
    clearTimeout(this.#handshakeTimer);
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClose(this);
  }
}
