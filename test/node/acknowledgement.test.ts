/** In which order a follower does what an append brings. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { simulatedCluster } from "./simulated-cluster.js";

const KEY = new TextEncoder().encode("k");

describe("a follower's acknowledgement", () => {
  it("leaves when the disk has spoken, before what the append says is committed is applied", () => {
    const { network, nodes, until } = simulatedCluster();
    until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
    const leader = nodes.find(({ parts }) => parts?.raft.role === "leader");
    assert.ok(leader?.parts !== undefined);
    const { node } = leader.parts;
    let answered = 0;
    const put = (): void => {
      node.execute(
        {
          id: new Uint8Array(0),
          commands: [{ kind: "put", key: KEY, value: KEY, condition: "none" }],
        },
        5000,
        (error) => {
          assert.equal(error, undefined);
          answered += 1;
          if (answered < 20) put();
        },
      );
    };
    /** how far a follower had applied, and flushed, when it told so of an entry */
    const told: { applied: number; flushed: number; index: number; from: string }[] = [];
    network.onTransmit = (message) => {
      if (message.kind !== "appendEntriesResult" || answered === 0) return;
      const follower = nodes.find(({ id }) => id === message.from);
      assert.ok(follower?.parts !== undefined);
      const { appliedIndex: applied, flushedIndex: flushed } = follower.parts.node.info();
      told.push({ applied, flushed, index: message.matchIndex, from: message.from });
    };
    put();
    until(() => answered === 20 && nodes.every(({ parts }) => parts?.store.revision === 21));
    assert.ok(told.length >= 20, "a majority has told of every entry");
    for (const { flushed, index } of told) assert.ok(flushed >= index);
    // The append of a write says that the one before it is committed.
    const early = told.filter(({ applied, index }) => applied < index - 1);
    assert.ok(early.length >= 19, `${early.length} of ${told.length} did not wait for apply`);
  });
});
