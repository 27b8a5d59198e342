/**
 * Long work in slices, between the turns of the driver: when each may begin, and how long it may take.
 *
 *   nobody else has anything to do    half a millisecond, and the next one at once
 *   others do, or did lately          a quarter of the time since the last one, of which a millisecond
 *                                     at least is theirs, whether they need it or not
 *
 * So what waits for the loop waits no longer for a slice than half a millisecond, and while a node
 * serves the work takes a fifth of a processor at most: also where other nodes of the cluster, which
 * do the same work at the same time, share the machine with it, and a loop that is never idle would take from
 * them what they answer with.
 */
import type { Clock } from "./clock.js";

/**
 * Work that nobody waits for, as a snapshot, leaves others their part. What a node cannot serve without,
 * as a state that is installed, goes on as soon as the others have had a turn.
 */
export type Pace = "steady" | "soon";

/** Milliseconds of a slice at most, and at least. */
const SLICE_MS_MAX = 0.5;
const SLICE_MS_MIN = 0.05;
/** Milliseconds between two slices in which others had next to nothing to do. */
const IDLE_MS_MAX = 0.1;
/** Milliseconds for which others who had something to do are expected to have more. */
const BUSY_MS = 20;
/** Milliseconds between two slices while they are. */
const PAUSE_MS = 1;
/** Of the time since the last slice. */
const SHARE = 0.25;

export class Slices {
  readonly #clock: Clock;
  #scheduled = false;
  #endedAt = -Infinity;
  #idleAtEnd = 0;
  #busyUntil = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `slice` once, when others have had their turn, with the time by which it is to end. At most one waits. */
  schedule(slice: (until: number) => void, pace: Pace = "steady"): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      const now = this.#clock.now();
      const sinceMs = now - this.#endedAt;
      const othersMs = sinceMs - (this.#clock.idleTime() - this.#idleAtEnd);
      if (othersMs > IDLE_MS_MAX) this.#busyUntil = now + BUSY_MS;
      const isAlone = pace === "soon" ? othersMs <= IDLE_MS_MAX : now >= this.#busyUntil;
      const sliceMs = isAlone ? SLICE_MS_MAX : sinceMs * SHARE;
      try {
        slice(now + Math.min(SLICE_MS_MAX, Math.max(SLICE_MS_MIN, sliceMs)));
      } finally {
        this.#endedAt = this.#clock.now();
        this.#idleAtEnd = this.#clock.idleTime();
      }
    };
    if (pace === "steady" && this.#clock.now() < this.#busyUntil) this.#clock.later(PAUSE_MS, run);
    else this.#clock.defer(run);
  }
}
