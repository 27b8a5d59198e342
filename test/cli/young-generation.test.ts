import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { describe, it } from "mocha";
import { YOUNG_SIZE_MAX } from "../../src/console/young-generation.js";

const run = promisify(execFile);
const MODULE = new URL("../../src/console/young-generation.js", import.meta.url).href;

/** Keeps what it makes for four turns, 300 times; prints the largest size there was. */
const CHURN = `
  import { getHeapSpaceStatistics } from "node:v8";
  const ring = [];
  let largest = 0;
  for (let turn = 0; turn < 300; turn++) {
    ring[turn % 4] = Array.from({ length: 8000 }, (_, i) => ({ i }));
    await new Promise((resolve) => setImmediate(resolve));
    const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
    largest = Math.max(largest, young.space_size);
  }
  console.log(largest);`;
const HELD = `
  import { holdYoungGeneration } from ${JSON.stringify(MODULE)};
  holdYoungGeneration();`;
const BOUND = `
  import { boundYoungGeneration } from ${JSON.stringify(MODULE)};
  boundYoungGeneration();`;

/** In a process of its own, because all of a process has one heap. */
async function largestSize(script: string, ...flags: readonly string[]): Promise<number> {
  const words = [...flags, "--input-type=module", "-e", script];
  const { stdout } = await run(process.execPath, words);
  return Number(stdout);
}

describe("the young part of a node's heap", () => {
  it("stays within its bound, where V8 would let it grow beyond", async () => {
    assert.ok((await largestSize(CHURN)) > YOUNG_SIZE_MAX);
    const bounded = await largestSize(BOUND + CHURN);
    assert.ok(bounded > 0 && bounded <= YOUNG_SIZE_MAX, `${bounded} bytes`);
  });

  it("does not grow at all while it is held, and within its bound when it is bound then", async () => {
    const held = await largestSize(HELD + CHURN);
    assert.ok(held < YOUNG_SIZE_MAX, `${held} bytes`);
    const bounded = await largestSize(HELD + BOUND + CHURN);
    assert.ok(bounded > held && bounded <= YOUNG_SIZE_MAX, `${bounded} bytes`);
  });

  it("is what an operator says it is", async () => {
    const said = await largestSize(BOUND + CHURN, "--max-semi-space-size=16");
    assert.ok(said > YOUNG_SIZE_MAX, `${said} bytes`);
  });
});
