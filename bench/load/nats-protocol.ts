/**
 * Puts and gets of a JetStream bucket in NATS' text protocol.
 *
 *   put   PUB $KV.bench.KEY INBOX.NUMBER SIZE     answered by MSG INBOX.NUMBER … with {"stream":…}
 *   get   PUB $JS.API.DIRECT.GET.STREAM.$KV.bench.KEY INBOX.NUMBER 0
 *                                                 answered by HMSG with the value; 404 in its headers: absent
 *
 * Answers come in any order and are told apart by the number in their subject.
 */
import { InFlight } from "./in-flight.js";
import { KEY_DIGITS, KEY_PREFIX, OPERATION, writeDigits, type Operation } from "./operation.js";
import type { Protocol, Received } from "./protocol.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

export const NATS_STREAM = "KV_bench";
/** A subject's parts are parted by dots, and a colon is fine in one. */
const SUBJECT = `$KV.bench.${KEY_PREFIX}${"0".repeat(KEY_DIGITS)}`;
const NEW_LINE = 0x0a;
const SPACE = 0x20;
/** Digits of a request's number in its inbox. */
const NUMBER_DIGITS = KEY_DIGITS;
const NUMBERS = 10 ** NUMBER_DIGITS;

interface Template {
  readonly bytes: Buffer;
  readonly keyAt: number;
  readonly numberAt: number;
}

export class NatsProtocol implements Protocol {
  readonly preface: Buffer;
  readonly #put: Template;
  readonly #get: Template;
  readonly #inbox: string;
  readonly #tally: Tally;
  readonly #inFlight = new InFlight<Operation>();
  readonly #received: Received = { completed: 0, reply: undefined };
  #rest: Buffer = Buffer.alloc(0);

  constructor(value: Buffer, tally: Tally, connection: number) {
    this.#tally = tally;
    this.#inbox = `INBOX.${process.pid}-${connection}.`;
    const zeros = "0".repeat(NUMBER_DIGITS);
    this.preface = Buffer.from(
      `CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB ${this.#inbox}* 1\r\n`,
    );
    this.#put = this.#template(
      Buffer.concat([
        Buffer.from(`PUB ${SUBJECT} ${this.#inbox}${zeros} ${value.length}\r\n`),
        value,
        Buffer.from("\r\n"),
      ]),
    );
    this.#get = this.#template(
      Buffer.from(
        `PUB $JS.API.DIRECT.GET.${NATS_STREAM}.${SUBJECT} ${this.#inbox}${zeros} 0\r\n\r\n`,
      ),
    );
  }

  #template(bytes: Buffer): Template {
    return {
      bytes,
      keyAt: bytes.indexOf(KEY_PREFIX) + KEY_PREFIX.length,
      numberAt: bytes.indexOf(this.#inbox) + this.#inbox.length,
    };
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  requests(count: number, demand: Demand, beganMs: number): Buffer {
    const sizeMax = Math.max(this.#put.bytes.length, this.#get.bytes.length);
    const target = Buffer.allocUnsafe(count * sizeMax);
    let end = 0;
    for (let at = 0; at < count; at += 1) {
      demand.next();
      const { bytes, keyAt, numberAt } = this.#templateOf(demand.operation);
      const number = this.#inFlight.add(beganMs, demand.operation, demand.key);
      bytes.copy(target, end);
      writeDigits(target, end + keyAt, demand.key);
      writeDigits(target, end + numberAt, number % NUMBERS);
      end += bytes.length;
    }
    return target.subarray(0, end);
  }

  #templateOf(operation: Operation): Template {
    if (operation === OPERATION.put || operation === OPERATION.insert) return this.#put;
    if (operation === OPERATION.get) return this.#get;
    throw new Error("the NATS client only puts and gets");
  }

  receive(chunk: Buffer): Received {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#received.completed = 0;
    const replies: Buffer[] = [];
    let offset = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(NEW_LINE, offset);
      if (lineEnd < 0) break;
      const line = bytes.toString("latin1", offset, lineEnd - 1);
      const end = this.#onLine(line, bytes, lineEnd + 1, replies);
      if (end < 0) break;
      offset = end;
    }
    this.#rest = Buffer.from(bytes.subarray(offset));
    this.#received.reply = replies.length === 0 ? undefined : Buffer.concat(replies);
    return this.#received;
  }

  /** @returns where the next line begins; -1 when this one's payload is not whole yet */
  #onLine(line: string, bytes: Buffer, payload: number, replies: Buffer[]): number {
    if (line.startsWith("PING")) replies.push(Buffer.from("PONG\r\n"));
    if (line.startsWith("-ERR")) throw new Error(`NATS: ${line}`);
    const hasHeaders = line.startsWith("HMSG");
    if (!hasHeaders && !line.startsWith("MSG")) return payload;
    const end = payload + Number(line.slice(line.lastIndexOf(" ") + 1)) + 2;
    if (end > bytes.length) return -1;
    const subject = line.split(" ", 2)[1] ?? "";
    const number = Number(subject.slice(this.#inbox.length));
    // A header of three digits is a failure: no such key, nobody there.
    const isStatus = hasHeaders && (bytes[payload + "NATS/1.0".length] ?? 0) === SPACE;
    const isError = !hasHeaders && bytes.subarray(payload, end).includes('"error"');
    this.#onAnswer(number, isStatus || isError, bytes.toString("latin1", payload, end));
    return end;
  }

  #onAnswer(low: number, isRefused: boolean, text: string): void {
    const { oldest } = this.#inFlight;
    const number = oldest + ((((low - oldest) % NUMBERS) + NUMBERS) % NUMBERS);
    if (!this.#inFlight.has(number)) throw new Error("an answer that nobody asked for");
    const beganMs = this.#inFlight.beganMs(number);
    if (isRefused) this.#tally.failed(beganMs, `NATS: ${text.trim()}`);
    else this.#tally.finished(this.#inFlight.operation(number), beganMs);
    this.#inFlight.remove(number);
    this.#received.completed += 1;
  }

  giveUp(): void {
    for (const number of this.#inFlight.numbers()) {
      this.#tally.gaveUp(this.#inFlight.operation(number), this.#inFlight.beganMs(number), true);
    }
  }
}
