/**
 * What is counted of a run: latencies by operation, failures, and the first
 * failure's words. Two rules for what belongs to the measured time [start, end):
 *
 *   closed loop   asked and answered within it
 *   open loop     due within it, whenever it was answered; what was never sent or
 *                 answered counts with the time it had waited at the end, so that a
 *                 stall cannot hide the requests it kept from being made
 */
import { Latencies } from "../latencies.js";
import { OPERATION_NAMES, type Operation, type OperationName } from "./operation.js";

export interface TallyOptions {
  /** milliseconds, of performance.now() */
  readonly startMs: number;
  readonly endMs: number;
  readonly isOpen: boolean;
}

export class Tally {
  readonly startMs: number;
  readonly endMs: number;
  readonly #isOpen: boolean;
  readonly #latencies = OPERATION_NAMES.map(() => new Latencies());
  #count = 0;
  #errors = 0;
  /** one reading of the clock serves all answers of a chunk; milliseconds */
  nowMs = 0;
  firstError: string | undefined;
  #gapMaxMs = 0;
  #lastGoodMs = 0;
  /** open loop: due, but never sent */
  unsent = 0;
  /** open loop: sent, but without an answer when the run was given up */
  unanswered = 0;

  constructor(options: TallyOptions) {
    this.startMs = options.startMs;
    this.endMs = options.endMs;
    this.#isOpen = options.isOpen;
  }

  /** requests that were answered well */
  get count(): number {
    return this.#count;
  }

  get errors(): number {
    return this.#errors;
  }

  finished(operation: Operation, beganMs: number): void {
    this.#noteGap(this.nowMs);
    if (beganMs < this.startMs) return;
    if (this.#isOpen ? beganMs >= this.endMs : this.nowMs > this.endMs) return;
    this.#count += 1;
    this.#latencies[operation]?.record(this.nowMs - beganMs);
  }

  /** The longest time within [start, end) without an answer that was good; of one that has an end. Milliseconds. */
  get gapMaxMs(): number {
    const lastMs = this.endMs - Math.max(this.#lastGoodMs, this.startMs);
    return Number.isFinite(lastMs) ? Math.max(this.#gapMaxMs, lastMs) : this.#gapMaxMs;
  }

  #noteGap(nowMs: number): void {
    if (nowMs < this.startMs) return;
    const gapMs = Math.min(nowMs, this.endMs) - Math.max(this.#lastGoodMs, this.startMs);
    if (gapMs > this.#gapMaxMs) this.#gapMaxMs = gapMs;
    this.#lastGoodMs = nowMs;
  }

  failed(beganMs: number, why: string): void {
    this.firstError ??= why;
    if (beganMs >= this.startMs && beganMs < this.endMs) this.#errors += 1;
  }

  /** Open loop: a request without an answer, with the time it has waited at least. */
  gaveUp(operation: Operation, dueMs: number, wasSent: boolean): void {
    if (dueMs < this.startMs || dueMs >= this.endMs) return;
    if (wasSent) this.unanswered += 1;
    else this.unsent += 1;
    this.#latencies[operation]?.record(this.nowMs - dueMs);
  }

  /** Of every operation that was asked for. */
  latencies(): ReadonlyMap<OperationName, Latencies> {
    const asked = OPERATION_NAMES.map((name, at) => [name, this.#latencies[at]] as const);
    return new Map(
      asked.flatMap(([name, latencies]) =>
        latencies === undefined || latencies.count === 0 ? [] : [[name, latencies] as const],
      ),
    );
  }
}
