/**
 * Values of the store as bytes, for what is no row of its own: numbers and byte
 * strings one behind another.
 *
 *   number := varint, base 128, little end first        safe integers, not negative
 *   bytes  := size number, byte*
 */

export class ByteWriter {
  #bytes = new Uint8Array(64);
  #size = 0;

  number(value: number): this {
    let rest = value;
    this.#reserve(8);
    while (rest >= 0x80) {
      this.#bytes[this.#size++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#size++] = rest;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.number(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#size);
    this.#size += value.length;
    return this;
  }

  /** What was written, of its exact size. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#size);
  }

  #reserve(size: number): void {
    if (this.#size + size <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#size + size));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** The bytes are not what was written. Caught where a state is restored. */
export class MalformedBytes extends Error {}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  /** @param bytes of a Buffer too: its `slice` would be a view, and what is read here is a copy */
  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.#bytes = new Uint8Array(buffer, byteOffset, length);
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  number(): number {
    let value = 0;
    let scale = 1;
    let byte;
    do {
      byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw new MalformedBytes("a number is cut short");
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (value > Number.MAX_SAFE_INTEGER) throw new MalformedBytes("a number is too large");
    } while (byte >= 0x80);
    if (byte === 0 && scale > 0x80)
      throw new MalformedBytes("a number has more bytes than it needs");
    return value;
  }

  /** A copy. */
  bytes(): Uint8Array {
    const size = this.number();
    if (size > this.#bytes.length - this.#offset) throw new MalformedBytes("bytes are cut short");
    this.#offset += size;
    return this.#bytes.slice(this.#offset - size, this.#offset);
  }
}
