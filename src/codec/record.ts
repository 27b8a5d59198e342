/**
 * Records: what messages are made of. A body is the code of its kind, then one
 * flat Avro record:
 *
 *   body  := code u8, field*                  in the order of the schema
 *   field := long                             zig-zag varint, canonical, 0 to LONG_MAX
 *          | boolean                          0x00 or 0x01
 *          | string                           size long, UTF-8
 *          | bytes                            size long, byte*
 *
 * No arrays and no maps, whose counts a hostile peer could blow up. Records are
 * written by avsc and read by the strict code here, because avsc believes what
 * it reads: of an overlong varint it makes a size that is no number, and that
 * spoils its buffer pool for every record read afterwards (avsc 5.7.9; the test
 * "a varint without end" holds it).
 */
import avro from "avsc";
import { assert, unreachable } from "../assert.js";
import { DatabaseError } from "../errors.js";
import { isNodeId, LogIndex, Term, type NodeId } from "../raft/types.js";

export type FieldType = "string" | "long" | "boolean" | "bytes";
type FieldTypes = Readonly<Record<string, FieldType>>;

/** avsc writes no greater one. */
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;

/** bytes; what the encoder works in at first, and keeps after larger records */
const SCRATCH_SIZE_MIN = 64 * 1024;
const SCRATCH_SIZE_KEPT = 4 * 1024 * 1024;

let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_SIZE_MIN);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A record's schema and the code that stands before it. */
export class RecordFormat {
  readonly code: number;
  readonly #name: string;
  #madeType: avro.Type | undefined;
  readonly #fields: readonly (readonly [name: string, type: FieldType])[];

  constructor(code: number, name: string, fields: FieldTypes) {
    this.code = code;
    this.#name = `balsa.peer.${name}`;
    this.#fields = Object.entries(fields);
  }

  /** Made when it is first needed: a command line needs few of them, and each costs it a millisecond. */
  get #type(): avro.Type {
    this.#madeType ??= avro.Type.forSchema({
      type: "record",
      name: this.#name,
      fields: this.#fields.map(([field, type]) => ({ name: field, type })),
    });
    return this.#madeType;
  }

  /** The body, in a buffer of its exact size. */
  encode(record: object): Buffer {
    if (scratch.length > SCRATCH_SIZE_KEPT) scratch = Buffer.allocUnsafeSlow(SCRATCH_SIZE_MIN);
    let end = this.#type.encode(record, scratch, 1);
    if (end < 0) {
      // avsc says by how many bytes the buffer was too short.
      scratch = Buffer.allocUnsafeSlow(2 * (scratch.length - end));
      end = this.#type.encode(record, scratch, 1);
      assert(end > 0, "a record fits the buffer made for it");
    }
    scratch[0] = this.code;
    return Buffer.from(scratch.subarray(0, end));
  }

  /** @throws {DatabaseError} PROTOCOL when `body` is not one record of this format and nothing else */
  decode(body: Uint8Array): RecordValues {
    const reader = new ScalarReader(body, 1);
    const values = new Map<string, Scalar>();
    for (const [name, type] of this.#fields) values.set(name, reader.scalar(type));
    if (!reader.done) throw violation("bytes follow a record");
    return new RecordValues(values);
  }
}

type Scalar = string | number | boolean | Uint8Array;

/** Reads the scalars of a body one behind another, and believes no size beyond its end. */
export class ScalarReader {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, offset: number) {
    // a plain Uint8Array whatever `bytes` is, so that equal messages compare equal
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = offset;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  scalar(type: FieldType): Scalar {
    switch (type) {
      case "long":
        return this.long();
      case "boolean":
        return this.flag();
      case "string":
        return this.#text();
      case "bytes":
        return this.bytes();
      default:
        return unreachable(type);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw violation("a record is cut short");
    this.#offset += 1;
    return byte;
  }

  /** A safe integer, not negative. */
  long(): number {
    const first = this.#bytes[this.#offset] ?? 1;
    if (first < 0x80 && (first & 1) === 0) {
      this.#offset += 1;
      return first >>> 1;
    }
    let zigzag = 0;
    let scale = 1;
    let byte;
    do {
      byte = this.#byte();
      zigzag += (byte & 0x7f) * scale;
      scale *= 0x80;
      // Eight bytes hold 56 bits: beyond them nothing is a safe integer.
      if (scale > 2 ** 56) throw violation("a number is too large");
    } while (byte >= 0x80);
    if (byte === 0 && scale > 0x80) throw violation("a number has more bytes than it needs");
    if (zigzag % 2 === 1) throw violation("a number is negative");
    const value = zigzag / 2;
    if (value > LONG_MAX) throw violation("a number is too large");
    return value;
  }

  flag(): boolean {
    const byte = this.#byte();
    if (byte > 1) throw violation("a truth value is neither 0 nor 1");
    return byte === 1;
  }

  #text(): string {
    const bytes = this.bytes();
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      throw violation("text is not UTF-8", cause);
    }
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const size = this.long();
    const start = this.#offset;
    if (size > this.#bytes.length - start) throw violation("a record is cut short");
    this.#offset = start + size;
    return this.#bytes.subarray(start, start + size);
  }
}

/** The scalars of a record, by name. What they mean is checked as they are asked for. */
export class RecordValues {
  readonly #values: ReadonlyMap<string, Scalar>;

  constructor(values: ReadonlyMap<string, Scalar>) {
    this.#values = values;
  }

  /** A safe integer, not negative. */
  count(name: string): number {
    const value = this.#values.get(name);
    assert(typeof value === "number", "a count is asked of a long");
    return value;
  }

  index(name: string): LogIndex {
    return LogIndex(this.count(name));
  }

  term(name = "term"): Term {
    return Term(this.count(name));
  }

  flag(name: string): boolean {
    const value = this.#values.get(name);
    assert(typeof value === "boolean", "a flag is asked of a boolean");
    return value;
  }

  text(name: string): string {
    const value = this.#values.get(name);
    assert(typeof value === "string", "text is asked of a string");
    return value;
  }

  /** @throws {DatabaseError} PROTOCOL */
  nodeId(name: string): NodeId {
    const value = this.text(name);
    if (!isNodeId(value)) throw violation(`${name} names no node`);
    return value;
  }

  /** A view of the body: copy what is kept. */
  bytes(name: string): Uint8Array {
    const value = this.#values.get(name);
    assert(value instanceof Uint8Array, "bytes are asked of bytes");
    return value;
  }
}

/** What a peer sent is not what it may send. */
export function violation(what: string, cause?: unknown): DatabaseError {
  return new DatabaseError("PROTOCOL", `a peer's message is refused: ${what}`, { cause });
}
