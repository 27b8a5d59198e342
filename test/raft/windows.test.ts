/** How much travels, and when: probes, windows, limits, restarts. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { sealCommands } from "./seal.js";
import { Server, answerHeartbeats, append, heartbeat, leader, settledLeader } from "./server.js";
import type { Entry } from "../../src/raft/types.js";

const TWO = NodeId("2");

describe("raft replication: windows, probes, limits", () => {
  it("probes with one message, and repeats it only when a heartbeat was answered", () => {
    const server = leader();
    server.propose("a");
    server.propose("b");
    assert.deepEqual(server.takeKind("appendEntries"), []);
    server.tick(3);
    answerHeartbeats(server, "2");
    const [probe, ...others] = server.takeKind("appendEntries");
    assert.deepEqual(others, []);
    assert.deepEqual([probe?.prevLogIndex, probe?.entries.length], [0, 0]);
  });

  it("pipelines within a window of bytes once the logs are known to meet", () => {
    const server = settledLeader({ appendSizeMax: 20, inflightSizeMax: 50 });
    for (let i = 0; i < 20; i += 1) server.propose("0123456789");
    const sizes = server.status.peers.map(({ inflightBytes }) => inflightBytes);
    assert.deepEqual(sizes, [50, 50]);
    server.take();
    server.acknowledge("2", 3);
    const sent = server.takeKind("appendEntries");
    assert.deepEqual(
      sent.map(({ prevLogIndex, entries }) => [prevLogIndex, entries.length]),
      [[6, 2]],
    );
    assert.equal(server.status.peers[0]?.inflightBytes, 50);
  });

  it("sends what was proposed between two Readies as one append", () => {
    const server = settledLeader();
    for (const payload of ["a", "b", "c"]) {
      server.raft.propose((position) => sealCommands(position, payload));
    }
    server.drain();
    assert.deepEqual(
      server.takeKind("appendEntries").map(({ entries }) => entries.length),
      [3, 3],
    );
  });

  it("sends an entry that is larger than a message alone", () => {
    const server = settledLeader({ appendSizeMax: 20, inflightSizeMax: 20 });
    server.propose("x".repeat(100));
    assert.deepEqual(
      server.takeKind("appendEntries").map(({ entries }) => entries.length),
      [1, 1],
    );
  });

  it("probes a peer again when its connection was lost", () => {
    const server = settledLeader();
    server.propose("a");
    server.take();
    server.raft.peerUnreachable(TWO);
    server.drain();
    const [probe] = server.takeKind("appendEntries");
    assert.deepEqual([probe?.prevLogIndex, probe?.entries.length], [1, 1]);
    assert.equal(server.status.peers[0]?.state, "probe");
  });

  it("tells a peer whose connection has come about what is committed, before the next tick; nobody else", () => {
    const server = settledLeader();
    server.propose("a");
    server.acknowledge("2", 2);
    server.take();
    server.raft.peerReachable(TWO);
    server.drain();
    const told = server
      .take()
      .map(({ to, message }) => [to, message.kind === "heartbeat" && message.commitIndex]);
    assert.deepEqual(told, [["2", 2]]);
  });

  it("tells nothing of a connection to whom it does not lead, or does not know", () => {
    const follower = new Server();
    follower.step(heartbeat(1));
    follower.take();
    follower.raft.peerReachable(TWO);
    follower.drain();
    assert.deepEqual(follower.take(), []);
    const server = settledLeader();
    server.take();
    server.raft.peerReachable(NodeId("9"));
    server.drain();
    assert.deepEqual(server.take(), []);
  });

  it("ignores a match beyond its log, and one below what it knows", () => {
    const server = settledLeader();
    server.acknowledge("2", 99);
    server.acknowledge("2", 0);
    assert.deepEqual(
      server.status.peers.map(({ matchIndex }) => matchIndex),
      [1, 1],
    );
  });

  it("answers busy when too much waits for its quorum, and takes more once it is committed", () => {
    const server = settledLeader({ uncommittedSizeMax: 25 });
    const kinds = [1, 2, 3, 4].map(() => server.propose("0123456789").kind);
    assert.deepEqual(kinds, ["accepted", "accepted", "accepted", "busy"]);
    server.acknowledge("2", 3);
    assert.equal(server.propose("0123456789").kind, "accepted");
  });

  it("does not call seal when it does not take the proposal", () => {
    const follower = new Server();
    follower.step(heartbeat(1));
    const result = follower.raft.propose(() => assert.fail("sealed"));
    assert.deepEqual(result, { kind: "not-leader", leader: "2" });
  });

  it("tells a commit to those that no append told for a whole tick", () => {
    const server = settledLeader();
    server.propose("a");
    server.acknowledge("2", 2);
    server.take();
    server.tick();
    assert.deepEqual(server.take(), []);
    server.tick();
    const told = server
      .take()
      .map(({ to, message }) => [to, message.kind === "heartbeat" && message.commitIndex]);
    assert.deepEqual(told, [["2", 2]]);
  });

  it("keeps a heartbeat's commit index within what the follower is known to hold", () => {
    const server = settledLeader();
    server.propose("a");
    server.acknowledge("2", 2);
    server.take();
    server.tick(3);
    const told = server.takeKind("heartbeat").map(({ commitIndex }) => commitIndex);
    assert.deepEqual(told.slice(-2), [2, 1]);
  });

  it("delivers after a restart what follows the applied index, as its commit is learnt again", () => {
    const log = ["a", "b", "c", "d"].reduce<Entry[]>((entries, payload) => {
      const previousChecksum = entries.at(-1)?.checksum ?? 0;
      const index = LogIndex(entries.length + 1);
      return [...entries, sealCommands({ index, term: Term(1), previousChecksum }, payload)];
    }, []);
    const server = new Server({
      log,
      term: 1,
      appliedIndex: LogIndex(2),
      inflightSizeMax: 1 << 16,
    });
    assert.equal(server.status.commitIndex, 2);
    server.step(append({ term: 1, log, prev: 4, commit: 4 }));
    assert.deepEqual(server.applied, ["c", "d"]);
  });
});
