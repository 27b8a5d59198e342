/**
 * A client that says exact bytes and reads replies as they lie on the wire: one
 * string a reply, latin-1. It knows where a reply ends, and nothing else.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";

/** The arguments as a multibulk. Text is latin-1. */
export function encodeCommand(args: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === "string" ? Buffer.from(arg, "latin1") : arg;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(pieces);
}

/** The replies that an array's reply holds. */
export function elementsOf(reply: string): readonly string[] {
  const bytes = Buffer.from(reply, "latin1");
  const elements: string[] = [];
  for (let at = bytes.indexOf("\r\n") + 2; at < bytes.length;) {
    const end = replyEnd(bytes, at);
    elements.push(bytes.toString("latin1", at, end));
    at = end;
  }
  return elements;
}

/** Where the reply that begins at `start` ends, or -1 when it has not come whole. */
function replyEnd(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return -1;
  const kind = String.fromCharCode(bytes[start] ?? 0);
  const size = Number(bytes.toString("latin1", start + 1, lineEnd));
  let at = lineEnd + 2;
  if (kind === "$" || kind === "=") {
    if (size >= 0) at += size + 2;
    return at <= bytes.length ? at : -1;
  }
  const children = kind === "*" || kind === "~" ? size : kind === "%" ? size * 2 : 0;
  for (let i = 0; i < children && at >= 0; i++) at = at < bytes.length ? replyEnd(bytes, at) : -1;
  return at;
}

export class RespClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RespClient> {
    const socket = connect({ host: "127.0.0.1", port });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    socket.setNoDelay(true);
    return new RespClient(socket);
  }

  send(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Says that nothing more will come. */
  endInput(): void {
    this.#socket.end();
  }

  /** Stops taking what the server sends. */
  stopReading(): void {
    this.#socket.pause();
  }

  continueReading(): void {
    this.#socket.resume();
  }

  /** The next reply, or "" when the connection has ended. */
  async reply(): Promise<string> {
    for (;;) {
      const end = this.#received.length === 0 ? -1 : replyEnd(this.#received, 0);
      if (end >= 0) {
        const reply = this.#received.toString("latin1", 0, end);
        this.#received = this.#received.subarray(end);
        return reply;
      }
      if (this.#ended) return "";
      await this.#moreOrEnd();
    }
  }

  async replies(count: number): Promise<string[]> {
    const replies: string[] = [];
    while (replies.length < count) replies.push(await this.reply());
    return replies;
  }

  async command(...args: readonly (string | Buffer)[]): Promise<string> {
    this.send(encodeCommand(args));
    return this.reply();
  }

  /** All that comes until the connection ends. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#moreOrEnd();
    return this.#received.toString("latin1");
  }

  /** Breaks the connection, which nobody can take for an end. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #moreOrEnd(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
