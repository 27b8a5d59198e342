/**
 * The fields of the native client protocol's records: Avro's own encoding of
 * `long`, `boolean`, `bytes` and `string`, written and read strictly.
 *
 *   long   := zig-zag varint, 7 bits a byte, least significant first
 *   bytes  := size long, byte[size]          string := bytes that are UTF-8
 *
 * Stricter than Avro asks, because the bytes may come from anybody: a number is
 * a safe integer that is not negative, a varint has no superfluous byte, a
 * boolean is 0 or 1, text is valid UTF-8, and a size is checked against what is
 * there before anything is allocated. So one value has one encoding.
 */
import { assert } from "../assert.js";
import { DatabaseError } from "../errors.js";

/** Bytes of the longest varint written: 54 bits of a zig-zag safe integer. */
const VARINT_SIZE_MAX = 8;
/** avsc refuses the last safe integer; so do we, on both sides. */
export const LONG_MAX: number = Number.MAX_SAFE_INTEGER - 1;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Room that a `bytes` or `string` of `size` bytes may need. */
export function bytesRoom(size: number): number {
  return VARINT_SIZE_MAX + size;
}

/** Room that `count` longs may need. */
export function longsRoom(count: number): number {
  return VARINT_SIZE_MAX * count;
}

/** Bytes that a long takes. */
export function longSize(value: number): number {
  let size = 1;
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** Bytes that a `bytes` takes. */
export function bytesSize(value: Uint8Array): number {
  return longSize(value.length) + value.length;
}

/** Writes fields one behind another into a buffer that is known to have room. */
export class FieldWriter {
  readonly #target: Buffer;
  #offset: number;

  constructor(target: Buffer, offset: number) {
    this.#target = target;
    this.#offset = offset;
  }

  /** Where the next field would begin. */
  get offset(): number {
    return this.#offset;
  }

  byte(value: number): void {
    this.#target[this.#offset] = value;
    this.#offset += 1;
  }

  /** @param value a safe integer, not negative */
  long(value: number): void {
    assert(Number.isInteger(value), "a long is an integer");
    assert(value >= 0, "a long is not negative");
    assert(value <= LONG_MAX, "a long is a safe integer");
    // Zig-zag doubles what is not negative; an even number below 2^54 is exact.
    let rest = value * 2;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  bytes(value: Uint8Array): void {
    this.long(value.length);
    this.#target.set(value, this.#offset);
    this.#offset += value.length;
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    this.long(size);
    this.#target.write(value, this.#offset, size, "utf8");
    this.#offset += size;
  }
}

/** Reads fields one behind another. Every fault is a PROTOCOL error. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  byte(): number {
    const value = this.#bytes[this.#offset];
    if (value === undefined) throw malformed("the message ends early");
    this.#offset += 1;
    return value;
  }

  /** A safe integer, not negative. */
  long(): number {
    let doubled = 0;
    let scale = 1;
    for (let position = 0; position < VARINT_SIZE_MAX; position += 1) {
      const byte = this.byte();
      // The lowest bit is the sign's, and beyond 2^53 the sum no longer shows it.
      if (position === 0 && byte % 2 !== 0) throw malformed("a number is negative");
      doubled += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) {
        if (byte === 0 && position > 0) throw malformed("a number has a superfluous byte");
        const value = doubled / 2;
        if (value > LONG_MAX) throw malformed("a number is too large");
        return value;
      }
    }
    throw malformed("a number is too long");
  }

  /** A long within [min, max]; `name` says what it is. */
  longWithin(min: number, max: number, name: string): number {
    const value = this.long();
    if (value < min || value > max) throw malformed(`${name} ${value} is not within its range`);
    return value;
  }

  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw malformed("a boolean is neither 0 nor 1");
    return value === 1;
  }

  /** A copy: it outlives the message it came in. */
  bytes(): Uint8Array {
    return new Uint8Array(this.view());
  }

  /** Not a copy: valid as long as the message is. */
  view(): Uint8Array {
    const size = this.long();
    if (size > this.remainingSize) throw malformed("a field is longer than its message");
    const view = this.#bytes.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    return view;
  }

  string(): string {
    const view = this.view();
    try {
      return utf8.decode(view);
    } catch (cause) {
      throw malformed("a text is not UTF-8", cause);
    }
  }

  /** Bytes not read yet. */
  get remainingSize(): number {
    return this.#bytes.length - this.#offset;
  }

  /** @throws {DatabaseError} PROTOCOL unless every byte was read */
  end(): void {
    if (this.remainingSize !== 0) throw malformed("bytes follow the message");
  }
}

/** The error for bytes that are no message. */
export function malformed(reason: string, cause?: unknown): DatabaseError {
  return new DatabaseError("PROTOCOL", `malformed client message: ${reason}`, { cause });
}

/** One of `choices`, by its place. @throws {DatabaseError} PROTOCOL */
export function readChoice<T>(reader: FieldReader, choices: readonly T[], name: string): T {
  const choice = choices[reader.long()];
  if (choice === undefined) throw malformed(`${name} is none that is known`);
  return choice;
}
