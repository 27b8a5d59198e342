/**
 * etcd's Put and Range in gRPC, over HTTP/2 frames made by hand: as little work a
 * request as the RESP client does, so that neither system waits for its client.
 *
 *   frame   := length u24, type u8, flags u8, stream u32, payload[length]
 *   request := HEADERS (prebuilt HPACK, literals without indexing), DATA (END_STREAM)
 *   DATA    := 0 u8, length u32, protobuf              Put{key=1,value=2} · Range{key=1}
 *
 * A good answer is HEADERS, DATA, HEADERS with END_STREAM; gRPC reports a failure
 * in HEADERS alone. Header compression with state is switched off in our SETTINGS.
 */
import { assert } from "../../src/assert.js";
import { InFlight } from "./in-flight.js";
import { KEY_DIGITS, KEY_PREFIX, OPERATION, writeDigits, type Operation } from "./operation.js";
import type { Protocol, Received } from "./protocol.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

const FRAME_HEADER_SIZE = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;

/** What we allow the server to send before we must say more. */
const RECEIVE_WINDOW = 2 ** 30;
/** What the server allows until it says otherwise (RFC 9113 §6.9.2). */
const INITIAL_WINDOW = 65_535;

const NOTHING = Buffer.alloc(0);

export class EtcdProtocol implements Protocol {
  readonly preface = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(SETTINGS, 0, 0, settings({ 1: 0, 4: RECEIVE_WINDOW })),
    frame(WINDOW_UPDATE, 0, 0, unsigned32(RECEIVE_WINDOW - INITIAL_WINDOW)),
  ]);
  readonly #put: Template;
  readonly #get: Template;
  readonly #tally: Tally;
  readonly #inFlight = new InFlight<Operation>();
  /** requests whose message has come, and whose end has not */
  readonly #told = new Set<number>();
  readonly #received: Received = { completed: 0, reply: undefined };
  #sendWindow = INITIAL_WINDOW;
  #receivedSize = 0;
  #rest: Buffer = NOTHING;
  /** what a chunk makes us say at once, while it is read */
  readonly #replies: Buffer[] = [];

  constructor(value: Buffer, tally: Tally, authority: string) {
    const key = Buffer.from(KEY_PREFIX + "0".repeat(KEY_DIGITS));
    this.#put = template("Put", Buffer.concat([field(1, key), field(2, value)]), authority);
    this.#get = template("Range", field(1, key), authority);
    this.#tally = tally;
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  requests(count: number, demand: Demand, beganMs: number): Buffer {
    const sizeMax = Math.max(this.#put.bytes.length, this.#get.bytes.length);
    const bytes = Buffer.allocUnsafe(sizeMax * count);
    let end = 0;
    for (let at = 0; at < count; at += 1) {
      demand.next();
      const one = this.#templateOf(demand.operation);
      const stream = streamOf(this.#inFlight.add(beganMs, demand.operation, demand.key));
      one.bytes.copy(bytes, end);
      bytes.writeUInt32BE(stream, end + 5);
      bytes.writeUInt32BE(stream, end + one.dataStreamAt);
      writeDigits(bytes, end + one.digitsAt, demand.key);
      end += one.bytes.length;
      this.#sendWindow -= one.dataSize;
    }
    assert(this.#sendWindow >= 0, "the server widens its window long before it is used up");
    return bytes.subarray(0, end);
  }

  #templateOf(operation: Operation): Template {
    if (operation === OPERATION.put || operation === OPERATION.insert) return this.#put;
    if (operation === OPERATION.get) return this.#get;
    throw new Error("the etcd client only puts and gets");
  }

  receive(chunk: Buffer): Received {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const replies = this.#replies;
    let offset = 0;
    let completed = 0;
    while (offset + FRAME_HEADER_SIZE <= bytes.length) {
      const length = bytes.readUIntBE(offset, 3);
      const end = offset + FRAME_HEADER_SIZE + length;
      if (end > bytes.length) break;
      if (this.#onFrame(bytes, offset, length, replies)) completed += 1;
      offset = end;
    }
    this.#rest = offset === bytes.length ? NOTHING : Buffer.from(bytes.subarray(offset));
    this.#received.completed = completed;
    this.#received.reply = replies.length === 0 ? undefined : Buffer.concat(replies.splice(0));
    return this.#received;
  }

  giveUp(): void {
    for (const number of this.#inFlight.numbers()) {
      const operation = this.#inFlight.operation(number);
      this.#tally.gaveUp(operation, this.#inFlight.beganMs(number), true);
    }
  }

  /** Whether the frame completed a request. */
  #onFrame(bytes: Buffer, offset: number, length: number, replies: Buffer[]): boolean {
    const type = bytes[offset + 3];
    const flags = bytes[offset + 4] ?? 0;
    const stream = bytes.readUInt32BE(offset + 5);
    const payload = offset + FRAME_HEADER_SIZE;
    switch (type) {
      case DATA:
        this.#onData(stream, length, replies);
        return false;
      case HEADERS:
        return (flags & END_STREAM) !== 0 && this.#onEnd(stream, true);
      case RST_STREAM:
        return this.#onEnd(stream, false);
      case SETTINGS:
        if ((flags & ACK) === 0) replies.push(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
        return false;
      case PING:
        if ((flags & ACK) === 0) {
          replies.push(frame(PING, ACK, 0, bytes.subarray(payload, payload + length)));
        }
        return false;
      case GOAWAY:
        throw new Error("etcd ends the connection (GOAWAY)");
      case WINDOW_UPDATE:
        if (stream === 0) this.#sendWindow += bytes.readUInt32BE(payload);
        return false;
      default:
        return false;
    }
  }

  #onData(stream: number, length: number, replies: Buffer[]): void {
    this.#told.add(numberOf(stream));
    this.#receivedSize += length;
    if (this.#receivedSize > RECEIVE_WINDOW / 4) {
      replies.push(frame(WINDOW_UPDATE, 0, 0, unsigned32(this.#receivedSize)));
      this.#receivedSize = 0;
    }
  }

  #onEnd(stream: number, orderly: boolean): boolean {
    const number = numberOf(stream);
    if (!this.#inFlight.has(number)) return false;
    const isTold = this.#told.delete(number);
    const beganMs = this.#inFlight.beganMs(number);
    if (orderly && isTold) this.#tally.finished(this.#inFlight.operation(number), beganMs);
    else this.#tally.failed(beganMs, "etcd refused a request");
    this.#inFlight.remove(number);
    return true;
  }
}

/** Streams that a client opens are odd. */
function streamOf(number: number): number {
  return 1 + 2 * number;
}

function numberOf(stream: number): number {
  return (stream - 1) / 2;
}

interface Template {
  readonly bytes: Buffer;
  readonly dataStreamAt: number;
  readonly digitsAt: number;
  /** what it takes of the server's window */
  readonly dataSize: number;
}

function template(method: string, message: Buffer, authority: string): Template {
  const body = Buffer.concat([Buffer.of(0), unsigned32(message.length), message]);
  const path = `/etcdserverpb.KV/${method}`;
  const head = frame(HEADERS, END_HEADERS, 0, headerBlock(path, authority));
  const bytes = Buffer.concat([head, frame(DATA, END_STREAM, 0, body)]);
  return {
    bytes,
    dataStreamAt: head.length + 5,
    digitsAt: bytes.indexOf(KEY_PREFIX, head.length) + KEY_PREFIX.length,
    dataSize: body.length,
  };
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_SIZE);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function settings(values: Readonly<Record<number, number>>): Buffer {
  return Buffer.concat(
    Object.entries(values).map(([id, value]) => {
      const entry = Buffer.alloc(6);
      entry.writeUInt16BE(Number(id));
      entry.writeUInt32BE(value, 2);
      return entry;
    }),
  );
}

function unsigned32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A protobuf field of bytes. */
function field(number: number, value: Buffer): Buffer {
  const length: number[] = [];
  let rest = value.length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) length.push((rest % 0x80) | 0x80);
  return Buffer.concat([Buffer.of((number << 3) | 2, ...length, rest), value]);
}

/** HPACK (RFC 7541): indexed POST and http, then literals without indexing, without Huffman coding. */
function headerBlock(path: string, authority: string): Buffer {
  return Buffer.concat([
    Buffer.of(0x83, 0x86),
    Buffer.of(0x04),
    hpackText(path),
    Buffer.of(0x01),
    hpackText(authority),
    Buffer.of(0x0f, 31 - 15), // content-type is 31 of the static table
    hpackText("application/grpc"),
    Buffer.of(0x00),
    hpackText("te"),
    hpackText("trailers"),
  ]);
}

function hpackText(text: string): Buffer {
  assert(text.length < 0x7f, "a header's text fits a one-byte length");
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
}
