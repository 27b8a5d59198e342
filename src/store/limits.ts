/**
 * The limits of a request, checked once, before anything is proposed. The fold
 * itself never refuses by them: what a majority has in its log must be applied
 * whatever a node is told today. (What an append makes of a value only the fold
 * can know: it is bounded there, by the default, which is the same everywhere.)
 */
import { DatabaseError } from "../errors.js";
import {
  barePut,
  type Command,
  type ControlCommand,
  type Expiry,
  isKeyCommand,
  type KeyCommand,
  type Limits,
  type Request,
} from "./command.js";
import { KEY_LEASE_MIN } from "./lease.js";

/**
 * Bytes a command costs in a block beside its key and value (an Avro row; its
 * integers at their longest, its request id). Counted, so that a million tiny
 * commands cannot make a block larger than a block may be.
 */
export const COMMAND_OVERHEAD_SIZE = 48;

/** Digits of the longest int64, an increment's amount in the log. */
const INCREMENT_SIZE = 20;
const ID_SIZE = 16;
/** milliseconds; some 285 years */
const TTL_MAX = 9_000_000_000_000;
/** milliseconds; a day */
const IDLE_MAX = 86_400_000;
const RANGE_LIMIT_MAX = 1000;
const SAVEPOINT_NAME_SIZE_MAX = 256;

/** What is wrong with `request`, or undefined when it may be proposed. */
export function checkRequest(request: Request, limits: Limits): DatabaseError | undefined {
  if (isPlain(request, limits)) return undefined;
  try {
    check(request, limits);
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseError) return error;
    throw error;
  }
}

/** Whether it is a put with nothing to find fault with: told without a look at the rest. */
function isPlain(request: Request, { keySizeMax, valueSizeMax }: Limits): boolean {
  const put = barePut(request);
  if (put === undefined) return false;
  const idSize = request.id.length;
  const keySize = put.key.length;
  if (idSize !== 0 && idSize !== ID_SIZE) return false;
  return keySize > 0 && keySize <= keySizeMax && put.value.length <= valueSizeMax;
}

/** As `checkRequest`, of a put whose key and value have these sizes. */
export function checkPutSizes(
  keySize: number,
  valueSize: number,
  limits: Limits,
): DatabaseError | undefined {
  if (keySize > 0 && keySize <= limits.keySizeMax && valueSize <= limits.valueSizeMax) {
    return undefined;
  }
  const key = new Uint8Array(keySize);
  const value = new Uint8Array(valueSize);
  const commands: Request["commands"] = [{ kind: "put", key, value, condition: "none" }];
  return checkRequest({ id: key.subarray(0, 0), commands }, limits);
}

/**
 * Bytes that a request takes up in a block, about: keys and values, and what each command and
 * condition costs beside them. What waits and what goes into one block are bounded by it.
 */
export function contentSize(request: Request): number {
  const put = barePut(request);
  if (put !== undefined) return putSize(put.key.length, put.value.length);
  let size = 0;
  for (const part of partsOf(request)) size += partSize(part);
  return size;
}

/** The same, of a put alone. */
export function putSize(keySize: number, valueSize: number): number {
  return COMMAND_OVERHEAD_SIZE + keySize + valueSize;
}

/** Something of a request that is a row of the log. */
interface Part {
  readonly key?: Uint8Array;
  readonly value?: Uint8Array;
  readonly end?: Uint8Array;
  readonly by?: bigint;
}

function* partsOf(request: Request): Iterable<Part> {
  yield* request.commands as readonly Part[];
  for (const command of request.commands) {
    if (command.kind === "stage") {
      yield* command.commands;
      yield* command.reads;
    }
  }
  yield* (request.otherwise ?? []) as readonly Part[];
  yield* (request.compares ?? []) as readonly Part[];
  yield* (request.reads ?? []) as readonly Part[];
}

function partSize({ key, value, end, by }: Part): number {
  const operand =
    (value?.length ?? 0) + (end?.length ?? 0) + (by === undefined ? 0 : INCREMENT_SIZE);
  return COMMAND_OVERHEAD_SIZE + (key?.length ?? 0) + operand;
}

function check(request: Request, limits: Limits): void {
  const { id, commands, session, compares, otherwise } = request;
  if (commands.length === 0) throw invalid("a request needs at least one command");
  if (id.length !== 0 && id.length !== ID_SIZE) {
    throw invalid(`a request id has ${ID_SIZE} bytes or none, not ${id.length}`);
  }
  if (session !== undefined) {
    checkId("a session", session.session);
    checkWhole("a sequence", session.sequence, 1, Number.MAX_SAFE_INTEGER - 1);
    checkWhole("an acknowledged sequence", session.acknowledged, 0, session.sequence - 1);
  }
  if (otherwise !== undefined && compares === undefined) {
    throw invalid("commands for when compares fail need compares");
  }
  // An empty list has no row: it would not be there when the log is read.
  for (const list of [compares, otherwise, request.reads]) {
    if (list?.length === 0) throw invalid("a list of conditions or of alternatives is not empty");
  }
  const alone = [request.reads, compares, otherwise, request.mode].every((x) => x === undefined);
  for (const command of [...commands, ...(otherwise ?? [])]) {
    if (isKeyCommand(command)) checkKeyCommand(command, limits);
    else if (commands.length === 1 && alone) checkControlCommand(command, limits);
    else throw invalid(`${command.kind} stands alone in its request`);
  }
  for (const compare of compares ?? []) {
    checkKey(compare.key, limits);
    if (compare.target === "value") checkValue(compare.value, limits);
    else checkWhole(`a ${compare.target}`, compare.number, 0, Number.MAX_SAFE_INTEGER - 1);
  }
  for (const read of request.reads ?? []) {
    checkWhole("a revision", read.revision, 0, Number.MAX_SAFE_INTEGER - 1);
    if (read.kind === "key") checkKey(read.key, limits);
    else checkRange(read.key, read.end, limits);
  }
  checkSize(request, limits);
}

function checkSize(request: Request, limits: Limits): void {
  let size = 0;
  let count = 0;
  for (const part of partsOf(request)) {
    size += partSize(part);
    count += 1;
  }
  // One command is bounded by its key and value already.
  if (count > 1 && size > limits.requestSizeMax) {
    throw new DatabaseError(
      "REQUEST_TOO_LARGE",
      `request of ${size} bytes (${count} commands, ${COMMAND_OVERHEAD_SIZE} bytes each counted beside keys and values) is over the limit of ${limits.requestSizeMax} bytes`,
    );
  }
}

function checkKeyCommand(command: KeyCommand, limits: Limits): void {
  switch (command.kind) {
    case "deleteRange":
      checkRange(command.key, command.end, limits);
      return;
    case "getRange":
      checkRange(command.key, command.end, limits);
      checkWhole("a limit", command.limit, 1, RANGE_LIMIT_MAX);
      return;
    case "put":
      checkKey(command.key, limits);
      checkValue(command.value, limits);
      checkExpiry(command.expiry);
      return;
    case "append":
      checkKey(command.key, limits);
      checkValue(command.value, limits);
      return;
    case "setExpiry":
      checkKey(command.key, limits);
      checkExpiry(command.expiry);
      return;
    case "delete":
    case "increment":
    case "get":
      checkKey(command.key, limits);
  }
}

function checkControlCommand(command: ControlCommand, limits: Limits): void {
  switch (command.kind) {
    case "grantLease":
      checkWhole("a lease", command.lease, 0, KEY_LEASE_MIN - 1);
      checkWhole("a time to live", command.ttl, 1, TTL_MAX);
      return;
    case "keepLease":
    case "revokeLease":
      checkWhole("a lease", command.lease, 1, KEY_LEASE_MIN - 1);
      return;
    case "openSession":
      checkId("a session", command.session);
      checkWhole("a time to live", command.ttl, 1, TTL_MAX);
      return;
    case "keepSession":
    case "closeSession":
      checkId("a session", command.session);
      return;
    case "begin":
      checkId("a transaction", command.transaction);
      checkWhole("an idle time", command.idle, 1, IDLE_MAX);
      return;
    case "savepoint":
    case "rollbackTo":
      checkId("a transaction", command.transaction);
      checkWhole("the size of a savepoint's name", command.name.length, 1, SAVEPOINT_NAME_SIZE_MAX);
      return;
    case "stage":
      checkId("a transaction", command.transaction);
      for (const staged of command.commands) checkStaged(staged, limits);
      for (const { key, end } of command.reads) {
        if (end === undefined) checkKey(key, limits);
        else checkRange(key, end, limits);
      }
      return;
    case "commit":
    case "rollback":
      checkId("a transaction", command.transaction);
      return;
    case "compact":
      checkWhole("a revision", command.revision, 1, Number.MAX_SAFE_INTEGER - 1);
      return;
    case "expire":
  }
}

function checkStaged(command: Command, limits: Limits): void {
  if (!isKeyCommand(command)) throw invalid(`${command.kind} cannot be staged`);
  checkKeyCommand(command, limits);
  if (command.kind === "put" && command.condition !== "none") {
    throw invalid("a staged put has no condition: what the transaction reads is its condition");
  }
}

function checkExpiry(expiry: Expiry | undefined): void {
  if (expiry?.kind === "lease") {
    checkWhole("a lease", expiry.lease, 1, KEY_LEASE_MIN - 1);
  } else if (expiry?.kind === "ttl") checkWhole("a time to live", expiry.ttl, 1, TTL_MAX);
  else if (expiry?.kind === "until") checkWhole("a moment", expiry.time, 0, TTL_MAX);
}

function checkKey(key: Uint8Array, limits: Limits): void {
  if (key.length === 0) throw invalid("key is empty");
  checkKeySize(key.length, limits.keySizeMax);
}

/**
 * A range may start at the very beginning, and end nowhere. Its bounds may be one byte longer
 * than a key: the smallest key behind the largest is a bound too.
 */
function checkRange(from: Uint8Array, end: Uint8Array, limits: Limits): void {
  checkKeySize(Math.max(from.length, end.length), limits.keySizeMax + 1);
}

function checkKeySize(size: number, sizeMax: number): void {
  if (size <= sizeMax) return;
  throw new DatabaseError(
    "KEY_TOO_LARGE",
    `key of ${size} bytes is over the limit of ${sizeMax} bytes`,
  );
}

function checkValue(value: Uint8Array, limits: Limits): void {
  if (value.length <= limits.valueSizeMax) return;
  throw new DatabaseError(
    "VALUE_TOO_LARGE",
    `value of ${value.length} bytes is over the limit of ${limits.valueSizeMax} bytes`,
  );
}

function checkId(what: string, id: Uint8Array): void {
  if (id.length !== ID_SIZE) {
    throw invalid(`${what} is named by ${ID_SIZE} bytes, not ${id.length}`);
  }
}

function checkWhole(what: string, number: number, least: number, most: number): void {
  if (Number.isSafeInteger(number) && number >= least && number <= most) return;
  throw invalid(`${what} is a whole number from ${least} to ${most}, not ${number}`);
}

function invalid(message: string): DatabaseError {
  return new DatabaseError("INVALID_ARGUMENT", message);
}
