/**
 * Inline requests: words as a person types them, with Redis' quoting. In double
 * quotes a backslash begins \n \r \t \b \a \xHH or makes the next byte literal; in
 * single quotes only \' is special. A closing quote ends its word.
 */

const SPACES = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x00]);
const DOUBLE = 0x22;
const SINGLE = 0x27;
const BACKSLASH = 0x5c;
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a], // n
  [0x72, 0x0d], // r
  [0x74, 0x09], // t
  [0x62, 0x08], // b
  [0x61, 0x07], // a
]);

interface Word {
  readonly word: Buffer;
  /** offset behind it */
  readonly end: number;
}

/** The words of `line`, or undefined when a quote is not closed or not followed by a space. */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at])) at++;
    if (at >= line.length) return words;
    const read = readWord(line, at);
    if (read === undefined) return undefined;
    words.push(read.word);
    at = read.end;
  }
}

function readWord(line: Buffer, start: number): Word | undefined {
  const word: number[] = [];
  let at = start;
  while (at < line.length && !isSpace(line[at])) {
    const byte = line[at] ?? 0;
    if (byte !== DOUBLE && byte !== SINGLE) {
      word.push(byte);
      at++;
      continue;
    }
    const end = byte === DOUBLE ? readDouble(line, at + 1, word) : readSingle(line, at + 1, word);
    if (end === undefined || (end < line.length && !isSpace(line[end]))) return undefined;
    return { word: Buffer.from(word), end };
  }
  return { word: Buffer.from(word), end: at };
}

/** Adds the bytes up to the closing quote to `word`; the offset behind it. */
function readDouble(line: Buffer, start: number, word: number[]): number | undefined {
  let at = start;
  while (at < line.length) {
    const byte = line[at] ?? 0;
    if (byte === DOUBLE) return at + 1;
    if (byte !== BACKSLASH || at + 1 >= line.length) {
      word.push(byte);
      at++;
      continue;
    }
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(line.toString("latin1", at, at + 4));
    if (hex !== null) {
      word.push(parseInt(hex[1] ?? "", 16));
      at += 4;
    } else {
      const escaped = line[at + 1] ?? 0;
      word.push(ESCAPES.get(escaped) ?? escaped);
      at += 2;
    }
  }
  return undefined;
}

/** Adds the bytes up to the closing quote to `word`; the offset behind it. */
function readSingle(line: Buffer, start: number, word: number[]): number | undefined {
  let at = start;
  while (at < line.length) {
    const byte = line[at] ?? 0;
    if (byte === SINGLE) return at + 1;
    if (byte === BACKSLASH && line[at + 1] === SINGLE) {
      word.push(SINGLE);
      at += 2;
    } else {
      word.push(byte);
      at++;
    }
  }
  return undefined;
}

function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && SPACES.has(byte);
}
