/**
 * A client's patience with a node. When it ends the client stops waiting; and a node
 * that was awake all the while has broken a promise: every request has a deadline, and
 * by then its client is told something, if only that nobody knows what became of it.
 */
import type { Scheduler } from "./scheduler.js";

/** What is asked of a `SimulatedNode`. */
interface Asked {
  readonly id: string;
  readonly life: number;
  readonly pauseCount: number;
  readonly isPaused: boolean;
}

/** Milliseconds that a node may take for a request, by its own clock. */
export const TIMEOUT_MS = 1000;
/** Milliseconds after which a client stops waiting: a slow clock and a tick are long over. */
const PATIENCE_MS = 1500;

/**
 * @param node asked now
 * @param what names the request in the report
 * @param giveUp stops waiting. @returns whether there was still something to wait for
 */
export function waitFor(
  scheduler: Scheduler,
  node: Asked,
  what: string,
  giveUp: () => boolean,
): void {
  const { life, pauseCount, isPaused } = node;
  scheduler.after(PATIENCE_MS, () => {
    const wasAwake = !isPaused && node.pauseCount === pauseCount && node.life === life;
    if (giveUp() && wasAwake)
      throw new Error(`unanswered: ${node.id} told nothing of ${what} for ${PATIENCE_MS} ms`);
  });
}
