/**
 * Lives of a cluster, by chance: one seed, one life.
 *
 * The network delays, drops, duplicates and reorders; links break in one or both
 * directions; disks flush late or stall; nodes crash and come back. After the
 * storm everything heals, and the cluster must elect, agree, commit and answer
 * within a bound (the liveness phase).
 */
import { Ticks } from "../../src/raft/types.js";
import { Cluster } from "./cluster.js";
import { PropertyViolation } from "./properties.js";
import { Random } from "./random.js";
import { voters } from "./seal.js";
import type { Envelope } from "../../src/raft/message.js";
import type { Fault, SimulatedNode } from "./cluster.js";
import type { Properties } from "./properties.js";

export interface SimulationOptions {
  readonly seed: number;
  /** units of time in the storm */
  readonly duration: number;
  readonly nodeCount?: number;
  readonly fault?: Fault;
}

/** How one life is; drawn from its seed. */
interface Climate {
  readonly dropRate: number;
  readonly duplicateRate: number;
  readonly delayMax: number;
  /** like one connection per pair; otherwise messages of one moment overtake each other */
  readonly isOrdered: boolean;
  readonly crashRate: number;
  readonly restartRate: number;
  readonly cutRate: number;
  readonly healRate: number;
  readonly flushRate: number;
  readonly stallRate: number;
  readonly proposeRate: number;
  readonly readRate: number;
  readonly breakRate: number;
}

function drawClimate(random: Random): Climate {
  return {
    dropRate: random.pick([0, 0.01, 0.1]),
    duplicateRate: random.pick([0, 0.02, 0.1]),
    delayMax: random.pick([1, 2, 4, 12]),
    isOrdered: random.chance(0.3),
    crashRate: random.pick([0, 0.01, 0.03]),
    restartRate: random.pick([0.05, 0.2]),
    cutRate: random.pick([0, 0.02, 0.05]),
    healRate: random.pick([0.02, 0.1]),
    flushRate: random.pick([0.3, 0.7, 1]),
    stallRate: random.pick([0, 0.01]),
    proposeRate: random.pick([0.1, 0.4, 1]),
    readRate: random.pick([0.05, 0.3]),
    breakRate: random.pick([0, 0.01]),
  };
}

/** All is well, and it can be seen. */
const CALM: Climate = {
  dropRate: 0,
  duplicateRate: 0,
  delayMax: 1,
  isOrdered: true,
  crashRate: 0,
  restartRate: 1,
  cutRate: 0,
  healRate: 1,
  flushRate: 1,
  stallRate: 0,
  proposeRate: 0,
  readRate: 0,
  breakRate: 0,
};

/** Units of time after healing within which the cluster must be whole again. */
const RECOVERY_TIME_MAX = 400;

export class Simulation {
  readonly cluster: Cluster;
  readonly #random: Random;
  #climate: Climate;
  #now = 0;
  #packets = new Map<number, Envelope[]>();
  #payload = 0;

  constructor(options: SimulationOptions) {
    const random = new Random(options.seed);
    this.#random = random;
    this.#climate = drawClimate(random);
    const nodeCount = options.nodeCount ?? random.pick([1, 2, 3, 3, 3, 4, 5, 5]);
    const learnerCount = options.nodeCount === undefined && random.chance(0.2) ? 1 : 0;
    const all = voters(nodeCount + learnerCount).voters;
    this.cluster = new Cluster({
      configuration: { voters: all.slice(0, nodeCount), learners: all.slice(nodeCount) },
      random: random.next,
      raft: {
        electionTicks: Ticks(10),
        appendSizeMax: random.pick([1, 20, 200]),
        inflightSizeMax: random.pick([200, 1000]),
        uncommittedSizeMax: random.pick([40, 400]),
        applySizeMax: random.pick([1, 100, 100_000]),
        cacheSizeMax: random.pick([0, 30, 1000]),
      },
      ...(options.fault === undefined ? {} : { fault: options.fault }),
      send: (envelope) => {
        this.#send(envelope);
      },
    });
  }

  /** The whole life: storm, healing, and what must follow. */
  run(duration: number): void {
    for (let i = 0; i < duration; i += 1) this.#step();
    this.#climate = CALM;
    for (const node of this.cluster.nodes) node.disk.isStalled = false;
    this.cluster.heal();
    this.settle();
  }

  /** @throws {PropertyViolation} when the healed cluster does not become whole */
  settle(): void {
    const deadline = this.#now + RECOVERY_TIME_MAX;
    let target: number | undefined;
    while (this.#now < deadline) {
      this.#step();
      const leader = this.cluster.leader();
      if (leader === undefined) continue;
      if (target === undefined) {
        const result = this.cluster.propose(leader, "after the storm");
        if (result.kind !== "accepted") continue;
        target = result.index;
      }
      if (this.#isWhole(target)) {
        this.#answerReads();
        return;
      }
      // The leader that took it may have lost its place before it was committed.
      if (leader.disk.lastIndex < target) target = undefined;
    }
    throw new PropertyViolation(`a healed cluster recovers: ${this.describe()}`);
  }

  /** Runs calmly, with whatever is cut staying cut. */
  drift(duration: number): void {
    this.#climate = { ...CALM, healRate: 0 };
    for (let i = 0; i < duration; i += 1) this.#step();
  }

  describe(): string {
    return this.cluster.nodes
      .map(({ id, raft }) => {
        const status = raft?.status();
        if (status === undefined) return `${id} down`;
        const { role, term, lastIndex, flushedIndex, commitIndex, reason } = status;
        return `${id} ${role} (${reason}) term ${term} last ${lastIndex} flushed ${flushedIndex} commit ${commitIndex}`;
      })
      .join("; ");
  }

  #isWhole(target: number): boolean {
    const commits = this.cluster.nodes.map((node) => node.raft?.status().commitIndex ?? 0);
    const lasts = this.cluster.nodes.map((node) => node.raft?.status().lastIndex ?? -1);
    const first = commits[0] ?? 0;
    return (
      first >= target && commits.every((c) => c === first) && lasts.every((l) => l === lasts[0])
    );
  }

  /** A read on every node is answered, not refused. */
  #answerReads(): void {
    const { counts } = this.cluster.properties;
    const before = counts.reads;
    for (const node of this.cluster.nodes) this.cluster.read(node);
    for (let i = 0; i < 30; i += 1) this.#step();
    if (counts.reads < before + this.cluster.nodes.length) {
      throw new PropertyViolation(`a healed cluster answers reads: ${this.describe()}`);
    }
  }

  #send(envelope: Envelope): void {
    const { dropRate, duplicateRate, delayMax } = this.#climate;
    if (this.#random.chance(dropRate)) return;
    this.#schedule(envelope, 1 + this.#random.below(delayMax));
    if (this.#random.chance(duplicateRate)) this.#schedule(envelope, 1 + this.#random.below(40));
  }

  #schedule(envelope: Envelope, delay: number): void {
    const due = this.#now + delay;
    const packets = this.#packets.get(due);
    if (packets === undefined) this.#packets.set(due, [envelope]);
    else packets.push(envelope);
  }

  #step(): void {
    this.#now += 1;
    const { cluster } = this;
    const random = this.#random;
    this.#misfortune();
    const arriving = this.#packets.get(this.#now) ?? [];
    if (!this.#climate.isOrdered) random.shuffle(arriving);
    for (const envelope of arriving) cluster.deliver(envelope);
    this.#packets.delete(this.#now);
    for (const node of cluster.nodes) {
      if (random.chance(0.97)) cluster.tick(node);
      this.#flush(node);
      if (random.chance(this.#climate.readRate)) cluster.read(node);
      if (random.chance(this.#climate.proposeRate)) this.#propose(node);
    }
  }

  #propose(node: SimulatedNode): void {
    this.#payload += 1;
    this.cluster.propose(node, `write ${this.#payload}`);
  }

  #flush(node: SimulatedNode): void {
    const { flushRate, stallRate } = this.#climate;
    if (this.#random.chance(stallRate)) node.disk.isStalled = !node.disk.isStalled;
    if (node.disk.isStalled) return;
    while (node.disk.pendingCount > 0 && this.#random.chance(flushRate)) this.cluster.flush(node);
  }

  #misfortune(): void {
    const { cluster } = this;
    const random = this.#random;
    const { crashRate, restartRate, cutRate, healRate, breakRate } = this.#climate;
    for (const node of cluster.nodes) {
      if (node.raft === undefined && random.chance(restartRate)) cluster.start(node);
      else if (random.chance(crashRate)) cluster.crash(node, random.below(6));
    }
    if (random.chance(crashRate / 10)) {
      for (const node of cluster.nodes) cluster.crash(node, random.below(6));
    }
    if (random.chance(healRate)) cluster.heal();
    if (random.chance(cutRate)) this.#cutLinks();
    if (random.chance(breakRate)) {
      const [a, b] = [random.pick(cluster.nodes), random.pick(cluster.nodes)];
      cluster.peerUnreachable(a, b.id);
    }
  }

  #cutLinks(): void {
    const random = this.#random;
    const { nodes } = this.cluster;
    const style = random.below(4);
    const loner = random.pick(nodes);
    const half = new Set(nodes.filter(() => random.chance(0.5)));
    for (const a of nodes) {
      for (const b of nodes) {
        if (a === b) continue;
        const isCut =
          style === 0
            ? a === loner || b === loner
            : style === 1
              ? half.has(a) !== half.has(b)
              : style === 2
                ? random.chance(0.3)
                : a === loner;
        if (isCut) this.cluster.cut(a.id, b.id);
      }
    }
  }
}

/** One life from storm to healing. @returns what its observer saw */
export function simulate(options: SimulationOptions): Properties["counts"] {
  const simulation = new Simulation(options);
  simulation.run(options.duration);
  return simulation.cluster.properties.counts;
}
