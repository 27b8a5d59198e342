/**
 * Requests from their rows: the grammar is in request-row.ts. What is accepted by
 * the check always reads, and nothing else does.
 */
import { unreachable } from "../assert.js";
import { ByteReader, MalformedBytes } from "../store/bytes.js";
import type {
  Command,
  Compare,
  ControlCommand,
  Expiry,
  KeyCommand,
  Read,
  Request,
  SessionMark,
  StagedCommand,
  StagedRead,
} from "../store/command.js";
import {
  isControlKind,
  ISOLATIONS,
  PLAIN_KINDS,
  RELATIONS,
  RequestShape,
  TARGETS,
} from "./request-shape.js";
import { MalformedRow, REQUEST_ID_SIZE, type RowReader } from "./row.js";
import type { RowKind } from "./schema.js";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const INTEGER_TEXT = /^(?:0|-?[1-9][0-9]{0,18})$/;

/**
 * Checks the rows of one request, the first being read already.
 * @param next reads the next row of the block
 * @throws {MalformedRow}
 */
export function checkRequestRows(reader: RowReader, next: () => void): void {
  if (!reader.more && PLAIN_KINDS.has(reader.kind)) {
    checkPlain(reader);
    return;
  }
  const shape = new RequestShape();
  for (;;) {
    shape.take(reader.kind);
    if (PLAIN_KINDS.has(reader.kind)) checkPlain(reader);
    else takePart(reader, undefined);
    if (!reader.more) break;
    next();
    if (reader.requestSize !== 0)
      throw new MalformedRow("malformed", "only a request's first row carries its id");
  }
  shape.end();
}

/** Checks what a plain row's kind asks of its fields, without copying. */
function checkPlain(reader: RowReader): void {
  const { kind } = reader;
  if ((kind === "delete" || kind === "get" || kind === "setExpiry") && reader.valueSize !== 0)
    throw new MalformedRow("malformed", `a ${kind} has a value`);
  if (kind === "increment") amountOf(reader);
}

function amountOf(reader: RowReader): bigint {
  if (reader.valueSize > 20) throw new MalformedRow("malformed", "an increment is too long");
  const text = reader.valueText;
  const by = INTEGER_TEXT.test(text) ? BigInt(text) : undefined;
  if (by === undefined || by < INT64_MIN || by > INT64_MAX)
    throw new MalformedRow("malformed", "an increment is no 64-bit signed integer");
  return by;
}

/** What has been read of a request. */
interface Draft {
  session?: SessionMark;
  mode?: "each";
  reads?: Read[];
  compares?: Compare[];
  otherwise?: KeyCommand[];
  commands: Command[];
  expiry?: Expiry | undefined;
  staged?: { commands: StagedCommand[]; reads: StagedRead[] };
}

/** Reads the rows of one request, the first being read already. */
export function readRequest(reader: RowReader): Request {
  const id = reader.request;
  if (!reader.more && PLAIN_KINDS.has(reader.kind)) {
    return { id, commands: [plainCommand(reader, undefined)] };
  }
  const shape = new RequestShape();
  const draft: Draft = { commands: [] };
  for (;;) {
    shape.take(reader.kind);
    if (PLAIN_KINDS.has(reader.kind)) takeCommand(reader, draft);
    else takePart(reader, draft);
    if (!reader.more) break;
    reader.next();
    if (reader.requestSize !== 0)
      throw new MalformedRow("malformed", "only a request's first row carries its id");
  }
  shape.end();
  const { session, mode, reads, compares, otherwise, commands } = draft;
  return {
    id,
    commands,
    ...(session === undefined ? {} : { session }),
    ...(mode === undefined ? {} : { mode }),
    ...(reads === undefined ? {} : { reads }),
    ...(compares === undefined ? {} : { compares }),
    ...(otherwise === undefined ? {} : { otherwise }),
  };
}

function takeCommand(reader: RowReader, draft: Draft): void {
  const command = plainCommand(reader, draft.expiry);
  draft.expiry = undefined;
  // What may be staged is the shape's to see.
  if (draft.staged !== undefined) draft.staged.commands.push(command as StagedCommand);
  else (draft.otherwise ?? draft.commands).push(command);
}

function plainCommand(reader: RowReader, expiry: Expiry | undefined): KeyCommand {
  checkPlain(reader);
  const { kind, key } = reader;
  const ends = expiry === undefined ? {} : { expiry };
  switch (kind) {
    case "put":
      return { kind: "put", key, value: reader.value, condition: "none", ...ends };
    case "putIfAbsent":
      return { kind: "put", key, value: reader.value, condition: "absent", ...ends };
    case "putIfPresent":
      return { kind: "put", key, value: reader.value, condition: "present", ...ends };
    case "setExpiry":
      return { kind: "setExpiry", key, ...ends };
    case "delete":
      return { kind: "delete", key };
    case "get":
      return { kind: "get", key };
    case "deleteRange":
      return { kind: "deleteRange", key, end: reader.value };
    case "increment":
      return { kind: "increment", key, by: amountOf(reader) };
    case "append":
      return { kind: "append", key, value: reader.value };
    default:
      throw new MalformedRow("malformed", "a request holds a row that is no command");
  }
}

/** Reads a row that is not plain into `draft`; without one it is only checked. */
function takePart(reader: RowReader, draft: Draft | undefined): void {
  try {
    const fields = new ByteReader(reader.value);
    const { kind, key } = reader;
    if (reader.keySize > 0 && !KINDS_WITH_KEY.has(kind))
      throw new MalformedBytes(`a row "${kind}" has a key`);
    const put = partReader(kind, key, fields);
    if (!fields.done) throw new MalformedBytes("bytes follow a row's value");
    if (draft !== undefined) put(draft);
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
    throw new MalformedRow("malformed", error.message);
  }
}

const KINDS_WITH_KEY: ReadonlySet<RowKind> = new Set([
  "readKey",
  "readRange",
  "compare",
  "getRange",
] as const);

/** Reads the fields of a row. @returns what puts it into a draft */
function partReader(kind: RowKind, key: Uint8Array, fields: ByteReader): (draft: Draft) => void {
  if (isControlKind(kind)) return controlReader(kind, fields);
  switch (kind) {
    case "session": {
      const session = {
        session: idOf(fields),
        sequence: fields.number(),
        acknowledged: fields.number(),
      };
      return (draft) => (draft.session = session);
    }
    case "each":
      return (draft) => (draft.mode = "each");
    case "otherwise":
      return (draft) => (draft.otherwise = []);
    case "readKey": {
      const revision = fields.number();
      return (draft) => {
        addRead(draft, { kind: "key", key, revision });
      };
    }
    case "readRange": {
      const revision = fields.number();
      const end = fields.bytes();
      return (draft) => {
        addRead(draft, { kind: "range", key, end, revision });
      };
    }
    case "compare": {
      const compare = compareOf(key, fields);
      return (draft) => (draft.compares ??= []).push(compare);
    }
    case "expiry": {
      const expiry = expiryOf(fields);
      return (draft) => (draft.expiry = expiry);
    }
    case "getRange": {
      const limit = fields.number();
      const end = fields.bytes();
      return (draft) =>
        (draft.otherwise ?? draft.commands).push({ kind: "getRange", key, end, limit });
    }
    default:
      throw new MalformedBytes("a request holds a row that is no command");
  }
}

function addRead(draft: Draft, read: Read): void {
  if (draft.staged === undefined) {
    (draft.reads ??= []).push(read);
    return;
  }
  const { key } = read;
  draft.staged.reads.push(read.kind === "key" ? { key } : { key, end: read.end });
}

function compareOf(key: Uint8Array, fields: ByteReader): Compare {
  const target = one(TARGETS, fields.number());
  const relation = one(RELATIONS, fields.number());
  return target === "value"
    ? { target, relation, key, value: fields.bytes() }
    : { target, relation, key, number: fields.number() };
}

function expiryOf(fields: ByteReader): Expiry {
  switch (fields.number()) {
    case 0:
      return { kind: "lease", lease: fields.number() };
    case 1:
      return { kind: "ttl", ttl: fields.number() };
    case 2:
      return { kind: "until", time: fields.number() };
    case 3:
      return { kind: "keep" };
    default:
      throw new MalformedBytes("an expiry is not known");
  }
}

function controlReader(kind: ControlCommand["kind"], fields: ByteReader): (draft: Draft) => void {
  if (kind !== "stage") {
    const command = controlOf(kind, fields);
    return (draft) => draft.commands.push(command);
  }
  const transaction = idOf(fields);
  return (draft) => {
    draft.staged = { commands: [], reads: [] };
    draft.commands.push({ kind, transaction, ...draft.staged });
  };
}

function controlOf(
  kind: Exclude<ControlCommand["kind"], "stage">,
  fields: ByteReader,
): ControlCommand {
  switch (kind) {
    case "grantLease":
      return { kind, lease: fields.number(), ttl: fields.number() };
    case "keepLease":
    case "revokeLease":
      return { kind, lease: fields.number() };
    case "openSession":
      return { kind, session: idOf(fields), ttl: fields.number() };
    case "keepSession":
    case "closeSession":
      return { kind, session: idOf(fields) };
    case "begin": {
      const transaction = idOf(fields);
      return {
        kind,
        transaction,
        isolation: one(ISOLATIONS, fields.number()),
        idle: fields.number(),
      };
    }
    case "savepoint":
    case "rollbackTo":
      return { kind, transaction: idOf(fields), name: fields.bytes() };
    case "commit":
    case "rollback":
      return { kind, transaction: idOf(fields) };
    case "compact":
      return { kind, revision: fields.number() };
    case "expire":
      return { kind };
    default:
      return unreachable(kind);
  }
}

function idOf(fields: ByteReader): Uint8Array {
  const id = fields.bytes();
  if (id.length !== REQUEST_ID_SIZE) throw new MalformedBytes("an id has 16 bytes");
  return id;
}

function one<Value>(values: readonly Value[], place: number): Value {
  const value = values[place];
  if (value === undefined) throw new MalformedBytes("a number stands for nothing");
  return value;
}
