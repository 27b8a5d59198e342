/**
 * `open`: a durable database in this process, without configuration: a cluster
 * of one, on a directory of its own. The same log, the same recovery, the same
 * guarantees as a node of a larger cluster; no port is opened.
 */
import { databaseOver } from "./embedded.js";
import type { Database } from "./database.js";
import { openNode } from "./node/lifecycle.js";
import { NodeFileSystem } from "./storage/node-file-system.js";
import type { Limits } from "./store/command.js";
import { NoPeers } from "./transport/no-peers.js";

export interface OpenOptions {
  /** where the log lives; made when it is not there */
  readonly directory: string;
  readonly limits?: Limits;
  /** one line for the operator */
  readonly log?: (line: string) => void;
  /** the database stopped because it must: every later call fails with CLOSED */
  readonly onFailure?: (error: Error) => void;
}

/** The one member of an embedded cluster. */
const EMBEDDED_ID = "embedded";
/** No port is opened. */
const EMBEDDED_ADDRESS = "none";
/** Nobody else can lead: no reason to wait long for it. Milliseconds. */
const EMBEDDED_ELECTION_MS = 30;

/**
 * Opens or makes the database in `directory`.
 *
 * @throws {DatabaseError} DIRECTORY_IN_USE, WRONG_DIRECTORY (a directory of a larger cluster's node), CORRUPTION,
 *   STORAGE_FAILED
 */
export async function open(options: OpenOptions | string): Promise<Database> {
  const given: OpenOptions = typeof options === "string" ? { directory: options } : options;
  const opened = await openNode({
    settings: {
      id: EMBEDDED_ID,
      peerAddress: EMBEDDED_ADDRESS,
      clientAddress: EMBEDDED_ADDRESS,
      cluster: new Map([[EMBEDDED_ID, EMBEDDED_ADDRESS]]),
      dataDirectory: given.directory,
      electionTimeoutMs: EMBEDDED_ELECTION_MS,
      heartbeatMs: EMBEDDED_ELECTION_MS / 3,
      ...(given.limits === undefined ? {} : { limits: given.limits }),
      ...(given.log === undefined ? {} : { log: given.log }),
      ...(given.onFailure === undefined ? {} : { onFailure: given.onFailure }),
    },
    fileSystem: new NodeFileSystem(),
    makeTransport: () => new NoPeers(),
  });
  return databaseOver(opened.service, () => opened.close());
}
