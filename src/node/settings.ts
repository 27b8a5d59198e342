/** What a node is told, and whether it can be right. */
import { createHash } from "node:crypto";
import { DatabaseError } from "../errors.js";
import { isNodeId } from "../raft/types.js";
import type { Retention } from "../storage/archive.js";
export type { Retention } from "../storage/archive.js";
import { DEFAULT_LIMITS, type Limits } from "../store/command.js";
import type { HistoryPolicy } from "../store/due.js";
export type { HistoryPolicy } from "../store/due.js";

/** Milliseconds of one tick of the core. */
export const TICK_MS = 10;
export const ELECTION_TIMEOUT_MS = 150;
export const HEARTBEAT_MS = 50;
/** An hour: a cluster that waits longer for a leader is no cluster. Milliseconds. */
const ELECTION_TIMEOUT_MS_MAX = 3_600_000;
/** bytes; smaller ones are all headers */
const SEGMENT_SIZE_MIN = 4096;
/** bytes; the next one's zeros are written ahead, and tools read one at a time */
const SEGMENT_SIZE_MAX = 1024 * 1024 * 1024;

export interface NodeSettings {
  readonly id: string;
  /** host:port for the other nodes */
  readonly peerAddress: string;
  /** host:port for users, told to the other nodes */
  readonly clientAddress: string;
  /** every voter's peer address by id, this node's included */
  readonly cluster: ReadonlyMap<string, string>;
  /** set when this node joins a cluster that exists: its id; `cluster` then names some of its members, and this node */
  readonly join?: { readonly clusterId: string };
  /** whether a leader may answer reads alone while a majority's word is fresh; the same on every node; default false */
  readonly leaseReads?: boolean;
  readonly dataDirectory: string;
  /** the base: each election timeout is drawn from [base, 2 × base); default 150, at most an hour */
  readonly electionTimeoutMs?: number;
  /** at most a third of the base; default 50 */
  readonly heartbeatMs?: number;
  /** the defaults or lower: the log, its messages and the fold are made for those */
  readonly limits?: Limits;
  /** bytes, 4 KiB to 1 GiB; default 8 MiB */
  readonly segmentSizeBytes?: number;
  /**
   * commands applied between two snapshots; the same on every node, or equal states are not equal files;
   * default 500,000, or as many as the last snapshot has rows when that is more
   */
  readonly snapshotEntries?: number;
  /** bytes of blocks applied between two snapshots; likewise; default 128 MiB, or as many as the last snapshot has */
  readonly snapshotBytes?: number;
  /** how much history is kept; a leader's own setting, so the same on every node if it is to hold */
  readonly history?: Partial<HistoryPolicy>;
  /** what becomes of log segments behind the snapshots; default: they are removed */
  readonly retention?: Retention;
  /** one line for the operator */
  readonly log?: (line: string) => void;
  /** the node stopped because it must: its disk failed, its lock was lost, its log contradicts the leader's */
  readonly onFailure?: (error: Error) => void;
}

/**
 * A cluster is who was there at its beginning: the same members, the same id, on
 * every node, without anybody having to hand out one (docs/decisions/0002).
 *
 * @param salt of a cluster that was restored from a snapshot: another one of the
 *   same members (docs/decisions/0007)
 */
export function clusterIdOf(cluster: ReadonlyMap<string, string>, salt?: string): string {
  const members = [...cluster].map(([id, address]) => `${id}=${address}`).toSorted();
  const restored = salt === undefined ? "" : `\nrestored ${salt}`;
  const hash = createHash("sha256").update(`balsa cluster\n${members.join("\n")}${restored}`);
  return hash.digest("hex").slice(0, 32);
}

/** The cluster a node with these settings is of. @param salt that its directory keeps */
export function clusterIdFor({ join, cluster }: NodeSettings, salt?: string): string {
  return join?.clusterId ?? clusterIdOf(cluster, salt);
}

/** @throws {DatabaseError} INVALID_ARGUMENT that says what, why and what to do */
export function checkSettings(settings: NodeSettings): void {
  const { id, cluster } = settings;
  for (const member of [id, ...cluster.keys()]) {
    if (isNodeId(member)) continue;
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `"${member}" cannot name a node: use 1 to 64 letters, digits, dots, dashes or underscores, ` +
        "beginning with a letter or digit",
    );
  }
  const peerAddress = cluster.get(id);
  if (peerAddress === undefined) {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `node ${id} is not in the cluster (${[...cluster.keys()].join(", ")}): ` +
        "name every voter, this one included",
    );
  }
  if (peerAddress !== settings.peerAddress) {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `node ${id} listens for peers on ${settings.peerAddress}, but the cluster knows it as ${peerAddress}: ` +
        "both must be the same address",
    );
  }
  checkAddresses(cluster);
  checkJoin(settings);
  checkTimes(settings);
  checkSizes(settings);
  checkLimits(settings);
  checkHistory(settings);
  checkRetention(settings);
}

function checkJoin({ join, cluster }: NodeSettings): void {
  if (join === undefined) return;
  if (!/^[0-9a-f]{32}$/.test(join.clusterId)) {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `"${join.clusterId}" is no cluster id: 32 hex digits, as \`balsa cluster status\` shows it`,
    );
  }
  if (cluster.size < 2) {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      "a node that joins needs the address of at least one member of the cluster",
    );
  }
}

function checkAddresses(cluster: ReadonlyMap<string, string>): void {
  const owners = new Map<string, string>();
  for (const [member, address] of cluster) {
    const other = owners.get(address);
    if (other !== undefined) {
      throw new DatabaseError(
        "INVALID_ARGUMENT",
        `nodes ${other} and ${member} have the same peer address ${address}: every node needs its own`,
      );
    }
    owners.set(address, member);
  }
}

function checkHistory({ history = {} }: NodeSettings): void {
  for (const [name, value] of Object.entries(history)) {
    if (typeof value === "number" && value >= 1) continue;
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `history.${name} is ${String(value)}: a number of changes, bytes or milliseconds, at least 1`,
    );
  }
}

function checkRetention({ retention }: NodeSettings): void {
  if (retention === undefined) return;
  // A caller without types may write anything.
  const given: { keep?: unknown; sizeBytes?: number; durationMs?: number } = retention;
  if (given.keep === "size") {
    checkWhole("retention.sizeBytes", given.sizeBytes ?? NaN, 0, Number.MAX_SAFE_INTEGER);
  } else if (given.keep === "time") {
    checkWhole("retention.durationMs", given.durationMs ?? NaN, 0, Number.MAX_SAFE_INTEGER);
  } else if (given.keep !== "none" && given.keep !== "all") {
    throw new DatabaseError(
      "INVALID_ARGUMENT",
      `retention.keep is ${String(given.keep)}: "none", "all", "size" with sizeBytes, or "time" with durationMs`,
    );
  }
}

function checkTimes(settings: NodeSettings): void {
  const electionMs = settings.electionTimeoutMs ?? ELECTION_TIMEOUT_MS;
  const heartbeatMs = settings.heartbeatMs ?? HEARTBEAT_MS;
  const isInTime = heartbeatMs >= TICK_MS && electionMs >= 3 * heartbeatMs;
  if (isInTime && electionMs <= ELECTION_TIMEOUT_MS_MAX) return;
  throw new DatabaseError(
    "INVALID_ARGUMENT",
    `an election timeout of ${electionMs} ms with a heartbeat of ${heartbeatMs} ms: the heartbeat ` +
      `must be at least ${TICK_MS} ms and the election timeout at least three heartbeats, ` +
      `and at most ${ELECTION_TIMEOUT_MS_MAX} ms`,
  );
}

function checkSizes({ snapshotEntries, snapshotBytes, segmentSizeBytes }: NodeSettings): void {
  checkWhole("snapshotEntries", snapshotEntries, 1, Number.MAX_SAFE_INTEGER);
  checkWhole("snapshotBytes", snapshotBytes, 1, Number.MAX_SAFE_INTEGER);
  checkWhole("segmentSizeBytes", segmentSizeBytes, SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX);
}

/** Nothing larger than the defaults: a block, a message between nodes and what the fold makes hold those. */
function checkLimits({ limits }: NodeSettings): void {
  if (limits === undefined) return;
  // A caller without types may leave one out.
  const given: Partial<Limits> = limits;
  for (const name of ["keySizeMax", "valueSizeMax", "requestSizeMax"] as const) {
    checkWhole(`limits.${name}`, given[name] ?? NaN, 1, DEFAULT_LIMITS[name]);
  }
}

function checkWhole(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined) return;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new DatabaseError(
    "INVALID_ARGUMENT",
    `${name} is ${String(value)}: a whole number from ${least} to ${most}`,
  );
}
