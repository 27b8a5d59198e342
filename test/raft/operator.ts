/**
 * Who runs the cluster: adds, promotes and removes members, hands over
 * leadership, and puts an empty disk in the place of a broken one. He does
 * nothing that a cluster need not survive (docs/decisions/0005).
 */
import type { NodeId } from "../../src/raft/types.js";
import { countedDisks } from "./membership-properties.js";
import type { Configuration } from "../../src/raft/types.js";
import type { Cluster, SimulatedNode } from "./cluster.js";
import type { Random } from "./random.js";

export class Operator {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #spares: readonly NodeId[];
  /** deeds that were accepted */
  readonly counts = { changes: 0, transfers: 0 };

  /** @param spares who may be added */
  constructor(cluster: Cluster, random: Random, spares: readonly NodeId[]) {
    this.#cluster = cluster;
    this.#random = random;
    this.#spares = spares;
  }

  /** Asks a node, mostly the leader, for something. */
  act(): void {
    const random = this.#random;
    const asked = random.chance(0.9) ? this.#cluster.leader() : random.pick(this.#cluster.nodes);
    if (asked?.raft === undefined) return;
    switch (random.pick(["add", "promote", "promote", "remove", "transfer", "stall"] as const)) {
      case "add":
        this.#add(asked);
        return;
      case "promote":
        this.#promote(asked, asked.raft.configuration);
        return;
      case "remove":
        this.#remove(asked, asked.raft.configuration);
        return;
      case "transfer": {
        const target = random.chance(0.3) ? undefined : random.pick(this.#cluster.nodes).id;
        const { kind } = this.#cluster.transfer(asked, target);
        if (kind === "started") this.counts.transfers += 1;
        return;
      }
      case "stall":
        if (random.chance(0.3)) this.#cluster.stall(asked);
    }
  }

  #add(asked: SimulatedNode): void {
    if (this.#spares.length === 0) return;
    const id = this.#random.pick(this.#spares);
    const { kind } = this.#cluster.change(asked, { kind: "add", id, address: `host:${id}` });
    if (kind !== "accepted") return;
    this.counts.changes += 1;
    this.#cluster.join(id);
  }

  #promote(asked: SimulatedNode, { learners }: Configuration): void {
    if (learners.length === 0) return;
    const id = this.#random.pick(learners);
    const { kind } = this.#cluster.change(asked, { kind: "promote", id });
    if (kind === "accepted") this.counts.changes += 1;
  }

  /** Not while a disk is being replaced: the two together may cost a majority. */
  #remove(asked: SimulatedNode, configuration: Configuration): void {
    if (!this.#areGenuine(configuration)) return;
    const id = this.#random.pick([...configuration.voters, ...configuration.learners]);
    const { kind } = this.#cluster.change(asked, { kind: "remove", id });
    if (kind === "accepted") this.counts.changes += 1;
  }

  /** Replaces a disk, if everybody who could count it knows which one is meant, and a majority remains. */
  wipe(victim: SimulatedNode): void {
    const { nodes, properties } = this.#cluster;
    if (victim.incarnation === "") return;
    for (const node of nodes) {
      const { disk } = node;
      if (disk.pendingCount > 0) return;
      const { configuration, configurationIndex } = disk.configurationAt(disk.lastIndex);
      if (!configuration.voters.includes(node.id) && node.id !== victim.id) continue;
      const record = configuration.records?.find(({ id }) => id === victim.id);
      if (record?.incarnation !== victim.incarnation) return;
      if (configurationIndex > properties.committedIndex) return;
      if (configuration.voters.length < 3 || !this.#areGenuine(configuration)) return;
    }
    this.#cluster.wipe(victim);
  }

  #areGenuine(configuration: Configuration): boolean {
    return configuration.voters.every((voter) => {
      const node = this.#cluster.nodes.find(({ id }) => id === voter);
      if (node === undefined) return true;
      return countedDisks(configuration, node).some(({ disk }) => disk === node.disk);
    });
  }
}
