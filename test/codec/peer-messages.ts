/** One message of every kind, with values at the edges, for whoever sends or stores them. */
import { entrySealer } from "../../src/codec/block.js";
import type { PeerMessage } from "../../src/codec/peer-message.js";
import type { AppendEntries } from "../../src/raft/message.js";
import { LogIndex, NodeId, Term, type Entry } from "../../src/raft/types.js";
import type { Request } from "../../src/store/command.js";
import { sealRequests } from "./seal-requests.js";

const LONGEST_ID = NodeId("n".repeat(64));
/** the greatest number the wire carries */
export const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const encoder = new TextEncoder();

export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A command of every kind, and a request id. */
const EVERY_COMMAND: Request = {
  id: new Uint8Array(16).fill(7),
  commands: [
    { kind: "put", key: bytes("a"), value: bytes("1"), condition: "none" },
    { kind: "put", key: bytes("b"), value: new Uint8Array(0), condition: "absent" },
    { kind: "put", key: new Uint8Array([0, 255]), value: bytes("2"), condition: "present" },
    { kind: "delete", key: bytes("c") },
    { kind: "deleteRange", key: bytes("d"), end: new Uint8Array(0) },
    { kind: "increment", key: bytes("e"), by: -(2n ** 63n) },
    { kind: "append", key: bytes("f"), value: bytes("x".repeat(1000)) },
  ],
};

/** An append of one entry of every kind behind (6, term 2). */
export function appendOf(from: NodeId, valueSize = 10): AppendEntries {
  const sealer = entrySealer(() => 1_700_000_000_000);
  const prevLogChecksum = 0xfedcba98;
  const noop = sealer.noop({
    index: LogIndex(7),
    term: Term(3),
    previousChecksum: prevLogChecksum,
  });
  const configuration = sealer.configuration(
    { index: LogIndex(8), term: Term(3), previousChecksum: noop.checksum },
    { voters: [NodeId("n1"), NodeId("n2")], learners: [NodeId("n3")] },
  );
  const value = new Uint8Array(valueSize).fill(65);
  const commands = sealRequests(
    { index: LogIndex(9), term: Term(4), previousChecksum: configuration.checksum },
    1_700_000_000_001,
    [
      EVERY_COMMAND,
      {
        id: new Uint8Array(0),
        commands: [{ kind: "put", key: bytes("k"), value, condition: "none" }],
      },
    ],
  );
  const entries: readonly Entry[] = [noop, configuration, commands];
  return {
    kind: "appendEntries",
    from,
    term: Term(5),
    prevLogIndex: LogIndex(6),
    prevLogTerm: Term(2),
    prevLogChecksum,
    leaderCommit: LogIndex(8),
    entries,
  };
}

/** At least one of every kind, all from `from`. */
export function everyMessage(from: NodeId = LONGEST_ID): readonly PeerMessage[] {
  const term = Term(3);
  const greatest = { index: LogIndex(LONG_MAX), term: Term(LONG_MAX) };
  return [
    { kind: "preVote", from, term, lastLogIndex: LogIndex(0), lastLogTerm: Term(0) },
    { kind: "preVoteResult", from, term, granted: true },
    {
      kind: "requestVote",
      from,
      term: greatest.term,
      lastLogIndex: greatest.index,
      lastLogTerm: greatest.term,
      disruptLeader: true,
    },
    { kind: "requestVoteResult", from, term, granted: false },
    appendOf(from),
    { ...appendOf(from), entries: [] },
    {
      kind: "appendEntriesResult",
      from,
      term,
      prevLogIndex: LogIndex(9),
      success: false,
      matchIndex: LogIndex(0),
      hintIndex: LogIndex(64),
      hintTerm: Term(2),
    },
    { kind: "heartbeat", from, term, commitIndex: LogIndex(8191), readRound: LONG_MAX },
    {
      kind: "heartbeatResult",
      from,
      term,
      readRound: 0,
      lastIndex: LogIndex(3),
      commitIndex: LogIndex(2),
      appliedIndex: LogIndex(1),
    },
    { kind: "readIndex", from, term, context: 8192 },
    { kind: "readIndexResult", from, term, context: 1, granted: true, index: LogIndex(5) },
    { kind: "timeoutNow", from, term },
    { kind: "forward", from, id: 12, term, requests: [EVERY_COMMAND] },
    { kind: "forward", from, id: 13, term, requests: [EVERY_COMMAND, EVERY_COMMAND] },
    {
      ...{ kind: "forwardAccepted", from, id: 12, first: 1, count: 300 },
      ...{ index: LogIndex(4), term, position: 3 },
    },
    { kind: "forwardRefused", from, id: 13, first: 0, count: 1, reason: "busy" },
    { kind: "forwardRefused", from, id: 13, first: 70, count: 2, reason: "not-leader" },
    { kind: "statusRequest", from, id: 0 },
    { kind: "statusResult", from, id: 0, json: '{"name":"Löwe \u{1f981}"}' },
    {
      kind: "installSnapshot",
      from,
      term,
      snapshot: { index: LogIndex(9), term: Term(2), checksum: 7, size: 12, fileChecksum: 8 },
      offset: 9,
      data: new Uint8Array([1, 2, 3]),
    },
    {
      kind: "installSnapshotResult",
      from,
      term,
      index: LogIndex(9),
      fileChecksum: 0xffffffff,
      offset: 12,
      isInstalled: true,
    },
    {
      kind: "administer",
      from,
      id: 3,
      timeoutMs: 5000,
      action: { kind: "add", id: NodeId("n4"), address: "10.0.0.4:13141" },
    },
    { kind: "administer", from, id: 4, timeoutMs: 1, action: { kind: "transfer", id: undefined } },
    { kind: "administer", from, id: 5, timeoutMs: 1, action: { kind: "remove", id: from } },
    { kind: "administered", from, id: 3, code: "", text: "", index: 7 },
    { kind: "administered", from, id: 4, code: "CHANGE_REFUSED", text: "why", index: 0 },
  ];
}
