import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Command, Request } from "../../src/store/command.js";
import { checkRequest, COMMAND_OVERHEAD_SIZE } from "../../src/store/limits.js";
import { append, del, deleteRange, increment, put, request } from "./requests.js";

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
  ...[
    put("kkkkk", ""),
    del("kkkkk"),
    deleteRange("kkkkk", ""),
    deleteRange("", "kkkkk"),
    increment("kkkkk", 1n),
    append("kkkkk", ""),
  ].map((command: Command) => ({
    title: `a key of five bytes in ${command.kind}`,
    request: request(command),
    code: "KEY_TOO_LARGE",
    message: /key of 5 bytes is over the limit of 4 bytes/,
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
];

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
