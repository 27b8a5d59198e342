import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Row } from "../../src/codec/block.js";
import { compareLogs, type LogPoint, type ReplicaLog } from "../../src/console/compare-logs.js";
import {
  comparisonJson,
  comparisonSentence,
  firstDifferingRows,
} from "../../src/console/comparison-report.js";

/** A log of one letter an entry, chained as blocks are; `compacted` entries are no longer held. */
class FakeLog implements ReplicaLog {
  readonly name: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  questions = 0;
  readonly #points: readonly LogPoint[];

  constructor(name: string, letters: string, compacted = 0) {
    this.name = name;
    this.firstIndex = compacted + 1;
    this.lastIndex = letters.length;
    let checksum = 0;
    this.#points = Array.from(letters, (letter) => {
      checksum = (Math.imul(checksum, 31) + letter.charCodeAt(0)) >>> 0;
      return { term: 1, checksum };
    });
  }

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    this.questions += 1;
    return index < this.firstIndex ? undefined : this.#points[index - 1];
  }
}

const cases: readonly {
  logs: readonly (readonly [string, number?])[];
  want: { kind: string; comparedTo: number; index?: number; orBefore?: boolean };
}[] = [
  { logs: [["abc"], ["abc"], ["abc"]], want: { kind: "equal", comparedTo: 3 } },
  { logs: [[""], [""]], want: { kind: "equal", comparedTo: 0 } },
  { logs: [["abc"], ["ab"]], want: { kind: "lag", comparedTo: 2 } },
  { logs: [["abc"], [""]], want: { kind: "lag", comparedTo: 0 } },
  {
    logs: [["abc"], ["axc"]],
    want: { kind: "different", comparedTo: 3, index: 2, orBefore: false },
  },
  {
    logs: [["abc"], ["xbc"]],
    want: { kind: "different", comparedTo: 3, index: 1, orBefore: false },
  },
  { logs: [["abcd"], ["abc"], ["abx"]], want: { kind: "different", comparedTo: 3, index: 3 } },
  // compacted logs are compared by what they still hold
  { logs: [["abcdef", 3], ["abcdef"]], want: { kind: "equal", comparedTo: 6 } },
  {
    logs: [["axcdef", 3], ["abcdef"]],
    want: { kind: "different", comparedTo: 6, index: 4, orBefore: true },
  },
  { logs: [["abcdef", 5], ["abc"]], want: { kind: "incomparable", comparedTo: 0 } },
];

describe("comparing logs", () => {
  for (const { logs, want } of cases) {
    const title = logs
      .map(
        ([letters, compacted]) =>
          `[${letters}]${compacted === undefined ? "" : ` from ${compacted + 1}`}`,
      )
      .join(" and ");
    it(`${title} are ${want.kind} to ${want.comparedTo}`, async () => {
      const fakes = logs.map(
        ([letters, compacted], at) => new FakeLog(`log ${at}`, letters, compacted),
      );
      const found = await compareLogs(fakes);
      assert.deepEqual({ ...found, ...want }, found);
      assert.equal(comparisonJson(found, fakes, [])["equal"], want.kind === "equal");
      assert.ok(comparisonSentence(found, fakes).length > 0);
    });
  }

  it("finds what reading both from the start would find, with few questions", async () => {
    const letters = fc.stringMatching(/^[ab]{0,200}$/);
    await fc.assert(
      fc.asyncProperty(letters, letters, letters, async (common, left, right) => {
        const [one, two] = [new FakeLog("1", common + left), new FakeLog("2", common + right)];
        const whole = [common + left, common + right] as const;
        const shorter = Math.min(whole[0].length, whole[1].length);
        let index = 0;
        while (index < shorter && whole[0][index] === whole[1][index]) index += 1;
        const found = await compareLogs([one, two]);
        if (index === shorter) assert.notEqual(found.kind, "different");
        else assert.equal(found.kind === "different" && found.index, index + 1);
        assert.ok(one.questions <= 12, `${one.questions} questions`);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("a replica that is behind is named", async () => {
    const logs = [new FakeLog("long", "abc"), new FakeLog("short", "ab")];
    const found = await compareLogs(logs);
    assert.match(comparisonSentence(found, logs), /short is behind, nothing differs/);
    assert.deepEqual(comparisonJson(found, logs, [])["firstDifference"], null);
  });
});

function row(key: string, value: string, time = 0): Row {
  return {
    index: 1,
    term: 1,
    time,
    checksum: time,
    kind: "put",
    more: false,
    request: Buffer.alloc(0),
    key: Buffer.from(key),
    value: Buffer.from(value),
  };
}

describe("the first differing command of a block", () => {
  it("is the first that does something else, not the first of the block", () => {
    const found = firstDifferingRows([
      [row("a", "1"), row("b", "2")],
      [row("a", "1", 5), row("b", "3")],
    ]);
    assert.deepEqual(
      found.map((one) => Buffer.from(one?.value ?? []).toString()),
      ["2", "3"],
    );
  });

  it("is missing on the side that has fewer", () => {
    const found = firstDifferingRows([[row("a", "1"), row("b", "2")], [row("a", "1")]]);
    assert.equal(found[1], undefined);
    assert.equal(Buffer.from(found[0]?.key ?? []).toString(), "b");
  });

  it("is the block's first when only time or term differ", () => {
    assert.equal(firstDifferingRows([[row("a", "1", 1)], [row("a", "1", 2)]])[0]?.time, 1);
  });
});
