/** SET and GET in RESP, from one template whose key digits are written in place. */
import type { KeyChooser, Protocol, Stopwatch } from "./pipeline.js";
import { KEY_DIGITS, KEY_PREFIX, writeDigits, type Operation } from "./operation.js";

const CARRIAGE_RETURN = 0x0d;
const MINUS = 0x2d;
const DOLLAR = 0x24;
const NULL_LENGTH = -1;

export class RespProtocol implements Protocol {
  readonly preface = Buffer.alloc(0);
  readonly #template: Buffer;
  readonly #digitsAt: number;
  readonly #stopwatch: Stopwatch;
  /** when the requests in flight began; answers come in their order */
  #began: number[] = [];
  #beganAt = 0;
  #rest: Buffer = Buffer.alloc(0);
  errors = 0;

  constructor(operation: Operation, value: Buffer, stopwatch: Stopwatch) {
    const key = KEY_PREFIX + "0".repeat(KEY_DIGITS);
    const words: readonly (string | Buffer)[] =
      operation === "write" ? ["SET", key, value] : ["GET", key];
    const parts = words.map((word) =>
      Buffer.concat([Buffer.from(`$${word.length}\r\n`), Buffer.from(word), Buffer.from("\r\n")]),
    );
    this.#template = Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
    this.#digitsAt = this.#template.indexOf(KEY_PREFIX) + KEY_PREFIX.length;
    this.#stopwatch = stopwatch;
  }

  requests(count: number, keys: KeyChooser): Buffer {
    const size = this.#template.length;
    const bytes = Buffer.allocUnsafe(size * count);
    for (let at = 0; at < count; at += 1) {
      this.#template.copy(bytes, at * size);
      writeDigits(bytes, at * size + this.#digitsAt, keys());
      this.#began.push(this.#stopwatch.nowMs);
    }
    return bytes;
  }

  receive(chunk: Buffer): { readonly completed: number; readonly reply: undefined } {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let offset = 0;
    let completed = 0;
    for (;;) {
      const end = this.#answerEnd(bytes, offset);
      if (end === undefined) break;
      offset = end;
      completed += 1;
      this.#stopwatch.finished(this.#began[this.#beganAt] ?? 0);
      this.#beganAt += 1;
    }
    if (this.#beganAt > 4096) {
      this.#began = this.#began.slice(this.#beganAt);
      this.#beganAt = 0;
    }
    this.#rest = bytes.subarray(offset);
    return { completed, reply: undefined };
  }

  /** Where the answer at `offset` ends; undefined when it is not whole yet. */
  #answerEnd(bytes: Buffer, offset: number): number | undefined {
    const lineEnd = bytes.indexOf(CARRIAGE_RETURN, offset);
    if (lineEnd < 0 || lineEnd + 2 > bytes.length) return undefined;
    const kind = bytes[offset];
    if (kind !== DOLLAR) {
      if (kind === MINUS) this.errors += 1;
      return lineEnd + 2;
    }
    const length = Number(bytes.toString("latin1", offset + 1, lineEnd));
    if (length === NULL_LENGTH) {
      this.errors += 1; // every key was written before it is read
      return lineEnd + 2;
    }
    const end = lineEnd + 2 + length + 2;
    return end > bytes.length ? undefined : end;
  }
}
