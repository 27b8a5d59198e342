/**
 * What a node tells of itself as JSON, read back: only what a reader relies on is
 * checked, so that a newer node may tell more.
 */
import { readBlock } from "../codec/block.js";
import { DatabaseError } from "../errors.js";
import type { ClusterStatus, HeldSnapshot, NodeInfo } from "../node/service.js";
import type { Entry } from "../raft/types.js";

type FieldType = "string" | "number" | "boolean";

const INFO_FIELDS: Readonly<Record<string, FieldType>> = {
  id: "string",
  clusterId: "string",
  role: "string",
  term: "number",
  firstIndex: "number",
  lastIndex: "number",
  commitIndex: "number",
  appliedIndex: "number",
};
const STATUS_FIELDS: Readonly<Record<string, FieldType>> = { clusterId: "string", term: "number" };
const NODE_FIELDS: Readonly<Record<string, FieldType>> = {
  id: "string",
  role: "string",
  alive: "boolean",
  peer: "string",
};

/** @throws {DatabaseError} PROTOCOL */
export function parseNodeInfo(json: string): NodeInfo {
  const info = parseObject(json);
  if (!hasFields(info, INFO_FIELDS)) throw malformedJson();
  return info as unknown as NodeInfo;
}

const SNAPSHOT_FIELDS: Readonly<Record<string, FieldType>> = {
  index: "number",
  term: "number",
  checksum: "number",
  stateChecksum: "number",
  size: "number",
};

/** @throws {DatabaseError} PROTOCOL */
export function parseSnapshots(json: string): readonly HeldSnapshot[] {
  const snapshots: unknown = parseJson(json);
  const isList =
    Array.isArray(snapshots) &&
    snapshots.every((one) => isObject(one) && hasFields(one, SNAPSHOT_FIELDS));
  if (!isList) throw malformedJson();
  return snapshots as readonly HeldSnapshot[];
}

/** @throws {DatabaseError} PROTOCOL */
export function parseClusterStatus(json: string): ClusterStatus {
  const status = parseObject(json);
  const nodes: unknown = status["nodes"];
  if (!hasFields(status, STATUS_FIELDS) || !Array.isArray(nodes)) throw malformedJson();
  if (!nodes.every((node) => isObject(node) && hasFields(node, NODE_FIELDS))) throw malformedJson();
  return status as unknown as ClusterStatus;
}

/**
 * Reads blocks that lie one behind another, each checked against its predecessor.
 *
 * @throws {DatabaseError} CORRUPTION when they are damaged or do not chain
 */
export function readBlocks(blocks: Uint8Array, previousChecksum: number): readonly Entry[] {
  const entries: Entry[] = [];
  let offset = 0;
  let checksum = previousChecksum;
  while (offset < blocks.length) {
    const read = readBlock(blocks, offset, checksum);
    if (read.kind === "fault")
      throw new DatabaseError(
        "CORRUPTION",
        `the node's log, block ${entries.length} of this page: ${read.reason}`,
      );
    entries.push(read.entry);
    offset = read.end;
    checksum = read.entry.checksum;
  }
  return entries;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw malformedJson(cause);
  }
}

function parseObject(json: string): Record<string, unknown> {
  const value = parseJson(json);
  if (!isObject(value)) throw malformedJson();
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasFields(
  value: Record<string, unknown>,
  fields: Readonly<Record<string, FieldType>>,
): boolean {
  return Object.entries(fields).every(([name, type]) => typeof value[name] === type);
}

function malformedJson(cause?: unknown): DatabaseError {
  return new DatabaseError("PROTOCOL", "the node tells of itself in a way that is not understood", {
    cause,
  });
}
