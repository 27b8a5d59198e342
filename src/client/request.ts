/**
 * What a user says to a Database, as requests of the store, and what the store
 * answers, as results for a user. Shared by the embedded and the remote Database,
 * so that both mean the same.
 *
 * Bytes are copied both ways: a user may do with his arrays as he likes, and the
 * store's are never in his hands.
 */
import type {
  BatchOperation,
  BatchResult,
  Bytes,
  DeleteResult,
  KeyRecord,
  OperationOptions,
  PutResult,
  Range,
} from "../database.js";
import { CLIENT_TIMEOUT_MS_MAX } from "../codec/client-message.js";
import { DatabaseError, type DatabaseErrorOptions } from "../errors.js";
import type {
  Command,
  CommandResult,
  KeyValue,
  Limits,
  PutCondition,
  Request,
  RequestResult,
} from "../store/command.js";
import { isKeyCommand } from "../store/command.js";
import { prefixEnd } from "../store/key-order.js";

export const TIMEOUT_MS_DEFAULT = 5000;
/** A page of `list` holds at most this many keys … */
export const PAGE_COUNT_MAX = 1000;
/** … and about this many bytes, at least one key. */
export const PAGE_SIZE_MAX: number = 1024 * 1024;

const NO_BYTES = new Uint8Array(0);
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Keys in [from, end); an empty `end` means no upper bound. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly end: Uint8Array;
}

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
  only: "if-absent" | "if-present" | undefined,
): Request {
  return { id, commands: [putCommand(key, value, only)] };
}

export function deleteRequest(id: Uint8Array, key: Bytes): Request {
  return { id, commands: [{ kind: "delete", key: keyOf(key) }] };
}

export function deleteRangeRequest(id: Uint8Array, range: Range): Request {
  // A forgotten variable must not delete everything.
  if (range.prefix === undefined && range.from === undefined && range.to === undefined)
    throw invalid('deleteRange names no range: every key is { prefix: "" }');
  const { from, end } = rangeOf(range);
  return { id, commands: [{ kind: "deleteRange", key: from, end }] };
}

export function batchRequest(id: Uint8Array, operations: readonly BatchOperation[]): Request {
  if (operations.length === 0) throw invalid("a batch needs at least one operation");
  return { id, commands: operations.map(batchCommand) };
}

function batchCommand(operation: BatchOperation): Command {
  switch (operation.kind) {
    case "put":
      return putCommand(operation.key, operation.value, operation.only);
    case "delete":
      return { kind: "delete", key: keyOf(operation.key) };
    default:
      throw invalid('an operation of a batch has the kind "put" or "delete"');
  }
}

function putCommand(
  key: Bytes,
  value: Bytes,
  only: "if-absent" | "if-present" | undefined,
): Command {
  const condition = conditionOf(only);
  return { kind: "put", key: keyOf(key), value: bytesOf(value, "value"), condition };
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

/** @throws {DatabaseError} when the request was rejected: nothing was applied */
function appliedResults(request: Request, result: RequestResult): readonly CommandResult[] {
  if (result.kind === "rejected") throw rejection(request, result);
  if (result.results.length !== request.commands.length)
    throw new DatabaseError("PROTOCOL", "the answer does not fit the request", {
      outcome: "applied",
      requestId: requestIdOf(request),
    });
  return result.results;
}

function rejection(
  request: Request,
  { reason, commandIndex, current }: Extract<RequestResult, { kind: "rejected" }>,
): DatabaseError {
  const command = request.commands[commandIndex];
  const key =
    command !== undefined && isKeyCommand(command) ? `key ${describe(command.key)}` : "a key";
  const options: DatabaseErrorOptions = { requestId: requestIdOf(request) };
  switch (reason) {
    case "condition-failed": {
      const state =
        current === undefined ? "is absent" : `is present since revision ${current.createRevision}`;
      return new DatabaseError("CONDITION_FAILED", `condition failed: ${key} ${state}`, options);
    }
    case "value-too-large":
      return new DatabaseError("VALUE_TOO_LARGE", `${key}: the value would be too large`, options);
    case "not-an-integer":
      return new DatabaseError("INVALID_ARGUMENT", `${key} does not hold an integer`, options);
    case "overflow":
      return new DatabaseError("INVALID_ARGUMENT", `${key}: the sum leaves 64 bits`, options);
    default:
      return new DatabaseError("CONDITION_FAILED", `the request was refused: ${reason}`, options);
  }
}

/** The record of a key in a user's own bytes. */
export function recordOf(keyValue: KeyValue): KeyRecord;
export function recordOf(keyValue: KeyValue | undefined): KeyRecord | undefined;
export function recordOf(keyValue: KeyValue | undefined): KeyRecord | undefined {
  if (keyValue === undefined) return undefined;
  return {
    key: new Uint8Array(keyValue.key),
    value: new Uint8Array(keyValue.value),
    createRevision: keyValue.createRevision,
    modRevision: keyValue.modRevision,
    version: keyValue.version,
  };
}

/** Hex, or undefined when the request carries no id. */
export function requestIdOf(request: Request): string | undefined {
  return request.id.length === 0 ? undefined : Buffer.from(request.id).toString("hex");
}

/** A key for people: JSON text when it is UTF-8, hex otherwise; cut when long. */
function describe(key: Uint8Array): string {
  const shown = Buffer.from(key.subarray(0, 64));
  const text = shown.toString("utf8");
  const more = key.length > shown.length ? "…" : "";
  const isText = more !== "" || Buffer.from(text, "utf8").equals(shown);
  return isText && !text.includes("\ufffd")
    ? JSON.stringify(text) + more
    : `0x${shown.toString("hex")}${more}`;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}

export function invalid(message: string): DatabaseError {
  return new DatabaseError("INVALID_ARGUMENT", message);
}

/** The error of an operation on a closed database, or of one that closing cut short. */
export function closed(): DatabaseError {
  return new DatabaseError("CLOSED", "the database is closed");
}

export function throwIf(error: DatabaseError | undefined): void {
  if (error !== undefined) throw error;
}

/** The error of an operation given up by its signal before anything was sent. */
export function aborted(signal: AbortSignal): DatabaseError {
  return new DatabaseError("ABORTED", "aborted by its signal", { cause: signal.reason });
}

/** The error of a write whose effect nobody can tell from here. */
export function outcomeUnknown(
  requestId: string | undefined,
  reason: string,
  cause?: unknown,
): DatabaseError {
  const name = requestId === undefined ? "" : ` (request ${requestId})`;
  const message = `${reason}: the write may or may not have been applied${name}`;
  return new DatabaseError("OUTCOME_UNKNOWN", message, { requestId, cause });
}
