/**
 * The requests of RESP, from bytes that come in any pieces and may be hostile.
 *
 *   request   := multibulk | inline
 *   multibulk := "*" count CRLF bulk*               count <= 0: nothing
 *   bulk      := "$" size CRLF byte[size] CRLF
 *   inline    := word* LF                           words may be quoted, as in redis-cli
 *
 * Every size is checked before anything waits for it or is made for it. Bytes are
 * joined only when what they belong to is complete, so that a large value that
 * comes in small pieces costs one copy. After a fault nothing more is read: where
 * the next request would begin is not known.
 */
import { splitInline } from "./inline.js";

interface ParserLimits {
  /** bytes of one argument */
  readonly bulkSizeMax: number;
  /** bytes of all arguments of one request */
  readonly requestSizeMax: number;
}

type ParserStep =
  | { readonly kind: "request"; readonly args: readonly Buffer[]; readonly size: number }
  /** what is missing has not come yet */
  | { readonly kind: "more" }
  /** in Redis' words, without "ERR Protocol error: " */
  | { readonly kind: "fault"; readonly reason: string };

/** Redis' limits. */
const ARG_COUNT_MAX = 1024 * 1024;
const LINE_SIZE_MAX = 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

const MORE: ParserStep = { kind: "more" };
const EMPTY = Buffer.alloc(0);
/** A count line has at most this many bytes between its sign and CRLF: int64's digits. */
const COUNT_DIGITS_MAX = 20;

export class RequestParser {
  readonly #limits: ParserLimits;
  /** What is being read, from `#at` on. */
  #bytes: Buffer = EMPTY;
  #at = 0;
  /** What came after `#bytes` and was not worth joining yet. */
  #later: Buffer[] = [];
  #laterSize = 0;
  /** How many bytes from `#at` on are needed before it is worth looking again; 0: those to `#lineEnd`. */
  #needed = 1;
  #lineEnd = LF;
  /** Arguments still to come of the multibulk under way; 0 when none is. */
  #argsLeft = 0;
  #args: Buffer[] = [];
  #argsSize = 0;
  /** Size of the bulk under way, or -1 when its header has not been read. */
  #bulkSize = -1;
  #fault: ParserStep | undefined;

  constructor(limits: ParserLimits) {
    this.#limits = limits;
  }

  /** whether the beginning of a request is held */
  get partial(): boolean {
    return this.#argsLeft > 0 || this.#heldSize > 0;
  }

  get #heldSize(): number {
    return this.#bytes.length - this.#at + this.#laterSize;
  }

  /** Adds bytes; views of them are handed out. */
  push(chunk: Buffer): void {
    if (this.#fault !== undefined) return;
    if (this.#at === this.#bytes.length && this.#laterSize === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      return;
    }
    this.#later.push(chunk);
    this.#laterSize += chunk.length;
  }

  /** The next complete request, in order. Call until it says "more". */
  next(): ParserStep {
    if (this.#fault !== undefined) return this.#fault;
    for (;;) {
      if (!this.#gather()) return MORE;
      const step = this.#argsLeft > 0 ? this.#readBulk() : this.#readStart();
      if (step === undefined) continue;
      if (step.kind === "fault") this.#stop(step);
      return step;
    }
  }

  /** Joins what came, when it may complete what is waited for. Answers whether it does. */
  #gather(): boolean {
    if (this.#heldSize === 0) {
      // An idle connection keeps no chunk alive.
      this.#bytes = EMPTY;
      this.#at = 0;
    }
    if (this.#needed > 0 ? this.#heldSize < this.#needed : this.#lineIsOpen()) return false;
    if (this.#laterSize > 0) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#later]);
      this.#at = 0;
      this.#later = [];
      this.#laterSize = 0;
    }
    this.#needed = 1;
    return true;
  }

  /** Whether the line under way cannot have ended and is not yet too long. */
  #lineIsOpen(): boolean {
    return (
      this.#heldSize <= LINE_SIZE_MAX && !this.#later.some((chunk) => chunk.includes(this.#lineEnd))
    );
  }

  #readStart(): ParserStep | undefined {
    if (this.#bytes[this.#at] !== ASTERISK) return this.#readInline();
    const line = this.#line();
    if (line === "more") return MORE;
    if (line === "too-long") return fault("too big mbulk count string");
    const count = countOf(line);
    if (count === undefined || count > ARG_COUNT_MAX) return fault("invalid multibulk length");
    if (count > 0) {
      this.#argsLeft = count;
      this.#args = [];
      this.#argsSize = 0;
    }
    return undefined;
  }

  #readBulk(): ParserStep | undefined {
    if (this.#bulkSize < 0) {
      const first = this.#bytes[this.#at] ?? 0;
      if (first !== DOLLAR) {
        return fault(`expected '$', got '${String.fromCharCode(first)}'`);
      }
      const line = this.#line();
      if (line === "more") return MORE;
      if (line === "too-long") return fault("too big bulk count string");
      const size = countOf(line);
      if (size === undefined || size < 0 || size > this.#limits.bulkSizeMax) {
        return fault("invalid bulk length");
      }
      if (this.#argsSize + size > this.#limits.requestSizeMax) return fault("invalid bulk length");
      this.#bulkSize = size;
    }
    const end = this.#at + this.#bulkSize;
    if (this.#bytes.length < end + 2) {
      this.#needed = this.#bulkSize + 2;
      return MORE;
    }
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) {
      return fault("expected CRLF after bulk");
    }
    this.#args.push(this.#bulkSize === 0 ? EMPTY : this.#bytes.subarray(this.#at, end));
    this.#argsSize += this.#bulkSize;
    this.#at = end + 2;
    this.#bulkSize = -1;
    this.#argsLeft--;
    if (this.#argsLeft > 0) return undefined;
    const args = this.#args;
    this.#args = [];
    return { kind: "request", args, size: this.#argsSize };
  }

  #readInline(): ParserStep | undefined {
    const end = this.#bytes.indexOf(LF, this.#at);
    if (end < 0) {
      if (this.#bytes.length - this.#at > LINE_SIZE_MAX) return fault("too big inline request");
      this.#needed = 0;
      this.#lineEnd = LF;
      return MORE;
    }
    if (end - this.#at > LINE_SIZE_MAX) return fault("too big inline request");
    const hasReturn = end > this.#at && this.#bytes[end - 1] === CR;
    const line = this.#bytes.subarray(this.#at, hasReturn ? end - 1 : end);
    const args = splitInline(line);
    if (args === undefined) return fault("unbalanced quotes in request");
    this.#at = end + 1;
    return args.length === 0 ? undefined : { kind: "request", args, size: line.length };
  }

  /** The count line at hand without its first byte and CRLF; moves behind it. */
  #line(): Buffer | "more" | "too-long" {
    const start = this.#at + 1;
    const end = this.#bytes.indexOf(CR, start);
    if (end < 0 || end + 1 >= this.#bytes.length) {
      if (this.#bytes.length - start > LINE_SIZE_MAX) return "too-long";
      this.#needed = end < 0 ? 0 : end + 2 - this.#at;
      this.#lineEnd = CR;
      return "more";
    }
    this.#at = end + 2;
    return this.#bytes.subarray(start, end);
  }

  #stop(step: ParserStep): void {
    this.#fault = step;
    this.#bytes = EMPTY;
    this.#at = 0;
    this.#later = [];
    this.#laterSize = 0;
    this.#args = [];
    this.#argsLeft = 0;
  }
}

function fault(reason: string): ParserStep {
  return { kind: "fault", reason };
}

/** Decimal, a minus allowed, nothing else; undefined when it is no such number. */
function countOf(line: Buffer): number | undefined {
  const negative = line[0] === MINUS;
  const start = negative ? 1 : 0;
  if (line.length === start || line.length - start > COUNT_DIGITS_MAX) return undefined;
  if (line[start] === ZERO && line.length > 1) return undefined;
  let count = 0;
  for (let i = start; i < line.length; i++) {
    const digit = line[i] ?? 0;
    if (digit < ZERO || digit > NINE) return undefined;
    count = count * 10 + (digit - ZERO);
  }
  return negative ? -count : count;
}
