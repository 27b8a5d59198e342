/**
 * The end of a life in which not everything heals: some nodes never come back,
 * or are never heard again, and the others must serve without them.
 *
 * Only as many are given up as the cluster promises to live without: whatever
 * configuration any node may be in, a majority of its voters stays well, and has
 * kept its disk.
 */
import { quorumSize } from "../raft/quorum.js";
import type { Configuration, NodeId } from "../raft/types.js";
import { mayNeedRoom } from "./nemesis.js";
import type { SimulatedNetwork } from "./network.js";
import type { RandomStream } from "./random.js";
import type { SimulatedNode } from "./simulated-node.js";

/** How a node is lost to the others. */
const LOSSES = [
  "crashed",
  "paused",
  /** speaks with those that are lost as it is */
  "cut off",
  /** is heard, and hears nobody */
  "deaf",
  /** hears everybody, and is not heard */
  "mute",
  /** has no room on its disk */
  "full",
] as const;

/** Of these the network is left as it is. */
const REACHED: ReadonlySet<string> = new Set(["paused", "full"]);

export interface FreezeOptions {
  readonly random: RandomStream;
  /** all of them up */
  readonly nodes: readonly SimulatedNode[];
  /** whose first disk is gone: they keep no word that they once gave */
  readonly wiped: ReadonlySet<NodeId>;
  readonly network: SimulatedNetwork;
  /** a line of the trace */
  readonly note: (line: string) => void;
}

/** Gives some nodes up for ever. @returns those */
export function freezeSome(options: FreezeOptions): ReadonlySet<SimulatedNode> {
  const { random, nodes, network, note } = options;
  const frozen = chooseFrozen(options);
  for (const node of frozen) {
    const loss = random.pick(LOSSES);
    note(`${node.id} is ${loss} for ever`);
    if (loss === "crashed") node.crash(random.pick(["kill", "power"]));
    if (loss === "paused") node.pause();
    if (loss === "full") {
      node.fileSystem.fail((call) => (mayNeedRoom(call) ? "ENOSPC" : undefined));
    }
    for (const other of nodes) {
      if (other === node || REACHED.has(loss)) continue;
      if (loss === "cut off" && frozen.has(other)) continue;
      if (loss !== "deaf") network.cut(node.id, other.id);
      if (loss !== "mute") network.cut(other.id, node.id);
    }
  }
  return frozen;
}

function chooseFrozen({ random, nodes, wiped }: FreezeOptions): ReadonlySet<SimulatedNode> {
  const configurations = nodes.flatMap(configurationsOf);
  const lost = new Set(wiped);
  const frozen = new Set<SimulatedNode>();
  const left = [...nodes];
  while (left.length > 0) {
    const [node] = left.splice(random.integer(0, left.length - 1), 1);
    if (node === undefined || !random.chance(0.7)) continue;
    const without = new Set([...lost, node.id]);
    if (!configurations.every((configuration) => canServe(configuration, without))) continue;
    lost.add(node.id);
    frozen.add(node);
  }
  return frozen;
}

/** What may be in force as far as this node knows. */
function configurationsOf({ parts }: SimulatedNode): readonly Configuration[] {
  if (parts === undefined) return [];
  const { raft } = parts;
  return [raft.configuration, raft.configurationAt(raft.commitIndex).configuration];
}

function canServe({ voters }: Configuration, lost: ReadonlySet<NodeId>): boolean {
  return voters.filter((id) => !lost.has(id)).length >= quorumSize(voters.length);
}
