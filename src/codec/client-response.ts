/** Answers of the native client protocol as bytes, and back: client-message.ts says what they are. */
import { unreachable } from "../assert.js";
import { encodeAnswer, readAnswer } from "../store/answer.js";
import { readFailure, failureRoom, writeFailure } from "./client-failure.js";
import { bytesRoom, FieldReader, FieldWriter, longsRoom, malformed } from "./client-field.js";
import { sealClientFrame } from "./client-frame.js";
import type { ClientResponse } from "./client-message.js";
import { decodeFound, encodeFound, strictly } from "./client-query.js";
import {
  keyValuesRoom,
  present,
  readKeyValues,
  readResult,
  resultRoom,
  writeKeyValues,
  writeResult,
} from "./client-result.js";
import { FRAME_HEADER_SIZE } from "./frame.js";
import {
  INSPECTION_RESPONSE_KIND,
  inspectionResponseRoom,
  readInspectionResponse,
  writeInspectionResponse,
} from "./inspection-message.js";

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

const NO_BYTES = new Uint8Array(0);
const CHECKSUM_MAX = 0xffff_ffff;

/** The body of a frame. */
export function encodeClientResponse(response: ClientResponse): Buffer {
  return encodeClientResponseFrame(response).subarray(FRAME_HEADER_SIZE);
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
  return sealClientFrame(target, writer.offset);
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
