/**
 * What nodes say to each other beside Raft itself, and how all of it becomes
 * bytes: one record a kind (record.ts), its code the kind's place in FORMATS.
 *
 * Entries travel as `bytes`, their blocks one behind another, and are read by the
 * strict block reader: what comes out of here chains from what it claims to
 * follow.
 */
import { assert, unreachable } from "../assert.js";
import type { ErrorCode } from "../errors.js";
import type { AppendEntries, InstallSnapshot, Message } from "../raft/message.js";
import type { Entry, LogIndex, NodeId, Term } from "../raft/types.js";
import type { Request } from "../store/command.js";
import { adminActionOf, adminTexts, type AdminAction } from "./admin-action.js";
import {
  BLOCK_ROWS_MAX,
  BLOCK_SIZE_MAX,
  decodeRequestList,
  encodeRequests,
  readBlock,
} from "./block.js";
import { encodeFrame, FRAME_HEADER_SIZE } from "./frame.js";
import {
  decodeReplicationMessage,
  encodeReplicationFrame,
  type PeerFrame,
  wholeFrame,
  isReplicationMessage,
  isReplicationKind,
  type ReplicationMessage,
} from "./replication-message.js";
import { RecordFormat, violation, type FieldType, type RecordValues } from "./record.js";

/** Requests of clients, passed on to the leader: all that came together. */
export interface Forward {
  readonly kind: "forward";
  readonly from: NodeId;
  /** never the same twice for a sender, not in another of its lives either */
  readonly id: number;
  /** the leader may place them in this term only: a later term's first entry then proves that it never will */
  readonly term: Term;
  /** at least one */
  readonly requests: readonly Request[];
}

/** Some requests of a forwarding, one behind another. */
interface ForwardedRun {
  readonly from: NodeId;
  /** the forwarding's */
  readonly id: number;
  /** which request is the first, from 0 */
  readonly first: number;
  /** at least one */
  readonly count: number;
}

/**
 * Where the leader put them: the first is the `position`-th (from 0) of entry
 * `index` if that entry is ever committed with `term`, the others follow it there;
 * otherwise they have no effect.
 */
export interface ForwardAccepted extends ForwardedRun {
  readonly kind: "forwardAccepted";
  readonly index: LogIndex;
  readonly term: Term;
  readonly position: number;
}

/** Proof that the leader-that-was did nothing with them. */
export interface ForwardRefused extends ForwardedRun {
  readonly kind: "forwardRefused";
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

/** What an operator asked of a node that does not lead. */
export interface Administer {
  readonly kind: "administer";
  readonly from: NodeId;
  readonly id: number;
  readonly timeoutMs: number;
  readonly action: AdminAction;
}
export interface Administered {
  readonly kind: "administered";
  readonly from: NodeId;
  readonly id: number;
  /** empty: done */
  readonly code: ErrorCode | "";
  readonly text: string;
  /** of the configuration's entry; 0 with an error */
  readonly index: number;
}

export type PeerMessage =
  | Message
  | Forward
  | ForwardAccepted
  | ForwardRefused
  | StatusRequest
  | StatusResult
  | Administer
  | Administered;

type Kind = PeerMessage["kind"];

/** What an `administered` may say. */
const ADMIN_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "INVALID_ARGUMENT",
  "CHANGE_REFUSED",
  "NO_LEADER",
  "TIMEOUT",
  "CLOSED",
  "OUTCOME_UNKNOWN",
  "PROTOCOL",
]);

/** bytes; the largest body: one entry of any size always fits, and several small ones */
export const MESSAGE_SIZE_MAX: number = 24 * 1024 * 1024;
assert(MESSAGE_SIZE_MAX > BLOCK_SIZE_MAX + 1024, "an append of one entry fits a message");

/** The fields behind `from`. The order of kinds is the wire's: only append. */
const FIELDS: Readonly<Record<Kind, Readonly<Record<string, FieldType>>>> = {
  preVote: { term: "long", lastLogIndex: "long", lastLogTerm: "long" },
  preVoteResult: { term: "long", granted: "boolean" },
  requestVote: {
    term: "long",
    lastLogIndex: "long",
    lastLogTerm: "long",
    disruptLeader: "boolean",
  },
  requestVoteResult: { term: "long", granted: "boolean" },
  appendEntries: {
    term: "long",
    prevLogIndex: "long",
    prevLogTerm: "long",
    prevLogChecksum: "long",
    leaderCommit: "long",
    count: "long",
    blocks: "bytes",
  },
  appendEntriesResult: {
    term: "long",
    prevLogIndex: "long",
    success: "boolean",
    matchIndex: "long",
    hintIndex: "long",
    hintTerm: "long",
  },
  heartbeat: { term: "long", commitIndex: "long", readRound: "long" },
  heartbeatResult: {
    term: "long",
    readRound: "long",
    lastIndex: "long",
    commitIndex: "long",
    appliedIndex: "long",
  },
  readIndex: { term: "long", context: "long" },
  readIndexResult: { term: "long", context: "long", granted: "boolean", index: "long" },
  timeoutNow: { term: "long" },
  forward: { id: "long", term: "long", requests: "bytes" },
  forwardAccepted: {
    id: "long",
    first: "long",
    count: "long",
    index: "long",
    term: "long",
    position: "long",
  },
  forwardRefused: { id: "long", first: "long", count: "long", isBusy: "boolean" },
  statusRequest: { id: "long" },
  statusResult: { id: "long", json: "string" },
  installSnapshot: {
    term: "long",
    index: "long",
    snapshotTerm: "long",
    checksum: "long",
    size: "long",
    fileChecksum: "long",
    offset: "long",
    data: "bytes",
  },
  installSnapshotResult: {
    term: "long",
    index: "long",
    fileChecksum: "long",
    offset: "long",
    isInstalled: "boolean",
  },
  administer: {
    id: "long",
    timeoutMs: "long",
    action: "string",
    node: "string",
    address: "string",
  },
  administered: { id: "long", code: "string", text: "string", index: "long" },
};

const KINDS = Object.keys(FIELDS) as readonly Kind[];
const FORMATS: readonly RecordFormat[] = KINDS.map(
  (kind, code) => new RecordFormat(code, kind, { from: "string", ...FIELDS[kind] }),
);
const CODES = Object.fromEntries(KINDS.map((kind, code) => [kind, code])) as Record<Kind, number>;

/** A message as a frame. */
export function encodePeerFrame(message: PeerMessage): PeerFrame {
  const format = FORMATS[CODES[message.kind]];
  assert(format !== undefined, "every kind of message has a format");
  const frame = isReplicationMessage(message)
    ? encodeReplicationFrame(format.code, message)
    : wholeFrame(encodeFrame(format.encode(recordOf(message))));
  assert(frame.size <= MESSAGE_SIZE_MAX + FRAME_HEADER_SIZE, "a message fits MESSAGE_SIZE_MAX");
  return frame;
}

/** The body of its frame, which nobody may write to. */
export function encodePeerMessage(message: PeerMessage): Buffer {
  const { head, blocks, size } = encodePeerFrame(message);
  const whole = blocks.length === 0 ? head : Buffer.concat([head, ...blocks], size);
  return whole.subarray(FRAME_HEADER_SIZE);
}

/** The message as its Avro record has it. */
function recordOf(message: Exclude<PeerMessage, ReplicationMessage>): object {
  switch (message.kind) {
    case "installSnapshot": {
      const { snapshot, data, ...rest } = message;
      const { index, term, checksum, size, fileChecksum } = snapshot;
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      return { index, snapshotTerm: term, checksum, size, fileChecksum, data: bytes, ...rest };
    }
    case "forward": {
      const { requests, ...rest } = message;
      return { requests: encodeRequests(requests), ...rest };
    }
    case "administer": {
      const { action: asked, ...rest } = message;
      const [action, node, address] = adminTexts(asked);
      return { action, node, address, ...rest };
    }
    case "forwardRefused":
      return { isBusy: message.reason === "busy", ...message };
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
  const code = body[0] ?? -1;
  const kind = KINDS[code];
  const format = FORMATS[code];
  if (kind === undefined || format === undefined) {
    throw violation(code < 0 ? "it is empty" : `unknown kind ${code}`);
  }
  if (isReplicationKind(kind)) return decodeReplicationMessage(kind, body, entriesOf);
  return messageOf(kind, format.decode(body));
}

function messageOf(
  kind: Exclude<Kind, ReplicationMessage["kind"]>,
  values: RecordValues,
): PeerMessage {
  const from = values.nodeId("from");
  switch (kind) {
    case "forward":
      return {
        kind,
        from,
        id: values.count("id"),
        term: values.term(),
        requests: decodeRequestList(values.bytes("requests")),
      };
    case "forwardAccepted":
      return {
        kind,
        from,
        ...runOf(values),
        index: values.index("index"),
        term: values.term(),
        position: positionOf(values),
      };
    case "forwardRefused":
      return {
        kind,
        from,
        ...runOf(values),
        reason: values.flag("isBusy") ? "busy" : "not-leader",
      };
    case "statusRequest":
      return { kind, from, id: values.count("id") };
    case "statusResult":
      return { kind, from, id: values.count("id"), json: values.text("json") };
    case "administer":
      return {
        kind,
        from,
        id: values.count("id"),
        timeoutMs: values.count("timeoutMs"),
        action: actionOf(values),
      };
    case "administered":
      return {
        kind,
        from,
        id: values.count("id"),
        code: codeOf(values.text("code")),
        text: values.text("text"),
        index: values.count("index"),
      };
    default:
      return raftMessageOf(kind, from, values);
  }
}

function runOf(values: RecordValues): Omit<ForwardedRun, "from"> {
  const count = values.count("count");
  if (count < 1) throw violation("a run of requests is empty");
  return { id: values.count("id"), first: values.count("first"), count };
}

function positionOf(values: RecordValues): number {
  const position = values.count("position");
  if (position + values.count("count") > BLOCK_ROWS_MAX)
    throw violation(`no block holds a request at ${position}`);
  return position;
}

function actionOf(values: RecordValues): AdminAction {
  const texts = [values.text("action"), values.text("node"), values.text("address")] as const;
  const action = adminActionOf(...texts);
  if (action === undefined) throw violation("an administration is none that is known");
  return action;
}

/** A code that this version does not know is told as what it is: something the peer says. */
function codeOf(text: string): ErrorCode | "" {
  return text === "" || ADMIN_CODES.has(text) ? (text as ErrorCode | "") : "PROTOCOL";
}

function raftMessageOf(
  kind: Exclude<Message["kind"], ReplicationMessage["kind"]>,
  from: NodeId,
  values: RecordValues,
): Message {
  const base = { from, term: values.term() };
  switch (kind) {
    case "preVote":
      return {
        kind,
        ...base,
        lastLogIndex: values.index("lastLogIndex"),
        lastLogTerm: values.term("lastLogTerm"),
      };
    case "requestVote":
      return {
        kind,
        ...base,
        lastLogIndex: values.index("lastLogIndex"),
        lastLogTerm: values.term("lastLogTerm"),
        disruptLeader: values.flag("disruptLeader"),
      };
    case "preVoteResult":
    case "requestVoteResult":
      return { kind, ...base, granted: values.flag("granted") };
    case "readIndex":
      return { kind, ...base, context: values.count("context") };
    case "readIndexResult":
      return {
        kind,
        ...base,
        context: values.count("context"),
        granted: values.flag("granted"),
        index: values.index("index"),
      };
    case "timeoutNow":
      return { kind, ...base };
    case "installSnapshot":
      return installSnapshotOf(base, values);
    case "installSnapshotResult":
      return {
        kind,
        ...base,
        index: values.index("index"),
        fileChecksum: checksumOf(values, "fileChecksum"),
        offset: values.count("offset"),
        isInstalled: values.flag("isInstalled"),
      };
    default:
      return unreachable(kind);
  }
}

function installSnapshotOf(
  base: { readonly from: NodeId; readonly term: Term },
  values: RecordValues,
): InstallSnapshot {
  const snapshot = {
    index: values.index("index"),
    term: values.term("snapshotTerm"),
    checksum: checksumOf(values, "checksum"),
    size: values.count("size"),
    fileChecksum: checksumOf(values, "fileChecksum"),
  };
  const offset = values.count("offset");
  // A copy: a body is only lent.
  const data = new Uint8Array(values.bytes("data"));
  if (offset + data.length > snapshot.size) throw violation("a part reaches beyond its snapshot");
  return { kind: "installSnapshot", ...base, snapshot, offset, data };
}

function checksumOf(values: RecordValues, name: string): number {
  const checksum = values.count(name);
  if (checksum > 0xffffffff) throw violation(`${name} has more than 32 bits`);
  return checksum;
}

/** Entries that stand one behind another, chain, and are not ahead of the message's term. */
function entriesOf(lent: Uint8Array, append: Omit<AppendEntries, "entries">): readonly Entry[] {
  const { prevLogIndex, prevLogTerm, prevLogChecksum, term: termMax } = append;
  if (prevLogTerm > termMax) throw violation("the log is ahead of the term");
  // One copy, which the entries share: a body is only lent.
  const blocks = new Uint8Array(lent);
  const previous = { index: prevLogIndex, term: prevLogTerm, checksum: prevLogChecksum };
  const entries: Entry[] = [];
  let last: { readonly index: LogIndex; readonly term: Term; readonly checksum: number } = previous;
  let offset = 0;
  while (offset < blocks.length) {
    const read = readBlock(blocks, offset, last.checksum);
    if (read.kind === "fault") throw violation(`entry ${last.index + 1}: ${read.reason}`);
    const { entry } = read;
    if (entry.index !== last.index + 1) throw violation("entries are not contiguous");
    if (entry.term < last.term) throw violation("an entry's term is before its predecessor's");
    if (entry.term > termMax) throw violation("an entry's term is ahead of the message's");
    entries.push(entry);
    last = entry;
    offset = read.end;
  }
  return entries;
}
