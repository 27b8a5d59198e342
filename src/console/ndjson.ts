/**
 * NDJSON of keys and values: what `kv dump` writes and `kv load` reads.
 *
 *   record := {"key": text | "keyBase64": base64, "value": text | "valueBase64": base64, …}
 *
 * One record a line; empty lines and further fields are passed over. Reading is
 * streaming: no more than one line is ever held, and a line is bounded.
 */
import { isUtf8 } from "node:buffer";
import { bytesField } from "./text.js";

/** A line that is not a record. `lineNumber` is 1-based. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly lineNumber: number;
  constructor(lineNumber: number, reason: string) {
    super(`line ${lineNumber}: ${reason}`);
    this.lineNumber = lineNumber;
  }
}

export interface LoadRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 1-based */
  readonly lineNumber: number;
}

/** A value of 1 MiB whose every byte is written as a six-character escape, and a key, fit. */
const LINE_SIZE_MAX = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** A line's end must be valid base64 with the padding in place, or none. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** One record as a line, without its end. */
export function formatRecord(key: Uint8Array, value: Uint8Array): string {
  return JSON.stringify({ ...bytesField("key", key), ...bytesField("value", value) });
}

/** @throws {RecordError} */
export async function* readRecords(
  chunks: AsyncIterable<Uint8Array>,
  lineSizeMax = LINE_SIZE_MAX,
): AsyncGenerator<LoadRecord> {
  let lineNumber = 0;
  for await (const line of readLines(chunks, lineSizeMax)) {
    lineNumber += 1;
    const record = parseRecord(line, lineNumber);
    if (record !== undefined) yield record;
  }
}

/** Undefined for an empty line. @throws {RecordError} */
function parseRecord(line: Uint8Array, lineNumber: number): LoadRecord | undefined {
  if (!isUtf8(line)) throw new RecordError(lineNumber, "is not UTF-8");
  const withoutMark = lineNumber === 1 ? withoutByteOrderMark(line) : line;
  const text = Buffer.from(withoutMark).toString("utf8").trim();
  if (text === "") return undefined;
  const fields = parseObject(text, lineNumber);
  const key = readField(fields, "key", lineNumber);
  const value = readField(fields, "value", lineNumber);
  return { key, value, lineNumber };
}

function parseObject(text: string, lineNumber: number): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll("\n", " ") : "";
    throw new RecordError(lineNumber, `is not JSON (${reason})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new RecordError(lineNumber, 'is not an object; expected {"key": …, "value": …}');
  }
  return parsed as Readonly<Record<string, unknown>>;
}

function readField(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  lineNumber: number,
): Uint8Array {
  const text = fields[name];
  const base64 = fields[`${name}Base64`];
  if (text !== undefined && base64 !== undefined) {
    throw new RecordError(lineNumber, `has both "${name}" and "${name}Base64"`);
  }
  if (base64 !== undefined) {
    if (typeof base64 !== "string" || !BASE64.test(base64)) {
      throw new RecordError(lineNumber, `"${name}Base64" is not base64`);
    }
    return Buffer.from(base64, "base64");
  }
  if (typeof text !== "string") {
    const found = text === undefined ? "has no" : "has a non-text";
    throw new RecordError(lineNumber, `${found} "${name}" (or "${name}Base64")`);
  }
  if (LONE_SURROGATE.test(text)) {
    throw new RecordError(lineNumber, `"${name}" holds half a character, which no bytes stand for`);
  }
  return Buffer.from(text, "utf8");
}

function withoutByteOrderMark(line: Uint8Array): Uint8Array {
  return line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line;
}

/** Lines without their ends; the last needs none. Yields views that live until the next one is asked for. */
async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  lineSizeMax: number,
): AsyncGenerator<Uint8Array> {
  let started: Uint8Array[] = [];
  let startedSize = 0;
  let lineCount = 0;
  const grow = (part: Uint8Array): void => {
    started.push(part);
    startedSize += part.length;
    if (startedSize > lineSizeMax) {
      throw new RecordError(lineCount + 1, `is longer than ${lineSizeMax} bytes`);
    }
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      grow(chunk.subarray(start, end));
      yield started.length === 1 ? (started[0] ?? chunk) : Buffer.concat(started, startedSize);
      started = [];
      startedSize = 0;
      lineCount += 1;
      start = end + 1;
    }
    if (start < chunk.length) grow(chunk.subarray(start));
  }
  if (startedSize > 0) yield Buffer.concat(started, startedSize);
}
