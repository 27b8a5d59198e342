/**
 * A cluster's life in one process, from one seed: the real driver, core, storage
 * and store of every node, under faults, with clients that write down what they
 * were told.
 *
 *   faults    clients work while nodes crash, lose power, pause, and are cut off
 *   healing   everything is repaired; the cluster must serve again within a bound
 *   rest      all replicas are equal; the clients' history is linearizable
 *
 * The same seed gives the same life, event for event; `traceHash` says so.
 */
import type { AdminAction } from "../node/service.js";
import type { NodeId } from "../raft/types.js";
import { NodeId as nodeId } from "../raft/types.js";
import { Invariants } from "./invariants.js";
import { SimulatedNetwork, type NetworkFaults } from "./network.js";
import { hashText, randomStream, type RandomStream } from "./random.js";
import { Scheduler } from "./scheduler.js";
import { SimulatedNode } from "./simulated-node.js";
import { Workload } from "./workload.js";

export interface SimulationOptions {
  readonly seed: number;
  /** 1 to 7; drawn from the seed when absent */
  readonly nodeCount?: number;
  /** simulated milliseconds under faults; default 5000 */
  readonly durationMs?: number;
  /** lines of the trace kept for a failure's report; default 200 */
  readonly traceLines?: number;
}

export interface SimulationResult {
  readonly seed: number;
  readonly nodeCount: number;
  /** hash over every line of the trace */
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly eventCount: number;
  readonly operationCount: number;
  readonly acknowledgedCount: number;
  readonly unknownCount: number;
  readonly electionCount: number;
  readonly committedCount: number;
  /** undefined when everything held */
  readonly failure: { readonly message: string; readonly trace: readonly string[] } | undefined;
}

/** What a seed turns on: each fault is absent in half of all lives, so that none hides another (swarm testing). */
interface Faults {
  readonly network: NetworkFaults;
  readonly flushMs: readonly [number, number];
  readonly crash: boolean;
  readonly power: boolean;
  readonly pause: boolean;
  readonly partition: boolean;
  readonly oneWay: boolean;
  readonly slowDisk: boolean;
  /** members are added, promoted and removed, leadership is handed over */
  readonly administration: boolean;
  readonly wipe: boolean;
  /** milliseconds between two deeds at most */
  readonly intervalMs: number;
  /** nodes crash while they elect, when votes and first entries are on their way to the disk */
  readonly electionCrash: boolean;
}

/** What the nemesis may do next. */
type Deed =
  | "heal"
  | "crash"
  | "restart"
  | "blackout"
  | "pause"
  | "partition"
  | "cut"
  | "bridge"
  | "slow-disk"
  | "administer"
  | "wipe";

const CALM: NetworkFaults = {
  delayMs: [0.1, 2],
  dropProbability: 0,
  duplicateProbability: 0,
  stragglerProbability: 0,
};

/** A node says that it campaigns, or that it leads. */
const ELECTION_LINE = /: (candidate|leader) in term/;
/** Nodes beside the founders that may be added. */
const SPARE_COUNT = 2;
/** The client that asks whether the cluster serves again. */
const PROBE_CLIENT = 99;
/** A healed cluster must serve again within this. Milliseconds. */
const HEALING_MS_MAX = 20_000;

export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #scheduler = new Scheduler();
  readonly #nemesis: RandomStream;
  readonly #faults: Faults;
  readonly #network: SimulatedNetwork;
  readonly #nodes: readonly SimulatedNode[];
  readonly #workload: Workload;
  readonly #invariants: Invariants;
  readonly #trace: string[] = [];
  #traceHash = hashText("balsa");
  #faulty = true;
  #wiped = false;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = (stream: string): RandomStream => randomStream(options.seed, stream);
    this.#nemesis = random("nemesis");
    const shape = random("shape");
    const count = options.nodeCount ?? shape.pick([1, 2, 3, 3, 3, 4, 5, 5, 7]);
    const names = Array.from({ length: count + SPARE_COUNT }, (_, i) => nodeId(`n${i + 1}`));
    const ids = names.slice(0, count);
    this.#faults = drawFaults(random("faults"));
    const nodeIds = this.#faults.administration ? names : ids;
    this.#network = new SimulatedNetwork({
      scheduler: this.#scheduler,
      random: random("network"),
      ids,
      faults: this.#faults.network,
      deliver: (to, task) => {
        this.#deliver(to, task);
      },
    });
    const heartbeatMs = shape.pick([20, 50]);
    const flushesOnLoop = shape.chance(0.5);
    const leaseReads = shape.chance(0.3);
    const snapshotEntries = shape.pick([20, 200, 1_000_000]);
    this.#nodes = nodeIds.map(
      (id) =>
        new SimulatedNode({
          ...{ id, ids, clusterId: "5a".repeat(16), scheduler: this.#scheduler, random },
          network: this.#network,
          segmentSizeBytes: shape.pick([2048, 4096, 16_384]),
          electionTimeoutMs: 150,
          heartbeatMs,
          leaseReads,
          snapshotEntries,
          disk: { flushMs: this.#faults.flushMs, flushesOnLoop },
          trace: (line) => {
            this.#note(line);
            if (ELECTION_LINE.test(line)) this.#crashInElection(id);
          },
          onStep: (node) => {
            this.#invariants.check(node);
          },
          onFailure: (node, error) => {
            throw new Error(`${node.id} failed: ${error.message}`, { cause: error });
          },
        }),
    );
    this.#invariants = new Invariants(this.#nodes);
    this.#workload = new Workload({
      ...{ scheduler: this.#scheduler, random: random("clients"), nodes: this.#nodes },
      clientCount: shape.integer(2, 8),
      keyCount: shape.integer(1, 6),
      valueSizeMax: shape.pick([8, 8, 200, 1500]),
      thinkMsMax: shape.pick([5, 50]),
      timeoutMs: 1000,
    });
  }

  run(): SimulationResult {
    let failure: SimulationResult["failure"];
    try {
      this.#live();
    } catch (error) {
      // Whatever was thrown, a violation or an assertion of the house, is the finding.
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failure = { message, trace: [...this.#trace, ...this.#nodes.map(describe)] };
    }
    return {
      seed: this.#options.seed,
      nodeCount: this.#nodes.length,
      traceHash: this.#traceHash.toString(16).padStart(8, "0"),
      simulatedMs: Math.round(this.#scheduler.now),
      eventCount: this.#scheduler.scheduledCount,
      operationCount: this.#workload.operationCount,
      acknowledgedCount: this.#workload.acknowledgedCount,
      unknownCount: this.#workload.unknownCount,
      electionCount: this.#invariants.electionCount,
      committedCount: this.#invariants.committedIndex,
      failure,
    };
  }

  #live(): void {
    for (const node of this.#nodes) node.start();
    this.#workload.start();
    this.#scheduleFault();
    this.#runUntil(this.#options.durationMs ?? 5000);
    this.#heal();
    this.#awaitService();
    this.#workload.stop();
    this.#awaitRest();
    this.#invariants.checkEqual(this.#members);
    this.#workload.check();
  }

  #runUntil(time: number): void {
    while (this.#scheduler.step(time)) {
      // every task checks what it changed
    }
  }

  #note(line: string): void {
    const text = `${this.#scheduler.now.toFixed(2).padStart(9)} ${line}`;
    this.#traceHash = hashText(text, this.#traceHash);
    this.#trace.push(text);
    if (this.#trace.length > (this.#options.traceLines ?? 200)) this.#trace.shift();
  }

  #deliver(to: NodeId, task: () => void): void {
    const node = this.#nodes.find(({ id }) => id === to);
    node?.run(node.life, task);
  }

  // ---- the nemesis ----------------------------------------------------------

  #scheduleFault(): void {
    this.#scheduler.after(this.#nemesis.next() * this.#faults.intervalMs, () => {
      if (!this.#faulty) return;
      this.#doFault();
      this.#scheduleFault();
    });
  }

  #doFault(): void {
    const { crash, power, pause, partition, oneWay, slowDisk, administration, wipe } = this.#faults;
    const deeds: Deed[] = ["heal"];
    if (crash || power) deeds.push("crash", "restart");
    if (power) deeds.push("blackout");
    if (pause) deeds.push("pause");
    if (partition) deeds.push("partition");
    if (oneWay) deeds.push("cut", "bridge");
    if (administration) deeds.push("administer", "administer");
    if (wipe) deeds.push("wipe");
    if (slowDisk) deeds.push("slow-disk");
    this.#do(this.#nemesis.pick(deeds));
  }

  #do(deed: Deed): void {
    switch (deed) {
      case "heal":
        this.#note("network heals");
        this.#network.heal();
        return;
      case "crash":
        this.#crashOne();
        return;
      case "restart":
        this.#restartOne();
        return;
      case "blackout":
        this.#blackout();
        return;
      case "pause":
        this.#pauseOne();
        return;
      case "partition":
        this.#partition();
        return;
      case "cut":
        this.#cutOneWay();
        return;
      case "bridge":
        this.#bridge();
        return;
      case "slow-disk":
        this.#slowOneDisk();
        return;
      case "administer":
        this.#administer();
        return;
      case "wipe":
        this.#wipeOne();
        return;
    }
  }

  #crashOne(): void {
    const node = this.#nemesis.pick(this.#nodes);
    const kind = this.#faults.power && this.#nemesis.chance(0.5) ? "power" : "kill";
    if (!node.isUp) return;
    this.#note(`${node.id} crashes (${kind})`);
    node.crash(kind);
    this.#restartLater(node);
  }

  /** The power of the whole house fails. */
  #blackout(): void {
    if (!this.#nemesis.chance(0.3)) return;
    this.#note("blackout");
    for (const node of this.#nodes) {
      node.crash("power");
      this.#restartLater(node);
    }
  }

  /** Soon after somebody campaigned or won, it or another one crashes, and is soon back. */
  #crashInElection(id: NodeId): void {
    if (!this.#faulty || !this.#faults.electionCrash || !this.#nemesis.chance(0.2)) return;
    const own = this.#nodes.find((node) => node.id === id);
    const node =
      own !== undefined && this.#nemesis.chance(0.5) ? own : this.#nemesis.pick(this.#nodes);
    const kind = this.#nemesis.chance(0.7) ? "power" : "kill";
    this.#scheduler.after(this.#nemesis.next() * 30, () => {
      if (!node.isUp || !this.#faulty) return;
      this.#note(`${node.id} crashes amid an election (${kind})`);
      node.crash(kind);
      const { life } = node;
      this.#scheduler.after(1 + this.#nemesis.next() * 100, () => {
        if (node.life !== life || node.isUp) return;
        this.#note(`${node.id} restarts`);
        node.start();
      });
    });
  }

  #restartLater(node: SimulatedNode): void {
    const { life } = node;
    this.#scheduler.after(50 + this.#nemesis.next() * 1500, () => {
      if (node.life !== life || node.isUp) return;
      this.#note(`${node.id} restarts`);
      node.start();
    });
  }

  #restartOne(): void {
    const dead = this.#nodes.filter((node) => !node.isUp);
    if (dead.length === 0) return;
    const node = this.#nemesis.pick(dead);
    this.#note(`${node.id} restarts early`);
    node.start();
  }

  #pauseOne(): void {
    const node = this.#nemesis.pick(this.#nodes);
    if (!node.isUp || node.isPaused) return;
    this.#note(`${node.id} pauses`);
    node.pause();
    const { life } = node;
    this.#scheduler.after(this.#nemesis.next() * 1500, () => {
      if (node.life !== life || !node.isPaused) return;
      this.#note(`${node.id} resumes`);
      node.resume();
    });
  }

  #partition(): void {
    const side = new Set(this.#nodes.filter(() => this.#nemesis.chance(0.5)));
    this.#note(`partition ${[...side].map(({ id }) => id).join(" ")} | rest`);
    for (const a of this.#nodes) {
      for (const b of this.#nodes) if (side.has(a) !== side.has(b)) this.#network.cut(a.id, b.id);
    }
  }

  #cutOneWay(): void {
    const from = this.#nemesis.pick(this.#nodes);
    const to = this.#nemesis.pick(this.#nodes);
    if (from === to) return;
    this.#note(`cut ${from.id} > ${to.id}`);
    this.#network.cut(from.id, to.id);
  }

  /** Two halves that only one node can speak with. */
  #bridge(): void {
    const bridge = this.#nemesis.pick(this.#nodes);
    const left = new Set(this.#nodes.filter(() => this.#nemesis.chance(0.5)));
    this.#note(`bridge ${bridge.id} between ${[...left].map(({ id }) => id).join(" ")} and rest`);
    for (const a of this.#nodes) {
      for (const b of this.#nodes) {
        if (a === bridge || b === bridge || left.has(a) === left.has(b)) continue;
        this.#network.cut(a.id, b.id);
      }
    }
  }

  /** Somebody asks some node to change the members or the leader. */
  #administer(): void {
    const asked = this.#nemesis.pick(this.#nodes);
    const { id } = this.#nemesis.pick(this.#nodes);
    const kind = this.#nemesis.pick(["add", "promote", "promote", "remove", "transfer"] as const);
    const action: AdminAction =
      kind === "add"
        ? { kind, id, address: id }
        : kind === "transfer"
          ? { kind, id }
          : { kind, id };
    if (asked.parts === undefined || asked.isPaused) return;
    this.#note(`${asked.id} is asked to ${kind} ${id}`);
    asked.parts.node.administer(action, 1000, (error) => {
      this.#note(`${asked.id}: ${kind} ${id}: ${error?.code ?? "done"}`);
    });
  }

  /**
   * A dead node's disk is replaced. Only what a cluster must survive: once, and
   * when every voter has the log entry that tells its incarnations apart.
   */
  #wipeOne(): void {
    const node = this.#nemesis.pick(this.#nodes);
    if (this.#wiped || node.parts === undefined) return;
    const isRecorded = (): boolean =>
      this.#nodes.every(({ parts }) => {
        if (parts === undefined) return false;
        const { configuration } = parts.raft;
        // Of two voters, one without its memory leaves no majority.
        if (configuration.voters.length < 3) return false;
        const record = configuration.records?.find(({ id }) => id === node.id);
        const version = parts.raft.configurationAt(parts.raft.status().commitIndex);
        return (
          record?.incarnation === node.incarnationId && version.configuration === configuration
        );
      });
    if (!isRecorded()) return;
    this.#wiped = true;
    this.#note(`${node.id} loses its disk`);
    node.crash("kill");
    node.wipe();
    this.#invariants.onWiped(node.id);
    this.#restartLater(node);
  }

  #slowOneDisk(): void {
    const node = this.#nemesis.pick(this.#nodes);
    const slow = this.#nemesis.chance(0.5);
    node.disk.flushMs = slow ? [20, 300] : this.#faults.flushMs;
    this.#note(`${node.id} disk ${slow ? "slow" : "normal"}`);
  }

  // ---- healing ---------------------------------------------------------------

  #heal(): void {
    this.#note("everything heals");
    this.#faulty = false;
    this.#network.heal();
    this.#network.faults = CALM;
    for (const node of this.#nodes) {
      node.disk.flushMs = [0.1, 0.5];
      if (node.isPaused) node.resume();
      if (!node.isUp) node.start();
    }
  }

  /** Who takes part, as the node knows that has applied most. */
  get #members(): readonly SimulatedNode[] {
    const applied = (node: SimulatedNode): number => node.parts?.raft.status().appliedIndex ?? -1;
    const [most] = this.#nodes.toSorted((a, b) => applied(b) - applied(a));
    const { voters = [], learners = [] } = most?.parts?.raft.configuration ?? {};
    return this.#nodes.filter(({ id }) => voters.includes(id) || learners.includes(id));
  }

  /** A write through each member must be acknowledged within the bound. */
  #awaitService(): void {
    for (const node of this.#members) {
      const deadline = this.#scheduler.now + HEALING_MS_MAX;
      const probe = { isServed: false };
      this.#probe(node, probe);
      // What was asked before the healing may yet remove it.
      while (!probe.isServed && this.#members.includes(node)) {
        if (!this.#scheduler.step(deadline)) {
          throw new Error(
            `liveness: ${node.id} served no write within ${HEALING_MS_MAX} ms of healing`,
          );
        }
      }
    }
  }

  /** Writes through `node`, again and again, until a write is acknowledged. */
  #probe(node: SimulatedNode, probe: { isServed: boolean }): void {
    const input = { kind: "put", value: node.id } as const;
    this.#workload.perform(node, PROBE_CLIENT, "probe", input, (output) => {
      if (output === undefined) this.#probe(node, probe);
      else probe.isServed = true;
    });
  }

  #awaitRest(): void {
    const deadline = this.#scheduler.now + HEALING_MS_MAX;
    this.#runUntil(this.#scheduler.now + 3000);
    while (!this.#isAtRest()) {
      if (!this.#scheduler.step(deadline)) {
        throw new Error(`liveness: replicas did not become equal within ${HEALING_MS_MAX} ms`);
      }
    }
  }

  #isAtRest(): boolean {
    const members = this.#members;
    const last = members.map(({ parts }) => parts?.raft.lastIndex);
    const applied = members.map(({ parts }) => parts?.raft.status().appliedIndex);
    return [...last, ...applied].every((index) => index === last[0]);
  }
}

/** A node as it stands when something was found. */
function describe(node: SimulatedNode): string {
  if (node.parts === undefined) return `${node.id}: dead`;
  const { raft, driver } = node.parts;
  const { role, term, leader, lastIndex, flushedIndex, commitIndex, appliedIndex, peers } =
    raft.status();
  const progress = peers.map(
    (peer) => `${peer.id} ${peer.state} match ${peer.matchIndex} next ${peer.nextIndex}`,
  );
  return (
    `${node.id}: ${role} term ${term} leader ${leader ?? "-"} last ${lastIndex} ` +
    `flushed ${flushedIndex} commit ${commitIndex} applied ${appliedIndex}` +
    `${node.isPaused ? " paused" : ""} queued ${driver.requests.queuedCount} ` +
    `flush ${driver.flushAverageMs.toFixed(1)} ms ` +
    `deferred ${node.fileSystem.deferredCount} [${progress.join(", ")}]`
  );
}

function drawFaults(random: RandomStream): Faults {
  const on = (): boolean => random.chance(0.5);
  return {
    network: {
      delayMs: random.pick([
        [0.05, 0.5],
        [0.1, 5],
        [1, 40],
      ]),
      dropProbability: on() ? random.next() * 0.15 : 0,
      duplicateProbability: on() ? random.next() * 0.2 : 0,
      stragglerProbability: on() ? random.next() * 0.02 : 0,
    },
    flushMs: random.pick([
      [0.05, 0.3],
      [0.5, 10],
    ]),
    crash: on(),
    power: on(),
    pause: on(),
    partition: on(),
    oneWay: on(),
    slowDisk: on(),
    administration: on(),
    wipe: on(),
    intervalMs: random.pick([600, 300, 100]),
    electionCrash: on(),
  };
}
