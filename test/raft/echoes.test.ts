/** Read rounds are heartbeats, thousands a second: what many echoes and a slow disk make of each other. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { NodeId, Term } from "../../src/raft/types.js";
import {
  append,
  echoOften,
  entriesOf,
  heartbeat,
  requestVote,
  Server,
  settledLeader,
} from "./server.js";
import type { Message } from "../../src/raft/message.js";

const OFTEN = 200;

describe("raft with a disk that takes its time", () => {
  it("a leader asks once in a heartbeat interval whether what it sent arrived, however many echoes come", () => {
    const server = settledLeader();
    server.propose();
    server.take();
    let questionCount = 0;
    for (let tick = 0; tick < 30; tick += 1) {
      server.tick();
      server.acknowledge("2", 2);
      echoOften(server, "3", OFTEN);
      for (const { to, message } of server.take()) {
        if (to === "3" && message.kind === "appendEntries") questionCount += 1;
      }
    }
    assert.ok(questionCount >= 3, `appends that were lost are found: asked ${questionCount} times`);
    assert.ok(questionCount <= 10, `asked ${questionCount} times in ten heartbeat intervals`);
  });

  const log = entriesOf([1, 1, 1]);
  const repeated: readonly {
    readonly what: string;
    readonly messages: readonly Message[];
    readonly answers: readonly string[];
  }[] = [
    {
      what: "each index that is not flushed",
      messages: [
        append({ term: 1, log, count: 2 }),
        append({ term: 1, log, prev: 2 }),
        append({ term: 1, log, prev: 2, count: 0 }),
        append({ term: 1, log, prev: 3 }),
      ],
      answers: ["appendEntriesResult 2", "appendEntriesResult 3"],
    },
    {
      what: "heartbeats of a term that is not flushed",
      messages: [heartbeat(1), heartbeat(1)],
      answers: ["heartbeatResult"],
    },
    {
      what: "each candidate that asked for a vote",
      messages: [requestVote("2", 1), requestVote("3", 1)],
      answers: ["requestVoteResult", "requestVoteResult"],
    },
  ];
  for (const { what, messages, answers } of repeated) {
    it(`a follower has one answer waiting for ${what}, however often it is asked`, () => {
      const server = new Server();
      server.disk.isStalled = true;
      for (let i = 0; i < OFTEN; i += 1) server.step(...messages);
      assert.deepEqual(server.take(), []);
      server.flush();
      const sent = server
        .take()
        .map(({ message }) =>
          message.kind === "appendEntriesResult"
            ? `${message.kind} ${message.matchIndex}`
            : message.kind,
        );
      assert.deepEqual(sent, answers);
    });
  }

  it("a follower answers each question of a read, for each has reads of its own", () => {
    const server = new Server();
    server.disk.isStalled = true;
    server.step(requestVote("2", 1));
    const from = NodeId("3");
    for (const context of [1, 2]) server.step({ kind: "readIndex", from, term: Term(1), context });
    server.flush();
    const contexts = server.takeKind("readIndexResult").map(({ context }) => context);
    assert.deepEqual(contexts, [1, 2]);
  });
});
