/** Conflict arithmetic as tables, and as a property of random logs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { conflictIndex } from "../../src/raft/replication.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Terms } from "../../src/raft/replication.js";

function logOf(terms: readonly number[], firstIndex = 1, termBefore = 0): Terms {
  return {
    firstIndex: LogIndex(firstIndex),
    lastIndex: LogIndex(firstIndex + terms.length - 1),
    term: (index) =>
      Term(index === firstIndex - 1 ? termBefore : (terms[index - firstIndex] ?? -1)),
  };
}

const parse = (text: string): number[] => text.split(" ").filter(Boolean).map(Number);

const cases: readonly {
  readonly log: string;
  readonly index: number;
  readonly term: number;
  readonly want: number;
}[] = [
  // the other's term is older than ours: back to our last entry that is not younger
  { log: "1 2 2 5 5 5", index: 5, term: 4, want: 3 },
  { log: "1 2 2 5 5 5", index: 6, term: 2, want: 3 },
  { log: "1 2 2 5 5 5", index: 6, term: 1, want: 1 },
  // same or younger: nothing speaks against the index itself
  { log: "1 2 2 5 5 5", index: 5, term: 5, want: 5 },
  { log: "1 2 2 5 5 5", index: 4, term: 9, want: 4 },
  // beyond the end: the end
  { log: "1 2 2", index: 9, term: 5, want: 3 },
  { log: "1 2 2", index: 9, term: 1, want: 1 },
  // nothing in common
  { log: "3 3 3", index: 3, term: 2, want: 0 },
  { log: "", index: 7, term: 2, want: 0 },
  { log: "1", index: 0, term: 0, want: 0 },
];

/** Probes, as leader and follower make them, until the logs meet. @returns how many failed */
function probesUntilMeeting(leader: Terms, follower: Terms): number {
  let previous = leader.lastIndex;
  for (let failures = 0; ; failures += 1) {
    assert.ok(failures <= 1000, "probing ends");
    const term = leader.term(previous);
    if (previous <= follower.lastIndex && follower.term(previous) === term) return failures;
    const hint = conflictIndex(follower, previous, term);
    const next = conflictIndex(leader, hint, follower.term(hint));
    assert.ok(next < previous, "each refusal leads back");
    previous = next;
  }
}

/** The two logs of a leader and a follower: a common start, then different, never falling terms. */
const logs = fc
  .record({
    shared: fc.array(fc.nat(2), { maxLength: 12 }),
    leader: fc.array(fc.nat(3), { maxLength: 30 }),
    follower: fc.array(fc.nat(3), { maxLength: 30 }),
  })
  .map(({ shared, leader, follower }) => {
    const climb = (from: number, steps: readonly number[], parity: number): number[] => {
      let term = from;
      return steps.map((step) => (term += step * 2 + (term % 2 === parity ? 0 : 1)));
    };
    const start = climb(0, shared, 0);
    const last = start.at(-1) ?? 0;
    // Odd terms are the follower's own, even ones the leader's: no term is led by both.
    return {
      leader: [...start, ...climb(last, leader, 0)],
      follower: [...start, ...climb(last, follower, 1)],
      shared: start.length,
    };
  });

describe("raft conflict arithmetic", () => {
  for (const { log, index, term, want } of cases) {
    it(`in [${log}] an other log with term ${term} at ${index} can agree up to ${want}`, () => {
      assert.equal(conflictIndex(logOf(parse(log)), LogIndex(index), Term(term)), want);
    });
  }

  it("never leads below what was compacted", () => {
    const log = logOf([5, 5, 6], 11, 4);
    assert.equal(conflictIndex(log, LogIndex(12), Term(5)), 12);
    assert.equal(conflictIndex(log, LogIndex(12), Term(4)), 10);
    assert.equal(conflictIndex(log, LogIndex(12), Term(1)), 10);
    assert.equal(conflictIndex(log, LogIndex(3), Term(1)), 10);
  });

  it("finds where two logs meet with at most one probe per conflicting term", () => {
    fc.assert(
      fc.property(logs, ({ leader, follower, shared }) => {
        const conflicting = new Set([...leader.slice(shared), ...follower.slice(shared)]);
        const failures = probesUntilMeeting(logOf(leader), logOf(follower));
        assert.ok(failures <= conflicting.size + 1, `${failures} for ${conflicting.size} terms`);
      }),
      { seed: 42, numRuns: 2000 },
    );
  });
});
