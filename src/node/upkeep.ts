/** What a leader proposes by itself: expiries and the like, decided by its clock, done by the log (law 1). */
import type { Store } from "../store/store.js";
import { contentSize } from "../store/limits.js";
import type { Clock } from "./clock.js";
import type { PendingWrite } from "./pending-write.js";

/** How long a leader waits for what it proposed by itself, before it may ask again. Milliseconds. */
const UPKEEP_MS_MAX = 5000;

export class Upkeep {
  /** what was proposed last is not applied yet */
  #isUnderWay = false;

  /** What is due and not under way, for a leader to propose. */
  due(store: Store, clock: Clock): PendingWrite | undefined {
    if (this.#isUnderWay) return undefined;
    const now = Math.floor(clock.wallTime());
    if (!store.mayBeDue(now)) return undefined;
    const request = store.dueRequest(now);
    if (request === undefined) return undefined;
    this.#isUnderWay = true;
    return {
      request,
      size: contentSize(request),
      deadline: clock.now() + UPKEEP_MS_MAX,
      needs: "revision",
      done: () => {
        this.#isUnderWay = false;
      },
    };
  }
}
