/** Seeded lives: `SEEDS=5000 npm test` for more, `SEED=17` to repeat one. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { simulate } from "./simulation.js";

const seedCount = Number(process.env["SEEDS"] ?? 300);
const seedOnly = process.env["SEED"];
const seeds =
  seedOnly === undefined ? Array.from({ length: seedCount }, (_, i) => i + 1) : [Number(seedOnly)];

describe("raft simulation", () => {
  it(`holds every property in ${seeds.length} seeded lives, and recovers after each`, function () {
    this.timeout(seeds.length * 2000 + 600_000);
    const total = new Map<string, number>();
    for (const seed of seeds) {
      try {
        for (const [what, count] of Object.entries(simulate({ seed, duration: 300 }))) {
          total.set(what, (total.get(what) ?? 0) + count);
        }
      } catch (error) {
        throw new Error(`seed ${seed} (repeat with SEED=${seed})`, { cause: error });
      }
    }
    // A check that saw nothing proves nothing.
    for (const [what, count] of total) {
      const isRare = what === "kept" || what === "wipes";
      if (seedOnly !== undefined || isRare) continue;
      assert.ok(count > seeds.length / 10, `${what}: ${count}`);
    }
  });
});
