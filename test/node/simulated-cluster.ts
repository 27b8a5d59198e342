/** Three nodes in simulated time, whose network notes what is forwarded. */
import assert from "node:assert/strict";
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
  losesTimeoutNow = false;
  /** words to take over that were lost: what sends them late */
  readonly lostTimeoutNow: (() => void)[] = [];
  /** told each message as it leaves */
  onTransmit: ((message: PeerMessage) => void) | undefined;

  override transmit(
    from: Parameters<SimulatedNetwork["transmit"]>[0],
    to: NodeId,
    message: PeerMessage,
  ): void {
    this.onTransmit?.(message);
    if (message.kind === "forward") {
      this.forwardIds.push(message.id);
      this.forwardedCount += message.requests.length;
      if (this.losesForwards) return;
    }
    const send = (): void => {
      super.transmit(from, to, message);
    };
    if (message.kind === "timeoutNow" && this.losesTimeoutNow) this.lostTimeoutNow.push(send);
    else send();
  }
}

export function simulatedCluster(): {
  readonly scheduler: Scheduler;
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
    scheduler,
    network,
    nodes,
    until: (what) => {
      const deadline = scheduler.now + 20_000;
      while (!what()) assert.ok(scheduler.step(deadline), "it comes about in simulated time");
    },
  };
}
