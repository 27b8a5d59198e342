/**
 * Which rows of a log are wanted: by index, term, key, kind and request. All of
 * what is given must hold.
 */
import type { Row } from "../codec/block.js";
import { ROW_KINDS } from "../codec/schema.js";
import { usageError } from "./failure.js";
import { kindOf } from "./log-lines.js";
import { bufferOf } from "./text.js";

/** Both ends included. */
interface Span {
  readonly first: number;
  readonly last: number;
}

export interface FilterFlags {
  readonly index: string | undefined;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly term: string | undefined;
  readonly key: string | undefined;
  readonly kind: readonly string[] | undefined;
  readonly request: string | undefined;
}

export interface LogFilter {
  /** No entry outside is wanted: where reading begins and ends. */
  readonly indexes: Span;
  /** No entry of a later term is wanted, and terms do not decrease. */
  readonly lastTerm: number;
  wants(row: Row): boolean;
}

const ALL: Span = { first: 1, last: Infinity };
const KINDS: ReadonlySet<string> = new Set(ROW_KINDS.map(kindOf));

/** @throws {CommandError} usage */
export function logFilterOf(flags: FilterFlags): LogFilter {
  const { request } = flags;
  const indexes = indexesOf(flags);
  const terms = flags.term === undefined ? ALL : parseSpan(flags.term, "--term");
  const kinds = flags.kind === undefined ? undefined : kindsOf(flags.kind);
  const matches = flags.key === undefined ? undefined : keyMatcher(flags.key);
  if (request !== undefined && !/^[0-9a-fA-F]{32}$/.test(request)) {
    throw usageError(
      "--request is not 32 hex digits",
      "the request id as it was printed with the failure",
    );
  }
  const id = request?.toLowerCase();
  return {
    indexes,
    lastTerm: terms.last,
    wants: (row) =>
      isWithin(row.index, indexes) &&
      isWithin(row.term, terms) &&
      (kinds?.has(kindOf(row.kind)) ?? true) &&
      (matches?.(row) ?? true) &&
      (id === undefined || bufferOf(row.request).toString("hex") === id),
  };
}

function isWithin(number: number, { first, last }: Span): boolean {
  return number >= first && number <= last;
}

function indexesOf({ index, from, to }: FilterFlags): Span {
  if (index === undefined) {
    const span = { first: from ?? ALL.first, last: to ?? ALL.last };
    if (span.last >= span.first) return span;
    throw usageError(`--from ${span.first} lies behind --to ${span.last}`, "--from 10 --to 20");
  }
  if (from === undefined && to === undefined) return parseSpan(index, "--index");
  throw usageError("--index stands for --from and --to", "--index 10..20");
}

/** `7`, `5..9`, `5..`, `..9`. @throws {CommandError} usage */
export function parseSpan(text: string, flag: string): Span {
  const match = /^(?:(\d{1,16})|(\d{1,16})?\.\.(\d{1,16})?)$/.exec(text);
  const [one, first, last] = [match?.[1], match?.[2], match?.[3]].map((part) =>
    part === undefined ? undefined : Number(part),
  );
  const span = one === undefined ? { ...ALL } : { first: one, last: one };
  const found = { first: first ?? span.first, last: last ?? span.last };
  const isSpan = match !== null && text !== ".." && found.first >= 1 && found.last >= found.first;
  if (isSpan) return found;
  throw usageError(
    `${flag} "${text}" is no range of numbers from 1 on`,
    `${flag} 7, or 5..9, or 5..`,
  );
}

function kindsOf(texts: readonly string[]): ReadonlySet<string> {
  const kinds = texts.flatMap((text) => text.split(",")).map((text) => text.trim().toLowerCase());
  const stranger = kinds.find((kind) => !KINDS.has(kind));
  if (stranger === undefined) return new Set(kinds);
  throw usageError(`--kind "${stranger}" is none that a log holds`, [...KINDS].join(", "));
}

/**
 * A key, or with a trailing star all keys that begin so (`\*` at the end is a star
 * itself). A range counts when the key, or one that begins so, may lie in it.
 */
function keyMatcher(text: string): (row: Row) => boolean {
  const isPrefix = text.endsWith("*") && !text.endsWith("\\*");
  const wanted = Buffer.from(isPrefix ? text.slice(0, -1) : text.replace(/\\\*$/, "*"));
  return ({ kind, key, value }) => {
    if (kind === "deleteRange") return mayHold(key, value, wanted, isPrefix);
    if (KEYLESS.has(kind)) return false;
    const bytes = bufferOf(key);
    return isPrefix ? bytes.subarray(0, wanted.length).equals(wanted) : bytes.equals(wanted);
  };
}

/** Kinds whose rows name no key. */
const KEYLESS: ReadonlySet<string> = new Set([
  ...["noop", "config", "session", "each", "otherwise", "expiry", "grantLease", "keepLease"],
  ...["revokeLease", "openSession", "keepSession", "closeSession", "begin", "stage", "savepoint"],
  ...["rollbackTo", "commit", "rollback", "compact", "expire"],
]);

/** Whether [from, end) holds the key, or may hold one that begins so; an empty end is no bound. */
function mayHold(from: Uint8Array, end: Uint8Array, wanted: Buffer, isPrefix: boolean): boolean {
  const isBelowEnd = end.length === 0 || Buffer.compare(wanted, end) < 0;
  if (!isPrefix) return isBelowEnd && Buffer.compare(wanted, from) >= 0;
  // Keys that begin so are those from `wanted` on, up to the first that does not.
  const start = bufferOf(from).subarray(0, wanted.length);
  return isBelowEnd && Buffer.compare(wanted, start) >= 0;
}
