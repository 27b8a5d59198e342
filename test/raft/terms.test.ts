/** Which terms are believed: one message, damaged or forged, must not use up all that are left. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { heartbeat, Server, settledLeader } from "./server.js";

const LEAP = 2 ** 40;
const GREATEST = 2 ** 50;

describe("raft terms", () => {
  const cases: readonly {
    readonly own: number;
    readonly heard: number;
    readonly isBelieved: boolean;
  }[] = [
    // whoever was away for long finds a term far beyond its own
    { own: 3, heard: 3 + 1_000_000_000, isBelieved: true },
    { own: 3, heard: 3 + LEAP, isBelieved: true },
    { own: 3, heard: 4 + LEAP, isBelieved: false },
    { own: 3, heard: GREATEST, isBelieved: false },
    { own: GREATEST - 1, heard: GREATEST, isBelieved: true },
    { own: GREATEST, heard: GREATEST + 1, isBelieved: false },
    // a new member has no term to compare with
    { own: 0, heard: 1 + LEAP, isBelieved: true },
    { own: 0, heard: GREATEST, isBelieved: true },
    { own: 0, heard: GREATEST + 1, isBelieved: false },
  ];
  for (const { own, heard, isBelieved } of cases) {
    it(`a server of term ${own} ${isBelieved ? "believes" : "ignores"} a leader of term ${heard}`, () => {
      const server = new Server({ term: own });
      server.step(heartbeat(heard));
      assert.equal(server.status.term, isBelieved ? heard : own);
      assert.equal(server.takeKind("heartbeatResult").length, isBelieved ? 1 : 0);
    });
  }

  it("one message of the greatest term takes nobody's office", () => {
    const server = settledLeader();
    const none = LogIndex(0);
    server.step({
      kind: "heartbeatResult",
      ...{ from: NodeId("2"), term: Term(GREATEST), readRound: 0 },
      ...{ lastIndex: none, commitIndex: none, appliedIndex: none },
    });
    server.propose();
    server.acknowledge("2", 2);
    assert.deepEqual([server.status.role, server.status.commitIndex], ["leader", 2]);
  });
});
