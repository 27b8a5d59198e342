/**
 * One socket under load: prebuilt bytes out, answers counted, no object or promise
 * a request. All sockets of the process read into one buffer: what a protocol
 * keeps, it copies.
 */
import { connect, type Socket } from "node:net";
import type { Protocol } from "./protocol.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

const READ_SIZE = 256 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly tally: Tally;
}

export class LoadConnection {
  readonly #protocol: Protocol;
  readonly #tally: Tally;
  readonly #socket: Socket;
  /** Called when requests were completed; an exception of it, as of the protocol, ends the load. */
  onCompleted: (completed: number) => void = () => undefined;
  /** Called when the connection is gone, unless it was closed here. */
  onLost: (error: Error) => void = () => undefined;

  private constructor(options: ConnectionOptions) {
    this.#protocol = options.protocol;
    this.#tally = options.tally;
    const { host, port } = options;
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (size) => this.#onRead(size) },
    });
  }

  static async open(options: ConnectionOptions): Promise<LoadConnection> {
    const connection = new LoadConnection(options);
    const socket = connection.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve();
      });
    });
    socket.on("error", (error) => {
      connection.onLost(error);
    });
    socket.on("close", () => {
      connection.onLost(new Error(`${options.host}:${options.port} closed the connection`));
    });
    const { preface } = options.protocol;
    if (preface.length > 0) socket.write(preface);
    return connection;
  }

  get inFlight(): number {
    return this.#protocol.inFlight;
  }

  send(count: number, demand: Demand, beganMs: number): void {
    this.#socket.write(this.#protocol.requests(count, demand, beganMs));
  }

  /** Ends it at once; what was not answered is told to the tally. */
  close(): void {
    this.onLost = () => undefined;
    this.#protocol.giveUp();
    this.#socket.destroy();
  }

  #onRead(size: number): boolean {
    this.#tally.nowMs = performance.now();
    const received = this.#protocol.receive(readBuffer.subarray(0, size));
    if (received.reply !== undefined) this.#socket.write(received.reply);
    if (received.completed > 0) this.onCompleted(received.completed);
    return true;
  }
}
