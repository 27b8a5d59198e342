import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { fatesAt, type Fate, type Witness } from "../../src/console/fate.js";

const HOME = "a".repeat(32);

/**
 * A witness in a word: id, side (term and checksum at the difference), the end of
 * its log (term.index); then `c` and an index for what it knows to be committed,
 * `L` when it leads, `x` when it is of another cluster.
 */
function witness(word: string): Witness {
  const [nodeId = "", side = "", end = "", ...marks] = word.split(" ");
  const [lastTerm, lastIndex] = end.split(".").map(Number);
  const committed = marks.find((mark) => mark.startsWith("c"));
  return {
    nodeId,
    clusterId: marks.includes("x") ? "b".repeat(32) : HOME,
    point:
      side === "-"
        ? undefined
        : { term: Number.parseInt(side, 10), checksum: side.charCodeAt(side.length - 1) },
    committedIndex: Number(committed?.slice(1) ?? 0),
    lastIndex: lastIndex ?? 0,
    lastTerm: lastTerm ?? 0,
    leads: marks.includes("L"),
  };
}

const cases: readonly {
  readonly title: string;
  readonly index: number;
  readonly logs: readonly string[];
  readonly voters?: readonly string[];
  readonly want: readonly Fate[];
}[] = [
  {
    title: "what a node has committed stays, and what stands in its place goes",
    index: 5,
    logs: ["n1 2a 2.7 c6", "n2 2a 2.7", "n3 1b 1.9"],
    want: ["committed", "committed", "will-be-truncated"],
  },
  {
    title: "a commit before the difference says nothing",
    index: 5,
    logs: ["n1 2a 2.7 c4", "n2 1b 1.9 c4"],
    want: ["unknown", "unknown"],
  },
  {
    title: "two replicas alone cannot know",
    index: 5,
    logs: ["n1 2a 2.7", "n2 1b 1.9"],
    voters: ["n1", "n2", "n3"],
    want: ["unknown", "unknown"],
  },
  {
    title: "of all three voters, only those can win that two others would vote for",
    index: 5,
    logs: ["n1 2a 2.5", "n2 2a 2.5", "n3 1b 1.9"],
    voters: ["n1", "n2", "n3"],
    want: ["will-be-kept", "will-be-kept", "will-be-truncated"],
  },
  {
    title: "a lone newer log wins as well as an older majority: unknown",
    index: 5,
    logs: ["n1 1a 1.9", "n2 1a 1.8", "n3 2b 2.5"],
    voters: ["n1", "n2", "n3"],
    want: ["unknown", "unknown", "unknown"],
  },
  {
    title: "of two voters both must agree, so that the newer log wins",
    index: 5,
    logs: ["n1 1a 1.9", "n2 2b 2.5"],
    voters: ["n1", "n2"],
    want: ["will-be-truncated", "will-be-kept"],
  },
  {
    title: "a learner has no vote, and its log follows",
    index: 5,
    logs: ["n1 2a 2.5", "n2 2a 2.5", "n3 2a 2.5", "n4 1b 1.9"],
    voters: ["n1", "n2", "n3"],
    want: ["will-be-kept", "will-be-kept", "will-be-kept", "will-be-truncated"],
  },
  {
    title: "the same directory twice is one voter",
    index: 5,
    logs: ["n1 2a 2.5", "n1 2a 2.5", "n3 1b 1.9"],
    voters: ["n1", "n2", "n3"],
    want: ["unknown", "unknown", "unknown"],
  },
  {
    title: "a running leader replaces what others hold",
    index: 5,
    logs: ["n1 1a 1.9", "n2 2b 2.5 L"],
    want: ["will-be-truncated", "will-be-kept"],
  },
  {
    title: "of two that believe to lead, the later one does",
    index: 5,
    logs: ["n1 1a 1.9 L", "n2 2b 2.5 L", "n3 2b 2.5"],
    want: ["will-be-truncated", "will-be-kept", "will-be-kept"],
  },
  {
    title: "the same term with other bytes was altered: who is alone, where there are three",
    index: 5,
    logs: ["n1 2a 2.7 c7", "n2 2b 2.7 c7", "n3 2a 2.7 c7"],
    want: ["unknown", "altered", "unknown"],
  },
  {
    title: "of two nobody can say which one was altered",
    index: 5,
    logs: ["n1 2a 2.7 c7", "n2 2b 2.7"],
    want: ["unknown", "unknown"],
  },
  {
    title: "two different commits in one place contradict Raft",
    index: 5,
    logs: ["n1 2a 2.7 c7", "n2 1b 1.7 c7", "n3 2a 2.7"],
    want: ["unknown", "altered", "unknown"],
  },
  {
    title: "a log of another cluster is foreign",
    index: 1,
    logs: ["n1 1a 1.7 c7", "n2 1b 1.7 x", "n3 1a 1.7"],
    want: ["unknown", "foreign", "unknown"],
  },
];

describe("which side of a difference stays", () => {
  for (const { title, index, logs, voters, want } of cases) {
    it(title, () => {
      const verdicts = fatesAt(index, logs.map(witness), voters);
      assert.deepEqual(
        verdicts.map(({ fate }) => fate),
        want,
      );
      assert.ok(verdicts.every(({ why }) => why.length > 0));
    });
  }

  it("a missing voter is named", () => {
    const [verdict] = fatesAt(5, ["n1 2a 2.7", "n2 1b 1.9"].map(witness), ["n1", "n2", "n3"]);
    assert.match(verdict?.why ?? "", /compare with n3 too/);
  });
});
