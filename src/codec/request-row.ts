/**
 * Requests as rows, in this order; request-reader.ts is the way back.
 *
 *   request  := session? each? read* compare* command+ (otherwise command+)?
 *            |  session? control
 *   command  := expiry? (put | putIfAbsent | putIfPresent | setExpiry)
 *            |  delete | deleteRange | increment | append | get | getRange
 *   control  := stage (expiry? put | delete | deleteRange | readKey | readRange)*
 *            |  grantLease | keepLease | ... | expire         one row
 *
 * The id stands in the first row, `more` is true in all but the last. `otherwise`
 * needs a compare. Values of the kinds that the schema does not explain, in numbers
 * (varints, base 128, shortest) and bytes (a number, and as many bytes):
 *
 *   session      session bytes, sequence, acknowledged
 *   readKey      revision                       readRange    revision, end bytes
 *   compare      target 0 version, 1 createRevision, 2 modRevision, 3 lease, 4 value;
 *                relation 0 =, 1 !=, 2 <, 3 >;  number, or value bytes
 *   expiry       0 lease, number | 1 ttl | 2 until, time | 3 keep
 *   getRange     limit, end bytes
 *   grantLease   lease, ttl                     keepLease, revokeLease   lease
 *   openSession  session bytes, ttl             keepSession, closeSession   session bytes
 *   begin        transaction bytes, isolation 0 serializable, 1 snapshot, idle
 *   stage, commit, rollback   transaction bytes
 *   savepoint, rollbackTo     transaction bytes, name bytes
 *   compact      revision
 */
import { assert, unreachable } from "../assert.js";
import { ByteWriter } from "../store/bytes.js";
import type {
  Command,
  Compare,
  ControlCommand,
  Expiry,
  PutCondition,
  Read,
  Request,
  SessionMark,
} from "../store/command.js";
import { barePut } from "../store/command.js";
import { ISOLATIONS, RELATIONS, TARGETS } from "./request-shape.js";
import { REQUEST_ID_SIZE, type RowFields, type RowPosition, type RowWriter } from "./row.js";
import type { RowKind } from "./schema.js";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const EMPTY = new Uint8Array(0);

const PUT_KINDS: Readonly<Record<PutCondition, RowKind>> = {
  none: "put",
  absent: "putIfAbsent",
  present: "putIfPresent",
};

/** What a row says, beside its place in the block and the request. */
type Part = Pick<RowFields, "kind" | "key" | "value">;

/** Writes a request's rows; the first carries the request's id. */
export function writeRequest(
  writer: RowWriter,
  position: RowPosition,
  time: number | undefined,
  request: Request,
): void {
  const { id, commands } = request;
  assert(commands.length > 0, "a request has at least one command");
  assert(id.length === 0 || id.length === REQUEST_ID_SIZE, "a request id has 16 bytes or none");
  const put = barePut(request);
  if (put !== undefined) {
    const { key, value } = put;
    writer.write(position, time, { kind: "put", more: false, request: id, key, value });
    return;
  }
  const parts = partsOf(request);
  parts.forEach((part, i) => {
    writer.write(position, i === 0 ? time : undefined, {
      more: i + 1 < parts.length,
      request: i === 0 ? id : EMPTY,
      ...part,
    });
  });
}

function partsOf(request: Request): readonly Part[] {
  const parts: Part[] = [];
  const { session, mode, reads, compares, otherwise } = request;
  if (session !== undefined) parts.push(part("session", EMPTY, sessionValue(session)));
  if (mode === "each") parts.push(part("each"));
  for (const read of reads ?? []) parts.push(readPart(read));
  for (const compare of compares ?? []) {
    parts.push(part("compare", compare.key, compareValue(compare)));
  }
  for (const command of request.commands) addCommand(parts, command);
  if (otherwise !== undefined) {
    assert(otherwise.length > 0, "what happens otherwise is at least one command");
    assert((compares ?? []).length > 0, "what happens otherwise needs compares");
    parts.push(part("otherwise"));
    for (const command of otherwise) addCommand(parts, command);
  }
  return parts;
}

function part(kind: RowKind, key: Uint8Array = EMPTY, value: Uint8Array = EMPTY): Part {
  return { kind, key, value };
}

function numbers(...values: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const value of values) writer.number(value);
  return writer.take();
}

function sessionValue({ session, sequence, acknowledged }: SessionMark): Uint8Array {
  return new ByteWriter().bytes(session).number(sequence).number(acknowledged).take();
}

function readPart(read: Read): Part {
  return read.kind === "key"
    ? part("readKey", read.key, numbers(read.revision))
    : part("readRange", read.key, new ByteWriter().number(read.revision).bytes(read.end).take());
}

function compareValue(compare: Compare): Uint8Array {
  const writer = new ByteWriter().number(TARGETS.indexOf(compare.target));
  writer.number(RELATIONS.indexOf(compare.relation));
  if (compare.target === "value") writer.bytes(compare.value);
  else writer.number(compare.number);
  return writer.take();
}

function expiryValue(expiry: Expiry): Uint8Array {
  switch (expiry.kind) {
    case "lease":
      return numbers(0, expiry.lease);
    case "ttl":
      return numbers(1, expiry.ttl);
    case "until":
      return numbers(2, expiry.time);
    case "keep":
      return numbers(3);
    default:
      return unreachable(expiry);
  }
}

function addCommand(parts: Part[], command: Command): void {
  switch (command.kind) {
    case "put":
      addExpiry(parts, command.expiry);
      parts.push(part(PUT_KINDS[command.condition], command.key, command.value));
      return;
    case "setExpiry":
      addExpiry(parts, command.expiry);
      parts.push(part("setExpiry", command.key));
      return;
    case "append":
      parts.push(part("append", command.key, command.value));
      return;
    case "delete":
    case "get":
      parts.push(part(command.kind, command.key));
      return;
    case "deleteRange":
      parts.push(part("deleteRange", command.key, command.end));
      return;
    case "increment":
      assert(command.by >= INT64_MIN, "an increment is a 64-bit signed integer");
      assert(command.by <= INT64_MAX, "an increment is a 64-bit signed integer");
      parts.push(part("increment", command.key, Buffer.from(command.by.toString())));
      return;
    case "getRange":
      parts.push(
        part(
          "getRange",
          command.key,
          new ByteWriter().number(command.limit).bytes(command.end).take(),
        ),
      );
      return;
    case "stage":
      addStage(parts, command);
      return;
    default:
      parts.push(part(command.kind, EMPTY, controlValue(command)));
  }
}

function addExpiry(parts: Part[], expiry: Expiry | undefined): void {
  if (expiry !== undefined) parts.push(part("expiry", EMPTY, expiryValue(expiry)));
}

function addStage(parts: Part[], stage: Extract<ControlCommand, { kind: "stage" }>): void {
  parts.push(part("stage", EMPTY, new ByteWriter().bytes(stage.transaction).take()));
  for (const command of stage.commands) addCommand(parts, command);
  for (const { key, end } of stage.reads) {
    parts.push(
      readPart(
        end === undefined
          ? { kind: "key", key, revision: 0 }
          : { kind: "range", key, end, revision: 0 },
      ),
    );
  }
}

function controlValue(command: Exclude<ControlCommand, { kind: "stage" }>): Uint8Array {
  const writer = new ByteWriter();
  switch (command.kind) {
    case "grantLease":
      return writer.number(command.lease).number(command.ttl).take();
    case "keepLease":
    case "revokeLease":
      return writer.number(command.lease).take();
    case "openSession":
      return writer.bytes(command.session).number(command.ttl).take();
    case "keepSession":
    case "closeSession":
      return writer.bytes(command.session).take();
    case "begin":
      writer.bytes(command.transaction).number(ISOLATIONS.indexOf(command.isolation));
      return writer.number(command.idle).take();
    case "savepoint":
    case "rollbackTo":
      return writer.bytes(command.transaction).bytes(command.name).take();
    case "commit":
    case "rollback":
      return writer.bytes(command.transaction).take();
    case "compact":
      return writer.number(command.revision).take();
    case "expire":
      return EMPTY;
    default:
      return unreachable(command);
  }
}
