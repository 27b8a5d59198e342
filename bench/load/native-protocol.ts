/**
 * The load in the native protocol (src/codec/client-message.ts), from frames that
 * the codec made once; the request's id, the ids of its write and the digits of its
 * keys are written in place, and the checksum is made anew.
 *
 *   put, insert       execute, one put           get    get
 *   list              range to the prefix' end   readModifyWrite   get, then execute
 *   transaction       execute: two gets, two puts, all or nothing
 *
 * Ids lie between 2^20 and 2^27, where each takes four bytes.
 */
import {
  CLIENT_PREAMBLE,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientRequest,
} from "../../src/codec/client-message.js";
import { encodeClientRequestFrame } from "../../src/codec/client-request.js";
import { decodeClientResponse } from "../../src/codec/client-response.js";
import { FRAME_HEADER_SIZE, FrameReader, writeFrameHeader } from "../../src/codec/frame.js";
import { InFlight } from "./in-flight.js";
import {
  benchKey,
  KEY_PREFIX,
  KEY_SIZE,
  OPERATION,
  writeDigits,
  type Operation,
} from "./operation.js";
import type { Protocol, Received } from "./protocol.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

const ID_FIRST = 2 ** 20;
const ID_COUNT = 2 ** 26;
const ID_SIZE = 4;
const REQUEST_ID_SIZE = 16;
const TIMEOUT_MS = 10_000;
const LIST_SIZE_MAX = 4 * 1024 * 1024;
/** the first bytes behind every key of ours */
const PREFIX_END = Buffer.from("bench;");

const EXECUTED = 65;
const GOT = 66;
const FAILED = 72;
const GOODBYE = 74;
const ANSWERED = 75;

/** An entry of InFlight that is no operation of its own. */
const WRITE_BACK = 6;
type Step = Operation | typeof WRITE_BACK;

export interface NativeOptions {
  readonly value: Buffer;
  readonly tally: Tally;
  /** whether a key that is read may be absent: it is just being inserted */
  readonly toleratesAbsent: boolean;
  /** names this connection in the ids of its writes */
  readonly connection: number;
}

interface Template {
  readonly frame: Buffer;
  readonly idAt: number;
  /** where the write's own id is; -1: it has none */
  readonly requestIdAt: number;
  readonly digitsAt: readonly number[];
  readonly otherDigitsAt: readonly number[];
}

export class NativeProtocol implements Protocol {
  readonly preface = Buffer.from(CLIENT_PREAMBLE);
  readonly #options: NativeOptions;
  readonly #put: Template;
  readonly #get: Template;
  readonly #transaction: Template;
  /** by how many keys they ask for; made when first asked for */
  readonly #lists: Template[] = [];
  readonly #inFlight = new InFlight<Step>();
  readonly #received: Received = { completed: 0, reply: undefined };
  readonly #frames: FrameReader;
  #writes = 0;

  constructor(options: NativeOptions) {
    this.#options = options;
    const { value } = options;
    const key = Buffer.from(benchKey(0));
    const other = Buffer.from(benchKey(1));
    const execute = (
      commands: Extract<ClientRequest, { kind: "execute" }>["request"]["commands"],
    ): ClientRequest => ({
      kind: "execute",
      id: ID_FIRST,
      timeoutMs: TIMEOUT_MS,
      answer: "counts",
      request: { id: new Uint8Array(REQUEST_ID_SIZE).fill(0xee), commands },
    });
    this.#put = templateOf(execute([{ kind: "put", key, value, condition: "none" }]));
    this.#get = templateOf({ kind: "get", id: ID_FIRST, timeoutMs: TIMEOUT_MS, key });
    this.#transaction = templateOf(
      execute([
        { kind: "get", key },
        { kind: "get", key: other },
        { kind: "put", key, value, condition: "none" },
        { kind: "put", key: other, value, condition: "none" },
      ]),
    );
    this.#frames = new FrameReader({
      bodySizeMax: CLIENT_RESPONSE_SIZE_MAX,
      onFrame: (body) => {
        this.#onAnswer(body);
      },
    });
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  requests(count: number, demand: Demand, beganMs: number): Buffer {
    let target = Buffer.allocUnsafe(256 + count * this.#put.frame.length);
    let end = 0;
    for (let at = 0; at < count; at += 1) {
      demand.next();
      const template = this.#templateOf(demand.operation, demand.count);
      const size = template.frame.length;
      if (end + size > target.length) {
        const grown = Buffer.allocUnsafe(2 * target.length + size);
        target.copy(grown, 0, 0, end);
        target = grown;
      }
      const number = this.#inFlight.add(beganMs, demand.operation, demand.key);
      this.#write(target, end, template, number, demand.key, demand.otherKey);
      end += size;
    }
    return target.subarray(0, end);
  }

  #templateOf(step: Step, count: number): Template {
    switch (step) {
      case OPERATION.get:
      case OPERATION.readModifyWrite:
        return this.#get;
      case OPERATION.transaction:
        return this.#transaction;
      case OPERATION.list:
        return (this.#lists[count] ??= templateOf({
          kind: "range",
          id: ID_FIRST,
          timeoutMs: TIMEOUT_MS,
          from: Buffer.from(benchKey(0)),
          end: PREFIX_END,
          countMax: count,
          sizeMax: LIST_SIZE_MAX,
        }));
      default:
        return this.#put;
    }
  }

  #write(
    target: Buffer,
    offset: number,
    template: Template,
    number: number,
    key: number,
    otherKey: number,
  ): void {
    template.frame.copy(target, offset);
    writeId(target, offset + template.idAt, ID_FIRST + (number % ID_COUNT));
    for (const at of template.digitsAt) writeDigits(target, offset + at, key);
    for (const at of template.otherDigitsAt) writeDigits(target, offset + at, otherKey);
    if (template.requestIdAt >= 0) {
      this.#writes += 1;
      const at = offset + template.requestIdAt;
      target.writeUInt32BE(process.pid, at);
      target.writeUInt32BE(this.#options.connection, at + 4);
      target.writeUInt32BE(this.#writes, at + 8);
    }
    writeFrameHeader(target.subarray(offset, offset + template.frame.length));
  }

  receive(chunk: Buffer): Received {
    this.#received.completed = 0;
    this.#received.reply = undefined;
    this.#frames.push(chunk);
    return this.#received;
  }

  #onAnswer(body: Buffer): void {
    const kind = body[0];
    if (kind === GOODBYE) throw new Error("the node is going down");
    const id = readVarint(body, 1) / 2 - ID_FIRST;
    const { oldest } = this.#inFlight;
    const number = oldest + ((((id - oldest) % ID_COUNT) + ID_COUNT) % ID_COUNT);
    if (!this.#inFlight.has(number)) {
      const answer = decodeClientResponse(body);
      throw new Error(
        answer.kind === "failed" ? answer.message : "an answer that nobody asked for",
      );
    }
    const step = this.#inFlight.operation(number);
    const refusal = this.#refusalOf(body, kind);
    const beganMs = this.#inFlight.beganMs(number);
    if (refusal !== undefined) this.#options.tally.failed(beganMs, refusal);
    else if (step === OPERATION.readModifyWrite) {
      this.#writeBack(number, beganMs);
      return;
    } else this.#options.tally.finished(operationOf(step), beganMs);
    this.#inFlight.remove(number);
    this.#received.completed += 1;
  }

  /** Undefined when the request was done. */
  #refusalOf(body: Buffer, kind: number | undefined): string | undefined {
    if (kind === FAILED) {
      const answer = decodeClientResponse(body);
      return answer.kind === "failed" ? `${answer.code}: ${answer.message}` : "refused";
    }
    if (kind === EXECUTED || kind === ANSWERED) {
      const answer = kind === ANSWERED ? decodeClientResponse(body) : undefined;
      const isRejected =
        answer === undefined
          ? readVarint(body, behindVarint(body, behindVarint(body, 1))) !== 0
          : answer.kind === "answered" && answer.result.kind === "rejected";
      return isRejected ? "a request was rejected" : undefined;
    }
    if (kind !== GOT || this.#options.toleratesAbsent) return undefined;
    const count = readVarint(body, behindVarint(body, behindVarint(body, 1)));
    return count === 0 ? "a key that was set is absent" : undefined;
  }

  /** The second half of a read-modify-write, with the beginning of the first. */
  #writeBack(number: number, beganMs: number): void {
    const key = this.#inFlight.key(number);
    this.#inFlight.remove(number);
    const next = this.#inFlight.add(beganMs, WRITE_BACK, key);
    const bytes = Buffer.allocUnsafe(this.#put.frame.length);
    this.#write(bytes, 0, this.#put, next, key, key);
    const { reply } = this.#received;
    this.#received.reply = reply === undefined ? bytes : Buffer.concat([reply, bytes]);
  }

  giveUp(): void {
    for (const number of this.#inFlight.numbers()) {
      const operation = operationOf(this.#inFlight.operation(number));
      this.#options.tally.gaveUp(operation, this.#inFlight.beganMs(number), true);
    }
  }
}

/** What a step is counted as. */
function operationOf(step: Step): Operation {
  return step === WRITE_BACK ? OPERATION.readModifyWrite : step;
}

function templateOf(request: ClientRequest): Template {
  const frame = encodeClientRequestFrame(request);
  const requestId = Buffer.alloc(REQUEST_ID_SIZE, 0xee);
  return {
    frame,
    idAt: FRAME_HEADER_SIZE + 1,
    requestIdAt: frame.indexOf(requestId),
    digitsAt: places(frame, benchKey(0)),
    otherDigitsAt: places(frame, benchKey(1)),
  };
}

/** Where the digits of a key are, wherever it stands. */
function places(frame: Buffer, key: string): readonly number[] {
  const found: number[] = [];
  for (let at = frame.indexOf(key); at >= 0; at = frame.indexOf(key, at + KEY_SIZE)) {
    found.push(at + KEY_PREFIX.length);
  }
  return found;
}

/** An id in its four bytes of a zig-zag varint. */
function writeId(target: Buffer, offset: number, id: number): void {
  let rest = id * 2;
  for (let at = 0; at < ID_SIZE - 1; at += 1) {
    target[offset + at] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[offset + ID_SIZE - 1] = rest;
}

/** A varint of at most 53 bits, not zig-zagged back: twice a number that is not negative. */
function readVarint(bytes: Buffer, offset: number): number {
  let value = 0;
  let scale = 1;
  for (let at = offset; ; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
}

function behindVarint(bytes: Buffer, offset: number): number {
  let at = offset;
  while ((bytes[at] ?? 0) >= 0x80) at += 1;
  return at + 1;
}
