/**
 * Balsa: an event-sourced key-value database, replicated by Raft.
 *
 * `open` gives a durable database in this process, `connect` one behind a
 * cluster; both are the same `Database`. `startNode` makes this process a member
 * of a cluster.
 */
export { open, type OpenOptions } from "./open.js";
export { connect, type ConnectOptions, type RemoteDatabase } from "./client/remote-database.js";
export { startNode, type NodeOptions, type RunningNode } from "./server.js";
export type * from "./database.js";
export type * from "./decision.js";
export type * from "./operations.js";
export type * from "./keyspace.js";
export type * from "./lease.js";
export type * from "./transaction.js";
export type * from "./watch.js";
export { codecs } from "./value-codecs.js";
export type { ClusterStatus, NodeInfo, NodeStatus } from "./node/service.js";
export {
  DatabaseError,
  type DatabaseErrorOptions,
  type ErrorCode,
  type Outcome,
} from "./errors.js";
