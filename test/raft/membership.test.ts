/** Which configuration is in force, and who counts (§6). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { testSealer, voters } from "./seal.js";
import { Server, answerHeartbeats, append, entriesOf } from "./server.js";
import type { Configuration, Entry } from "../../src/raft/types.js";

const TWO = NodeId("2");
const THREE = NodeId("3");

describe("raft membership", () => {
  const wider: Configuration = { voters: voters(4).voters, learners: [NodeId("9")] };
  const withConfiguration = (configuration: Configuration, term = 1): Entry =>
    testSealer.configuration(
      { index: LogIndex(1), term: Term(term), previousChecksum: 0 },
      configuration,
    );

  it("a configuration is in force when it is appended, and undone when it is truncated", () => {
    const server = new Server();
    server.step(append({ term: 1, log: [withConfiguration(wider)] }));
    assert.deepEqual(server.raft.configuration, wider);
    server.step(append({ term: 2, log: entriesOf([2]) }));
    assert.deepEqual(server.raft.configuration, voters(3));
  });

  it("a configuration in the recovered log is in force after a restart", () => {
    const server = new Server({ log: [withConfiguration(wider)], term: 1 });
    assert.deepEqual(server.raft.configuration, wider);
  });

  it("a learner never campaigns, and is told why when it becomes one", () => {
    const server = new Server();
    const without = { voters: [TWO, THREE], learners: [NodeId("1")] };
    server.step(append({ term: 1, log: [withConfiguration(without)] }));
    assert.deepEqual([server.status.role, server.status.reason], ["learner", "removed"]);
    const again = new Server();
    again.step(append({ term: 1, log: [withConfiguration(without)], commit: 1 }));
    again.tick(100);
    assert.deepEqual([again.status.role, again.takeKind("preVote")], ["learner", []]);
    server.step(append({ term: 2, log: entriesOf([2]) }));
    assert.deepEqual([server.status.role, server.status.reason], ["follower", "promoted"]);
  });

  it("a learner's votes, acknowledgements, echoes and contacts count for nothing", () => {
    const configuration = { voters: voters(2).voters, learners: [THREE, NodeId("4")] };
    const server = new Server({ configuration });
    server.elect("3", "4");
    assert.notEqual(server.status.role, "leader");
    const elected = new Server({ configuration });
    elected.elect("2");
    elected.acknowledge("3", 1);
    elected.acknowledge("4", 1);
    assert.equal(elected.status.commitIndex, 0);
    elected.acknowledge("2", 1);
    assert.equal(elected.status.commitIndex, 1);
    elected.take();
    elected.read(1);
    answerHeartbeats(elected, "3", "4");
    assert.deepEqual(elected.reads, []);
    for (let i = 0; i < 4; i += 1) {
      elected.tick(3);
      answerHeartbeats(elected, "3", "4");
    }
    assert.equal(elected.status.reason, "quorum-lost");
  });
});
