/**
 * Loaded into a node before everything else (`--import`): how long its loop was
 * held. Four times a second a line with the time, the longest hold, the longest
 * without what the thread waited for a processor that others had (Linux tells it),
 * the most that it ran itself in one, and the longest collection of garbage since the line before, to a file named
 * after the process. What a hypervisor gives to others is in both: the same watch
 * in a process that does nothing else says how much that is.
 */
import { appendFileSync } from "node:fs";
import path from "node:path";
import { PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import { threadTimes, type ThreadTime } from "../thread-time.js";

/** Milliseconds between two looks; a hold is what passes beyond it. */
const LOOK_MS = 2;
const LINE_MS = 250;
/** Milliseconds within which a look is of one moment, and how often that is tried. */
const MOMENT_MS = 0.15;
const TRIES_MAX = 5;

const directory = process.env["BALSA_BENCH_HOLDS"];
if (directory !== undefined) watch(path.join(directory, `${process.pid}.holds`));

function watch(file: string): void {
  const times = threadTimes();
  let collectedMs = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collectedMs = Math.max(collectedMs, duration);
  }).observe({ entryTypes: ["gc"] });
  let [heldMs, ownMs, ranMs] = [0, 0, 0];
  let [lastAt, last] = lookAt(times);
  setInterval(() => {
    const [at, now] = lookAt(times);
    const held = at - lastAt - LOOK_MS;
    heldMs = Math.max(heldMs, held);
    ownMs = Math.max(ownMs, held - (now.waitedMs - last.waitedMs));
    ranMs = Math.max(ranMs, Math.min(held, now.runMs - last.runMs));
    [lastAt, last] = [at, now];
  }, LOOK_MS).unref();
  setInterval(() => {
    const cells = [heldMs, ownMs, ranMs, collectedMs].map((ms) => ms.toFixed(2));
    appendFileSync(file, `${Date.now()} ${cells.join(" ")}\n`);
    [heldMs, ownMs, ranMs, collectedMs] = [0, 0, 0, 0];
  }, LINE_MS).unref();
}

/**
 * The time, and what the thread has had by then. The kernel gives the processor to others just where it
 * counts what this one has used: a look that was interrupted would tell of the wait in one hold, and
 * take it off the one before.
 */
function lookAt(times: () => ThreadTime): readonly [at: number, now: ThreadTime] {
  for (let tries = 1; ; tries += 1) {
    const before = performance.now();
    const now = times();
    const at = performance.now();
    if (at - before <= MOMENT_MS || tries === TRIES_MAX) return [at, now];
  }
}
