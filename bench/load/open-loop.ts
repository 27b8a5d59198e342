/**
 * An open loop: requests are due at moments that chance has fixed beforehand
 * (Poisson), whether or not earlier ones are answered, as with many users who know
 * nothing of each other. Latency counts from the moment a request was due.
 *
 * What cannot be sent because too many are on their way stays due and is sent when
 * there is room, with its wait counted; nothing is skipped.
 */
import type { Random } from "./random.js";

export interface OpenLoopOptions {
  /** requests a second */
  readonly rate: number;
  /** milliseconds */
  readonly beginMs: number;
  readonly endMs: number;
  /** requests on their way at once, at most */
  readonly inFlightMax: number;
  readonly random: Random;
}

export class OpenLoop {
  readonly #options: OpenLoopOptions;
  #dueMs: number;

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#dueMs = options.beginMs;
    this.#advance();
  }

  /** When the next request is due; Infinity when there is none left. */
  get dueMs(): number {
    return this.#dueMs < this.#options.endMs ? this.#dueMs : Number.POSITIVE_INFINITY;
  }

  /** Takes the next request if it is due and there is room. @returns when it was due, or undefined */
  take(nowMs: number, inFlight: number): number | undefined {
    const dueMs = this.dueMs;
    if (dueMs > nowMs || inFlight >= this.#options.inFlightMax) return undefined;
    this.#advance();
    return dueMs;
  }

  /** What was due by the end and never taken. */
  *left(): Generator<number> {
    for (let dueMs = this.dueMs; dueMs < Number.POSITIVE_INFINITY; dueMs = this.dueMs) {
      this.#advance();
      yield dueMs;
    }
  }

  #advance(): void {
    const { random, rate } = this.#options;
    this.#dueMs += (-Math.log(1 - random.next()) / rate) * 1000;
  }
}
