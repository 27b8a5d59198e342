/**
 * The native client protocol: what the CLI and the library say to a node.
 *
 * A connection starts with CLIENT_PREAMBLE (its first byte, 0, is no RESP and no
 * HTTP), then frames both ways. Requests carry an id; answers come in any order.
 * One Avro record per kind, scalars and bytes only.
 */
import type { ErrorCode, Outcome } from "../errors.js";
import type { Request, RequestResult, KeyValue } from "../store/command.js";

/** 0x00 "BALSA" version(1) 0x0a */
export const CLIENT_PREAMBLE: Uint8Array = new Uint8Array([
  0, 0x42, 0x41, 0x4c, 0x53, 0x41, 1, 0x0a,
]);

export type ClientRequest =
  | {
      readonly kind: "execute";
      readonly id: number;
      readonly timeoutMs: number;
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
  | { readonly kind: "checksumAt"; readonly id: number; readonly index: number };

export type ClientResponse =
  | { readonly kind: "executed"; readonly id: number; readonly result: RequestResult }
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
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly outcome: Outcome;
      /** hex, or empty */
      readonly requestId: string;
    };

export declare function encodeClientRequest(request: ClientRequest): Buffer;
/** @throws {DatabaseError} PROTOCOL */
export declare function decodeClientRequest(body: Uint8Array): ClientRequest;
export declare function encodeClientResponse(response: ClientResponse): Buffer;
/** @throws {DatabaseError} PROTOCOL */
export declare function decodeClientResponse(body: Uint8Array): ClientResponse;
