/**
 * Raft's messages over TCP: every node dials every other one, and listens.
 *
 * Long-lived connections without Nagle's delay; one write a lane and turn; dialed
 * again with a jittered back-off; strangers, other clusters and misdirected calls
 * refused with a reason on both sides before a single message is read.
 */
import net from "node:net";
import { assert } from "../assert.js";
import {
  isClientAddress,
  PEER_PROTOCOL_VERSION,
  type Hello,
  type Lane as LaneName,
  type RefuseReason,
  type Welcome,
} from "../codec/handshake.js";
import type { PeerMessage } from "../codec/peer-message.js";
import { DatabaseError } from "../errors.js";
import type { NodeId } from "../raft/types.js";
import { isDialable, parseAddress } from "./address.js";
import { Incoming } from "./incoming.js";
import { Notices } from "./notices.js";
import { PeerLink } from "./peer-link.js";
import type { PeerConnection, Transport, TransportHandler } from "./transport.js";

export interface TcpTransportOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly incarnationId: string;
  /** host:port */
  readonly listenAddress: string;
  /** told to the peers; empty when this node has no client door */
  readonly clientAddress: string;
  /** host:port of every other member known at the start; `setPeers` tells later ones */
  readonly peers: ReadonlyMap<NodeId, string>;
  /** uniform in [0, 1), for the jitter */
  readonly random: () => number;
  /** milliseconds between two signs of life; default 500 */
  readonly lookIntervalMs?: number;
  /** milliseconds to connect and be introduced; default 5000 */
  readonly handshakeMs?: number;
}

const LOOK_INTERVAL_MS = 500;
/** A connection without a sign of life for so many looks is dead. */
const SILENT_LOOKS_MAX = 4;
/** A frame that does not grow for so many looks will not be finished. */
const IDLE_LOOKS_MAX = 20;
const HANDSHAKE_MS = 5000;
/** Connections not introduced yet; one more, and the oldest of them has to go. */
const STRANGERS_MAX = 64;
/** Characters of what is no address in a notice. */
const ADDRESS_SHOWN_MAX = 300;

export class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  readonly #links = new Map<NodeId, PeerLink>();
  #peers: ReadonlyMap<NodeId, string>;
  #removed: ReadonlySet<NodeId> = new Set();
  readonly #server: net.Server;
  readonly #incoming = new Set<Incoming>();
  readonly #notices: Notices;
  #handler: TransportHandler | undefined;
  #listening: Promise<void> | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {DatabaseError} INVALID_ARGUMENT when an address is none */
  constructor(options: TcpTransportOptions) {
    this.#options = options;
    parseAddress(options.listenAddress);
    if (!isClientAddress(options.clientAddress)) {
      throw new DatabaseError("INVALID_ARGUMENT", "the client address is too long or no address");
    }
    assert(!options.peers.has(options.nodeId), "a node is not its own peer");
    this.#peers = options.peers;
    for (const [id, address] of options.peers) this.#links.set(id, this.#makeLink(id, address));
    this.#notices = new Notices({
      now: () => performance.now(),
      onNotice: (notice) => this.#handler?.onNotice(notice),
    });
    this.#server = net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
      this.#accept(socket);
    });
  }

  async start(handler: TransportHandler): Promise<void> {
    assert(this.#listening === undefined, "a transport is started once");
    this.#throwIfClosed();
    this.#listening = this.#listen();
    await this.#listening;
    this.#throwIfClosed();
    this.#handler = handler;
    this.#server.on("error", (error) => {
      // Accepting one connection failed (too many open files); those that stand are untouched.
      this.#notices.add(`could not accept a peer's connection: ${error.message}`);
    });
    this.#lookTimer = setInterval(() => {
      this.#look();
    }, this.#options.lookIntervalMs ?? LOOK_INTERVAL_MS);
    for (const link of this.#links.values()) link.dial();
  }

  send(to: NodeId, message: PeerMessage): void {
    assert(message.from === this.#options.nodeId, "a node speaks in its own name");
    this.#links.get(to)?.send(message);
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  setPeers(told: ReadonlyMap<NodeId, string>, removed: ReadonlySet<NodeId>): void {
    const peers = new Map([...told].filter(([id, address]) => this.#canDial(id, address)));
    this.#peers = peers;
    this.#removed = removed;
    for (const [id, link] of [...this.#links]) {
      const address = peers.get(id);
      if (address === link.address) continue;
      if (address === undefined && this.#isCalling(id) && !removed.has(id)) continue;
      this.#links.delete(id);
      link.close();
    }
    for (const [id, address] of peers) this.#connect(id, address);
  }

  /** What the log says of an address is no reason to stop: the member is like one whose address nobody knows. */
  #canDial(id: NodeId, address: string): boolean {
    if (isDialable(address)) return true;
    this.#notices.add(
      `${id} cannot be called: "${address.slice(0, ADDRESS_SHOWN_MAX)}" is no address; remove it, and add it under a new id`,
    );
    return false;
  }

  /** Dials a peer that is not dialed yet. */
  #connect(id: NodeId, address: string): void {
    if (this.#links.has(id) || this.#closing !== undefined) return;
    const link = this.#makeLink(id, address);
    this.#links.set(id, link);
    if (this.#handler !== undefined) link.dial();
  }

  #isCalling(id: NodeId): boolean {
    return [...this.#incoming].some(({ hello }) => hello?.nodeId === id);
  }

  connections(): readonly PeerConnection[] {
    return [...this.#links.values()].map((link) => link.status());
  }

  isConnected(to: NodeId): boolean {
    return this.#links.get(to)?.isConnected === true;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws {DatabaseError} CLOSED; asked again after waiting, for `close` may overtake `start` */
  #throwIfClosed(): void {
    if (this.#closing === undefined) return;
    throw new DatabaseError("CLOSED", "the transport is closed");
  }

  async #close(): Promise<void> {
    clearInterval(this.#lookTimer);
    this.#handler = undefined;
    for (const link of this.#links.values()) link.close();
    for (const incoming of [...this.#incoming]) incoming.close();
    await this.#stopListening();
  }

  /** Resolves when the port is free, also when closing overtook the start. */
  async #stopListening(): Promise<void> {
    try {
      await this.#listening;
    } catch {
      return; // it never listened; `start` says why
    }
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #look(): void {
    for (const link of this.#links.values()) link.look(SILENT_LOOKS_MAX);
    for (const incoming of [...this.#incoming]) incoming.look(IDLE_LOOKS_MAX);
  }

  #listen(): Promise<void> {
    const { listenAddress } = this.#options;
    const { host, port } = parseAddress(listenAddress);
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        reject(cannotListen(listenAddress, error));
      };
      this.#server.once("error", onError);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", onError);
        resolve();
      });
    });
  }

  /** The port listened on; for tests that let the system choose. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  #makeLink(id: NodeId, addressText: string): PeerLink {
    return new PeerLink({
      id,
      addressText,
      address: parseAddress(addressText),
      hello: (lane) => this.#hello(id, lane),
      random: this.#options.random,
      handshakeMs: this.#options.handshakeMs ?? HANDSHAKE_MS,
      onIncarnation: (incarnationId) => this.#handler?.onPeerIncarnation(id, incarnationId),
      onConnected: () => this.#handler?.onPeerConnected(id),
      onDisconnected: () => this.#handler?.onPeerDisconnected(id),
      onNotice: (notice) => {
        this.#notices.add(notice);
      },
    });
  }

  #hello(expectedNodeId: NodeId, lane: LaneName): Hello {
    const { clusterId, nodeId, incarnationId, clientAddress } = this.#options;
    return {
      protocolVersion: PEER_PROTOCOL_VERSION,
      clusterId,
      nodeId,
      incarnationId,
      expectedNodeId,
      clientAddress,
      peerAddress: this.#ownAddress(),
      lane,
    };
  }

  /** As listened on: the system may have chosen the port. */
  #ownAddress(): string {
    const { host, port } = parseAddress(this.#options.listenAddress);
    const shown = host.includes(":") ? `[${host}]` : host;
    return `${shown}:${port === 0 ? this.port : port}`;
  }

  #accept(socket: net.Socket): void {
    if (this.#handler === undefined) {
      // Not started or closed already: a connection that was under way.
      socket.destroy();
      return;
    }
    const incoming: Incoming = new Incoming({
      socket,
      handshakeMs: this.#options.handshakeMs ?? HANDSHAKE_MS,
      onHello: (hello) => this.#judge(hello),
      onMessage: (message) => this.#handler?.onMessage(message),
      onNotice: (notice) => {
        this.#notices.add(notice);
      },
      onClose: (closed) => {
        this.#incoming.delete(closed);
        this.#forgetGuest(closed.hello?.nodeId);
      },
    });
    this.#incoming.add(incoming);
    this.#limitStrangers();
  }

  /** The oldest goes, not the newest: whoever opens connections and says nothing must not keep members out. */
  #limitStrangers(): void {
    const strangers = [...this.#incoming].filter(({ hello }) => hello === undefined);
    if (strangers.length > STRANGERS_MAX) strangers[0]?.closeFor("too many strangers");
  }

  /** Whoever is no member as far as we know is answered only as long as it calls. */
  #forgetGuest(id: NodeId | undefined): void {
    if (id === undefined || this.#peers.has(id) || this.#isCalling(id)) return;
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    link.close();
    this.#notices.add(`${id} has hung up, and is no member as far as this node knows`);
  }

  /** Whether a dialer is of this cluster and wanted to reach this node. */
  #judge(hello: Hello): Welcome {
    const { nodeId, clusterId, incarnationId, clientAddress } = this.#options;
    const refuse = (reason: RefuseReason, text: string): Welcome => ({
      kind: "refused",
      reason,
      text,
    });
    if (hello.protocolVersion !== PEER_PROTOCOL_VERSION) {
      return refuse(
        "protocol-version",
        `this node speaks version ${PEER_PROTOCOL_VERSION}, the caller ${hello.protocolVersion}`,
      );
    }
    if (hello.clusterId !== clusterId) {
      return refuse(
        "wrong-cluster",
        // The caller's own id, not ours: whoever knows a cluster's id may call as its member.
        `cluster ${hello.clusterId} is not this node's cluster`,
      );
    }
    if (hello.nodeId === nodeId) {
      return refuse("own-id", `this node is ${nodeId} itself: two nodes must not share an id`);
    }
    if (this.#removed.has(hello.nodeId)) {
      return refuse(
        "removed",
        `${hello.nodeId} was removed from this cluster: stop it, or add it under a new id`,
      );
    }
    if (hello.expectedNodeId !== nodeId) {
      return refuse("misdirected", `this is ${nodeId}, not ${hello.expectedNodeId}`);
    }
    if (!this.#links.has(hello.nodeId) && !isDialable(hello.peerAddress)) {
      return refuse("unknown-node", `${hello.nodeId} is not known here, and tells no address`);
    }
    this.#replace(hello);
    this.#connect(hello.nodeId, hello.peerAddress);
    this.#handler?.onPeerIncarnation(hello.nodeId, hello.incarnationId);
    this.#links.get(hello.nodeId)?.hasten();
    return { kind: "welcome", nodeId, incarnationId, clientAddress };
  }

  /** A peer that dials a lane again has lost the one before, whether we noticed or not. */
  #replace(hello: Hello): void {
    for (const incoming of [...this.#incoming]) {
      const old = incoming.hello;
      if (old?.nodeId === hello.nodeId && old.lane === hello.lane) incoming.close();
    }
  }
}

function cannotListen(address: string, error: NodeJS.ErrnoException): DatabaseError {
  const why =
    error.code === "EADDRINUSE"
      ? "another process listens there: stop it, or choose another port"
      : error.message;
  return new DatabaseError("ADDRESS_UNAVAILABLE", `cannot listen on ${address}: ${why}`, {
    cause: error,
  });
}
