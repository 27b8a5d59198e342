/**
 * What both load clients have in common: one socket, a fixed number of requests
 * in flight on it, prebuilt bytes, and no object a request.
 *
 * A protocol says how n requests look and how many answers a chunk of bytes
 * completes; the pipeline sends as many new requests as answers came, in one write.
 */
import { connect, type Socket } from "node:net";
import type { Latencies } from "./latencies.js";

export interface Protocol {
  /** bytes to say first; may be empty */
  readonly preface: Buffer;
  /** `count` requests, one behind another; each `begin`s when it is made */
  requests(count: number, keys: KeyChooser): Buffer;
  /** Takes a chunk. Returns how many requests it completed, and what must be said at once (may be empty). */
  receive(chunk: Buffer): { readonly completed: number; readonly reply: Buffer | undefined };
  /** requests that were refused, or whose answer was not what was asked for, so far */
  readonly errors: number;
}

/** Which key comes next, from 0. */
export type KeyChooser = () => number;

/** When requests began, and how long they took. */
export class Stopwatch {
  readonly #latencies: Latencies;
  startMs = Number.POSITIVE_INFINITY;
  endMs = Number.POSITIVE_INFINITY;
  /** one clock reading a chunk serves all of its requests; milliseconds */
  nowMs = 0;

  constructor(latencies: Latencies) {
    this.#latencies = latencies;
  }

  finished(beganMs: number): void {
    if (beganMs >= this.startMs && this.nowMs <= this.endMs) {
      this.#latencies.record(this.nowMs - beganMs);
    }
  }
}

export interface PipelineOptions {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly stopwatch: Stopwatch;
  readonly inFlight: number;
  readonly keys: KeyChooser;
  /** whether to go on asking */
  readonly wantsMore: () => boolean;
}

/** Resolves when nothing more was wanted and everything asked was answered. */
export async function runPipeline(options: PipelineOptions): Promise<void> {
  const { protocol, stopwatch, keys, wantsMore } = options;
  const socket = await dial(options.host, options.port);
  await new Promise<void>((resolve, reject) => {
    let waiting = 0;
    const ask = (count: number): void => {
      waiting += count;
      socket.write(protocol.requests(count, keys));
    };
    socket.on("data", (chunk) => {
      stopwatch.nowMs = performance.now();
      const { completed, reply } = protocol.receive(chunk);
      if (reply !== undefined) socket.write(reply);
      waiting -= completed;
      if (completed > 0 && wantsMore()) ask(completed);
      else if (waiting === 0 && completed > 0) resolve();
    });
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error("the server closed the connection"));
    });
    if (protocol.preface.length > 0) socket.write(protocol.preface);
    stopwatch.nowMs = performance.now();
    ask(options.inFlight);
  }).finally(() => {
    socket.removeAllListeners("close");
    socket.destroy();
  });
}

function dial(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
