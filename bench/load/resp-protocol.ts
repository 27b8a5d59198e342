/**
 * The load in RESP, from templates whose key digits are written in place.
 *
 *   put, insert       SET
 *   get               GET
 *   readModifyWrite   GET, and when it is answered SET
 *   transaction       MULTI GET GET SET SET EXEC, in one piece
 *
 * With `waitReplicas`, a WAIT follows each piece of writes, and they count as
 * answered when WAIT says that enough replicas have them.
 */
import { InFlight } from "./in-flight.js";
import { KEY_PREFIX, KEY_SIZE, OPERATION, writeDigits, type Operation } from "./operation.js";
import type { Protocol, Received } from "./protocol.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

const CARRIAGE_RETURN = 0x0d;
const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const ZERO = 0x30;

/** Entries of InFlight that are no operations of their own. */
const WRITE_BACK = 6;
const WAIT = 7;
type Step = Operation | typeof WRITE_BACK | typeof WAIT;

const WAIT_MS_MAX = 5000;
const NO_KEY = KEY_PREFIX + "0".repeat(KEY_SIZE - KEY_PREFIX.length);

const NOTHING = Buffer.alloc(0);

export interface RespOptions {
  readonly value: Buffer;
  readonly tally: Tally;
  /** whether a key that is read may be absent: it is just being inserted */
  readonly toleratesAbsent: boolean;
  /** 0: none; otherwise so many replicas must have a write before it counts */
  readonly waitReplicas: number;
}

interface Template {
  readonly bytes: Buffer;
  /** where the digits of the first and of the other key are */
  readonly digitsAt: readonly number[];
  readonly otherDigitsAt: readonly number[];
  readonly replies: number;
}

export class RespProtocol implements Protocol {
  readonly preface = NOTHING;
  readonly #options: RespOptions;
  readonly #templates: readonly (Template | undefined)[];
  readonly #waitBytes: Buffer;
  readonly #inFlight = new InFlight<Step>();
  readonly #received: Received = { completed: 0, reply: undefined };
  /** replies that the request at `#answering` has had */
  #replies = 0;
  /** the request whose reply comes next; ahead of the oldest only while writes await their WAIT */
  #answering = 0;
  #rest: Buffer = NOTHING;
  #isNull = false;
  /** what the transaction being answered was refused with */
  #refusal: string | undefined;

  constructor(options: RespOptions) {
    this.#options = options;
    const set = template([["SET", NO_KEY, options.value]], [0], []);
    const get = template([["GET", NO_KEY]], [0], []);
    const transaction = template(
      [
        ["MULTI"],
        ["GET", NO_KEY],
        ["GET", NO_KEY],
        ["SET", NO_KEY, options.value],
        ["SET", NO_KEY, options.value],
        ["EXEC"],
      ],
      [0, 2],
      [1, 3],
    );
    const templates: (Template | undefined)[] = [];
    templates[OPERATION.put] = set;
    templates[OPERATION.get] = get;
    templates[OPERATION.transaction] = transaction;
    templates[OPERATION.readModifyWrite] = get;
    templates[OPERATION.insert] = set;
    templates[WRITE_BACK] = set;
    this.#templates = templates;
    this.#waitBytes = command(["WAIT", String(options.waitReplicas), String(WAIT_MS_MAX)]);
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  requests(count: number, demand: Demand, beganMs: number): Buffer {
    let target = Buffer.allocUnsafe(256 + count * this.#sizeOf(demand.operation));
    let end = 0;
    for (let at = 0; at < count; at += 1) {
      demand.next();
      const size = this.#sizeOf(demand.operation);
      if (end + size + this.#waitBytes.length > target.length) {
        const grown = Buffer.allocUnsafe(2 * target.length + size);
        target.copy(grown, 0, 0, end);
        target = grown;
      }
      end = this.#write(target, end, demand.operation, demand.key, demand.otherKey);
      this.#inFlight.add(beganMs, demand.operation, demand.key);
    }
    if (this.#options.waitReplicas > 0) {
      this.#inFlight.add(beganMs, WAIT, 0);
      end += this.#waitBytes.copy(target, end);
    }
    return target.subarray(0, end);
  }

  #sizeOf(step: Step): number {
    return this.#templates[step]?.bytes.length ?? 0;
  }

  #write(target: Buffer, offset: number, step: Step, key: number, otherKey: number): number {
    const one = this.#templates[step];
    if (one === undefined) throw new Error("RESP has no ordered list: --door native");
    one.bytes.copy(target, offset);
    for (const at of one.digitsAt) writeDigits(target, offset + at, key);
    for (const at of one.otherDigitsAt) writeDigits(target, offset + at, otherKey);
    return offset + one.bytes.length;
  }

  receive(chunk: Buffer): Received {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const received = this.#received;
    received.completed = 0;
    received.reply = undefined;
    let offset = 0;
    for (;;) {
      this.#isNull = false;
      const end = this.#replyEnd(bytes, offset);
      if (end < 0) break;
      this.#onReply(bytes, offset, end);
      offset = end;
    }
    this.#rest = offset === bytes.length ? NOTHING : Buffer.from(bytes.subarray(offset));
    return received;
  }

  #onReply(bytes: Buffer, offset: number, end: number): void {
    const number = this.#answering;
    if (!this.#inFlight.has(number)) throw new Error("an answer that nobody asked for");
    const step = this.#inFlight.operation(number);
    const beganMs = this.#inFlight.beganMs(number);
    if (step === OPERATION.transaction) {
      this.#onTransactionReply(bytes, offset, end);
      return;
    }
    if (bytes[offset] === MINUS) {
      this.#options.tally.failed(beganMs, bytes.toString("utf8", offset + 1, end - 2));
      this.#finish(number, false);
      return;
    }
    if (step === WAIT) {
      this.#onWaited(bytes[offset] === COLON ? (bytes[offset + 1] ?? 0) - ZERO : 0);
      return;
    }
    if (this.#isNull && !this.#options.toleratesAbsent) {
      this.#options.tally.failed(beganMs, "a key that was set is absent");
      this.#finish(number, false);
      return;
    }
    if (step === OPERATION.readModifyWrite) {
      this.#writeBack(number, beganMs);
      return;
    }
    if (this.#options.waitReplicas > 0) this.#answering = number + 1;
    else this.#finish(number, true);
  }

  /** MULTI's, those of the commands it holds back, and EXEC's. */
  #onTransactionReply(bytes: Buffer, offset: number, end: number): void {
    const number = this.#answering;
    if (bytes[offset] === MINUS) this.#refusal ??= bytes.toString("utf8", offset + 1, end - 2);
    this.#replies += 1;
    if (this.#replies < (this.#templates[OPERATION.transaction]?.replies ?? 1)) return;
    if (this.#isNull) this.#refusal ??= "EXEC was refused";
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal !== undefined) this.#options.tally.failed(this.#inFlight.beganMs(number), refusal);
    this.#finish(number, refusal === undefined);
  }

  /** The second half of a read-modify-write takes the place of the first, with its beginning. */
  #writeBack(number: number, beganMs: number): void {
    const key = this.#inFlight.key(number);
    const bytes = Buffer.allocUnsafe(this.#sizeOf(WRITE_BACK));
    this.#write(bytes, 0, WRITE_BACK, key, key);
    const { reply } = this.#received;
    this.#received.reply = reply === undefined ? bytes : Buffer.concat([reply, bytes]);
    this.#inFlight.remove(number);
    this.#inFlight.add(beganMs, WRITE_BACK, key);
    this.#answering = number + 1;
  }

  #onWaited(replicas: number): void {
    const wait = this.#answering;
    const isEnough = replicas >= this.#options.waitReplicas;
    for (let number = this.#inFlight.oldest; number < wait; number = this.#inFlight.oldest) {
      if (!isEnough) {
        this.#options.tally.failed(this.#inFlight.beganMs(number), "too few replicas in time");
      }
      this.#finish(number, isEnough);
    }
    this.#inFlight.remove(wait);
    this.#answering = wait + 1;
  }

  #finish(number: number, isGood: boolean): void {
    const step = this.#inFlight.operation(number);
    if (isGood) {
      this.#options.tally.finished(operationOf(step), this.#inFlight.beganMs(number));
    }
    this.#inFlight.remove(number);
    this.#answering = Math.max(this.#answering, number + 1);
    this.#replies = 0;
    this.#received.completed += 1;
  }

  giveUp(): void {
    for (const number of this.#inFlight.numbers()) {
      const step = this.#inFlight.operation(number);
      if (step === WAIT) continue;
      this.#options.tally.gaveUp(operationOf(step), this.#inFlight.beganMs(number), true);
    }
  }

  /** Where the reply at `offset` ends; -1 when it is not whole yet. */
  #replyEnd(bytes: Buffer, offset: number): number {
    const kind = bytes[offset];
    if (kind === PLUS && bytes[offset + 3] === CARRIAGE_RETURN) {
      return offset + 5 <= bytes.length ? offset + 5 : -1; // +OK
    }
    const lineEnd = offset >= bytes.length ? -1 : bytes.indexOf(CARRIAGE_RETURN, offset);
    if (lineEnd < 0 || lineEnd + 2 > bytes.length) return -1;
    if (kind !== DOLLAR && kind !== ASTERISK) return lineEnd + 2;
    if (bytes[offset + 1] === MINUS) {
      this.#isNull = true;
      return lineEnd + 2;
    }
    let number = 0;
    for (let at = offset + 1; at < lineEnd; at += 1) number = number * 10 + (bytes[at] ?? 0) - ZERO;
    if (kind === DOLLAR) {
      const end = lineEnd + 2 + number + 2;
      return end > bytes.length ? -1 : end;
    }
    let end = lineEnd + 2;
    for (let item = 0; item < number && end >= 0; item += 1) end = this.#replyEnd(bytes, end);
    if (number > 0) this.#isNull = false;
    return end;
  }
}

/** What a step is counted as. */
function operationOf(step: Step): Operation {
  return step === WRITE_BACK || step === WAIT ? OPERATION.readModifyWrite : step;
}

function command(words: readonly (string | Buffer)[]): Buffer {
  const parts = words.map((word) =>
    Buffer.concat([Buffer.from(`$${word.length}\r\n`), Buffer.from(word), Buffer.from("\r\n")]),
  );
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

/** @param keys which of the keys that occur, in their order, are the first one; `otherKeys` the other */
function template(
  commands: readonly (readonly (string | Buffer)[])[],
  keys: readonly number[],
  otherKeys: readonly number[],
): Template {
  const bytes = Buffer.concat(commands.map(command));
  const places: number[] = [];
  for (let at = bytes.indexOf(NO_KEY); at >= 0; at = bytes.indexOf(NO_KEY, at + KEY_SIZE)) {
    places.push(at + KEY_PREFIX.length);
  }
  const placesOf = (which: readonly number[]): number[] =>
    which.map((occurrence) => places[occurrence] ?? 0);
  return {
    bytes,
    digitsAt: placesOf(keys),
    otherDigitsAt: placesOf(otherKeys),
    replies: commands.length,
  };
}
