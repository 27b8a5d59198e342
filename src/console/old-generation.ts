/**
 * How much the old part of a node's heap may grow before all of the heap is collected.
 *
 * When little goes on for some seconds, V8 collects all of it, and lets it grow by a few
 * MiB from then on, for as long as it does not grow: a node that waited for its first
 * clients is collected several times a second once they come, though next to nothing in
 * its old part has died. What V8 gives a node that never waited is some 40 MiB, so a small
 * heap is given no less at any time; a large one grows as V8 thinks best.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

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
  const said = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  if (/heap[-_]growing|old[-_]space|heap[-_]size|memory[-_]reducer/.test(said)) return;
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
    if (list.getEntries().some(wasOfAll)) look();
  }).observe({ entryTypes: ["gc"] });
}

/** Whether all of the heap was collected. */
function wasOfAll(entry: PerformanceEntry): boolean {
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
