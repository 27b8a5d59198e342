/**
 * The flags of `node start`, checked against each other before anything is
 * opened: what is wrong, why it matters, and what to write instead.
 */
import path from "node:path";
import { isNodeId } from "../raft/types.js";
import { collides, isWildcard, parseAddress, type Address } from "./address.js";
import type { NodeOptions } from "../index.js";
import { parseAge, parseDuration } from "./duration.js";
import { usageError } from "./failure.js";
import { parseSize } from "./size.js";

export interface NodeFlags {
  readonly id: string;
  readonly peer: string | undefined;
  readonly client: string;
  readonly cluster: readonly string[];
  readonly data: string | undefined;
  readonly "election-timeout": string | undefined;
  readonly heartbeat: string | undefined;
  readonly join: string | undefined;
  readonly "lease-reads": boolean;
  readonly "snapshot-entries": number | undefined;
  readonly "snapshot-bytes": string | undefined;
  readonly retain: string | undefined;
  readonly "history-changes": number | undefined;
  readonly "history-bytes": string | undefined;
  readonly "history-age": string | undefined;
}

type History = NonNullable<NodeOptions["history"]>;
type Retention = NonNullable<NodeOptions["retention"]>;

/** What a node is started with, and what its operator should know. */
export interface NodeStart {
  readonly id: string;
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly cluster: ReadonlyMap<string, string>;
  readonly join?: { readonly clusterId: string };
  readonly leaseReads?: boolean;
  readonly snapshotEntries?: number;
  readonly snapshotBytes?: number;
  readonly retention?: Retention;
  readonly history?: History;
  readonly dataDirectory: string;
  readonly electionTimeoutMs?: number;
  readonly heartbeatMs?: number;
  /** lines for stderr */
  readonly notes: readonly string[];
}

const CLUSTER_EXAMPLE = "--cluster n1=10.0.0.1:13141,n2=10.0.0.2:13141,n3=10.0.0.3:13141";
const ID_RULE = "an id is 1 to 64 letters, digits, dots, dashes or underscores";
/** A leader that is heard from less often than three times a timeout is deposed by one lost message. */
const HEARTBEATS_PER_ELECTION_TIMEOUT = 3;

/** @throws {CommandError} usage */
export function nodeStartOf(flags: NodeFlags): NodeStart {
  checkId(flags.id, "--id");
  const members = parseCluster(flags.cluster);
  const own = members.get(flags.id);
  if (own === undefined) {
    throw usageError(
      `--id ${flags.id} is not a member of --cluster (${[...members.keys()].join(", ")})`,
      `give one of those ids, or add ${flags.id}=HOST:PORT to --cluster on every node`,
    );
  }
  const peer = flags.peer === undefined ? own : parseAddress(flags.peer, "--peer");
  const client = parseAddress(flags.client, "--client");
  checkListeners(flags.id, peer, client, members);
  return {
    id: flags.id,
    peerAddress: peer.text,
    clientAddress: client.text,
    cluster: new Map([...members].map(([id, { text }]) => [id, text])),
    ...(flags.join === undefined ? {} : { join: { clusterId: clusterIdOf(flags.join) } }),
    ...(flags["lease-reads"] ? { leaseReads: true } : {}),
    ...snapshotsOf(flags),
    ...historyOf(flags),
    dataDirectory: dataDirectoryOf(flags),
    ...timesOf(flags),
    notes: notesOn(
      flags.id,
      peer,
      own,
      client,
      flags.join === undefined ? members.size : undefined,
    ),
  };
}

/** @throws {CommandError} usage */
export function checkId(id: string, where: string): void {
  if (!isNodeId(id)) throw usageError(`${where} "${id}" cannot name a node: ${ID_RULE}`, "--id n1");
}

/** Members and their addresses, as `--cluster` names them. @throws {CommandError} usage */
export function parseCluster(texts: readonly string[]): ReadonlyMap<string, Address> {
  const members = new Map<string, Address>();
  for (const part of texts.flatMap((text) => text.split(",")).map((text) => text.trim())) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    if (equals < 0) {
      throw usageError(`--cluster "${part}" is not ID=HOST:PORT`, CLUSTER_EXAMPLE);
    }
    const id = part.slice(0, equals);
    checkId(id, "--cluster");
    const address = parseAddress(part.slice(equals + 1), `--cluster ${id}=`);
    if (isWildcard(address)) {
      throw usageError(
        `--cluster ${part}: others cannot dial ${address.host}`,
        `the address of ${id} as the other nodes reach it; listen everywhere with --peer ${address.text}`,
      );
    }
    if (members.has(id)) {
      throw usageError(`--cluster names ${id} twice`, "give every node an id of its own");
    }
    for (const [other, { text }] of members) {
      if (text === address.text) {
        throw usageError(
          `--cluster gives ${other} and ${id} the same address ${text}`,
          "give every node a peer address of its own",
        );
      }
    }
    members.set(id, address);
  }
  if (members.size === 0) throw usageError("--cluster names no node", CLUSTER_EXAMPLE);
  return members;
}

function checkListeners(
  id: string,
  peer: Address,
  client: Address,
  members: ReadonlyMap<string, Address>,
): void {
  if (collides(peer, client)) {
    throw usageError(
      `--peer ${peer.text} and --client ${client.text} are the same port: nodes and users need one each`,
      "--peer 127.0.0.1:13141 --client 127.0.0.1:14141",
    );
  }
  for (const [other, address] of members) {
    if (other === id) continue;
    if (address.text === peer.text) {
      throw usageError(
        `--peer ${peer.text} is the address of ${other}, and this is ${id}`,
        `--peer ${members.get(id)?.text ?? ""}`,
      );
    }
    if (address.text === client.text) {
      throw usageError(
        `--client ${client.text} is the peer address of ${other}`,
        "choose another port for --client, for example 14141",
      );
    }
  }
}

function snapshotsOf(
  flags: NodeFlags,
): Pick<NodeStart, "snapshotEntries" | "snapshotBytes" | "retention"> {
  const entries = flags["snapshot-entries"];
  const bytes = flags["snapshot-bytes"];
  if (entries !== undefined && entries < 1) {
    throw usageError(
      `--snapshot-entries ${entries}: a snapshot follows at least one command`,
      "--snapshot-entries 100000",
    );
  }
  return {
    ...(entries === undefined ? {} : { snapshotEntries: entries }),
    ...(bytes === undefined ? {} : { snapshotBytes: parseSize(bytes, "--snapshot-bytes") }),
    ...(flags.retain === undefined ? {} : { retention: retentionOf(flags.retain) }),
  };
}

function historyOf(flags: NodeFlags): Pick<NodeStart, "history"> {
  const changes = flags["history-changes"];
  const bytes = flags["history-bytes"];
  const age = flags["history-age"];
  if (changes !== undefined && changes < 1) {
    throw usageError(
      `--history-changes ${changes}: at least one change is kept, or none could be watched`,
      "--history-changes 100000",
    );
  }
  const history: History = {
    ...(changes === undefined ? {} : { changeCountMax: changes }),
    ...(bytes === undefined ? {} : { sizeMax: parseSize(bytes, "--history-bytes") }),
    ...(age === undefined ? {} : { ageMax: parseAge(age, "--history-age") }),
  };
  return Object.keys(history).length === 0 ? {} : { history };
}

function retentionOf(text: string): Retention {
  if (text === "all" || text === "none") return { keep: text };
  if (/^\d+(ms|s|m|h|d)$/.test(text)) {
    return { keep: "time", durationMs: parseAge(text, "--retain") };
  }
  return { keep: "size", sizeBytes: parseSize(text, "--retain") };
}

function clusterIdOf(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw usageError(
    `--join "${text}" is no cluster id: 32 hex digits`,
    "the command that `balsa cluster add` printed",
  );
}

function dataDirectoryOf(flags: NodeFlags): string {
  if (flags.data === "") throw usageError("--data names no directory", `--data data/${flags.id}`);
  return flags.data ?? path.join("data", flags.id);
}

function timesOf(flags: NodeFlags): Pick<NodeStart, "electionTimeoutMs" | "heartbeatMs"> {
  const electionTimeoutMs = optionalDuration(flags["election-timeout"], "--election-timeout");
  const heartbeatMs = optionalDuration(flags.heartbeat, "--heartbeat");
  if (
    electionTimeoutMs !== undefined &&
    heartbeatMs !== undefined &&
    heartbeatMs * HEARTBEATS_PER_ELECTION_TIMEOUT > electionTimeoutMs
  ) {
    throw usageError(
      `--heartbeat ${heartbeatMs} ms is more than a third of --election-timeout ${electionTimeoutMs} ms: one lost message would depose a leader`,
      `--heartbeat ${Math.max(1, Math.floor(electionTimeoutMs / HEARTBEATS_PER_ELECTION_TIMEOUT))}ms`,
    );
  }
  return {
    ...(electionTimeoutMs === undefined ? {} : { electionTimeoutMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  };
}

function optionalDuration(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : parseDuration(text, flag);
}

function notesOn(
  id: string,
  peer: Address,
  own: Address,
  client: Address,
  voterCount: number | undefined,
): readonly string[] {
  const notes: string[] = [];
  if (peer.text !== own.text) {
    notes.push(
      `listens for nodes on ${peer.text}; they dial ${id} at ${own.text}, as --cluster says`,
    );
  }
  if (voterCount !== undefined && voterCount % 2 === 0) {
    notes.push(`${voterCount} voters survive no more failures than ${voterCount - 1} do`);
  }
  for (const { host, text } of [peer, client]) {
    if (!isLoopback(host)) {
      notes.push(
        `${text} can be reached from other machines, without authentication or encryption yet`,
      );
    }
  }
  return notes;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
