/** Forwarded writes across the lives of a node, and without a leader that takes them. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { simulatedCluster } from "./simulated-cluster.js";

describe("a node that forwards", () => {
  it("never gives two forwardings the same number, not in another life either", () => {
    const { network, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    const follower = nodes.find(({ parts }) => parts?.raft.role !== "leader");
    assert.ok(follower !== undefined);
    for (let life = 1; life <= 5; life += 1) {
      until(() => follower.parts?.raft.leader !== undefined);
      let answered = 0;
      for (let i = 0; i < 20; i += 1) {
        const key = new TextEncoder().encode(`life-${life}-${i}`);
        follower.parts?.node.execute(
          {
            id: new Uint8Array(0),
            commands: [{ kind: "put", key, value: key, condition: "none" }],
          },
          5000,
          (error) => {
            assert.equal(error, undefined);
            answered += 1;
          },
        );
      }
      until(() => answered === 20);
      follower.crash("kill");
      follower.start();
    }
    assert.equal(network.forwardedCount, 100);
    assert.ok(network.forwardIds.length >= 5, "at least one in each life");
    assert.equal(new Set(network.forwardIds).size, network.forwardIds.length);
  });

  it("says BUSY when the leader is heard but takes no more from it: what was sent there counts", () => {
    const { network, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    const follower = nodes.find(({ parts }) => parts?.raft.role === "follower");
    assert.ok(follower !== undefined);
    until(() => follower.parts?.raft.leader !== undefined);
    network.losesForwards = true;
    const value = new Uint8Array(1024 * 1024);
    const told: (string | undefined)[] = [];
    const put = (): void => {
      follower.parts?.node.execute(
        {
          id: new Uint8Array(0),
          commands: [{ kind: "put", key: Buffer.from("k"), value, condition: "none" }],
        },
        15_000,
        (error) => {
          told.push(error?.code);
        },
      );
    };
    for (let i = 0; i < 64; i += 1) put();
    until(() => network.forwardedCount === 64);
    put();
    until(() => told.length === 1);
    assert.deepEqual(told, ["BUSY"]);
    // What is given up makes room.
    until(() => told.length === 65);
    assert.deepEqual(new Set(told.slice(1)), new Set(["OUTCOME_UNKNOWN"]));
    network.losesForwards = false;
    put();
    until(() => told.length === 66);
    assert.equal(told.at(-1), undefined);
  });

  it("keeps 200,000 writes that its leader took to the grave for the next one", () => {
    const { network, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    const leader = nodes.find(({ parts }) => parts?.raft.role === "leader");
    const follower = nodes.find(({ parts }) => parts?.raft.role === "follower");
    assert.ok(leader !== undefined && follower !== undefined);
    until(() => follower.parts?.raft.leader !== undefined);
    network.losesForwards = true;
    const key = Buffer.from("k");
    const told = new Map<string | undefined, number>();
    let count = 0;
    for (let i = 0; i < 200_000; i += 1) {
      follower.parts?.node.execute(
        { id: new Uint8Array(0), commands: [{ kind: "put", key, value: key, condition: "none" }] },
        15_000,
        (error) => {
          told.set(error?.code, (told.get(error?.code) ?? 0) + 1);
          count += 1;
        },
        "revision",
      );
    }
    until(() => network.forwardedCount === 200_000);
    network.losesForwards = false;
    leader.crash("kill");
    until(() => count === 200_000);
    assert.deepEqual([...told], [[undefined, 200_000]]);
  });

  it("keeps what it cannot send: it is provably not applied when its time is up, and goes when it can", () => {
    const { network, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    const follower = nodes.find(({ parts }) => parts?.raft.role === "follower");
    const leader = nodes.find(({ parts }) => parts?.raft.role === "leader");
    assert.ok(follower !== undefined && leader !== undefined);
    until(() => follower.parts?.raft.leader === leader.id);
    // It hears the leader, and cannot speak to it.
    network.cut(follower.id, leader.id);
    const told: (readonly [string, string | undefined])[] = [];
    const put = (name: string, timeoutMs: number): void => {
      const key = Buffer.from(name);
      follower.parts?.node.execute(
        { id: new Uint8Array(0), commands: [{ kind: "put", key, value: key, condition: "none" }] },
        timeoutMs,
        (error) => {
          told.push([name, error?.outcome]);
        },
      );
    };
    put("impatient", 60);
    put("patient", 10_000);
    until(() => told.length === 1);
    assert.deepEqual(told, [["impatient", "not-applied"]]);
    assert.equal(network.forwardedCount, 0);
    network.heal();
    until(() => told.length === 2);
    assert.deepEqual(told[1], ["patient", undefined]);
    assert.equal(network.forwardedCount, 1);
  });
});
