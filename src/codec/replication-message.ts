/**
 * The messages of every batch, by hand: an append, its result, a heartbeat and its
 * result. Byte for byte what record.ts makes and takes of their schemas; but written
 * straight into the frame that goes to the socket, and read without a step between.
 *
 * An append is the same for every follower that is level with the others: its frame
 * is made once, and the same buffers go to all their sockets. Large blocks are not
 * copied for it: they go to the sockets from where they lie.
 */
import type {
  AppendEntries,
  AppendEntriesResult,
  Heartbeat,
  HeartbeatResult,
  Message,
} from "../raft/message.js";
import { isNodeId, LogIndex, Term, type NodeId } from "../raft/types.js";
import { FRAME_HEADER_SIZE, writeFrameHeader } from "./frame.js";
import { ScalarReader, violation } from "./record.js";
import { writeLong } from "./row.js";

export type ReplicationMessage = AppendEntries | AppendEntriesResult | Heartbeat | HeartbeatResult;

/** bytes: a code, a name of 64 bytes and eight longs */
const HEAD_SIZE_MAX = FRAME_HEADER_SIZE + 1 + 66 + 8 * 8;
/** A larger frame is not kept for the next follower. Bytes. */
const FRAME_KEPT_SIZE_MAX = 1024 * 1024;
/** Blocks that are smaller in the mean are copied behind the head: cheaper than a list of them. Bytes. */
const BLOCK_SENT_ALONE_SIZE_MIN = 16 * 1024;
const NO_BLOCKS: readonly Uint8Array[] = [];

/** A frame in the pieces that go out one behind another. Nobody may write to them. */
export interface PeerFrame {
  readonly head: Buffer;
  readonly blocks: readonly Uint8Array[];
  /** bytes of all of it */
  readonly size: number;
}

/** A frame in one piece. */
export function wholeFrame(head: Buffer): PeerFrame {
  return { head, blocks: NO_BLOCKS, size: head.length };
}

const head = Buffer.alloc(HEAD_SIZE_MAX);

/** the last append that was written */
let kept: { readonly message: AppendEntries; readonly frame: PeerFrame } | undefined;

export function isReplicationKind(kind: string): kind is ReplicationMessage["kind"] {
  switch (kind) {
    case "appendEntries":
    case "appendEntriesResult":
    case "heartbeat":
    case "heartbeatResult":
      return true;
    default:
      return false;
  }
}

export function isReplicationMessage(message: {
  readonly kind: string;
}): message is ReplicationMessage {
  return isReplicationKind(message.kind);
}

/** Its frame, which may be handed out again. */
export function encodeReplicationFrame(code: number, message: ReplicationMessage): PeerFrame {
  const isAppend = message.kind === "appendEntries";
  if (isAppend && kept !== undefined && isSameAppend(kept.message, message)) return kept.frame;
  head[FRAME_HEADER_SIZE] = code;
  let at = writeName(FRAME_HEADER_SIZE + 1, message.from);
  at = writeLong(head, at, message.term);
  let entriesSize = 0;
  switch (message.kind) {
    case "appendEntries":
      at = writeLong(head, at, message.prevLogIndex);
      at = writeLong(head, at, message.prevLogTerm);
      at = writeLong(head, at, message.prevLogChecksum);
      at = writeLong(head, at, message.leaderCommit);
      at = writeLong(head, at, message.entries.length);
      for (const { block } of message.entries) entriesSize += block.length;
      at = writeLong(head, at, entriesSize);
      break;
    case "appendEntriesResult":
      at = writeLong(head, at, message.prevLogIndex);
      head[at++] = message.success ? 1 : 0;
      at = writeLong(head, at, message.matchIndex);
      at = writeLong(head, at, message.hintIndex);
      at = writeLong(head, at, message.hintTerm);
      break;
    case "heartbeat":
      at = writeLong(head, at, message.commitIndex);
      at = writeLong(head, at, message.readRound);
      break;
    case "heartbeatResult":
      at = writeLong(head, at, message.readRound);
      at = writeLong(head, at, message.lastIndex);
      at = writeLong(head, at, message.commitIndex);
      at = writeLong(head, at, message.appliedIndex);
      break;
  }
  if (!isAppend) return wholeFrame(joinedFrame(at, 0, []));
  const { entries } = message;
  const isSplit = entriesSize > 0 && entriesSize >= entries.length * BLOCK_SENT_ALONE_SIZE_MIN;
  const frame = isSplit
    ? splitFrame(at, entriesSize, entries)
    : wholeFrame(joinedFrame(at, entriesSize, entries));
  kept = frame.size <= FRAME_KEPT_SIZE_MAX ? { message, frame } : undefined;
  return frame;
}

/** What was written to `head`, and the blocks where they lie. */
function splitFrame(
  headSize: number,
  entriesSize: number,
  entries: AppendEntries["entries"],
): PeerFrame {
  const own = Buffer.allocUnsafe(headSize);
  head.copy(own, 0, 0, headSize);
  const blocks = entries.map(({ block }) => block);
  writeFrameHeader(own, blocks);
  return { head: own, blocks, size: headSize + entriesSize };
}

/** What was written to `head`, and the blocks behind it. */
function joinedFrame(
  headSize: number,
  entriesSize: number,
  entries: AppendEntries["entries"],
): Buffer {
  const frame = Buffer.allocUnsafe(headSize + entriesSize);
  head.copy(frame, 0, 0, headSize);
  let at = headSize;
  for (const { block } of entries) {
    frame.set(block, at);
    at += block.length;
  }
  writeFrameHeader(frame);
  return frame;
}

function isSameAppend(one: AppendEntries, other: AppendEntries): boolean {
  const isSame =
    one.from === other.from &&
    one.term === other.term &&
    one.prevLogIndex === other.prevLogIndex &&
    one.prevLogTerm === other.prevLogTerm &&
    one.prevLogChecksum === other.prevLogChecksum &&
    one.leaderCommit === other.leaderCommit &&
    one.entries.length === other.entries.length;
  // Blocks are never written to: the same one has the same bytes.
  return isSame && one.entries.every(({ block }, i) => block === other.entries[i]?.block);
}

/** the own name, as it was last written */
let ownName = "";
let ownNameBytes: Buffer = Buffer.alloc(0);

function writeName(at: number, name: NodeId): number {
  if (name !== ownName) {
    ownName = name;
    ownNameBytes = Buffer.from(name, "latin1");
  }
  const start = writeLong(head, at, ownNameBytes.length);
  head.set(ownNameBytes, start);
  return start + ownNameBytes.length;
}

/** What an append carries as its entries, checked against what it says of its place. */
export type ReadEntries = (
  blocks: Uint8Array,
  append: Omit<AppendEntries, "entries">,
) => AppendEntries["entries"];

/** @throws {DatabaseError} PROTOCOL when `body` is not one message of this kind and nothing else */
export function decodeReplicationMessage(
  kind: ReplicationMessage["kind"],
  body: Uint8Array,
  readEntries: ReadEntries,
): Message {
  const reader = new ScalarReader(body, 1);
  const from = readName(reader);
  const term = Term(reader.long());
  const message = readFields(kind, from, term, reader, readEntries);
  if (!reader.done) throw violation("bytes follow a record");
  return message;
}

function readFields(
  kind: ReplicationMessage["kind"],
  from: NodeId,
  term: Term,
  reader: ScalarReader,
  readEntries: ReadEntries,
): ReplicationMessage {
  switch (kind) {
    case "appendEntries":
      return readAppend(from, term, reader, readEntries);
    case "appendEntriesResult": {
      const prevLogIndex = LogIndex(reader.long());
      const success = reader.flag();
      const matchIndex = LogIndex(reader.long());
      const hintIndex = LogIndex(reader.long());
      const hintTerm = Term(reader.long());
      return { kind, from, term, prevLogIndex, success, matchIndex, hintIndex, hintTerm };
    }
    case "heartbeat": {
      const commitIndex = LogIndex(reader.long());
      const readRound = reader.long();
      return { kind, from, term, commitIndex, readRound };
    }
    case "heartbeatResult": {
      const readRound = reader.long();
      const lastIndex = LogIndex(reader.long());
      const commitIndex = LogIndex(reader.long());
      const appliedIndex = LogIndex(reader.long());
      return { kind, from, term, readRound, lastIndex, commitIndex, appliedIndex };
    }
  }
}

function readAppend(
  from: NodeId,
  term: Term,
  reader: ScalarReader,
  readEntries: ReadEntries,
): AppendEntries {
  const kind = "appendEntries";
  const prevLogIndex = LogIndex(reader.long());
  const prevLogTerm = Term(reader.long());
  const prevLogChecksum = reader.long();
  if (prevLogChecksum > 0xffffffff) throw violation("prevLogChecksum has more than 32 bits");
  const leaderCommit = LogIndex(reader.long());
  const count = reader.long();
  const place: Omit<AppendEntries, "entries"> = {
    kind,
    from,
    term,
    prevLogIndex,
    prevLogTerm,
    prevLogChecksum,
    leaderCommit,
  };
  const blocks = reader.bytes();
  // Before its entries are read: of what bytes follow nothing is believed.
  if (!reader.done) throw violation("bytes follow a record");
  const entries = readEntries(blocks, place);
  if (entries.length !== count) {
    throw violation(`${count} entries announced, ${entries.length} found`);
  }
  return { entries, ...place };
}

/** Names that were read last, with their bytes: a node hears from few others. */
const known: { readonly bytes: Uint8Array; readonly name: NodeId }[] = [];
const KNOWN_MAX = 8;

function readName(reader: ScalarReader): NodeId {
  const bytes = reader.bytes();
  for (const each of known) if (isSame(each.bytes, bytes)) return each.name;
  const name = Buffer.from(bytes).toString("latin1");
  if (!isNodeId(name)) throw violation("from names no node");
  known.unshift({ bytes: bytes.slice(), name });
  if (known.length > KNOWN_MAX) known.pop();
  return name;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
