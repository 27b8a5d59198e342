/**
 * What the offline tools' online halves say to a node: the part of the native
 * client protocol (client-message.ts) that is about snapshots.
 *
 *   20 snapshots    id long
 *   21 saveSnapshot id long, timeoutMs long
 *   22 readSaved    id long, index long, offset long, sizeMax long
 *
 *   90 snapshotsOf  id long, json string             JSON of HeldSnapshot[]
 *   91 savedAs      id long, index long, term long, revision long, size long, fileChecksum long
 *   92 savedPart    id long, bytes bytes
 */
import { unreachable } from "../assert.js";
import {
  bytesRoom,
  LONG_MAX,
  longsRoom,
  type FieldReader,
  type FieldWriter,
} from "./client-field.js";

/** A snapshot that a node wrote for whoever asked for it. */
export interface SavedSnapshot {
  /** the last entry whose effect it holds */
  readonly index: number;
  readonly term: number;
  /** of the store */
  readonly revision: number;
  /** bytes */
  readonly size: number;
  /** CRC-32 of the whole file */
  readonly fileChecksum: number;
}

export type InspectionRequest =
  | { readonly kind: "snapshots"; readonly id: number }
  | { readonly kind: "saveSnapshot"; readonly id: number; readonly timeoutMs: number }
  | {
      readonly kind: "readSaved";
      readonly id: number;
      /** of the SavedSnapshot */
      readonly index: number;
      readonly offset: number;
      readonly sizeMax: number;
    };

export type InspectionResponse =
  | { readonly kind: "snapshotsOf"; readonly id: number; readonly json: string }
  | { readonly kind: "savedAs"; readonly id: number; readonly saved: SavedSnapshot }
  | { readonly kind: "savedPart"; readonly id: number; readonly bytes: Uint8Array };

export const INSPECTION_REQUEST_KIND = {
  snapshots: 20,
  saveSnapshot: 21,
  readSaved: 22,
} as const satisfies Record<InspectionRequest["kind"], number>;

export const INSPECTION_RESPONSE_KIND = {
  snapshotsOf: 90,
  savedAs: 91,
  savedPart: 92,
} as const satisfies Record<InspectionResponse["kind"], number>;

const CHECKSUM_MAX = 0xffff_ffff;

/** The fields behind the id. Three longs at most. */
export function writeInspectionRequest(writer: FieldWriter, request: InspectionRequest): void {
  switch (request.kind) {
    case "snapshots":
      return;
    case "saveSnapshot":
      writer.long(request.timeoutMs);
      return;
    case "readSaved":
      writer.long(request.index);
      writer.long(request.offset);
      writer.long(request.sizeMax);
      return;
    default:
      unreachable(request);
  }
}

/**
 * The way back; undefined when the kind is none of these.
 * @param readTimeoutMs reads a time to wait, and refuses what is none
 * @throws {DatabaseError} PROTOCOL
 */
export function readInspectionRequest(
  reader: FieldReader,
  kind: number,
  id: number,
  readTimeoutMs: (reader: FieldReader) => number,
): InspectionRequest | undefined {
  switch (kind) {
    case INSPECTION_REQUEST_KIND.snapshots:
      return { kind: "snapshots", id };
    case INSPECTION_REQUEST_KIND.saveSnapshot:
      return { kind: "saveSnapshot", id, timeoutMs: readTimeoutMs(reader) };
    case INSPECTION_REQUEST_KIND.readSaved:
      return {
        kind: "readSaved",
        id,
        index: reader.longWithin(1, LONG_MAX, "index"),
        offset: reader.long(),
        sizeMax: reader.longWithin(1, LONG_MAX, "sizeMax"),
      };
    default:
      return undefined;
  }
}

/** Room for the fields behind the id. */
export function inspectionResponseRoom(response: InspectionResponse): number {
  switch (response.kind) {
    case "snapshotsOf":
      return bytesRoom(Buffer.byteLength(response.json));
    case "savedAs":
      return longsRoom(5);
    case "savedPart":
      return bytesRoom(response.bytes.length);
    default:
      return unreachable(response);
  }
}

/** The fields behind the id. */
export function writeInspectionResponse(writer: FieldWriter, response: InspectionResponse): void {
  switch (response.kind) {
    case "snapshotsOf":
      writer.string(response.json);
      return;
    case "savedAs": {
      const { index, term, revision, size, fileChecksum } = response.saved;
      for (const value of [index, term, revision, size, fileChecksum]) writer.long(value);
      return;
    }
    case "savedPart":
      writer.bytes(response.bytes);
      return;
    default:
      unreachable(response);
  }
}

/** The way back; undefined when the kind is none of these. @throws {DatabaseError} PROTOCOL */
export function readInspectionResponse(
  reader: FieldReader,
  kind: number,
  id: number,
): InspectionResponse | undefined {
  switch (kind) {
    case INSPECTION_RESPONSE_KIND.snapshotsOf:
      return { kind: "snapshotsOf", id, json: reader.string() };
    case INSPECTION_RESPONSE_KIND.savedAs: {
      const [index, term, revision, size] = [
        reader.longWithin(1, LONG_MAX, "index"),
        reader.long(),
        reader.long(),
        reader.long(),
      ];
      const fileChecksum = reader.longWithin(0, CHECKSUM_MAX, "a checksum");
      return { kind: "savedAs", id, saved: { index, term, revision, size, fileChecksum } };
    }
    case INSPECTION_RESPONSE_KIND.savedPart:
      return { kind: "savedPart", id, bytes: reader.bytes() };
    default:
      return undefined;
  }
}
