/** A node's clock in simulated time: its own rate. It goes on while the node is paused; what is due then is done after. */
import type { Clock } from "../node/clock.js";
import type { Scheduler } from "./scheduler.js";

/** The wall clock's origin: any moment, the same in every run. Milliseconds since 1970. */
const WALL_ORIGIN = 1_700_000_000_000;

export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  /** runs a task of this node, now or when it is no longer paused; drops it when it is dead */
  readonly #run: (task: () => void, isTick: boolean) => void;
  /** simulated milliseconds of this clock for one of the world's */
  readonly #rate: number;
  readonly #wallOffset: number;
  #running = false;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly run: (task: () => void, isTick: boolean) => void;
    readonly rate: number;
    readonly wallOffset: number;
  }) {
    this.#scheduler = options.scheduler;
    this.#run = options.run;
    this.#rate = options.rate;
    this.#wallOffset = options.wallOffset;
  }

  now(): number {
    return this.#scheduler.now * this.#rate;
  }

  wallTime(): number {
    return WALL_ORIGIN + this.#wallOffset + Math.floor(this.now());
  }

  start(periodMs: number, onTick: (elapsedTicks: number) => void): void {
    this.#running = true;
    const startedAt = this.now();
    let ticked = 0;
    const delayMs = periodMs / this.#rate;
    const tick = (): void => {
      if (!this.#running) return;
      const due = Math.floor((this.now() - startedAt) / periodMs);
      const elapsed = due - ticked;
      ticked = due;
      this.#scheduler.after(delayMs, runTick);
      if (elapsed > 0) onTick(elapsed);
    };
    const runTick = (): void => {
      this.#run(tick, true);
    };
    this.#scheduler.after(delayMs, runTick);
  }

  stop(): void {
    this.#running = false;
  }

  defer(task: () => void): void {
    this.later(0, task);
  }

  later(delayMs: number, task: () => void): void {
    this.#scheduler.after(delayMs / this.#rate, () => {
      this.#run(task, false);
    });
  }

  /** What is done takes no simulated time. */
  idleTime(): number {
    return this.now();
  }
}
