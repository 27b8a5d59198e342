/**
 * Lives of a cluster, by chance: one seed, one life.
 *
 * The network delays, drops, duplicates and reorders; links break in one or both
 * directions; disks flush late, stall or are replaced; nodes crash, pause and come
 * back; their clocks differ; snapshots are taken, sent and put in place; members
 * come and go. After the storm everything heals, and the cluster must elect,
 * agree, commit and answer within a bound (the liveness phase).
 */
import { Ticks } from "../../src/raft/types.js";
import { CALM, drawClimate } from "./climate.js";
import { Cluster, TICK_MS } from "./cluster.js";
import { Operator } from "./operator.js";
import { PropertyViolation } from "./violation.js";
import { Random } from "./random.js";
import { voters } from "./seal.js";
import type { NodeId } from "../../src/raft/types.js";
import type { Climate } from "./climate.js";
import type { Fault, Packet, SimulatedNode } from "./cluster.js";
import type { Properties } from "./properties.js";

export interface SimulationOptions {
  readonly seed: number;
  /** units of time in the storm */
  readonly duration: number;
  readonly nodeCount?: number;
  readonly fault?: Fault;
}

/** Units of time after healing within which the cluster must be whole again. */
const RECOVERY_TIME_MAX = 800;

/** The units of a pause at most. */
const PAUSE_MAX = 60;
/** Nodes beside the first ones that may be added. */
const SPARE_COUNT = 3;
/** Clocks are at most so much too fast or too slow. */
const DRIFT = 0.05;
const ELECTION_TICKS = 10;

/** Where a node's clock stands, and what its timer has told of it. */
interface Time {
  readonly offset: number;
  readonly rate: number;
  ticked: number;
}

export class Simulation {
  readonly cluster: Cluster;
  readonly operator: Operator;
  readonly #random: Random;
  #climate: Climate;
  #now = 0;
  #packets = new Map<number, Packet[]>();
  #payload = 0;
  readonly #times = new Map<NodeId, Time>();
  /** until when a node stands still, and what has come in for it */
  readonly #paused = new Map<NodeId, { readonly until: number; readonly inbox: Packet[] }>();

  constructor(options: SimulationOptions) {
    const random = new Random(options.seed);
    this.#random = random;
    this.#climate = drawClimate(random);
    const nodeCount = options.nodeCount ?? random.pick([1, 2, 3, 3, 3, 4, 5, 5]);
    const learnerCount = options.nodeCount === undefined && random.chance(0.2) ? 1 : 0;
    const all = voters(nodeCount + learnerCount + SPARE_COUNT).voters;
    this.cluster = new Cluster({
      configuration: {
        voters: all.slice(0, nodeCount),
        learners: all.slice(nodeCount, nodeCount + learnerCount),
      },
      random: random.next,
      hasIncarnations: random.chance(0.7),
      raft: {
        electionTicks: Ticks(ELECTION_TICKS),
        appendSizeMax: random.pick([1, 20, 200]),
        inflightSizeMax: random.pick([200, 1000]),
        uncommittedSizeMax: random.pick([40, 400]),
        applySizeMax: random.pick([1, 100, 100_000]),
        cacheSizeMax: random.pick([0, 30, 1000]),
        snapshotChunkSizeMax: random.pick([30, 100, 1000]),
        // An election timeout less what clocks drift apart in it, and the coarseness of ticks.
        leaseMs: random.chance(0.5) ? (ELECTION_TICKS * 0.9 - 2) * TICK_MS : 0,
      },
      ...(options.fault === undefined ? {} : { fault: options.fault }),
      send: (packet) => {
        this.#send(packet);
      },
    });
    this.operator = new Operator(this.cluster, random, all.slice(-SPARE_COUNT));
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
      if (this.#isWhole(leader, target)) {
        this.#answerReads(leader);
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

  /** All members of the leader's configuration follow it, have the same log, and all of it is committed. */
  #isWhole(leader: SimulatedNode, target: number): boolean {
    const status = leader.raft?.status();
    if (leader.raft === undefined || status === undefined || status.commitIndex < target) {
      return false;
    }
    const { voters: voterIds, learners } = leader.raft.configuration;
    return [...voterIds, ...learners].every((id) => {
      const { raft, state } = this.cluster.node(id);
      const isVoter = voterIds.includes(id);
      return (
        raft?.lastIndex === status.commitIndex &&
        raft.commitIndex === status.commitIndex &&
        raft.leader === leader.id &&
        state.index === status.commitIndex &&
        (raft.role === "learner") === !isVoter
      );
    });
  }

  /** A read on every member is answered, not refused; nobody, removed or not, disturbs the leader. */
  #answerReads(leader: SimulatedNode): void {
    const { counts } = this.cluster.properties;
    const [before, term] = [counts.reads, leader.raft?.term];
    const { voters: voterIds = [], learners = [] } = leader.raft?.configuration ?? {};
    for (const id of [...voterIds, ...learners]) this.cluster.read(this.cluster.node(id));
    for (let i = 0; i < 60; i += 1) this.#step();
    if (counts.reads < before + voterIds.length + learners.length) {
      throw new PropertyViolation(`a healed cluster answers reads: ${this.describe()}`);
    }
    if (this.cluster.leader() !== leader || leader.raft?.term !== term) {
      throw new PropertyViolation(`a healed cluster keeps its leader: ${this.describe()}`);
    }
  }

  #send(packet: Packet): void {
    const { dropRate, duplicateRate, delayMax } = this.#climate;
    if (this.#random.chance(dropRate)) return;
    this.#schedule(packet, 1 + this.#random.below(delayMax));
    if (this.#random.chance(duplicateRate)) this.#schedule(packet, 1 + this.#random.below(40));
  }

  #schedule(packet: Packet, delay: number): void {
    const due = this.#now + delay;
    const packets = this.#packets.get(due);
    if (packets === undefined) this.#packets.set(due, [packet]);
    else packets.push(packet);
  }

  #step(): void {
    this.#now += 1;
    const { cluster } = this;
    const random = this.#random;
    this.#misfortune();
    for (const node of cluster.nodes) {
      if (!this.#paused.has(node.id)) node.now = this.#clockOf(node);
    }
    const arriving = this.#packets.get(this.#now) ?? [];
    if (!this.#climate.isOrdered) random.shuffle(arriving);
    for (const packet of arriving) this.#deliver(packet);
    this.#packets.delete(this.#now);
    for (const node of cluster.nodes) {
      if (!this.#isAwake(node)) continue;
      this.#tick(node);
      this.#flush(node);
      this.#snapshots(node);
      if (random.chance(this.#climate.readRate)) cluster.read(node);
      if (random.chance(this.#climate.proposeRate)) this.#propose(node);
    }
    if (random.chance(this.#climate.administrationRate)) this.operator.act();
  }

  #timeOf(id: NodeId): Time {
    const known = this.#times.get(id);
    if (known !== undefined) return known;
    const rate = 1 + (this.#random.next() * 2 - 1) * DRIFT;
    const time = { offset: this.#random.below(10_000), rate, ticked: 0 };
    this.#times.set(id, time);
    return time;
  }

  /** Milliseconds of its own. */
  #clockOf({ id }: SimulatedNode): number {
    const { offset, rate } = this.#timeOf(id);
    return offset + this.#now * TICK_MS * rate;
  }

  #deliver(packet: Packet): void {
    const paused = this.#paused.get(packet.to);
    if (paused === undefined) this.cluster.deliver(packet);
    else paused.inbox.push(packet);
  }

  /** Who wakes up reads first what came in meanwhile, as the real clock has it. */
  #isAwake(node: SimulatedNode): boolean {
    const paused = this.#paused.get(node.id);
    if (paused === undefined) return true;
    if (this.#now < paused.until) return false;
    this.#paused.delete(node.id);
    node.now = this.#clockOf(node);
    for (const packet of paused.inbox) this.cluster.deliver(packet);
    return true;
  }

  #tick(node: SimulatedNode): void {
    const time = this.#timeOf(node.id);
    const due = Math.floor((node.now - time.offset) / TICK_MS);
    const count = due - time.ticked;
    time.ticked = due;
    if (count > 0) this.cluster.tick(node, node.now, count);
  }

  #snapshots(node: SimulatedNode): void {
    const { snapshotRate, snapshotFinishRate, installRate, compactRate } = this.#climate;
    const random = this.#random;
    if (random.chance(snapshotRate)) this.cluster.beginSnapshot(node);
    if (random.chance(snapshotFinishRate)) this.cluster.finishSnapshot(node);
    if (random.chance(installRate)) this.cluster.install(node);
    if (random.chance(compactRate)) {
      const { firstIndex } = node.disk;
      const newest = node.shelf.newest?.index ?? 0;
      this.cluster.compact(node, firstIndex + random.below(Math.max(1, newest - firstIndex + 1)));
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
    const { crashRate, restartRate, cutRate, healRate, breakRate, pauseRate, wipeRate } =
      this.#climate;
    for (const node of cluster.nodes) {
      if (node.raft === undefined) {
        if (random.chance(restartRate)) this.#restart(node);
      } else if (random.chance(crashRate)) this.#crash(node);
      else if (random.chance(pauseRate) && !this.#paused.has(node.id)) {
        this.#paused.set(node.id, { until: this.#now + random.below(PAUSE_MAX), inbox: [] });
      }
    }
    if (random.chance(crashRate / 10)) for (const node of cluster.nodes) this.#crash(node);
    if (random.chance(wipeRate)) this.#wipe(random.pick(cluster.nodes));
    if (random.chance(healRate)) cluster.heal();
    if (random.chance(cutRate)) this.#cutLinks();
    if (random.chance(breakRate)) {
      const [a, b] = [random.pick(cluster.nodes), random.pick(cluster.nodes)];
      cluster.peerUnreachable(a, b.id);
    }
  }

  #crash(node: SimulatedNode): void {
    this.#paused.delete(node.id);
    this.cluster.crash(node, this.#random.below(6));
  }

  /** Its timer begins anew. */
  #restart(node: SimulatedNode): void {
    node.now = this.#clockOf(node);
    const time = this.#timeOf(node.id);
    time.ticked = Math.floor((node.now - time.offset) / TICK_MS);
    this.cluster.start(node);
  }

  #wipe(node: SimulatedNode): void {
    this.#paused.delete(node.id);
    this.operator.wipe(node);
  }

  #cutLinks(): void {
    const random = this.#random;
    const { nodes } = this.cluster;
    const style = random.pick([0, 0, 1, 2, 3]);
    // Whoever leads, and does not know yet that another does, is where it hurts.
    const loner = (random.chance(0.5) ? this.cluster.leader() : undefined) ?? random.pick(nodes);
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

/** One life from storm to healing. @returns what was seen in it */
export function simulate(options: SimulationOptions): Properties["counts"] & Operator["counts"] {
  const simulation = new Simulation(options);
  simulation.run(options.duration);
  return { ...simulation.cluster.properties.counts, ...simulation.operator.counts };
}
