/**
 * A cluster in one process: real cores, simulated disks and network, and an
 * observer of the paper's properties. It moves only when told to: `simulation.ts`
 * drives it by chance, `scenario.ts` by script.
 */
import { Raft } from "../../src/raft/raft.js";
import { LogIndex, Ticks } from "../../src/raft/types.js";
import { Disk } from "./disk.js";
import { Properties } from "./properties.js";
import { sealCommands, testSealer } from "./seal.js";
import { noSnapshots } from "./server.js";
import type { Envelope, Message } from "../../src/raft/message.js";
import type { RaftOptions } from "../../src/raft/options.js";
import type { ProposeResult, Ready } from "../../src/raft/ready.js";
import type { Configuration, NodeId } from "../../src/raft/types.js";

/**
 * A planted bug: wrong behaviour of a core, brought about from outside by
 * altering what goes in and out of it.
 */
export interface Fault {
  /** alters a message on its way; undefined loses it */
  readonly deliver?: (envelope: Envelope, cluster: Cluster) => Envelope | undefined;
  /** a Ready as the driver obeys it */
  readonly alterReady?: (ready: Ready, node: SimulatedNode, cluster: Cluster) => Ready;
  /** says "persisted" at once, whatever the disk does */
  readonly acknowledgeAtOnce?: boolean;
  /** says "persisted" for the newest Ready when the oldest is flushed */
  readonly acknowledgeNewest?: boolean;
  /** before a node starts again */
  readonly restart?: (disk: Disk) => void;
  /** what the node is made with */
  readonly alterOptions?: (options: RaftOptions) => RaftOptions;
}

export interface SimulatedNode {
  readonly id: NodeId;
  readonly disk: Disk;
  /** undefined while it is down */
  raft: Raft | undefined;
  newestPersistId: number;
}

export interface ClusterOptions {
  readonly configuration: Configuration;
  readonly random: () => number;
  readonly raft?: Partial<RaftOptions>;
  readonly fault?: Fault;
  /** takes each message that leaves a node */
  readonly send: (envelope: Envelope) => void;
  /** sees each Ready of a node */
  readonly onReady?: (id: NodeId, ready: Ready) => void;
}

export class Cluster {
  readonly nodes: readonly SimulatedNode[];
  readonly properties: Properties;
  readonly #options: ClusterOptions;
  readonly #fault: Fault;
  /** one-way cuts, "from>to" */
  readonly #cuts = new Set<string>();
  #context = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#fault = options.fault ?? {};
    this.properties = new Properties(options.configuration);
    const { voters, learners } = options.configuration;
    this.nodes = [...voters, ...learners].map((id) => ({
      id,
      disk: new Disk(),
      raft: undefined,
      newestPersistId: 0,
    }));
    for (const node of this.nodes) this.properties.onStart(node.id, node.disk);
    for (const node of this.nodes) this.start(node);
  }

  node(id: string): SimulatedNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new RangeError(`no node ${id}`);
    return node;
  }

  start(node: SimulatedNode): void {
    if (node.raft !== undefined) return;
    this.#fault.restart?.(node.disk);
    this.properties.onStart(node.id, node.disk);
    const options: RaftOptions = {
      id: node.id,
      configuration: this.#options.configuration,
      hardState: node.disk.durableHardState,
      log: node.disk,
      appliedIndex: 0 as RaftOptions["appliedIndex"],
      sealer: testSealer,
      random: this.#options.random,
      electionTicks: Ticks(10),
      heartbeatTicks: Ticks(3),
      appendSizeMax: 1 << 16,
      inflightSizeMax: 1 << 20,
      uncommittedSizeMax: 1 << 20,
      applySizeMax: 1 << 20,
      cacheSizeMax: 1 << 16,
      configurationIndex: LogIndex(0),
      incarnation: "",
      snapshots: noSnapshots,
      snapshotChunkSizeMax: 1 << 16,
      leaseMs: 0,
      ...this.#options.raft,
    };
    node.raft = new Raft(this.#fault.alterOptions?.(options) ?? options);
    node.newestPersistId = 0;
    this.#drain(node);
  }

  /** Power goes: what the disk has not flushed is lost, but for `stepCount` steps of its oldest write. */
  crash(node: SimulatedNode, stepCount: number): void {
    node.raft = undefined;
    node.disk.crash(stepCount);
  }

  tick(node: SimulatedNode): void {
    node.raft?.tick();
    this.#drain(node);
  }

  /** Hands a message to its receiver, unless the link is cut or the receiver is down. */
  deliver(original: Envelope): void {
    const { deliver } = this.#fault;
    const envelope = deliver === undefined ? original : deliver(original, this);
    if (envelope === undefined) return;
    const { to, message } = envelope;
    if (this.isCut(original.message.from, to)) return;
    const node = this.node(to);
    node.raft?.step(message);
    this.#drain(node);
  }

  /** Lets the oldest write of a disk become durable. @returns whether there was one */
  flush(node: SimulatedNode): boolean {
    const persistId = node.disk.flush();
    if (persistId === 0) return false;
    node.raft?.persisted(this.#fault.acknowledgeNewest === true ? node.newestPersistId : persistId);
    this.#drain(node);
    return true;
  }

  propose(node: SimulatedNode, payload: string): ProposeResult {
    const result = node.raft?.propose((position) => sealCommands(position, payload));
    this.#drain(node);
    return result ?? { kind: "not-leader", leader: undefined };
  }

  read(node: SimulatedNode): void {
    if (node.raft === undefined) return;
    this.#context += 1;
    this.properties.onReadRequest(node.id, this.#context);
    node.raft.requestRead(this.#context);
    this.#drain(node);
  }

  peerUnreachable(node: SimulatedNode, peer: NodeId): void {
    node.raft?.peerUnreachable(peer);
    this.#drain(node);
  }

  /** Cuts one direction of one link. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** The leader of the highest term among those that are up. */
  leader(): SimulatedNode | undefined {
    let best: SimulatedNode | undefined;
    let bestTerm = -1;
    for (const node of this.nodes) {
      const status = node.raft?.status();
      if (status?.role !== "leader" || status.term <= bestTerm) continue;
      best = node;
      bestTerm = status.term;
    }
    return best;
  }

  /** The driver's loop, as ready.ts orders it. */
  #drain(node: SimulatedNode): void {
    const { raft, disk } = node;
    for (let turn = 0; raft?.hasReady() === true; turn += 1) {
      if (turn > 10_000) throw new Error(`node ${node.id} never comes to rest`);
      const taken = raft.ready();
      const ready = this.#fault.alterReady?.(taken, node, this) ?? taken;
      disk.write(ready);
      this.properties.onReady(node.id, ready, raft.status());
      this.#options.onReady?.(node.id, ready);
      for (const envelope of ready.messages) this.#options.send(envelope);
      const last = ready.committed.at(-1);
      if (last !== undefined) raft.applied(last.index);
      if (ready.persistId !== 0) node.newestPersistId = ready.persistId;
      if (this.#fault.acknowledgeAtOnce === true && ready.persistId !== 0) {
        raft.persisted(ready.persistId);
      }
    }
  }
}

/** Replaces some fields of a message. */
export function altered<M extends Message>(message: M, changes: Partial<M>): M {
  return { ...message, ...changes };
}
