/**
 * `open`: a durable database in this process. Without configuration it is a
 * cluster of one, on a directory of its own: the same log, the same recovery, the
 * same guarantees as a node of a larger cluster; no port is opened. With
 * `cluster`, this process is a member of that one.
 */
import path from "node:path";
import type { Database } from "./database.js";
import { databaseOver } from "./embedded.js";
import { openNode } from "./node/lifecycle.js";
import type { HistoryPolicy } from "./node/settings.js";
import { type NodeOptions, startNode } from "./server.js";
import { NodeFileSystem } from "./storage/node-file-system.js";
import type { Limits } from "./store/command.js";
import { NoPeers } from "./transport/no-peers.js";

/** An embedded database: where it is, and its limits. */
export interface OpenOptions {
  /** where the log lives; made when it is not there. Default: "data/embedded" below the working directory */
  readonly directory?: string;
  /** of keys, values and requests: the defaults (8 KiB, 1 MiB, 4 MiB) or lower */
  readonly limits?: Limits;
  /** how much history is kept for reads of the past and watches; default 100,000 changes, 64 MiB, any age */
  readonly history?: Partial<HistoryPolicy>;
  /** one line for the operator */
  readonly log?: (line: string) => void;
  /** the database stopped because it must: every later call fails with CLOSED */
  readonly onFailure?: (error: Error) => void;
}

const DIRECTORY_DEFAULT = "data/embedded";
/** The one member of an embedded cluster. */
const EMBEDDED_ID = "embedded";
/** No port is opened. */
const EMBEDDED_ADDRESS = "none";
/** Nobody else can lead: no reason to wait long for it. Milliseconds. */
const EMBEDDED_ELECTION_MS = 30;

/**
 * Opens or makes the database in `directory`; or, given the options of a node with
 * its `cluster`, makes this process a member, whose ports serve peers and clients
 * until the database is closed. `log` is told where the data is.
 *
 * @throws {DatabaseError} INVALID_ARGUMENT, DIRECTORY_IN_USE, WRONG_DIRECTORY (a directory of another node or
 *   cluster), CORRUPTION, STORAGE_FAILED; of a member also ADDRESS_UNAVAILABLE
 *
 * @example
 * import { open } from "balsa-db";
 * await using database = await open("./data/settings");
 * await database.put("color", "green");
 * assert.equal((await database.get("color"))?.modRevision, 2);
 *
 * @example
 * import { open } from "balsa-db";
 * // This process is the member n1 of a cluster; with one member it leads at once.
 * await using member = await open({
 *   id: "n1",
 *   peerAddress: "127.0.0.1:13141",
 *   clientAddress: "127.0.0.1:14141",
 *   cluster: new Map([["n1", "127.0.0.1:13141"]]),
 *   dataDirectory: "./data/n1",
 * });
 * await member.put("color", "green");
 */
export async function open(options: OpenOptions | NodeOptions | string = {}): Promise<Database> {
  if (typeof options === "object" && "cluster" in options) {
    const node = await startNode(options);
    return databaseOver(node.service, () => node.close());
  }
  const given: OpenOptions = typeof options === "string" ? { directory: options } : options;
  const directory = path.resolve(given.directory ?? DIRECTORY_DEFAULT);
  given.log?.(`the database is in ${directory}`);
  const opened = await openNode({
    settings: {
      id: EMBEDDED_ID,
      peerAddress: EMBEDDED_ADDRESS,
      clientAddress: EMBEDDED_ADDRESS,
      cluster: new Map([[EMBEDDED_ID, EMBEDDED_ADDRESS]]),
      dataDirectory: directory,
      electionTimeoutMs: EMBEDDED_ELECTION_MS,
      heartbeatMs: EMBEDDED_ELECTION_MS / 3,
      ...(given.limits === undefined ? {} : { limits: given.limits }),
      ...(given.history === undefined ? {} : { history: given.history }),
      ...(given.log === undefined ? {} : { log: given.log }),
      ...(given.onFailure === undefined ? {} : { onFailure: given.onFailure }),
    },
    fileSystem: new NodeFileSystem(),
    makeTransport: () => new NoPeers(),
  });
  return databaseOver(opened.service, () => opened.close());
}
