/**
 * Long work in slices, between the turns of the driver: how long each may take.
 *
 *   nobody else has anything to do    half a millisecond, and the next one at once
 *   others do                         a quarter of what they took since the last one
 *
 * So what waits for the loop waits no longer for a slice than half a millisecond,
 * and the work costs at most a fifth of the throughput while it lasts.
 */
import type { Clock } from "./clock.js";

/** Milliseconds of a slice at most, and at least. */
const SLICE_MS_MAX = 0.5;
const SLICE_MS_MIN = 0.05;
/** Milliseconds between two slices in which others had next to nothing to do. */
const IDLE_MS_MAX = 0.1;
/** Of the time of the others. */
const SHARE = 0.25;

export class Slices {
  readonly #clock: Clock;
  #scheduled = false;
  #endedAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `slice` once, when others have had their turn, with the time by which it is to end. At most one waits. */
  schedule(slice: (until: number) => void): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(() => {
      this.#scheduled = false;
      const now = this.#clock.now();
      const othersMs = now - this.#endedAt;
      const sliceMs = othersMs <= IDLE_MS_MAX ? SLICE_MS_MAX : othersMs * SHARE;
      try {
        slice(now + Math.min(SLICE_MS_MAX, Math.max(SLICE_MS_MIN, sliceMs)));
      } finally {
        this.#endedAt = this.#clock.now();
      }
    });
  }
}
