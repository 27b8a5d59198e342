/**
 * Whose a data directory is: `<data>/identity.json`, written once.
 *
 *   {"clusterId":"…32 hex…","nodeId":"…","incarnationId":"…32 hex…","formatVersion":1,"checksum":"…8 hex…"}
 *   with "salt":"…32 hex…" before the checksum, of a cluster that was restored from a snapshot
 *
 * The incarnation is minted with the directory: a node whose directory was wiped
 * comes back under its old id with another one, and is known as a stranger.
 */
import { crc32 } from "node:zlib";
import { DatabaseError } from "../errors.js";
import { isNodeId, type NodeId } from "../raft/types.js";
import type { FileSystem } from "./file-system.js";

export interface Identity {
  /** 32 hex digits */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, minted when the directory was made */
  readonly incarnationId: string;
  readonly formatVersion: number;
  /** 32 hex digits; what a restored cluster's id is derived from beside its members */
  readonly salt?: string;
}

/** Of the directory's layout and of everything in it. */
export const FORMAT_VERSION = 1;

const HEX_ID = /^[0-9a-f]{32}$/;
const IDENTITY_SIZE_MAX = 4096;

function identityPath(directory: string): string {
  return `${directory}/identity.json`;
}

/** undefined when the directory has none. @throws {DatabaseError} CORRUPTION when it is unreadable */
export function readIdentityFile(fileSystem: FileSystem, directory: string): Identity | undefined {
  const path = identityPath(directory);
  if (!fileSystem.exists(path)) return undefined;
  const file = fileSystem.open(path, "read");
  const bytes = new Uint8Array(IDENTITY_SIZE_MAX);
  let size;
  try {
    size = file.read(bytes, 0);
  } finally {
    file.close();
  }
  const identity = parseIdentity(Buffer.from(bytes.subarray(0, size)).toString("utf8"));
  if (identity === undefined)
    throw new DatabaseError("CORRUPTION", `${path} is not a data directory's identity`);
  return identity;
}

function parseIdentity(text: string): Identity | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const fields = parsed as Record<string, unknown>;
  const { clusterId, nodeId, incarnationId, formatVersion, salt, checksum } = fields;
  if (typeof clusterId !== "string" || !HEX_ID.test(clusterId)) return undefined;
  if (typeof incarnationId !== "string" || !HEX_ID.test(incarnationId)) return undefined;
  if (typeof nodeId !== "string" || !isNodeId(nodeId)) return undefined;
  if (typeof formatVersion !== "number" || !Number.isSafeInteger(formatVersion)) return undefined;
  if (salt !== undefined && (typeof salt !== "string" || !HEX_ID.test(salt))) return undefined;
  const rest = salt === undefined ? {} : { salt };
  const identity = { clusterId, nodeId, incarnationId, formatVersion, ...rest };
  // Of another version only that much is known.
  const isKnown = formatVersion === FORMAT_VERSION;
  return isKnown && checksum !== checksumOf(identity) ? undefined : identity;
}

/** CRC-32 of the JSON of the other fields. */
function checksumOf({ clusterId, nodeId, incarnationId, formatVersion, salt }: Identity): string {
  const rest = salt === undefined ? {} : { salt };
  const text = JSON.stringify({ clusterId, nodeId, incarnationId, formatVersion, ...rest });
  return crc32(text).toString(16).padStart(8, "0");
}

export interface ClaimOptions {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, for the case that the directory is new */
  readonly freshIncarnationId: string;
  /** see Identity; for a new directory of a restored cluster */
  readonly salt?: string;
  /** whether a directory without an identity may hold data: whoever made it gives it one last */
  readonly isPrepared?: boolean;
}

/**
 * Reads the directory's identity and holds it against who claims it, or gives
 * the directory one when it is new.
 *
 * @throws {DatabaseError} WRONG_DIRECTORY when it is another node's, another cluster's or a later version's;
 *   CORRUPTION when it is unreadable, or missing beside data
 */
export function claimIdentity(
  fileSystem: FileSystem,
  directory: string,
  options: ClaimOptions,
): Identity {
  const { clusterId, nodeId, freshIncarnationId, salt, isPrepared = false } = options;
  const found = readIdentityFile(fileSystem, directory);
  if (found !== undefined) {
    const whose = `${directory} belongs to node ${found.nodeId} of cluster ${found.clusterId}`;
    if (found.formatVersion !== FORMAT_VERSION)
      throw new DatabaseError(
        "WRONG_DIRECTORY",
        `${directory} is in format version ${found.formatVersion}, this is version ${FORMAT_VERSION}`,
      );
    if (found.clusterId !== clusterId)
      throw new DatabaseError("WRONG_DIRECTORY", `${whose}, not to cluster ${clusterId}`);
    if (found.nodeId !== nodeId)
      throw new DatabaseError("WRONG_DIRECTORY", `${whose}, not to node ${nodeId}`);
    return found;
  }
  for (const name of ["log", "hard-state-1", "hard-state-2", "snapshots"]) {
    if (isPrepared || !fileSystem.exists(`${directory}/${name}`)) continue;
    const message = `${directory} holds ${name} but no identity.json: it cannot be told whose it is`;
    throw new DatabaseError("CORRUPTION", message);
  }
  const identity = {
    clusterId,
    nodeId,
    incarnationId: freshIncarnationId,
    formatVersion: FORMAT_VERSION,
    ...(salt === undefined ? {} : { salt }),
  };
  writeIdentity(fileSystem, directory, identity);
  return identity;
}

function writeIdentity(fileSystem: FileSystem, directory: string, identity: Identity): void {
  const path = identityPath(directory);
  const temporary = `${path}.tmp`;
  if (fileSystem.exists(temporary)) fileSystem.remove(temporary);
  const file = fileSystem.open(temporary, "create");
  try {
    const text = JSON.stringify({ ...identity, checksum: checksumOf(identity) });
    file.write(new TextEncoder().encode(`${text}\n`), 0);
    file.datasync();
  } finally {
    file.close();
  }
  fileSystem.rename(temporary, path);
  fileSystem.syncDirectory(directory);
}
