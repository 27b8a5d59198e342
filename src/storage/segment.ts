/**
 * Segments: the log's files, as bytes. Each is an Avro object container file.
 *
 *   segment := header (block marker)*
 *   header  := "Obj" 0x01, metadata, marker
 *   metadata := Avro map of bytes, these keys in this order:
 *               avro.schema            ROW_SCHEMA as JSON
 *               avro.codec             "null"
 *               balsa.version          "1"
 *               balsa.cluster          32 hex digits
 *               balsa.firstIndex       decimal
 *               balsa.previousChecksum 8 hex digits: of the entry before firstIndex
 *               balsa.previousTerm     decimal: of the entry before firstIndex
 *   marker  := first 16 bytes of SHA-256 of the text "balsa segment", cluster,
 *              firstIndex, previousChecksum, previousTerm, each with a newline
 *   block   := see codec/block.ts
 *
 * Nothing in a segment is chance or local, so equal logs make equal files. The
 * open segment is `<firstIndex>.open`, a sealed one `<firstIndex>-<lastIndex>.avro`,
 * numbers in 20 digits. Behind its last block the open one has zeros and a
 * witness (witness.ts); a sealed one ends with its last marker.
 */
import { createHash } from "node:crypto";
import { MalformedRow, RowReader, writeLong } from "../codec/row.js";
import { LOG_SCHEMA_VERSION, ROW_SCHEMA } from "../codec/schema.js";
import { LogIndex, Term } from "../raft/types.js";

export const MARKER_SIZE = 16;
/** bytes; a segment takes no further block that would carry it beyond */
export const SEGMENT_SIZE_DEFAULT: number = 8 * 1024 * 1024;
/** bytes read to find a header; no header is longer */
export const HEADER_SIZE_MAX = 16 * 1024;

const MAGIC = Uint8Array.from([0x4f, 0x62, 0x6a, 1]);
const KEYS = [
  "avro.schema",
  "avro.codec",
  "balsa.version",
  "balsa.cluster",
  "balsa.firstIndex",
  "balsa.previousChecksum",
  "balsa.previousTerm",
] as const;

/** What a segment begins with, and what it chains to. */
export interface SegmentStart {
  /** 32 hex digits */
  readonly clusterId: string;
  readonly firstIndex: LogIndex;
  readonly previousChecksum: number;
  readonly previousTerm: Term;
}

/** Those that were asked for before. */
const markers = new WeakMap<SegmentStart, Uint8Array>();

/** The sync marker: bound to what the segment chains to, so that no other segment's bytes match. */
export function syncMarker(start: SegmentStart): Uint8Array {
  const known = markers.get(start);
  if (known !== undefined) return known;
  const marker = markerOf(start);
  markers.set(start, marker);
  return marker;
}

function markerOf(start: SegmentStart): Uint8Array {
  const words = [
    "balsa segment",
    start.clusterId,
    String(start.firstIndex),
    checksumText(start.previousChecksum),
    String(start.previousTerm),
  ];
  const hash = createHash("sha256").update(words.map((word) => `${word}\n`).join(""));
  return new Uint8Array(hash.digest().subarray(0, MARKER_SIZE));
}

/** A segment's header, marker included. */
export function segmentHeader(start: SegmentStart): Uint8Array {
  const rest = headerRest(start);
  const header = new Uint8Array(HEADER_PREFIX.length + rest.length);
  header.set(HEADER_PREFIX);
  header.set(rest, HEADER_PREFIX.length);
  return header;
}

/** What stands in a header behind its prefix. */
function headerRest(start: SegmentStart): Uint8Array {
  const { clusterId, firstIndex, previousChecksum, previousTerm } = start;
  const rest = Buffer.alloc(HEADER_REST_SIZE_MAX);
  let end = writeEntry(rest, 0, "balsa.cluster", clusterId);
  end = writeEntry(rest, end, "balsa.firstIndex", String(firstIndex));
  end = writeEntry(rest, end, "balsa.previousChecksum", checksumText(previousChecksum));
  end = writeEntry(rest, end, "balsa.previousTerm", String(previousTerm));
  end = writeLong(rest, end, 0);
  rest.set(syncMarker(start), end);
  return rest.subarray(0, end + MARKER_SIZE);
}

function checksumText(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

/** One entry of the metadata, of ASCII. @returns the offset behind it */
function writeEntry(
  target: Buffer,
  offset: number,
  key: (typeof KEYS)[number],
  value: string,
): number {
  return writeText(target, writeText(target, offset, key), value);
}

function writeText(target: Buffer, offset: number, text: string): number {
  const start = writeLong(target, offset, text.length);
  return start + target.write(text, start, "latin1");
}

/** bytes: of a header's rest */
const HEADER_REST_SIZE_MAX = 512;

/** What every header of this version begins with, and how many of its keys. */
const HEADER_PREFIX = headerPrefix();
const PREFIX_KEY_COUNT = 3;

function headerPrefix(): Uint8Array {
  const prefix = Buffer.alloc(HEADER_SIZE_MAX - HEADER_REST_SIZE_MAX);
  prefix.set(MAGIC);
  let end = writeLong(prefix, MAGIC.length, KEYS.length);
  end = writeEntry(prefix, end, "avro.schema", JSON.stringify(ROW_SCHEMA));
  end = writeEntry(prefix, end, "avro.codec", "null");
  end = writeEntry(prefix, end, "balsa.version", String(LOG_SCHEMA_VERSION));
  return new Uint8Array(prefix.subarray(0, end));
}

export type HeaderRead =
  | { readonly kind: "header"; readonly start: SegmentStart; readonly size: number }
  | { readonly kind: "fault"; readonly reason: string };

/**
 * Reads a header strictly: it must be, byte for byte, the one that this version
 * writes for the start it names.
 */
export function readSegmentHeader(bytes: Uint8Array): HeaderRead {
  let values: ReadonlyMap<string, string>;
  try {
    values = readMetadata(bytes);
  } catch (error) {
    if (!(error instanceof MalformedRow)) throw error;
    return { kind: "fault", reason: `its header is no Avro container's: ${error.message}` };
  }
  const version = values.get("balsa.version");
  if (version !== undefined && version !== String(LOG_SCHEMA_VERSION)) {
    const reason = `it is written in version ${version} of the log's format, this is version ${LOG_SCHEMA_VERSION}`;
    return { kind: "fault", reason };
  }
  const start = startOf(values);
  if (start === undefined) return { kind: "fault", reason: "its header does not name its start" };
  const wanted = headerRest(start);
  const size = HEADER_PREFIX.length + wanted.length;
  const found = bytes.subarray(HEADER_PREFIX.length, size);
  if (!beginsWithPrefix(bytes) || Buffer.compare(found, wanted) !== 0)
    return { kind: "fault", reason: "its header is damaged" };
  return { kind: "header", start, size };
}

function beginsWithPrefix(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, HEADER_PREFIX.length), HEADER_PREFIX) === 0;
}

/** Those in the prefix are left out when they are this version's. */
function readMetadata(bytes: Uint8Array): ReadonlyMap<string, string> {
  const isOurs = beginsWithPrefix(bytes);
  if (Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) !== 0)
    throw new MalformedRow("malformed", "it does not begin with Obj 1");
  const reader = new RowReader(bytes, isOurs ? HEADER_PREFIX.length : MAGIC.length, bytes.length);
  if (!isOurs && reader.long() !== KEYS.length)
    throw new MalformedRow("malformed", `it does not have ${KEYS.length} entries`);
  const values = new Map<string, string>();
  for (let left = KEYS.length - (isOurs ? PREFIX_KEY_COUNT : 0); left > 0; left -= 1) {
    const key = latin1Of(reader.bytesView());
    if (values.has(key)) throw new MalformedRow("malformed", "it has an entry twice");
    values.set(key, latin1Of(reader.bytesView()));
  }
  return values;
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function startOf(values: ReadonlyMap<string, string>): SegmentStart | undefined {
  const clusterId = values.get("balsa.cluster") ?? "";
  const firstIndex = decimal(values.get("balsa.firstIndex"));
  const previousTerm = decimal(values.get("balsa.previousTerm"));
  const checksum = values.get("balsa.previousChecksum") ?? "";
  if (!/^[0-9a-f]{32}$/.test(clusterId) || !/^[0-9a-f]{8}$/.test(checksum)) return undefined;
  if (firstIndex === undefined || firstIndex < 1 || previousTerm === undefined) return undefined;
  return {
    clusterId,
    firstIndex: LogIndex(firstIndex),
    previousChecksum: Number.parseInt(checksum, 16),
    previousTerm: Term(previousTerm),
  };
}

function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What a file's name says. */
export type SegmentName =
  | { readonly kind: "open"; readonly name: string; readonly firstIndex: number }
  | {
      readonly kind: "sealed";
      readonly name: string;
      readonly firstIndex: number;
      readonly lastIndex: number;
    };

export function openSegmentName(firstIndex: number): string {
  return `${digits(firstIndex)}.open`;
}

export function sealedSegmentName(firstIndex: number, lastIndex: number): string {
  return `${digits(firstIndex)}-${digits(lastIndex)}.avro`;
}

function digits(index: number): string {
  return String(index).padStart(20, "0");
}

/** undefined when the name is no segment's. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^([0-9]{20})(?:\.open|-([0-9]{20})\.avro)$/.exec(name);
  if (match === null) return undefined;
  const firstIndex = Number(match[1]);
  if (!Number.isSafeInteger(firstIndex) || firstIndex < 1) return undefined;
  if (match[2] === undefined) return { kind: "open", name, firstIndex };
  const lastIndex = Number(match[2]);
  if (!Number.isSafeInteger(lastIndex) || lastIndex < firstIndex) return undefined;
  return { kind: "sealed", name, firstIndex, lastIndex };
}
