import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { SnapshotCount } from "../../src/node/snapshot-count.js";

interface Case {
  readonly what: string;
  readonly statePart: number;
  readonly rowCount: number;
  readonly stateSize: number;
  /** of 10 commands and 100 bytes each */
  readonly dueAt: number;
}

const CASES: readonly Case[] = [
  { what: "of any state", statePart: 0, rowCount: 1e9, stateSize: 1e9, dueAt: 10 },
  { what: "of a small state", statePart: 0.5, rowCount: 10, stateSize: 10, dueAt: 10 },
  { what: "of many rows", statePart: 0.5, rowCount: 500, stateSize: 1e9, dueAt: 25 },
  { what: "of many bytes", statePart: 0.5, rowCount: 1e9, stateSize: 8000, dueAt: 40 },
];

describe("a snapshot", () => {
  for (const { what, statePart, rowCount, stateSize, dueAt } of CASES) {
    it(`${what} is due after ${dueAt} entries, and after as many again`, () => {
      const count = new SnapshotCount({ entriesMax: 100, bytesMax: 1e6, statePart });
      const extent = { rowCount, size: stateSize };
      const due: number[] = [];
      for (let i = 1; i <= 2 * dueAt; i++)
        if (count.add(10, 100, () => extent) === "due") due.push(i);
      assert.deepEqual(due, [dueAt, 2 * dueAt]);
    });
  }

  it("is due after so many bytes, and counts from the one that took the state's place", () => {
    const count = new SnapshotCount({ entriesMax: 1e9, bytesMax: 250, statePart: 0.5 });
    const add = (): string => count.add(1, 100, () => ({ rowCount: 2, size: 1e9 }));
    assert.deepEqual([add(), add()], ["early", "early"]);
    count.restart();
    assert.deepEqual([add(), add(), add()], ["early", "early", "due"]);
  });
});
