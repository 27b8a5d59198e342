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
 *
 * The bytes of requests are made and taken in client-request.ts, those of answers in
 * client-response.ts.
 */
import type { KeyValue, Request, RequestResult } from "../store/command.js";
import type { AdminAction } from "./admin-action.js";
import type { FailureFields } from "./client-failure.js";
import type { Found, Query } from "./client-query.js";
import type { InspectionRequest, InspectionResponse } from "./inspection-message.js";

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
