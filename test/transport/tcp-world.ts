/** Nodes over real sockets on this machine, on ports of their own. */
import type { NodeId } from "../../src/raft/types.js";
import { randomStream } from "../../src/simulation/random.js";
import { TcpTransport, type TcpTransportOptions } from "../../src/transport/tcp.js";
import { reservePorts } from "../ports.js";
import { Happenings, Recorder } from "./happenings.js";

export const CLUSTER_ID = "c1".repeat(16);

/** 32 hex digits of a number. */
export function hexId(n: number): string {
  return n.toString(16).padStart(32, "0");
}

/** Nodes with an address each; transports are made when they are asked for. */
export class TcpWorld {
  readonly keepsOrder = true;
  readonly reportsLoss = true;
  readonly #happenings = new Happenings();
  readonly #addresses: ReadonlyMap<NodeId, string>;
  readonly #defaults: Partial<TcpTransportOptions>;
  readonly #transports = new Map<NodeId, TcpTransport>();
  readonly #recorders = new Map<NodeId, Recorder>();
  #madeCount = 0;

  static async create(
    ids: readonly NodeId[],
    defaults: Partial<TcpTransportOptions> = {},
  ): Promise<TcpWorld> {
    const ports = await reservePorts(ids.length);
    return new TcpWorld(new Map(ids.map((id, i) => [id, `127.0.0.1:${ports[i] ?? 0}`])), defaults);
  }

  private constructor(
    addresses: ReadonlyMap<NodeId, string>,
    defaults: Partial<TcpTransportOptions>,
  ) {
    this.#addresses = addresses;
    this.#defaults = defaults;
  }

  addressOf(id: NodeId): string {
    const address = this.#addresses.get(id);
    if (address === undefined) throw new Error(`no address for ${id}`);
    return address;
  }

  portOf(id: NodeId): number {
    return Number(this.addressOf(id).split(":")[1]);
  }

  transportOf(id: NodeId): TcpTransport {
    return this.#transports.get(id) ?? this.make(id);
  }

  /** A new transport for `id`, with its own recorder, in the place of the one before. */
  make(id: NodeId, options: Partial<TcpTransportOptions> = {}): TcpTransport {
    const peers = new Map([...this.#addresses].filter(([other]) => other !== id));
    this.#madeCount += 1;
    const transport = new TcpTransport({
      nodeId: id,
      clusterId: CLUSTER_ID,
      incarnationId: hexId(this.#madeCount),
      listenAddress: this.addressOf(id),
      clientAddress: `${id}.example:6379`,
      peers,
      random: () => random.next(),
      // Of a process that the machine leaves alone for seconds nobody is to think that it is a stranger.
      handshakeMs: 60_000,
      ...this.#defaults,
      ...options,
    });
    this.#transports.set(id, transport);
    this.#recorders.set(id, new Recorder(this.#happenings));
    return transport;
  }

  recorderOf(id: NodeId): Recorder {
    this.transportOf(id);
    const recorder = this.#recorders.get(id);
    if (recorder === undefined) throw new Error(`no recorder for ${id}`);
    return recorder;
  }

  async start(...ids: readonly NodeId[]): Promise<void> {
    for (const id of ids) await this.transportOf(id).start(this.recorderOf(id));
  }

  isConnected(from: NodeId, to: NodeId): boolean {
    const connections = this.transportOf(from).connections();
    return connections.some(({ id, connected }) => id === to && connected);
  }

  /** Starts nodes and waits until each can speak to each. */
  async connect(...ids: readonly NodeId[]): Promise<void> {
    await this.start(...ids);
    await this.until(() =>
      ids.every((from) => ids.every((to) => from === to || this.isConnected(from, to))),
    );
  }

  happened(): void {
    this.#happenings.happened();
  }

  until(condition: () => boolean): Promise<void> {
    return this.#happenings.until(condition);
  }

  async settle(): Promise<void> {
    // A lane keeps its order: what was sent before a message that arrived has arrived.
  }

  async close(id: NodeId): Promise<void> {
    await this.#transports.get(id)?.close();
    // A closed transport reports nothing; whoever waits for its state is asked again.
    this.#happenings.happened();
  }

  async closeAll(): Promise<void> {
    for (const id of this.#transports.keys()) await this.close(id);
  }
}

const random = randomStream(1, "transport");
