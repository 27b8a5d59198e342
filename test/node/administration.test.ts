/** What becomes of a change of members: with a full disk, and with an address that is none. */
import assert from "node:assert/strict";
import { before, describe, it } from "mocha";
import type { DatabaseError } from "../../src/errors.js";
import { NodeId } from "../../src/raft/types.js";
import type { SimulatedNode } from "../../src/simulation/simulated-node.js";
import { World } from "../storage/full-disk-world.js";
import { simulatedCluster } from "./simulated-cluster.js";

describe("a change of members, asked of a leader whose disk is full", () => {
  it("is done once the others have committed it, whatever stands in the log here", () => {
    const world = new World({ nodeCount: 5, segmentSizeBytes: 2048 });
    const leader = world.anyLeader();
    const leaver = world.follower();
    // Two writes fill the open segment: what comes next finds no room.
    world.limit([leader], 0);
    for (let count = 0; count < 3; count += 1) {
      world.put(leader, `before ${count}`);
      world.run(10);
    }
    const answers: (DatabaseError | number | undefined)[] = [];
    leader.run(leader.life, () => {
      leader.parts?.node.administer({ kind: "remove", id: leaver.id }, 5000, (error, result) =>
        answers.push(error ?? result?.index),
      );
    });
    world.until(() => answers.length > 0);
    const [index] = answers;
    const { lastIndex = 0 } = leader.parts?.log ?? {};
    assert.ok(typeof index === "number" && index > lastIndex, `${String(index)} of ${lastIndex}`);
    assert.ok(leader.parts?.raft.configuration.voters.includes(leaver.id) === false);
  });
});

describe("a member to be added", () => {
  const addresses = [
    "",
    "garbage",
    "host",
    "host:0",
    "host:65536",
    "::1:13141",
    `${"a".repeat(254)}:13141`,
  ];
  let world: World;
  before(() => {
    world = new World({ nodeCount: 3 });
  });

  const add = (node: SimulatedNode, address: string): (DatabaseError | undefined)[] => {
    const answers: (DatabaseError | undefined)[] = [];
    node.run(node.life, () => {
      const action = { kind: "add", id: NodeId("n4"), address } as const;
      node.parts?.node.administer(action, 1000, (error) => answers.push(error));
    });
    return answers;
  };

  for (const address of addresses) {
    it(`"${address.slice(0, 20)}" is no address: it is refused by whoever is asked, and not proposed`, () => {
      for (const node of [world.anyLeader(), world.follower()]) {
        const lastIndex = node.parts?.raft.lastIndex;
        const [error] = add(node, address);
        assert.equal(error?.code, "INVALID_ARGUMENT");
        assert.equal(error.outcome, "not-applied");
        assert.match(error.message, /write host:port/);
        assert.equal(node.parts?.raft.lastIndex, lastIndex);
      }
    });
  }

  it("with an address that can be called is proposed", () => {
    const leader = world.anyLeader();
    const lastIndex = leader.parts?.raft.lastIndex ?? 0;
    assert.deepEqual(add(leader, "host:13141"), []);
    assert.equal(leader.parts?.raft.lastIndex, lastIndex + 1);
  });
});

describe("leadership that is handed over", () => {
  // The asker's time ends with the hand-over under way, and after it came to nothing here.
  for (const timeoutMs of [1, 400]) {
    it(`is not said to have stayed after ${timeoutMs} ms: it may move later`, () => {
      const { network, nodes, until } = simulatedCluster();
      const leaders = (): SimulatedNode[] =>
        nodes.filter(({ parts }) => parts?.raft.role === "leader");
      until(() => leaders()[0]?.parts?.raft.status().commitIndex === 1);
      const [leader = assert.fail()] = leaders();
      const target = nodes.find((node) => node !== leader) ?? assert.fail();
      const slow = timeoutMs > 1;
      // A word to take over that is long on its way, or never arrives.
      if (slow) network.losesTimeoutNow = true;
      else network.faults = { ...network.faults, delayMs: [15, 16] };
      const answers: (DatabaseError | undefined)[] = [];
      leader.run(leader.life, () => {
        const action = { kind: "transfer", id: target.id } as const;
        leader.parts?.node.administer(action, timeoutMs, (error) => answers.push(error));
      });
      until(() => answers.length > 0);
      assert.equal(answers[0]?.code, "OUTCOME_UNKNOWN");
      assert.equal(answers[0].outcome, "unknown");
      if (!slow) until(() => target.parts?.raft.role === "leader");
    });
  }

  it("is handed over whenever it moves, also between two attempts", () => {
    // The first attempt is given up after an election timeout of 150 ms, and the word takes a few to be heeded.
    for (let lateMs = 120; lateMs <= 160; lateMs += 1) {
      const { scheduler, network, nodes, until } = simulatedCluster();
      until(() => nodes.some(({ parts }) => parts?.raft.role === "leader"));
      const leader = nodes.find(({ parts }) => parts?.raft.role === "leader") ?? assert.fail();
      const target = nodes.find((node) => node !== leader) ?? assert.fail();
      until(() => scheduler.now > 1000);
      network.losesTimeoutNow = true;
      const answers: (DatabaseError | undefined)[] = [];
      leader.run(leader.life, () => {
        const action = { kind: "transfer", id: target.id } as const;
        leader.parts?.node.administer(action, 5000, (error) => answers.push(error));
      });
      const asked = scheduler.now;
      until(() => scheduler.now >= asked + lateMs);
      for (const send of network.lostTimeoutNow) send();
      until(() => answers.length > 0);
      assert.deepEqual(answers, [undefined], `${lateMs} ms late`);
    }
  });
});
