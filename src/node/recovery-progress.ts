/**
 * How far a recovery is, for the operator: nothing when it is over within a second,
 * then a line a second with what is left.
 */
import type { Clock } from "./clock.js";

const INTERVAL_MS = 1000;

export class RecoveryProgress {
  readonly #clock: Clock;
  readonly #notice: (line: string) => void;
  readonly #doing: string;
  readonly #startedAt: number;
  #toldAt: number;

  constructor(clock: Clock, notice: (line: string) => void, doing: string) {
    this.#clock = clock;
    this.#notice = notice;
    this.#doing = doing;
    this.#startedAt = clock.now();
    this.#toldAt = this.#startedAt;
  }

  /** @param done of `all`, in bytes */
  tell(done: number, all: number): void {
    const now = this.#clock.now();
    if (now - this.#toldAt < INTERVAL_MS || done === 0) return;
    this.#toldAt = now;
    const leftMs = ((now - this.#startedAt) / done) * (all - done);
    const percent = Math.floor((done / all) * 100);
    this.#notice(`${this.#doing}: ${percent} %, about ${Math.ceil(leftMs / 1000)} s left`);
  }
}
