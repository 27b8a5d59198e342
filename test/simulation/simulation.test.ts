/**
 * Whole clusters in simulated worlds: the real driver, core, storage and store of
 * every node, under crashes, power cuts, pauses, partitions and slow disks.
 *
 * `SEED=n` replays one life with its trace, `SEEDS=n` lives that many.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { simulate, type SimulationResult } from "../../src/simulation/simulation.js";

const ONE = process.env["SEED"];
const COUNT = Number(process.env["SEEDS"] ?? 60);
const GROUP = 10;

function live(seed: number): SimulationResult {
  const result = simulate({ seed });
  if (result.failure !== undefined) {
    const { message, trace } = result.failure;
    assert.fail(
      `seed ${seed} (${result.nodeCount} nodes): ${message}\n${trace.join("\n")}\n` +
        `replay: SEED=${seed} npx mocha dist/test/simulation/simulation.test.js`,
    );
  }
  return result;
}

describe("a simulated cluster", function () {
  this.timeout(1_800_000);

  if (ONE !== undefined) {
    it(`lives the life of seed ${ONE}`, () => {
      live(Number(ONE));
    });
    return;
  }

  let acknowledged = 0;
  let elections = 0;
  let transactions = 0;
  for (let first = 1; first <= COUNT; first += GROUP) {
    const last = Math.min(COUNT, first + GROUP - 1);
    it(`keeps its promises in the lives of seeds ${first} to ${last}`, () => {
      for (let seed = first; seed <= last; seed += 1) {
        const result = live(seed);
        acknowledged += result.acknowledgedCount;
        elections += result.electionCount;
        transactions += result.transactionCount;
      }
    });
  }

  it("was not idle in them", () => {
    assert.ok(acknowledged > COUNT * 30, `${acknowledged} operations were acknowledged`);
    assert.ok(elections > COUNT, `${elections} leaders were elected`);
    assert.ok(transactions > COUNT * 5, `${transactions} transactions were committed`);
  });

  it("lives the same life twice from the same seed", () => {
    for (const seed of [3, 7, 12]) {
      const [once, again] = [simulate({ seed }), simulate({ seed })];
      assert.deepEqual(again, once);
    }
  });
});
