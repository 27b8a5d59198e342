/** Forwarded writes across the lives of a node. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { PeerMessage } from "../../src/codec/peer-message.js";
import { NodeId } from "../../src/raft/types.js";
import { SimulatedNetwork } from "../../src/simulation/network.js";
import { randomStream } from "../../src/simulation/random.js";
import { Scheduler } from "../../src/simulation/scheduler.js";
import { SimulatedNode } from "../../src/simulation/simulated-node.js";

const IDS = ["n1", "n2", "n3"].map((id) => NodeId(id));

/** The network, noting every forwarded write on its way. */
class NotingNetwork extends SimulatedNetwork {
  readonly forwardIds: number[] = [];
  forwardedCount = 0;
  losesForwards = false;

  override transmit(
    from: Parameters<SimulatedNetwork["transmit"]>[0],
    to: NodeId,
    message: PeerMessage,
  ): void {
    if (message.kind === "forward") {
      this.forwardIds.push(message.id);
      this.forwardedCount += message.requests.length;
      if (this.losesForwards) return;
    }
    super.transmit(from, to, message);
  }
}

function simulatedCluster(): {
  readonly network: NotingNetwork;
  readonly nodes: readonly SimulatedNode[];
  readonly until: (what: () => boolean) => void;
} {
  const scheduler = new Scheduler();
  const nodes: SimulatedNode[] = [];
  const network = new NotingNetwork({
    scheduler,
    random: randomStream(1, "network"),
    ids: IDS,
    faults: {
      delayMs: [0.1, 1],
      dropProbability: 0,
      duplicateProbability: 0,
      stragglerProbability: 0,
    },
    deliver: (to, task) => {
      const node = nodes.find(({ id }) => id === to);
      node?.run(node.life, task);
    },
  });
  for (const id of IDS) {
    nodes.push(
      new SimulatedNode({
        id,
        ids: IDS,
        clusterId: "5a".repeat(16),
        scheduler,
        network,
        random: (stream) => randomStream(1, stream),
        segmentSizeBytes: 16_384,
        electionTimeoutMs: 150,
        heartbeatMs: 50,
        leaseReads: false,
        snapshotEntries: 1_000_000,
        disk: { flushMs: [0.1, 0.2], flushesOnLoop: true },
        trace: () => undefined,
        onStep: () => undefined,
        onFailure: (node, error) => {
          throw new Error(`${node.id} failed`, { cause: error });
        },
      }),
    );
  }
  for (const node of nodes) node.start();
  return {
    network,
    nodes,
    until: (what) => {
      const deadline = scheduler.now + 20_000;
      while (!what()) assert.ok(scheduler.step(deadline), "it comes about in simulated time");
    },
  };
}

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
});
