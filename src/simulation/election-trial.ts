/** One start of a whole simulated cluster, as far as its first leader. */
import { NodeId } from "../raft/types.js";
import { SimulatedNetwork } from "./network.js";
import { randomStream } from "./random.js";
import { Scheduler } from "./scheduler.js";
import { SimulatedNode } from "./simulated-node.js";

/** Milliseconds after which a start has failed. */
const GIVE_UP_MS = 30_000;

/** @returns the term of the first leader, and the simulated milliseconds until it leads */
export function simulateElection(
  seed: number,
  nodeCount: number,
): { readonly term: number; readonly elapsedMs: number } {
  const scheduler = new Scheduler();
  const ids = Array.from({ length: nodeCount }, (_, i) => NodeId(`n${i + 1}`));
  const random = (stream: string): ReturnType<typeof randomStream> => randomStream(seed, stream);
  let nodes: readonly SimulatedNode[] = [];
  const network = new SimulatedNetwork({
    scheduler,
    random: random("network"),
    ids,
    asBytes: false,
    faults: {
      delayMs: [0.1, 5],
      dropProbability: 0,
      duplicateProbability: 0,
      stragglerProbability: 0,
    },
    deliver: (to, task) => {
      const node = nodes.find(({ id }) => id === to);
      node?.run(node.life, task);
    },
  });
  let first: { readonly term: number; readonly elapsedMs: number } | undefined;
  nodes = ids.map(
    (id) =>
      new SimulatedNode({
        id,
        ids,
        clusterId: "5a".repeat(16),
        scheduler,
        network,
        random,
        ...{ segmentSizeBytes: 16_384, electionTimeoutMs: 150, heartbeatMs: 50 },
        ...{ leaseReads: false, snapshotEntries: 1_000_000 },
        disk: { flushMs: [0.1, 2], flushesOnLoop: false },
        trace: () => undefined,
        onStep: ({ parts }) => {
          if (first !== undefined || parts?.raft.role !== "leader") return;
          first = { term: parts.raft.term, elapsedMs: scheduler.now };
        },
        onFailure: (node, error) => {
          throw new Error(`${node.id} failed: ${error.message}`, { cause: error });
        },
      }),
  );
  for (const node of nodes) node.start();
  while (first === undefined && scheduler.step(GIVE_UP_MS)) {
    // every task looks whether there is a leader
  }
  return first ?? { term: Infinity, elapsedMs: Infinity };
}
