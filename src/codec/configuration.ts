/**
 * A configuration as the value of a `config` row: JSON in one form only, so that
 * equal configurations are equal bytes on every node and in every snapshot.
 *
 *   {"voters":[id…],"learners":[id…]}                        as a cluster is founded
 *   …,"records":[[id,address,incarnation]…]                  when anything is recorded
 *   …,"removed":[id…]                                        when anybody was removed
 */
import { DatabaseError } from "../errors.js";
import { isNodeId, type Configuration, type MemberRecord, type NodeId } from "../raft/types.js";
import { MalformedRow } from "./row.js";

/** The largest address told in a record, in characters. */
const ADDRESS_LENGTH_MAX = 300;

/** Bytes; no member is added beyond: a snapshot's header, which is bounded, holds it (snapshot.ts). */
const SIZE_MAX: number = 32 * 1024;
/** bytes of a member beside its id, which may stand in it twice, and its address */
const MEMBER_SIZE_MAX = 100;

/**
 * Whether there is room for one more member. The ids of those that were removed stay for ever:
 * some 480 of 64 characters are too many. A removal always has room.
 */
export function hasRoomFor(configuration: Configuration, id: string, address: string): boolean {
  const added = 2 * id.length + address.length + MEMBER_SIZE_MAX;
  return encodeConfiguration(configuration).length + added <= SIZE_MAX;
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  return new TextEncoder().encode(textOf(configuration));
}

function textOf({ voters, learners, records, removed }: Configuration): string {
  return JSON.stringify({
    voters,
    learners,
    ...(records === undefined || records.length === 0
      ? {}
      : { records: records.map(({ id, address, incarnation }) => [id, address, incarnation]) }),
    ...(removed === undefined || removed.length === 0 ? {} : { removed }),
  });
}

/** @throws {DatabaseError} CORRUPTION when the bytes are not exactly what encodeConfiguration writes */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return parseConfiguration(decoder.decode(bytes));
  } catch (cause) {
    const reason = cause instanceof MalformedRow ? cause.message : "it is not UTF-8";
    throw new DatabaseError("CORRUPTION", `a configuration does not decode: ${reason}`, { cause });
  }
}

interface Parsed {
  readonly voters?: unknown;
  readonly learners?: unknown;
  readonly records?: unknown;
  readonly removed?: unknown;
}

/** @throws {MalformedRow} */
export function parseConfiguration(text: string): Configuration {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new MalformedRow("malformed", "a configuration is not JSON");
  }
  const { voters, learners, records, removed } = (parsed ?? {}) as Parsed;
  if (!isMemberList(voters) || !isMemberList(learners) || voters.length === 0)
    throw new MalformedRow("malformed", "a configuration lists voters and learners in order");
  if (learners.some((learner) => voters.includes(learner)))
    throw new MalformedRow("malformed", "a learner is no voter");
  const members = new Set([...voters, ...learners]);
  if (removed !== undefined && !(isMemberList(removed) && removed.every((id) => !members.has(id))))
    throw new MalformedRow("malformed", "who was removed is listed in order, and no member");
  const configuration: Configuration = {
    voters,
    learners,
    ...(records === undefined ? {} : { records: recordsOf(records, members) }),
    ...(removed === undefined ? {} : { removed }),
  };
  if (textOf(configuration) !== text)
    throw new MalformedRow("malformed", "a configuration is in its one form");
  return configuration;
}

function recordsOf(value: unknown, members: ReadonlySet<NodeId>): readonly MemberRecord[] {
  const rows: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  const records = rows.map(recordOf);
  const ids = records.map(({ id }) => id);
  if (!isMemberList(ids) || !ids.every((id) => members.has(id)))
    throw new MalformedRow("malformed", "records are of members, in order");
  return records;
}

function recordOf(row: unknown): MemberRecord {
  const cells: readonly unknown[] = Array.isArray(row) ? row : [];
  const [id, address, incarnation] = cells;
  const isRecord =
    typeof id === "string" &&
    isNodeId(id) &&
    typeof address === "string" &&
    address.length <= ADDRESS_LENGTH_MAX &&
    /^[!-~]*$/.test(address) &&
    typeof incarnation === "string" &&
    /^([0-9a-f]{32})?$/.test(incarnation);
  if (!isRecord)
    throw new MalformedRow("malformed", "a member's record is id, address, incarnation");
  return { id, address, incarnation };
}

/** Distinct node ids, sorted by code unit. */
function isMemberList(value: unknown): value is readonly NodeId[] {
  if (!Array.isArray(value)) return false;
  const ids: readonly unknown[] = value;
  return ids.every((id, i) => {
    if (typeof id !== "string" || !isNodeId(id)) return false;
    const previous = ids[i - 1];
    return typeof previous !== "string" || previous < id;
  });
}
