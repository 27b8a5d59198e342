/** The cluster's table, as one node sees it. */
import type { RaftStatus } from "../raft/ready.js";
import type { NodeId, Role } from "../raft/types.js";
import type { PeerConnection } from "../transport/transport.js";
import type { ClusterStatus, NodeStatus } from "./service.js";

export interface StatusParts {
  readonly clusterId: string;
  readonly raft: RaftStatus;
  readonly learners: readonly NodeId[];
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly connections: readonly PeerConnection[];
}

/** A leader's view holds every row's state; anybody else vouches for nobody but itself. */
export function clusterStatus(parts: StatusParts): ClusterStatus {
  const { raft } = parts;
  const own: NodeStatus = {
    id: raft.id,
    role: shownRole(raft.role),
    term: raft.term,
    alive: true,
    lastIndex: raft.lastIndex,
    commitIndex: raft.commitIndex,
    appliedIndex: raft.appliedIndex,
    matchIndex: raft.flushedIndex,
    lag: raft.lastIndex - raft.flushedIndex,
    peer: parts.peerAddress,
    client: parts.clientAddress,
    reason: raft.reason,
  };
  const others = parts.connections.map((connection) =>
    peerStatus(raft, parts.learners, connection),
  );
  return {
    clusterId: parts.clusterId,
    leader: raft.leader ?? null,
    term: raft.term,
    nodes: [own, ...others].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

function peerStatus(
  raft: RaftStatus,
  learners: readonly NodeId[],
  connection: PeerConnection,
): NodeStatus {
  const peer = raft.peers.find(({ id }) => id === connection.id);
  const alive = raft.peers.find(({ id, alive }) => id === connection.id && alive);
  return {
    id: connection.id,
    role: alive === undefined ? "unknown" : peerRole(connection.id, raft, learners),
    term: alive === undefined ? null : raft.term,
    alive: alive !== undefined,
    lastIndex: alive?.lastIndex ?? null,
    commitIndex: alive?.commitIndex ?? null,
    appliedIndex: alive?.appliedIndex ?? null,
    matchIndex: peer?.matchIndex ?? null,
    lag: peer === undefined ? null : raft.lastIndex - peer.matchIndex,
    peer: connection.address,
    client: connection.clientAddress ?? null,
    reason: null,
  };
}

function peerRole(id: NodeId, raft: RaftStatus, learners: readonly NodeId[]): NodeStatus["role"] {
  if (id === raft.leader) return "leader";
  return learners.includes(id) ? "learner" : "follower";
}

function shownRole(role: Role): NodeStatus["role"] {
  return role === "pre-candidate" ? "candidate" : role;
}

/** A peer's table; undefined when its text is no such thing. */
export function readStatus(json: string): ClusterStatus | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  // It is only shown, never acted on: its rows need be rows, not right.
  const isTable =
    typeof parsed === "object" &&
    parsed !== null &&
    "nodes" in parsed &&
    Array.isArray(parsed.nodes) &&
    parsed.nodes.every(isNamedRow);
  return isTable ? (parsed as ClusterStatus) : undefined;
}

function isNamedRow(row: unknown): boolean {
  return typeof row === "object" && row !== null && "id" in row && typeof row.id === "string";
}
