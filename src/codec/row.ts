/**
 * Rows: one command, or part of a request, as one Avro record (schema.ts), and back.
 *
 *   row := checksum, time, index long, term long, kind byte, more byte,
 *          request bytes, key bytes, value bytes
 *   checksum, time := 0x00 (null) | 0x02 and the value    first row of a block: both present
 *   long, and the length before bytes := zig-zag varint, canonical (no longer than needed)
 *
 * Written by hand into a growing buffer, byte for byte as Avro has it (the tests
 * hold it against `avsc`); read by our own strict reader, which accepts exactly
 * what the writer can have written: no overlong varint, no unknown kind, no field
 * that its kind does not use. So a row that was accepted always decodes, and two
 * different byte strings are never the same row.
 */
import { assert } from "../assert.js";
import { ByteCopy, type Memory } from "../store/byte-copy.js";
import type { PutInPlace } from "../store/command.js";
import { ROW_KINDS, type RowKind } from "./schema.js";

/** bytes: a row's fields at their shortest */
export const ROW_SIZE_MIN = 9;
/** bytes: a request id; ids are this long or empty */
export const REQUEST_ID_SIZE = 16;
/** bytes of the first row up to the end of its checksum: the union's branch and the checksum itself */
export const CHECKSUM_FIELD_SIZE = 5;

/** avsc refuses the last safe integer; so do we, on both sides */
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
/** bytes of a long at its longest */
const LONG_SIZE_MAX = 8;
/** bytes of a row beside its request, key and value, at their most */
const ROW_OVERHEAD_MAX = CHECKSUM_FIELD_SIZE + 1 + 6 * LONG_SIZE_MAX + 2;
/** Fewer bytes are copied faster one by one than by a call. */
const COPY_BY_CALL_SIZE_MIN = 24;
const EMPTY = new Uint8Array(0);

const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An enum's place in the schema as its varint: all of them fit a byte. */
const KIND_BYTES: Readonly<Record<RowKind, number>> = Object.fromEntries(
  ROW_KINDS.map((kind, place) => [kind, 2 * place]),
) as Record<RowKind, number>;
assert(2 * ROW_KINDS.length <= 0x80, "a kind is one byte");

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

const SCRATCH_SIZE_MIN = 64 * 1024;
const SCRATCH_SIZE_KEPT = 1024 * 1024;

/**
 * Where rows are written before their size is known. One for the process: all
 * of this is synchronous and nobody outside sees its bytes.
 */
export class RowWriter {
  #bytes = new Uint8Array(SCRATCH_SIZE_MIN);
  /** the same, as copies are made into it */
  #memory = memoryOf(this.#bytes);
  #size = 0;
  #rowCount = 0;
  readonly #copy = new ByteCopy();

  /** Forgets everything written; `headSize` bytes are left free before the first row. */
  reset(headSize: number): void {
    if (this.#bytes.length > SCRATCH_SIZE_KEPT) this.#replace(new Uint8Array(SCRATCH_SIZE_MIN));
    this.#size = headSize;
    this.#rowCount = 0;
  }

  /** @param time of the block, for its first row; undefined for the others */
  write(
    position: RowPosition,
    time: number | undefined,
    { kind, more, request, key, value }: RowFields,
  ): void {
    this.#makeRoom(ROW_OVERHEAD_MAX + request.length + key.length + value.length);
    const bytes = this.#bytes;
    let at = this.#writeFirst(position, time);
    bytes[at++] = KIND_BYTES[kind];
    bytes[at++] = more ? 1 : 0;
    at = writeBytes(bytes, at, request);
    at = writeBytes(bytes, at, key);
    this.#size = writeBytes(bytes, at, value);
    this.#rowCount += 1;
  }

  /** Writes the fields before a row's kind, room for the checksum among them. @returns the offset behind them */
  #writeFirst({ index, term }: RowPosition, time: number | undefined): number {
    const bytes = this.#bytes;
    let at = this.#size;
    if (time === undefined) {
      bytes[at++] = 0;
      bytes[at++] = 0;
    } else {
      bytes[at] = 2;
      bytes.fill(0, at + 1, at + CHECKSUM_FIELD_SIZE);
      at += CHECKSUM_FIELD_SIZE;
      bytes[at++] = 2;
      at = writeLong(bytes, at, time);
    }
    return writeLong(bytes, writeLong(bytes, at, index), term);
  }

  /** As `write` of a put that is a request without an id, without an object for it. */
  writePut(
    position: RowPosition,
    time: number | undefined,
    { bytes: source, keyStart, keySize, valueStart, valueSize }: PutInPlace,
  ): void {
    this.#makeRoom(ROW_OVERHEAD_MAX + keySize + valueSize);
    const bytes = this.#bytes;
    let at = this.#writeFirst(position, time);
    bytes[at++] = KIND_BYTES.put;
    bytes[at++] = 0;
    bytes[at++] = 0;
    at = writeLong(bytes, at, keySize);
    this.#copy.into(this.#memory, at, source, keyStart, keySize);
    at = writeLong(bytes, at + keySize, valueSize);
    this.#copy.into(this.#memory, at, source, valueStart, valueSize);
    this.#size = at + valueSize;
    this.#rowCount += 1;
  }

  #makeRoom(size: number): void {
    if (this.#size + size <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#size + size));
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#replace(grown);
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#memory = memoryOf(bytes);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** What was written, the free head included; valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}

function memoryOf(bytes: Uint8Array<ArrayBuffer>): Memory {
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Writes a length and as many bytes. @returns the offset behind them */
function writeBytes(target: Uint8Array, offset: number, source: Uint8Array): number {
  const size = source.length;
  const start = writeLong(target, offset, size);
  if (size < COPY_BY_CALL_SIZE_MIN) {
    for (let i = 0; i < size; i++) target[start + i] = source[i] ?? 0;
  } else {
    target.set(source, start);
  }
  return start + size;
}

/** Writes the bytes of a zig-zag varint for `value` (safe, not negative). @returns the offset behind it */
export function writeLong(target: Uint8Array, offset: number, value: number): number {
  assert(Number.isSafeInteger(value), "a long is a safe integer");
  assert(value >= 0, "counts and sizes are not negative");
  if (value < 0x40) {
    target[offset] = 2 * value;
    return offset + 1;
  }
  if (value < 0x40000000) {
    let small = 2 * value;
    for (; small >= 0x80; small >>>= 7) target[offset++] = (small & 0x7f) | 0x80;
    target[offset++] = small;
    return offset;
  }
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
  /** of index and term */
  #positionStart = 0;
  #positionEnd = 0;
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
  /** where it begins in `bytes` */
  get keyStart(): number {
    return this.#keyStart;
  }
  /** where it begins in `bytes` */
  get valueStart(): number {
    return this.#valueStart;
  }
  /** where it begins in `bytes` */
  get requestStart(): number {
    return this.#requestStart;
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
    this.#positionStart = this.offset;
    this.index = this.long();
    this.term = this.long();
    this.#positionEnd = this.offset;
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

  /**
   * Reads the next row if it is what nearly every row is: a request of one put, of
   * the same index and term as the row before it. Otherwise nothing has happened,
   * and `next` says what it is. In one go, because this is done for every put on
   * every node.
   */
  tryNextPut(): boolean {
    const { bytes, limit } = this;
    const positionSize = this.#positionEnd - this.#positionStart;
    let at = this.offset;
    if (limit - at < positionSize + ROW_SIZE_MIN - 2) return false;
    if (bytes[at] !== 0 || bytes[at + 1] !== 0) return false;
    at += 2;
    for (let i = 0; i < positionSize; i++) {
      if (bytes[at + i] !== bytes[this.#positionStart + i]) return false;
    }
    at += positionSize;
    const idByte = bytes[at + 2];
    if (bytes[at] !== KIND_BYTES.put || bytes[at + 1] !== 0) return false;
    if (idByte !== 0 && idByte !== 2 * REQUEST_ID_SIZE) return false;
    const requestStart = at + 3;
    const requestEnd = requestStart + idByte / 2;
    const keySize = shortSize(bytes, requestEnd);
    if (keySize < 0) return false;
    const keyStart = requestEnd + (keySize < SIZE_OF_ONE_BYTE ? 1 : 2);
    const keyEnd = keyStart + keySize;
    if (keyEnd >= limit) return false;
    const valueSize = shortSize(bytes, keyEnd);
    if (valueSize < 0) return false;
    const valueStart = keyEnd + (valueSize < SIZE_OF_ONE_BYTE ? 1 : 2);
    const valueEnd = valueStart + valueSize;
    if (valueEnd > limit) return false;
    this.checksum = undefined;
    this.time = undefined;
    this.kind = "put";
    this.more = false;
    this.#requestStart = requestStart;
    this.#requestEnd = requestEnd;
    this.#keyStart = keyStart;
    this.#keyEnd = keyEnd;
    this.#valueStart = valueStart;
    this.#valueEnd = valueEnd;
    this.offset = valueEnd;
    return true;
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

/** A size below it is a varint of one byte; below its square times two, of two. */
const SIZE_OF_ONE_BYTE = 0x40;

/** The canonical varint of one or two bytes at `offset`, as a size; -1 when it is none, or longer. */
function shortSize(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset] ?? 1;
  if ((first & 1) === 1) return -1;
  if (first < 0x80) return first >>> 1;
  const second = bytes[offset + 1] ?? 0;
  if (second === 0 || second >= 0x80) return -1;
  return ((first & 0x7f) | (second << 7)) >>> 1;
}
