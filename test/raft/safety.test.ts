/** Safety beyond the paper: damaged bytes, strangers, nonsense, our own mistakes. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { AssertionError } from "../../src/assert.js";
import { Raft } from "../../src/raft/raft.js";
import { LogIndex, NodeId, Term, Ticks } from "../../src/raft/types.js";
import { Random } from "./random.js";
import { sealCommands, testSealer, voters } from "./seal.js";
import {
  Server,
  answerHeartbeats,
  append,
  entriesOf,
  heartbeat,
  leader,
  noSnapshots,
  requestVote,
  settledLeader,
} from "./server.js";
import type { Message } from "../../src/raft/message.js";

const TWO = NodeId("2");
const THREE = NodeId("3");

describe("raft safety beyond the paper", () => {
  const log = entriesOf([1, 1, 1]);
  const other = entriesOf([1, 1, 1], "damaged");

  it("same index and term but another checksum is divergence: the node stops", () => {
    for (const message of [
      append({ term: 1, log: other, prev: 2 }),
      append({ term: 1, log: other }),
    ]) {
      const server = new Server({ log, term: 1 });
      server.step(message);
      const { index, reason, leader: from } = server.divergence ?? {};
      assert.deepEqual(
        [index, reason, from],
        [message.prevLogIndex === 0 ? 1 : 2, "checksum-differs", "2"],
      );
      server.take();
      server.step(heartbeat(9), requestVote("3", 9));
      server.tick(100);
      assert.deepEqual(
        [server.take(), server.raft.hasReady(), server.logTerms()],
        [[], false, "1 1 1"],
      );
      server.read(1);
      assert.deepEqual(server.refusedReads, [1]);
    }
  });

  it("what is committed is never overwritten: a leader that would is divergence", () => {
    for (const message of [
      append({ term: 2, log: entriesOf([1, 2]), prev: 1 }),
      append({ term: 2, log: entriesOf([2, 2]), prev: 2 }),
    ]) {
      const server = new Server({ log, term: 1 });
      server.step(append({ term: 1, log, commit: 3 }), message);
      assert.equal(server.divergence?.reason, "committed-conflict");
      assert.equal(server.logTerms(), "1 1 1");
    }
  });

  it("a heartbeat that promises more than the log holds commits nothing", () => {
    const server = new Server({ log, term: 1 });
    server.step(heartbeat(1, 4));
    assert.equal(server.status.commitIndex, 0);
  });

  it("what strangers answer counts for nothing", () => {
    const server = leader();
    const from = NodeId("mallory");
    server.acknowledge("mallory", 1);
    server.step({ ...heartbeatResult(server), from });
    server.read(1);
    answerHeartbeats(server, "mallory");
    assert.deepEqual([server.status.commitIndex, server.reads], [0, []]);
  });

  it("a server that was away follows a leader it does not know, for it may be of a later configuration", () => {
    const server = new Server();
    server.step(append({ from: "8", term: 1, log, commit: 3 }));
    assert.deepEqual([server.status.leader, server.status.commitIndex], ["8", 3]);
  });

  it("a server whose removal is committed is not heard about elections any more", () => {
    const removed = [NodeId("9")];
    const server = leader({ configuration: { ...voters(3), removed } });
    for (const from of removed) {
      server.step({ ...requestVote("2", 99), from, disruptLeader: true });
      server.step({ ...requestVote("2", 99), from, kind: "preVote" });
    }
    assert.deepEqual([server.status.role, server.status.term, server.take()], ["leader", 1, []]);
  });

  const malformed: Readonly<Record<string, Partial<ReturnType<typeof append>>>> = {
    "a gap": { entries: [log[0], log[2]].filter((entry) => entry !== undefined) },
    "falling terms": { entries: entriesOf([3, 1]), term: Term(3) },
    "entries of a term to come": { entries: entriesOf([9]) },
    "a term before the first entry": { prevLogTerm: Term(1) },
    "entries that do not follow": { entries: log.slice(1) },
    "a configuration without voters": {
      entries: [
        testSealer.configuration(
          { index: LogIndex(1), term: Term(1), previousChecksum: 0 },
          { voters: [], learners: [] },
        ),
      ],
    },
  };
  for (const [name, changes] of Object.entries(malformed)) {
    it(`an append with ${name} is ignored`, () => {
      const server = new Server();
      server.step({ ...append({ term: 2, log: [] }), ...changes });
      assert.deepEqual([server.logTerms(), server.take(), server.divergence], ["", [], undefined]);
    });
  }

  it("a second leader in one term is not obeyed", () => {
    const server = new Server();
    server.step(heartbeat(1, 0, "2"));
    server.take();
    server.step(heartbeat(1, 0, "3"), append({ term: 1, log, from: "3" }));
    assert.deepEqual([server.status.leader, server.logTerms(), server.take()], ["2", "", []]);
  });

  it("no message makes it throw: ten thousand messages of nonsense", () => {
    for (let seed = 1; seed <= 500; seed += 1) {
      const random = new Random(seed);
      const server = new Server({ log: entriesOf([1, 2]), term: 2 });
      if (seed % 2 === 0) server.elect("2", "3");
      for (let i = 0; i < 20; i += 1) {
        server.step(nonsense(random));
        if (random.chance(0.3)) server.tick(random.below(20));
      }
    }
  });

  it("our own mistakes assert", () => {
    const server = settledLeader();
    const mistakes: readonly (() => void)[] = [
      () =>
        server.raft.propose((position) => sealCommands({ ...position, index: LogIndex(9) }, "x")),
      () => server.raft.propose((position) => sealCommands({ ...position, term: Term(9) }, "x")),
      () => {
        server.raft.applied(LogIndex(99));
      },
      () => {
        server.raft.persisted(99);
      },
      () => new Raft({ ...optionsOf(server), heartbeatTicks: Ticks(9) }),
    ];
    for (const mistake of mistakes) assert.throws(mistake, AssertionError);
  });
});

function optionsOf(server: Server): ConstructorParameters<typeof Raft>[0] {
  return {
    id: NodeId("1"),
    configuration: voters(3),
    hardState: { term: Term(9), vote: undefined },
    log: server.disk,
    appliedIndex: LogIndex(0),
    sealer: testSealer,
    random: () => 0.5,
    electionTicks: Ticks(10),
    heartbeatTicks: Ticks(3),
    appendSizeMax: 100,
    inflightSizeMax: 100,
    uncommittedSizeMax: 100,
    applySizeMax: 1_000_000,
    cacheSizeMax: 100,
    configurationIndex: LogIndex(0),
    incarnation: "",
    snapshots: noSnapshots,
    snapshotChunkSizeMax: 100,
    leaseMs: 0,
  };
}

function heartbeatResult(server: Server): Extract<Message, { kind: "heartbeatResult" }> {
  const [term, index] = [server.status.term, LogIndex(9)];
  return {
    kind: "heartbeatResult",
    ...{ from: TWO, term, readRound: 1 },
    ...{ lastIndex: index, commitIndex: index, appliedIndex: index },
  };
}

/** A message that no server would send, but a wire might carry. */
function nonsense(random: Random): Message {
  const from = random.pick([NodeId("1"), TWO, THREE, NodeId("9")]);
  const term = Term(random.pick([0, 1, 2, 3, 4, 9, Number.MAX_SAFE_INTEGER]));
  const index = (): LogIndex => LogIndex(random.pick([0, 1, 2, 3, 4, 9, Number.MAX_SAFE_INTEGER]));
  const anyTerm = (): Term => Term(random.below(5));
  const flag = random.chance(0.5);
  const number = random.pick([0, 1, 2, 1e15]);
  const messages: readonly Message[] = [
    { kind: "preVote", from, term, lastLogIndex: index(), lastLogTerm: anyTerm() },
    { kind: "preVoteResult", from, term, granted: flag },
    {
      kind: "requestVote",
      from,
      term,
      lastLogIndex: index(),
      lastLogTerm: anyTerm(),
      disruptLeader: flag,
    },
    { kind: "requestVoteResult", from, term, granted: flag },
    {
      kind: "appendEntries",
      from,
      term,
      prevLogIndex: index(),
      prevLogTerm: anyTerm(),
      prevLogChecksum: number,
      leaderCommit: index(),
      entries: entriesOf(
        [random.below(3), random.below(5)].slice(random.below(3)),
        random.pick(["x", "y"]),
      ),
    },
    {
      kind: "appendEntriesResult",
      from,
      term,
      prevLogIndex: index(),
      success: flag,
      matchIndex: index(),
      hintIndex: index(),
      hintTerm: anyTerm(),
    },
    { kind: "heartbeat", from, term, commitIndex: index(), readRound: number },
    {
      kind: "heartbeatResult",
      from,
      term,
      readRound: number,
      lastIndex: index(),
      commitIndex: index(),
      appliedIndex: index(),
    },
    { kind: "readIndex", from, term, context: number },
    { kind: "readIndexResult", from, term, context: number, granted: flag, index: index() },
    { kind: "timeoutNow", from, term },
  ];
  return random.pick(messages);
}
