import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { encodeConfiguration, hasRoomFor } from "../../src/codec/configuration.js";
import { snapshotHeader } from "../../src/codec/snapshot.js";
import { LogIndex, NodeId, Term, type Configuration } from "../../src/raft/types.js";

const ID_SIZE = 64;
const ADDRESS = `${"a".repeat(253)}:13141`;

function withRemoved(count: number): Configuration {
  const removed = Array.from({ length: count }, (_, i) =>
    NodeId(`n${String(i).padStart(ID_SIZE - 1, "0")}`),
  );
  return { voters: [NodeId("n1")], learners: [], ...(count === 0 ? {} : { removed }) };
}

describe("the room for members", () => {
  it("ends before their ids, removed ones included, are too many for a snapshot's header", () => {
    const id = "x".repeat(ID_SIZE);
    let count = 0;
    while (hasRoomFor(withRemoved(count), id, ADDRESS)) count += 1;
    assert.ok(count > 400 && count < 500, `${count} removed members`);
    // One more than there is room for, and every one of them removed.
    const configuration = withRemoved(count + 1);
    assert.ok(encodeConfiguration(configuration).length < 34_000);
    const header = snapshotHeader({
      ...{ clusterId: "0".repeat(32), index: LogIndex(1), term: Term(1), checksum: 0 },
      ...{ revision: 1, time: 0, configuration, configurationIndex: LogIndex(1) },
    });
    assert.ok(header.length < 64 * 1024);
  });
});
