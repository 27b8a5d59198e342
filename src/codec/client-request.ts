/** Requests of the native client protocol as bytes, and back: client-message.ts says what they are. */
import { unreachable } from "../assert.js";
import { adminActionOf, adminTexts } from "./admin-action.js";
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
import { sealClientFrame } from "./client-frame.js";
import { CLIENT_TIMEOUT_MS_MAX, type AnswerDetail, type ClientRequest } from "./client-message.js";
import { decodeQuery, encodeQuery } from "./client-query.js";
import { FRAME_HEADER_SIZE } from "./frame.js";
import {
  INSPECTION_REQUEST_KIND,
  readInspectionRequest,
  writeInspectionRequest,
} from "./inspection-message.js";

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

const ANSWERS: readonly AnswerDetail[] = ["counts", "previous", "whole"];

const NO_BYTES = new Uint8Array(0);

/** The body of a frame. */
export function encodeClientRequest(request: ClientRequest): Buffer {
  return encodeClientRequestFrame(request).subarray(FRAME_HEADER_SIZE);
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
  return sealClientFrame(target, writer.offset);
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

function readTimeoutMs(reader: FieldReader): number {
  return reader.longWithin(1, CLIENT_TIMEOUT_MS_MAX, "timeoutMs");
}
