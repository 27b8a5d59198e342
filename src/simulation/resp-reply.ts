/** Replies of RESP2 as a client reads them, from bytes that come in any pieces. */

export type Reply =
  | { readonly kind: "status"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "bulk"; readonly text: string }
  /** a bulk or an array that is none */
  | { readonly kind: "nothing" }
  | { readonly kind: "array"; readonly items: readonly Reply[] };

const CR = 0x0d;

interface Parsed {
  readonly reply: Reply;
  /** behind it */
  readonly end: number;
}

export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next whole reply, in order; undefined: it has not come yet. @throws {Error} on bytes that are none */
  next(): Reply | undefined {
    const parsed = parse(this.#bytes, 0);
    if (parsed === undefined) return undefined;
    this.#bytes = this.#bytes.subarray(parsed.end);
    return parsed.reply;
  }
}

function parse(bytes: Buffer, start: number): Parsed | undefined {
  const lineEnd = bytes.indexOf(CR, start);
  if (lineEnd < 0 || bytes.length < lineEnd + 2) return undefined;
  const text = bytes.toString("latin1", start + 1, lineEnd);
  const end = lineEnd + 2;
  const sign = String.fromCharCode(bytes[start] ?? 0);
  switch (sign) {
    case "+":
      return { reply: { kind: "status", text }, end };
    case "-":
      return { reply: { kind: "error", text }, end };
    case ":":
      return { reply: { kind: "number", text }, end };
    case "$":
      return parseBulk(bytes, Number(text), end);
    case "*":
      return parseArray(bytes, Number(text), end);
    default:
      throw new Error(`resp: a reply begins with ${JSON.stringify(sign)}`);
  }
}

function parseBulk(bytes: Buffer, size: number, start: number): Parsed | undefined {
  if (size < 0) return { reply: { kind: "nothing" }, end: start };
  const end = start + size + 2;
  if (bytes.length < end) return undefined;
  return { reply: { kind: "bulk", text: bytes.toString("latin1", start, start + size) }, end };
}

function parseArray(bytes: Buffer, count: number, start: number): Parsed | undefined {
  if (count < 0) return { reply: { kind: "nothing" }, end: start };
  const items: Reply[] = [];
  let end = start;
  while (items.length < count) {
    const parsed = parse(bytes, end);
    if (parsed === undefined) return undefined;
    items.push(parsed.reply);
    ({ end } = parsed);
  }
  return { reply: { kind: "array", items }, end };
}
