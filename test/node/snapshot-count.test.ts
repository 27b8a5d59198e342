import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { SnapshotCount } from "../../src/node/snapshot-count.js";

interface Case {
  /** what the last one was of, and the next one is */
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
      const extent = { rowCount, size: stateSize };
      const count = new SnapshotCount({ entriesMax: 100, bytesMax: 1e6, statePart }, extent);
      const due: number[] = [];
      for (let i = 1; i <= 2 * dueAt; i++)
        if (count.add(10, 100, () => extent) === "due") due.push(i);
      assert.deepEqual(due, [dueAt, 2 * dueAt]);
    });
  }

  it("is due after so many bytes, and counts from the one that took the state's place", () => {
    const extent = { rowCount: 2, size: 1e9 };
    const count = new SnapshotCount({ entriesMax: 1e9, bytesMax: 250, statePart: 0.5 }, extent);
    const add = (): string => count.add(1, 100, () => extent);
    assert.deepEqual([add(), add()], ["early", "early"]);
    count.restart(extent);
    assert.deepEqual([add(), add(), add()], ["early", "early", "due"]);
    count.restart({ rowCount: 10, size: 1e9 });
    assert.deepEqual(
      [add(), add(), add(), add(), add()],
      [...Array<string>(4).fill("early"), "due"],
    );
  });

  it("of a state that only grows is due when it has doubled: the log is never longer than the state", () => {
    const rule = { entriesMax: 100, bytesMax: 1e9, statePart: 1 };
    const count = new SnapshotCount(rule, { rowCount: 0, size: 0 });
    const due: number[] = [];
    for (let rowCount = 1; rowCount <= 1000; rowCount++) {
      const extent = { rowCount, size: 1e9 };
      if (count.add(1, 100, () => extent) === "due") due.push(rowCount);
    }
    assert.deepEqual(due, [100, 200, 400, 800]);
  });

  it("of a state that is written over comes after as many commands as it has rows", () => {
    const extent = { rowCount: 300, size: 1e9 };
    const count = new SnapshotCount({ entriesMax: 100, bytesMax: 1e9, statePart: 1 }, extent);
    const due: number[] = [];
    for (let i = 1; i <= 1000; i++) if (count.add(1, 100, () => extent) === "due") due.push(i);
    assert.deepEqual(due, [300, 600, 900]);
  });
});
