/**
 * One client's socket as a protocol sees it: bytes come in by `receive`, replies
 * go out by `write`, and the rest of what sockets do is settled here.
 *
 * Replies are collected and leave once a turn of the loop, in one write. A client
 * that does not read its replies is not read from either (back-pressure), and is
 * cut off when too much waits for it. A client that begins a request and does not
 * get on with it, or does not take what it asked for, is cut off after a while; a
 * client that is silent between requests may stay.
 */
import type { Socket } from "node:net";

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
  /** Has `connection.flush()` called at the end of this turn of the loop. */
  flushLater(connection: ClientConnection): void;
}

/** Replies shorter than this are copied together; longer ones are sent from where they lie. */
const COPY_SIZE_MAX = 1024;
/** Collected replies beyond this leave at once, not at the end of the turn. */
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
  /** Latin-1 text (one code unit a byte) and bytes, in order, not yet given to the socket. */
  #collected: (string | Uint8Array)[] = [];
  #text = "";
  #collectedSize = 0;
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
      this.writeLatin1(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"),
      );
      return;
    }
    if (this.closed) return;
    if (this.#text !== "") this.#collected.push(this.#text);
    this.#text = "";
    this.#collected.push(bytes);
    this.#onCollected(bytes.length);
  }

  /** Sends text of code units up to 255, each of them one byte. */
  writeLatin1(text: string): void {
    if (this.closed) return;
    this.#text += text;
    this.#onCollected(text.length);
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
    this.#dropCollected();
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
    this.#dropCollected();
    this.#handler?.closed();
  }

  /** The door's: gives what was collected to the socket. */
  flush(): void {
    this.#flushScheduled = false;
    if (this.#collectedSize === 0 || this.closed) return;
    const text = this.#text;
    const collected = this.#collected;
    this.#dropCollected();
    if (collected.length === 0) {
      this.#socket.write(text, "latin1");
    } else {
      this.#socket.cork();
      for (const piece of collected) this.#writePiece(piece);
      if (text !== "") this.#socket.write(text, "latin1");
      this.#socket.uncork();
    }
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

  #writePiece(piece: string | Uint8Array): void {
    if (typeof piece === "string") this.#socket.write(piece, "latin1");
    else this.#socket.write(piece);
  }

  #onCollected(size: number): void {
    this.#collectedSize += size;
    if (this.#collectedSize + this.#socket.writableLength > this.#host.limits.unsentSizeMax) {
      this.destroy();
      return;
    }
    if (this.#collectedSize > COLLECTED_SIZE_MAX) {
      this.flush();
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      this.#host.flushLater(this);
    }
  }

  #onDrain(): void {
    if (!this.#heldByOutput) return;
    this.#heldByOutput = false;
    if (!this.#ended) this.#stalledSince = undefined;
    this.#read();
  }

  #read(): void {
    if (this.#ended || (!this.#heldByHandler && !this.#heldByOutput)) this.#socket.resume();
  }

  #dropCollected(): void {
    this.#collected = [];
    this.#text = "";
    this.#collectedSize = 0;
  }
}

function addressText(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return "";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
