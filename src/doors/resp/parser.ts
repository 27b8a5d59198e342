/**
 * The requests of RESP, from bytes that come in any pieces and may be hostile.
 *
 *   request   := multibulk | inline
 *   multibulk := "*" count CRLF bulk*               count <= 0: nothing
 *   bulk      := "$" size CRLF byte[size] CRLF
 *   inline    := word* LF                           words may be quoted, as in redis-cli
 *
 * GET of a key and SET of a key to a value, which nearly all requests are, are known
 * by their bytes: `nextPlain` tells where key and value lie, and makes nothing.
 *
 * Every size is checked before anything waits for it or is made for it. Bytes are
 * joined only when what they belong to is complete, so that a large value costs one
 * copy, and are looked at once for the end of a line, so that what drips in costs no
 * more than what comes at once (pieces.ts). After a fault nothing more is read: where
 * the next request would begin is not known.
 */
import { COMMAND_OVERHEAD_SIZE } from "../../store/limits.js";
import { splitInline } from "./inline.js";
import { Pieces } from "./pieces.js";

interface ParserLimits {
  /** bytes of one argument */
  readonly bulkSizeMax: number;
  /** bytes of all arguments of one request, and ARG_OVERHEAD_SIZE for each */
  readonly requestSizeMax: number;
}

type ParserStep =
  | {
      readonly kind: "request";
      readonly args: readonly Buffer[];
      /** bytes that it holds in memory, about */
      readonly size: number;
    }
  /** what is missing has not come yet */
  | { readonly kind: "more" }
  /** in Redis' words, without "ERR Protocol error: " */
  | { readonly kind: "fault"; readonly reason: string };

/** Redis' limit. */
const LINE_SIZE_MAX = 64 * 1024;
/**
 * Counted beside the bytes of an argument: what tiny ones cost is bounded too. Half of
 * what the store counts for a put, which has two: what may be stored may be said.
 */
const ARG_OVERHEAD_SIZE = COMMAND_OVERHEAD_SIZE / 2;
/** Bytes of memory that an argument costs beside its own. */
const ARG_MEMORY_SIZE = 112;

const LF = 0x0a;
const CR = 0x0d;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** GET and SET as nearly all clients write them: the count, and the name behind its size. */
const GET_COUNT = 0x32;
const SET_COUNT = 0x33;
const NAME_SIZE = 3;
const NAME_DIGIT = 0x33;
/** Bytes in front of a plain request's key. */
const PLAIN_HEAD_SIZE = 13;
/** Bytes of the shortest plain request. */
const PLAIN_SIZE_MIN = 20;
/** A letter with this bit set is lower case. */
const LOWER = 0x20;
const LOWER_E = 0x65;
const LOWER_G = 0x67;
const LOWER_S = 0x73;
const LOWER_T = 0x74;
/** Beyond so many digits a size is left to the strict reader. */
const PLAIN_DIGITS_MAX = 8;

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
  readonly #later = new Pieces();
  /** How many bytes from `#at` on are needed before it is worth looking again; 0: those to `#lineEnd`. */
  #needed = 1;
  #lineEnd = LF;
  /** Whether `#lineEnd` is among what came later. */
  #lineHasEnded = false;
  /** Arguments still to come of the multibulk under way; 0 when none is. */
  #argsLeft = 0;
  #args: Buffer[] = [];
  /** theirs and what is counted beside them, of those to come too */
  #argsSize = 0;
  #keyStart = 0;
  #keySize = 0;
  #valueStart = 0;
  #valueSize = 0;
  #bulkStart = 0;
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
    return this.#bytes.length - this.#at + this.#later.size;
  }

  /** Adds bytes; views of them are handed out. */
  push(chunk: Buffer): void {
    if (this.#fault !== undefined) return;
    if (this.#at === this.#bytes.length && this.#later.size === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      return;
    }
    if (this.#needed === 0) this.#lineHasEnded ||= chunk.includes(this.#lineEnd);
    this.#later.add(chunk);
  }

  /** What the last `nextPlain` found; for as long as the chunk it came in. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get keyStart(): number {
    return this.#keyStart;
  }

  get keySize(): number {
    return this.#keySize;
  }

  get valueStart(): number {
    return this.#valueStart;
  }

  get valueSize(): number {
    return this.#valueSize;
  }

  /** Takes the next request if it is a whole plain one; anything else is left to `next`. */
  nextPlain(): "get" | "set" | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    if (this.#argsLeft > 0 || bytes.length - at < PLAIN_SIZE_MIN) return undefined;
    const count = bytes[at + 1];
    const isFramed =
      bytes[at] === ASTERISK &&
      bytes[at + 2] === CR &&
      bytes[at + 3] === LF &&
      bytes[at + 4] === DOLLAR &&
      bytes[at + 5] === NAME_DIGIT &&
      bytes[at + 6] === CR &&
      bytes[at + 7] === LF &&
      bytes[at + 11] === CR &&
      bytes[at + 12] === LF;
    if (!isFramed || !isNameEnd(bytes[at + 9], bytes[at + 10])) return undefined;
    const first = (bytes[at + 8] ?? 0) | LOWER;
    const isGet = count === GET_COUNT && first === LOWER_G;
    if (!isGet && (count !== SET_COUNT || first !== LOWER_S)) return undefined;
    const keyEnd = this.#plainKey(at);
    const end = isGet || keyEnd < 0 ? keyEnd : this.#plainValue(keyEnd);
    if (end < 0) return undefined;
    if (this.plainSize > this.#limits.requestSizeMax) return undefined;
    this.#at = end;
    return isGet ? "get" : "set";
  }

  /** bytes of the plain request's arguments */
  get plainSize(): number {
    return NAME_SIZE + this.#keySize + this.#valueSize;
  }

  /** The key of the plain request at `at`. @returns the offset behind it, or -1 */
  #plainKey(at: number): number {
    const end = this.#plainBulk(at + PLAIN_HEAD_SIZE);
    this.#keyStart = this.#bulkStart;
    this.#keySize = end - 2 - this.#bulkStart;
    this.#valueSize = 0;
    return end < 0 || this.#keySize === 0 ? -1 : end;
  }

  #plainValue(at: number): number {
    const end = this.#plainBulk(at);
    this.#valueStart = this.#bulkStart;
    this.#valueSize = end - 2 - this.#bulkStart;
    return end;
  }

  /** Reads a whole bulk at `at`; its bytes are from `#bulkStart` to two before the offset returned, or -1. */
  #plainBulk(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== DOLLAR) return -1;
    let place = at + 1;
    let size = 0;
    for (const digitsEnd = place + PLAIN_DIGITS_MAX; place < digitsEnd; place++) {
      const digit = (bytes[place] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) break;
      size = size * 10 + digit;
    }
    const digits = place - at - 1;
    if (digits === 0 || (digits > 1 && bytes[at + 1] === ZERO)) return -1;
    const start = place + 2;
    const end = start + size + 2;
    const isWhole =
      end <= bytes.length &&
      size <= this.#limits.bulkSizeMax &&
      bytes[place] === CR &&
      bytes[place + 1] === LF &&
      bytes[end - 2] === CR &&
      bytes[end - 1] === LF;
    if (!isWhole) return -1;
    this.#bulkStart = start;
    return end;
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
    if (this.#later.size > 0) {
      this.#bytes = this.#later.takeBehind(this.#bytes.subarray(this.#at));
      this.#at = 0;
    }
    this.#needed = 1;
    return true;
  }

  /** Whether the line under way cannot have ended and is not yet too long. */
  #lineIsOpen(): boolean {
    return this.#heldSize <= LINE_SIZE_MAX && !this.#lineHasEnded;
  }

  #readStart(): ParserStep | undefined {
    if (this.#bytes[this.#at] !== ASTERISK) return this.#readInline();
    const line = this.#line();
    if (line === "more") return MORE;
    if (line === "too-long") return fault("too big mbulk count string");
    const count = countOf(line);
    if (count === undefined) return fault("invalid multibulk length");
    const overheadSize = count * ARG_OVERHEAD_SIZE;
    if (overheadSize > this.#limits.requestSizeMax) return fault("invalid multibulk length");
    if (count > 0) {
      this.#argsLeft = count;
      this.#args = [];
      this.#argsSize = overheadSize;
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
    const bytesSize = this.#argsSize - args.length * ARG_OVERHEAD_SIZE;
    return { kind: "request", args, size: heldSize(bytesSize, args.length) };
  }

  #readInline(): ParserStep | undefined {
    const end = this.#bytes.indexOf(LF, this.#at);
    if (end < 0) {
      if (this.#bytes.length - this.#at > LINE_SIZE_MAX) return fault("too big inline request");
      this.#awaitLine(LF);
      return MORE;
    }
    if (end - this.#at > LINE_SIZE_MAX) return fault("too big inline request");
    const hasReturn = end > this.#at && this.#bytes[end - 1] === CR;
    const line = this.#bytes.subarray(this.#at, hasReturn ? end - 1 : end);
    const args = splitInline(line);
    if (args === undefined) return fault("unbalanced quotes in request");
    this.#at = end + 1;
    if (args.length === 0) return undefined;
    return { kind: "request", args, size: heldSize(line.length, args.length) };
  }

  /** The count line at hand without its first byte and CRLF; moves behind it. */
  #line(): Buffer | "more" | "too-long" {
    const start = this.#at + 1;
    const end = this.#bytes.indexOf(CR, start);
    if (end < 0 || end + 1 >= this.#bytes.length) {
      if (this.#bytes.length - start > LINE_SIZE_MAX) return "too-long";
      if (end < 0) this.#awaitLine(CR);
      else this.#needed = end + 2 - this.#at;
      return "more";
    }
    this.#at = end + 2;
    return this.#bytes.subarray(start, end);
  }

  /** There is no use in looking again before this byte has come, or too many others. */
  #awaitLine(end: number): void {
    this.#needed = 0;
    this.#lineEnd = end;
    this.#lineHasEnded = false;
  }

  #stop(step: ParserStep): void {
    this.#fault = step;
    this.#bytes = EMPTY;
    this.#at = 0;
    this.#later.clear();
    this.#args = [];
    this.#argsLeft = 0;
  }
}

/** "ET", in either case. */
function isNameEnd(second: number | undefined, third: number | undefined): boolean {
  return ((second ?? 0) | LOWER) === LOWER_E && ((third ?? 0) | LOWER) === LOWER_T;
}

/** @param bytesSize of all arguments together */
function heldSize(bytesSize: number, argCount: number): number {
  return bytesSize + argCount * ARG_MEMORY_SIZE;
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
