/**
 * The simulated network: messages delayed, reordered, repeated, lost, and cut off
 * one way or both, all by chance from the seed. In some worlds they travel as
 * bytes, in the others as they are, which is faster: nobody may change a message.
 *
 * Harsher than TCP: the order of a connection is not kept, and Raft's own messages
 * may come twice; the core must not depend on either. Forwarded requests come at
 * most once, as the Transport's contract says.
 */
import { assert } from "../assert.js";
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from "../codec/peer-message.js";
import type { NodeId } from "../raft/types.js";
import type { PeerConnection, Transport, TransportHandler } from "../transport/transport.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";

export interface NetworkFaults {
  /** milliseconds, drawn per message from [min, max] */
  delayMs: readonly [min: number, max: number];
  dropProbability: number;
  duplicateProbability: number;
  /** a message that takes a hundred times as long */
  stragglerProbability: number;
}

export class SimulatedNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: RandomStream;
  readonly #ids: readonly NodeId[];
  readonly #attached = new Map<NodeId, SimulatedTransport>();
  /** "from>to" */
  readonly #cut = new Set<string>();
  readonly #asBytes: boolean;
  faults: NetworkFaults;
  /** runs a delivery in its receiver: later when that is paused, never when it is dead */
  readonly #deliver: (to: NodeId, task: () => void, message: PeerMessage) => void;
  readonly #onSent: (from: NodeId, to: NodeId, message: PeerMessage) => void;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly random: RandomStream;
    readonly ids: readonly NodeId[];
    readonly faults: NetworkFaults;
    /** whether every message is written and read as the codec has it; default true */
    readonly asBytes?: boolean;
    readonly deliver: (to: NodeId, task: () => void, message: PeerMessage) => void;
    /** told what a living node says, also when it is lost on the way */
    readonly onSent?: (from: NodeId, to: NodeId, message: PeerMessage) => void;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#ids = options.ids;
    this.faults = options.faults;
    this.#asBytes = options.asBytes ?? true;
    this.#deliver = options.deliver;
    this.#onSent = options.onSent ?? (() => undefined);
  }

  /** A fresh transport for a node that starts; the one before it is dead. */
  transportOf(id: NodeId, incarnationId: string): SimulatedTransport {
    const transport = new SimulatedTransport(this, id, incarnationId);
    this.#attached.set(id, transport);
    return transport;
  }

  detach(id: NodeId): void {
    this.#attached.delete(id);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${from}>${to}`);
  }

  othersOf(id: NodeId): readonly NodeId[] {
    return this.#ids.filter((other) => other !== id);
  }

  isUp(id: NodeId): boolean {
    return this.#attached.has(id);
  }

  transmit(from: SimulatedTransport, to: NodeId, message: PeerMessage): void {
    if (this.#attached.get(from.id) !== from) return;
    this.#onSent(from.id, to, message);
    const { faults } = this;
    if (this.#random.chance(faults.dropProbability)) return;
    const bytes = this.#asBytes ? encodePeerMessage(message) : undefined;
    const repeated = this.#random.chance(faults.duplicateProbability);
    const copies = repeated && !message.kind.startsWith("forward") ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#scheduler.after(this.#delay(), () => {
        if (this.isCut(from.id, to)) return;
        const receive = (): void => {
          // Whoever receives it has bytes of its own, as a socket would give them.
          const received = bytes === undefined ? message : decodePeerMessage(new Uint8Array(bytes));
          this.#attached.get(to)?.receive(from.id, from.incarnationId, received);
        };
        this.#deliver(to, receive, message);
      });
    }
  }

  #delay(): number {
    const [min, max] = this.faults.delayMs;
    const delay = min + this.#random.next() * (max - min);
    return this.#random.chance(this.faults.stragglerProbability) ? delay * 100 : delay;
  }
}

class SimulatedTransport implements Transport {
  readonly id: NodeId;
  readonly #network: SimulatedNetwork;
  #handler: TransportHandler | undefined;
  readonly incarnationId: string;
  /** by peer, as it was told last */
  readonly #told = new Map<NodeId, string>();

  constructor(network: SimulatedNetwork, id: NodeId, incarnationId: string) {
    this.#network = network;
    this.id = id;
    this.incarnationId = incarnationId;
  }

  attach(handler: TransportHandler): void {
    assert(this.#handler === undefined, "a transport is started once");
    this.#handler = handler;
  }

  async start(handler: TransportHandler): Promise<void> {
    this.attach(handler);
  }

  receive(from: NodeId, incarnationId: string, message: PeerMessage): void {
    if (this.#told.get(from) !== incarnationId) {
      this.#told.set(from, incarnationId);
      this.#handler?.onPeerIncarnation(from, incarnationId);
    }
    this.#handler?.onMessage(message);
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#network.transmit(this, to, message);
  }

  flush(): void {
    // what was sent is on its way
  }

  setPeers(): void {
    // everybody in this world can be reached by name
  }

  connections(): readonly PeerConnection[] {
    return this.#network.othersOf(this.id).map((id) => ({
      id,
      address: id,
      connected: this.isConnected(id),
      clientAddress: undefined,
      incarnationId: undefined,
      lastError: undefined,
    }));
  }

  isConnected(to: NodeId): boolean {
    return this.#network.isUp(to) && !this.#network.isCut(this.id, to);
  }

  async close(): Promise<void> {
    this.#handler = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
