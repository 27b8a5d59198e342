/** Changes of members, hand-overs and leases, as one leader sees them. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { testSealer, voters } from "./seal.js";
import {
  answerHeartbeats,
  append,
  echoOften,
  heartbeat,
  leader,
  requestVote,
  Server,
  settledLeader,
} from "./server.js";
import type { ChangeRefusal, MembershipChange, TransferRefusal } from "../../src/raft/ready.js";
import type { Configuration } from "../../src/raft/types.js";

const [ONE, TWO, THREE, FOUR] = ["1", "2", "3", "4"].map(NodeId) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const OLD = "a".repeat(32);
const NEW = "b".repeat(32);
const ADD_FOUR: MembershipChange = { kind: "add", id: FOUR, address: "h:4" };

/** Has the given peers answer until `count` ticks have passed. */
function tickAnswered(server: Server, count: number, ...peers: readonly string[]): void {
  for (let i = 0; i < count; i += 1) {
    server.tick();
    answerHeartbeats(server, ...peers);
  }
}

/** A settled leader that has added 4 as a learner, and 4 has caught up. */
function withLearner(): Server {
  const server = settledLeader();
  assert.equal(server.raft.proposeChange(ADD_FOUR).kind, "accepted");
  server.drain();
  server.acknowledge("2", 2);
  server.acknowledge("4", 2);
  tickAnswered(server, 2, "2", "3", "4");
  return server;
}

describe("raft members, changed", () => {
  it("a new member is a learner, in force at once, and replicated to", () => {
    const server = settledLeader();
    assert.deepEqual(server.raft.proposeChange(ADD_FOUR), { kind: "accepted", index: 2, term: 1 });
    server.drain();
    assert.deepEqual(server.raft.configuration.learners, [FOUR]);
    assert.ok(
      server.take().some(({ to, message }) => to === FOUR && message.kind === "appendEntries"),
    );
    assert.equal(server.status.commitIndex, 1);
    server.acknowledge("4", 2);
    assert.equal(server.status.commitIndex, 1, "a learner does not commit");
    server.acknowledge("2", 2);
    assert.equal(server.status.commitIndex, 2);
  });

  it("a learner that caught up is promoted, and is counted from the moment of the entry on", () => {
    const server = withLearner();
    assert.equal(server.raft.proposeChange({ kind: "promote", id: FOUR }).kind, "accepted");
    server.drain();
    assert.deepEqual(server.raft.configuration.voters, [ONE, TWO, THREE, FOUR]);
    server.acknowledge("2", 3);
    assert.equal(server.status.commitIndex, 2, "two of four are no majority");
    server.acknowledge("4", 3);
    assert.equal(server.status.commitIndex, 3);
  });

  const refusals: readonly {
    readonly reason: ChangeRefusal;
    readonly make: () => Server;
    readonly change: MembershipChange;
  }[] = [
    {
      reason: "change-under-way",
      make: () => {
        const server = settledLeader();
        server.raft.proposeChange(ADD_FOUR);
        return server;
      },
      change: { kind: "add", id: NodeId("5"), address: "h:5" },
    },
    {
      reason: "transfer-under-way",
      make: () => {
        const server = settledLeader();
        server.propose();
        server.raft.transferLeadership(TWO);
        return server;
      },
      change: ADD_FOUR,
    },
    { reason: "term-not-opened", make: () => leader(), change: ADD_FOUR },
    { reason: "already-member", make: () => settledLeader(), change: { ...ADD_FOUR, id: TWO } },
    {
      reason: "id-was-used",
      make: () => settledLeader({ configuration: { ...voters(3), removed: [FOUR] } }),
      change: ADD_FOUR,
    },
    {
      reason: "address-in-use",
      make: withLearner,
      change: { kind: "add", id: NodeId("5"), address: "h:4" },
    },
    { reason: "already-voter", make: () => settledLeader(), change: { kind: "promote", id: TWO } },
    { reason: "not-a-member", make: () => settledLeader(), change: { kind: "promote", id: FOUR } },
    { reason: "not-a-member", make: () => settledLeader(), change: { kind: "remove", id: FOUR } },
    {
      reason: "behind",
      make: () => {
        const server = withLearner();
        server.propose();
        server.acknowledge("2", 3);
        tickAnswered(server, 12, "2", "3", "4");
        return server;
      },
      change: { kind: "promote", id: FOUR },
    },
    {
      reason: "not-alive",
      make: () => {
        const server = withLearner();
        tickAnswered(server, 12, "2", "3");
        return server;
      },
      change: { kind: "promote", id: FOUR },
    },
    {
      reason: "quorum-not-alive",
      make: () => {
        const server = settledLeader();
        tickAnswered(server, 12, "2");
        return server;
      },
      change: { kind: "remove", id: TWO },
    },
    {
      reason: "not-heard-yet",
      // The election and the first commit are 2's doing: 3 may have been dead all along.
      make: () => {
        const server = leader();
        server.acknowledge("2", 1);
        return server;
      },
      change: { kind: "remove", id: TWO },
    },
    {
      reason: "not-heard-yet",
      make: () => {
        const server = settledLeader();
        server.raft.proposeChange(ADD_FOUR);
        server.drain();
        server.acknowledge("2", 2);
        return server;
      },
      change: { kind: "promote", id: FOUR },
    },
    {
      reason: "last-voter",
      make: () => {
        const server = new Server({ voterCount: 1 });
        server.tick(40);
        return server;
      },
      change: { kind: "remove", id: ONE },
    },
  ];
  for (const { reason, make, change } of refusals) {
    it(`${change.kind} is refused: ${reason}`, () => {
      assert.deepEqual(make().raft.proposeChange(change), { kind: "refused", reason });
    });
  }

  it("only a leader changes anything", () => {
    const server = new Server();
    server.step(heartbeat(1));
    assert.deepEqual(server.raft.proposeChange(ADD_FOUR), { kind: "not-leader", leader: TWO });
    assert.deepEqual(server.raft.transferLeadership(), { kind: "not-leader", leader: TWO });
  });

  it("who is removed hears of it before it is forgotten, and its id is never used again", () => {
    const server = settledLeader();
    server.raft.proposeChange({ kind: "remove", id: THREE });
    server.drain();
    assert.deepEqual(server.raft.configuration, {
      voters: [ONE, TWO],
      learners: [],
      removed: [THREE],
    });
    assert.deepEqual(server.raft.contacts, [TWO, THREE]);
    server.acknowledge("3", 2);
    assert.equal(server.status.commitIndex, 1, "the removed do not commit their removal");
    server.acknowledge("2", 2);
    tickAnswered(server, 4, "2", "3");
    assert.deepEqual(server.raft.contacts, [TWO]);
    assert.deepEqual(server.raft.proposeChange({ kind: "add", id: THREE, address: "h:3" }), {
      kind: "refused",
      reason: "id-was-used",
    });
  });

  it("who is removed is told again while it has not said that it knows", () => {
    const server = settledLeader();
    server.raft.proposeChange({ kind: "remove", id: THREE });
    server.drain();
    server.acknowledge("3", 2);
    server.acknowledge("2", 2);
    for (let beat = 0; beat < 5; beat += 1) {
      // It answers, but what told it of the commit was lost.
      echoOften(server, "3", 1);
      answerHeartbeats(server, "2");
      server.tick(3);
      assert.ok(server.sent.some(({ to }) => to === THREE));
    }
    assert.deepEqual(server.raft.contacts, [TWO, THREE]);
    tickAnswered(server, 4, "2", "3");
    assert.deepEqual(server.raft.contacts, [TWO]);
  });

  it("a leader that removes itself leads until that is committed, without counting itself, then hands over", () => {
    const server = settledLeader();
    server.raft.proposeChange({ kind: "remove", id: ONE });
    server.drain();
    server.acknowledge("2", 2);
    assert.deepEqual([server.status.role, server.status.commitIndex], ["leader", 1]);
    server.take();
    server.acknowledge("3", 2);
    assert.deepEqual([server.status.role, server.status.reason], ["learner", "removed"]);
    assert.equal(server.takeKind("timeoutNow").length, 1);
  });

  it("a leader that fell while its own removal was under way campaigns on, for only it can commit that", () => {
    const server = settledLeader({ voterCount: 2 });
    server.raft.proposeChange({ kind: "remove", id: ONE });
    server.drain();
    server.tick(12);
    assert.deepEqual([server.status.role, server.status.reason], ["learner", "quorum-lost"]);
    server.take();
    server.tick(20);
    assert.deepEqual(
      server.takeKind("preVote").map(({ lastLogIndex }) => lastLogIndex),
      [2],
    );
  });

  it("who is no voter takes a leader that is silent for none, and hears it again", () => {
    const configuration: Configuration = { voters: [TWO, THREE], learners: [ONE] };
    const server = new Server({ configuration });
    server.step(heartbeat(1));
    assert.equal(server.raft.leader, TWO);
    server.tick(20);
    assert.deepEqual([server.raft.leader, server.status.role], [undefined, "learner"]);
    assert.equal(server.status.reason, "election-timeout");
    server.read(7);
    assert.deepEqual(server.refusedReads, [7]);
    server.step(heartbeat(1));
    assert.equal(server.raft.leader, TWO);
    assert.equal(server.raft.isRemoved, false);
  });

  it("a server knows that it was removed once that is committed", () => {
    const configuration: Configuration = { voters: [TWO, THREE], learners: [], removed: [ONE] };
    const server = new Server({ configuration });
    assert.equal(server.raft.isRemoved, true);
    const leaving = settledLeader();
    leaving.raft.proposeChange({ kind: "remove", id: ONE });
    leaving.drain();
    assert.equal(leaving.raft.isRemoved, false);
    leaving.acknowledge("2", 2);
    leaving.acknowledge("3", 2);
    assert.equal(leaving.raft.isRemoved, true);
  });

  it("a removed server is deaf to nobody's harm: its campaigns move no one", () => {
    const configuration: Configuration = { voters: [ONE, TWO], learners: [], removed: [THREE] };
    const server = new Server({ configuration, term: 3 });
    server.step({ ...requestVote("3", 9, 99, 9), disruptLeader: true });
    server.step({ ...requestVote("3", 9, 99, 9), kind: "preVote" });
    assert.deepEqual([server.status.term, server.take()], [3, []]);
  });
});

describe("raft incarnations", () => {
  function told(): Server {
    const server = settledLeader({ incarnation: "1".repeat(32) });
    server.raft.peerIncarnation(TWO, OLD);
    server.raft.peerIncarnation(THREE, OLD);
    tickAnswered(server, 1, "2", "3");
    server.acknowledge("2", 2);
    server.acknowledge("3", 2);
    return server;
  }

  it("are recorded in the log once all that are alive have told theirs", () => {
    const server = settledLeader({ incarnation: "1".repeat(32) });
    server.raft.peerIncarnation(TWO, OLD);
    tickAnswered(server, 2, "2", "3");
    const recorded = (): readonly NodeId[] =>
      (server.raft.configuration.records ?? []).map(({ id }) => id);
    assert.deepEqual(recorded(), []);
    tickAnswered(server, 12, "2");
    assert.deepEqual(recorded(), [ONE, TWO], "who is away is not waited for");
  });

  it("a voter that comes back with an empty disk is made a learner, and its former word is void", () => {
    const server = told();
    server.propose();
    server.acknowledge("3", 3);
    server.raft.peerIncarnation(THREE, NEW);
    server.propose();
    server.acknowledge("3", 4);
    assert.equal(server.status.commitIndex, 3, "its acknowledgement commits nothing");
    tickAnswered(server, 1, "2", "3");
    assert.deepEqual(server.raft.configuration.voters, [ONE, TWO]);
    assert.deepEqual(server.raft.configuration.learners, [THREE]);
    assert.equal(
      server.raft.configuration.records?.find(({ id }) => id === THREE)?.incarnation,
      NEW,
    );
  });

  it("its vote and its echo count for nothing", () => {
    const records = [{ id: TWO, address: "", incarnation: OLD }];
    const configuration = { ...voters(2), records };
    const server = new Server({ configuration });
    server.raft.peerIncarnation(TWO, NEW);
    server.elect("2");
    assert.notEqual(server.status.role, "leader");
    const elected = new Server({ configuration });
    elected.elect("2");
    elected.acknowledge("2", 1);
    elected.raft.peerIncarnation(TWO, NEW);
    elected.take();
    elected.read(1);
    answerHeartbeats(elected, "2");
    assert.deepEqual(elected.reads, []);
  });

  it("a server that the configuration knows under another incarnation does not campaign, and says why", () => {
    const server = new Server({ incarnation: NEW });
    const records = [{ id: ONE, address: "", incarnation: OLD }];
    const entry = testSealer.configuration(
      { index: LogIndex(1), term: Term(1), previousChecksum: 0 },
      { ...voters(3), records },
    );
    server.step(append({ term: 1, log: [entry] }));
    assert.deepEqual([server.status.role, server.status.reason], ["learner", "wiped"]);
    server.tick(100);
    assert.deepEqual(server.takeKind("preVote"), []);
  });
});

describe("raft leadership, handed over", () => {
  it("the target is brought level first, then told once, and no more is proposed meanwhile", () => {
    const server = settledLeader();
    server.propose();
    server.take();
    assert.deepEqual(server.raft.transferLeadership(TWO), { kind: "started", target: TWO });
    server.drain();
    assert.deepEqual(server.takeKind("timeoutNow"), []);
    assert.deepEqual(server.propose(), { kind: "busy" });
    server.acknowledge("2", 2);
    server.acknowledge("2", 2);
    assert.equal(server.takeKind("timeoutNow").length, 1);
    server.step({ ...requestVote("2", 2, 2, 1), disruptLeader: true });
    assert.deepEqual([server.status.role, server.status.reason], ["follower", "transfer"]);
  });

  it("is over after one election timeout, and the leader leads on", () => {
    const server = settledLeader();
    server.propose();
    server.raft.transferLeadership(TWO);
    tickAnswered(server, 9, "2", "3");
    assert.equal(server.raft.isTransferring, true);
    tickAnswered(server, 1, "2", "3");
    assert.equal(server.raft.isTransferring, false);
    assert.equal(server.propose().kind, "accepted");
  });

  it("without a target goes to the voter nearest to the leader's log", () => {
    const server = settledLeader();
    server.propose();
    server.acknowledge("3", 2);
    assert.deepEqual(server.raft.transferLeadership(), { kind: "started", target: THREE });
  });

  const refusals: readonly {
    readonly reason: TransferRefusal;
    readonly make: () => Server;
    readonly target: NodeId | undefined;
  }[] = [
    {
      reason: "transfer-under-way",
      make: () => {
        const server = settledLeader();
        server.propose();
        server.raft.transferLeadership(TWO);
        return server;
      },
      target: THREE,
    },
    { reason: "leads-already", make: () => settledLeader(), target: ONE },
    { reason: "not-a-voter", make: withLearner, target: FOUR },
    {
      reason: "not-alive",
      make: () => {
        const server = settledLeader();
        tickAnswered(server, 12, "2");
        return server;
      },
      target: THREE,
    },
    { reason: "not-heard-yet", make: () => leader(), target: THREE },
    { reason: "not-heard-yet", make: () => leader(), target: undefined },
    {
      reason: "nobody-alive",
      make: () => {
        const server = new Server({ voterCount: 1 });
        server.tick(40);
        return server;
      },
      target: undefined,
    },
  ];
  for (const { reason, make, target } of refusals) {
    it(`is refused: ${reason}`, () => {
      assert.deepEqual(make().raft.transferLeadership(target), { kind: "refused", reason });
    });
  }

  it("a leader whose disk confirms nothing for an election timeout hands over, and says why", () => {
    const server = settledLeader();
    server.disk.isStalled = true;
    server.propose();
    server.acknowledge("2", 2);
    server.take();
    tickAnswered(server, 20, "2", "3");
    assert.equal(server.status.role, "leader", "without a majority nobody else does better");
    server.acknowledge("3", 2);
    server.take();
    server.tick(2);
    assert.deepEqual([server.status.role, server.status.reason], ["follower", "disk-stall"]);
    assert.equal(server.takeKind("timeoutNow").length, 1);
  });

  it("a leader whose loop stood still hands over; one without an heir leads on", () => {
    const server = settledLeader();
    server.raft.stalled(19);
    assert.equal(server.status.role, "leader", "nobody need have noticed");
    server.raft.stalled(20);
    server.drain();
    assert.deepEqual([server.status.role, server.status.reason], ["follower", "loop-stall"]);
    const unheard = leader();
    unheard.raft.stalled(1000);
    assert.equal(unheard.status.role, "leader", "whoever has not answered yet may be dead");
    const alone = new Server({ voterCount: 1 });
    alone.tick(40);
    alone.raft.stalled(1000);
    assert.equal(alone.status.role, "leader");
  });
});

describe("raft leases", () => {
  /** Leads since clock 1000, with a beat at 1000 that a majority echoed. */
  function leased(): Server {
    const server = settledLeader({ leaseMs: 100 });
    server.raft.advanceClock(1000);
    server.take();
    server.tick(3);
    answerHeartbeats(server, "2");
    server.take();
    return server;
  }

  it("answer a read at once, without a round", () => {
    const server = leased();
    server.raft.advanceClock(1099);
    server.read(7);
    assert.deepEqual(server.reads, [{ context: 7, index: 1 }]);
    assert.deepEqual(server.takeKind("heartbeat"), []);
  });

  const voids: readonly { readonly what: string; readonly act: (server: Server) => void }[] = [
    {
      what: "when its time is up, measured from when the beat was sent",
      act: (server) => {
        server.raft.advanceClock(1100);
      },
    },
    {
      what: "once somebody was told to campaign, for the rest of the term",
      act: (server) => {
        server.raft.transferLeadership(TWO);
        server.acknowledge("2", 1);
        tickAnswered(server, 12, "2", "3");
        server.raft.advanceClock(1050);
      },
    },
  ];
  for (const { what, act } of voids) {
    it(`are void ${what}: a read takes its round`, () => {
      const server = leased();
      act(server);
      server.take();
      server.read(8);
      assert.deepEqual(server.reads, []);
      assert.ok(server.takeKind("heartbeat").length > 0);
    });
  }

  it("do not exist unless they are asked for", () => {
    const server = settledLeader();
    server.raft.advanceClock(1000);
    server.tick(3);
    answerHeartbeats(server, "2", "3");
    server.read(9);
    assert.deepEqual(server.reads, []);
  });

  it("are kept by a restarted voter, which withholds its vote for an election timeout", () => {
    const server = new Server({ leaseMs: 100, term: 3 });
    server.step(requestVote("2", 4, 9, 3));
    assert.deepEqual([server.status.term, server.take()], [3, []]);
    server.step(heartbeat(3));
    server.tick(10);
    server.take();
    server.step(requestVote("2", 4, 9, 3));
    assert.equal(server.status.term, 4);
  });
});
