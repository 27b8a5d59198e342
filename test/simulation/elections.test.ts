/** How soon five nodes that start have a leader: over a thousand simulated starts. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { simulateElection } from "../../src/simulation/election-trial.js";

const STARTS = 1000;

describe("five nodes that start", function () {
  this.timeout(1_800_000);

  it(`have a leader within two terms in 99 of 100 of ${STARTS} starts`, () => {
    const terms = new Map<number, number>();
    const times: number[] = [];
    for (let seed = 1; seed <= STARTS; seed += 1) {
      const { term, elapsedMs } = simulateElection(seed, 5);
      terms.set(term, (terms.get(term) ?? 0) + 1);
      times.push(elapsedMs);
    }
    times.sort((a, b) => a - b);
    const at = (share: number): string => (times[Math.floor(share * (STARTS - 1))] ?? 0).toFixed(0);
    const shown = [...terms]
      .toSorted(([a], [b]) => a - b)
      .map(([term, count]) => `term ${term}: ${count}`);
    process.stdout.write(
      `      (${shown.join(", ")}; simulated ms to a leader: median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)})\n`,
    );
    const soon = (terms.get(1) ?? 0) + (terms.get(2) ?? 0);
    assert.ok(soon >= STARTS * 0.99, `${soon} of ${STARTS}`);
  });
});
