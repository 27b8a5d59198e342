/**
 * Lane: one outgoing connection to one peer: dial, introduce, then send.
 *
 * A connection carries messages only from the dialer to the listener. The other
 * way comes the answer to the introduction, and then a sign of life every now and
 * then, so that a connection whose other end is gone without a word is noticed.
 */
import net from "node:net";
import {
  decodeWelcome,
  encodeHello,
  HANDSHAKE_SIZE_MAX,
  type Hello,
  type Welcome,
} from "../codec/peer-message.js";
import { encodeFrame, FrameReader } from "../codec/frame.js";
import type { Address } from "./address.js";

export interface LaneEvents {
  /** The peer accepted the introduction. */
  onOpen(welcome: Extract<Welcome, { kind: "welcome" }>): void;
  /** The peer does not want us, and says why. */
  onRefused(refusal: Extract<Welcome, { kind: "refused" }>): void;
  /** The connection is over, or never came about. Called once, last. */
  onClose(reason: string): void;
}

export interface LaneOptions {
  readonly address: Address;
  readonly hello: Hello;
  /** bytes waiting here and in the socket beyond which messages are dropped */
  readonly queueSizeMax: number;
  readonly handshakeMs: number;
  readonly events: LaneEvents;
}

export class Lane {
  readonly #options: LaneOptions;
  readonly #socket: net.Socket;
  readonly #reader: FrameReader;
  readonly #handshakeTimer: NodeJS.Timeout;
  #state: "shaking hands" | "open" | "closed" = "shaking hands";
  #queue: Buffer[] = [];
  #queuedSize = 0;
  #droppedCount = 0;
  #closeReason = "the connection was closed";
  /** something was heard since the last look */
  #heard = false;
  #silentLooks = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#reader = new FrameReader({
      bodySizeMax: HANDSHAKE_SIZE_MAX,
      onFrame: (body) => {
        this.#onFrame(body);
      },
    });
    this.#handshakeTimer = setTimeout(() => {
      this.close(`no answer within ${options.handshakeMs} ms`);
    }, options.handshakeMs);
    this.#socket = net.connect({ ...options.address, noDelay: true });
    this.#socket.on("connect", () => {
      this.#socket.write(encodeFrame(encodeHello(options.hello)));
    });
    this.#socket.on("data", (chunk) => {
      this.#onData(chunk);
    });
    this.#socket.on("error", (error) => {
      this.#closeReason = error.message;
    });
    this.#socket.on("close", () => {
      this.#onClose();
    });
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** Queues a message's body until `flush`; drops it when too much waits. */
  send(body: Buffer): void {
    const waiting = this.#queuedSize + this.#socket.writableLength;
    if (this.#state !== "open" || waiting > this.#options.queueSizeMax) {
      this.#droppedCount += 1;
      return;
    }
    const frame = encodeFrame(body);
    this.#queue.push(frame);
    this.#queuedSize += frame.length;
  }

  /** All that was queued, in one write. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const frames = this.#queue;
    this.#queue = [];
    this.#queuedSize = 0;
    if (this.#state !== "open") return;
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  /** Called at even intervals: after `silentLooksMax` of them without a sign of life the lane closes. */
  look(silentLooksMax: number): void {
    if (this.#state !== "open") return;
    this.#silentLooks = this.#heard ? 0 : this.#silentLooks + 1;
    this.#heard = false;
    if (this.#silentLooks >= silentLooksMax) this.close("no sign of life");
  }

  close(reason: string): void {
    if (this.#state === "closed") return;
    this.#closeReason = reason;
    this.#socket.destroy();
    this.#onClose();
  }

  #onData(chunk: Buffer): void {
    this.#heard = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  #onFrame(body: Buffer): void {
    if (this.#state !== "shaking hands") return; // a sign of life
    const welcome = decodeWelcome(body);
    clearTimeout(this.#handshakeTimer);
    if (welcome.kind === "refused") {
      this.#options.events.onRefused(welcome);
      this.close(`refused: ${welcome.text}`);
      return;
    }
    if (welcome.nodeId !== this.#options.hello.expectedNodeId) {
      this.close(`${welcome.nodeId} answered instead of ${this.#options.hello.expectedNodeId}`);
      return;
    }
    this.#state = "open";
    this.#options.events.onOpen(welcome);
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#handshakeTimer);
    this.#queue = [];
    this.#queuedSize = 0;
    this.#options.events.onClose(this.#closeReason);
  }
}
