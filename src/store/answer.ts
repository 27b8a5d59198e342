/**
 * Answers that are kept: of a session's requests, until their arrival is
 * acknowledged, and of finished transactions. As bytes in the rows of the state:
 *
 *   answer    := 0 revision succeeded count result*        applied
 *             |  1 revision reason commandIndex conflictCount conflict* which keyValue?   rejected
 *             |  2 revision succeeded cutSize count deletedCount*   applied, too large to keep
 *   result    := which keyValue* deletedCount detail       which: bit 0 previous, bit 1 current
 *   detail    := 0 | 1 more count keyValue* | 2 lease ttl remaining
 *             |  3 transaction status isolation readRevision revision | 4 reason
 *   keyValue  := key value createRevision modRevision version lease
 *   conflict  := key readRevision currentRevision
 */
import { unreachable } from "../assert.js";
import { ByteReader, ByteWriter, MalformedBytes } from "./bytes.js";
import {
  type CommandResult,
  type Conflict,
  type Isolation,
  type KeyValue,
  REJECT_REASONS,
  type RequestResult,
  type ResultDetail,
  type TransactionDetail,
  type TransactionStatus,
} from "./command.js";

/** In the order of their numbers: never reorder, only append. */
export const STATUSES: readonly TransactionStatus[] = [
  "open",
  "committed",
  "conflict",
  "rolled-back",
  "expired",
];
export const ISOLATIONS: readonly Isolation[] = ["serializable", "snapshot"];

const HAS_PREVIOUS = 1;
const HAS_CURRENT = 2;
const SUCCEEDED: readonly (boolean | undefined)[] = [undefined, false, true];

export function encodeAnswer(answer: RequestResult): Uint8Array {
  const writer = new ByteWriter();
  if (answer.kind === "applied" && answer.cutSize !== undefined) {
    writer.number(2).number(answer.revision).number(SUCCEEDED.indexOf(answer.succeeded));
    writer.number(answer.cutSize).number(answer.results.length);
    for (const { deletedCount } of answer.results) writer.number(deletedCount);
  } else if (answer.kind === "applied") {
    writer.number(0).number(answer.revision).number(SUCCEEDED.indexOf(answer.succeeded));
    writer.number(answer.results.length);
    for (const result of answer.results) writeResult(writer, result);
  } else {
    writer.number(1).number(answer.revision).number(REJECT_REASONS.indexOf(answer.reason));
    writer.number(answer.commandIndex);
    writer.number(answer.conflicts === undefined ? 0 : 1 + answer.conflicts.length);
    for (const { key, readRevision, currentRevision } of answer.conflicts ?? []) {
      writer.bytes(key).number(readRevision).number(currentRevision);
    }
    writer.number(answer.current === undefined ? 0 : 1);
    if (answer.current !== undefined) writeKeyValue(writer, answer.current);
  }
  return writer.take();
}

/** @throws {MalformedBytes} */
export function decodeAnswer(bytes: Uint8Array): RequestResult {
  const reader = new ByteReader(bytes);
  const answer = readAnswer(reader);
  if (!reader.done) throw new MalformedBytes("bytes follow an answer");
  return answer;
}

/** @throws {MalformedBytes} */
export function readAnswer(reader: ByteReader): RequestResult {
  switch (reader.number()) {
    case 0:
      return readApplied(reader);
    case 1:
      return readRejected(reader);
    case 2:
      return readCut(reader);
    default:
      throw new MalformedBytes("an answer's kind is not known");
  }
}

function readApplied(reader: ByteReader): RequestResult {
  const revision = reader.number();
  const succeeded = SUCCEEDED[reader.number()];
  const results: CommandResult[] = [];
  for (let count = reader.number(); count > 0; count--) results.push(readResult(reader));
  const applied = { kind: "applied" as const, revision, results };
  return succeeded === undefined ? applied : { succeeded, ...applied };
}

function readCut(reader: ByteReader): RequestResult {
  const revision = reader.number();
  const succeeded = SUCCEEDED[reader.number()];
  const cutSize = reader.number();
  const results: CommandResult[] = [];
  for (let count = reader.number(); count > 0; count--) results.push(onlyCount(reader.number()));
  const cut = { kind: "applied" as const, revision, results, cutSize };
  return succeeded === undefined ? cut : { succeeded, ...cut };
}

function onlyCount(deletedCount: number): CommandResult {
  return { previous: undefined, current: undefined, deletedCount };
}

/** What is left of an answer of `cutSize` bytes that is too large to be kept; a rejection never is. */
export function cutAnswer(answer: RequestResult, cutSize: number): RequestResult {
  if (answer.kind === "rejected") return answer;
  const results = answer.results.map(({ deletedCount }) => onlyCount(deletedCount));
  return { kind: "applied", revision: answer.revision, results, cutSize };
}

function readRejected(reader: ByteReader): RequestResult {
  const revision = reader.number();
  const reason = oneOf(REJECT_REASONS, reader.number());
  const commandIndex = reader.number();
  const conflictCount = reader.number();
  const conflicts: Conflict[] = [];
  for (let count = conflictCount; count > 1; count--) {
    const key = reader.bytes();
    conflicts.push({ key, readRevision: reader.number(), currentRevision: reader.number() });
  }
  const current = reader.number() === 0 ? undefined : readKeyValue(reader);
  const rejected = { kind: "rejected" as const, reason, commandIndex, revision, current };
  return conflictCount === 0 ? rejected : { conflicts, ...rejected };
}

function writeResult(writer: ByteWriter, result: CommandResult): void {
  const { previous, current, deletedCount, detail } = result;
  writer.number(
    (previous === undefined ? 0 : HAS_PREVIOUS) | (current === undefined ? 0 : HAS_CURRENT),
  );
  if (previous !== undefined) writeKeyValue(writer, previous);
  if (current !== undefined) writeKeyValue(writer, current);
  writer.number(deletedCount);
  if (detail === undefined) writer.number(0);
  else writeDetail(writer, detail);
}

function readResult(reader: ByteReader): CommandResult {
  const which = reader.number();
  const previous = (which & HAS_PREVIOUS) === 0 ? undefined : readKeyValue(reader);
  const current = (which & HAS_CURRENT) === 0 ? undefined : readKeyValue(reader);
  const result = { previous, current, deletedCount: reader.number() };
  const detail = readDetail(reader);
  return detail === undefined ? result : { detail, ...result };
}

function writeDetail(writer: ByteWriter, detail: ResultDetail): void {
  switch (detail.kind) {
    case "range":
      writer
        .number(1)
        .number(detail.more ? 1 : 0)
        .number(detail.keyValues.length);
      for (const keyValue of detail.keyValues) writeKeyValue(writer, keyValue);
      return;
    case "lease":
      writer.number(2).number(detail.lease).number(detail.ttl).number(detail.remaining);
      return;
    case "transaction":
      writeTransaction(writer.number(3), detail);
      return;
    case "refused":
      writer.number(4).number(REJECT_REASONS.indexOf(detail.reason));
      return;
    default:
      unreachable(detail);
  }
}

function readDetail(reader: ByteReader): ResultDetail | undefined {
  switch (reader.number()) {
    case 0:
      return undefined;
    case 1: {
      const more = reader.number() === 1;
      const keyValues: KeyValue[] = [];
      for (let count = reader.number(); count > 0; count--) keyValues.push(readKeyValue(reader));
      return { kind: "range", keyValues, more };
    }
    case 2: {
      const lease = reader.number();
      return { kind: "lease", lease, ttl: reader.number(), remaining: reader.number() };
    }
    case 3:
      return readTransaction(reader);
    case 4:
      return { kind: "refused", reason: oneOf(REJECT_REASONS, reader.number()) };
    default:
      throw new MalformedBytes("a detail is not known");
  }
}

export function writeTransaction(writer: ByteWriter, detail: TransactionDetail): void {
  writer.bytes(detail.transaction).number(STATUSES.indexOf(detail.status));
  writer.number(ISOLATIONS.indexOf(detail.isolation));
  writer.number(detail.readRevision).number(detail.revision);
}

/** @throws {MalformedBytes} */
export function readTransaction(reader: ByteReader): TransactionDetail {
  return {
    kind: "transaction",
    transaction: reader.bytes(),
    status: oneOf(STATUSES, reader.number()),
    isolation: oneOf(ISOLATIONS, reader.number()),
    readRevision: reader.number(),
    revision: reader.number(),
  };
}

export function writeKeyValue(writer: ByteWriter, record: KeyValue): void {
  writer.bytes(record.key).bytes(record.value);
  writer.number(record.createRevision).number(record.modRevision).number(record.version);
  writer.number(record.lease ?? 0);
}

/** @throws {MalformedBytes} */
export function readKeyValue(reader: ByteReader): KeyValue {
  const record = {
    key: reader.bytes(),
    value: reader.bytes(),
    createRevision: reader.number(),
    modRevision: reader.number(),
    version: reader.number(),
  };
  const lease = reader.number();
  return lease === 0 ? record : { lease, ...record };
}

/** @throws {MalformedBytes} */
export function oneOf<Value>(values: readonly Value[], place: number): Value {
  const value = values[place];
  if (value === undefined) throw new MalformedBytes("a number stands for nothing");
  return value;
}

/** Bytes that an answer holds, about, or held before it was cut; what `encodeAnswer` makes of one that is whole is not longer. */
export function answerSize(answer: RequestResult): number {
  if (answer.kind === "rejected") {
    let size = ANSWER_OVERHEAD_SIZE + recordSize(answer.current);
    for (const { key } of answer.conflicts ?? []) size += ANSWER_OVERHEAD_SIZE + key.length;
    return size;
  }
  if (answer.cutSize !== undefined) return answer.cutSize;
  let size = ANSWER_OVERHEAD_SIZE;
  for (const { previous, current, detail } of answer.results) {
    size += ANSWER_OVERHEAD_SIZE + recordSize(previous) + recordSize(current);
    if (detail?.kind === "range") for (const each of detail.keyValues) size += recordSize(each);
  }
  return size;
}

const ANSWER_OVERHEAD_SIZE = 64;

function recordSize(record: KeyValue | undefined): number {
  return record === undefined ? 0 : record.key.length + record.value.length + ANSWER_OVERHEAD_SIZE;
}
