/**
 * Glob patterns as Redis matches them, byte by byte: ? * [abc] [^a] [a-z] and a
 * backslash before what is meant literally.
 *
 * A pattern is compiled once. Everything but a star takes exactly one byte, so
 * that only the last star ever has to be tried again: matching costs at most
 * pattern times text, whatever the pattern.
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

const ANY_BYTE = new Uint8Array(256).fill(1);

export class Glob {
  /** The bytes every match begins with. */
  readonly prefix: Uint8Array;
  readonly #tokens: readonly Token[];

  constructor(pattern: Uint8Array) {
    this.#tokens = compile(pattern);
    const literals = this.#tokens.findIndex((token) => typeof token !== "number");
    const length = literals < 0 ? this.#tokens.length : literals;
    this.prefix = Uint8Array.from(
      this.#tokens.slice(0, length).filter((token) => typeof token === "number"),
    );
  }

  matches(text: Uint8Array): boolean {
    const tokens = this.#tokens;
    let token = 0;
    let at = 0;
    let lastStar = -1;
    let starTook = 0;
    while (at < text.length) {
      const current = tokens[token];
      if (current === "star") {
        lastStar = token++;
        starTook = at;
      } else if (current !== undefined && takes(current, text[at] ?? 0)) {
        token++;
        at++;
      } else if (lastStar >= 0) {
        // The last star takes one byte more, and what follows it is tried again.
        token = lastStar + 1;
        at = ++starTook;
      } else {
        return false;
      }
    }
    while (tokens[token] === "star") token++;
    return token === tokens.length;
  }
}

function takes(token: number | Uint8Array, byte: number): boolean {
  return typeof token === "number" ? token === byte : token[byte] === 1;
}

function compile(pattern: Uint8Array): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < pattern.length) {
    const byte = pattern[at] ?? 0;
    if (byte === STAR) {
      if (tokens.at(-1) !== "star") tokens.push("star");
      at++;
    } else if (byte === QUESTION) {
      tokens.push(ANY_BYTE);
      at++;
    } else if (byte === OPEN) {
      const { set, end } = compileSet(pattern, at + 1);
      tokens.push(set);
      at = end;
    } else {
      const escaped = byte === BACKSLASH && at + 1 < pattern.length;
      tokens.push(escaped ? (pattern[at + 1] ?? 0) : byte);
      at += escaped ? 2 : 1;
    }
  }
  return tokens;
}

/** The set that begins at `start`, behind its bracket. One that is not closed ends with the pattern. */
function compileSet(
  pattern: Uint8Array,
  start: number,
): { readonly set: Uint8Array; readonly end: number } {
  const negated = pattern[start] === CARET;
  const set = new Uint8Array(256);
  let at = negated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    const left = pattern.length - at;
    if (left >= 2 && pattern[at] === BACKSLASH) {
      set[pattern[at + 1] ?? 0] = 1;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] === DASH) {
      const first = pattern[at] ?? 0;
      const last = pattern[at + 2] ?? 0;
      set.fill(1, Math.min(first, last), Math.max(first, last) + 1);
      at += 3;
    } else {
      set[pattern[at] ?? 0] = 1;
      at++;
    }
  }
  if (negated) for (let byte = 0; byte < 256; byte++) set[byte] = 1 - (set[byte] ?? 0);
  return { set, end: Math.min(at + 1, pattern.length) };
}
