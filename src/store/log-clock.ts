/**
 * Time as the fold knows it: by the stamps that leaders put into the log.
 *
 *   logTime   the greatest stamp so far: when things happened. Never steps back.
 *   runTime   how long the database ran: the sum of the steps between stamps, of
 *             each step at most STEP_MAX. Deadlines are moments of run time.
 *
 * So a deadline is not reached by a wall clock alone. A leader whose clock is
 * ahead of its predecessor's brings it nearer by STEP_MAX at most, once; one whose
 * clock is behind puts it off by one step; and while nobody leads, no time passes.
 * As long as something has a deadline the leader stamps the log at least every
 * CHECKPOINT_INTERVAL, which bounds what a change of leaders adds to it: the last
 * step before and the election.
 */
import { assert } from "../assert.js";

/** milliseconds */
export const CHECKPOINT_INTERVAL = 2_000;
export const STEP_MAX = 10_000;
assert(2 * CHECKPOINT_INTERVAL < STEP_MAX, "checkpoints that are a little late lose no time");

export class LogClock {
  /** the last stamp, milliseconds since 1970 by some leader's clock; 0 before the first */
  stamp = 0;
  logTime = 0;
  runTime = 0;

  advance(stamp: number): void {
    if (stamp === this.stamp) return;
    this.runTime = this.runTimeAt(stamp);
    this.stamp = stamp;
    if (stamp > this.logTime) this.logTime = stamp;
  }

  /** What the run time will be if the next stamp is `stamp`. */
  runTimeAt(stamp: number): number {
    if (this.stamp === 0) return this.runTime;
    return this.runTime + Math.min(Math.max(stamp - this.stamp, 0), STEP_MAX);
  }
}
