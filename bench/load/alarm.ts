/**
 * The open loop's alarm clock, on a thread of its own: Node's timers tick in
 * milliseconds, which would be the latency that is to be measured, and waiting by
 * spinning would take a processor from the servers. `Atomics.wait` sleeps to a few
 * dozen microseconds.
 *
 * It lives through the same seeded moments as the loop and says when one has come;
 * which requests are due the loop decides by its own clock.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { OpenLoop } from "./open-loop.js";
import { Random } from "./random.js";

/** Moments closer than this are told together. Milliseconds. */
const APART_MS = 0.05;

export interface AlarmJob {
  readonly rate: number;
  readonly seed: number;
  /** milliseconds since 1970 */
  readonly beginEpochMs: number;
  readonly endEpochMs: number;
}

function ring(job: AlarmJob): void {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  const now = (): number => performance.timeOrigin + performance.now();
  const loop = new OpenLoop({
    rate: job.rate,
    beginMs: job.beginEpochMs,
    endMs: job.endEpochMs,
    inFlightMax: Number.POSITIVE_INFINITY,
    random: new Random(job.seed),
  });
  while (loop.dueMs < Number.POSITIVE_INFINITY) {
    const waitMs = loop.dueMs - now();
    if (waitMs > 0) Atomics.wait(sleep, 0, 0, waitMs);
    const until = now() + APART_MS;
    while (loop.take(until, 0) !== undefined);
    parentPort?.postMessage(0);
  }
}

if (!isMainThread) ring(workerData as AlarmJob);
