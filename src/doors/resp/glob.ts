/**
 * Glob patterns as Redis matches them, byte by byte: ? * [abc] [^a] [a-z] and a
 * backslash before what is meant literally.
 *
 * A pattern is a row of tokens that take exactly one byte each, with stars between
 * them. All ways to match are followed at once, a bit each: bit i of the state says
 * that i tokens have taken what came so far. A byte moves every bit whose token
 * takes it; a bit before a star stays, too.
 *
 *   pattern  a*b       text    a      x      b
 *   state    1000      0100   0100   0110         bit 2: matched
 *
 * So matching costs a step for each byte and 32 tokens, whatever the pattern.
 */

/** One byte of the text: a literal, or a set of 256 flags; a star: any bytes. */
type Token = number | Uint8Array | "star";

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

const BYTES = 256;
const ANY_BYTE = new Uint8Array(BYTES).fill(1);
/** bits of a word of the state */
const WORD_BITS = 32;

export class Glob {
  /** The bytes every match begins with. */
  readonly prefix: Uint8Array;
  readonly #pattern: Uint8Array;
  /** tokens without the stars */
  readonly #size: number;
  readonly #hasStar: boolean;
  /** made for the first text that is long enough: so it is no larger than that is long */
  #machine: Machine | undefined;

  constructor(pattern: Uint8Array) {
    this.#pattern = pattern;
    let size = 0;
    let hasStar = false;
    let isLiteral = true;
    const prefix: number[] = [];
    for (const token of tokensOf(pattern)) {
      isLiteral &&= typeof token === "number";
      if (token === "star") hasStar = true;
      else size++;
      if (isLiteral && typeof token === "number") prefix.push(token);
    }
    this.prefix = Uint8Array.from(prefix);
    this.#size = size;
    this.#hasStar = hasStar;
  }

  /** Steps that a match of the text takes, at most. */
  stepsFor(text: Uint8Array): number {
    return text.length * wordCount(this.#size);
  }

  matches(text: Uint8Array): boolean {
    if (this.#hasStar ? text.length < this.#size : text.length !== this.#size) return false;
    if (this.#size === 0) return true;
    this.#machine ??= new Machine(this.#pattern, this.#size);
    return this.#machine.matches(text);
  }
}

/** A pattern's tokens, as bits. */
class Machine {
  readonly #size: number;
  readonly #words: number;
  /** by byte: the tokens that take it */
  readonly #takers: Uint32Array;
  /** the bits that stand before a star */
  readonly #stays: Uint32Array;
  readonly #state: Uint32Array;

  constructor(pattern: Uint8Array, size: number) {
    this.#size = size;
    const words = (this.#words = wordCount(size));
    const takers = (this.#takers = new Uint32Array(BYTES * words));
    this.#stays = new Uint32Array(words);
    this.#state = new Uint32Array(words);
    let place = 0;
    for (const token of tokensOf(pattern)) {
      const word = wordOf(place);
      const bit = bitOf(place);
      if (token === "star") {
        this.#stays[word] = (this.#stays[word] ?? 0) | bit;
        continue;
      }
      place++;
      if (typeof token === "number") {
        const at = token * words + word;
        takers[at] = (takers[at] ?? 0) | bit;
        continue;
      }
      for (let byte = 0, at = word; byte < BYTES; byte++, at += words) {
        if (token[byte] === 1) takers[at] = (takers[at] ?? 0) | bit;
      }
    }
  }

  matches(text: Uint8Array): boolean {
    const state = this.#state.fill(0);
    const stays = this.#stays;
    const takers = this.#takers;
    const words = this.#words;
    state[0] = 1;
    for (const byte of text) {
      const row = byte * words;
      let carry = 0;
      let alive = 0;
      for (let word = 0; word < words; word++) {
        const now = state[word] ?? 0;
        const moved = now & (takers[row + word] ?? 0);
        const next = (moved << 1) | carry | (now & (stays[word] ?? 0));
        carry = moved >>> (WORD_BITS - 1);
        state[word] = next;
        alive |= next;
      }
      if (alive === 0) return false;
    }
    return ((state[wordOf(this.#size)] ?? 0) & bitOf(this.#size)) !== 0;
  }
}

/** Words of a state of so many tokens. */
function wordCount(size: number): number {
  return wordOf(size) + 1;
}

function wordOf(place: number): number {
  return Math.floor(place / WORD_BITS);
}

function bitOf(place: number): number {
  return 1 << (place % WORD_BITS);
}

/** A set is valid until the next token is asked for. */
function* tokensOf(pattern: Uint8Array): Generator<Token, void> {
  const set = new Uint8Array(BYTES);
  let at = 0;
  while (at < pattern.length) {
    const byte = pattern[at] ?? 0;
    if (byte === STAR) {
      yield "star";
      at++;
    } else if (byte === QUESTION) {
      yield ANY_BYTE;
      at++;
    } else if (byte === OPEN) {
      at = readSet(pattern, at + 1, set);
      yield set;
    } else {
      const escaped = byte === BACKSLASH && at + 1 < pattern.length;
      yield escaped ? (pattern[at + 1] ?? 0) : byte;
      at += escaped ? 2 : 1;
    }
  }
}

/**
 * Reads the set that begins at `start`, behind its bracket. One that is not closed
 * ends with the pattern. @returns where it ends
 */
function readSet(pattern: Uint8Array, start: number, set: Uint8Array): number {
  const negated = pattern[start] === CARET;
  const named = negated ? 0 : 1;
  set.fill(1 - named);
  let at = negated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    const left = pattern.length - at;
    if (left >= 2 && pattern[at] === BACKSLASH) {
      set[pattern[at + 1] ?? 0] = named;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] === DASH) {
      const first = pattern[at] ?? 0;
      const last = pattern[at + 2] ?? 0;
      set.fill(named, Math.min(first, last), Math.max(first, last) + 1);
      at += 3;
    } else {
      set[pattern[at] ?? 0] = named;
      at++;
    }
  }
  return Math.min(at + 1, pattern.length);
}
