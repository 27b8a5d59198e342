/** Leases: what a leader may answer alone, and for how long (thesis §6.4.1). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { answerHeartbeats, settledLeader } from "./server.js";
import type { Server } from "./server.js";

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
