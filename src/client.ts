/**
 * The light entry, `balsa-db/client`: what a program needs that talks to a cluster
 * and holds no data. It loads no node, no disk and no peer code.
 */
export { connect, type ConnectOptions, type RemoteDatabase } from "./client/remote-database.js";
export { DatabaseError } from "./errors.js";
export type * from "./lease.js";
export type * from "./transaction.js";
export type * from "./watch.js";
export { codecs } from "./value-codecs.js";
export type * from "./database.js";
export type * from "./decision.js";
export type * from "./operations.js";
export type * from "./keyspace.js";
export type { DatabaseErrorOptions, ErrorCode, Outcome } from "./errors.js";
export type { ClusterStatus, NodeInfo, NodeStatus } from "./node/service.js";
