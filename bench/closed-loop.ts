/**
 * A closed loop: a fixed number of clients, each of which asks again as soon as
 * it has its answer. What is measured is capacity, and the latency at it.
 *
 * The warm-up is not counted; what is under way at the end is awaited, not counted.
 */
import { Latencies } from "./latencies.js";

export interface LoopOptions {
  /** requests in flight at once, in all */
  readonly clients: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** one request; `client` from 0 */
  readonly operation: (client: number) => Promise<void>;
  /** called about once a second while it counts */
  readonly onSecond?: (operations: number, seconds: number) => void;
}

export interface LoopResult {
  readonly seconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly latencies: Latencies;
  /** the first failure there was */
  readonly firstError: unknown;
}

/** Between two failures of one client: a dead cluster is not hammered. Milliseconds. */
const ERROR_PAUSE_MS = 20;

export async function runClosedLoop(options: LoopOptions): Promise<LoopResult> {
  const latencies = new Latencies();
  const startMs = performance.now() + options.warmUpSeconds * 1000;
  const endMs = startMs + options.seconds * 1000;
  let errors = 0;
  let firstError: unknown;
  const client = async (number: number): Promise<void> => {
    for (;;) {
      const askedMs = performance.now();
      if (askedMs >= endMs) return;
      try {
        await options.operation(number);
        const answeredMs = performance.now();
        if (askedMs >= startMs && answeredMs <= endMs) latencies.record(answeredMs - askedMs);
      } catch (error) {
        firstError ??= error;
        if (askedMs >= startMs) errors += 1;
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  };
  const ticker = setInterval(() => {
    const seconds = (performance.now() - startMs) / 1000;
    if (seconds > 0) options.onSecond?.(latencies.count, seconds);
  }, 1000);
  try {
    await Promise.all(Array.from({ length: options.clients }, (_, number) => client(number)));
  } finally {
    clearInterval(ticker);
  }
  return {
    seconds: options.seconds,
    operations: latencies.count,
    errors,
    latencies,
    firstError,
  };
}
