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
import { foldEntry, SnapshotShelf } from "./snapshot-shelf.js";
import type { Envelope, Message } from "../../src/raft/message.js";
import type { RaftOptions } from "../../src/raft/options.js";
import type {
  ChangeResult,
  MembershipChange,
  ProposeResult,
  Ready,
  TransferResult,
} from "../../src/raft/ready.js";
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
  /** another one after a wipe, as `shelf` and `incarnation` are */
  disk: Disk;
  shelf: SnapshotShelf;
  incarnation: string;
  /** disks that were replaced, with the incarnation that was theirs */
  readonly former: { readonly incarnation: string; readonly disk: Disk }[];
  /** undefined while it is down */
  raft: Raft | undefined;
  newestPersistId: number;
  /** the state machine: all entries up to `index`, folded */
  state: { readonly index: LogIndex; readonly fold: number };
  /** its monotonic clock, milliseconds */
  now: number;
  /** which incarnation its connection to a peer is with */
  readonly told: Map<NodeId, string>;
}

/** An envelope, and which incarnation of its sender wrote it. */
export interface Packet extends Envelope {
  readonly incarnation: string;
}

export interface ClusterOptions {
  readonly configuration: Configuration;
  readonly random: () => number;
  readonly raft?: Partial<RaftOptions>;
  readonly fault?: Fault;
  /** whether members say which incarnation they are of */
  readonly hasIncarnations?: boolean;
  /** takes each message that leaves a node */
  readonly send: (packet: Packet) => void;
  /** sees each Ready of a node */
  readonly onReady?: (id: NodeId, ready: Ready) => void;
}

/** What a tick stands for, milliseconds. */
export const TICK_MS = 10;
/** A loop that stood still for so many ticks is not fit to lead. */
const ELECTION_TICKS_STALLED = 10;

export class Cluster {
  readonly nodes: SimulatedNode[] = [];
  readonly properties: Properties;
  readonly #options: ClusterOptions;
  readonly #fault: Fault;
  /** one-way cuts, "from>to" */
  readonly #cuts = new Set<string>();
  #context = 0;
  #incarnation = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#fault = options.fault ?? {};
    this.properties = new Properties(options.configuration);
    const { voters, learners } = options.configuration;
    for (const id of [...voters, ...learners]) this.#create(id);
    for (const node of this.nodes) this.start(node);
  }

  node(id: string): SimulatedNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new RangeError(`no node ${id}`);
    return node;
  }

  /** A machine that is to join: with an empty disk, and knowing who founded the cluster. */
  join(id: NodeId): SimulatedNode {
    const known = this.nodes.find((node) => node.id === id);
    if (known !== undefined) return known;
    const node = this.#create(id);
    this.start(node);
    return node;
  }

  #create(id: NodeId): SimulatedNode {
    const node: SimulatedNode = {
      ...{ id, disk: new Disk(this.#options.configuration), shelf: new SnapshotShelf() },
      ...{ incarnation: this.#mintIncarnation(), former: [], raft: undefined, newestPersistId: 0 },
      ...{ state: { index: LogIndex(0), fold: 0 }, now: 0, told: new Map() },
    };
    this.nodes.push(node);
    this.properties.onStart(node);
    return node;
  }

  #mintIncarnation(): string {
    if (this.#options.hasIncarnations !== true) return "";
    this.#incarnation += 1;
    return this.#incarnation.toString(16).padStart(32, "0");
  }

  start(node: SimulatedNode): void {
    if (node.raft !== undefined) return;
    this.#fault.restart?.(node.disk);
    const snapshot = node.shelf.newestState;
    if (snapshot !== undefined) node.disk.recover(snapshot);
    node.state = { index: snapshot?.index ?? LogIndex(0), fold: snapshot?.fold ?? 0 };
    node.told.clear();
    this.properties.onStart(node);
    const options: RaftOptions = {
      id: node.id,
      configuration: snapshot?.configuration ?? this.#options.configuration,
      configurationIndex: snapshot?.configurationIndex ?? LogIndex(0),
      hardState: node.disk.durableHardState,
      log: node.disk,
      appliedIndex: node.state.index,
      sealer: testSealer,
      random: this.#options.random,
      electionTicks: Ticks(10),
      heartbeatTicks: Ticks(3),
      appendSizeMax: 1 << 16,
      inflightSizeMax: 1 << 20,
      uncommittedSizeMax: 1 << 20,
      applySizeMax: 1 << 20,
      cacheSizeMax: 1 << 16,
      incarnation: node.incarnation,
      snapshots: node.shelf,
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
    node.shelf.crash(1 / (1 + stepCount));
  }

  /** The disk is gone, and an empty one in its place. */
  wipe(node: SimulatedNode): void {
    this.crash(node, 0);
    node.former.push({ incarnation: node.incarnation, disk: node.disk });
    node.disk = new Disk(this.#options.configuration);
    node.shelf = new SnapshotShelf();
    node.incarnation = this.#mintIncarnation();
    this.properties.onWiped(node);
  }

  /** One tick, or those that a clock has passed that stands at `now` after a pause. */
  tick(node: SimulatedNode, now = node.now + TICK_MS, count = 1): void {
    node.now = now;
    this.#input(node, (raft) => {
      // A loop that stood still is told so before anything else (ready.ts, driver).
      if (count >= ELECTION_TICKS_STALLED) raft.stalled(count);
    });
    for (let i = 0; i < count; i += 1) {
      this.#input(node, (raft) => {
        raft.tick();
      });
    }
  }

  /** The loop stood still, and its driver says so. */
  stall(node: SimulatedNode): void {
    this.#input(node, (raft) => {
      raft.stalled(2 * ELECTION_TICKS_STALLED);
    });
  }

  /** Hands a message to its receiver, unless the link is cut or the receiver is down. */
  deliver(original: Packet): void {
    const { deliver } = this.#fault;
    const envelope = deliver === undefined ? original : deliver(original, this);
    if (envelope === undefined) return;
    const { to, message } = envelope;
    if (this.isCut(original.message.from, to)) return;
    const node = this.nodes.find(({ id }) => id === to);
    if (node?.raft === undefined || !this.#greet(node, message.from, original.incarnation)) return;
    this.#input(node, (raft) => {
      raft.step(message);
    });
  }

  /** A connection begins with who one is, and the one before it is closed. @returns whether it still stands */
  #greet(node: SimulatedNode, from: NodeId, incarnation: string): boolean {
    const told = node.told.get(from);
    if (incarnation === "" || told === incarnation) return true;
    if (told !== undefined && told > incarnation) return false;
    node.told.set(from, incarnation);
    node.raft?.peerIncarnation(from, incarnation);
    return true;
  }

  /** Lets the oldest write of a disk become durable. @returns whether there was one */
  flush(node: SimulatedNode): boolean {
    const persistId = node.disk.flush();
    if (persistId === 0) return false;
    this.#input(node, (raft) => {
      raft.persisted(this.#fault.acknowledgeNewest === true ? node.newestPersistId : persistId);
    });
    return true;
  }

  propose(node: SimulatedNode, payload: string): ProposeResult {
    const result = node.raft?.propose((position) => sealCommands(position, payload));
    this.#drain(node);
    return result ?? { kind: "not-leader", leader: undefined };
  }

  change(node: SimulatedNode, change: MembershipChange): ChangeResult {
    const result = node.raft?.proposeChange(change);
    this.#drain(node);
    return result ?? { kind: "not-leader", leader: undefined };
  }

  transfer(node: SimulatedNode, target?: NodeId): TransferResult {
    const result = node.raft?.transferLeadership(target);
    this.#drain(node);
    return result ?? { kind: "not-leader", leader: undefined };
  }

  read(node: SimulatedNode): void {
    if (node.raft === undefined) return;
    this.#context += 1;
    const context = this.#context;
    const { leader } = node.raft;
    this.properties.onReadRequest(node, context);
    this.#input(node, (raft) => {
      raft.requestRead(context);
    });
    const isAlone = node.raft.configuration.voters.length === 1;
    if (leader === node.id && !isAlone) this.properties.onReadAsked(node, context);
  }

  peerUnreachable(node: SimulatedNode, peer: NodeId): void {
    node.raft?.peerUnreachable(peer);
    this.#drain(node);
  }

  /** Begins to take a snapshot of what is applied. */
  beginSnapshot(node: SimulatedNode): void {
    const { raft, disk } = node;
    const { index, fold } = node.state;
    if (raft === undefined || index === 0) return;
    const { configuration, index: configurationIndex } = raft.configurationAt(index);
    const [term, checksum] = [disk.term(index), disk.checksum(index)];
    node.shelf.begin({ index, term, checksum, configuration, configurationIndex, fold });
  }

  /** The snapshot being taken is durable, if the log on this disk reaches it. @returns whether it is */
  finishSnapshot(node: SimulatedNode): boolean {
    const { raft, shelf } = node;
    const { takingIndex } = shelf;
    if (raft === undefined || takingIndex === undefined || raft.flushedIndex < takingIndex) {
      return false;
    }
    shelf.finish();
    this.properties.onSnapshot(node);
    return true;
  }

  /** Drops the log up to `index`, as far as a snapshot and the own state stand for it. */
  compact(node: SimulatedNode, index: number): void {
    const last = Math.min(index, node.shelf.newest?.index ?? 0, node.raft?.appliedIndex ?? 0);
    if (last >= node.disk.firstIndex) node.disk.compactTo(last);
  }

  /** A snapshot that was received takes its place. @returns whether there was one */
  install(node: SimulatedNode): boolean {
    const { raft, shelf } = node;
    const { received } = shelf;
    if (raft === undefined || received === undefined) return false;
    const { state, info } = received;
    const verdict = raft.snapshotInstalled(state);
    this.properties.onInstalled(node, state, verdict);
    if (verdict !== "not-needed") {
      node.state = { index: state.index, fold: state.fold };
      if (verdict === "log-reset") node.disk.reset(state);
    }
    shelf.settle();
    raft.snapshotTaken(info);
    this.#drain(node);
    return true;
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
      if (node.raft?.role !== "leader" || node.raft.term <= bestTerm) continue;
      best = node;
      bestTerm = node.raft.term;
    }
    return best;
  }

  #input(node: SimulatedNode, act: (raft: Raft) => void): void {
    const { raft } = node;
    if (raft === undefined) return;
    raft.advanceClock(node.now);
    act(raft);
    this.#drain(node);
  }

  /** The driver's loop, as ready.ts orders it. */
  #drain(node: SimulatedNode): void {
    const { raft, disk } = node;
    for (let turn = 0; raft?.hasReady() === true; turn += 1) {
      if (turn > 10_000) throw new Error(`node ${node.id} never comes to rest`);
      const taken = raft.ready();
      const ready = this.#fault.alterReady?.(taken, node, this) ?? taken;
      disk.write(ready);
      this.#apply(node, ready);
      this.properties.onReady(node, ready, raft.status());
      this.#options.onReady?.(node.id, ready);
      for (const envelope of ready.messages) {
        this.#options.send({ ...envelope, incarnation: node.incarnation });
      }
      const last = ready.committed.at(-1);
      if (last !== undefined) raft.applied(last.index);
      for (const chunk of ready.snapshotChunks) {
        const offset = node.shelf.receive(chunk);
        if (offset !== undefined) raft.snapshotStored(chunk.snapshot, offset);
      }
      if (ready.persistId !== 0) node.newestPersistId = ready.persistId;
      if (this.#fault.acknowledgeAtOnce === true && ready.persistId !== 0) {
        raft.persisted(ready.persistId);
      }
    }
  }

  #apply(node: SimulatedNode, ready: Ready): void {
    for (const entry of ready.committed) {
      node.state = { index: entry.index, fold: foldEntry(node.state.fold, entry) };
    }
  }
}

/** Replaces some fields of a message. */
export function altered<M extends Message>(message: M, changes: Partial<M>): M {
  return { ...message, ...changes };
}
