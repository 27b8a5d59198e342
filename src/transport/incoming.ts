/**
 * Incoming: one connection that a peer dialed. Its first frame must be an
 * introduction that fits; every later one is a message of that peer.
 *
 * Hostile until introduced, and bounded ever after: a violation closes this one
 * connection and touches nothing else. Only what a peer sends can be a
 * violation; what the handler throws is thrown on.
 */
import type net from "node:net";
import { encodeFrame, FrameReader } from "../codec/frame.js";
import {
  decodeHello,
  encodeWelcome,
  HANDSHAKE_SIZE_MAX,
  type Hello,
  type Refusal,
  type Welcome,
} from "../codec/handshake.js";
import { decodePeerMessage, MESSAGE_SIZE_MAX, type PeerMessage } from "../codec/peer-message.js";
import { violation } from "../codec/record.js";
import { readAccepted } from "./accepted-socket.js";
import { protocolFault } from "./protocol-fault.js";

/** Nothing in it: only a sign of life for the dialer. */
const SIGN_OF_LIFE = encodeFrame(new Uint8Array(0));

/** Bytes from look to look with which an unfinished frame goes on; fewer is a drip. */
const PROGRESS_SIZE_MIN = 1024;

export interface IncomingOptions {
  /** accepted, and paused */
  readonly socket: net.Socket;
  readonly handshakeMs: number;
  /** Judges an introduction. */
  readonly onHello: (hello: Hello) => Welcome;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onNotice: (notice: string) => void;
  /** The socket is gone, or will be without anything more to do. Called once, last. */
  readonly onClose: (incoming: Incoming) => void;
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #socket: net.Socket;
  readonly #reader: FrameReader;
  readonly #handshakeTimer: NodeJS.Timeout;
  /** host:port of the dialer; asked early, a closed socket does not know it any more */
  readonly #remote: string;
  #hello: Hello | undefined;
  #closed = false;
  /** decoded from the chunk under way */
  #received: PeerMessage[] = [];
  /** bytes heard in all at the last look */
  #heardAtLook = 0;
  #idleLooks = 0;

  constructor(options: IncomingOptions) {
    const { socket: accepted, handshakeMs } = options;
    this.#options = options;
    this.#remote = `${accepted.remoteAddress ?? "?"}:${accepted.remotePort ?? 0}`;
    this.#reader = new FrameReader({
      bodySizeMax: HANDSHAKE_SIZE_MAX,
      onFrame: (body) => {
        this.#onFrame(body);
      },
    });
    this.#handshakeTimer = setTimeout(() => {
      this.closeFor(`no introduction within ${handshakeMs} ms`);
    }, handshakeMs);
    // A message holds nothing of the bytes that it was read from (peer-message.ts).
    const onLent = (bytes: Buffer): void => {
      this.#onData(bytes);
    };
    const socket = (this.#socket = readAccepted(accepted, { allowHalfOpen: false, onLent }));
    socket.on("error", () => {
      // "close" follows; the dialer knows why and dials again
    });
    socket.on("close", () => {
      this.close();
    });
    socket.resume();
  }

  /** Who introduced itself and was welcomed; undefined before. */
  get hello(): Hello | undefined {
    return this.#hello;
  }

  /** Called at even intervals: tells the dialer that we live, and ends a frame that does not go on. */
  look(idleLooksMax: number): void {
    if (this.#closed) return;
    // One sign at a time: a dialer that does not read them needs no more.
    const mayWrite = this.#socket.writable && this.#socket.writableLength === 0;
    if (this.#hello !== undefined && mayWrite) this.#socket.write(SIGN_OF_LIFE);
    const heard = this.#socket.bytesRead;
    const isSlow = heard - this.#heardAtLook < PROGRESS_SIZE_MIN;
    this.#heardAtLook = heard;
    this.#idleLooks = this.#reader.pendingSize > 0 && isSlow ? this.#idleLooks + 1 : 0;
    if (this.#idleLooks >= idleLooksMax) this.closeFor("a frame that does not go on");
  }

  /** Closes, and says why to whoever reads the node's log. */
  closeFor(reason: string): void {
    if (this.#closed) return;
    const who = this.#hello === undefined ? "a stranger" : this.#hello.nodeId;
    this.#options.onNotice(`closed the connection of ${who} from ${this.#remote}: ${reason}`);
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#socket.destroy();
    this.#onClose();
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    const fault = this.#read(chunk);
    const received = this.#received;
    this.#received = [];
    for (const message of received) {
      // The handler may close the transport, and this connection with it.
      if (!this.#isClosed()) this.#options.onMessage(message);
    }
    if (fault !== undefined) this.closeFor(fault);
  }

  /** @returns what the peer did wrong */
  #read(chunk: Buffer): string | undefined {
    try {
      this.#reader.push(chunk);
      return undefined;
    } catch (error) {
      return protocolFault(error);
    }
  }

  #onFrame(body: Buffer): void {
    if (this.#hello === undefined) {
      this.#introduce(body);
      return;
    }
    const message = decodePeerMessage(body);
    if (message.from !== this.#hello.nodeId) {
      throw violation(`it is in the name of ${message.from}`);
    }
    this.#received.push(message);
  }

  #introduce(body: Buffer): void {
    clearTimeout(this.#handshakeTimer);
    const hello = this.#helloOf(body);
    if (hello === undefined) return;
    const welcome = this.#options.onHello(hello);
    if (welcome.kind === "refused") {
      this.#refuse(hello.nodeId, welcome);
      return;
    }
    this.#hello = hello;
    this.#reader.bodySizeMax = MESSAGE_SIZE_MAX;
    this.#socket.write(encodeFrame(encodeWelcome(welcome)));
  }

  /** A frame that is whole but no introduction may come from another version: it gets an answer. */
  #helloOf(body: Buffer): Hello | undefined {
    try {
      return decodeHello(body);
    } catch (error) {
      this.#refuse("a stranger", {
        kind: "refused",
        reason: "malformed",
        text: protocolFault(error),
      });
      return undefined;
    }
  }

  #refuse(who: string, refusal: Refusal): void {
    const { reason, text } = refusal;
    this.#options.onNotice(`refused ${who} from ${this.#remote} (${reason}): ${text}`);
    this.#socket.write(encodeFrame(encodeWelcome(refusal)));
    // Not `end`: a stranger that never hangs up would keep the socket, and `close` waiting for it.
    this.#socket.destroySoon();
    this.#onClose();
  }

  /** Apart, because the compiler takes a field it saw for unchanged. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #onClose(): void {
    this.#closed = true;
    clearTimeout(this.#handshakeTimer);
    this.#reader.stop();
    this.#options.onClose(this);
  }
}
