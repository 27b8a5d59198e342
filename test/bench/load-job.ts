/** A tally whose time has begun, and a demand that asks for what it is told. */
import { OPERATION, type Operation } from "../../bench/load/operation.js";
import { Tally } from "../../bench/load/tally.js";
import type { Demand } from "../../bench/load/workload.js";

export function begunTally(): Tally {
  const tally = new Tally({ startMs: 0, endMs: Number.POSITIVE_INFINITY, isOpen: false });
  tally.nowMs = 5;
  return tally;
}

/** Keys from `key` on, one a request. */
export function demandOf(key: number, operation: Operation = OPERATION.put): Demand {
  return {
    operation,
    key: key - 1,
    otherKey: 77,
    count: 10,
    next() {
      this.key += 1;
    },
  };
}

/** All answered latencies, whatever the operation. */
export function answered(tally: Tally): number {
  return [...tally.latencies().values()].reduce((sum, { count }) => sum + count, 0);
}
