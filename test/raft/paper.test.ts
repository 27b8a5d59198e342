/** Sentences of the Raft paper (extended version, §5.1 to §5.4, Fig. 2), each one test. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { Server, append, entriesOf, heartbeat, requestVote } from "./server.js";

const TWO = NodeId("2");

/** Server 1, leading term 1 with its no-op at index 1. */
function leader(voterCount = 3): Server {
  const server = new Server({ voterCount });
  server.elect("2", "3");
  assert.equal(server.status.role, "leader");
  server.take();
  return server;
}

describe("raft §5.1: basics", () => {
  it("a server starts as a follower, in term 0", () => {
    const { role, term, vote, commitIndex } = new Server().status;
    assert.deepEqual(
      { role, term, vote, commitIndex },
      { role: "follower", term: 0, vote: undefined, commitIndex: 0 },
    );
  });

  it("a server whose term is smaller takes the larger one", () => {
    const server = new Server({ term: 3 });
    server.step(heartbeat(7));
    assert.equal(server.status.term, 7);
    assert.equal(server.disk.durableHardState.term, 7);
  });

  it("a candidate or leader whose term is out of date reverts to follower at once", () => {
    const candidate = new Server();
    candidate.tick(15);
    candidate.step({ kind: "preVoteResult", from: TWO, term: Term(1), granted: true });
    assert.equal(candidate.status.role, "candidate");
    candidate.step({ kind: "requestVoteResult", from: TWO, term: Term(5), granted: false });
    const formerLeader = leader();
    formerLeader.step({ kind: "requestVoteResult", from: TWO, term: Term(5), granted: false });
    for (const { status } of [candidate, formerLeader]) {
      assert.deepEqual([status.role, status.term, status.reason], ["follower", 5, "higher-term"]);
    }
  });

  it("a request with a stale term is rejected, and told the term", () => {
    const server = new Server({ term: 9 });
    server.step(append({ term: 3, log: entriesOf([3]) }), heartbeat(3), requestVote("2", 3));
    assert.deepEqual(
      server.take().map(({ message }) => [message.kind, message.term]),
      [
        ["appendEntriesResult", 9],
        ["heartbeatResult", 9],
        ["requestVoteResult", 9],
      ],
    );
    assert.equal(server.logTerms(), "");
    assert.equal(server.status.leader, undefined);
  });
});

describe("raft §5.2: leader election", () => {
  it("a server remains a follower as long as it hears a leader", () => {
    const server = new Server();
    for (let i = 0; i < 50; i += 1) {
      server.step(heartbeat(1));
      server.tick(9);
    }
    assert.deepEqual([server.status.role, server.status.leader], ["follower", "2"]);
  });

  it("a follower that hears nobody for the election timeout begins an election", () => {
    const server = new Server();
    server.tick(14);
    assert.equal(server.status.role, "follower");
    server.tick();
    assert.equal(server.status.role, "pre-candidate");
  });

  it("to begin an election it raises its term, votes for itself, and asks all others", () => {
    const server = new Server({ log: entriesOf([1, 2]), term: 2 });
    server.tick(15);
    server.take();
    server.step({ kind: "preVoteResult", from: TWO, term: Term(3), granted: true });
    assert.deepEqual(
      [server.status.role, server.status.term, server.status.vote],
      ["candidate", 3, "1"],
    );
    const asked = server.take();
    assert.deepEqual(
      asked.map(({ to }) => to),
      ["2", "3"],
    );
    assert.deepEqual(asked[0]?.message, { ...requestVote("1", 3, 2, 2) });
  });

  it("a candidate wins with the votes of a majority, in the same term", () => {
    const server = new Server({ voterCount: 5 });
    server.elect("2", "3");
    assert.equal(server.status.role, "leader");
    const short = new Server({ voterCount: 5 });
    short.elect("2");
    assert.notEqual(short.status.role, "leader");
  });

  it("a vote repeated by the network is one vote", () => {
    const server = new Server({ voterCount: 5 });
    server.tick(15);
    const grant = { from: TWO, term: Term(1), granted: true } as const;
    for (let i = 0; i < 3; i += 1) server.step({ kind: "preVoteResult", ...grant });
    assert.equal(server.status.role, "pre-candidate");
    server.step({ kind: "preVoteResult", ...grant, from: NodeId("3") });
    for (let i = 0; i < 3; i += 1) server.step({ kind: "requestVoteResult", ...grant });
    assert.equal(server.status.role, "candidate");
  });

  it("each server votes for at most one candidate a term, first come first served", () => {
    const server = new Server();
    server.step(requestVote("2", 1), requestVote("3", 1), requestVote("2", 1));
    assert.deepEqual(
      server.takeKind("requestVoteResult").map(({ granted }) => granted),
      [true, false, true],
    );
    assert.equal(server.status.vote, "2");
  });

  it("a vote outlives a restart, and dies only with its term", () => {
    const server = new Server({ term: 4, vote: TWO });
    server.step(requestVote("3", 4), heartbeat(4), requestVote("3", 4));
    assert.deepEqual(
      server.takeKind("requestVoteResult").map(({ granted }) => granted),
      [false, false],
    );
    server.tick(10);
    server.step(requestVote("3", 5));
    assert.equal(server.status.vote, "3");
  });

  it("a new leader makes itself known to all at once", () => {
    const server = new Server();
    server.elect("2");
    const announced = server.take().filter(({ message }) => message.kind === "appendEntries");
    assert.deepEqual(
      announced.map(({ to }) => to),
      ["2", "3"],
    );
  });

  it("a candidate recognises a leader of a term as large as its own", () => {
    for (const message of [heartbeat(1), append({ term: 1, log: [] })]) {
      const server = new Server();
      server.tick(15);
      server.step({ kind: "preVoteResult", from: NodeId("3"), term: Term(1), granted: true });
      assert.equal(server.status.role, "candidate");
      server.step(message);
      assert.deepEqual([server.status.role, server.status.leader], ["follower", "2"]);
      assert.equal(server.status.vote, "1");
    }
  });

  it("a candidate rejects a leader of a smaller term, and goes on", () => {
    const server = new Server({ term: 4 });
    server.tick(15);
    server.step({ kind: "preVoteResult", from: NodeId("3"), term: Term(5), granted: true });
    server.step(heartbeat(4));
    assert.equal(server.status.role, "candidate");
  });

  it("a candidate that neither wins nor loses begins another round when its timeout ends", () => {
    const server = new Server();
    server.tick(15);
    server.step({ kind: "preVoteResult", from: TWO, term: Term(1), granted: true });
    server.tick(15);
    assert.deepEqual([server.status.role, server.status.term], ["pre-candidate", 1]);
  });

  it("election timeouts are drawn anew each round, from one to two times the base", () => {
    const draws: number[] = [];
    const chances = [0.5, 0, 0.999, 0.3];
    const server = new Server({ random: () => chances[draws.length] ?? 0.7 });
    for (let ticks = 0; draws.length < 40;) {
      server.take();
      server.tick();
      ticks += 1;
      if (server.sent.length === 0) continue;
      draws.push(ticks);
      ticks = 0;
    }
    assert.ok(
      draws.every((ticks) => ticks >= 10 && ticks < 20),
      draws.join(" "),
    );
    assert.ok(new Set(draws).size > 2);
  });
});

describe("raft §5.3: log replication", () => {
  it("the leader appends a command as a new entry, and asks the others to do so", () => {
    const server = leader();
    server.acknowledge("2", 1);
    server.acknowledge("3", 1);
    server.take();
    assert.deepEqual(server.propose("a"), { kind: "accepted", index: 2, term: 1 });
    const sent = server.take();
    assert.deepEqual(
      sent.map(({ to }) => to),
      ["2", "3"],
    );
    assert.equal(server.logTerms(), "1 1");
  });

  it("an entry is committed once the leader has replicated it on a majority", () => {
    const server = leader(5);
    server.propose("a");
    server.acknowledge("2", 2);
    assert.equal(server.status.commitIndex, 0);
    server.acknowledge("3", 2);
    assert.equal(server.status.commitIndex, 2);
  });

  it("this commits all preceding entries, also those of former leaders", () => {
    const server = new Server({ log: entriesOf([1, 1, 2], "old"), term: 2 });
    server.elect("2");
    server.acknowledge("2", 4);
    assert.deepEqual(server.applied, ["old", "old", "old", "noop"]);
  });

  it("a follower that learns that an entry is committed applies it, in log order", () => {
    const server = new Server();
    const log = entriesOf([1, 1, 1], "a");
    server.step(append({ term: 1, log, commit: 2 }));
    assert.deepEqual(server.applied, ["a", "a"]);
    server.step(heartbeat(1, 3));
    assert.deepEqual(server.applied, ["a", "a", "a"]);
  });

  it("a follower refuses entries when it does not hold the entry before them", () => {
    const server = new Server({ log: entriesOf([1]), term: 1 });
    const log = entriesOf([1, 1, 1, 2]);
    server.step(append({ term: 2, log, prev: 3 }));
    const [result] = server.takeKind("appendEntriesResult");
    assert.deepEqual([result?.success, result?.hintIndex, result?.hintTerm], [false, 1, 1]);
    assert.equal(server.logTerms(), "1");
  });

  // Fig. 7: the leader of term 8, and what may have become of its followers.
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers: Readonly<Record<string, readonly number[]>> = {
    a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
    b: [1, 1, 1, 4],
    c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 1, 4, 4, 4, 4],
    f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  };
  for (const [name, terms] of Object.entries(followers)) {
    it(`the leader forces its log upon follower ${name} of Fig. 7`, () => {
      const head = new Server({ log: entriesOf(leaderTerms), term: 7 });
      const follower = new Server({ log: entriesOf(terms), term: 7, id: TWO });
      head.elect("3");
      assert.deepEqual([head.status.role, head.status.term], ["leader", 8]);
      let probes = 0;
      for (let turn = 0; turn < 20; turn += 1) {
        for (const { to, message } of head.take()) if (to === "2") follower.step(message);
        for (const { message } of follower.take()) {
          if (message.kind === "appendEntriesResult" && !message.success) probes += 1;
          head.step(message);
        }
      }
      assert.equal(follower.logTerms(), head.logTerms());
      assert.ok(probes <= 2, `${probes} probes`);
    });
  }

  it("a leader never overwrites or deletes entries of its own log", () => {
    const server = leader();
    server.step(append({ term: 1, log: entriesOf([1, 1]), from: "3" }));
    assert.deepEqual([server.status.role, server.logTerms()], ["leader", "1"]);
  });

  it("an append that is late, and shorter, deletes nothing", () => {
    const server = new Server();
    const log = entriesOf([1, 1, 1]);
    server.step(
      append({ term: 1, log }),
      append({ term: 1, log, count: 1 }),
      append({ term: 1, log, count: 0 }),
    );
    assert.equal(server.logTerms(), "1 1 1");
  });

  it("an existing entry that conflicts is deleted, with all that follow it", () => {
    const server = new Server({ log: entriesOf([1, 2, 2, 2]), term: 2 });
    server.step(append({ term: 3, log: entriesOf([1, 3]), prev: 1 }));
    assert.equal(server.logTerms(), "1 3");
  });

  it("the commit index of a follower is the lesser of the leader's and the last entry it was sent", () => {
    const server = new Server({ log: entriesOf([1, 1, 1, 1]), term: 1 });
    server.step(append({ term: 2, log: entriesOf([1, 1]), commit: 9 }));
    assert.equal(server.status.commitIndex, 2);
    server.step(append({ term: 2, log: entriesOf([1]), commit: 9 }));
    assert.equal(server.status.commitIndex, 2);
  });
});

describe("raft §5.4: safety", () => {
  const voterLog = entriesOf([1, 2, 2]);
  const comparisons: readonly {
    readonly index: number;
    readonly term: number;
    readonly granted: boolean;
    readonly why: string;
  }[] = [
    { index: 3, term: 2, granted: true, why: "equal" },
    { index: 4, term: 2, granted: true, why: "longer, of the same last term" },
    { index: 2, term: 2, granted: false, why: "shorter, of the same last term" },
    { index: 1, term: 3, granted: true, why: "shorter, of a later last term" },
    { index: 9, term: 1, granted: false, why: "longer, of an earlier last term" },
    { index: 0, term: 0, granted: false, why: "empty" },
  ];
  for (const { index, term, granted, why } of comparisons) {
    it(`a voter ${granted ? "takes" : "denies"} a candidate whose log is ${why}`, () => {
      const server = new Server({ log: voterLog, term: 2 });
      server.step({ ...requestVote("2", 3, index, term), kind: "preVote" });
      server.step(requestVote("2", 3, index, term));
      assert.deepEqual(
        server.takeKind("requestVoteResult").map((result) => result.granted),
        [granted],
      );
      // A term that asked in vain is taken over all the same.
      assert.equal(server.status.term, 3);
    });
  }

  it("only entries of the leader's own term are committed by counting (Fig. 8)", () => {
    const server = new Server({ voterCount: 5, log: entriesOf([1, 2]), term: 3 });
    server.elect("2", "3");
    assert.equal(server.logTerms(), "1 2 4");
    server.acknowledge("2", 2);
    server.acknowledge("3", 2);
    server.acknowledge("4", 2);
    assert.equal(server.status.commitIndex, 0);
    server.acknowledge("2", 3);
    server.acknowledge("3", 3);
    assert.equal(server.status.commitIndex, 3);
  });

  it("a vote, an append result and an own acknowledgement wait for the disk (Fig. 2, persistent state)", () => {
    const voter = new Server();
    voter.disk.isStalled = true;
    voter.step(requestVote("2", 1));
    assert.deepEqual(voter.take(), []);
    voter.flush();
    assert.equal(voter.takeKind("requestVoteResult").length, 1);

    const follower = new Server({ term: 1 });
    follower.disk.isStalled = true;
    follower.step(append({ term: 1, log: entriesOf([1]) }));
    assert.deepEqual(follower.take(), []);
    follower.step(heartbeat(1));
    assert.equal(follower.takeKind("heartbeatResult").length, 1);
    follower.flush();
    assert.deepEqual(
      follower.takeKind("appendEntriesResult").map(({ matchIndex }) => matchIndex),
      [1],
    );

    const head = leader();
    head.disk.isStalled = true;
    head.propose("a");
    head.acknowledge("2", 2);
    assert.equal(head.status.commitIndex, 1);
    head.flush();
    assert.equal(head.status.commitIndex, 2);
  });

  it("a candidate quotes its flushed log, not the one in memory", () => {
    const server = new Server({ term: 1 });
    server.disk.isStalled = true;
    server.step(append({ term: 1, log: entriesOf([1, 1]) }));
    server.tick(15);
    const asked = server.takeKind("preVote");
    assert.deepEqual(
      asked.map(({ lastLogIndex, lastLogTerm }) => [lastLogIndex, lastLogTerm]),
      [
        [0, 0],
        [0, 0],
      ],
    );
  });

  it("a majority of the others commits before the leader's own disk has spoken (thesis §10.2.1)", () => {
    const server = leader();
    server.disk.isStalled = true;
    server.propose("a");
    server.acknowledge("2", LogIndex(2));
    server.acknowledge("3", LogIndex(2));
    assert.deepEqual([server.status.commitIndex, server.status.flushedIndex], [2, 1]);
    assert.deepEqual(server.applied, ["noop", "a"]);
  });
});
