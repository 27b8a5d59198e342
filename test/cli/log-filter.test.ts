import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { decodeRows, type Row } from "../../src/codec/block.js";
import { CommandError } from "../../src/console/failure.js";
import { logFilterOf, parseSpan, type FilterFlags } from "../../src/console/log-filter.js";
import { logLine, logText } from "../../src/console/log-lines.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Command, Request } from "../../src/store/command.js";
import { bytes, del, deleteRange, increment, put, request } from "../store/requests.js";
import { sealRequests } from "../codec/seal-requests.js";

const NONE: FilterFlags = {
  ...{ index: undefined, from: undefined, to: undefined, term: undefined },
  ...{ key: undefined, kind: undefined, request: undefined },
};

function rowsOf(index: number, term: number, ...requests: readonly Request[]): readonly Row[] {
  const position = { index: LogIndex(index), term: Term(term), previousChecksum: 0 };
  return decodeRows(sealRequests(position, 0, requests));
}

function isUsage(error: unknown): boolean {
  return error instanceof CommandError && error.exitCode === 2 && error.tryThis !== "";
}

describe("ranges of numbers", () => {
  const good: readonly (readonly [string, number, number])[] = [
    ["7", 7, 7],
    ["5..9", 5, 9],
    ["5..5", 5, 5],
    ["5..", 5, Infinity],
    ["..9", 1, 9],
  ];
  for (const [text, first, last] of good) {
    it(`${text} is ${first} to ${last}`, () => {
      assert.deepEqual(parseSpan(text, "--index"), { first, last });
    });
  }
  for (const text of ["", "..", "0", "0..3", "9..5", "-1", "1...3", "a", "1..b", "1.5", "1 ..2"]) {
    it(`"${text}" is refused`, () => {
      assert.throws(() => parseSpan(text, "--index"), isUsage);
    });
  }
});

const ROWS: readonly Row[] = [
  ...rowsOf(1, 1, request(put("user/1", "a"), put("user/2", "b", "absent"), del("user/1"))),
  ...rowsOf(2, 1, request(increment("count", 5n)), request(deleteRange("user/", "user0"))),
  ...rowsOf(3, 2, {
    id: new Uint8Array(16).fill(0xab),
    commands: [put("star*", "c"), put("other", "d")],
  }),
  ...rowsOf(4, 2, request(deleteRange("p", ""))),
];

describe("filters of the log", () => {
  const cases: readonly {
    readonly flags: Partial<FilterFlags>;
    /** index and key, or kind where there is none */
    readonly want: string;
  }[] = [
    {
      flags: {},
      want: "1 user/1, 1 user/2, 1 user/1, 2 count, 2 user/, 3 star*, 3 other, 4 p",
    },
    { flags: { index: "2" }, want: "2 count, 2 user/" },
    { flags: { index: "2..3" }, want: "2 count, 2 user/, 3 star*, 3 other" },
    { flags: { from: 3 }, want: "3 star*, 3 other, 4 p" },
    { flags: { to: 1 }, want: "1 user/1, 1 user/2, 1 user/1" },
    { flags: { term: "2" }, want: "3 star*, 3 other, 4 p" },
    { flags: { term: "..1", kind: ["put"] }, want: "1 user/1, 1 user/2" },
    { flags: { kind: ["delete,deleteRange"] }, want: "1 user/1, 2 user/, 4 p" },
    { flags: { kind: ["increment", "delete"] }, want: "1 user/1, 2 count" },
    // a range counts when the key lies in it
    { flags: { key: "user/1" }, want: "1 user/1, 1 user/1, 2 user/, 4 p" },
    { flags: { key: "user/" }, want: "2 user/, 4 p" },
    { flags: { key: "user/*" }, want: "1 user/1, 1 user/2, 1 user/1, 2 user/, 4 p" },
    { flags: { key: "user*" }, want: "1 user/1, 1 user/2, 1 user/1, 2 user/, 4 p" },
    { flags: { key: "user0" }, want: "4 p" },
    { flags: { key: "count" }, want: "2 count" },
    { flags: { key: "star\\*" }, want: "3 star*, 4 p" },
    { flags: { key: "o*", kind: ["put"] }, want: "3 other" },
    {
      flags: { key: "*" },
      want: "1 user/1, 1 user/2, 1 user/1, 2 count, 2 user/, 3 star*, 3 other, 4 p",
    },
    { flags: { request: "AB".repeat(16) }, want: "3 star*" },
    { flags: { key: "nothing" }, want: "" },
  ];
  for (const { flags, want } of cases) {
    it(`${JSON.stringify(flags)} gives [${want}]`, () => {
      const filter = logFilterOf({ ...NONE, ...flags });
      const found = ROWS.filter((row) => filter.wants(row)).map(
        ({ index, key }) => `${index} ${Buffer.from(key).toString()}`,
      );
      assert.equal(found.join(", "), want.replace(/nothing/, ""));
    });
  }

  const bad: readonly Partial<FilterFlags>[] = [
    { index: "1", from: 2 },
    { index: "1..2", to: 2 },
    { from: 5, to: 4 },
    { kind: ["puts"] },
    { term: "x" },
    { request: "abc" },
  ];
  for (const flags of bad) {
    it(`${JSON.stringify(flags)} is refused`, () => {
      assert.throws(() => logFilterOf({ ...NONE, ...flags }), isUsage);
    });
  }
});

describe("rows of requests that are more than commands on keys", () => {
  const id = new Uint8Array(16).fill(1);
  const hex = "01".repeat(16);
  const cases: readonly {
    readonly request: Request;
    readonly want: readonly Record<string, unknown>[];
  }[] = [
    {
      request: {
        ...request(put("k", "v")),
        session: { session: id, sequence: 9, acknowledged: 8 },
        reads: [
          { kind: "key", key: bytes("r"), revision: 4 },
          { kind: "range", key: bytes("a"), end: bytes("b"), revision: 5 },
        ],
        compares: [
          { target: "version", relation: ">", key: bytes("c"), number: 3 },
          { target: "value", relation: "!=", key: bytes("c"), value: bytes("x") },
        ],
        otherwise: [del("k") as never],
        mode: "each",
      },
      want: [
        { kind: "session", session: hex, sequence: 9, acknowledged: 8 },
        { kind: "each" },
        { kind: "readkey", key: "r", revision: 4 },
        { kind: "readrange", key: "a", end: "b", revision: 5 },
        { kind: "compare", key: "c", target: "version", relation: ">", number: 3 },
        { kind: "compare", key: "c", target: "value", relation: "!=", value: "x" },
        { kind: "put", key: "k", value: "v" },
        { kind: "otherwise" },
        { kind: "delete", key: "k" },
      ],
    },
    {
      request: request(
        { ...put("k", "v"), expiry: { kind: "ttl", ttl: 500 } } as Command,
        { kind: "setExpiry", key: bytes("k"), expiry: { kind: "until", time: 7 } },
        { kind: "getRange", key: bytes("a"), end: bytes("b"), limit: 10 },
        { kind: "get", key: bytes("g") },
      ),
      want: [
        { kind: "expiry", expiry: "ttl", ttl: 500 },
        { kind: "put", key: "k", value: "v" },
        { kind: "expiry", expiry: "until", until: 7 },
        { kind: "setexpiry", key: "k" },
        { kind: "getrange", key: "a", end: "b", limit: 10 },
        { kind: "get", key: "g" },
      ],
    },
    {
      request: request({
        ...{ kind: "stage", transaction: id },
        commands: [put("k", "v") as never],
        reads: [{ key: bytes("r") }],
      }),
      want: [
        { kind: "stage", transaction: hex },
        { kind: "put", key: "k", value: "v" },
        { kind: "readkey", key: "r", revision: 0 },
      ],
    },
    ...(
      [
        [
          { kind: "grantLease", lease: 3, ttl: 4 },
          { kind: "grantlease", lease: 3, ttl: 4 },
        ],
        [
          { kind: "revokeLease", lease: 3 },
          { kind: "revokelease", lease: 3 },
        ],
        [
          { kind: "openSession", session: id, ttl: 4 },
          { kind: "opensession", session: hex, ttl: 4 },
        ],
        [
          { kind: "closeSession", session: id },
          { kind: "closesession", session: hex },
        ],
        [
          { kind: "begin", transaction: id, isolation: "snapshot", idle: 5 },
          { kind: "begin", transaction: hex, isolation: "snapshot", idle: 5 },
        ],
        [
          { kind: "savepoint", transaction: id, name: bytes("n") },
          { kind: "savepoint", transaction: hex, name: "n" },
        ],
        [
          { kind: "commit", transaction: id },
          { kind: "commit", transaction: hex },
        ],
        [
          { kind: "compact", revision: 12 },
          { kind: "compact", revision: 12 },
        ],
        [{ kind: "expire" }, { kind: "expire" }],
      ] as const satisfies readonly (readonly [Command, Record<string, unknown>])[]
    ).map(([command, line]) => ({ request: request(command), want: [line] })),
  ];
  for (const { request: one, want } of cases) {
    it(`${want.map(({ kind }) => String(kind)).join(", ")} say what they are`, () => {
      const rows = rowsOf(1, 1, one);
      const lines = rows.map((row) => {
        const { index, term, time, request: id, more, checksum, ...line } = logLine(row);
        assert.equal(id, "");
        assert.deepEqual([index, term, checksum], [1, 1, logLine(rows[0] ?? row)["checksum"]]);
        assert.equal(typeof time, "string");
        assert.equal(more, row.more);
        assert.match(logText(row, true), new RegExp(` ${String(line["kind"])}( |$)`));
        return line;
      });
      assert.deepEqual(lines, want);
    });
  }
});
