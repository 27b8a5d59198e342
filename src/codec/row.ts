/**
 * Rows: one command, or part of a request, as one Avro record (schema.ts), and back.
 *
 *   row := checksum, time, index long, term long, kind byte, more byte,
 *          request bytes, key bytes, value bytes
 *   checksum, time := 0x00 (null) | 0x02 and the value    first row of a block: both present
 *   long, and the length before bytes := zig-zag varint, canonical (no longer than needed)
 *
 * Written by `avsc` into a growing buffer; read by our own strict reader, which
 * accepts exactly what the writer can have written: no overlong varint, no
 * unknown kind, no field that its kind does not use. So a row that was accepted
 * always decodes, and two different byte strings are never the same row.
 */
import { createRequire } from "node:module";
import type avsc from "avsc";
import { assert } from "../assert.js";
import { ROW_KINDS, ROW_SCHEMA, type RowKind } from "./schema.js";

/** bytes: a row's fields at their shortest */
export const ROW_SIZE_MIN = 9;
/** bytes: a request id; ids are this long or empty */
export const REQUEST_ID_SIZE = 16;
/** bytes of the first row up to the end of its checksum: the union's branch and the checksum itself */
export const CHECKSUM_FIELD_SIZE = 5;

/** avsc refuses the last safe integer; so do we, on both sides */
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const EMPTY = new Uint8Array(0);
const NO_BYTES = Buffer.alloc(0);
const NO_CHECKSUM = Buffer.alloc(4);

/** Loaded when the first row is written: a command that only reads must not wait for it. */
let loadedRowType: avsc.Type | undefined;
const textDecoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes that are no row. Caught where a reader of rows meets its caller. */
export class MalformedRow extends Error {
  readonly fault: "truncated" | "malformed";
  constructor(fault: "truncated" | "malformed", reason: string) {
    super(reason);
    this.fault = fault;
  }
}

/** What all rows of one block have in common. */
export interface RowPosition {
  readonly index: number;
  readonly term: number;
}

/** The fields of a row, ready to be written. */
export interface RowFields {
  readonly kind: RowKind;
  readonly more: boolean;
  readonly request: Uint8Array;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function rowType(): avsc.Type {
  if (loadedRowType === undefined) {
    const { Type } = createRequire(import.meta.url)("avsc") as typeof avsc;
    loadedRowType = Type.forSchema(ROW_SCHEMA as unknown as avsc.Schema);
  }
  return loadedRowType;
}

/** avsc takes Buffers only; this is a view, not a copy. */
function bufferOf(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  if (bytes.byteLength === 0) return NO_BYTES;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const SCRATCH_SIZE_KEPT = 1024 * 1024;

/**
 * Where rows are written before their size is known. One for the process: all
 * of this is synchronous and nobody outside sees its bytes.
 */
export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024);
  #size = 0;
  #rowCount = 0;

  /** Forgets everything written; `headSize` bytes are left free before the first row. */
  reset(headSize: number): void {
    if (this.#bytes.length > SCRATCH_SIZE_KEPT) this.#bytes = Buffer.allocUnsafeSlow(64 * 1024);
    this.#size = headSize;
    this.#rowCount = 0;
  }

  /** @param time of the block, for its first row; undefined for the others */
  write(position: RowPosition, time: number | undefined, fields: RowFields): void {
    const record = {
      checksum: time === undefined ? null : NO_CHECKSUM,
      time: time ?? null,
      index: position.index,
      term: position.term,
      kind: fields.kind,
      more: fields.more,
      request: bufferOf(fields.request),
      key: bufferOf(fields.key),
      value: bufferOf(fields.value),
    };
    let end = rowType().encode(record, this.#bytes, this.#size);
    if (end < 0) {
      const grown = Buffer.allocUnsafeSlow(2 * (this.#bytes.length - end));
      this.#bytes.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
      end = rowType().encode(record, this.#bytes, this.#size);
    }
    assert(end > this.#size, "a row fits the buffer that was grown for it");
    this.#size = end;
    this.#rowCount += 1;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** What was written, the free head included; valid until the next call. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }
}

/** Writes the bytes of a zig-zag varint for `value` (safe, not negative). @returns the offset behind it */
export function writeLong(target: Uint8Array, offset: number, value: number): number {
  assert(Number.isSafeInteger(value), "a long is a safe integer");
  assert(value >= 0, "counts and sizes are not negative");
  // value * 2 may leave the safe integers, but stays exact: only the exponent changes
  let rest = value * 2;
  while (rest >= 0x80) {
    target[offset++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[offset++] = rest;
  return offset;
}

/** How a reader hands out bytes: its own for the taker to keep, or a look at the block's. */
export type Taking = "copies" | "views";

/**
 * Reads rows one behind another from `bytes`, between `offset` and `limit`. After
 * `next` the fields hold that row; key, value and request are offsets into `bytes`.
 */
export class RowReader {
  readonly bytes: Uint8Array;
  offset: number;
  readonly limit: number;

  checksum: number | undefined = undefined;
  time: number | undefined = undefined;
  index = 0;
  term = 0;
  kind: RowKind = "noop";
  more = false;
  #requestStart = 0;
  #requestEnd = 0;
  #keyStart = 0;
  #keyEnd = 0;
  #valueStart = 0;
  #valueEnd = 0;

  readonly #taking: Taking;

  constructor(bytes: Uint8Array, offset: number, limit: number, taking: Taking = "copies") {
    this.#taking = taking;
    // plain, so that what is copied from it is plain too
    this.bytes = Buffer.isBuffer(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      : bytes;
    this.offset = offset;
    this.limit = limit;
  }

  get request(): Uint8Array {
    return this.#take(this.#requestStart, this.#requestEnd);
  }
  get key(): Uint8Array {
    return this.#take(this.#keyStart, this.#keyEnd);
  }
  get value(): Uint8Array {
    return this.#take(this.#valueStart, this.#valueEnd);
  }
  #take(start: number, end: number): Uint8Array {
    if (start === end) return EMPTY;
    return this.#taking === "copies"
      ? this.bytes.slice(start, end)
      : this.bytes.subarray(start, end);
  }
  get keySize(): number {
    return this.#keyEnd - this.#keyStart;
  }
  get valueSize(): number {
    return this.#valueEnd - this.#valueStart;
  }
  get requestSize(): number {
    return this.#requestEnd - this.#requestStart;
  }
  /** The value as text. @throws {MalformedRow} when it is not UTF-8 */
  get valueText(): string {
    try {
      return textDecoder.decode(this.bytes.subarray(this.#valueStart, this.#valueEnd));
    } catch {
      throw new MalformedRow("malformed", "a value that must be text is not UTF-8");
    }
  }

  get done(): boolean {
    return this.offset === this.limit;
  }

  #byte(): number {
    if (this.offset >= this.limit) throw new MalformedRow("truncated", "the bytes end in a row");
    // within bounds: offset < limit <= bytes.length
    return this.bytes[this.offset++] ?? 0;
  }

  /** A canonical zig-zag varint, at most LONG_MAX, not negative. */
  long(): number {
    const first = this.#byte();
    let value = first & 0x7f;
    if (first >= 0x80) {
      let scale = 0x80;
      let byte;
      do {
        byte = this.#byte();
        value += (byte & 0x7f) * scale;
        scale *= 0x80;
        if (value > 2 * LONG_MAX || scale > 2 ** 56)
          throw new MalformedRow("malformed", "a number is too large");
      } while (byte >= 0x80);
      if (byte === 0) throw new MalformedRow("malformed", "a number has more bytes than it needs");
    }
    if ((first & 1) === 1) throw new MalformedRow("malformed", "a number is negative");
    return value / 2;
  }

  /** A length and that many bytes, as a view. */
  bytesView(): Uint8Array {
    const start = this.#bytesField();
    return this.bytes.subarray(start, this.offset);
  }

  /** Reads a length, steps over that many bytes. @returns where they start */
  #bytesField(): number {
    const size = this.long();
    if (size > this.limit - this.offset)
      throw new MalformedRow("truncated", "a field is longer than what is left");
    this.offset += size;
    return this.offset - size;
  }

  /** Reads one row. @throws {MalformedRow} when the bytes are none */
  next(): void {
    this.checksum = this.#present() ? this.#checksumValue() : undefined;
    this.time = this.#present() ? this.long() : undefined;
    this.index = this.long();
    this.term = this.long();
    const kindByte = this.#byte();
    const kind = (kindByte & 1) === 0 ? ROW_KINDS[kindByte / 2] : undefined;
    if (kind === undefined) throw new MalformedRow("malformed", "a row's kind is unknown");
    this.kind = kind;
    const moreByte = this.#byte();
    if (moreByte > 1) throw new MalformedRow("malformed", "a boolean is neither 0 nor 1");
    this.more = moreByte === 1;
    this.#requestStart = this.#bytesField();
    this.#requestEnd = this.offset;
    this.#keyStart = this.#bytesField();
    this.#keyEnd = this.offset;
    this.#valueStart = this.#bytesField();
    this.#valueEnd = this.offset;
    if (this.requestSize !== 0 && this.requestSize !== REQUEST_ID_SIZE)
      throw new MalformedRow("malformed", "a request id has 16 bytes or none");
  }

  #present(): boolean {
    const branch = this.#byte();
    if (branch !== 0 && branch !== 2)
      throw new MalformedRow("malformed", "a field is neither null nor present");
    return branch === 2;
  }

  #checksumValue(): number {
    const high = (this.#byte() << 24) | (this.#byte() << 16);
    return (high | (this.#byte() << 8) | this.#byte()) >>> 0;
  }
}
