/**
 * What a put costs the heap on its way through a block, as JSON: bytes a put for
 * making the block, checking it as a follower does, and going through it as apply
 * does. A process of its own, so that nobody else's garbage is counted; of one
 * thread, so that what is hot is compiled while it is warmed up:
 *
 *   node --expose-gc --max-semi-space-size=64 --single-threaded dist/test/codec/allocations.js
 */
import process from "node:process";
import { readBlock, RequestCursor, sealCommands } from "../../src/codec/block.js";
import { PlainPut } from "../../src/node/plain-put.js";
import { settle } from "../../src/node/pending-write.js";
import { WriteOrder } from "../../src/node/write-order.js";
import { LogIndex, Term, type CommandsEntry } from "../../src/raft/types.js";
import type { Request } from "../../src/store/command.js";

const PUTS = 1000;
const ROUNDS = 20;
const MEASUREMENTS = 10;
const POSITION = { index: LogIndex(1_000_000), term: Term(3), previousChecksum: 0 };

const requests = Array.from({ length: PUTS }, (_, i): Request => {
  const key = Buffer.from(`key:${String(i).padStart(10, "0")}`);
  const value = Buffer.alloc(100, "v");
  return { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] };
});

const writes = requests.map((request) => ({ request }));
const command = {
  bytes: Buffer.alloc(200, "b"),
  ...{ keyStart: 8, keySize: 14, valueStart: 32, valueSize: 100 },
};
const order = new WriteOrder();
const puts = requests.map(() => new PlainPut(order));
let settledCount = 0;
function waits(): void {
  settledCount = (settledCount + 1) & 0xffff;
}

let entry: CommandsEntry | undefined;
let sum = 0;

const steps: Readonly<Record<string, () => void>> = {
  seal: () => {
    entry = sealCommands(POSITION, 1_790_000_000_000, writes);
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
  sealPuts: () => {
    for (const put of puts) put.take(command, waits);
    entry = sealCommands(POSITION, 1_790_000_000_000, puts);
    for (const put of puts) settle(put, undefined, put.applied(put.keySize));
  },
};

/** Bytes a put, once it is compiled: the least of several measurements, for a busy machine compiles late. */
function measure(step: () => void): number {
  // Compiled first: an interpreter makes numbers that compiled code does not.
  for (let round = 0; round < 200; round++) step();
  return Math.min(...Array.from({ length: MEASUREMENTS }, () => measureOnce(step)));
}

function measureOnce(step: () => void): number {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < ROUNDS; round++) step();
  return (process.memoryUsage().heapUsed - before) / (ROUNDS * PUTS);
}

const measured = Object.fromEntries(
  Object.entries(steps).map(([name, step]) => [name, measure(step)]),
);
process.stdout.write(JSON.stringify({ ...measured, sum, settledCount }));
