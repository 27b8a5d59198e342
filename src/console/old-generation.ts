/**
 * How much the old part of a node's heap may grow before all of the heap is collected.
 *
 * A node that waited some seconds for its first clients is collected several times a
 * second once they come, though next to nothing in its old part has died: V8 lets it grow
 * by a few MiB only, and one that never waited by some 40 (the limits that
 * `--trace-incremental-marking` tells). So a small heap is given no less than 32 at any
 * time; a large one grows as V8 thinks best.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { isFlagGiven } from "./engine-flags.js";

/** Bytes. */
const OLD_GROWTH_MIN = 32 * 1024 * 1024;
/** V8's own judgement. */
const UNTOLD = 0;
/** Of what V8 was told; less is not worth telling it. */
const CHANGE_MIN = 0.1;

/**
 * Until the process ends. What an operator says of it is what happens. To be called once all is
 * loaded, as boundYoungGeneration.
 */
export function roomyOldGeneration(): void {
  if (isFlagGiven(/heap[-_]growing|old[-_]space|heap[-_]size|memory[-_]reducer/)) return;
  let told = UNTOLD;
  const look = (): void => {
    const percent = growingPercent(oldSize());
    if (Math.abs(percent - told) <= CHANGE_MIN * told) return;
    told = percent;
    setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  look();
  // Only then does the old part hold little that is dead. What V8 is told counts from the next one on.
  new PerformanceObserver((list) => {
    if (list.getEntries().some(isMajor)) look();
  }).observe({ entryTypes: ["gc"] });
}

/** Whether all of the heap was collected. */
function isMajor(entry: PerformanceEntry): boolean {
  const detail: unknown = "detail" in entry ? entry.detail : undefined;
  const isCollection = typeof detail === "object" && detail !== null && "kind" in detail;
  return isCollection && detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/** @param size of the old part; bytes */
function growingPercent(size: number): number {
  return size < OLD_GROWTH_MIN ? Math.ceil((100 * OLD_GROWTH_MIN) / size) : UNTOLD;
}

/** bytes */
function oldSize(): number {
  let size = 0;
  for (const { space_name: name, space_used_size: used } of getHeapSpaceStatistics()) {
    if (!name.startsWith("new_")) size += used;
  }
  return size;
}
