/** Quorum arithmetic against a dumb oracle, exhaustively for one to nine voters. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { majorityValue, quorumSize, voteOutcome } from "../../src/raft/quorum.js";
import { voters } from "./seal.js";
import type { NodeId } from "../../src/raft/types.js";

const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** All subsets of n things, as bit masks. */
function subsets(count: number): number[] {
  return Array.from({ length: 2 ** count }, (_, mask) => mask);
}

function bits(mask: number): number {
  return mask.toString(2).replaceAll("0", "").length;
}

/** All ways to give each of n voters one of `options` values. */
function* assignments(count: number, options: number): Generator<number[]> {
  const values = new Array<number>(count).fill(0);
  for (;;) {
    yield values;
    let i = 0;
    while (i < count && values[i] === options - 1) values[i++] = 0;
    if (i === count) return;
    values[i] = (values[i] ?? 0) + 1;
  }
}

describe("raft quorum", () => {
  for (const count of COUNTS) {
    it(`of ${count}: any two quorums share a voter, and none is smaller than needed`, () => {
      const quorum = quorumSize(count);
      const quorums = subsets(count).filter((mask) => bits(mask) === quorum);
      for (const a of quorums) for (const b of quorums) assert.notEqual(a & b, 0);
      // One fewer, and two disjoint sets would do.
      const smaller = subsets(count).filter((mask) => bits(mask) === quorum - 1);
      assert.ok(smaller.some((a) => smaller.some((b) => (a & b) === 0)));
    });

    it(`of ${count}: the majority's value is the greatest that more than half have reached`, () => {
      // Four levels show every order of three values around the decisive one; two suffice when many vote.
      for (const values of assignments(count, count <= 6 ? 4 : 3)) {
        let want = 0;
        for (let level = 0; level < 4; level += 1) {
          if (values.filter((value) => value >= level).length * 2 > count) want = level;
        }
        assert.equal(majorityValue(values), want, values.join(" "));
      }
    });

    it(`of ${count}: an election is won by more than half, lost when that is out of reach`, () => {
      const { voters: ids } = voters(count);
      for (const states of assignments(count, 3)) {
        const votes = new Map<NodeId, boolean>();
        ids.forEach((id, i) => {
          if (states[i] === 1) votes.set(id, true);
          if (states[i] === 2) votes.set(id, false);
        });
        const granted = states.filter((state) => state === 1).length;
        const refused = states.filter((state) => state === 2).length;
        const want =
          granted * 2 > count ? "won" : (count - refused) * 2 > count ? "pending" : "lost";
        assert.equal(voteOutcome(ids, votes), want);
      }
    });
  }

  it("counts no vote of a stranger", () => {
    const [one, two, stranger] = voters(3).voters;
    assert.ok(one !== undefined && two !== undefined && stranger !== undefined);
    const votes = new Map([
      [one, true],
      [stranger, true],
    ]);
    assert.equal(voteOutcome([one, two], votes), "pending");
  });
});
