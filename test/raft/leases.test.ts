/** Leases: what a leader may answer alone, and for how long (thesis §6.4.1). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { NodeId, Term } from "../../src/raft/types.js";
import { answerHeartbeats, heartbeat, requestVote, Server, settledLeader } from "./server.js";
import type { Message } from "../../src/raft/message.js";

/** Leads, with a beat sent at 1000 that a majority has echoed; a lease is of 100 ms. */
function leased(): Server {
  const server = settledLeader({ leaseMs: 100 });
  server.raft.advanceClock(1000);
  server.take();
  server.tick(3);
  answerHeartbeats(server, "2");
  server.take();
  return server;
}

/** Whether a read at `now` is answered without asking anybody. */
function isAnsweredAlone(server: Server, now: number): boolean {
  server.raft.advanceClock(now);
  server.reads.length = 0;
  server.read(now);
  return server.reads.length === 1;
}

describe("raft leases, renewed", () => {
  it("are not renewed by what they answer: a beat counts when a majority has echoed it", () => {
    const server = leased();
    server.raft.advanceClock(1050);
    server.tick(3);
    assert.equal(isAnsweredAlone(server, 1060), true);
    assert.equal(isAnsweredAlone(server, 1110), false);
  });

  it("are renewed from when the echoed beat was sent, not from when its echo came", () => {
    const server = leased();
    server.raft.advanceClock(1050);
    server.tick(3);
    server.raft.advanceClock(1090);
    answerHeartbeats(server, "3");
    assert.equal(isAnsweredAlone(server, 1149), true);
    assert.equal(isAnsweredAlone(server, 1150), false);
  });

  it("are not renewed by one follower's echo of what others did not echo", () => {
    const server = settledLeader({ leaseMs: 100, voterCount: 5 });
    server.raft.advanceClock(1000);
    server.take();
    server.tick(3);
    answerHeartbeats(server, "2");
    assert.equal(isAnsweredAlone(server, 1010), false);
  });
});

describe("raft leases, granted", () => {
  const [TWO, THREE] = [NodeId("2"), NodeId("3")];

  /** Follows 2 in term 3, which counts on it for an election timeout. */
  function follower(leaseMs = 100): Server {
    const server = new Server({ term: 3, leaseMs });
    server.tick(10);
    server.step(heartbeat(3));
    server.take();
    return server;
  }

  const learned: readonly { readonly how: string; readonly message: Message }[] = [
    {
      how: "a refused pre-vote",
      message: { kind: "preVoteResult", from: THREE, term: Term(4), granted: false },
    },
    {
      how: "a question for a read index",
      message: { kind: "readIndex", from: THREE, term: Term(4), context: 1 },
    },
  ];
  for (const { how, message } of learned) {
    it(`are kept when a later term is learnt from ${how}: no vote in it, nor a promise of one`, () => {
      const server = follower();
      server.step(message);
      assert.deepEqual([server.status.term, server.status.leader], [4, undefined]);
      server.take();
      server.tick(8);
      server.step(requestVote("3", 4, 9, 3));
      server.step({ ...requestVote("3", 5, 9, 3), kind: "preVote" });
      assert.deepEqual(
        server.take().filter(({ message: sent }) => "granted" in sent && sent.granted),
        [],
      );
      server.tick(2);
      server.step(requestVote("3", 4, 9, 3));
      assert.deepEqual([server.status.term, server.status.vote], [4, THREE]);
    });
  }

  it("are given up when the leader itself hands over", () => {
    const server = follower();
    server.step({ ...requestVote("3", 4, 9, 3), disruptLeader: true });
    assert.deepEqual([server.status.term, server.status.vote], [4, THREE]);
  });

  it("bind nobody where leases are not in use: whoever learnt of a later term may vote in it", () => {
    const server = follower(0);
    server.step({ kind: "preVoteResult", from: TWO, term: Term(4), granted: false });
    server.step(requestVote("3", 4, 9, 3));
    assert.equal(server.status.vote, THREE);
  });

  it("are kept by a restarted voter in its own term, too", () => {
    const server = new Server({ leaseMs: 100, term: 4 });
    server.step(requestVote("3", 4, 9, 3));
    assert.equal(server.status.vote, undefined);
    server.tick(10);
    server.step(requestVote("3", 4, 9, 3));
    assert.equal(server.status.vote, THREE);
  });
});
