/**
 * Loaded into a node before everything else (`--import`): how long its loop was
 * held. Four times a second a line with the time, the longest hold and the longest
 * collection of garbage since the line before, to a file named after the process.
 */
import { appendFileSync } from "node:fs";
import path from "node:path";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";

const RESOLUTION_MS = 1;
const LINE_MS = 250;

const directory = process.env["BALSA_BENCH_HOLDS"];
if (directory !== undefined) watch(path.join(directory, `${process.pid}.holds`));

function watch(file: string): void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let collectedMs = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collectedMs = Math.max(collectedMs, duration);
  }).observe({ entryTypes: ["gc"] });
  delays.enable();
  setInterval(() => {
    const heldMs = Math.max(0, delays.max / 1e6 - RESOLUTION_MS);
    appendFileSync(file, `${Date.now()} ${heldMs.toFixed(2)} ${collectedMs.toFixed(2)}\n`);
    delays.reset();
    collectedMs = 0;
  }, LINE_MS).unref();
}
