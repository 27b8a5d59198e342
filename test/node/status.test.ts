import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { readStatus } from "../../src/node/status.js";

describe("a peer's table of the cluster", () => {
  for (const json of [
    "",
    "{",
    "null",
    "1",
    "[]",
    "{}",
    '{"nodes":null}',
    '{"nodes":{}}',
    '{"nodes":[null]}',
    '{"nodes":[1]}',
    '{"nodes":[{}]}',
    '{"nodes":[{"id":"n1"},{"id":2}]}',
  ]) {
    it(`is not ${json === "" ? "an empty text" : json}`, () => {
      assert.equal(readStatus(json), undefined);
    });
  }

  it("has rows that name nodes", () => {
    const table = { clusterId: "c", leader: null, term: 1, nodes: [{ id: "n1" }, { id: "n2" }] };
    assert.deepEqual(readStatus(JSON.stringify(table)), table);
  });
});
