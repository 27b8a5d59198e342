/** Snapshots between a leader and its followers (§7). */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { sealCommands, voters } from "./seal.js";
import {
  answerHeartbeats,
  append,
  echoOften,
  entriesOf,
  heartbeat,
  leader,
  Server,
} from "./server.js";
import type { SnapshotInfo, SnapshotSource } from "../../src/raft/types.js";

const [TWO, THREE] = [NodeId("2"), NodeId("3")];

describe("raft snapshots, sent", () => {
  const info: SnapshotInfo = {
    index: LogIndex(3),
    term: Term(1),
    checksum: 7,
    size: 10,
    fileChecksum: 9,
  };
  const bytes = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const source: SnapshotSource = {
    newest: info,
    read: (snapshot, offset, sizeMax) =>
      snapshot === info ? bytes.subarray(offset, offset + sizeMax) : undefined,
  };

  /** Leads a log of which 1 to 3 were compacted; nothing is known of 3. */
  function compacted(): Server {
    const server = leader({ log: entriesOf([1, 1, 1]), term: 1, snapshots: source });
    server.acknowledge("2", 4);
    Object.defineProperty(server.disk, "firstIndex", { value: 4 });
    server.take();
    return server;
  }

  function refuse(server: Server, peer: string): void {
    const [none, noTerm] = [LogIndex(0), Term(0)];
    server.step({
      kind: "appendEntriesResult",
      ...{ from: NodeId(peer), term: server.status.term, prevLogIndex: LogIndex(3) },
      ...{ success: false, matchIndex: none, hintIndex: none, hintTerm: noTerm },
    });
  }

  function result(server: Server, offset: number, isInstalled = false): void {
    server.step({
      kind: "installSnapshotResult",
      ...{ from: THREE, term: server.status.term, index: info.index },
      ...{ fileChecksum: info.fileChecksum, offset, isInstalled },
    });
  }

  const chunks = (server: Server): [number, number][] =>
    server.takeKind("installSnapshot").map(({ offset, data }) => [offset, data.length]);

  it("first asks how far the follower is, then sends part by part from there, then appends", () => {
    const fresh = compacted();
    refuse(fresh, "3");
    assert.deepEqual(chunks(fresh), [[0, 0]]);
    result(fresh, 4);
    assert.deepEqual(chunks(fresh), [[4, 4]]);
    result(fresh, 4);
    assert.deepEqual(chunks(fresh), [], "a late answer sends nothing twice");
    result(fresh, 8);
    assert.deepEqual(chunks(fresh), [[8, 2]]);
    result(fresh, 10);
    assert.deepEqual(chunks(fresh), []);
    assert.equal(fresh.status.peers.find(({ id }) => id === THREE)?.snapshotOffset, 10);
    result(fresh, 10, true);
    const peer = fresh.status.peers.find(({ id }) => id === THREE);
    assert.deepEqual([peer?.state, peer?.matchIndex], ["replicate", 3]);
    assert.equal(fresh.takeKind("appendEntries").length, 1);
  });

  it("a lost part is asked for again after two heartbeats without a word", () => {
    const server = compacted();
    refuse(server, "3");
    result(server, 0);
    assert.deepEqual(chunks(server), [
      [0, 0],
      [0, 4],
    ]);
    for (let beat = 0; beat < 2; beat += 1) {
      server.tick(3);
      answerHeartbeats(server, "2", "3");
    }
    server.tick(3);
    assert.deepEqual(chunks(server), [[0, 0]]);
  });

  it("a part is on its way for two heartbeat intervals, however many echoes come meanwhile", () => {
    const server = compacted();
    refuse(server, "3");
    result(server, 0);
    server.take();
    for (let tick = 0; tick < 3; tick += 1) {
      echoOften(server, "3", 200);
      assert.deepEqual(chunks(server), [], `repeated in tick ${tick}`);
      server.tick();
    }
    echoOften(server, "3", 200);
    assert.deepEqual(chunks(server), [[0, 0]], "lost: it is asked how far it is");
  });

  it("a follower hands parts to its disk, and tells a leader at once what it holds already", () => {
    const server = new Server({ log: entriesOf([1, 1, 1]), term: 1 });
    server.step(append({ term: 1, log: entriesOf([1, 1, 1]), commit: 3 }));
    server.take();
    const message = {
      kind: "installSnapshot",
      ...{ from: TWO, term: Term(1), snapshot: info, offset: 0, data: bytes },
    } as const;
    server.step(message);
    const [told] = server.takeKind("installSnapshotResult");
    assert.deepEqual([told?.isInstalled, told?.offset], [true, 10]);
  });

  const verdicts = [
    { verdict: "log-kept", log: entriesOf([1, 1, 1, 1, 1]), last: 5 },
    { verdict: "log-reset", log: entriesOf([1, 1]), last: 3 },
    { verdict: "log-reset", log: entriesOf([1, 1, 2, 2]), last: 3 },
  ] as const;
  for (const { verdict, log, last } of verdicts) {
    it(`installed over a log of ${log.length} entries up to term ${log.at(-1)?.term ?? 0}: ${verdict}`, () => {
      const server = new Server({ log, term: 2 });
      server.step(heartbeat(2));
      const third = entriesOf([1, 1, 1])[2];
      const given = server.raft.snapshotInstalled({
        ...{ index: LogIndex(3), term: Term(1), checksum: third?.checksum ?? 0 },
        ...{ configuration: voters(5), configurationIndex: LogIndex(2) },
      });
      assert.equal(given, verdict);
      const { commitIndex, appliedIndex, lastIndex } = server.status;
      assert.deepEqual([commitIndex, appliedIndex, lastIndex], [3, 3, last]);
      const { configuration } = server.raft;
      assert.deepEqual(configuration, verdict === "log-reset" ? voters(5) : voters(3));
    });
  }

  it("a snapshot of what is committed anyway is not needed", () => {
    const server = new Server({ log: entriesOf([1, 1, 1]), term: 1 });
    server.step(append({ term: 1, log: entriesOf([1, 1, 1]), commit: 3 }));
    const { checksum } = entriesOf([1, 1, 1])[2] ?? { checksum: 0 };
    const verdict = server.raft.snapshotInstalled({
      ...{ index: LogIndex(3), term: Term(1), checksum },
      ...{ configuration: voters(3), configurationIndex: LogIndex(0) },
    });
    assert.equal(verdict, "not-needed");
  });

  it("flushes of the log before it vouch for nothing that comes after", () => {
    const server = new Server({ term: 1 });
    server.disk.isStalled = true;
    server.step(append({ term: 1, log: entriesOf([1, 1, 1, 1, 1]) }));
    server.raft.snapshotInstalled({
      ...{ index: LogIndex(3), term: Term(1), checksum: 1 },
      ...{ configuration: voters(3), configurationIndex: LogIndex(0) },
    });
    server.raft.persisted(1);
    assert.equal(server.status.flushedIndex, 3);
    assert.equal(
      sealCommands({ index: LogIndex(4), term: Term(1), previousChecksum: 1 }, "x").index,
      4,
    );
  });
});
