/**
 * A cluster's life in one process, from one seed: the real driver, core, storage
 * and store of every node, under faults, with clients that write down what they
 * were told.
 *
 *   faults    clients work while nodes crash, lose power, pause, and are cut off
 *   healing   everything is repaired, or all but a minority that stays away for
 *             ever; the cluster must serve again within a bound
 *   rest      all replicas are equal; the clients' history is linearizable, and
 *             their transactions are serializable
 *
 * The same seed gives the same life, event for event; `traceHash` says so.
 */
import type { NodeId } from "../raft/types.js";
import type { Store } from "../store/store.js";
import { NodeId as nodeId } from "../raft/types.js";
import { Clients } from "./clients.js";
import { CommittedLog } from "./committed-log.js";
import { Digest } from "./digest.js";
import { freezeSome } from "./frozen.js";
import { Invariants } from "./invariants.js";
import type { RegisterInput } from "./linearizability.js";
import { drawFaults, type Emphasis, type Faults, Nemesis, SPARE_COUNT } from "./nemesis.js";
import { SimulatedNetwork, type NetworkFaults } from "./network.js";
import { randomStream, type RandomStream } from "./random.js";
import { Scheduler } from "./scheduler.js";
import { SimulatedNode } from "./simulated-node.js";

export interface SimulationOptions {
  readonly seed: number;
  /** 1 to 7; drawn from the seed when absent */
  readonly nodeCount?: number;
  /** simulated milliseconds under faults; default 5000 (`DURATION_MS`) */
  readonly durationMs?: number;
  /**
   * what does not happen: deeds of the nemesis by name (`SimulationResult.deeds`),
   * "network" for a network that neither loses, repeats nor delays, and "frozen" for a
   * minority that does not come back at the end; default: nothing
   */
  readonly leftOut?: readonly string[];
  /** faults and habits that are there whatever the seed says; default: none */
  readonly emphasis?: readonly Emphasis[];
  /** clients at most; default: as the seed has it */
  readonly clientCountMax?: number;
  /** lines of the trace kept for a failure's report; default 200 */
  readonly traceLines?: number;
}

export interface SimulationResult {
  readonly seed: number;
  /** founders; in lives with operators there are spare ones besides */
  readonly nodeCount: number;
  /** hash over every line of the trace, every message that arrived and every byte that clients were told */
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly eventCount: number;
  readonly operationCount: number;
  readonly acknowledgedCount: number;
  readonly unknownCount: number;
  /** keys whose history was too much for the linearizability checker; 0 is wanted */
  readonly undecidedCount: number;
  /** transactions on lists that were committed, looks at them included */
  readonly transactionCount: number;
  /** changes that watches were told */
  readonly toldCount: number;
  /** keys that ended by themselves and were looked at */
  readonly endedCount: number;
  readonly electionCount: number;
  readonly committedCount: number;
  /** what the nemesis did, by name, in order */
  readonly deeds: readonly string[];
  /** undefined when everything held */
  readonly failure: { readonly message: string; readonly trace: readonly string[] } | undefined;
}

const CALM: NetworkFaults = {
  delayMs: [0.1, 2],
  dropProbability: 0,
  duplicateProbability: 0,
  stragglerProbability: 0,
};

/** A node says that it campaigns, or that it leads. */
const ELECTION_LINE = /: (candidate|leader) in term/;
/** The client that asks whether the cluster serves again. */
const PROBE_CLIENT = 99;
/** Milliseconds. */
const PROBE_PAUSE_MS = 10;
/** How long a life is under faults, unless it is told. Milliseconds. */
export const DURATION_MS = 5000;
/** Many times what the busiest life has. */
const EVENT_COUNT_MAX = 500_000;
/** A healed cluster must serve again within this. Milliseconds. */
const HEALING_MS_MAX = 20_000;
/**
 * A key with the longest time to live that clients give is gone by then: that, a
 * clock that is slow, the checkpoint before, and the round of the entry. Milliseconds.
 */
const EXPIRY_MS_MAX = 5000;
/** Between two looks for keys that have not ended. Milliseconds. */
const LOOK_MS = 100;
/** What operators had asked for is done or refused by then. Milliseconds. */
const ADMINISTRATION_MS_MAX = 2000;

export function simulate(options: SimulationOptions): SimulationResult {
  const { stackTraceLimit } = Error;
  // Refusals are ordinary here, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  let first: SimulationResult;
  try {
    first = new Simulation(options).run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (first.failure === undefined) return first;
  // Of what was found one wants to know: the same life again, with where it was made.
  const again = new Simulation(options).run();
  if (again.failure !== undefined && again.traceHash === first.traceHash) return again;
  const instead = again.failure?.message.split("\n")[0] ?? "nothing is broken";
  const { message, trace } = first.failure;
  const doubt = `the seed did not give the same life twice; the second time: ${instead}`;
  return { ...first, failure: { message: `${message}\n${doubt}`, trace } };
}

class Simulation {
  readonly #options: SimulationOptions;
  /** of the founders */
  readonly #nodeCount: number;
  readonly #scheduler = new Scheduler();
  readonly #nemesis: Nemesis;
  readonly #faults: Faults;
  readonly #network: SimulatedNetwork;
  readonly #nodes: readonly SimulatedNode[];
  readonly #byId: ReadonlyMap<NodeId, SimulatedNode>;
  readonly #clients: Clients;
  readonly #committed: CommittedLog;
  readonly #invariants: Invariants;
  readonly #wiped = new Set<NodeId>();
  /** who does not come back */
  #frozen: ReadonlySet<SimulatedNode> = new Set();
  readonly #trace: string[] = [];
  readonly #digest = new Digest();

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = (stream: string): RandomStream => randomStream(options.seed, stream);
    const shape = random("shape");
    const { emphasis = [] } = options;
    this.#nodeCount = options.nodeCount ?? shape.pick([1, 2, 3, 3, 3, 4, 5, 5, 7]);
    const length = this.#nodeCount + SPARE_COUNT;
    const names = Array.from({ length }, (_, i) => nodeId(`n${i + 1}`));
    const ids = names.slice(0, this.#nodeCount);
    this.#faults = drawFaults(random("faults"), emphasis);
    const nodeIds = this.#faults.administration ? names : ids;
    this.#network = new SimulatedNetwork({
      scheduler: this.#scheduler,
      random: random("network"),
      ids,
      faults: this.#faults.network,
      asBytes: random("wire").chance(0.25),
      deliver: (to, task, message) => {
        this.#digest.addMessage(to, message, this.#scheduler.now);
        this.#deliver(to, task);
      },
      onSent: (from, to, message) => {
        this.#invariants.onSent(from, to, message);
      },
    });
    const heartbeatMs = shape.pick([20, 50]);
    const flushesOnLoop = shape.chance(0.5);
    const leaseReads = shape.chance(0.3) || emphasis.includes("leases");
    const drawnEntries = shape.pick([20, 200, 1_000_000]);
    const snapshotEntries = emphasis.includes("snapshots") ? 20 : drawnEntries;
    this.#nodes = nodeIds.map(
      (id) =>
        new SimulatedNode({
          id,
          ids,
          clusterId: "5a".repeat(16),
          scheduler: this.#scheduler,
          random,
          network: this.#network,
          segmentSizeBytes: shape.pick([2048, 4096, 16_384]),
          electionTimeoutMs: 150,
          heartbeatMs,
          leaseReads,
          snapshotEntries,
          disk: { flushMs: this.#faults.flushMs, flushesOnLoop },
          trace: (line) => {
            this.#note(line);
            if (ELECTION_LINE.test(line)) this.#nemesis.onElection(id);
          },
          onStep: (node) => {
            this.#invariants.check(node);
          },
          onAnswer: (bytes) => {
            this.#digest.addBytes(bytes);
          },
          onFailure: (node, error) => {
            throw new Error(`${node.id} failed: ${error.message}`, { cause: error });
          },
        }),
    );
    this.#byId = new Map(this.#nodes.map((node) => [node.id, node]));
    this.#committed = new CommittedLog(this.#nodes);
    this.#invariants = new Invariants(this.#nodes, (index, checksum) => {
      if (this.#clients.areJudgedByLog) this.#committed.note(index, checksum);
    });
    const { leftOut = [] } = options;
    if (leftOut.includes("network")) this.#network.faults = CALM;
    const world = {
      scheduler: this.#scheduler,
      network: this.#network,
      nodes: this.#nodes,
      random,
      note: (line: string): void => {
        this.#note(line);
      },
      onWiped: (id: NodeId): void => {
        this.#invariants.onWiped(id);
        this.#wiped.add(id);
      },
    };
    this.#nemesis = new Nemesis(world, this.#faults, leftOut);
    const { clientCountMax = Infinity } = options;
    this.#clients = new Clients({
      scheduler: this.#scheduler,
      nodes: this.#nodes,
      random,
      emphasis,
      clientCountMax,
      mayBeFull: this.#faults.fullDisk,
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
      nodeCount: this.#nodeCount,
      traceHash: this.#digest.toString(),
      simulatedMs: Math.round(this.#scheduler.now),
      eventCount: this.#scheduler.scheduledCount,
      operationCount: this.#clients.workload.operationCount,
      acknowledgedCount: this.#clients.workload.acknowledgedCount,
      unknownCount: this.#clients.workload.unknownCount,
      undecidedCount: this.#clients.workload.undecidedCount,
      transactionCount: this.#clients.transactions.committedCount,
      toldCount: this.#clients.toldCount,
      endedCount: this.#clients.endedCount,
      electionCount: this.#invariants.electionCount,
      committedCount: this.#invariants.committedIndex,
      deeds: this.#nemesis.done,
      failure,
    };
  }

  #live(): void {
    for (const node of this.#nodes) node.start();
    this.#clients.start();
    this.#nemesis.start();
    this.#runUntil(this.#options.durationMs ?? DURATION_MS);
    this.#heal();
    this.#freeze();
    this.#awaitService();
    this.#clients.stop(this.#members);
    this.#awaitRest();
    this.#invariants.checkEqual(this.#members);
    const store = this.#storeOfAll;
    if (store !== undefined) this.#clients.check(store, this.#committed);
  }

  #runUntil(time: number): void {
    while (this.#step(time)) {
      // every task checks what it changed
    }
  }

  /** One event. @throws {Error} in a storm: a message that breeds messages without end */
  #step(time: number): boolean {
    if (this.#scheduler.scheduledCount > EVENT_COUNT_MAX) {
      throw new Error(`liveness: more than ${EVENT_COUNT_MAX} events in one life`);
    }
    return this.#scheduler.step(time);
  }

  #note(line: string): void {
    const text = `${this.#scheduler.now.toFixed(2).padStart(9)} ${line}`;
    this.#digest.addLine(text);
    this.#trace.push(text);
    if (this.#trace.length > (this.#options.traceLines ?? 200)) this.#trace.shift();
  }

  #deliver(to: NodeId, task: () => void): void {
    const node = this.#byId.get(to);
    node?.run(node.life, task);
  }

  // ---- healing ---------------------------------------------------------------

  #heal(): void {
    this.#note("everything heals");
    this.#nemesis.stop();
    this.#network.heal();
    this.#network.faults = CALM;
    for (const node of this.#nodes) {
      node.disk.flushMs = [0.1, 0.5];
      if (node.isPaused) node.resume();
      if (!node.isUp) node.start();
    }
  }

  /** In half of all lives a minority does not heal with the others. */
  #freeze(): void {
    const random = randomStream(this.#options.seed, "frozen");
    if (random.chance(0.5) || this.#options.leftOut?.includes("frozen") === true) return;
    // A change under way may need one that would be given up.
    if (this.#faults.administration) this.#runUntil(this.#scheduler.now + ADMINISTRATION_MS_MAX);
    this.#frozen = freezeSome({
      random,
      nodes: this.#nodes,
      wiped: this.#wiped,
      network: this.#network,
      note: (line) => {
        this.#note(line);
      },
    });
  }

  /** Who takes part and is well, as the node knows of them that has applied most. */
  get #members(): readonly SimulatedNode[] {
    const well = this.#nodes.filter((node) => !this.#frozen.has(node));
    const [most] = well.toSorted((a, b) => appliedIndexOf(b) - appliedIndexOf(a));
    const { voters = [], learners = [] } = most?.parts?.raft.configuration ?? {};
    return well.filter(({ id }) => voters.includes(id) || learners.includes(id));
  }

  /** A write and a read through each member must be answered within the bound. */
  #awaitService(): void {
    for (const node of this.#members) {
      this.#awaitAnswer(node, { kind: "put", value: node.id });
      this.#awaitAnswer(node, { kind: "get" });
    }
  }

  #awaitAnswer(node: SimulatedNode, input: RegisterInput): void {
    const deadline = this.#scheduler.now + HEALING_MS_MAX;
    const probe = { isServed: false };
    this.#probe(node, input, probe);
    // What was asked before the healing may yet remove it.
    while (!probe.isServed && this.#members.includes(node)) {
      if (!this.#step(deadline)) {
        throw new Error(
          `liveness: ${node.id} served no ${input.kind} within ${HEALING_MS_MAX} ms of healing`,
        );
      }
    }
  }

  /** Asks `node`, again and again, until it answers. */
  #probe(node: SimulatedNode, input: RegisterInput, probe: { isServed: boolean }): void {
    this.#clients.workload.perform(node, PROBE_CLIENT, "probe", input, (output) => {
      probe.isServed = output !== undefined;
      if (probe.isServed) return;
      // It may have been refused at once.
      this.#scheduler.after(PROBE_PAUSE_MS, () => {
        this.#probe(node, input, probe);
      });
    });
  }

  #awaitRest(): void {
    // Whatever a client still waits for is told by then.
    this.#runUntil(this.#scheduler.now + 2000);
    this.#awaitEnds();
    const deadline = this.#scheduler.now + HEALING_MS_MAX;
    while (!this.#isAtRest()) {
      if (!this.#step(deadline)) {
        throw new Error(
          `liveness: replicas were not equal and watches told of everything within ${HEALING_MS_MAX} ms`,
        );
      }
    }
  }

  /** What ends by itself must. */
  #awaitEnds(): void {
    const deadline = this.#scheduler.now + EXPIRY_MS_MAX;
    for (;;) {
      const store = this.#storeOfAll;
      const key = store && this.#clients.keyThatEnds(store);
      if (key === undefined) return;
      if (this.#scheduler.now >= deadline) {
        throw new Error(`liveness: ${key} did not end by itself within ${EXPIRY_MS_MAX} ms`);
      }
      this.#runUntil(this.#scheduler.now + LOOK_MS);
    }
  }

  /** Of the member that has applied most. */
  get #storeOfAll(): Store | undefined {
    const [most] = this.#members.toSorted((a, b) => appliedIndexOf(b) - appliedIndexOf(a));
    return most?.parts?.store;
  }

  #isAtRest(): boolean {
    const members = this.#members;
    const last = members.map(({ parts }) => parts?.raft.lastIndex);
    const applied = members.map(({ parts }) => parts?.raft.appliedIndex);
    const areEqual = [...last, ...applied].every((index) => index === last[0]);
    return areEqual && this.#clients.haveReached(this.#storeOfAll?.revision ?? 0);
  }
}

function appliedIndexOf({ parts }: SimulatedNode): number {
  return parts?.raft.appliedIndex ?? -1;
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
