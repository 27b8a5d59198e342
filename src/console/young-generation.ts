/**
 * How large the young part of a node's heap may be.
 *
 * V8 doubles it, up to 32 MiB, whenever as much has survived its collections as it holds, however
 * many they were. So a node that has been busy for a while has all of that resident, and as it is
 * collected more rarely, dead buffers beside it. What a request makes is garbage after a few
 * milliseconds: half of that finds nearly all of it dead too, at the same processor time.
 *
 * V8 also shrinks it, when little goes on. So it is told to grow no further while the bound is
 * reached, and that it may again when it is not: after each collection, for nothing else changes
 * its size.
 */
import { PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** bytes, both halves together */
export const YOUNG_SIZE_MAX: number = 16 * 1024 * 1024;
/** V8's own */
const GROWTH_FACTOR = 2;

/**
 * Until the process ends. What an operator says of it is what happens. To be called once all is
 * loaded: what Node keeps compiled of itself is refused by a V8 whose flags have changed.
 */
export function boundYoungGeneration(): void {
  const said = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  if (/semi[-_]space/.test(said)) return;
  let mayGrow = true;
  const look = (): void => {
    const hasRoom = youngSize() < YOUNG_SIZE_MAX;
    if (hasRoom === mayGrow) return;
    mayGrow = hasRoom;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? GROWTH_FACTOR : 1}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

/** bytes */
function youngSize(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  return young?.space_size ?? 0;
}
