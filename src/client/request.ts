/**
 * What a user says to a Database, as requests of the store, and what the store
 * answers, as results for a user. Shared by the embedded and the remote Database,
 * so that both mean the same.
 *
 * Bytes are copied both ways: a user may do with his arrays as he likes, and the
 * store's are never in his hands.
 */
import type { KeyRange } from "../node/service.js";
import type {
  BatchOperation,
  BatchResult,
  Bytes,
  DeleteResult,
  KeyRecord,
  OperationOptions,
  PutResult,
  Range,
} from "../operations.js";
import { CLIENT_TIMEOUT_MS_MAX } from "../codec/client-message.js";
import { DatabaseError } from "../errors.js";
import type { ExpiryOptions } from "../lease.js";
import { invalid } from "./failures.js";
import type {
  Delete,
  DeleteRange,
  KeyValue,
  Limits,
  Put,
  PutCondition,
  Request,
  RequestResult,
} from "../store/command.js";
import { prefixEnd } from "../store/key-order.js";
import { expiryOf } from "./expiry.js";
import { appliedResults } from "./rejection.js";

export const TIMEOUT_MS_DEFAULT = 5000;
/** A page of `list` holds at most this many keys … */
export const PAGE_COUNT_MAX = 1000;
/** … and about this many bytes, at least one key. */
export const PAGE_SIZE_MAX: number = 1024 * 1024;

const NO_BYTES = new Uint8Array(0);
const LONE_SURROGATE = /\p{Surrogate}/u;

export type { KeyRange };

/** The bytes of a key or value: a copy. `name` says what it is, for the error. */
export function bytesOf(bytes: Bytes, name: string): Uint8Array {
  // Users of plain JavaScript may hand in anything.
  const given: unknown = bytes;
  if (given instanceof Uint8Array) return Buffer.from(given);
  if (typeof given !== "string")
    throw invalid(`${name} is neither text nor Uint8Array but ${typeName(given)}`);
  // Encoding would put U+FFFD in its place, and two different keys would be one.
  if (LONE_SURROGATE.test(given))
    throw invalid(`${name} is text that UTF-8 cannot hold: it has half of a surrogate pair`);
  return Buffer.from(given, "utf8");
}

/** @throws {DatabaseError} INVALID_ARGUMENT when the key is empty or no bytes */
export function keyOf(key: Bytes): Uint8Array {
  const bytes = bytesOf(key, "key");
  if (bytes.length === 0) throw invalid("key is empty");
  return bytes;
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function rangeOf(range: Range): KeyRange {
  const { prefix, from, to } = range;
  if (prefix !== undefined) {
    if (from !== undefined || to !== undefined)
      throw invalid("a range has either a prefix, or from and to");
    const start = bytesOf(prefix, "prefix");
    return { from: start, end: prefixEnd(start) };
  }
  const end = to === undefined ? NO_BYTES : bytesOf(to, "to");
  // The store's empty end means "no upper bound"; nothing lies before an empty key.
  if (to !== undefined && end.length === 0)
    throw invalid("to is empty: leave it out for a range without an upper bound");
  return { from: from === undefined ? NO_BYTES : bytesOf(from, "from"), end };
}

/** Where the page behind `key` begins: the smallest key greater than it. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** Milliseconds, whole. @throws {DatabaseError} INVALID_ARGUMENT */
export function timeoutMsOf(
  options: OperationOptions | undefined,
  defaultMs = TIMEOUT_MS_DEFAULT,
): number {
  return checkTimeoutMs(options?.timeoutMs ?? defaultMs, "timeoutMs");
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function checkTimeoutMs(timeoutMs: number, name: string): number {
  if (!(timeoutMs > 0 && timeoutMs <= CLIENT_TIMEOUT_MS_MAX))
    throw invalid(
      `${name} is a number of milliseconds above 0 and at most ${CLIENT_TIMEOUT_MS_MAX}`,
    );
  return Math.ceil(timeoutMs);
}

/** @throws {DatabaseError} INVALID_ARGUMENT; no limit is Infinity */
export function limitOf(limit: number | undefined): number {
  if (limit === undefined) return Infinity;
  if (!Number.isInteger(limit) || limit < 0)
    throw invalid("limit is a number of keys, whole and not negative");
  return limit;
}

export function putRequest(
  id: Uint8Array,
  key: Bytes,
  value: Bytes,
  options: ExpiryOptions & { readonly only?: "if-absent" | "if-present" } = {},
): Request {
  return { id, commands: [putCommand(key, value, options)] };
}

export function deleteRequest(id: Uint8Array, key: Bytes): Request {
  return { id, commands: [{ kind: "delete", key: keyOf(key) }] };
}

export function deleteRangeRequest(id: Uint8Array, range: Range): Request {
  return { id, commands: [deleteRangeCommand(range)] };
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function deleteRangeCommand(range: Range): DeleteRange {
  // A forgotten variable must not delete everything.
  if (range.prefix === undefined && range.from === undefined && range.to === undefined)
    throw invalid('deleteRange names no range: every key is { prefix: "" }');
  const { from, end } = rangeOf(range);
  return { kind: "deleteRange", key: from, end };
}

export function batchRequest(id: Uint8Array, operations: readonly BatchOperation[]): Request {
  if (operations.length === 0) throw invalid("a batch needs at least one operation");
  return { id, commands: operations.map(batchCommand) };
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function batchCommand(operation: BatchOperation): Put | Delete {
  switch (operation.kind) {
    case "put":
      return putCommand(operation.key, operation.value, operation);
    case "delete":
      return { kind: "delete", key: keyOf(operation.key) };
    default:
      throw invalid('an operation of a batch has the kind "put" or "delete"');
  }
}

export function putCommand(
  key: Bytes,
  value: Bytes,
  options: ExpiryOptions & { readonly only?: "if-absent" | "if-present" },
): Put {
  const condition = conditionOf(options.only);
  const put = { kind: "put", key: keyOf(key), value: bytesOf(value, "value"), condition } as const;
  const expiry = expiryOf(options);
  return expiry === undefined ? put : { ...put, expiry };
}

function conditionOf(only: "if-absent" | "if-present" | undefined): PutCondition {
  switch (only) {
    case undefined:
      return "none";
    case "if-absent":
      return "absent";
    case "if-present":
      return "present";
    default:
      throw invalid('only is "if-absent" or "if-present"');
  }
}

/** What is wrong with a key to be read, or undefined. */
export function checkKey(key: Uint8Array, limits: Limits): DatabaseError | undefined {
  if (key.length === 0) return invalid("key is empty");
  return checkSize(key.length, limits.keySizeMax);
}

/** What is wrong with the bounds of a range to be read, or undefined. */
export function checkRange({ from, end }: KeyRange, limits: Limits): DatabaseError | undefined {
  // One more than a key may have: the smallest key behind the largest.
  return checkSize(Math.max(from.length, end.length), limits.keySizeMax + 1);
}

function checkSize(size: number, sizeMax: number): DatabaseError | undefined {
  if (size <= sizeMax) return undefined;
  return new DatabaseError(
    "KEY_TOO_LARGE",
    `key of ${size} bytes is over the limit of ${sizeMax} bytes`,
  );
}

/** The parts of a result that a user sees; a rejection becomes an error. */
export function putResultOf(request: Request, result: RequestResult): PutResult {
  const [first] = appliedResults(request, result);
  return { revision: result.revision, previous: recordOf(first?.previous) };
}

export function deleteResultOf(request: Request, result: RequestResult): DeleteResult {
  const [first] = appliedResults(request, result);
  return { revision: result.revision, deleted: first?.deletedCount ?? 0 };
}

export function batchResultOf(request: Request, result: RequestResult): BatchResult {
  const results = appliedResults(request, result);
  return { revision: result.revision, deleted: results.map(({ deletedCount }) => deletedCount) };
}

/** The record of a key in a user's own bytes. */
export function recordOf(keyValue: KeyValue): KeyRecord;
export function recordOf(keyValue: KeyValue | undefined): KeyRecord | undefined;
export function recordOf(keyValue: KeyValue | undefined): KeyRecord | undefined {
  if (keyValue === undefined) return undefined;
  const { key, value } = keyValue;
  return { ...keyValue, key: new Uint8Array(key), value: new Uint8Array(value) };
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
