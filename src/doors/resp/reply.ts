/**
 * Replies as RESP2 and RESP3 write them. The protocol version belongs to the
 * connection and may change between two replies (HELLO, RESET).
 */

import type { StoreView } from "../../node/service.js";

/** Where replies go; a `ClientConnection` is one. */
export interface ReplySink {
  /** where `reserve` has made room */
  readonly bytes: Uint8Array;
  /** Adds so many bytes, which are written into `bytes` from the offset returned on, at once. */
  reserve(size: number): number;
  /** Nobody may change `bytes` until they are sent. */
  write(bytes: Uint8Array): void;
  /** Text of code units up to 255, each of them one byte. */
  writeLatin1(text: string): void;
}

export type ProtocolVersion = 2 | 3;

/** Values up to this size lie between their header and the next reply; larger ones are sent from where they are. */
const JOIN_SIZE_MAX = 16 * 1024;
/** bytes: two line ends and the sign */
const BULK_OVERHEAD = 5;
const OK = Buffer.from("+OK\r\n");
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;

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

  ok(): void {
    const at = this.#sink.reserve(OK.length);
    const { bytes } = this.#sink;
    for (let i = 0; i < OK.length; i++) bytes[at + i] = OK[i] ?? 0;
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
    const size = bytes.length;
    if (size <= JOIN_SIZE_MAX) {
      const at = this.#beginBulk(size);
      this.#sink.bytes.set(bytes, at);
      return;
    }
    this.#sink.writeLatin1(`$${size}\r\n`);
    this.#sink.write(bytes);
    this.#sink.writeLatin1("\r\n");
  }

  /** What a key holds, or nothing. @param place where `view` has found it, -1 for nowhere */
  valueAt(view: Pick<StoreView, "valueSizeAt" | "copyValueAt">, place: number): void {
    if (place < 0) {
      this.null();
      return;
    }
    const size = view.valueSizeAt(place);
    if (size <= JOIN_SIZE_MAX) {
      const at = this.#beginBulk(size);
      view.copyValueAt(place, this.#sink.bytes, at);
      return;
    }
    const value = Buffer.allocUnsafeSlow(size);
    view.copyValueAt(place, value, 0);
    this.bulk(value);
  }

  /** A bulk without its bytes. @returns where they go in the sink's `bytes` */
  #beginBulk(size: number): number {
    const digits = digitCount(size);
    let at = this.#sink.reserve(BULK_OVERHEAD + digits + size);
    const { bytes } = this.#sink;
    bytes[at++] = DOLLAR;
    for (let place = at + digits - 1, rest = size; place >= at; place--) {
      const next = Math.floor(rest / 10);
      bytes[place] = ZERO + rest - 10 * next;
      rest = next;
    }
    at += digits;
    bytes[at++] = CR;
    bytes[at++] = LF;
    bytes[at + size] = CR;
    bytes[at + size + 1] = LF;
    return at;
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

function digitCount(number: number): number {
  let count = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) count++;
  return count;
}

/** Bytes as text, one code unit a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
