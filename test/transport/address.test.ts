import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { isDialable, parseAddress } from "../../src/transport/address.js";

describe("address", () => {
  const cases: readonly { readonly text: string; readonly host: string; readonly port: number }[] =
    [
      { text: "127.0.0.1:13141", host: "127.0.0.1", port: 13141 },
      { text: "localhost:0", host: "localhost", port: 0 },
      { text: "db-1.example.com:65535", host: "db-1.example.com", port: 65_535 },
      { text: "[::1]:80", host: "::1", port: 80 },
      { text: "[fe80::1%eth0]:80", host: "fe80::1%eth0", port: 80 },
    ];
  for (const { text, host, port } of cases) {
    it(`${text} is port ${port} of ${host}`, () => {
      assert.deepEqual(parseAddress(text), { host, port });
      assert.equal(isDialable(text), port !== 0);
    });
  }

  const none = [
    "",
    "localhost",
    ":80",
    "::1:80",
    "[::1]",
    "localhost:",
    "localhost:65536",
    "localhost:-1",
    "localhost:1e3",
    "localhost:123456",
    "two words:80",
    "localhost:80\n",
    `${"h".repeat(254)}:80`,
  ];
  for (const text of none) {
    it(`${JSON.stringify(text.slice(0, 20))} is none`, () => {
      assert.throws(() => parseAddress(text), { code: "INVALID_ARGUMENT" });
      assert.equal(isDialable(text), false);
    });
  }
});
