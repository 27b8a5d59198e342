/**
 * The same seed is the same life, event for event: twice in one process, in another
 * process, and on another Node. And nothing of the real world is asked meanwhile.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { describe, it } from "mocha";
import { simulate } from "../../src/simulation/index.js";

const SEEDS = [2, 5, 11, 23];
const MODULE = new URL("../../src/simulation/index.js", import.meta.url).href;
const PROGRAM = `
  const { simulate } = await import(${JSON.stringify(MODULE)});
  const hashes = ${JSON.stringify(SEEDS)}.map((seed) => simulate({ seed }).traceHash);
  console.log(JSON.stringify({ version: process.version, hashes }));
`;

interface Printed {
  readonly version: string;
  readonly hashes: readonly string[];
}

const hashes = (): readonly string[] => SEEDS.map((seed) => simulate({ seed }).traceHash);

describe("a simulated life", function () {
  this.timeout(1_800_000);

  it("is the same twice in one process, to the last event and answer", () => {
    for (const seed of SEEDS) assert.deepEqual(simulate({ seed }), simulate({ seed }));
  });

  it("is the same in another process", () => {
    const arguments_ = ["--input-type=module", "-e", PROGRAM];
    const out = execFileSync(process.execPath, arguments_, { encoding: "utf8" });
    assert.deepEqual((JSON.parse(out) as Printed).hashes, hashes());
  });

  it("is the same on the newest long-term Node", function () {
    const root = path.resolve(import.meta.dirname, "../../..");
    const run = spawnSync("npx", ["-y", "node@24", "--input-type=module", "-e", PROGRAM], {
      cwd: root,
      encoding: "utf8",
      timeout: 90_000,
    });
    const printed = run.status === 0 ? (JSON.parse(run.stdout) as Printed) : undefined;
    if (printed?.version.startsWith("v24.") !== true) {
      process.stdout.write("      (not tried: Node 24 could not be had)\n");
      this.skip();
    }
    assert.deepEqual(printed.hashes, hashes());
  });

  it("asks neither the clock, nor chance, nor a timer of the real world", () => {
    const poisoned: [object, string][] = [
      [Date, "now"],
      [Math, "random"],
      [performance, "now"],
      [process, "hrtime"],
      [process, "nextTick"],
      [globalThis, "setTimeout"],
      [globalThis, "setInterval"],
      [globalThis, "setImmediate"],
      [globalThis, "queueMicrotask"],
    ];
    const before = poisoned.map(([holder, name]) => Object.getOwnPropertyDescriptor(holder, name));
    try {
      for (const [holder, name] of poisoned) {
        Object.defineProperty(holder, name, {
          configurable: true,
          value: () => {
            throw new Error(`the simulated world asked for ${name}`);
          },
        });
      }
      for (const seed of SEEDS) assert.equal(simulate({ seed }).failure, undefined);
    } finally {
      poisoned.forEach(([holder, name], at) => {
        const descriptor = before[at];
        if (descriptor === undefined) Reflect.deleteProperty(holder, name);
        else Object.defineProperty(holder, name, descriptor);
      });
    }
  });
});
