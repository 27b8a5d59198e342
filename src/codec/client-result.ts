/**
 * The lists of the native client protocol: the keys of a page and the results of
 * an execution. In the record each is a `count` and one field of bytes.
 *
 *   keyValues  := keyValue[count]
 *   keyValue   := key bytes, value bytes, createRevision long, modRevision long, version long, lease long
 *   results    := result[count] of an applied request (verdict 0)
 *              |  keyValue[count], 0 or 1, of a rejected one (verdict: its reason, from 1)
 *   result     := which u8 (bit 0: previous, bit 1: current), keyValue[bits set], deletedCount long
 *
 * A count is checked against the bytes that are there before anything is
 * allocated, so that a few bytes never ask for much memory.
 */
import {
  type CommandResult,
  type KeyValue,
  REJECT_REASONS,
  type RequestResult,
} from "../store/command.js";
import {
  bytesRoom,
  bytesSize,
  FieldReader,
  type FieldWriter,
  longSize,
  longsRoom,
  malformed,
} from "./client-field.js";

/** A rejection's verdict is its reason's place in REJECT_REASONS, from 1. */
const VERDICT_APPLIED = 0;

/** Bits of a result's `which`. */
const HAS_PREVIOUS = 1;
const HAS_CURRENT = 2;

/** bytes; the least that one of a list can take */
const KEY_VALUE_SIZE_MIN = 6;
const RESULT_SIZE_MIN = 2;

/** Room for the count and the field of bytes. */
export function keyValuesRoom(keyValues: readonly KeyValue[]): number {
  return longsRoom(1) + bytesRoom(keyValuesSize(keyValues));
}

/** Room for the fields of `executed` behind its id. */
export function resultRoom(result: RequestResult): number {
  if (result.kind === "rejected") return longsRoom(3) + keyValuesRoom(present(result.current));
  return longsRoom(4) + bytesRoom(resultsSize(result.results));
}

/** Nothing or one, as a list. */
export function present(keyValue: KeyValue | undefined): readonly KeyValue[] {
  return keyValue === undefined ? [] : [keyValue];
}

function keyValuesSize(keyValues: readonly KeyValue[]): number {
  return keyValues.reduce((size, keyValue) => size + keyValueSize(keyValue), 0);
}

function keyValueSize(keyValue: KeyValue | undefined): number {
  if (keyValue === undefined) return 0;
  const { key, value, createRevision, modRevision, version, lease } = keyValue;
  const revisionsSize = longSize(createRevision) + longSize(modRevision) + longSize(version);
  return bytesSize(key) + bytesSize(value) + revisionsSize + longSize(lease ?? 0);
}

function resultsSize(results: readonly CommandResult[]): number {
  let size = 0;
  for (const { previous, current, deletedCount } of results)
    size += 1 + keyValueSize(previous) + keyValueSize(current) + longSize(deletedCount);
  return size;
}

/** Writes `count` and the bytes of the list. */
export function writeKeyValues(writer: FieldWriter, keyValues: readonly KeyValue[]): void {
  writer.long(keyValues.length);
  writer.long(keyValuesSize(keyValues));
  for (const keyValue of keyValues) writeKeyValue(writer, keyValue);
}

/** Reads `count` and the bytes of the list. */
export function readKeyValues(reader: FieldReader): readonly KeyValue[] {
  const { count, list } = openList(reader, KEY_VALUE_SIZE_MIN);
  const keyValues: KeyValue[] = [];
  for (let i = 0; i < count; i += 1) keyValues.push(readKeyValue(list));
  list.end();
  return keyValues;
}

/** Writes the fields of `executed` behind its id. */
export function writeResult(writer: FieldWriter, result: RequestResult): void {
  writer.long(result.revision);
  if (result.kind === "rejected") {
    writer.long(1 + REJECT_REASONS.indexOf(result.reason));
    writer.long(result.commandIndex);
    writeKeyValues(writer, present(result.current));
    return;
  }
  writer.long(VERDICT_APPLIED);
  writer.long(0);
  writer.long(result.results.length);
  writer.long(resultsSize(result.results));
  for (const one of result.results) writeCommandResult(writer, one);
}

/** Reads the fields of `executed` behind its id. */
export function readResult(reader: FieldReader): RequestResult {
  const revision = reader.long();
  const verdict = reader.long();
  const commandIndex = reader.long();
  if (verdict !== VERDICT_APPLIED) {
    const reason = REJECT_REASONS[verdict - 1];
    if (reason === undefined) throw malformed(`no verdict has the number ${verdict}`);
    const keyValues = readKeyValues(reader);
    if (keyValues.length > 1) throw malformed("a rejection shows more than one key");
    return { kind: "rejected", reason, commandIndex, revision, current: keyValues[0] };
  }
  if (commandIndex !== 0) throw malformed("an applied request names a refused command");
  const { count, list } = openList(reader, RESULT_SIZE_MIN);
  const results: CommandResult[] = [];
  for (let i = 0; i < count; i += 1) results.push(readCommandResult(list));
  list.end();
  return { kind: "applied", revision, results };
}

function openList(
  reader: FieldReader,
  sizeMin: number,
): { readonly count: number; readonly list: FieldReader } {
  const count = reader.long();
  const bytes = reader.view();
  if (count > bytes.length / sizeMin) throw malformed("a list counts more than its bytes hold");
  return { count, list: new FieldReader(bytes) };
}

function writeKeyValue(writer: FieldWriter, keyValue: KeyValue): void {
  writer.bytes(keyValue.key);
  writer.bytes(keyValue.value);
  writer.long(keyValue.createRevision);
  writer.long(keyValue.modRevision);
  writer.long(keyValue.version);
  writer.long(keyValue.lease ?? 0);
}

function readKeyValue(list: FieldReader): KeyValue {
  const keyValue = {
    key: list.bytes(),
    value: list.bytes(),
    createRevision: list.long(),
    modRevision: list.long(),
    version: list.long(),
  };
  const lease = list.long();
  return lease === 0 ? keyValue : { lease, ...keyValue };
}

function writeCommandResult(writer: FieldWriter, result: CommandResult): void {
  const { previous, current } = result;
  writer.byte(
    (previous === undefined ? 0 : HAS_PREVIOUS) | (current === undefined ? 0 : HAS_CURRENT),
  );
  if (previous !== undefined) writeKeyValue(writer, previous);
  if (current !== undefined) writeKeyValue(writer, current);
  writer.long(result.deletedCount);
}

function readCommandResult(list: FieldReader): CommandResult {
  const which = list.byte();
  if (which > (HAS_PREVIOUS | HAS_CURRENT)) throw malformed("a result has unknown bits");
  return {
    previous: (which & HAS_PREVIOUS) === 0 ? undefined : readKeyValue(list),
    current: (which & HAS_CURRENT) === 0 ? undefined : readKeyValue(list),
    deletedCount: list.long(),
  };
}
