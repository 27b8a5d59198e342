/**
 * The client port: one address for every client protocol, told apart by the first
 * bytes a client sends.
 *
 * A protocol is a `ProtocolHandler`. The door accepts, bounds and watches the
 * connections, asks each protocol in turn whether the first bytes are its own, and
 * hands the connection over with the bytes read so far. Bytes that are no
 * protocol's are answered with a line of text and the connection is closed.
 */
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { DatabaseError } from "../errors.js";
import { readAccepted } from "../transport/accepted-socket.js";
import { ClientConnection, DEFAULT_CONNECTION_LIMITS } from "./client-connection.js";
import type { ConnectionHandler, ConnectionHost, ConnectionLimits } from "./client-connection.js";
import { OutputArena } from "./output.js";

export { ClientConnection } from "./client-connection.js";
export type { ConnectionHandler, ConnectionLimits, InputState } from "./client-connection.js";

/** A protocol spoken at the client port. */
export interface ProtocolHandler {
  /** for messages and for the operator's eyes */
  readonly name: string;
  /**
   * Whether a connection that begins with `head` (at least one byte) speaks this
   * protocol. "more": it may, when more bytes come; answered for short heads only.
   */
  matches(head: Uint8Array): "yes" | "no" | "more";
  /** Takes a connection over; the bytes read so far follow by `receive`. */
  accept(connection: ClientConnection): ConnectionHandler;
}

export interface ClientDoorOptions {
  /** name or address to listen on */
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  /** asked in this order */
  readonly protocols: readonly ProtocolHandler[];
  readonly limits?: Partial<ConnectionLimits>;
}

/** Beyond this many bytes no protocol may still say "more". */
const HEAD_SIZE_MAX = 64;
/** How long `close` lets clients take their last replies. */
const CLOSE_GRACE_MS = 500;

export class ClientDoor implements AsyncDisposable {
  readonly #server: Server;
  readonly #protocols: readonly ProtocolHandler[];
  readonly #connections = new Map<ClientConnection, Socket>();
  readonly #host: ConnectionHost;
  readonly #sweep: NodeJS.Timeout;
  #toFlush: ClientConnection[] = [];
  #connectionCount = 0;
  #closing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  private constructor(options: ClientDoorOptions) {
    const limits = { ...DEFAULT_CONNECTION_LIMITS, ...options.limits };
    this.#protocols = options.protocols;
    this.#host = {
      limits,
      now: () => performance.now(),
      arena: new OutputArena(),
      flushLater: (connection) => {
        this.#flushLater(connection);
      },
    };
    // Half-open: a client that has said all it has to say still gets its replies.
    const serverOptions = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.#server = createServer(serverOptions, (socket) => {
      this.#accept(socket);
    });
    this.#sweep = setInterval(() => {
      const now = this.#host.now();
      // Behind the sockets: what has come while this process was busy counts as come.
      setImmediate(() => {
        for (const connection of this.#connections.keys()) connection.cutOffIfStalled(now);
      });
    }, limits.stallTimeoutMs / 4);
    this.#sweep.unref();
  }

  /**
   * Opens the door.
   *
   * @throws {DatabaseError} ADDRESS_UNAVAILABLE when the address cannot be listened on
   */
  static async listen(options: ClientDoorOptions): Promise<ClientDoor> {
    const door = new ClientDoor(options);
    await door.#listen(options.host, options.port);
    return door;
  }

  /** The port that clients reach; the one asked for, unless that was 0. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /** connections that are open now */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Stops listening and says goodbye: what was asked is answered, what comes late
   * goes to another node. Resolves when every client has gone, or after `timeoutMs`.
   */
  async retire(timeoutMs: number): Promise<void> {
    void this.#stopListening();
    for (const connection of [...this.#connections.keys()]) connection.goodbye();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onEmpty = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Stops listening, sends what was answered, ends every connection. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(host: string, port: number): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen({ host, port }, () => {
          this.#server.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      clearInterval(this.#sweep);
      throw new DatabaseError(
        "ADDRESS_UNAVAILABLE",
        `cannot listen for clients on ${host}:${port}: ${whyNot(error)}`,
        { cause: error },
      );
    }
    // An accept that fails (no more descriptors) is that client's loss; the door stays open.
    this.#server.on("error", () => undefined);
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweep);
    const closed = this.#stopListening();
    const gone: Promise<void>[] = [];
    for (const [connection, socket] of this.#connections) {
      gone.push(
        new Promise((resolve) => {
          socket.once("close", () => {
            resolve();
          });
        }),
      );
      connection.end();
      socket.destroySoon();
    }
    const grace = setTimeout(() => {
      for (const connection of this.#connections.keys()) connection.destroy();
    }, CLOSE_GRACE_MS);
    await Promise.all([closed, ...gone]);
    clearTimeout(grace);
  }

  /** Resolves when the port is free and every connection is gone. */
  #stopListening(): Promise<void> {
    this.#closed ??= new Promise<void>((resolve) => {
      // The callback's error says that it was not listening, which is as good.
      this.#server.close(() => {
        resolve();
      });
    });
    return this.#closed;
  }

  #accept(accepted: Socket): void {
    if (this.#connections.size >= this.#host.limits.connectionsMax) {
      accepted.on("error", () => undefined);
      accepted.end(refusal("max number of clients reached"));
      accepted.destroySoon();
      return;
    }
    this.#connectionCount++;
    let head: Buffer | undefined = Buffer.alloc(0);
    const onLent = (lent: Buffer): void => {
      // Protocols keep views of what they are given.
      const chunk = Buffer.allocUnsafe(lent.length);
      lent.copy(chunk);
      if (head === undefined) {
        connection.onBytes(chunk);
        return;
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (this.#introduce(connection, head, chunk)) head = undefined;
    };
    const socket = readAccepted(accepted, { allowHalfOpen: true, onLent });
    const connection = new ClientConnection(this.#connectionCount, socket, this.#host);
    this.#connections.set(connection, socket);
    socket.on("close", () => {
      this.#connections.delete(connection);
      connection.onClosed();
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    socket.on("end", () => {
      connection.onInputEnded();
    });
    socket.resume();
  }

  /**
   * Binds the protocol that the first bytes ask for.
   * @param chunk the last of `head`
   * @returns whether that is decided
   */
  #introduce(connection: ClientConnection, head: Buffer, chunk: Buffer): boolean {
    const protocol = this.#protocolOf(head);
    if (protocol === "more") {
      connection.onBytes(chunk);
      return false;
    }
    if (protocol === undefined) {
      connection.writeLatin1(
        refusal("Protocol error: the first bytes are no protocol served here"),
      );
      connection.end();
      return true;
    }
    connection.attach(protocol.accept(connection));
    connection.onBytes(head);
    return true;
  }

  #protocolOf(head: Buffer): ProtocolHandler | "more" | undefined {
    let undecided = false;
    for (const protocol of this.#protocols) {
      const match = protocol.matches(head);
      if (match === "yes") return protocol;
      if (match === "more") undecided = true;
    }
    return undecided && head.length < HEAD_SIZE_MAX ? "more" : undefined;
  }

  /** Behind what runs now, not a turn of the loop later: the answer to a lone request waits for nothing. */
  #flushLater(connection: ClientConnection): void {
    if (this.#toFlush.length === 0) {
      process.nextTick(() => {
        this.#flush();
      });
    }
    this.#toFlush.push(connection);
  }

  #flush(): void {
    const connections = this.#toFlush;
    this.#toFlush = [];
    for (const each of connections) each.flush();
    if (this.#toFlush.length === 0) this.#host.arena.reset();
  }
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isTaken = "code" in error && error.code === "EADDRINUSE";
  return isTaken ? "another process listens there: stop it, or choose another port" : error.message;
}

/** In Redis' words: half of the clients understand them, and so does whoever looks. */
function refusal(reason: string): string {
  return `-ERR ${reason}\r\n`;
}
