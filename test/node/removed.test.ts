/** A node that is removed says so: to who asked for it, and to whoever asks it anything later. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { DatabaseError } from "../../src/errors.js";
import type { SimulatedNode } from "../../src/simulation/simulated-node.js";
import { simulatedCluster } from "./simulated-cluster.js";

type Told = (DatabaseError | undefined)[];

function write(node: SimulatedNode, told: Told): void {
  const [key, value] = [Buffer.from("k"), Buffer.from("v")];
  node.parts?.node.execute(
    { id: new Uint8Array(0), commands: [{ kind: "put", key, value, condition: "none" }] },
    5000,
    (error) => {
      told.push(error);
    },
  );
}

function read(node: SimulatedNode, told: Told): void {
  node.parts?.node.read(5000, (error) => {
    told.push(error);
  });
}

function assertRefused(told: Told, count: number): void {
  assert.equal(told.length, count);
  for (const error of told) {
    assert.equal(error?.code, "UNAVAILABLE");
    assert.equal(error.outcome, "not-applied");
    assert.match(error.message, /was removed from the cluster/);
  }
}

describe("a node that is removed", () => {
  for (const role of ["follower", "leader"] as const) {
    it(`as a ${role} that was asked for it itself: it says that it is done, and refuses at once`, () => {
      const { scheduler, nodes, until } = simulatedCluster();
      until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
      until(() => nodes.every(({ parts }) => parts?.raft.leader !== undefined));
      const node = nodes.find(({ parts }) => parts?.raft.role === role);
      assert.ok(node?.parts !== undefined);
      const { raft } = node.parts;
      const before = scheduler.now;
      let index: number | undefined;
      node.parts.node.administer({ kind: "remove", id: node.id }, 5000, (error, result) => {
        assert.equal(error, undefined);
        index = result?.index;
      });
      until(() => index !== undefined);
      assert.ok(scheduler.now - before < 2000, `after ${scheduler.now - before} ms`);
      // The leader may answer before it tells that the entry is committed.
      until(() => raft.isRemoved);
      assert.equal(raft.configurationAt(raft.commitIndex).index, index);
      const told: Told = [];
      const since = scheduler.now;
      write(node, told);
      read(node, told);
      node.parts.node.status(5000, (error) => {
        told.push(error);
      });
      until(() => told.length === 3);
      assertRefused(told, 3);
      assert.equal(scheduler.now, since, "without waiting for anything");
    });
  }

  it("leaves nobody waiting of those who wrote and read there while it led", () => {
    const { scheduler, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    until(() => nodes.every(({ parts }) => parts?.raft.leader !== undefined));
    const node = nodes.find(({ parts }) => parts?.raft.role === "leader");
    assert.ok(node?.parts !== undefined);
    const { raft } = node.parts;
    const told: Told = [];
    let asked = 0;
    let isDone = false;
    node.parts.node.administer({ kind: "remove", id: node.id }, 5000, () => {
      isDone = true;
    });
    let askedAt = -1;
    until(() => {
      // As time goes on, not as steps do: each of these makes more of them.
      if (scheduler.now >= askedAt + 0.5) {
        write(node, told);
        read(node, told);
        asked += 2;
        askedAt = scheduler.now;
      }
      return isDone && raft.isRemoved;
    });
    const since = scheduler.now;
    until(() => told.length === asked);
    assert.ok(scheduler.now - since < 100, `after ${scheduler.now - since} ms`);
    const refused = told.filter((error) => error !== undefined);
    assertRefused(refused, refused.length);
    assert.ok(refused.length > 0 && refused.length < asked, `${refused.length} of ${asked}`);
  });
});
