/**
 * What a put costs the heap on its way through a block, as JSON: bytes a put for
 * making the block, checking it as a follower does, and going through it as apply
 * does. A process of its own, so that nobody else's garbage is counted:
 *
 *   node --expose-gc --max-semi-space-size=64 dist/test/codec/allocations.js
 */
import process from "node:process";
import { readBlock, RequestCursor, sealCommands } from "../../src/codec/block.js";
import { LogIndex, Term, type CommandsEntry } from "../../src/raft/types.js";
import type { Request } from "../../src/store/command.js";

const PUTS = 1000;
const ROUNDS = 20;
const POSITION = { index: LogIndex(1_000_000), term: Term(3), previousChecksum: 0 };

const requests = Array.from({ length: PUTS }, (_, i): Request => {
  const key = Buffer.from(`key:${String(i).padStart(10, "0")}`);
  const value = Buffer.alloc(100, "v");
  return { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] };
});

let entry: CommandsEntry | undefined;
let sum = 0;

const steps: Readonly<Record<string, () => void>> = {
  seal: () => {
    entry = sealCommands(POSITION, 1_790_000_000_000, requests);
  },
  check: () => {
    const read = readBlock(entry?.block ?? new Uint8Array(0), 0, 0);
    if (read.kind === "fault") throw new Error(read.reason);
  },
  apply: () => {
    if (entry === undefined) throw new Error("there is no entry");
    const cursor = new RequestCursor(entry);
    const { row } = cursor;
    while (cursor.next()) {
      if (!cursor.isPut) throw new Error("it is a put");
      // Kept small: a large number would be an object on the heap itself.
      sum = (sum + row.keyStart + row.keySize + row.valueStart + row.valueSize) & 0xffff;
    }
  },
};

/** Bytes a put. */
function measure(step: () => void): number {
  // Compiled first: an interpreter makes numbers that compiled code does not.
  for (let round = 0; round < 200; round++) step();
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < ROUNDS; round++) step();
  return (process.memoryUsage().heapUsed - before) / (ROUNDS * PUTS);
}

const measured = Object.fromEntries(
  Object.entries(steps).map(([name, step]) => [name, measure(step)]),
);
process.stdout.write(JSON.stringify({ ...measured, sum }));
