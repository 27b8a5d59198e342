/**
 * Reads a snapshot's blocks (snapshot.ts), strictly, in one pass: every row is read
 * into the same object and given to whoever takes it, before the next one is read.
 */
import { crc32 } from "node:zlib";
import type { StateRow, StateRowKind } from "../store/state-row.js";
import { MalformedRow, RowReader } from "./row.js";
import {
  SNAPSHOT_KINDS,
  SNAPSHOT_MARKER_SIZE,
  snapshotMarker,
  type SnapshotHead,
} from "./snapshot.js";

/** No block is larger: one row of the largest key and value fits. */
const BLOCK_SIZE_MAX: number = 16 * 1024 * 1024;
/** bytes before what a block's checksum covers: the union's branch and the checksum */
const CHECKSUM_FIELD_SIZE = 5;
/** avsc refuses the last safe integer; so do we */
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const NOTHING = new Uint8Array(0);
/** What most rows are, and whose taker copies what it keeps. */
const BULK_KINDS: ReadonlySet<StateRowKind> = new Set(["key", "put", "delete"]);

/** Takes a row, which is valid during the call only; so are the bytes of keys and changes. */
export type TakeRow = (row: StateRow) => void;

class ReadRow implements StateRow {
  kind: StateRowKind = "store";
  key: Uint8Array = NOTHING;
  value: Uint8Array = NOTHING;
  id: Uint8Array = NOTHING;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease = 0;
  time = 0;
}

/** Reads blocks in their order. */
export class SnapshotDecoder {
  readonly #marker: Uint8Array;
  readonly #row = new ReadRow();
  #checksum = 0;
  #rowCount = 0;
  #ended = false;
  // the block that is being read
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #limit = 0;

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
   * How many bytes a block takes, marker included, whose first ones stand from `start` to `limit`.
   *
   * @throws {MalformedRow}
   */
  static blockSize(bytes: Uint8Array, start: number, limit: number): number {
    const reader = new RowReader(bytes, start, limit);
    const count = reader.long();
    const size = reader.long();
    if (count < 1 || count > size) throw malformed(`a block cannot hold ${count} rows`);
    if (size > BLOCK_SIZE_MAX) throw malformed(`a block cannot hold ${size} bytes`);
    return reader.offset - start + size + SNAPSHOT_MARKER_SIZE;
  }

  /**
   * Gives the rows of one whole block to `take`; none before the block's checksum is
   * found to be good.
   *
   * @param bytes no Buffer: views of it are given away
   * @throws {MalformedRow} and whatever `take` throws
   */
  block(bytes: Uint8Array, start: number, end: number, take: TakeRow): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#limit = end - SNAPSHOT_MARKER_SIZE;
    const count = this.#long();
    this.#long();
    if (this.#ended) throw malformed("something stands behind its end");
    this.#checkSums(end);
    for (let i = 0; i < count; i += 1) {
      if (this.#readRow(i === 0)) {
        this.#rowCount += 1;
        take(this.#row);
      } else if (count !== 1) throw malformed("its end stands among rows");
    }
    if (this.#at !== this.#limit) throw malformed("a block is longer than its rows");
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

  /** @returns false for the end, which is no row of the state */
  #readRow(isFirst: boolean): boolean {
    if (this.#long() !== (isFirst ? 1 : 0)) throw malformed("a row's checksum is out of place");
    if (isFirst) this.#at += 4;
    const code = this.#long();
    const kind = SNAPSHOT_KINDS[code];
    if (kind === undefined) throw malformed(`no row has the kind ${code}`);
    const row = this.#row;
    row.key = this.#bytesField();
    row.value = this.#bytesField();
    row.id = this.#bytesField();
    row.createRevision = this.#long();
    row.modRevision = this.#long();
    row.version = this.#long();
    row.lease = this.#long();
    row.time = this.#long();
    if (kind === "end") {
      if (row.version !== this.#rowCount) throw malformed("rows are missing");
      this.#ended = true;
      return false;
    }
    row.kind = kind;
    if (BULK_KINDS.has(kind)) return true;
    row.key = row.key.slice();
    row.value = row.value.slice();
    row.id = row.id.slice();
    return true;
  }

  #bytesField(): Uint8Array {
    const size = this.#long();
    const start = this.#at;
    if (size > this.#limit - start)
      throw new MalformedRow("truncated", "a field is longer than what is left");
    this.#at = start + size;
    return size === 0 ? NOTHING : this.#bytes.subarray(start, start + size);
  }

  /** A canonical zig-zag varint, at most LONG_MAX, not negative. */
  #long(): number {
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
