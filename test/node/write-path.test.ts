/** What a write may cost, counted: figures that no machine changes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, describe, it } from "mocha";
import sinon from "sinon";
import type { NodeService } from "../../src/node/service.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import { MARKER_SIZE } from "../../src/storage/segment.js";
import type { Request } from "../../src/store/command.js";
import { LoopbackCluster, putTogether } from "./loopback-cluster.js";
import { sealRequests } from "../codec/seal-requests.js";

const BATCHES = 40;
/** small enough that a batch is one buffer for a socket */
const BATCH_SIZE = 64;
/** Bytes of a write to a socket that carries a batch; heartbeats come with time, not with writes. */
const BULK_SIZE_MIN = 4096;

describe("the cost of a write", () => {
  it("in the log is at most 130 bytes for a put of 100, twenty or more together", () => {
    const requests = Array.from({ length: 20 }, (_, i): Request => {
      const key = Buffer.from(`key:${String(i).padStart(10, "0")}`);
      const value = Buffer.alloc(100);
      return { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] };
    });
    const at = { index: LogIndex(1_000_000), term: Term(50), previousChecksum: 0xffffffff };
    const { block } = sealRequests(at, Date.UTC(2099, 0), requests);
    const size = (block.length + MARKER_SIZE) / requests.length;
    assert.ok(size <= 130, `${size} bytes`);
  });

  it("to the heap is next to nothing on its way through a block", () => {
    const program = path.join(import.meta.dirname, "../codec/allocations.js");
    // On one thread: else what is measured may not be compiled yet, when that has no processor to run on.
    const flags = ["--expose-gc", "--max-semi-space-size=64", "--single-threaded"];
    const printed = execFileSync(process.execPath, [...flags, program], { encoding: "utf8" });
    const { seal, sealPuts, check, apply } = JSON.parse(printed) as Record<string, number>;
    const told = `bytes a put: ${printed}`;
    assert.ok(seal !== undefined && seal < 100, told);
    // A put where it lies costs the block's bytes, which are not on the heap, and nothing else.
    assert.ok(sealPuts !== undefined && sealPuts < 16, told);
    assert.ok(check !== undefined && check < 32, told);
    assert.ok(apply !== undefined && apply < 16, told);
  });
});

interface Counts {
  readonly entries: number;
  readonly bulkWrites: number;
  readonly flushesMax: number;
  readonly fileWritesMax: number;
}

/**
 * Of those that are committed: behind them may stand one that is not, with which a leader says
 * which lives the members are of once it has heard from all; and it counts for none.
 */
async function commandEntriesAfter(service: NodeService, index: LogIndex): Promise<number> {
  const { commitIndex } = service.info();
  let count = 0;
  for (let next = index + 1; next <= commitIndex;) {
    const page = service.readLog(LogIndex(next), 1024 * 1024);
    // The others' disks may have been quicker than its own, which does not show what it has not flushed.
    if (page.length === 0) await turn();
    count += page.filter(({ kind }) => kind === "commands").length;
    next += page.length;
  }
  return count;
}

describe("the cost of writes that come together", () => {
  let cluster: LoopbackCluster;

  before(async () => {
    cluster = await LoopbackCluster.open();
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  /** Counts anew when another leader was elected meanwhile, which has an entry of its own. */
  async function count(role: () => Promise<NodeService>): Promise<Counts> {
    for (;;) {
      const service = await role();
      const { term } = service.info();
      const counts = await countOnce(service);
      if (service.info().term === term) return counts;
    }
  }

  async function countOnce(service: NodeService): Promise<Counts> {
    await putTogether(service, BATCH_SIZE);
    const flushes = cluster.disks.map((disk) => disk.flushes);
    const writes = cluster.disks.map((disk) => disk.writes);
    const { lastIndex } = service.info();
    const socketWrite = sinon.spy(net.Socket.prototype, "write") as sinon.SinonSpy<[Uint8Array]>;
    try {
      for (let batch = 0; batch < BATCHES; batch += 1) await putTogether(service, BATCH_SIZE);
      return {
        entries: await commandEntriesAfter(service, lastIndex),
        bulkWrites: socketWrite.args.filter(([bytes]) => bytes.length >= BULK_SIZE_MIN).length,
        flushesMax: Math.max(...cluster.disks.map((disk, at) => disk.flushes - (flushes[at] ?? 0))),
        fileWritesMax: Math.max(
          ...cluster.disks.map((disk, at) => disk.writes - (writes[at] ?? 0)),
        ),
      };
    } finally {
      socketWrite.restore();
    }
  }

  it("at the leader is one entry, a flush a node, and a write a socket", async () => {
    const counts = await count(() => cluster.leader());
    const told = JSON.stringify(counts);
    assert.equal(counts.entries, BATCHES, told);
    // Room for a new segment, and for what a tick brings.
    assert.ok(counts.flushesMax <= 1.5 * BATCHES, told);
    assert.ok(counts.fileWritesMax <= 4 * BATCHES, told);
    // One to each follower.
    assert.ok(counts.bulkWrites <= 2.1 * BATCHES, told);
  });

  it("at a follower is as much, and a message there and two back", async () => {
    const counts = await count(() => cluster.follower());
    const told = JSON.stringify(counts);
    assert.ok(counts.entries <= 1.1 * BATCHES, told);
    assert.ok(counts.flushesMax <= 1.6 * BATCHES, told);
    // To the leader, and from it to each follower.
    assert.ok(counts.bulkWrites <= 3.3 * BATCHES, told);
  });
});
