import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { mayGrow, tableFull } from "../../src/node/full-table.js";
import type { Command } from "../../src/store/command.js";
import { append, bytes, del, deleteRange, increment, put, request } from "../store/requests.js";

describe("a table that is nearly full", () => {
  const transaction = new Uint8Array(16);
  const growing: readonly Command[] = [
    put("k", "v"),
    append("k", "v"),
    increment("k", 1n),
    { kind: "setExpiry", key: bytes("k") },
    { kind: "commit", transaction },
  ];
  const others: readonly Command[] = [
    del("k"),
    deleteRange("a", "b"),
    { kind: "get", key: bytes("k") },
    { kind: "compact", revision: 2 },
    { kind: "revokeLease", lease: 1 },
    { kind: "rollback", transaction },
    { kind: "expire" },
  ];
  for (const command of growing) {
    it(`refuses ${command.kind}, among others and as an alternative too`, () => {
      assert.ok(mayGrow(request(command)));
      assert.ok(mayGrow(request(del("k"), command)));
    });
  }
  for (const command of others) {
    it(`takes ${command.kind}`, () => {
      assert.ok(!mayGrow(request(command)));
    });
  }

  it("looks at what a request does otherwise", () => {
    const compares = [{ target: "version", relation: "=", key: bytes("k"), number: 1 }] as const;
    const otherwise = [{ kind: "increment", key: bytes("n"), by: 1n }] as const;
    assert.ok(mayGrow({ ...request(del("k")), compares, otherwise }));
  });

  it("says what it is, that nothing was applied, and what makes room", () => {
    const { code, outcome, message } = tableFull("n1");
    assert.deepEqual([code, outcome], ["DISK_FULL", "not-applied"]);
    assert.match(message, /nothing was applied.*node n1.*32 GiB.*delete keys/);
  });
});
