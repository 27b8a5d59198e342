/**
 * What nodes say to each other beside Raft itself, and how all of it becomes
 * bytes.
 *
 *   body := kind u8, Avro record of the kind
 *
 * Records hold scalars, strings and bytes only: no arrays, no maps, whose counts
 * a hostile peer could blow up. Lists travel as `bytes`: entries as their blocks,
 * one behind another, read by the strict block reader.
 */
import avro from "avsc";
import { assert, unreachable } from "../assert.js";
import { DatabaseError } from "../errors.js";
import type { AppendEntries, Message } from "../raft/message.js";
import { isNodeId, LogIndex, Term, type Entry, type NodeId } from "../raft/types.js";
import type { Request } from "../store/command.js";
import { decodeRequest, encodeRequest, readBlock } from "./block.js";

/** A client's request, passed on to the leader. */
export interface Forward {
  readonly kind: "forward";
  readonly from: NodeId;
  /** unique per sender and process */
  readonly id: number;
  readonly request: Request;
}

/**
 * Where the leader put it: the request is the `position`-th (from 0) of entry
 * `index` if that entry is ever committed with `term`, and has no effect otherwise.
 */
export interface ForwardAccepted {
  readonly kind: "forwardAccepted";
  readonly from: NodeId;
  readonly id: number;
  readonly index: LogIndex;
  readonly term: Term;
  readonly position: number;
}

/** Proof that the leader-that-was did nothing with it. */
export interface ForwardRefused {
  readonly kind: "forwardRefused";
  readonly from: NodeId;
  readonly id: number;
  readonly reason: "not-leader" | "busy";
}

/** Asks a leader for the cluster's table. */
export interface StatusRequest {
  readonly kind: "statusRequest";
  readonly from: NodeId;
  readonly id: number;
}
export interface StatusResult {
  readonly kind: "statusResult";
  readonly from: NodeId;
  readonly id: number;
  /** JSON of node/status.ts's ClusterStatus; empty when the receiver is not the leader */
  readonly json: string;
}

export type PeerMessage =
  Message | Forward | ForwardAccepted | ForwardRefused | StatusRequest | StatusResult;

type Kind = PeerMessage["kind"];
type FieldType = "string" | "long" | "boolean" | "bytes";

/** `from` comes first in every record. The order of kinds is the wire's: only append. */
const RECORDS: readonly {
  readonly kind: Kind;
  readonly fields: Readonly<Record<string, FieldType>>;
}[] = [
  { kind: "preVote", fields: { term: "long", lastLogIndex: "long", lastLogTerm: "long" } },
  { kind: "preVoteResult", fields: { term: "long", granted: "boolean" } },
  {
    kind: "requestVote",
    fields: { term: "long", lastLogIndex: "long", lastLogTerm: "long", disruptLeader: "boolean" },
  },
  { kind: "requestVoteResult", fields: { term: "long", granted: "boolean" } },
  {
    kind: "appendEntries",
    fields: {
      ...{ term: "long", prevLogIndex: "long", prevLogTerm: "long", prevLogChecksum: "long" },
      ...{ leaderCommit: "long", count: "long", blocks: "bytes" },
    },
  },
  {
    kind: "appendEntriesResult",
    fields: {
      ...{ term: "long", prevLogIndex: "long", success: "boolean" },
      ...{ matchIndex: "long", hintIndex: "long", hintTerm: "long" },
    },
  },
  { kind: "heartbeat", fields: { term: "long", commitIndex: "long", readRound: "long" } },
  {
    kind: "heartbeatResult",
    fields: {
      ...{ term: "long", readRound: "long" },
      ...{ lastIndex: "long", commitIndex: "long", appliedIndex: "long" },
    },
  },
  { kind: "readIndex", fields: { term: "long", context: "long" } },
  {
    kind: "readIndexResult",
    fields: { term: "long", context: "long", granted: "boolean", index: "long" },
  },
  { kind: "timeoutNow", fields: { term: "long" } },
  { kind: "forward", fields: { id: "long", request: "bytes" } },
  {
    kind: "forwardAccepted",
    fields: { id: "long", index: "long", term: "long", position: "long" },
  },
  { kind: "forwardRefused", fields: { id: "long", isBusy: "boolean" } },
  { kind: "statusRequest", fields: { id: "long" } },
  { kind: "statusResult", fields: { id: "long", json: "string" } },
];

const TYPES: readonly avro.Type[] = RECORDS.map(({ kind, fields }) => recordType(kind, fields));
const KIND_CODES = new Map<Kind, number>(RECORDS.map(({ kind }, code) => [kind, code]));

function recordType(kind: string, fields: Readonly<Record<string, FieldType>>): avro.Type {
  return avro.Type.forSchema({
    type: "record",
    name: `balsa.peer.${kind}`,
    fields: Object.entries({ from: "string", ...fields }).map(([name, type]) => ({ name, type })),
  });
}

/** Grows to the largest message and stays; a body is copied out of it to its exact size. */
let scratch: Buffer = Buffer.alloc(64 * 1024);

function encodeRecord(type: avro.Type, code: number, record: object): Buffer {
  scratch[0] = code;
  let end = type.encode(record, scratch, 1);
  if (end < 0) {
    // avsc says by how many bytes the buffer was too short.
    scratch = Buffer.alloc(2 * (scratch.length - end));
    scratch[0] = code;
    end = type.encode(record, scratch, 1);
    assert(end > 0, "a record fits the buffer made for it");
  }
  return Buffer.from(scratch.subarray(0, end));
}

/** The body of a frame. */
export function encodePeerMessage(message: PeerMessage): Buffer {
  const code = KIND_CODES.get(message.kind);
  const type = code === undefined ? undefined : TYPES[code];
  assert(code !== undefined && type !== undefined, "every kind of message has a record");
  return encodeRecord(type, code, recordOf(message));
}

/** The message as its Avro record has it. */
function recordOf(message: PeerMessage): object {
  switch (message.kind) {
    case "appendEntries": {
      const { entries, ...rest } = message;
      const blocks = entries.map(({ block }) => block);
      return { ...rest, count: entries.length, blocks: Buffer.concat(blocks) };
    }
    case "forward":
      return { ...message, request: Buffer.from(encodeRequest(message.request)) };
    case "forwardRefused":
      return { ...message, isBusy: message.reason === "busy" };
    default:
      return message;
  }
}

/**
 * Strict: unknown kinds, trailing bytes, values out of range, entries that do
 * not chain from prevLogChecksum are refused. Copies what it keeps of `body`.
 *
 * @throws {DatabaseError} PROTOCOL
 */
export function decodePeerMessage(body: Uint8Array): PeerMessage {
  const spec = RECORDS[body[0] ?? -1];
  const type = TYPES[body[0] ?? -1];
  if (spec === undefined || type === undefined) {
    throw violation(`unknown kind of message ${body[0] ?? "(none)"}`);
  }
  return messageOf(spec.kind, new Fields(decodeRecord(type, body, 1)));
}

function decodeRecord(type: avro.Type, body: Uint8Array, offset: number): Record<string, unknown> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let decoded: { value: unknown; offset: number };
  try {
    decoded = type.decode(bytes, offset);
  } catch (error) {
    throw violation("a record does not decode", error);
  }
  if (decoded.offset !== bytes.length) {
    throw violation(decoded.offset < 0 ? "a record is cut short" : "bytes follow a record");
  }
  return decoded.value as Record<string, unknown>;
}

/** A decoded record whose values are not believed yet. */
class Fields {
  readonly #record: Record<string, unknown>;

  constructor(record: Record<string, unknown>) {
    this.#record = record;
  }

  /** A safe integer, not negative. */
  count(name: string): number {
    const value = this.#record[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw violation(`${name} is not a count: ${String(value)}`);
    }
    return value;
  }

  index(name: string): LogIndex {
    return LogIndex(this.count(name));
  }

  term(name = "term"): Term {
    return Term(this.count(name));
  }

  flag(name: string): boolean {
    const value = this.#record[name];
    if (typeof value !== "boolean") throw violation(`${name} is not a truth value`);
    return value;
  }

  text(name: string): string {
    const value = this.#record[name];
    if (typeof value !== "string") throw violation(`${name} is not text`);
    return value;
  }

  nodeId(name: string): NodeId {
    const value = this.text(name);
    if (!isNodeId(value)) throw violation(`${name} names no node`);
    return value;
  }

  /** avsc copies bytes out of the buffer they came in. */
  bytes(name: string): Buffer {
    const value = this.#record[name];
    if (!Buffer.isBuffer(value)) throw violation(`${name} is not bytes`);
    return value;
  }
}

function messageOf(kind: Kind, fields: Fields): PeerMessage {
  const from = fields.nodeId("from");
  switch (kind) {
    case "forward":
      return {
        kind,
        from,
        id: fields.count("id"),
        request: decodeRequest(fields.bytes("request")),
      };
    case "forwardAccepted":
      return {
        ...{ kind, from, id: fields.count("id"), index: fields.index("index") },
        ...{ term: fields.term(), position: fields.count("position") },
      };
    case "forwardRefused":
      return {
        kind,
        from,
        id: fields.count("id"),
        reason: fields.flag("isBusy") ? "busy" : "not-leader",
      };
    case "statusRequest":
      return { kind, from, id: fields.count("id") };
    case "statusResult":
      return { kind, from, id: fields.count("id"), json: fields.text("json") };
    default:
      return raftMessageOf(kind, from, fields);
  }
}

function raftMessageOf(kind: Message["kind"], from: NodeId, fields: Fields): Message {
  const term = fields.term();
  switch (kind) {
    case "preVote":
      return {
        ...{ kind, from, term },
        ...{ lastLogIndex: fields.index("lastLogIndex"), lastLogTerm: fields.term("lastLogTerm") },
      };
    case "requestVote":
      return {
        ...{ kind, from, term, disruptLeader: fields.flag("disruptLeader") },
        ...{ lastLogIndex: fields.index("lastLogIndex"), lastLogTerm: fields.term("lastLogTerm") },
      };
    case "preVoteResult":
    case "requestVoteResult":
      return { kind, from, term, granted: fields.flag("granted") };
    case "appendEntries":
      return appendEntriesOf(from, term, fields);
    case "appendEntriesResult":
      return {
        ...{ kind, from, term, prevLogIndex: fields.index("prevLogIndex") },
        ...{ success: fields.flag("success"), matchIndex: fields.index("matchIndex") },
        ...{ hintIndex: fields.index("hintIndex"), hintTerm: fields.term("hintTerm") },
      };
    case "heartbeat":
      return {
        ...{ kind, from, term },
        ...{ commitIndex: fields.index("commitIndex"), readRound: fields.count("readRound") },
      };
    case "heartbeatResult":
      return {
        ...{ kind, from, term, readRound: fields.count("readRound") },
        ...{ lastIndex: fields.index("lastIndex"), commitIndex: fields.index("commitIndex") },
        appliedIndex: fields.index("appliedIndex"),
      };
    case "readIndex":
      return { kind, from, term, context: fields.count("context") };
    case "readIndexResult":
      return {
        ...{ kind, from, term, context: fields.count("context") },
        ...{ granted: fields.flag("granted"), index: fields.index("index") },
      };
    case "timeoutNow":
      return { kind, from, term };
    default:
      return unreachable(kind);
  }
}

function appendEntriesOf(from: NodeId, term: Term, fields: Fields): AppendEntries {
  const prevLogIndex = fields.index("prevLogIndex");
  const prevLogTerm = fields.term("prevLogTerm");
  const prevLogChecksum = fields.count("prevLogChecksum");
  if (prevLogChecksum > 0xffffffff) throw violation("prevLogChecksum has more than 32 bits");
  if (prevLogTerm > term) throw violation("the log is ahead of the term");
  return {
    ...{ kind: "appendEntries", from, term, prevLogIndex, prevLogTerm, prevLogChecksum },
    leaderCommit: fields.index("leaderCommit"),
    entries: entriesOf(
      fields.bytes("blocks"),
      fields.count("count"),
      { index: prevLogIndex, term: prevLogTerm, checksum: prevLogChecksum },
      term,
    ),
  };
}

/** Entries that stand one behind another, chain, and are not ahead of the message's term. */
function entriesOf(
  blocks: Buffer,
  count: number,
  previous: { readonly index: LogIndex; readonly term: Term; readonly checksum: number },
  termMax: Term,
): readonly Entry[] {
  const entries: Entry[] = [];
  let last = previous;
  let offset = 0;
  while (offset < blocks.length) {
    const read = readBlock(blocks, offset, last.checksum);
    if (read.kind === "fault") throw violation(`entry ${last.index + 1}: ${read.reason}`);
    const { entry } = read;
    if (entry.index !== last.index + 1) throw violation("entries are not contiguous");
    if (entry.term < last.term || entry.term > termMax)
      throw violation("an entry's term is out of order");
    entries.push(entry);
    last = entry;
    offset = read.end;
  }
  if (entries.length !== count)
    throw violation(`${count} entries announced, ${entries.length} found`);
  return entries;
}

function violation(what: string, cause?: unknown): DatabaseError {
  return new DatabaseError("PROTOCOL", `a peer's message is refused: ${what}`, { cause });
}

// ---- the handshake ------------------------------------------------------------

/** First frame on a peer connection, from the dialer. */
export interface Hello {
  readonly protocolVersion: number;
  /** 32 hex digits */
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** 32 hex digits, minted with the data directory */
  readonly incarnationId: string;
  /** whom the dialer believes to have reached */
  readonly expectedNodeId: NodeId;
  /** host:port of the dialer's client door */
  readonly clientAddress: string;
  readonly lane: Lane;
}

/** Two connections to each peer, so that heartbeats and votes never wait behind bulk. */
export type Lane = "control" | "bulk";

const REFUSE_REASONS = [
  "protocol-version",
  "wrong-cluster",
  "unknown-node",
  "misdirected",
  "own-id",
  "malformed",
] as const;
export type RefuseReason = (typeof REFUSE_REASONS)[number];

/** The answer to Hello. */
export type Welcome =
  | {
      readonly kind: "welcome";
      readonly nodeId: NodeId;
      readonly incarnationId: string;
      readonly clientAddress: string;
    }
  | { readonly kind: "refused"; readonly reason: RefuseReason; readonly text: string };

export const PEER_PROTOCOL_VERSION = 1;
/** bytes; the largest handshake body */
export const HANDSHAKE_SIZE_MAX = 1024;

/** Codes of handshake bodies, apart from the messages'. */
const HELLO = 0xb0;
const WELCOME = 0xb1;
const REFUSED = 0xb2;

const HELLO_TYPE = handshakeType("Hello", {
  ...{ protocolVersion: "long", clusterId: "string", nodeId: "string", incarnationId: "string" },
  ...{ expectedNodeId: "string", clientAddress: "string", isBulk: "boolean" },
});
const WELCOME_TYPE = handshakeType("Welcome", {
  ...{ nodeId: "string", incarnationId: "string", clientAddress: "string" },
});
const REFUSED_TYPE = handshakeType("Refused", { reason: "string", text: "string" });

function handshakeType(name: string, fields: Readonly<Record<string, FieldType>>): avro.Type {
  return avro.Type.forSchema({
    type: "record",
    name: `balsa.peer.${name}`,
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
  });
}

export function encodeHello(hello: Hello): Buffer {
  return encodeRecord(HELLO_TYPE, HELLO, { ...hello, isBulk: hello.lane === "bulk" });
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeHello(body: Uint8Array): Hello {
  if (body[0] !== HELLO) throw violation("no hello");
  const fields = new Fields(decodeRecord(HELLO_TYPE, body, 1));
  return {
    ...{ protocolVersion: fields.count("protocolVersion"), clusterId: hexOf(fields, "clusterId") },
    ...{ nodeId: fields.nodeId("nodeId"), incarnationId: hexOf(fields, "incarnationId") },
    ...{
      expectedNodeId: fields.nodeId("expectedNodeId"),
      clientAddress: fields.text("clientAddress"),
    },
    lane: fields.flag("isBulk") ? "bulk" : "control",
  };
}

export function encodeWelcome(welcome: Welcome): Buffer {
  return welcome.kind === "welcome"
    ? encodeRecord(WELCOME_TYPE, WELCOME, welcome)
    : encodeRecord(REFUSED_TYPE, REFUSED, welcome);
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeWelcome(body: Uint8Array): Welcome {
  if (body[0] === WELCOME) {
    const fields = new Fields(decodeRecord(WELCOME_TYPE, body, 1));
    return {
      ...{ kind: "welcome", nodeId: fields.nodeId("nodeId") },
      ...{
        incarnationId: hexOf(fields, "incarnationId"),
        clientAddress: fields.text("clientAddress"),
      },
    };
  }
  if (body[0] !== REFUSED) throw violation("no welcome");
  const fields = new Fields(decodeRecord(REFUSED_TYPE, body, 1));
  const said = fields.text("reason");
  const reason = REFUSE_REASONS.find((known) => known === said) ?? "malformed";
  return { kind: "refused", reason, text: fields.text("text") };
}

function hexOf(fields: Fields, name: string): string {
  const text = fields.text(name);
  if (!/^[0-9a-f]{32}$/.test(text)) throw violation(`${name} is not 32 hex digits`);
  return text;
}
