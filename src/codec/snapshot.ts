/**
 * Snapshots as bytes: an Avro object container file whose rows are the store's
 * state rows, so that any Avro tool opens it as a table.
 *
 *   snapshot := header (block marker)* block marker      the last block is one row "end"
 *   header   := "Obj" 0x01, metadata, marker
 *   metadata := Avro map of bytes, these keys in this order: avro.schema, avro.codec
 *               ("null"), balsa.version, balsa.cluster, balsa.index, balsa.term,
 *               balsa.checksum (8 hex digits, of the log's chain at that index),
 *               balsa.revision, balsa.time, balsa.configuration (configuration.ts),
 *               balsa.configurationIndex
 *   block    := count long, size long, rows; as Avro has it. The first row of a block
 *               carries the CRC-32 of all that follows it in the block, seeded with
 *               the block's before; the others carry null
 *   end      := how many rows came before, in `version`
 *   marker   := first 16 bytes of SHA-256 of the text "balsa snapshot" and the header's
 *               values, each with a newline
 *
 * Nothing in it is chance or local: equal states at equal indexes are equal files.
 *
 * Here: the header. snapshot-encoder.ts writes the blocks, snapshot-decoder.ts reads them.
 */
import { createHash } from "node:crypto";
import { assert } from "../assert.js";
import { LogIndex, Term, type Configuration } from "../raft/types.js";
import { STATE_ROW_KINDS } from "../store/state-row.js";
import { decodeConfiguration, encodeConfiguration } from "./configuration.js";
import { MalformedRow, RowReader, writeLong } from "./row.js";

const SNAPSHOT_SCHEMA_VERSION = 1;
/** bytes; no header is longer */
export const SNAPSHOT_HEADER_SIZE_MAX: number = 64 * 1024;

/**
 * Bytes; no row is larger. One of the largest key and value fits, and one of the largest
 * answer that a session keeps. Earlier versions wrote larger ones.
 */
export const SNAPSHOT_ROW_SIZE_MAX: number = 16 * 1024 * 1024;

export const SNAPSHOT_MARKER_SIZE = 16;
const LONG_SIZE_MAX = 10;
/** By their numbers in a row; the last one is no row of the state. */
export const SNAPSHOT_KINDS = [...STATE_ROW_KINDS, "end"] as const;

const SNAPSHOT_SCHEMA = {
  type: "record",
  name: "State",
  namespace: "balsa.snapshot",
  doc: "One row of the state after the log entry that the file's metadata names.",
  fields: [
    {
      name: "checksum",
      doc: "First row of a block: CRC-32 of the rest of the block, seeded with the previous block's. Bytes big-endian.",
      type: ["null", { type: "fixed", name: "Checksum", size: 4 }],
    },
    { name: "kind", type: { type: "enum", name: "Kind", symbols: SNAPSHOT_KINDS } },
    { name: "key", type: "bytes" },
    { name: "value", type: "bytes" },
    { name: "id", doc: "Of a session, a transaction or a request; else empty.", type: "bytes" },
    { name: "createRevision", type: "long" },
    { name: "modRevision", type: "long" },
    { name: "version", type: "long" },
    { name: "lease", doc: "0 for none.", type: "long" },
    { name: "time", doc: "Milliseconds since 1970; 0 for none.", type: "long" },
  ],
} as const;

/** What a snapshot stands for. */
export interface SnapshotHead {
  /** 32 hex digits */
  readonly clusterId: string;
  /** the last entry whose effect it holds */
  readonly index: LogIndex;
  readonly term: Term;
  /** of that entry, in the log's chain */
  readonly checksum: number;
  /** of the store */
  readonly revision: number;
  /** of the store's log, milliseconds since 1970 */
  readonly time: number;
  /** in force at `index`, and the entry that brought it */
  readonly configuration: Configuration;
  readonly configurationIndex: LogIndex;
}

const SCHEMA_TEXT = JSON.stringify(SNAPSHOT_SCHEMA);

/** By key, in its order. */
type Metadata = readonly (readonly [key: string, value: string])[];

/** What every header of this version begins with. */
const CONSTANTS: Metadata = [
  ["avro.schema", SCHEMA_TEXT],
  ["avro.codec", "null"],
  ["balsa.version", String(SNAPSHOT_SCHEMA_VERSION)],
];
/** How many keys follow them. */
const OWN_COUNT = 8;

/** What follows them of one head. */
function ownMetadataOf(head: SnapshotHead): Metadata {
  return [
    ["balsa.cluster", head.clusterId],
    ["balsa.index", String(head.index)],
    ["balsa.term", String(head.term)],
    ["balsa.checksum", head.checksum.toString(16).padStart(8, "0")],
    ["balsa.revision", String(head.revision)],
    ["balsa.time", String(head.time)],
    ["balsa.configuration", Buffer.from(encodeConfiguration(head.configuration)).toString("utf8")],
    ["balsa.configurationIndex", String(head.configurationIndex)],
  ];
}

/** The same as bytes, with what stands before it. */
const HEADER_PREFIX = headerPrefix();

function headerPrefix(): Uint8Array {
  const start = Buffer.from("Obj\u0001", "latin1");
  return Buffer.concat([start, longBytes(CONSTANTS.length + OWN_COUNT), entryBytes(CONSTANTS)]);
}

/** Those that were asked for before. */
const markers = new WeakMap<SnapshotHead, Uint8Array>();

/** What stands behind every block. */
export function snapshotMarker(head: SnapshotHead): Uint8Array {
  return markers.get(head) ?? markerOf(head, ownMetadataOf(head));
}

function markerOf(head: SnapshotHead, own: Metadata): Uint8Array {
  const words = [...CONSTANTS, ...own].map(([, value]) => `${value}\n`);
  const hash = createHash("sha256").update(`balsa snapshot\n${words.join("")}`);
  const marker = new Uint8Array(hash.digest().subarray(0, SNAPSHOT_MARKER_SIZE));
  markers.set(head, marker);
  return marker;
}

export function snapshotHeader(head: SnapshotHead): Uint8Array {
  const own = ownMetadataOf(head);
  assert(own.length === OWN_COUNT, "a header has all its keys");
  const marker = markers.get(head) ?? markerOf(head, own);
  const header = Buffer.concat([HEADER_PREFIX, entryBytes(own), longBytes(0), marker]);
  assert(header.length <= SNAPSHOT_HEADER_SIZE_MAX, "a header fits its bound");
  return header;
}

function longBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(LONG_SIZE_MAX);
  return bytes.subarray(0, writeLong(bytes, 0, value));
}

function entryBytes(entries: Metadata): Uint8Array {
  const texts = entries.flat();
  const bytes = Buffer.alloc(texts.reduce((sum, text) => sum + 3 * text.length + LONG_SIZE_MAX, 0));
  let end = 0;
  for (const text of texts) {
    end = writeLong(bytes, end, Buffer.byteLength(text, "utf8"));
    end += bytes.write(text, end, "utf8");
  }
  return bytes.subarray(0, end);
}

/**
 * Reads a header strictly: it must be, byte for byte, the one that this version
 * writes for what it names.
 *
 * @throws {MalformedRow}
 */
export function readSnapshotHeader(bytes: Uint8Array): {
  readonly head: SnapshotHead;
  readonly size: number;
} {
  const values = readMetadata(bytes);
  const version = values.get("balsa.version");
  if (version !== undefined && version !== String(SNAPSHOT_SCHEMA_VERSION)) {
    throw malformed(
      `it is written in version ${version} of the snapshot's format, this is version ${SNAPSHOT_SCHEMA_VERSION}`,
    );
  }
  const head = headOf(values);
  const wanted = snapshotHeader(head);
  if (Buffer.compare(bytes.subarray(0, wanted.length), wanted) !== 0) {
    throw malformed("its header is damaged");
  }
  return { head, size: wanted.length };
}

/** Those that every header of this version has are left out when they stand where they should. */
function readMetadata(bytes: Uint8Array): ReadonlyMap<string, string> {
  const isOurs = Buffer.compare(bytes.subarray(0, HEADER_PREFIX.length), HEADER_PREFIX) === 0;
  if (!isOurs && textOf(bytes.subarray(0, 4), "latin1") !== "Obj\u0001") {
    throw malformed("it does not begin with Obj 1");
  }
  const reader = new RowReader(bytes, isOurs ? HEADER_PREFIX.length : 4, bytes.length);
  const count = isOurs ? OWN_COUNT : reader.long();
  if (count < 1 || count > 32) throw malformed("its header has no sensible number of entries");
  const values = new Map<string, string>();
  for (let i = 0; i < count; i += 1) {
    const key = textOf(reader.bytesView(), "latin1");
    values.set(key, textOf(reader.bytesView(), "utf8"));
  }
  return values;
}

function textOf(bytes: Uint8Array, encoding: "latin1" | "utf8"): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding);
}

function headOf(values: ReadonlyMap<string, string>): SnapshotHead {
  const text = (key: string): string => values.get(key) ?? "";
  const number = (key: string): number => {
    const value = Number(text(key));
    if (!/^(?:0|[1-9]\d{0,15})$/.test(text(key)) || !Number.isSafeInteger(value)) {
      throw malformed(`its header does not name ${key}`);
    }
    return value;
  };
  if (
    !/^[0-9a-f]{32}$/.test(text("balsa.cluster")) ||
    !/^[0-9a-f]{8}$/.test(text("balsa.checksum"))
  ) {
    throw malformed("its header does not name its cluster or its place in the log");
  }
  return {
    clusterId: text("balsa.cluster"),
    index: LogIndex(number("balsa.index")),
    term: Term(number("balsa.term")),
    checksum: Number.parseInt(text("balsa.checksum"), 16),
    revision: number("balsa.revision"),
    time: number("balsa.time"),
    configuration: decodeConfiguration(Buffer.from(text("balsa.configuration"), "utf8")),
    configurationIndex: LogIndex(number("balsa.configurationIndex")),
  };
}

function malformed(text: string): MalformedRow {
  return new MalformedRow("malformed", text);
}
