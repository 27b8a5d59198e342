/**
 * Time of its own for what is tried with real sockets: it stands still unless it is
 * waited for, and then goes on a little with every turn of the loop. So what takes a few
 * turns takes no time, however long the machine leaves this process alone meanwhile.
 */
import { setTimeout as pause } from "node:timers/promises";
import sinon from "sinon";

const STEP_MS = 2;

export class OwnTime {
  readonly #clock = sinon.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.#clock.tick(STEP_MS);
      // By the real clock, for what the system does between two turns.
      await pause(1);
    }
  }

  /** Lets time pass until `promise` is settled. */
  async untilSettled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(() => isSettled);
    return promise;
  }

  /** Time is everybody's again. */
  restore(): void {
    this.#clock.restore();
  }
}
