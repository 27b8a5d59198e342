/**
 * The one clock and the one timer of a node (law 7).
 *
 * Ticks are delivered after the sockets had their turn: a process that was
 * stopped for a while wakes up to a full inbox, and must read what the leader
 * said meanwhile before it decides that there is no leader.
 */
export interface Clock {
  /** Milliseconds, monotonic, any origin; fractions count. */
  now(): number;
  /** Milliseconds since 1970 by the wall clock; may jump. */
  wallTime(): number;
  /**
   * Calls `onTick` with the number of tick periods that passed since the last
   * call (at least 1), until stopped.
   */
  start(periodMs: number, onTick: (elapsedTicks: number) => void): void;
  stop(): void;
  /** Runs `task` once, after the input that is already waiting was taken in. */
  defer(task: () => void): void;
  /** Runs `task` once, after so many milliseconds or more. */
  later(delayMs: number, task: () => void): void;
  /** Milliseconds, since any moment, in which there was nothing to do but to wait for input. */
  idleTime(): number;
}

export class SystemClock implements Clock {
  #timer: NodeJS.Timeout | undefined;

  now(): number {
    return performance.now();
  }

  wallTime(): number {
    return Date.now();
  }

  start(periodMs: number, onTick: (elapsedTicks: number) => void): void {
    let ticked = 0;
    const startedAt = this.now();
    this.#timer = setInterval(() => {
      // Behind the poll phase: messages that are waiting are read first.
      setImmediate(() => {
        if (this.#timer === undefined) return;
        const due = Math.floor((this.now() - startedAt) / periodMs);
        if (due <= ticked) return;
        const elapsed = due - ticked;
        ticked = due;
        onTick(elapsed);
      });
    }, periodMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  defer(task: () => void): void {
    setImmediate(task);
  }

  later(delayMs: number, task: () => void): void {
    setTimeout(task, delayMs);
  }

  idleTime(): number {
    return performance.eventLoopUtilization().idle;
  }
}
