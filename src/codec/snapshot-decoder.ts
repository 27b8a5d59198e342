/**
 * Reads a snapshot's blocks (snapshot.ts), strictly, in one pass: every row is given to
 * whoever takes it before the next one is read; of keys and changes, which are most,
 * nothing is made but one object for all of them.
 */
import { crc32 } from "node:zlib";
import { RecordRow, type StateRow } from "../store/state-row.js";
import { MalformedRow, RowReader } from "./row.js";
import {
  SNAPSHOT_KINDS,
  SNAPSHOT_MARKER_SIZE,
  snapshotMarker,
  type SnapshotHead,
} from "./snapshot.js";

/**
 * No block is larger. Much more than ours are (snapshot.ts bounds a row): earlier versions
 * wrote a session's answers whole. What is allocated the file bounds, for it must be there.
 */
const BLOCK_SIZE_MAX: number = 1024 * 1024 * 1024;
/** bytes before what a block's checksum covers: the union's branch and the checksum */
const CHECKSUM_FIELD_SIZE = 5;
/** avsc refuses the last safe integer; so do we */
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const NOTHING = new Uint8Array(0);
/** Takes a row. Keys and changes are valid during the call only, and so are their bytes. */
export type TakeRow = (row: StateRow) => void;

/** Reads blocks in their order. */
export class SnapshotDecoder {
  readonly #marker: Uint8Array;
  readonly #record = new RecordRow();
  /** of the byte string that was read last: where it stands */
  #start = 0;
  #checksum = 0;
  #rowCount = 0;
  #ended = false;
  // the block that is being read
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #limit = 0;
  /** rows that it has, and that were read of them */
  #count = 0;
  #readCount = 0;

  constructor(head: SnapshotHead) {
    this.#marker = snapshotMarker(head);
  }

  /** whether the row that says so was read */
  get ended(): boolean {
    return this.#ended;
  }

  /** rows read so far */
  get rowCount(): number {
    return this.#rowCount;
  }

  /**
   * How many rows a block has and how many bytes it takes, marker included, whose first ones
   * stand from `start` to `limit`.
   *
   * @throws {MalformedRow}
   */
  static blockHead(
    bytes: Uint8Array,
    start: number,
    limit: number,
  ): { readonly count: number; readonly size: number } {
    const reader = new RowReader(bytes, start, limit);
    const count = reader.long();
    const size = reader.long();
    if (count < 1 || count > size) throw malformed(`a block cannot hold ${count} rows`);
    if (size > BLOCK_SIZE_MAX) throw malformed(`a block cannot hold ${size} bytes`);
    return { count, size: reader.offset - start + size + SNAPSHOT_MARKER_SIZE };
  }

  /**
   * Begins to read one whole block, when all rows of the one before it were read.
   *
   * @param bytes no Buffer: views of it are given away. Not to be changed before `rows` has given all
   * @throws {MalformedRow} when the block's checksum is not good
   */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#limit = end - SNAPSHOT_MARKER_SIZE;
    this.#count = this.#long();
    this.#readCount = 0;
    this.#long();
    if (this.#ended) throw malformed("something stands behind its end");
    this.#checkSums(end);
  }

  /**
   * Gives the next rows of the block to `take`, so many at most.
   *
   * @returns whether there are more
   * @throws {MalformedRow} and whatever `take` throws
   */
  rows(countMax: number, take: TakeRow): boolean {
    const count = this.#count;
    const end = Math.min(count, this.#readCount + countMax);
    for (; this.#readCount < end; this.#readCount += 1) {
      const row = this.#readRow(this.#readCount === 0);
      if (row !== undefined) {
        this.#rowCount += 1;
        take(row);
      } else if (count !== 1) throw malformed("its end stands among rows");
    }
    if (end < count) return true;
    if (this.#at !== this.#limit) throw malformed("a block is longer than its rows");
    return false;
  }

  /** The marker behind the block, and the checksum in its first row. */
  #checkSums(end: number): void {
    const marker = this.#bytes.subarray(this.#limit, end);
    if (Buffer.compare(marker, this.#marker) !== 0) throw malformed("a block's marker is damaged");
    const start = this.#at;
    const sum = crc32(
      this.#bytes.subarray(start + CHECKSUM_FIELD_SIZE, this.#limit),
      this.#checksum,
    );
    const told = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, 5);
    if (told[0] !== 2 || told.readUInt32BE(1) !== sum)
      throw malformed("a block's checksum is wrong");
    this.#checksum = sum;
  }

  /** @returns undefined for the end, which is no row of the state */
  #readRow(isFirst: boolean): StateRow | undefined {
    if (this.#long() !== (isFirst ? 1 : 0)) throw malformed("a row's checksum is out of place");
    if (isFirst) this.#at += 4;
    const code = this.#long();
    const kind = SNAPSHOT_KINDS[code];
    if (kind === "key" || kind === "put" || kind === "delete") {
      const record = this.#record;
      record.kind = kind;
      this.#readRecord(record);
      return record;
    }
    if (kind === undefined) throw malformed(`no row has the kind ${code}`);
    const fields = {
      key: this.#bytesCopy(),
      value: this.#bytesCopy(),
      id: this.#bytesCopy(),
      createRevision: this.#long(),
      modRevision: this.#long(),
      version: this.#long(),
      lease: this.#long(),
      time: this.#long(),
    };
    if (kind !== "end") return { kind, ...fields };
    if (fields.version !== this.#rowCount) throw malformed("rows are missing");
    this.#ended = true;
    return undefined;
  }

  #readRecord(record: RecordRow): void {
    record.keyBytes = this.#bytes;
    record.keySize = this.#bytesField();
    record.keyStart = this.#start;
    record.valueBytes = this.#bytes;
    record.valueSize = this.#bytesField();
    record.valueStart = this.#start;
    if (this.#bytesField() !== 0) throw malformed("a key or a change has an id");
    record.createRevision = this.#long();
    record.modRevision = this.#long();
    record.version = this.#long();
    record.lease = this.#long();
    record.time = this.#long();
  }

  #bytesCopy(): Uint8Array {
    const size = this.#bytesField();
    return this.#bytes.slice(this.#start, this.#start + size);
  }

  /** Steps over a byte string. @returns its size */
  #bytesField(): number {
    const size = this.#long();
    const start = this.#at;
    if (size > this.#limit - start)
      throw new MalformedRow("truncated", "a field is longer than what is left");
    this.#start = start;
    this.#at = start + size;
    return size;
  }

  /** A canonical zig-zag varint, at most LONG_MAX, not negative. */
  #long(): number {
    // Most are of one byte, which says all by itself.
    const byte = this.#at < this.#limit ? (this.#bytes[this.#at] ?? 0) : 0x80;
    if ((byte & 0x81) !== 0) return this.#longOfMore();
    this.#at += 1;
    return byte >>> 1;
  }

  #longOfMore(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    // four bytes are enough for most, and small enough for whole-number arithmetic
    let value = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80 && shift < 28; shift += 7) {
      if (at >= this.#limit) throw cut();
      byte = bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
    }
    const size = at - this.#at;
    this.#at = at;
    if (byte >= 0x80) return this.#longRest(value);
    if (byte === 0 && size > 1) throw overlong();
    if ((value & 1) === 1) throw malformed("a number is negative");
    return value >>> 1;
  }

  /** @param low the first four bytes' worth */
  #longRest(low: number): number {
    let value = low;
    let scale = 2 ** 28;
    let byte = 0;
    do {
      if (this.#at >= this.#limit) throw cut();
      byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (value > 2 * LONG_MAX || scale > 2 ** 56) throw malformed("a number is too large");
    } while (byte >= 0x80);
    if (byte === 0) throw overlong();
    if (low % 2 === 1) throw malformed("a number is negative");
    return value / 2;
  }
}

function cut(): MalformedRow {
  return new MalformedRow("truncated", "the bytes end in a row");
}

function overlong(): MalformedRow {
  return malformed("a number has more bytes than it needs");
}

function malformed(text: string): MalformedRow {
  return new MalformedRow("malformed", text);
}
