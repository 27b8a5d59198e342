/** What keeps a cluster serving: pre-vote, stickiness and check-quorum, inseparable (thesis §4.2.3, §6.2, §9.6). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { NodeId, Term } from "../../src/raft/types.js";
import {
  Server,
  answerHeartbeats,
  entriesOf,
  heartbeat,
  leader,
  requestVote,
  settledLeader,
} from "./server.js";

const TWO = NodeId("2");
const THREE = NodeId("3");

describe("raft availability: pre-vote, stickiness, check-quorum", () => {
  it("a pre-vote changes nothing at the voter", () => {
    const server = new Server({ term: 3 });
    server.tick(12);
    server.step({ ...requestVote("2", 4), kind: "preVote" });
    const { term, vote, role } = server.status;
    assert.deepEqual([term, vote, role], [3, undefined, "follower"]);
    assert.deepEqual(server.takeKind("preVoteResult"), [
      { kind: "preVoteResult", from: "1", term: 4, granted: true },
    ]);
    server.tick(3);
    assert.equal(server.status.role, "pre-candidate");
  });

  it("a refused pre-vote tells the voter's term, and the asker takes it over", () => {
    const voter = new Server({ term: 8 });
    voter.step({ ...requestVote("2", 4), kind: "preVote" });
    const [refusal] = voter.takeKind("preVoteResult");
    assert.deepEqual([refusal?.term, refusal?.granted], [8, false]);
    const asker = new Server({ term: 3 });
    asker.tick(15);
    asker.step({ kind: "preVoteResult", from: TWO, term: Term(8), granted: false });
    assert.deepEqual(
      [asker.status.term, asker.status.role, asker.status.reason],
      [8, "follower", "higher-term"],
    );
  });

  it("grants of an earlier term's pre-vote elect nobody", () => {
    const server = new Server({ voterCount: 5, term: 3 });
    server.tick(15);
    for (const from of [TWO, THREE]) {
      server.step({ kind: "preVoteResult", from, term: Term(3), granted: true });
    }
    assert.equal(server.status.role, "pre-candidate");
  });

  it("who hears its leader takes part in no other election, unless the leader hands over", () => {
    for (const server of [leader(), new Server()]) {
      server.step(heartbeat(1, 0, "3"));
      server.take();
      const { term } = server.status;
      server.step({ ...requestVote("2", 9, 9, 9), kind: "preVote" }, requestVote("2", 9, 9, 9));
      assert.deepEqual(
        server.take().map(({ message }) => message.kind),
        ["preVoteResult"],
      );
      assert.equal(server.status.term, term);
      server.step({ ...requestVote("2", 9, 9, 9), disruptLeader: true });
      assert.deepEqual([server.status.term, server.status.vote], [9, "2"]);
    }
  });

  it("stickiness ends one election timeout after the leader was last heard", () => {
    const server = new Server();
    server.step(heartbeat(1, 0, "3"));
    server.tick(9);
    server.step(requestVote("2", 9));
    assert.equal(server.status.term, 1);
    server.tick();
    server.step(requestVote("2", 9));
    assert.deepEqual([server.status.term, server.status.vote], [9, "2"]);
  });

  it("a leader that no quorum answers for one election timeout steps down, and falls silent", () => {
    const server = settledLeader();
    server.tick(9);
    assert.equal(server.status.role, "leader");
    server.take();
    server.tick();
    assert.deepEqual([server.status.role, server.status.reason], ["follower", "quorum-lost"]);
    assert.deepEqual(server.take(), []);
  });

  it("one follower of two is quorum enough", () => {
    const server = settledLeader();
    for (let i = 0; i < 30; i += 1) {
      server.tick(3);
      answerHeartbeats(server, "3");
    }
    assert.equal(server.status.role, "leader");
    const table = server.status.peers.map(({ id, alive, lastIndex, commitIndex }) => [
      id,
      alive,
      lastIndex,
      commitIndex,
    ]);
    assert.deepEqual(table, [
      ["2", false, 0, 0],
      ["3", true, 7, 6],
    ]);
  });

  it("a node whose disk has not taken its last term starts no further campaign", () => {
    const server = new Server();
    server.disk.isStalled = true;
    server.tick(15);
    server.step({ kind: "preVoteResult", from: TWO, term: Term(1), granted: true });
    server.tick(500);
    assert.equal(server.status.term, 1);
    server.take();
    server.flush();
    assert.deepEqual(
      server.takeKind("requestVote").map(({ term }) => term),
      [1, 1],
    );
  });

  it("told to campaign, it does so at once and asks to be heard over the leader", () => {
    const server = new Server({ term: 3 });
    server.step(heartbeat(3), { kind: "timeoutNow", from: TWO, term: Term(3) });
    assert.equal(server.status.reason, "transfer");
    const asked = server.takeKind("requestVote");
    assert.deepEqual(
      asked.map(({ term, disruptLeader }) => [term, disruptLeader]),
      [
        [4, true],
        [4, true],
      ],
    );
    const stale = new Server({ term: 4 });
    stale.step({ kind: "timeoutNow", from: TWO, term: Term(3) });
    assert.equal(stale.status.role, "follower");
  });

  it("an entry of a later term than the recorded one proves that the term began", () => {
    const server = new Server({ log: entriesOf([1, 5]), term: 3, vote: TWO });
    assert.deepEqual([server.status.term, server.status.vote], [5, undefined]);
    assert.equal(server.disk.durableHardState.term, 5);
  });
});
