/**
 * One client's socket as a protocol sees it: bytes come in by `receive`, replies
 * go out by `write`, and the rest of what sockets do is settled here.
 *
 * Replies are collected and leave in one write, when what runs now is done: a turn
 * of the node, or the reading of a chunk. A client that does not read its replies is
 * not read from either (back-pressure), its reads are not served (`mustPause`), and it
 * is cut off when too much waits for it. A
 * client that begins a request and does not get on with it, or does not take what it
 * asked for, is cut off after a while; a client that is silent between requests may
 * stay.
 */
import type { Socket } from "node:net";
import { Output } from "./output.js";
import type { OutputArena } from "./output.js";

/**
 * What a handler holds after the bytes it was given: nothing unfinished ("idle");
 * the beginning of a request, begun in these bytes ("begun"); still the same
 * unfinished request as before them ("partial").
 */
export type InputState = "idle" | "begun" | "partial";

/** What a protocol makes of one connection. */
export interface ConnectionHandler {
  /**
   * The next bytes, in order, never empty; the first ones include the preamble.
   * The handler may keep views of them.
   */
  receive(chunk: Buffer): InputState;
  /** The client will send no more. The handler calls `connection.end()` when it has answered what came before. */
  inputEnded(): void;
  /** The node is going down: what was asked is answered, then the connection ends, by the client's doing or ours. */
  goodbye(): void;
  /** The client has taken what made `mustPause` say so. */
  drained?(): void;
  /** The connection is gone; called once, last. */
  closed(): void;
}

export interface ConnectionLimits {
  /** connections at once; more are refused */
  readonly connectionsMax: number;
  /** how long a request may stay unfinished, or replies untaken, without progress; milliseconds */
  readonly stallTimeoutMs: number;
  /** bytes of an unfinished request that count as progress */
  readonly progressSize: number;
  /** bytes of unsent replies above which the client is not read from */
  readonly unsentPauseSize: number;
  /** bytes of unsent replies above which the client is cut off */
  readonly unsentSizeMax: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: 10_000,
  stallTimeoutMs: 30_000,
  progressSize: 64 * 1024,
  unsentPauseSize: 1024 * 1024,
  unsentSizeMax: 64 * 1024 * 1024,
};

/** What a connection needs of the door it came through. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits;
  /** monotonic, milliseconds */
  now(): number;
  /** Where replies are collected. */
  readonly arena: OutputArena;
  /** Has `connection.flush()` called when what runs now is done. */
  flushLater(connection: ClientConnection): void;
}

/** Replies shorter than this are copied together; longer ones are sent from where they lie. */
const COPY_SIZE_MAX = 1024;
/** Collected replies beyond this leave at once, not when what runs now is done. */
const COLLECTED_SIZE_MAX = 256 * 1024;
/** What a client may still send after its connection was ended, before it is cut off. */
const DISCARD_SIZE_MAX = 1024 * 1024;

export class ClientConnection {
  /** counts from 1 in the order of arrival at this door */
  readonly id: number;
  /** host:port */
  readonly remoteAddress: string;
  /** host:port */
  readonly localAddress: string;
  /** when it was accepted, by the host's clock */
  readonly since: number;

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  #handler: ConnectionHandler | undefined;
  /** not yet given to the socket */
  readonly #output: Output;
  #flushScheduled = false;
  #heldByHandler = false;
  #heldByOutput = false;
  #ended = false;
  #closed = false;
  #discardedSize = 0;
  /** Since when nothing has moved that should; undefined while nothing has to. */
  #stalledSince: number | undefined;
  #unfinishedSize = 0;
  #bytesWrittenSeen = 0;

  constructor(id: number, socket: Socket, host: ConnectionHost) {
    this.id = id;
    this.#socket = socket;
    this.#host = host;
    this.#output = new Output(host.arena);
    this.since = host.now();
    this.remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressText(socket.localAddress, socket.localPort);
    socket.setNoDelay(true);
    // Whatever broke it, "close" follows and says all that matters.
    socket.on("error", () => undefined);
    socket.on("drain", () => {
      this.#onDrain();
    });
  }

  /** whether nothing can be sent any more: ended, cut off, or gone */
  get closed(): boolean {
    return this.#closed || this.#ended;
  }

  /** Sends `bytes`, which nobody may change until they are sent. Copied when short. */
  write(bytes: Uint8Array): void {
    if (bytes.length < COPY_SIZE_MAX) {
      const at = this.reserve(bytes.length);
      this.bytes.set(bytes, at);
      return;
    }
    this.#beforeAdding(bytes.length);
    if (!this.closed) this.#output.refer(bytes);
  }

  /** Sends text of code units up to 255, each of them one byte. */
  writeLatin1(text: string): void {
    this.#beforeAdding(text.length);
    if (!this.closed) this.#output.addLatin1(text);
  }

  /**
   * Sends so many bytes, which the caller writes at once, before it calls anything
   * else here: into `bytes`, from the offset returned on.
   */
  reserve(size: number): number {
    this.#beforeAdding(size);
    // What is said to nobody is written all the same, and forgotten.
    if (this.closed) this.#output.drop();
    return this.#output.reserve(size);
  }

  /** Where `reserve` has made room; others after each call of it. */
  get bytes(): Uint8Array {
    return this.#output.bytes;
  }

  /** Whether so much is unsent that the handler had better add to it when it is `drained`. */
  mustPause(): boolean {
    if (this.#output.size > COLLECTED_SIZE_MAX) this.flush();
    return this.#heldByOutput;
  }

  /** Stops reading until `resumeReading`: the handler has as much to do as it allows. */
  pauseReading(): void {
    this.#heldByHandler = true;
    this.#socket.pause();
  }

  /** @param state as `receive` answers it, of what the handler holds now */
  resumeReading(state: InputState): void {
    if (!this.#heldByHandler) return;
    this.#heldByHandler = false;
    if (!this.closed) this.#stalledSince = state === "idle" ? undefined : this.#host.now();
    this.#read();
  }

  /** Sends what was written, then closes. What the client still sends is thrown away. */
  end(): void {
    if (this.closed) return;
    this.flush();
    this.#ended = true;
    this.#stalledSince = this.#host.now();
    this.#socket.end();
    this.#read();
  }

  /** Closes at once, whatever is unsent. */
  destroy(): void {
    this.#ended = true;
    this.#output.drop();
    this.#socket.destroy();
  }

  /** The door's: binds the protocol that the first bytes asked for. */
  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** The door's: bytes came. */
  onBytes(chunk: Buffer): void {
    if (this.#ended) {
      this.#discardedSize += chunk.length;
      if (this.#discardedSize > DISCARD_SIZE_MAX) this.destroy();
      return;
    }
    const state = this.#handler?.receive(chunk) ?? "partial";
    this.#unfinishedSize += chunk.length;
    if (state === "idle") {
      this.#stalledSince = undefined;
      this.#unfinishedSize = 0;
    } else if (
      state === "begun" ||
      this.#stalledSince === undefined ||
      this.#unfinishedSize >= this.#host.limits.progressSize
    ) {
      this.#stalledSince = this.#host.now();
      this.#unfinishedSize = 0;
    }
  }

  /** The door's: the client sends no more. */
  onInputEnded(): void {
    if (this.#ended) return;
    this.#stalledSince = this.#host.now();
    if (this.#handler === undefined) this.end();
    else this.#handler.inputEnded();
  }

  /** The door's: the node is going down. */
  goodbye(): void {
    if (this.#ended) return;
    if (this.#handler === undefined) this.end();
    else this.#handler.goodbye();
  }

  /** The door's: the socket is gone. */
  onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#output.drop();
    this.#handler?.closed();
  }

  /** The door's: gives what was collected to the socket. */
  flush(): void {
    this.#flushScheduled = false;
    if (this.#output.size === 0 || this.closed) return;
    const pieces = this.#output.take();
    const socket = this.#socket;
    // Behind what waits already nothing can leave at once.
    const mustWait = socket.writableLength > 0;
    if (pieces.length > 1) socket.cork();
    for (const { bytes, isShared } of pieces) {
      socket.write(mustWait && isShared ? Buffer.from(bytes) : bytes);
    }
    if (pieces.length > 1) socket.uncork();
    if (!mustWait && socket.writableLength > 0) this.#host.arena.keep();
    if (this.#socket.writableLength > this.#host.limits.unsentPauseSize && !this.#heldByOutput) {
      this.#heldByOutput = true;
      this.#socket.pause();
    }
  }

  /** The door's: cuts the client off when nothing has moved for too long. */
  cutOffIfStalled(now: number): void {
    const { bytesWritten } = this.#socket;
    if (this.#heldByOutput) {
      const moved = bytesWritten !== this.#bytesWrittenSeen;
      if (moved || this.#stalledSince === undefined) this.#stalledSince = now;
    } else if (this.#heldByHandler && !this.#ended) {
      // It is we who do not read.
      this.#stalledSince = undefined;
    }
    this.#bytesWrittenSeen = bytesWritten;
    if (this.#stalledSince === undefined) return;
    if (now - this.#stalledSince >= this.#host.limits.stallTimeoutMs) this.destroy();
  }

  /** Before so many bytes more are collected: whoever takes too little is cut off, what is much leaves first. */
  #beforeAdding(size: number): void {
    if (this.closed) return;
    const collected = this.#output.size + size;
    if (collected + this.#socket.writableLength > this.#host.limits.unsentSizeMax) {
      this.destroy();
      return;
    }
    if (collected > COLLECTED_SIZE_MAX) this.flush();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#host.flushLater(this);
  }

  #onDrain(): void {
    if (!this.#heldByOutput) return;
    this.#heldByOutput = false;
    if (!this.#ended) this.#stalledSince = undefined;
    this.#handler?.drained?.();
    this.#read();
  }

  #read(): void {
    if (this.#ended || (!this.#heldByHandler && !this.#heldByOutput)) this.#socket.resume();
  }
}

function addressText(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return "";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
