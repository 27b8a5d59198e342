/**
 * The native client protocol: what the CLI and the library say to a node.
 *
 * A connection starts with CLIENT_PREAMBLE (its first byte, 0, is no RESP and no
 * HTTP), then frames both ways. Requests carry an id; answers come in any order.
 * One Avro record per kind, scalars and bytes only; a list is a count and bytes
 * that only our own strict reader reads.
 *
 *   message    := kind u8, record
 *   record     := the fields of the table below, in order, as Avro encodes them
 *
 *   1  execute     id long, timeoutMs long, answer long, request bytes
 *   2  get         id long, timeoutMs long, key bytes
 *   3  range       id long, timeoutMs long, from bytes, end bytes, countMax long, sizeMax long
 *   4  status      id long, timeoutMs long
 *   5  info        id long
 *   6  readLog     id long, from long, sizeMax long
 *   7  checksumAt  id long, index long
 *   8  administer  id long, timeoutMs long, action string, node string, address string
 *   9  query       id long, timeoutMs long, query bytes
 *
 *   65 executed    id long, revision long, verdict long, commandIndex long, count long, results bytes
 *   66 got         id long, revision long, count long, keyValues bytes      count 0 or 1
 *   67 page        id long, revision long, more boolean, count long, keyValues bytes
 *   68 statusOf    id long, json string
 *   69 infoOf      id long, json string
 *   70 logPage     id long, previousChecksum long, blocks bytes
 *   71 checksumOf  id long, held boolean, term long, checksum long
 *   72 failed      id long, code string, message string, outcome long, requestId string,
 *                  bounded boolean, asked long, compacted long, current long
 *   73 administered id long, index long
 *   74 goodbye     id long
 *   75 answered    id long, answer bytes
 *   76 found       id long, revision long, found bytes
 *
 *   20 to 24, 90 to 94: inspection-message.ts
 *
 *   request    := what block.ts calls a request
 *   keyValues, results, verdict: client-result.ts
 *   query, found: client-query.ts; answer: store/answer.ts
 *
 * Kinds and numbers are never reused; a new one comes with a new version.
 */
import { assert, unreachable } from "../assert.js";
import { encodeAnswer, readAnswer } from "../store/answer.js";
import type { KeyValue, Request, RequestResult } from "../store/command.js";
import { adminActionOf, adminTexts, type AdminAction } from "./admin-action.js";
import { decodeRequest, encodeRequest } from "./block.js";
import {
  bytesRoom,
  FieldReader,
  FieldWriter,
  LONG_MAX,
  longsRoom,
  malformed,
  readChoice,
} from "./client-field.js";
import {
  keyValuesRoom,
  present,
  readKeyValues,
  readResult,
  resultRoom,
  writeKeyValues,
  writeResult,
} from "./client-result.js";
import {
  decodeFound,
  decodeQuery,
  encodeFound,
  encodeQuery,
  type Found,
  type Query,
  strictly,
} from "./client-query.js";
import { type FailureFields, failureRoom, readFailure, writeFailure } from "./client-failure.js";
import { FRAME_HEADER_SIZE, writeFrameHeader } from "./frame.js";
import {
  INSPECTION_REQUEST_KIND,
  INSPECTION_RESPONSE_KIND,
  inspectionResponseRoom,
  readInspectionRequest,
  readInspectionResponse,
  writeInspectionRequest,
  writeInspectionResponse,
  type InspectionRequest,
  type InspectionResponse,
} from "./inspection-message.js";

/** 0x00 "BALSA" version(2) 0x0a */
export const CLIENT_PREAMBLE: Uint8Array = new Uint8Array([
  0, 0x42, 0x41, 0x4c, 0x53, 0x41, 2, 0x0a,
]);

/** bytes; the largest body of a request: keys and values by the default limits, and what is around them */
export const CLIENT_REQUEST_SIZE_MAX: number = 8 * 1024 * 1024;
/** bytes; the largest body of an answer: one whole block, and what is around it */
export const CLIENT_RESPONSE_SIZE_MAX: number = 16 * 1024 * 1024 + 64 * 1024;
/** milliseconds; the longest a request may ask a node to wait */
export const CLIENT_TIMEOUT_MS_MAX: number = 24 * 60 * 60 * 1000;

/**
 * How much an execution's answer tells: "previous" is each key before the
 * command, for a request of one command only, so that an answer is bounded;
 * "counts" is what was deleted. Neither carries `current`, which the asker knows.
 * "whole" is all there is, in an answer of its own kind; too much of it is not told.
 */
export type AnswerDetail = "counts" | "previous" | "whole";

export type ClientRequest =
  | InspectionRequest
  | {
      readonly kind: "execute";
      readonly id: number;
      readonly timeoutMs: number;
      readonly answer: AnswerDetail;
      readonly request: Request;
    }
  | {
      readonly kind: "get";
      readonly id: number;
      readonly timeoutMs: number;
      readonly key: Uint8Array;
    }
  | {
      readonly kind: "range";
      readonly id: number;
      readonly timeoutMs: number;
      readonly from: Uint8Array;
      /** empty: no upper bound */
      readonly end: Uint8Array;
      readonly countMax: number;
      readonly sizeMax: number;
    }
  | { readonly kind: "status"; readonly id: number; readonly timeoutMs: number }
  | { readonly kind: "info"; readonly id: number }
  | {
      readonly kind: "readLog";
      readonly id: number;
      readonly from: number;
      readonly sizeMax: number;
    }
  | { readonly kind: "checksumAt"; readonly id: number; readonly index: number }
  | {
      readonly kind: "administer";
      readonly id: number;
      readonly timeoutMs: number;
      readonly action: AdminAction;
    }
  | {
      readonly kind: "query";
      readonly id: number;
      readonly timeoutMs: number;
      readonly query: Query;
    };

export type ClientResponse =
  | InspectionResponse
  | { readonly kind: "executed"; readonly id: number; readonly result: RequestResult }
  /** the same, whole */
  | { readonly kind: "answered"; readonly id: number; readonly result: RequestResult }
  | {
      readonly kind: "found";
      readonly id: number;
      /** the store's, where it was found */
      readonly revision: number;
      readonly found: Found;
    }
  | {
      readonly kind: "got";
      readonly id: number;
      readonly revision: number;
      readonly keyValue: KeyValue | undefined;
    }
  | {
      readonly kind: "page";
      readonly id: number;
      readonly revision: number;
      readonly keyValues: readonly KeyValue[];
      readonly more: boolean;
    }
  /** JSON of ClusterStatus */
  | { readonly kind: "statusOf"; readonly id: number; readonly json: string }
  /** JSON of NodeInfo */
  | { readonly kind: "infoOf"; readonly id: number; readonly json: string }
  /** blocks one behind another, to be read with readBlock from `previousChecksum` on */
  | {
      readonly kind: "logPage";
      readonly id: number;
      readonly previousChecksum: number;
      readonly blocks: Uint8Array;
    }
  | {
      readonly kind: "checksumOf";
      readonly id: number;
      readonly held: boolean;
      readonly term: number;
      readonly checksum: number;
    }
  /** done, and at which index of the log */
  | { readonly kind: "administered"; readonly id: number; readonly index: number }
  /** asked by nobody (its id is 0): the node is going down; it answers what it was sent, and takes nothing new */
  | { readonly kind: "goodbye"; readonly id: 0 }
  | (FailureFields & {
      readonly kind: "failed";
      /** 0 when the connection itself is refused: it is closed behind this answer */
      readonly id: number;
    });

const REQUEST_KIND = {
  execute: 1,
  get: 2,
  range: 3,
  status: 4,
  info: 5,
  readLog: 6,
  checksumAt: 7,
  administer: 8,
  query: 9,
  ...INSPECTION_REQUEST_KIND,
} as const satisfies Record<ClientRequest["kind"], number>;

const RESPONSE_KIND = {
  executed: 65,
  got: 66,
  page: 67,
  statusOf: 68,
  infoOf: 69,
  logPage: 70,
  checksumOf: 71,
  failed: 72,
  administered: 73,
  goodbye: 74,
  answered: 75,
  found: 76,
  ...INSPECTION_RESPONSE_KIND,
} as const satisfies Record<ClientResponse["kind"], number>;

const ANSWERS: readonly AnswerDetail[] = ["counts", "previous", "whole"];

const NO_BYTES = new Uint8Array(0);
const CHECKSUM_MAX = 0xffff_ffff;

/** The body of a frame. */
export function encodeClientRequest(request: ClientRequest): Buffer {
  return encodeClientRequestFrame(request).subarray(FRAME_HEADER_SIZE);
}

/** The body of a frame. */
export function encodeClientResponse(response: ClientResponse): Buffer {
  return encodeClientResponseFrame(response).subarray(FRAME_HEADER_SIZE);
}

/** A whole frame, made in one buffer. */
export function encodeClientRequestFrame(request: ClientRequest): Buffer {
  const body = bodyOf(request);
  const target = Buffer.allocUnsafe(FRAME_HEADER_SIZE + requestRoom(request, body));
  const writer = new FieldWriter(target, FRAME_HEADER_SIZE);
  writer.byte(REQUEST_KIND[request.kind]);
  writer.long(request.id);
  switch (request.kind) {
    case "execute":
      writer.long(request.timeoutMs);
      writer.long(ANSWERS.indexOf(request.answer));
      writer.bytes(body);
      break;
    case "query":
      writer.long(request.timeoutMs);
      writer.bytes(body);
      break;
    case "get":
      writer.long(request.timeoutMs);
      writer.bytes(request.key);
      break;
    case "range":
      writer.long(request.timeoutMs);
      writer.bytes(request.from);
      writer.bytes(request.end);
      writer.long(request.countMax);
      writer.long(request.sizeMax);
      break;
    case "status":
      writer.long(request.timeoutMs);
      break;
    case "info":
      break;
    case "readLog":
      writer.long(request.from);
      writer.long(request.sizeMax);
      break;
    case "checksumAt":
      writer.long(request.index);
      break;
    case "administer":
      writer.long(request.timeoutMs);
      for (const text of adminTexts(request.action)) writer.string(text);
      break;
    case "snapshots":
    case "saveSnapshot":
    case "readSaved":
      writeInspectionRequest(writer, request);
      break;
    default:
      unreachable(request);
  }
  return sealFrame(target, writer.offset);
}

/** What is encoded before its room is known. */
function bodyOf(request: ClientRequest): Uint8Array {
  switch (request.kind) {
    case "execute":
      return encodeRequest(request.request);
    case "query":
      return encodeQuery(request.query);
    default:
      return NO_BYTES;
  }
}

function requestRoom(request: ClientRequest, body: Uint8Array): number {
  const scalars = 1 + longsRoom(4);
  switch (request.kind) {
    case "execute":
    case "query":
      return scalars + bytesRoom(body.length);
    case "get":
      return scalars + bytesRoom(request.key.length);
    case "range":
      return scalars + bytesRoom(request.from.length) + bytesRoom(request.end.length);
    case "status":
    case "info":
    case "readLog":
    case "checksumAt":
    case "snapshots":
    case "saveSnapshot":
    case "readSaved":
      return scalars;
    case "administer": {
      const sizes = adminTexts(request.action).map((text) => bytesRoom(Buffer.byteLength(text)));
      return sizes.reduce((sum, size) => sum + size, scalars);
    }
    default:
      return unreachable(request);
  }
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeClientRequest(body: Uint8Array): ClientRequest {
  const reader = new FieldReader(body);
  const kind = reader.byte();
  const id = reader.longWithin(1, LONG_MAX, "a request's id");
  const request = decodeRequestFields(reader, kind, id);
  reader.end();
  return request;
}

function decodeRequestFields(reader: FieldReader, kind: number, id: number): ClientRequest {
  switch (kind) {
    case REQUEST_KIND.execute: {
      const timeoutMs = readTimeoutMs(reader);
      const answer = readChoice(reader, ANSWERS, "the answer's detail");
      return { kind: "execute", id, timeoutMs, answer, request: decodeRequest(reader.view()) };
    }
    case REQUEST_KIND.get:
      return { kind: "get", id, timeoutMs: readTimeoutMs(reader), key: reader.bytes() };
    case REQUEST_KIND.range:
      return {
        kind: "range",
        id,
        timeoutMs: readTimeoutMs(reader),
        from: reader.bytes(),
        end: reader.bytes(),
        countMax: reader.longWithin(1, LONG_MAX, "countMax"),
        sizeMax: reader.longWithin(1, LONG_MAX, "sizeMax"),
      };
    case REQUEST_KIND.status:
      return { kind: "status", id, timeoutMs: readTimeoutMs(reader) };
    case REQUEST_KIND.info:
      return { kind: "info", id };
    case REQUEST_KIND.readLog:
      return {
        kind: "readLog",
        id,
        from: reader.longWithin(1, LONG_MAX, "from"),
        sizeMax: reader.longWithin(1, LONG_MAX, "sizeMax"),
      };
    case REQUEST_KIND.checksumAt:
      return { kind: "checksumAt", id, index: reader.long() };
    case REQUEST_KIND.administer: {
      const timeoutMs = readTimeoutMs(reader);
      const action = adminActionOf(reader.string(), reader.string(), reader.string());
      if (action === undefined) throw malformed("an administration is none that is known");
      return { kind: "administer", id, timeoutMs, action };
    }
    case REQUEST_KIND.query:
      return {
        kind: "query",
        id,
        timeoutMs: readTimeoutMs(reader),
        query: decodeQuery(reader.view()),
      };
    default: {
      const inspection = readInspectionRequest(reader, kind, id, readTimeoutMs);
      if (inspection === undefined) throw malformed(`no request has the kind ${kind}`);
      return inspection;
    }
  }
}

/** A whole frame, made in one buffer. */
export function encodeClientResponseFrame(response: ClientResponse): Buffer {
  const body = bodyOfResponse(response);
  const target = Buffer.allocUnsafe(FRAME_HEADER_SIZE + responseRoom(response, body));
  const writer = new FieldWriter(target, FRAME_HEADER_SIZE);
  writer.byte(RESPONSE_KIND[response.kind]);
  writer.long(response.id);
  switch (response.kind) {
    case "executed":
      writeResult(writer, response.result);
      break;
    case "got":
      writer.long(response.revision);
      writeKeyValues(writer, present(response.keyValue));
      break;
    case "page":
      writer.long(response.revision);
      writer.boolean(response.more);
      writeKeyValues(writer, response.keyValues);
      break;
    case "statusOf":
    case "infoOf":
      writer.string(response.json);
      break;
    case "logPage":
      writer.long(response.previousChecksum);
      writer.bytes(response.blocks);
      break;
    case "checksumOf":
      writer.boolean(response.held);
      writer.long(response.term);
      writer.long(response.checksum);
      break;
    case "failed":
      writeFailure(writer, response);
      break;
    case "administered":
      writer.long(response.index);
      break;
    case "answered":
      writer.bytes(body);
      break;
    case "found":
      writer.long(response.revision);
      writer.bytes(body);
      break;
    case "goodbye":
      break;
    case "snapshotsOf":
    case "savedAs":
    case "savedPart":
      writeInspectionResponse(writer, response);
      break;
    default:
      unreachable(response);
  }
  return sealFrame(target, writer.offset);
}

function bodyOfResponse(response: ClientResponse): Uint8Array {
  switch (response.kind) {
    case "answered":
      return encodeAnswer(response.result);
    case "found":
      return encodeFound(response.found);
    default:
      return NO_BYTES;
  }
}

function responseRoom(response: ClientResponse, body: Uint8Array): number {
  const scalars = 1 + longsRoom(6);
  switch (response.kind) {
    case "answered":
    case "found":
      return scalars + bytesRoom(body.length);
    case "executed":
      return scalars + resultRoom(response.result);
    case "got":
      return scalars + keyValuesRoom(present(response.keyValue));
    case "page":
      return scalars + keyValuesRoom(response.keyValues);
    case "statusOf":
    case "infoOf":
      return scalars + bytesRoom(Buffer.byteLength(response.json));
    case "logPage":
      return scalars + bytesRoom(response.blocks.length);
    case "checksumOf":
    case "administered":
    case "goodbye":
      return scalars;
    case "snapshotsOf":
    case "savedAs":
    case "savedPart":
      return scalars + inspectionResponseRoom(response);
    case "failed":
      return scalars + failureRoom(response);
    default:
      return unreachable(response);
  }
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeClientResponse(body: Uint8Array): ClientResponse {
  const reader = new FieldReader(body);
  const kind = reader.byte();
  const id = reader.long();
  const response = decodeResponseFields(reader, kind, id);
  reader.end();
  return response;
}

function decodeResponseFields(reader: FieldReader, kind: number, id: number): ClientResponse {
  switch (kind) {
    case RESPONSE_KIND.executed:
      return { kind: "executed", id, result: readResult(reader) };
    case RESPONSE_KIND.got: {
      const revision = reader.long();
      const keyValues = readKeyValues(reader);
      if (keyValues.length > 1) throw malformed("a key has more than one state");
      return { kind: "got", id, revision, keyValue: keyValues[0] };
    }
    case RESPONSE_KIND.page: {
      const revision = reader.long();
      const more = reader.boolean();
      return { kind: "page", id, revision, more, keyValues: readKeyValues(reader) };
    }
    case RESPONSE_KIND.statusOf:
      return { kind: "statusOf", id, json: reader.string() };
    case RESPONSE_KIND.infoOf:
      return { kind: "infoOf", id, json: reader.string() };
    case RESPONSE_KIND.logPage: {
      const previousChecksum = reader.longWithin(0, CHECKSUM_MAX, "a checksum");
      return { kind: "logPage", id, previousChecksum, blocks: reader.bytes() };
    }
    case RESPONSE_KIND.checksumOf: {
      const held = reader.boolean();
      const term = reader.long();
      return {
        kind: "checksumOf",
        id,
        held,
        term,
        checksum: reader.longWithin(0, CHECKSUM_MAX, "a checksum"),
      };
    }
    case RESPONSE_KIND.failed:
      return { kind: "failed", id, ...readFailure(reader) };
    case RESPONSE_KIND.answered:
      return { kind: "answered", id, result: strictly(reader.view(), readAnswer) };
    case RESPONSE_KIND.found: {
      const revision = reader.long();
      return { kind: "found", id, revision, found: decodeFound(reader.view()) };
    }
    case RESPONSE_KIND.administered:
      return { kind: "administered", id, index: reader.long() };
    case RESPONSE_KIND.goodbye:
      if (id !== 0) throw malformed("a goodbye answers nothing");
      return { kind: "goodbye", id };
    default: {
      const inspection = readInspectionResponse(reader, kind, id);
      if (inspection === undefined) throw malformed(`no answer has the kind ${kind}`);
      return inspection;
    }
  }
}

/** Writes the header of the frame whose body ends at `end`, and cuts off the room that was not needed. */
function sealFrame(target: Buffer, end: number): Buffer {
  assert(end <= target.length, "a message fits the room that was measured for it");
  const frame = target.subarray(0, end);
  writeFrameHeader(frame, 0, end - FRAME_HEADER_SIZE);
  return frame;
}

function readTimeoutMs(reader: FieldReader): number {
  return reader.longWithin(1, CLIENT_TIMEOUT_MS_MAX, "timeoutMs");
}
