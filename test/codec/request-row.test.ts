import assert from "node:assert/strict";
import avsc from "avsc";
import fc from "fast-check";
import { describe, it } from "mocha";
import { decodeRequest, decodeRequests, encodeRequest, readBlock } from "../../src/codec/block.js";
import { ROW_SCHEMA } from "../../src/codec/schema.js";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Command, Request } from "../../src/store/command.js";
import { contentSize } from "../../src/store/limits.js";
import { anyWholeRequest } from "../store/any-request.js";
import { sealRequests } from "./seal-requests.js";

const AT = { index: LogIndex(7), term: Term(3), previousChecksum: 5 };
const TIME = 1_790_000_000_000;
const rowType = avsc.Type.forSchema(ROW_SCHEMA as unknown as avsc.Schema);

/** The model's increments leave 64 bits at times: those have no row. */
const anyRequest = anyWholeRequest.filter((request) =>
  [...request.commands, ...(request.otherwise ?? [])].every(
    (command) => command.kind !== "increment" || BigInt.asIntN(64, command.by) === command.by,
  ),
);

/** Rows as they are written, for what no writer of ours would write. */
function rows(
  ...parts: readonly { kind: string; key?: string; value?: readonly number[] }[]
): Uint8Array {
  const encoded = parts.map(({ kind, key, value }, i) =>
    rowType.toBuffer({
      checksum: null,
      time: null,
      index: 0,
      term: 0,
      kind,
      more: i + 1 < parts.length,
      request: Buffer.alloc(0),
      key: Buffer.from(key ?? ""),
      value: Buffer.from(value ?? []),
    }),
  );
  return new Uint8Array(Buffer.concat(encoded));
}

const ID = [16, ...new Array<number>(16).fill(9)];
const PUT = { kind: "put", key: "k" };

describe("the rows of a request", () => {
  /** bytes of a block's head, a request's id, its session, and the rows that hold no command */
  const FIXED_SIZE = 160;
  const LATE = { index: LogIndex(2 ** 35), term: Term(10_000), previousChecksum: 5 };

  it("take up no more than it is counted with", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { length } = sealRequests(LATE, TIME, [request]).block;
        assert.ok(length <= contentSize(request) + FIXED_SIZE);
      }),
      { numRuns: 500, seed: 20261129 },
    );
  });

  const key = new Uint8Array(1);
  const end = new Uint8Array(0);
  const ttl = { kind: "ttl", ttl: 9_000_000_000_000 } as const;
  const put = { kind: "put", key, value: end, condition: "none", expiry: ttl } as const;
  const smallest: readonly Command[] = [
    put,
    { kind: "setExpiry", key, expiry: ttl },
    { kind: "delete", key },
    { kind: "deleteRange", key: end, end },
    { kind: "getRange", key: end, end, limit: 1000 },
    { kind: "increment", key, by: -(2n ** 63n) },
  ];
  const COUNT = 85_000;
  const many: readonly (readonly [name: string, request: Request])[] = [
    ...smallest.map((command): readonly [string, Request] => [
      command.kind,
      { id: end, commands: new Array<Command>(COUNT).fill(command) },
    ]),
    [
      "staged puts",
      {
        id: end,
        commands: [
          {
            kind: "stage",
            transaction: new Uint8Array(16),
            commands: new Array<typeof put>(COUNT).fill(put),
            reads: [],
          },
        ],
      },
    ],
  ];
  for (const [name, request] of many) {
    it(`take up no more than is counted of as many as one may hold: ${name}`, () => {
      const { length } = sealRequests(LATE, TIME, [request]).block;
      assert.ok(contentSize(request) > 2 ** 20, "a block gathers no other beside it");
      assert.ok(length <= contentSize(request) + FIXED_SIZE);
    });
  }

  it("read back as the request, alone and in a block", () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { minLength: 1, maxLength: 6 }), (requests) => {
        for (const each of requests) assert.deepEqual(decodeRequest(encodeRequest(each)), each);
        const { block } = sealRequests(AT, TIME, requests);
        const read = readBlock(block, 0, AT.previousChecksum);
        assert.ok(read.kind === "entry" && read.entry.kind === "commands");
        assert.deepEqual(decodeRequests(read.entry), requests);
      }),
      { numRuns: 500, seed: 20261128 },
    );
  });

  it("of which a byte is damaged are refused, or are another request", () => {
    fc.assert(
      fc.property(anyRequest, fc.nat(), fc.integer({ min: 1, max: 255 }), (request, at, flip) => {
        const bytes = encodeRequest(request);
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ flip;
        let decoded: Request;
        try {
          decoded = decodeRequest(bytes);
        } catch (error) {
          assert.ok(error instanceof DatabaseError && error.code === "PROTOCOL");
          return;
        }
        assert.deepEqual(decodeRequest(encodeRequest(decoded)), decoded);
      }),
      { numRuns: 3000, seed: 20261129 },
    );
  });

  const refused: readonly (readonly [title: string, rows: Uint8Array])[] = [
    ["a session alone", rows({ kind: "session", value: [...ID, 1, 0] })],
    ["a session behind a command", rows(PUT, { kind: "session", value: [...ID, 1, 0] })],
    [
      "two sessions",
      rows(
        { kind: "session", value: [...ID, 1, 0] },
        { kind: "session", value: [...ID, 1, 0] },
        PUT,
      ),
    ],
    ["a session without its numbers", rows({ kind: "session", value: ID }, PUT)],
    ["a session of 15 bytes", rows({ kind: "session", value: [15, ...ID.slice(2), 1, 0] }, PUT)],
    ["a compare behind a command", rows(PUT, { kind: "compare", key: "k", value: [0, 0, 1] })],
    ["a compare of no target", rows({ kind: "compare", key: "k", value: [5, 0, 1] }, PUT)],
    ["a compare of no relation", rows({ kind: "compare", key: "k", value: [0, 4, 1] }, PUT)],
    [
      "a compare with bytes behind it",
      rows({ kind: "compare", key: "k", value: [0, 0, 1, 1] }, PUT),
    ],
    [
      "a number that is longer than it needs",
      rows({ kind: "compare", key: "k", value: [0, 0, 0x81, 0] }, PUT),
    ],
    ["otherwise without compares", rows(PUT, { kind: "otherwise" }, PUT)],
    [
      "otherwise without commands before",
      rows({ kind: "compare", key: "k", value: [0, 0, 1] }, { kind: "otherwise" }, PUT),
    ],
    [
      "otherwise without commands behind",
      rows({ kind: "compare", key: "k", value: [0, 0, 1] }, PUT, { kind: "otherwise" }),
    ],
    [
      "otherwise with a key",
      rows(
        { kind: "compare", key: "k", value: [0, 0, 1] },
        PUT,
        { kind: "otherwise", key: "k" },
        PUT,
      ),
    ],
    ["an expiry at the end", rows(PUT, { kind: "expiry", value: [3] })],
    [
      "an expiry before a deletion",
      rows({ kind: "expiry", value: [3] }, { kind: "delete", key: "k" }),
    ],
    ["an expiry of no kind", rows({ kind: "expiry", value: [4] }, PUT)],
    ["two expiries", rows({ kind: "expiry", value: [3] }, { kind: "expiry", value: [3] }, PUT)],
    ["a control command among others", rows(PUT, { kind: "expire" })],
    ["commands behind a control command", rows({ kind: "expire" }, PUT)],
    [
      "a read behind a compare",
      rows(
        { kind: "compare", key: "k", value: [0, 0, 1] },
        { kind: "readKey", key: "k", value: [1] },
        PUT,
      ),
    ],
    [
      "a stage of an increment",
      rows({ kind: "stage", value: ID }, { kind: "increment", key: "k", value: [0x31] }),
    ],
    [
      "a stage of a conditional put",
      rows({ kind: "stage", value: ID }, { kind: "putIfAbsent", key: "k" }),
    ],
    [
      "an increment behind a byte order mark",
      rows({ kind: "increment", key: "k", value: [0xef, 0xbb, 0xbf, 0x35] }),
    ],
    ["an expire with a value", rows({ kind: "expire", value: [1] })],
    ["a compaction without a revision", rows({ kind: "compact" })],
    ["a begin of no isolation", rows({ kind: "begin", value: [...ID, 2, 5] })],
    ["a get with a value", rows({ kind: "get", key: "k", value: [1] })],
    ["a no-op", rows({ kind: "noop" })],
    ["a configuration behind a command", rows(PUT, { kind: "config" })],
  ];
  for (const [title, bytes] of refused) {
    it(`are refused as ${title}`, () => {
      assert.throws(
        () => decodeRequest(bytes),
        (error) => error instanceof DatabaseError && error.code === "PROTOCOL",
      );
    });
  }

  it("have kinds that keep their numbers for ever", () => {
    const kinds: readonly string[] = ROW_SCHEMA.fields[4].type.symbols;
    assert.deepEqual(
      kinds,
      (
        "noop config put putIfAbsent putIfPresent delete deleteRange increment append session each " +
        "readKey readRange compare otherwise expiry setExpiry get getRange grantLease keepLease " +
        "revokeLease openSession keepSession closeSession begin stage savepoint rollbackTo commit " +
        "rollback compact expire"
      ).split(" "),
    );
  });
});
