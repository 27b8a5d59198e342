import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { describe, it } from "mocha";

const run = promisify(execFile);
const MODULE = new URL("../../src/console/old-generation.js", import.meta.url).href;

/** Keeps what it makes until it is old, 900 times; prints how often all of the heap was collected. */
const CHURN = `
  import { constants, PerformanceObserver } from "node:perf_hooks";
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) {
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections += 1;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  const ring = [];
  for (let turn = 0; turn < 900; turn++) {
    ring[turn % 40] = Array.from({ length: 4000 }, (_, i) => ({ i }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(collections);`;
const ROOMY = `
  import { roomyOldGeneration } from ${JSON.stringify(MODULE)};
  roomyOldGeneration();`;
/** V8 lets the heap grow as slowly as when little has gone on for a while. */
const SLOWLY = "--optimize-for-size";

/** In a process of its own, because all of a process has one heap. */
async function collections(script: string, ...flags: readonly string[]): Promise<number> {
  const words = [...flags, "--input-type=module", "-e", script];
  const { stdout } = await run(process.execPath, words);
  return Number(stdout);
}

describe("the old part of a node's heap", () => {
  it("is collected less than half as often as where V8 lets it grow slowly", async () => {
    const slowly = await collections(CHURN, SLOWLY);
    const roomy = await collections(ROOMY + CHURN, SLOWLY);
    assert.ok(2 * roomy < slowly, `${roomy} times, and ${slowly} where it grows slowly`);
  });

  it("grows as an operator says", async () => {
    const roomy = await collections(ROOMY + CHURN, SLOWLY);
    const said = await collections(ROOMY + CHURN, SLOWLY, "--heap-growing-percent=20");
    assert.ok(said > 2 * roomy, `${said} times, and ${roomy} where it has room`);
  });
});
