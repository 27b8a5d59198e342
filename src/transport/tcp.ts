/**
 * Raft's messages over TCP: every node dials every other one, and listens.
 *
 * Long-lived connections without Nagle's delay; one write a lane and turn; dialed
 * again with a jittered back-off; strangers, other clusters and misdirected calls
 * refused with a reason on both sides before a single message is read.
 */
import net from "node:net";
import { DatabaseError } from "../errors.js";
import {
  PEER_PROTOCOL_VERSION,
  type Hello,
  type Lane as LaneName,
  type PeerMessage,
  type RefuseReason,
  type Welcome,
} from "../codec/peer-message.js";
import type { NodeId } from "../raft/types.js";
import { parseAddress } from "./address.js";
import { Incoming } from "./incoming.js";
import { PeerLink } from "./peer-link.js";
import type { PeerConnection, Transport, TransportHandler } from "./transport.js";

export interface TcpTransportOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly incarnationId: string;
  /** host:port */
  readonly listenAddress: string;
  /** told to the peers */
  readonly clientAddress: string;
  /** host:port of every other member */
  readonly peers: ReadonlyMap<NodeId, string>;
  /** uniform in [0, 1), for the jitter */
  readonly random: () => number;
  /** milliseconds between two signs of life; default 500 */
  readonly lookIntervalMs?: number;
  /** milliseconds for an introduction; default 5000 */
  readonly handshakeMs?: number;
}

const LOOK_INTERVAL_MS = 500;
/** A connection without a sign of life for so many looks is dead. */
const SILENT_LOOKS_MAX = 4;
/** A frame that does not grow for so many looks will not be finished. */
const IDLE_LOOKS_MAX = 20;
const HANDSHAKE_MS = 5000;
/** Strangers that may wait to be refused, beside two lanes of every member. */
const STRANGERS_MAX = 64;
/** The same notice at most once in this time. Milliseconds. */
const NOTICE_INTERVAL_MS = 10_000;
/** Different notices remembered; a stranger can make up any number. */
const NOTICES_MAX = 1000;

export class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  readonly #links: ReadonlyMap<NodeId, PeerLink>;
  readonly #server: net.Server;
  readonly #incoming = new Set<Incoming>();
  #handler: TransportHandler | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #notices = new Map<string, number>();

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#links = new Map(
      [...options.peers].map(([id, address]) => [id, this.#makeLink(id, address)]),
    );
    this.#server = net.createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = 4 * options.peers.size + STRANGERS_MAX;
  }

  async start(handler: TransportHandler): Promise<void> {
    this.#handler = handler;
    await this.#listen();
    this.#server.on("error", (error) => {
      // Accepting one connection failed (too many open files); those that stand are untouched.
      this.#notice(`could not accept a peer's connection: ${error.message}`);
    });
    this.#lookTimer = setInterval(() => {
      for (const link of this.#links.values()) link.look(SILENT_LOOKS_MAX);
      for (const incoming of this.#incoming) incoming.look(IDLE_LOOKS_MAX);
    }, this.#options.lookIntervalMs ?? LOOK_INTERVAL_MS);
    for (const link of this.#links.values()) link.dial();
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#links.get(to)?.send(message);
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  connections(): readonly PeerConnection[] {
    return [...this.#links.values()].map((link) => link.status());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#lookTimer);
    this.#handler = undefined;
    for (const link of this.#links.values()) link.close();
    for (const incoming of [...this.#incoming]) incoming.close();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
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
      onConnected: () => this.#handler?.onPeerConnected(id),
      onDisconnected: () => this.#handler?.onPeerDisconnected(id),
      onNotice: (notice) => {
        this.#notice(notice);
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
      lane,
    };
  }

  #accept(socket: net.Socket): void {
    const incoming: Incoming = new Incoming({
      socket,
      handshakeMs: this.#options.handshakeMs ?? HANDSHAKE_MS,
      onHello: (hello) => this.#judge(hello),
      onMessage: (message) => this.#handler?.onMessage(message),
      onNotice: (notice) => {
        this.#notice(notice);
      },
      onClose: (closed) => {
        this.#incoming.delete(closed);
      },
    });
    this.#incoming.add(incoming);
  }

  /** Whether a dialer is a member of this cluster that wanted to reach this node. */
  #judge(hello: Hello): Welcome {
    const { nodeId, clusterId, peers, incarnationId, clientAddress } = this.#options;
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
        `this node is of cluster ${clusterId}, the caller of another cluster, ${hello.clusterId}`,
      );
    }
    if (hello.nodeId === nodeId) {
      return refuse("own-id", `this node is ${nodeId} itself: two nodes must not share an id`);
    }
    if (!peers.has(hello.nodeId)) {
      return refuse("unknown-node", `${hello.nodeId} is no member of this cluster`);
    }
    if (hello.expectedNodeId !== nodeId) {
      return refuse("misdirected", `this is ${nodeId}, not ${hello.expectedNodeId}`);
    }
    this.#replace(hello);
    return { kind: "welcome", nodeId, incarnationId, clientAddress };
  }

  /** A peer that dials a lane again has lost the one before, whether we noticed or not. */
  #replace(hello: Hello): void {
    for (const incoming of [...this.#incoming]) {
      const old = incoming.hello;
      if (old?.nodeId === hello.nodeId && old.lane === hello.lane) incoming.close();
    }
  }

  #notice(notice: string): void {
    const now = performance.now();
    // Without the caller's port, so that a caller that comes back is the same caller.
    const key = notice.replaceAll(/:\d+/g, "");
    const last = this.#notices.get(key);
    if (last !== undefined && now - last < NOTICE_INTERVAL_MS) return;
    if (this.#notices.size >= NOTICES_MAX) this.#notices.clear();
    this.#notices.set(key, now);
    this.#handler?.onNotice(notice);
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
