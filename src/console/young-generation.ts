/**
 * How large the young part of a node's heap may be.
 *
 * V8 doubles it, up to 32 MiB, whenever as much has survived its collections as it holds, however
 * many they were. So a node that has been busy for a while has all of that resident, and as it is
 * collected more rarely, dead buffers beside it. What a request makes is garbage after a few
 * milliseconds: a quarter of that finds nearly all of it dead too, at the same processor time.
 *
 * Of the modules that a start loads all survive, and a young part that has grown by them stays as
 * large: so it is held while they come. V8 also shrinks it, when little goes on. So it is told to grow
 * no further while the bound is reached, and that it may again when it is not: after each collection,
 * for nothing else changes its size.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { isFlagGiven } from "./engine-flags.js";

/** bytes, both halves together */
export const YOUNG_SIZE_MAX: number = 8 * 1024 * 1024;
/** V8's own */
const GROWTH_FACTOR = 2;
const SEMI_SPACE = /semi[-_]space/;

/** Keeps it as large as it is, until it is bound. What an operator says of it is what happens. */
export function holdYoungGeneration(): void {
  if (!isFlagGiven(SEMI_SPACE)) setGrowth(false);
}

/** Until the process ends. What an operator says of it is what happens. */
export function boundYoungGeneration(): void {
  if (isFlagGiven(SEMI_SPACE)) return;
  let mayGrow: boolean | undefined;
  const look = (): void => {
    const hasRoom = youngSize() < YOUNG_SIZE_MAX;
    if (hasRoom === mayGrow) return;
    mayGrow = hasRoom;
    setGrowth(mayGrow);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

function setGrowth(mayGrow: boolean): void {
  setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? GROWTH_FACTOR : 1}`);
}

/** bytes */
function youngSize(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  return young?.space_size ?? 0;
}
