/**
 * What nodes say to each other beside Raft itself, and how all of it becomes
 * bytes. One Avro record per kind, scalars and bytes only: no arrays, no maps.
 */
import type { Message } from "../raft/message.js";
import type { LogIndex, NodeId, Term } from "../raft/types.js";
import type { Request } from "../store/command.js";

/** A client's request, passed on to the leader. */
export interface Forward {
  readonly kind: "forward";
  readonly from: NodeId;
  /** unique per sender and process */
  readonly id: number;
  readonly request: Request;
}

/**
 * Where the leader put it: the request is the `position`-th (from 0) of entry
 * `index` if that entry is ever committed with `term`, and has no effect otherwise.
 */
export interface ForwardAccepted {
  readonly kind: "forwardAccepted";
  readonly from: NodeId;
  readonly id: number;
  readonly index: LogIndex;
  readonly term: Term;
  readonly position: number;
}

/** Proof that the leader-that-was did nothing with it. */
export interface ForwardRefused {
  readonly kind: "forwardRefused";
  readonly from: NodeId;
  readonly id: number;
  readonly reason: "not-leader" | "busy";
}

/** Asks a leader for the cluster's table. */
export interface StatusRequest {
  readonly kind: "statusRequest";
  readonly from: NodeId;
  readonly id: number;
}
export interface StatusResult {
  readonly kind: "statusResult";
  readonly from: NodeId;
  readonly id: number;
  /** JSON of node/status.ts's ClusterStatus; empty when the receiver is not the leader */
  readonly json: string;
}

export type PeerMessage =
  Message | Forward | ForwardAccepted | ForwardRefused | StatusRequest | StatusResult;

/** The body of a frame. */
export declare function encodePeerMessage(message: PeerMessage): Buffer;
/**
 * Strict: unknown kinds, trailing bytes, values out of range, entries that do
 * not chain from prevLogChecksum are refused. Copies what it keeps of `body`.
 * @throws {DatabaseError} PROTOCOL
 */
export declare function decodePeerMessage(body: Uint8Array): PeerMessage;

/** First frame on a peer connection, from the dialer. */
export interface Hello {
  readonly protocolVersion: number;
  /** 32 hex digits */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, minted with the data directory */
  readonly incarnationId: string;
  /** whom the dialer believes to have reached */
  readonly expectedNodeId: NodeId;
  /** host:port of the dialer's client door */
  readonly clientAddress: string;
  readonly lane: "control" | "bulk";
}

export type RefuseReason =
  "protocol-version" | "wrong-cluster" | "unknown-node" | "misdirected" | "own-id" | "malformed";

/** The answer to Hello. */
export type Welcome =
  | {
      readonly kind: "welcome";
      readonly nodeId: NodeId;
      readonly incarnationId: string;
      readonly clientAddress: string;
    }
  | { readonly kind: "refused"; readonly reason: RefuseReason; readonly text: string };

export const PEER_PROTOCOL_VERSION = 1;
/** bytes; the largest handshake body */
export const HANDSHAKE_SIZE_MAX = 1024;

export declare function encodeHello(hello: Hello): Buffer;
export declare function decodeHello(body: Uint8Array): Hello;
export declare function encodeWelcome(welcome: Welcome): Buffer;
export declare function decodeWelcome(body: Uint8Array): Welcome;
