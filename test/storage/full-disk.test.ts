/** Clusters whose disks fill up: nobody dies, nothing is told that is not so, and it heals by itself. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { NodeId } from "../../src/raft/types.js";
import { randomStream } from "../../src/simulation/random.js";
import type { SimulatedNode } from "../../src/simulation/simulated-node.js";
import { type Told, World } from "./full-disk-world.js";

function proven(told: Told): void {
  assert.equal(told.error?.code, "DISK_FULL");
  assert.equal(told.error.outcome, "not-applied");
  assert.ok(told.error.retryable);
}

function temporaries({ fileSystem }: SimulatedNode, directory: string): readonly string[] {
  return fileSystem.list(`/data/${directory}`).filter((name) => name.endsWith(".tmp"));
}

describe("a node alone on a full disk", () => {
  for (const flushesOnLoop of [true, false]) {
    it(`keeps the write that found no room, refuses others at once, reads, and goes on (flushes ${flushesOnLoop ? "on" : "beside"} the loop)`, () => {
      const world = new World({ nodeCount: 1, flushesOnLoop });
      const node = world.anyLeader();
      world.limit([node], 20_000);
      const waiting = world.fill(node);
      const refused = world.put(node, "refused");
      world.run(20);
      proven(refused);
      assert.match(refused.error?.message ?? "", /nothing was applied; node n1 .* ENOSPC/);
      assert.equal(world.has(node, "first"), true);
      world.run(5000);
      assert.equal(waiting.afterMs, undefined);
      assert.equal(world.failures.size, 0);
      assert.equal(world.notices.filter((line) => line.includes("is put off")).length, 1);
      world.unlimit();
      world.run(500);
      assert.ok(waiting.revision !== undefined, "it is answered when there is room");
      const next = world.put(node, "next");
      world.run(100);
      assert.equal(next.revision, waiting.revision + 1);
      assert.equal(world.has(node, "refused"), false);
      assert.ok(world.notices.some((line) => line.includes("the disk has room again")));
    });
  }

  it("says that it does not know of a write whose time is up, which may be applied later", () => {
    const world = new World({ nodeCount: 1 });
    const node = world.anyLeader();
    world.limit([node], 0);
    let told = world.put(node, "key 0", 800);
    for (let i = 1; told.afterMs === undefined || told.error === undefined; i += 1) {
      world.run(1000);
      if (told.error === undefined) told = world.put(node, `key ${i}`, 800);
    }
    assert.equal(told.error.code, "OUTCOME_UNKNOWN");
    assert.equal(world.has(node, told.key), false);
    world.unlimit();
    world.run(1000);
    assert.equal(world.has(node, told.key), true);
  });

  it("gives up a snapshot for which there is no room, without a trace, and takes the next one", () => {
    const world = new World({ nodeCount: 1, snapshotEntries: 20, segmentSizeBytes: 1 << 20 });
    const node = world.anyLeader();
    const put = (count: number): void => {
      for (let i = 0; i < count; i += 1) {
        world.put(node, `key ${i % 50}`);
        world.run(20);
      }
    };
    world.run(500);
    world.limit([node], 4000);
    put(50);
    assert.ok(world.notices.some((line) => /the snapshot of entry \d+ is given up/.test(line)));
    assert.deepEqual(node.fileSystem.list("/data/snapshots"), []);
    assert.equal(world.failures.size, 0);
    world.unlimit();
    put(50);
    const snapshots = node.fileSystem.list("/data/snapshots");
    assert.ok(snapshots.length >= 2, snapshots.join());
    assert.deepEqual(temporaries(node, "snapshots"), []);
  });
});

describe("a cluster with full disks", () => {
  it("goes on under another leader when the leader's is full, and brings it level when it has room", () => {
    const world = new World({ nodeCount: 3 });
    const full = world.anyLeader();
    world.limit([full], 20_000);
    const told: Told[] = [];
    for (let i = 0; i < 60; i += 1) {
      told.push(world.put(full, `key ${i}`));
      world.run(50);
    }
    world.run(1500);
    assert.notEqual(world.anyLeader(), full);
    assert.ok(world.notices.some((line) => line.includes("disk-stall")));
    // What it took while it was in office is done by its successor; the rest is refused.
    const refused = told.filter(({ revision }) => revision === undefined);
    refused.forEach(proven);
    assert.ok(refused.length > 10 && refused.length < 50);
    for (let i = 0; i < 20; i += 1) {
      const other = world.put(world.anyLeader(), `other ${i}`);
      world.run(50);
      assert.ok(other.revision !== undefined);
    }
    world.unlimit();
    world.rest();
    assert.equal(world.has(full, "other 19"), true);
    assert.equal(world.has(full, refused[0]?.key ?? ""), false);
    assert.equal(world.failures.size, 0);
  });

  it("goes on when a follower's is full, which refuses writes and falls behind", () => {
    const world = new World({ nodeCount: 3 });
    const [leader, full] = [world.anyLeader(), world.follower()];
    world.limit([full], 10_000);
    for (let i = 0; i < 60; i += 1) {
      const told = world.put(leader, `key ${i}`);
      world.run(50);
      assert.ok(told.revision !== undefined);
    }
    assert.equal(world.anyLeader(), leader);
    const refused = world.put(full, "refused");
    world.run(50);
    proven(refused);
    assert.equal(world.has(leader, "key 59"), true);
    world.unlimit();
    world.rest();
    assert.equal(world.has(full, "key 59"), true);
  });

  it("that are all full keeps its leader and its reads, and refuses writes through every node", () => {
    const world = new World({ nodeCount: 3 });
    const leader = world.anyLeader();
    world.limit(world.nodes, 20_000);
    const waiting = world.fill(leader);
    world.run(3000);
    assert.equal(world.anyLeader(), leader, "nobody else would do better");
    for (const node of world.nodes) {
      const refused = world.put(node, `refused by ${node.id}`);
      world.run(100);
      proven(refused);
      assert.equal(world.has(node, "first"), true);
    }
    world.unlimit();
    world.run(1000);
    assert.ok(waiting.revision !== undefined);
    world.rest();
    for (const node of world.nodes) assert.equal(world.has(leader, `refused by ${node.id}`), false);
  });

  it("keeps its leader when it is full with so many others that nobody else could commit", () => {
    const world = new World({ nodeCount: 3 });
    const leader = world.anyLeader();
    world.limit([leader, world.follower()], 20_000);
    const waiting = world.fill(leader);
    world.run(3000);
    assert.equal(world.anyLeader(), leader);
    assert.equal(world.has(leader, "first"), true);
    const refused = world.put(leader, "refused");
    world.run(100);
    proven(refused);
    world.unlimit([world.follower()]);
    world.run(1500);
    assert.ok(waiting.revision !== undefined);
    assert.notEqual(world.anyLeader(), leader, "one of two with room leads");
    world.unlimit();
    world.rest();
  });

  it("brings back by a snapshot a follower that had no room for it, once it has", () => {
    const world = new World({ nodeCount: 3, snapshotEntries: 20 });
    const leader = world.anyLeader();
    const late = world.follower();
    late.crash("kill");
    for (let i = 0; i < 200; i += 1) {
      world.put(leader, `key ${i}`);
      world.run(20);
    }
    late.start();
    world.limit([late], 6000);
    world.run(3000);
    assert.ok(world.notices.some((line) => line.includes("a snapshot is not received")));
    assert.equal(world.failures.size, 0);
    world.unlimit();
    world.rest();
    assert.ok(world.notices.some((line) => /n\d: snapshot of entry \d+ installed/.test(line)));
  });

  it("keeps its word in twenty lives of disks that fill, empty and lose their power", () => {
    let [appliedCount, refusedCount, unknownCount] = [0, 0, 0];
    for (let seed = 1; seed <= 20; seed += 1) {
      const tolds = liveOn(seed);
      for (const { error, revision } of tolds) {
        if (revision !== undefined) appliedCount += 1;
        else if (error?.outcome === "not-applied") refusedCount += 1;
        else unknownCount += 1;
      }
    }
    process.stdout.write(
      `      (${appliedCount} writes applied, ${refusedCount} refused, ${unknownCount} unknown)\n`,
    );
    assert.ok(appliedCount > 1000 && refusedCount > 200);
  }).timeout(1_800_000);

  /** One life; checks at its end that what was told is so. */
  function liveOn(seed: number): readonly Told[] {
    const random = randomStream(seed, "life");
    const nodeCount = random.pick([1, 3, 3, 5]);
    const world = new World({
      ...{ seed, nodeCount, segmentSizeBytes: random.pick([2048, 8192]) },
      ...{ snapshotEntries: random.pick([15, 1000]), flushesOnLoop: random.chance(0.5) },
    });
    const tolds: Told[] = [];
    for (let step = 0; step < 80; step += 1) {
      const node = random.pick(world.nodes);
      const dice = random.next();
      if (dice < 0.12) world.limit([node], random.integer(0, 20_000));
      else if (dice < 0.18) world.unlimit([node]);
      else if (dice < 0.21) {
        node.crash(random.pick(["power", "kill"]));
        // It cannot start without room for its own tail.
        world.unlimit([node]);
        node.start();
      }
      for (let i = random.integer(0, 3); i > 0; i -= 1) {
        tolds.push(world.put(random.pick(world.nodes), `key ${tolds.length}`, 400));
      }
      world.run(random.integer(0, 60));
      assert.deepEqual(world.failures, new Map<NodeId, Error>(), `seed ${seed}`);
    }
    world.unlimit();
    world.run(2000);
    world.rest();
    const store = world.nodes[0]?.parts?.store;
    for (const { key, error, revision } of tolds) {
      const isThere = store?.get(Buffer.from(key)) !== undefined;
      if (revision !== undefined) assert.ok(isThere, `seed ${seed}: ${key} was acknowledged`);
      else if (error?.outcome === "not-applied") {
        assert.ok(!isThere, `seed ${seed}: ${key} was refused (${error.code})`);
      }
    }
    return tolds;
  }
});

describe("a node whose disk fails", () => {
  for (const kind of ["datasync", "datasyncLater"] as const) {
    it(`stops at a failed ${kind} before anything is answered, and does not sync again`, () => {
      const world = new World({ nodeCount: 1, flushesOnLoop: kind === "datasync" });
      const node = world.anyLeader();
      let failedCount = 0;
      node.fileSystem.fail((operation) => {
        if (operation.kind !== kind) return undefined;
        failedCount += 1;
        return "EIO";
      });
      const told = world.put(node, "key");
      world.run(1000);
      assert.equal(world.failures.get(node.id)?.message.includes("EIO"), true);
      assert.equal(told.error?.outcome, "unknown");
      assert.equal(failedCount, 1);
    });
  }

  for (const [code, outcome] of [
    ["EIO", "stops the node"],
    ["ENOSPC", "gives it up, and the next one is taken"],
  ] as const) {
    it(`at a write of a snapshot with ${code} ${outcome}`, () => {
      const world = new World({ nodeCount: 1, snapshotEntries: 10 });
      const node = world.anyLeader();
      const snapshots = (): readonly string[] => node.fileSystem.list("/data/snapshots");
      const put = (): void => {
        for (let i = 0; i < 12; i += 1) {
          world.put(node, `key ${i}`);
          world.run(20);
        }
      };
      node.fileSystem.fail(({ kind, path }) =>
        kind === "writeLater" && path.includes("snapshots") ? code : undefined,
      );
      put();
      assert.ok(snapshots().every((name) => !name.endsWith(".avro")));
      assert.equal(world.failures.has(node.id), code === "EIO");
      if (code === "EIO") return;
      assert.deepEqual(snapshots(), []);
      assert.equal(
        world.notices.some((line) => line.includes("is given up")),
        true,
      );
      node.fileSystem.fail(undefined);
      put();
      assert.ok(snapshots().some((name) => name.endsWith(".avro")));
    });
  }

  it("tries again when too many files are open", () => {
    const world = new World({ nodeCount: 1 });
    const node = world.anyLeader();
    node.fileSystem.fail(({ kind }) =>
      kind === "open" || kind === "syncDirectory" ? "EMFILE" : undefined,
    );
    const waiting = world.fill(node);
    const refused = world.put(node, "refused");
    world.run(50);
    assert.deepEqual([refused.error?.code, refused.error?.outcome], ["BUSY", "not-applied"]);
    assert.match(refused.error?.message ?? "", /EMFILE: too many open files/);
    node.fileSystem.fail(undefined);
    world.run(500);
    assert.ok(waiting.revision !== undefined);
    world.rest();
  });
});
