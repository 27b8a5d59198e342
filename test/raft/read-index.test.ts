/** Linearizable reads by ReadIndex (thesis §6.4). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import {
  Server,
  answerHeartbeats,
  echoOften,
  entriesOf,
  heartbeat,
  leader,
  settledLeader,
} from "./server.js";

const TWO = NodeId("2");
const THREE = NodeId("3");
const HEARTBEAT_TICKS = 3;

describe("raft reads", () => {
  it("reads that come together share a round, and are answered by a quorum's echoes", () => {
    const server = settledLeader();
    for (const context of [1, 2, 3]) server.raft.requestRead(context);
    server.drain();
    assert.deepEqual(server.reads, []);
    answerHeartbeats(server, "2");
    assert.deepEqual(
      server.reads,
      [1, 2, 3].map((context) => ({ context, index: 1 })),
    );
  });

  it("an echo of an earlier round, or of a round not yet begun, confirms nothing", () => {
    const server = settledLeader();
    server.read(1);
    answerHeartbeats(server, "2");
    server.read(2);
    const zero = LogIndex(0);
    for (const readRound of [0, 1, 3, 1000]) {
      const { term } = server.status;
      server.step({
        kind: "heartbeatResult",
        from: THREE,
        term,
        readRound,
        lastIndex: zero,
        commitIndex: zero,
        appliedIndex: zero,
      });
    }
    assert.deepEqual(
      server.reads.map(({ context }) => context),
      [1],
    );
  });

  it("reads that wait an election timeout for a new leader's first commit are given back", () => {
    const server = leader();
    const ask = (context: number): void => {
      server.step({ kind: "readIndex", from: TWO, term: server.status.term, context });
    };
    const wait = (ticks: number): void => {
      for (let tick = 0; tick < ticks; tick += 1) {
        server.tick();
        echoOften(server, "2", 1);
      }
    };
    ask(7);
    server.read(1);
    wait(9);
    assert.deepEqual([server.refusedReads, server.takeKind("readIndexResult")], [[], []]);
    wait(1);
    assert.deepEqual(server.refusedReads, [1]);
    const answers = (): [number, boolean][] =>
      server.takeKind("readIndexResult").map(({ context, granted }) => [context, granted]);
    assert.deepEqual(answers(), [[7, false]]);
    ask(8);
    server.read(2);
    wait(9);
    server.take();
    server.acknowledge("2", 1);
    answerHeartbeats(server, "2");
    assert.deepEqual(server.reads, [{ context: 2, index: 1 }]);
    assert.deepEqual(answers(), [[8, true]]);
    assert.deepEqual(server.refusedReads, [1]);
  });

  it("a lost round is repeated by the next heartbeat", () => {
    const server = settledLeader();
    server.read(1);
    server.take();
    server.tick(3);
    answerHeartbeats(server, "3");
    assert.deepEqual(server.reads, [{ context: 1, index: 1 }]);
  });

  it("when all were asked, the next rounds ask the quickest alone, as many as a majority needs", () => {
    const server = settledLeader();
    assert.deepEqual(askedForRound(server, 1, "3", "2"), ["2", "3"]);
    assert.deepEqual(askedForRound(server, 2, "3"), ["3"]);
    assert.deepEqual(askedForRound(server, 3, "3"), ["3"]);
    assert.deepEqual(
      server.reads.map(({ context }) => context),
      [1, 2, 3],
    );
  });

  it("after each beat all are asked again, and another one may be the quickest", () => {
    const server = settledLeader();
    askedForRound(server, 1, "3");
    server.tick(HEARTBEAT_TICKS);
    answerHeartbeats(server, "2", "3");
    assert.deepEqual(askedForRound(server, 2, "2", "3"), ["2", "3"]);
    assert.deepEqual(askedForRound(server, 3, "2"), ["2"]);
  });

  it("an echo that was under way at a beat does not say who is quickest", () => {
    const server = settledLeader();
    askedForRound(server, 1, "3");
    server.read(2);
    server.tick(HEARTBEAT_TICKS);
    answerHeartbeats(server, "3");
    assert.equal(server.reads.length, 2);
    assert.deepEqual(askedForRound(server, 3, "2"), ["2", "3"]);
  });

  it("a round that waits for a whole tick asks all", () => {
    const server = settledLeader();
    askedForRound(server, 1, "3");
    server.read(2);
    server.take();
    server.tick();
    assert.deepEqual(server.takeKind("heartbeat"), []);
    server.tick();
    answerHeartbeats(server, "2");
    assert.deepEqual(
      server.reads.map(({ context }) => context),
      [1, 2],
    );
  });

  it("a round asks all at once when the connection to whom it asked is lost", () => {
    const server = settledLeader();
    askedForRound(server, 1, "3");
    server.read(2);
    server.take();
    server.raft.peerUnreachable(THREE);
    server.drain();
    answerHeartbeats(server, "2");
    assert.equal(server.reads.length, 2);
  });

  it("reads that wait are refused when leadership is lost, also those of followers", () => {
    const server = settledLeader();
    server.read(1);
    server.step({ kind: "readIndex", from: TWO, term: Term(1), context: 77 });
    server.take();
    server.step({
      kind: "heartbeatResult",
      from: TWO,
      term: Term(2),
      readRound: 0,
      lastIndex: LogIndex(0),
      commitIndex: LogIndex(0),
      appliedIndex: LogIndex(0),
    });
    assert.deepEqual(server.refusedReads, [1]);
    assert.deepEqual(
      server.takeKind("readIndexResult").map(({ context, granted }) => [context, granted]),
      [[77, false]],
    );
  });

  it("a follower asks once for all, and takes the leader's answer once", () => {
    const server = new Server({ log: entriesOf([1]), term: 1 });
    server.step(heartbeat(1));
    server.take();
    server.raft.requestRead(1);
    server.raft.requestRead(2);
    server.drain();
    const [asked, ...others] = server.takeKind("readIndex");
    assert.ok(asked !== undefined && others.length === 0);
    const { context } = asked;
    const answer = {
      kind: "readIndexResult",
      from: TWO,
      term: Term(1),
      context,
      granted: true,
      index: LogIndex(1),
    } as const;
    server.step({ ...answer, from: THREE }, answer, answer);
    assert.deepEqual(server.reads, [
      { context: 1, index: 1 },
      { context: 2, index: 1 },
    ]);
  });

  it("a follower's reads are refused when its leader changes, is silent, or is cut off", () => {
    const troubles: readonly ((server: Server) => void)[] = [
      (server) => {
        server.step(heartbeat(2, 0, "3"));
      },
      (server) => {
        server.tick(10);
      },
      (server) => {
        server.raft.peerUnreachable(TWO);
        server.drain();
      },
      (server) => {
        const [asked] = server.takeKind("readIndex");
        server.step({
          kind: "readIndexResult",
          from: TWO,
          term: Term(1),
          context: asked?.context ?? 0,
          granted: false,
          index: LogIndex(0),
        });
      },
    ];
    for (const trouble of troubles) {
      const server = new Server();
      server.step(heartbeat(1));
      server.take();
      server.read(5);
      assert.deepEqual(server.refusedReads, []);
      trouble(server);
      assert.deepEqual(server.refusedReads, [5]);
    }
  });

  it("an answer to the life before a restart is not taken for one to this life", () => {
    const contextOf = (chance: number): number | undefined => {
      const server = new Server({ random: () => chance });
      server.step(heartbeat(1));
      server.take();
      server.read(1);
      return server.takeKind("readIndex")[0]?.context;
    };
    assert.notEqual(contextOf(0.25), contextOf(0.75));
  });

  it("who is not the leader tells a follower so", () => {
    const server = new Server();
    server.step(heartbeat(1));
    server.take();
    server.step({ kind: "readIndex", from: THREE, term: Term(1), context: 4 });
    assert.deepEqual(
      server.takeKind("readIndexResult").map(({ granted }) => granted),
      [false],
    );
  });
});

/** Begins a round, which these answer in turn. @returns whom it asked */
function askedForRound(server: Server, context: number, ...answers: readonly string[]): string[] {
  server.read(context);
  const asked = server.take().filter(({ message }) => message.kind === "heartbeat");
  for (const peer of answers) {
    const envelope = asked.find(({ to }) => to === peer);
    assert.ok(envelope?.message.kind === "heartbeat", `${peer} was asked`);
    const { term, readRound } = envelope.message;
    const zero = LogIndex(0);
    server.step({
      ...{ kind: "heartbeatResult", from: NodeId(peer), term, readRound },
      ...{ lastIndex: zero, commitIndex: zero, appliedIndex: zero },
    });
  }
  return asked.map(({ to }) => to);
}
