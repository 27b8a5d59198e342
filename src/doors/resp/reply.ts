/**
 * Replies as RESP2 and RESP3 write them. The protocol version belongs to the
 * connection and may change between two replies (HELLO, RESET).
 */

/** Where replies go; a `ClientConnection` is one. */
export interface ReplySink {
  /** Nobody may change `bytes` until they are sent. */
  write(bytes: Uint8Array): void;
  /** Text of code units up to 255, each of them one byte. */
  writeLatin1(text: string): void;
}

export type ProtocolVersion = 2 | 3;

/** Values below this size are joined with their header into one piece of text. */
const JOIN_SIZE_MAX = 1024;

export class ReplyWriter {
  protocol: ProtocolVersion = 2;
  readonly #sink: ReplySink;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  /** A status such as OK: latin-1, one line. */
  simple(text: string): void {
    this.#sink.writeLatin1(`+${text}\r\n`);
  }

  /** @param text begins with its code, such as "ERR"; latin-1. Line ends become spaces. */
  error(text: string): void {
    this.#sink.writeLatin1(`-${text.replaceAll(/[\r\n]/g, " ")}\r\n`);
  }

  /** @param number a safe integer, or the text of an int64 */
  integer(number: number | string): void {
    this.#sink.writeLatin1(`:${number}\r\n`);
  }

  bulk(bytes: Uint8Array): void {
    if (bytes.length < JOIN_SIZE_MAX) {
      this.#sink.writeLatin1(`$${bytes.length}\r\n${latin1(bytes)}\r\n`);
      return;
    }
    this.#sink.writeLatin1(`$${bytes.length}\r\n`);
    this.#sink.write(bytes);
    this.#sink.writeLatin1("\r\n");
  }

  /** A bulk of text, as UTF-8. */
  bulkText(text: string): void {
    this.bulk(Buffer.from(text));
  }

  /** Nothing, where a bulk could be. */
  null(): void {
    this.#sink.writeLatin1(this.protocol === 3 ? "_\r\n" : "$-1\r\n");
  }

  /** Nothing, where an array could be. */
  nullArray(): void {
    this.#sink.writeLatin1(this.protocol === 3 ? "_\r\n" : "*-1\r\n");
  }

  bulkOrNull(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.null();
    else this.bulk(bytes);
  }

  /** `count` replies follow. */
  array(count: number): void {
    this.#sink.writeLatin1(`*${count}\r\n`);
  }

  /** `count` pairs of replies follow; RESP2 knows them as an array twice as long. */
  map(count: number): void {
    this.#sink.writeLatin1(this.protocol === 3 ? `%${count}\r\n` : `*${count * 2}\r\n`);
  }

  /** `count` replies follow, in no order; an array in RESP2. */
  set(count: number): void {
    this.#sink.writeLatin1(this.protocol === 3 ? `~${count}\r\n` : `*${count}\r\n`);
  }

  /** Text for people's eyes: a verbatim string in RESP3, a bulk in RESP2. */
  verbatim(text: string): void {
    if (this.protocol === 2) {
      this.bulkText(text);
      return;
    }
    const bytes = Buffer.from(`txt:${text}`);
    this.#sink.writeLatin1(`=${bytes.length}\r\n`);
    this.#sink.write(bytes);
    this.#sink.writeLatin1("\r\n");
  }
}

/** Bytes as text, one code unit a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
