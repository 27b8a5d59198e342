/**
 * Transport: the door to the other nodes. One real implementation (tcp.ts), one
 * simulated; both pass the same contract suite.
 */
import type { PeerMessage } from "../codec/peer-message.js";
import type { NodeId } from "../raft/types.js";

export interface PeerConnection {
  readonly id: NodeId;
  /** host:port dialed */
  readonly address: string;
  /** whether messages to it can be sent now */
  readonly connected: boolean;
  /** its client address as it told in the handshake; undefined before the first */
  readonly clientAddress: string | undefined;
  readonly incarnationId: string | undefined;
  /** why the last attempt failed, for status and the log; undefined while connected */
  readonly lastError: string | undefined;
}

export interface TransportHandler {
  onMessage(message: PeerMessage): void;
  /** Which life of its data directory a peer is in; told before any message of that life. */
  onPeerIncarnation(peer: NodeId, incarnationId: string): void;
  onPeerConnected(peer: NodeId): void;
  /** Messages sent to it since may be lost. */
  onPeerDisconnected(peer: NodeId): void;
  /** Something worth a line in the node's log: a stranger refused, a peer that refuses us. */
  onNotice(notice: string): void;
}

export interface Transport extends AsyncDisposable {
  /** Listens and dials. Resolves when listening. @throws {DatabaseError} ADDRESS_UNAVAILABLE */
  start(handler: TransportHandler): Promise<void>;
  /**
   * Queues a message; never waits, may drop: Raft resends. It arrives at most once.
   * `message.from` is this node.
   */
  send(to: NodeId, message: PeerMessage): void;
  /** Hands what was queued to the sockets: one write a connection. Called once at the end of a turn. */
  flush(): void;
  /**
   * Whom to dial from now on (host:port by id, this node left out), and whose calls
   * to refuse. A node of this cluster that is neither is answered while it calls:
   * it may know of a later configuration. What is no address is not dialed, and said.
   */
  setPeers(peers: ReadonlyMap<NodeId, string>, removed: ReadonlySet<NodeId>): void;
  connections(): readonly PeerConnection[];
  /** Whether messages to this peer can be sent now; otherwise they are dropped. Cheap. */
  isConnected(to: NodeId): boolean;
  close(): Promise<void>;
}
