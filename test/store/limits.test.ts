import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Command, Delete, Put, Request } from "../../src/store/command.js";
import { checkRequest, COMMAND_OVERHEAD_SIZE } from "../../src/store/limits.js";
import { append, bytes, del, deleteRange, increment, put, request } from "./requests.js";

const LIMITS = { keySizeMax: 4, valueSizeMax: 6, requestSizeMax: 2 * COMMAND_OVERHEAD_SIZE + 10 };

const cases: readonly {
  readonly title: string;
  readonly request: Request;
  readonly code?: string;
  readonly message?: RegExp;
}[] = [
  { title: "a key and a value at their limits", request: request(put("kkkk", "vvvvvv")) },
  { title: "an empty value", request: request(put("k", "")) },
  { title: "a range without bounds", request: request(deleteRange("", "")) },
  { title: "a request at its limit", request: request(put("kk", "vvv"), put("kk", "vvv")) },
  { title: "no command", request: request(), code: "INVALID_ARGUMENT" },
  {
    title: "an id of 3 bytes",
    request: { id: new Uint8Array(3), commands: [del("k")] },
    code: "INVALID_ARGUMENT",
    message: /16 bytes or none, not 3/,
  },
  ...[put("", "v"), del(""), increment("", 1n), append("", "v")].map((command: Command) => ({
    title: `an empty key in ${command.kind}`,
    request: request(del("k"), command),
    code: "INVALID_ARGUMENT",
    message: /key is empty/,
  })),
  ...[put("kkkkk", ""), del("kkkkk"), increment("kkkkk", 1n), append("kkkkk", "")].map(
    (command: Command) => ({
      title: `a key of five bytes in ${command.kind}`,
      request: request(command),
      code: "KEY_TOO_LARGE",
      message: /key of 5 bytes is over the limit of 4 bytes/,
    }),
  ),
  ...[deleteRange("kkkkkk", ""), deleteRange("", "kkkkkk")].map((command: Command) => ({
    title: "a bound of six bytes in deleteRange",
    request: request(command),
    code: "KEY_TOO_LARGE",
    message: /key of 6 bytes is over the limit of 5 bytes/,
  })),
  ...[put("k", "vvvvvvv"), append("k", "vvvvvvv")].map((command: Command) => ({
    title: `a value of seven bytes in ${command.kind}`,
    request: request(command),
    code: "VALUE_TOO_LARGE",
    message: /value of 7 bytes is over the limit of 6 bytes/,
  })),
  {
    title: "a request one byte over its limit",
    request: request(put("kk", "vvv"), put("kk", "vvvv")),
    code: "REQUEST_TOO_LARGE",
    message: new RegExp(
      `request of ${LIMITS.requestSizeMax + 1} bytes .*limit of ${LIMITS.requestSizeMax} bytes`,
    ),
  },
  {
    title: "many commands that are small",
    request: request(del("a"), del("b"), del("c")),
    code: "REQUEST_TOO_LARGE",
  },
  ...forms(),
];

/** Requests whose form is wrong, whatever their size. */
function forms(): readonly { title: string; request: Request; code: string; message: RegExp }[] {
  const id = new Uint8Array(16);
  const mark = { session: id, sequence: 1, acknowledged: 0 };
  const compare = { target: "version", relation: "=", key: bytes("k"), number: 1 } as const;
  const ttl = (ms: number): Command => ({
    ...(put("k", "v") as Put),
    expiry: { kind: "ttl", ttl: ms },
  });
  const plain = request(put("k", "v"));
  const all: readonly (readonly [string, Request, RegExp])[] = [
    ["a control command among others", request(put("k", "v"), { kind: "expire" }), /stands alone/],
    [
      "a control command with compares",
      { ...request({ kind: "expire" }), compares: [compare] },
      /stands alone/,
    ],
    [
      "alternatives without compares",
      { ...plain, otherwise: [del("k") as Delete] },
      /need compares/,
    ],
    ["no compares in a list of them", { ...plain, compares: [] }, /not empty/],
    ["no reads in a list of them", { ...plain, reads: [] }, /not empty/],
    ["a session of 15 bytes", { ...plain, session: { ...mark, session: id.slice(1) } }, /16 bytes/],
    ["a sequence of 0", { ...plain, session: { ...mark, sequence: 0 } }, /a sequence is/],
    [
      "a sequence acknowledged by itself",
      { ...plain, session: { ...mark, acknowledged: 1 } },
      /acknowledged/,
    ],
    ["a time to live of 0", request(ttl(0)), /a time to live is/],
    ["a time to live of half a millisecond", request(ttl(0.5)), /a time to live is/],
    [
      "a lease with a key's number",
      request({ kind: "grantLease", lease: 2 ** 52, ttl: 1 }),
      /a lease is/,
    ],
    ["a compaction of revision 0", request({ kind: "compact", revision: 0 }), /a revision is/],
    [
      "a range of no keys",
      request({ kind: "getRange", key: bytes("a"), end: bytes("b"), limit: 0 }),
      /a limit is/,
    ],
    [
      "an idle time of two days",
      request({ kind: "begin", transaction: id, isolation: "snapshot", idle: 2 * 86_400_000 }),
      /an idle time is/,
    ],
    [
      "a savepoint without a name",
      request({ kind: "savepoint", transaction: id, name: bytes("") }),
      /name/,
    ],
    [
      "a staged put with a condition",
      request({
        kind: "stage",
        transaction: id,
        commands: [put("k", "v", "absent") as Put],
        reads: [],
      }),
      /no condition/,
    ],
  ];
  return all.map(([title, given, message]) => ({
    title,
    request: given,
    code: "INVALID_ARGUMENT",
    message,
  }));
}

describe("the limits of a request", () => {
  for (const { title, request: given, code, message } of cases) {
    it(`${code === undefined ? "allow" : `refuse as ${code}`} ${title}`, () => {
      const error = checkRequest(given, LIMITS);
      assert.equal(error?.code, code);
      assert.equal(error?.outcome, code === undefined ? undefined : "not-applied");
      if (message !== undefined) assert.match(error?.message ?? "", message);
    });
  }
});
