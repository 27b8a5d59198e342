import assert from "node:assert/strict";
import avsc from "avsc";
import { describe, it } from "mocha";
import { encodeRequest } from "../../src/codec/block.js";
import type { ClientRequest, ClientResponse } from "../../src/codec/client-message.js";
import { decodeClientRequest, encodeClientRequest } from "../../src/codec/client-request.js";
import { decodeClientResponse, encodeClientResponse } from "../../src/codec/client-response.js";
import type { KeyValue, Request } from "../../src/store/command.js";
import { plain } from "./client-message-samples.js";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("codec: native client messages are Avro's", () => {
  const long = "long" as const;
  const bytes = "bytes" as const;
  const keyValue: KeyValue = {
    key: bytesOf("k"),
    value: bytesOf("v"),
    createRevision: 2,
    modRevision: 300,
    version: 5,
  };
  const keyValueBytes = Buffer.from([2, 0x6b, 2, 0x76, 4, 0xd8, 4, 10, 0]);
  const request: Request = {
    id: new Uint8Array(16).fill(9),
    commands: [{ kind: "delete", key: bytesOf("k") }],
  };
  const records: readonly {
    readonly message: ClientRequest | ClientResponse;
    readonly kind: number;
    readonly fields: readonly (readonly [
      string,
      "long" | "bytes" | "boolean" | "string",
      unknown,
    ])[];
  }[] = [
    {
      message: { kind: "execute", id: 300, timeoutMs: 5000, answer: "previous", request },
      kind: 1,
      fields: [
        ["id", long, 300],
        ["timeoutMs", long, 5000],
        ["answer", long, 1],
        ["request", bytes, Buffer.from(encodeRequest(request))],
      ],
    },
    {
      message: { kind: "get", id: 1, timeoutMs: 2, key: bytesOf("k") },
      kind: 2,
      fields: [
        ["id", long, 1],
        ["timeoutMs", long, 2],
        ["key", bytes, Buffer.from("k")],
      ],
    },
    {
      message: {
        kind: "range",
        id: Number.MAX_SAFE_INTEGER - 1,
        timeoutMs: 64,
        from: bytesOf("a"),
        end: new Uint8Array(0),
        countMax: 1000,
        sizeMax: 2 ** 40,
      },
      kind: 3,
      fields: [
        ["id", long, Number.MAX_SAFE_INTEGER - 1],
        ["timeoutMs", long, 64],
        ["from", bytes, Buffer.from("a")],
        ["end", bytes, Buffer.alloc(0)],
        ["countMax", long, 1000],
        ["sizeMax", long, 2 ** 40],
      ],
    },
    {
      message: { kind: "status", id: 63, timeoutMs: 64 },
      kind: 4,
      fields: [
        ["id", long, 63],
        ["timeoutMs", long, 64],
      ],
    },
    { message: { kind: "info", id: 8191 }, kind: 5, fields: [["id", long, 8191]] },
    {
      message: { kind: "readLog", id: 1, from: 8192, sizeMax: 1 },
      kind: 6,
      fields: [
        ["id", long, 1],
        ["from", long, 8192],
        ["sizeMax", long, 1],
      ],
    },
    {
      message: { kind: "checksumAt", id: 1, index: 0 },
      kind: 7,
      fields: [
        ["id", long, 1],
        ["index", long, 0],
      ],
    },
    { message: { kind: "snapshots", id: 5 }, kind: 20, fields: [["id", long, 5]] },
    {
      message: { kind: "saveSnapshot", id: 5, timeoutMs: 70 },
      kind: 21,
      fields: [
        ["id", long, 5],
        ["timeoutMs", long, 70],
      ],
    },
    {
      message: { kind: "readSaved", id: 5, index: 6, offset: 0, sizeMax: 4096 },
      kind: 22,
      fields: [
        ["id", long, 5],
        ["index", long, 6],
        ["offset", long, 0],
        ["sizeMax", long, 4096],
      ],
    },
    {
      message: { kind: "snapshotsOf", id: 5, json: "[]" },
      kind: 90,
      fields: [
        ["id", long, 5],
        ["json", "string", "[]"],
      ],
    },
    {
      message: {
        kind: "savedAs",
        id: 5,
        saved: { index: 1, term: 2, revision: 3, size: 4, fileChecksum: 0xffff_ffff },
      },
      kind: 91,
      fields: [
        ["id", long, 5],
        ["index", long, 1],
        ["term", long, 2],
        ["revision", long, 3],
        ["size", long, 4],
        ["fileChecksum", long, 0xffff_ffff],
      ],
    },
    {
      message: { kind: "savedPart", id: 5, bytes: bytesOf("part") },
      kind: 92,
      fields: [
        ["id", long, 5],
        ["bytes", bytes, Buffer.from("part")],
      ],
    },
    {
      message: {
        kind: "executed",
        id: 1,
        result: {
          kind: "applied",
          revision: 9,
          results: [{ previous: keyValue, current: undefined, deletedCount: 1 }],
        },
      },
      kind: 65,
      fields: [
        ["id", long, 1],
        ["revision", long, 9],
        ["verdict", long, 0],
        ["commandIndex", long, 0],
        ["count", long, 1],
        ["results", bytes, Buffer.concat([Buffer.from([1]), keyValueBytes, Buffer.from([2])])],
      ],
    },
    {
      message: {
        kind: "executed",
        id: 1,
        result: {
          kind: "rejected",
          reason: "overflow",
          commandIndex: 4,
          revision: 9,
          current: keyValue,
        },
      },
      kind: 65,
      fields: [
        ["id", long, 1],
        ["revision", long, 9],
        ["verdict", long, 3],
        ["commandIndex", long, 4],
        ["count", long, 1],
        ["results", bytes, keyValueBytes],
      ],
    },
    {
      message: { kind: "got", id: 1, revision: 9, keyValue: undefined },
      kind: 66,
      fields: [
        ["id", long, 1],
        ["revision", long, 9],
        ["count", long, 0],
        ["keyValues", bytes, Buffer.alloc(0)],
      ],
    },
    {
      message: { kind: "page", id: 1, revision: 9, more: true, keyValues: [keyValue, keyValue] },
      kind: 67,
      fields: [
        ["id", long, 1],
        ["revision", long, 9],
        ["more", "boolean", true],
        ["count", long, 2],
        ["keyValues", bytes, Buffer.concat([keyValueBytes, keyValueBytes])],
      ],
    },
    {
      message: { kind: "statusOf", id: 1, json: '{"größe":"鍵"}' },
      kind: 68,
      fields: [
        ["id", long, 1],
        ["json", "string", '{"größe":"鍵"}'],
      ],
    },
    {
      message: { kind: "infoOf", id: 1, json: "{}" },
      kind: 69,
      fields: [
        ["id", long, 1],
        ["json", "string", "{}"],
      ],
    },
    {
      message: { kind: "logPage", id: 1, previousChecksum: 0xffff_ffff, blocks: bytesOf("b") },
      kind: 70,
      fields: [
        ["id", long, 1],
        ["previousChecksum", long, 0xffff_ffff],
        ["blocks", bytes, Buffer.from("b")],
      ],
    },
    {
      message: { kind: "checksumOf", id: 1, held: true, term: 7, checksum: 8 },
      kind: 71,
      fields: [
        ["id", long, 1],
        ["held", "boolean", true],
        ["term", long, 7],
        ["checksum", long, 8],
      ],
    },
    {
      message: {
        kind: "failed",
        id: 0,
        code: "OUTCOME_UNKNOWN",
        message: "größe",
        outcome: "unknown",
        requestId: "0909",
      },
      kind: 72,
      fields: [
        ["id", long, 0],
        ["code", "string", "OUTCOME_UNKNOWN"],
        ["message", "string", "größe"],
        ["outcome", long, 2],
        ["requestId", "string", "0909"],
        ["bounded", "boolean", false],
        ["asked", long, 0],
        ["compacted", long, 0],
        ["current", long, 0],
      ],
    },
    {
      message: {
        kind: "failed",
        id: 3,
        code: "REVISION_FUTURE",
        message: "",
        outcome: "not-applied",
        requestId: "",
        revisions: { asked: 9, compacted: 2, current: 5 },
      },
      kind: 72,
      fields: [
        ["id", long, 3],
        ["code", "string", "REVISION_FUTURE"],
        ["message", "string", ""],
        ["outcome", long, 0],
        ["requestId", "string", ""],
        ["bounded", "boolean", true],
        ["asked", long, 9],
        ["compacted", long, 2],
        ["current", long, 5],
      ],
    },
    {
      message: { kind: "query", id: 1, timeoutMs: 5, query: { kind: "lease", lease: 300 } },
      kind: 9,
      fields: [
        ["id", long, 1],
        ["timeoutMs", long, 5],
        ["query", bytes, Buffer.from([8, 0xac, 2])],
      ],
    },
    {
      message: {
        kind: "answered",
        id: 1,
        result: { kind: "applied", revision: 2, results: [], succeeded: false },
      },
      kind: 75,
      fields: [
        ["id", long, 1],
        ["answer", bytes, Buffer.from([0, 2, 1, 0])],
      ],
    },
    {
      message: { kind: "found", id: 1, revision: 9, found: { kind: "leases", leases: [1, 2] } },
      kind: 76,
      fields: [
        ["id", long, 1],
        ["revision", long, 9],
        ["found", bytes, Buffer.from([7, 2, 1, 2])],
      ],
    },
  ];
  for (const { message, kind, fields } of records) {
    it(`${message.kind} is kind ${kind} and an Avro record of its fields`, () => {
      const type = avsc.Type.forSchema({
        type: "record",
        name: message.kind,
        fields: fields.map(([name, fieldType]) => ({ name, type: fieldType })),
      });
      const record = Object.fromEntries(fields.map(([name, , value]) => [name, value]));
      const body = Buffer.concat([Buffer.from([kind]), type.toBuffer(record)]);
      if (kind < 64) {
        assert.deepEqual(encodeClientRequest(message as ClientRequest), body);
        assert.deepEqual(plain(decodeClientRequest(body)), plain(message));
      } else {
        assert.deepEqual(encodeClientResponse(message as ClientResponse), body);
        assert.deepEqual(plain(decodeClientResponse(body)), plain(message));
      }
    });
  }
});
