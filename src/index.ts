/** The public library. */
export * from "./database.js";
export * from "./errors.js";
export { connect, type RemoteDatabase } from "./client/remote-database.js";
export { startNode, type NodeOptions, type RunningNode } from "./node/lifecycle.js";
