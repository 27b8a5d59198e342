/** What becomes of a change of members that a node with a full disk has proposed. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { DatabaseError } from "../../src/errors.js";
import { World } from "../storage/full-disk-world.js";

describe("a change of members, asked of a leader whose disk is full", () => {
  it("is done once the others have committed it, whatever stands in the log here", () => {
    const world = new World({ nodeCount: 5, segmentSizeBytes: 2048 });
    const leader = world.anyLeader();
    const leaver = world.follower();
    // Two writes fill the open segment: what comes next finds no room.
    world.limit([leader], 0);
    for (let count = 0; count < 3; count += 1) {
      world.put(leader, `before ${count}`);
      world.run(10);
    }
    const answers: (DatabaseError | number | undefined)[] = [];
    leader.run(leader.life, () => {
      leader.parts?.node.administer({ kind: "remove", id: leaver.id }, 5000, (error, result) =>
        answers.push(error ?? result?.index),
      );
    });
    world.until(() => answers.length > 0);
    const [index] = answers;
    const { lastIndex = 0 } = leader.parts?.log ?? {};
    assert.ok(typeof index === "number" && index > lastIndex, `${String(index)} of ${lastIndex}`);
    assert.ok(leader.parts?.raft.configuration.voters.includes(leaver.id) === false);
  });
});
