/**
 * Blocks: entries as bytes. A block is an Avro object container file block
 * without its trailing sync marker, which belongs to the segment.
 *
 *   block := count long, size long, row*          varints, zig-zag, canonical
 *   row   := Avro record Row (schema.ts, row.ts)
 *
 * The first row begins with 0x02 (the union branch) and the four bytes of the
 * checksum: CRC-32, seeded with the previous block's checksum, over count, size
 * and everything after those four bytes. So damage, order and divergence show
 * without decoding a row; and because a CRC is one-to-one in its seed, two logs
 * that differ once differ in every checksum after it.
 *
 * All rows of a block carry its index and term. A no-op and a configuration are
 * a block of one row. The id of a request stands in its first row; `more` is
 * true in all its rows but the last.
 */
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, Term } from "../raft/types.js";
import type {
  CommandsEntry,
  Configuration,
  ConfigurationEntry,
  Entry,
  EntryPosition,
  EntrySealer,
  NoopEntry,
} from "../raft/types.js";
import type { PutInPlace, Request } from "../store/command.js";
import { encodeConfiguration, parseConfiguration } from "./configuration.js";
import { RecentChecksums } from "./recent-checksums.js";
import { checkRequestRows, readRequest } from "./request-reader.js";
import { writeRequest } from "./request-row.js";
import {
  CHECKSUM_FIELD_SIZE,
  MalformedRow,
  ROW_SIZE_MIN,
  RowReader,
  RowWriter,
  type Taking,
  writeLong,
} from "./row.js";
import type { RowKind } from "./schema.js";

/** No block is larger: count and size are checked against it before anything is allocated. */
export const BLOCK_SIZE_MAX: number = 16 * 1024 * 1024;
/** rows, and so requests, that a block can hold */
export const BLOCK_ROWS_MAX: number = Math.floor(BLOCK_SIZE_MAX / ROW_SIZE_MIN);

/** bytes: room for count and size, both below 2^35 */
const HEAD_SIZE_MAX = 10;
/** bytes: the first row has a checksum and a time that the others lack */
const BLOCK_ROWS_SIZE_MIN = ROW_SIZE_MIN + 5;
const EMPTY = new Uint8Array(0);
const NO_POSITION = { index: 0, term: 0 };

const writer = new RowWriter();
const recent = new RecentChecksums();

/** Makes a block of the rows in `writer`: head before them, checksum within, copied to its exact size. */
function sealRows(previousChecksum: number): {
  readonly block: Uint8Array;
  readonly checksum: number;
} {
  const written = writer.bytes;
  const rows = written.subarray(HEAD_SIZE_MAX);
  const headSize = writeLong(written, writeLong(written, 0, writer.rowCount), rows.length);
  const head = written.subarray(0, headSize);
  // not filled with zeros first: every byte is written here
  const block = new Uint8Array(Buffer.allocUnsafeSlow(headSize + rows.length).buffer);
  assert(block.length <= BLOCK_SIZE_MAX, "a block fits BLOCK_SIZE_MAX");
  block.set(head, 0);
  block.set(rows, headSize);
  const checksum = checksumOf(block, headSize, previousChecksum);
  new DataView(block.buffer).setUint32(headSize + 1, checksum);
  recent.note(block, previousChecksum, checksum);
  return { block, checksum };
}

/** @param dataOffset where the first row begins in `block`, which starts with its count */
function checksumOf(block: Uint8Array, dataOffset: number, previousChecksum: number): number {
  const head = crc32(block.subarray(0, dataOffset), previousChecksum);
  return crc32(block.subarray(dataOffset + CHECKSUM_FIELD_SIZE), head);
}

/** What is to be sealed: a put where it lies, or else a request, which is looked at only then. */
export interface Sealable {
  readonly put?: PutInPlace;
  readonly request: Request;
}

/**
 * Makes an entry of requests.
 *
 * @param time milliseconds since 1970, by the leader's clock
 * @param writes at least one; all their rows together fit BLOCK_SIZE_MAX
 */
export function sealCommands(
  position: EntryPosition,
  time: number,
  writes: readonly Sealable[],
): CommandsEntry {
  assert(writes.length > 0, "an entry of commands holds at least one request");
  writer.reset(HEAD_SIZE_MAX);
  let stamp: number | undefined = time;
  for (const write of writes) {
    const { put } = write;
    if (put === undefined) writeRequest(writer, position, stamp, write.request);
    else writer.writePut(position, stamp, put);
    stamp = undefined;
  }
  const { index, term, previousChecksum } = position;
  return { kind: "commands", index, term, ...sealRows(previousChecksum) };
}

function sealSingle(position: EntryPosition, time: number, kind: RowKind, value: Uint8Array) {
  writer.reset(HEAD_SIZE_MAX);
  writer.write(position, time, { kind, more: false, request: EMPTY, key: EMPTY, value });
  return sealRows(position.previousChecksum);
}

/** The core's sealer: `now` gives the leader's clock. */
export function entrySealer(now: () => number): EntrySealer {
  return {
    noop(position: EntryPosition): NoopEntry {
      const sealed = sealSingle(position, now(), "noop", EMPTY);
      return { kind: "noop", index: position.index, term: position.term, ...sealed };
    },
    configuration(position: EntryPosition, configuration: Configuration): ConfigurationEntry {
      const sealed = sealSingle(position, now(), "config", encodeConfiguration(configuration));
      const { index, term } = position;
      return { kind: "configuration", index, term, configuration, ...sealed };
    },
  };
}

/** The checksum a whole block's bytes give behind `previousChecksum`, whatever it claims itself. */
export function blockChecksum(block: Uint8Array, previousChecksum: number): number {
  const known = recent.find(block, previousChecksum);
  return known ?? checksumOf(block, readHead(block, 0).dataOffset, previousChecksum);
}

/** How one can fail to read a block. */
export type BlockFault =
  /** the bytes end before the block does */
  | "truncated"
  /** count, size or a row cannot be a block's */
  | "malformed"
  /** well-formed, but the checksum differs from what its bytes and predecessor give */
  | "checksum";

export type BlockRead =
  | {
      readonly kind: "entry";
      readonly entry: Entry;
      /** offset behind the block */ readonly end: number;
    }
  | { readonly kind: "fault"; readonly fault: BlockFault; readonly reason: string };

/** A block's outline, from its first bytes alone: nothing in it is proven yet. */
export interface BlockHead {
  readonly count: number;
  /** where the first row begins */
  readonly dataOffset: number;
  /** where the block must end; may lie behind `bytes` */
  readonly end: number;
}

/**
 * Reads count and size at `offset` and checks that they can be a block's.
 * @throws {MalformedRow} when they cannot, or when the bytes end within them
 */
function readHead(bytes: Uint8Array, offset: number): BlockHead {
  const reader = new RowReader(bytes, offset, bytes.length);
  const count = reader.long();
  if (count < 1 || count > BLOCK_ROWS_MAX)
    throw new MalformedRow("malformed", `a block cannot hold ${count} rows`);
  const size = reader.long();
  if (size > BLOCK_SIZE_MAX - HEAD_SIZE_MAX || size < BLOCK_ROWS_SIZE_MIN)
    throw new MalformedRow("malformed", `a block cannot hold ${size} bytes`);
  if (size < count * ROW_SIZE_MIN)
    throw new MalformedRow("malformed", `${count} rows do not fit in ${size} bytes`);
  return { count, dataOffset: reader.offset, end: reader.offset + size };
}

/** The outline of what stands at `offset`, or undefined when its count and size cannot be a block's. */
export function readBlockHead(bytes: Uint8Array, offset: number): BlockHead | undefined {
  try {
    return readHead(bytes, offset);
  } catch (error) {
    if (error instanceof MalformedRow) return undefined;
    throw error;
  }
}

/**
 * Reads one block at `offset`, strictly: canonical varints, bounded sizes, the
 * checksum against `previousChecksum`, index and term within range, every row's
 * extent and form (what is accepted here always decodes). The entry's `block` is
 * a view of `bytes`, not a copy.
 */
export function readBlock(bytes: Uint8Array, offset: number, previousChecksum: number): BlockRead {
  try {
    const { count, dataOffset, end } = readHead(bytes, offset);
    if (end > bytes.length)
      throw new MalformedRow("truncated", `the block ends ${end - bytes.length} bytes too early`);
    // a plain Uint8Array whatever `bytes` is, so that equal entries compare equal
    const block = new Uint8Array(bytes.buffer, bytes.byteOffset + offset, end - offset);
    const reader = new RowReader(block, dataOffset - offset, block.length);
    reader.next();
    const wanted = reader.checksum;
    if (wanted === undefined || reader.time === undefined)
      throw new MalformedRow("malformed", "the first row carries no checksum and time");
    const checksum = checksumOf(block, dataOffset - offset, previousChecksum);
    if (checksum !== wanted) {
      const reason = `the checksum is ${hex(wanted)}, the bytes give ${hex(checksum)}`;
      return { kind: "fault", fault: "checksum", reason };
    }
    recent.note(block, previousChecksum, checksum);
    const { index, term } = reader;
    if (index < 1) throw new MalformedRow("malformed", "an entry's index is at least 1");
    if (term < 1) throw new MalformedRow("malformed", "an entry's term is at least 1");
    const content = readContent(reader, count);
    const entry = { index: LogIndex(index), term: Term(term), checksum, block, ...content };
    return { kind: "entry", entry, end };
  } catch (error) {
    if (!(error instanceof MalformedRow)) throw error;
    return { kind: "fault", fault: error.fault, reason: error.message };
  }
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

type Content =
  | { readonly kind: "commands" }
  | { readonly kind: "noop" }
  | { readonly kind: "configuration"; readonly configuration: Configuration };

/** Walks the rows of a block whose checksum is good, the first being read already. */
function readContent(reader: RowReader, count: number): Content {
  const { kind } = reader;
  if (kind === "noop" || kind === "config") {
    const plain = count === 1 && reader.done && !reader.more && reader.requestSize === 0;
    if (!plain || reader.keySize !== 0)
      throw new MalformedRow("malformed", `a ${kind} stands alone in its block`);
    if (kind === "config")
      return { kind: "configuration", configuration: parseConfiguration(reader.valueText) };
    if (reader.valueSize !== 0) throw new MalformedRow("malformed", "a noop has a value");
    return { kind };
  }
  const { index, term } = reader;
  let rowCount = 1;
  const next = (): void => {
    if (rowCount === count) throw new MalformedRow("malformed", "a block ends within a request");
    reader.next();
    rowCount += 1;
    if (reader.checksum !== undefined || reader.time !== undefined)
      throw new MalformedRow("malformed", "only a block's first row carries checksum and time");
    if (reader.index !== index || reader.term !== term)
      throw new MalformedRow("malformed", "the rows of a block share its index and term");
  };
  checkRequestRows(reader, next);
  while (rowCount < count) {
    if (reader.tryNextPut()) {
      rowCount += 1;
      continue;
    }
    next();
    checkRequestRows(reader, next);
  }
  if (!reader.done) throw new MalformedRow("malformed", "bytes follow a block's last row");
  return { kind: "commands" };
}

/** A reader at the first row of a block that was sealed or accepted. */
function rowsOf(
  entry: Pick<Entry, "block">,
  taking: Taking = "copies",
): { readonly reader: RowReader; readonly count: number } {
  const { block } = entry;
  const { count, dataOffset } = readHead(block, 0);
  return { reader: new RowReader(block, dataOffset, block.length, taking), count };
}

function corruption(entry: Entry, error: unknown): Error {
  if (!(error instanceof MalformedRow)) throw error;
  const message = `entry ${entry.index} does not decode: ${error.message}`;
  return new DatabaseError("CORRUPTION", message, { cause: error });
}

/**
 * Goes through the requests of a block without making anything of them:
 *
 *   while (cursor.next()) { if (cursor.isPut) … cursor.row … else … cursor.take() }
 *
 * What it hands out are views of the block, which is never written to: whoever
 * keeps one copies it, or keeps the whole block.
 */
export class RequestCursor {
  /** at the request's first row; of one that is not a bare put, behind its rows once it was taken */
  readonly row: RowReader;
  readonly #entry: CommandsEntry;
  /** when the leader made the entry, milliseconds since 1970 by its clock */
  readonly time: number;
  #isFirst = true;

  /** @throws {DatabaseError} CORRUPTION when rows do not decode, and so does every method */
  constructor(entry: CommandsEntry) {
    this.#entry = entry;
    this.row = rowsOf(entry, "views").reader;
    this.#read();
    assert(this.row.time !== undefined, "an accepted block carries its time");
    this.time = this.row.time;
  }

  /** Steps to the next request, whose predecessor was a bare put or was taken. @returns whether there is one */
  next(): boolean {
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    if (this.row.tryNextPut()) return true;
    if (this.row.done) return false;
    this.#read();
    return true;
  }

  /** Whether the request is one put and nothing else: all of it is in `row`. */
  get isPut(): boolean {
    return this.row.kind === "put" && !this.row.more;
  }

  take(): Request {
    try {
      return readRequest(this.row);
    } catch (error) {
      throw corruption(this.#entry, error);
    }
  }

  #read(): void {
    try {
      this.row.next();
    } catch (error) {
      throw corruption(this.#entry, error);
    }
  }
}

/** The requests of a block, in order. @throws {DatabaseError} CORRUPTION when rows do not decode */
export function decodeRequests(entry: CommandsEntry): readonly Request[] {
  const cursor = new RequestCursor(entry);
  const requests: Request[] = [];
  while (cursor.next()) requests.push(cursor.take());
  return requests;
}

/** When the leader made the entry, milliseconds since 1970 by its clock. */
export function entryTime(entry: Pick<Entry, "block">): number {
  const { reader } = rowsOf(entry, "views");
  reader.next();
  assert(reader.time !== undefined, "an accepted block carries its time");
  return reader.time;
}

/** A row as `log inspect` shows it. */
export interface Row {
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly checksum: number;
  readonly kind: RowKind;
  readonly more: boolean;
  readonly request: Uint8Array;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Every row of a block, with the block's time and checksum filled in; copies. @throws {DatabaseError} CORRUPTION */
export function decodeRows(entry: Entry): readonly Row[] {
  try {
    const { reader, count } = rowsOf(entry);
    const rows: Row[] = [];
    let time = 0;
    for (let i = 0; i < count; i++) {
      reader.next();
      time = reader.time ?? time;
      const { index, term, kind, more, request, key, value } = reader;
      rows.push({ index, term, time, checksum: entry.checksum, kind, more, request, key, value });
    }
    return rows;
  } catch (error) {
    throw corruption(entry, error);
  }
}

/** One request alone, for the wire: rows without a block around them. */
export function encodeRequest(request: Request): Uint8Array {
  writer.reset(0);
  writeRequest(writer, NO_POSITION, undefined, request);
  return new Uint8Array(writer.bytes);
}

/** Requests for the wire, their rows one behind another. */
export function encodeRequests(requests: readonly Request[]): Buffer {
  writer.reset(0);
  for (const request of requests) writeRequest(writer, NO_POSITION, undefined, request);
  return Buffer.from(writer.bytes);
}

/** @throws {DatabaseError} PROTOCOL when the bytes are not one request */
export function decodeRequest(bytes: Uint8Array): Request {
  const reader = new RowReader(bytes, 0, bytes.length);
  const request = readLoneRequest(reader);
  if (!reader.done) throw notRequests("bytes follow a request");
  return request;
}

/**
 * At least one request. What is kept of `bytes` is copied, once for all of them.
 * @throws {DatabaseError} PROTOCOL when the bytes are none
 */
export function decodeRequestList(bytes: Uint8Array): readonly Request[] {
  const own = new Uint8Array(bytes);
  const reader = new RowReader(own, 0, own.length, "views");
  const requests: Request[] = [];
  do requests.push(readLoneRequest(reader));
  while (!reader.done);
  return requests;
}

/** @throws {DatabaseError} PROTOCOL */
function readLoneRequest(reader: RowReader): Request {
  try {
    reader.next();
    if (reader.checksum !== undefined || reader.time !== undefined)
      throw new MalformedRow("malformed", "a request carries no checksum and time");
    return readRequest(reader);
  } catch (cause) {
    if (!(cause instanceof MalformedRow)) throw cause;
    throw notRequests(cause.message, cause);
  }
}

function notRequests(reason: string, cause?: MalformedRow): DatabaseError {
  return new DatabaseError("PROTOCOL", `not a request: ${reason}`, { cause });
}
