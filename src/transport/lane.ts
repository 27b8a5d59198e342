/**
 * Lane: one outgoing connection to one peer: dial, introduce, then send.
 *
 * A connection carries messages only from the dialer to the listener. The other
 * way comes the answer to the introduction, and then a sign of life every now and
 * then, so that a connection whose other end is gone without a word is noticed.
 */
import net from "node:net";
import { encodeFrame, FrameReader } from "../codec/frame.js";
import {
  decodeWelcome,
  encodeHello,
  HANDSHAKE_SIZE_MAX,
  type Greeting,
  type Hello,
  type Refusal,
  type Welcome,
} from "../codec/handshake.js";
import type { PeerFrame } from "../codec/replication-message.js";
import type { Address } from "./address.js";
import { protocolFault } from "./protocol-fault.js";

/** Frames of so many bytes together are copied into one buffer: cheaper than a list of them. */
const JOINED_SIZE_MAX = 16 * 1024;

export interface LaneEvents {
  /** The peer accepted the introduction. */
  onOpen(greeting: Greeting): void;
  /** The peer does not want us, and says why. */
  onRefused(refusal: Refusal): void;
  /** The connection is over, or never came about. Called once, last. */
  onClose(reason: string): void;
}

export interface LaneOptions {
  readonly address: Address;
  readonly hello: Hello;
  /** bytes waiting here and in the socket beyond which messages are dropped; one message may cross it */
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
  /** pieces of frames */
  #queue: Uint8Array[] = [];
  #queuedSize = 0;
  #droppedCount = 0;
  #closeReason = "the peer closed the connection";
  /** the answer to our introduction, decoded from the chunk under way */
  #welcome: Welcome | undefined;
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
    this.#socket = net.connect({ noDelay: true, ...options.address });
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

  /** messages dropped because too much waited */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** bytes not yet handed to the system */
  get waitingSize(): number {
    return this.#queuedSize + this.#socket.writableLength;
  }

  /**
   * Queues a message's frame until `flush`, all its pieces; drops it when too much waits.
   * Nobody may write to them any more.
   */
  send({ head, blocks, size }: PeerFrame): void {
    if (this.#state !== "open" || this.waitingSize > this.#options.queueSizeMax) {
      this.#droppedCount += 1;
      return;
    }
    this.#queue.push(head);
    for (const block of blocks) this.#queue.push(block);
    this.#queuedSize += size;
  }

  /** All that was queued, in one write. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const pieces = this.#queue;
    const size = this.#queuedSize;
    this.#queue = [];
    this.#queuedSize = 0;
    if (this.#state !== "open") return;
    const [first] = pieces;
    if (pieces.length === 1 && first !== undefined) {
      this.#socket.write(first);
    } else if (size <= JOINED_SIZE_MAX) {
      this.#socket.write(Buffer.concat(pieces, size));
    } else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    }
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
    if (this.#state === "closed") return;
    this.#heard = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.close(protocolFault(error));
      return;
    }
    // Outside the `try`: what the owner throws is no fault of the peer.
    const welcome = this.#welcome;
    if (welcome === undefined) return;
    this.#welcome = undefined;
    this.#onWelcome(welcome);
  }

  #onFrame(body: Buffer): void {
    // Everything after the answer is a sign of life.
    if (this.#state === "shaking hands") this.#welcome ??= decodeWelcome(body);
  }

  #onWelcome(welcome: Welcome): void {
    const { events, hello } = this.#options;
    clearTimeout(this.#handshakeTimer);
    if (welcome.kind === "refused") {
      events.onRefused(welcome);
      this.close(`refused (${welcome.reason}): ${welcome.text}`);
      return;
    }
    if (welcome.nodeId !== hello.expectedNodeId) {
      this.close(`${welcome.nodeId} answered instead of ${hello.expectedNodeId}`);
      return;
    }
    this.#state = "open";
    events.onOpen(welcome);
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#reader.stop();
    clearTimeout(this.#handshakeTimer);
    this.#queue = [];
    this.#queuedSize = 0;
    this.#options.events.onClose(this.#closeReason);
  }
}
