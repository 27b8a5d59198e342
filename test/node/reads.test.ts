/** Linearizable reads on their way: who is under way holds back who waits, for a while. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Reads } from "../../src/node/reads.js";
import { LogIndex } from "../../src/raft/types.js";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import { DEFAULT_HISTORY_POLICY } from "../../src/store/due.js";
import { Store } from "../../src/store/store.js";

describe("reads on their way", () => {
  it("are counted as asked from their asking to their answer, by when it was", () => {
    const reads = new Reads();
    const store = new Store(DEFAULT_LIMITS, DEFAULT_HISTORY_POLICY);
    let served = 0;
    const add = (count: number): void => {
      for (let i = 0; i < count; i += 1) reads.add(Infinity, () => (served += 1));
    };
    add(3);
    assert.equal(reads.askedSince(0), 0);
    const first = reads.ask(10);
    add(2);
    const second = reads.ask(20);
    assert.ok(first !== undefined && second !== undefined);
    assert.deepEqual(
      [5, 10, 11, 20, 21].map((since) => reads.askedSince(since)),
      [5, 5, 2, 2, 0],
    );
    reads.granted(first, LogIndex(0));
    reads.serve(LogIndex(0), store);
    assert.deepEqual([served, reads.askedSince(0)], [3, 2]);
    // What was refused waits again.
    reads.refused(second);
    assert.deepEqual([reads.waitingCount, reads.askedSince(0)], [2, 0]);
  });
});
