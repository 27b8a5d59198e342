/**
 * A gate on the way to a node: passes bytes on, and can refuse connections, cut
 * them, fall silent, or let through only crumbs.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export class Gate {
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** connections that came, refused ones too */
  connectionCount = 0;
  /** how many of the next connections are closed as soon as they come */
  refuseCount = 0;
  /** bytes handed on at once */
  crumbSize = Infinity;
  #frozen = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#onConnection(socket);
    });
  }

  /** @param target port on this machine @param port to listen on; 0: any free one */
  static async open(target: number, port = 0): Promise<Gate> {
    const gate = new Gate(target);
    await new Promise<void>((resolve) => gate.#server.listen(port, "127.0.0.1", resolve));
    return gate;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const [client, node] of this.#pairs) {
      client.resetAndDestroy();
      node.destroy();
    }
    this.#pairs.clear();
  }

  /** Says something to every client that the node did not. */
  inject(bytes: Uint8Array): void {
    for (const [client] of this.#pairs) client.write(bytes);
  }

  /** Nothing passes any more, and nothing is closed: a node that was stopped, a cable that was pulled. */
  freeze(): void {
    this.#frozen = true;
    for (const [client, node] of this.#pairs) {
      client.pause();
      node.pause();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #onConnection(client: Socket): void {
    this.connectionCount += 1;
    client.on("error", () => undefined);
    if (this.refuseCount > 0) {
      this.refuseCount -= 1;
      client.resetAndDestroy();
      return;
    }
    const node = connect({ host: "127.0.0.1", port: this.#target, noDelay: true });
    node.on("error", () => undefined);
    const pair = [client, node] as const;
    this.#pairs.add(pair);
    this.#pass(client, node);
    this.#pass(node, client);
    if (this.#frozen) this.freeze();
  }

  #pass(from: Socket, to: Socket): void {
    from.on("data", (chunk: Buffer) => {
      if (this.crumbSize >= chunk.length) {
        to.write(chunk);
        return;
      }
      for (let at = 0; at < chunk.length; at += this.crumbSize)
        to.write(chunk.subarray(at, at + this.crumbSize));
    });
    from.on("close", () => {
      to.destroy();
    });
  }
}
