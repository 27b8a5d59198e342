import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Row } from "../../src/codec/block.js";
import {
  compareLogs,
  type LogPoint,
  type ReplicaLog,
  type SnapshotPoint,
} from "../../src/console/compare-logs.js";
import {
  comparisonJson,
  comparisonLines,
  comparisonSentence,
  firstDifferingRows,
} from "../../src/console/comparison-report.js";

interface FakeOptions {
  /** this many entries are no longer held, and only the checksum of the last of them is known */
  readonly compacted?: number;
  /** whether the checksum before the first entry is not told */
  readonly baseUnknown?: boolean;
  /** indexes of snapshots */
  readonly snapshots?: readonly number[];
  /** what the states differ by */
  readonly state?: number;
  readonly boundaries?: readonly number[];
}

/** A log of one letter an entry, chained as blocks are. */
class FakeLog implements ReplicaLog {
  readonly name: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly snapshots: readonly SnapshotPoint[];
  readonly boundaries: readonly number[] | undefined;
  readonly asked: number[] = [];
  readonly #points: readonly LogPoint[];
  readonly #firstKnown: number;

  constructor(name: string, letters: string, options: FakeOptions = {}) {
    const { compacted = 0, baseUnknown = false, snapshots = [], state = 0 } = options;
    this.name = name;
    this.firstIndex = compacted + 1;
    this.lastIndex = letters.length;
    this.#firstKnown = baseUnknown ? this.firstIndex : Math.max(1, compacted);
    this.boundaries = options.boundaries;
    let checksum = 0;
    this.#points = Array.from(letters, (letter) => {
      checksum = (Math.imul(checksum, 31) + letter.charCodeAt(0)) >>> 0;
      return { term: 1, checksum };
    });
    this.snapshots = snapshots.map((index) => {
      const point = this.#points[index - 1] ?? { term: 0, checksum: 0 };
      return { ...point, index, stateChecksum: point.checksum ^ state };
    });
  }

  get questions(): number {
    return this.asked.length;
  }

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    this.asked.push(index);
    return index < this.#firstKnown ? undefined : this.#points[index - 1];
  }
}

const cases: readonly {
  logs: readonly (readonly [string, FakeOptions?])[];
  want: {
    kind: string;
    comparedTo: number;
    index?: number;
    after?: number | undefined;
    from?: number;
  };
}[] = [
  { logs: [["abc"], ["abc"], ["abc"]], want: { kind: "equal", comparedTo: 3 } },
  { logs: [[""], [""]], want: { kind: "equal", comparedTo: 0 } },
  { logs: [["abc"], ["ab"]], want: { kind: "lag", comparedTo: 2 } },
  { logs: [["abc"], [""]], want: { kind: "lag", comparedTo: 0 } },
  {
    logs: [["abc"], ["axc"]],
    want: { kind: "different", comparedTo: 3, index: 2, after: undefined },
  },
  {
    logs: [["abc"], ["xbc"]],
    want: { kind: "different", comparedTo: 3, index: 1, after: undefined },
  },
  { logs: [["abcd"], ["abc"], ["abx"]], want: { kind: "different", comparedTo: 3, index: 3 } },
  // compacted logs are compared by what they still hold, and by what that goes on from
  {
    logs: [["abcdef", { compacted: 3 }], ["abcdef"]],
    want: { kind: "equal", comparedTo: 6, from: 3 },
  },
  {
    logs: [["abcdef", { compacted: 3, baseUnknown: true }], ["abcdef"]],
    want: { kind: "equal", comparedTo: 6, from: 4 },
  },
  {
    logs: [["axcdef", { compacted: 3 }], ["abcdef"]],
    want: { kind: "different", comparedTo: 6, index: 3, after: 0 },
  },
  {
    logs: [["axcdef", { compacted: 3, baseUnknown: true }], ["abcdef"]],
    want: { kind: "different", comparedTo: 6, index: 4, after: 0 },
  },
  {
    logs: [["abcxef", { compacted: 3 }], ["abcdef"]],
    want: { kind: "different", comparedTo: 6, index: 4, after: undefined },
  },
  // what lies below is narrowed down by snapshots at the same index
  {
    logs: [
      ["abxdefg", { compacted: 5, snapshots: [2, 5] }],
      ["abcdefg", { compacted: 5, snapshots: [2, 5] }],
    ],
    want: { kind: "different", comparedTo: 7, index: 5, after: 2 },
  },
  // the log ends where the other begins: that is one index to compare
  { logs: [["abcdef", { compacted: 3 }], ["abc"]], want: { kind: "lag", comparedTo: 3, from: 3 } },
  {
    logs: [["abcdef", { compacted: 3 }], ["abx"]],
    want: { kind: "different", comparedTo: 3, index: 3, after: 0 },
  },
  { logs: [["abcdef", { compacted: 5 }], ["abc"]], want: { kind: "incomparable", comparedTo: 0 } },
  // the same log, and another state made of it
  {
    logs: [
      ["abc", { snapshots: [2] }],
      ["abc", { snapshots: [2] }],
      ["abc", { snapshots: [1] }],
    ],
    want: { kind: "equal", comparedTo: 3 },
  },
  {
    logs: [["abcd", { snapshots: [1, 3] }], ["abcd", { snapshots: [3], state: 1 }], ["abcd"]],
    want: { kind: "state-differs", comparedTo: 4, index: 3 },
  },
];

describe("comparing logs", () => {
  for (const { logs, want } of cases) {
    const title = logs
      .map(
        ([letters, options]) =>
          `[${letters}]${options === undefined ? "" : ` ${JSON.stringify(options)}`}`,
      )
      .join(" and ");
    it(`${title} are ${want.kind} to ${want.comparedTo}`, async () => {
      const fakes = logs.map(
        ([letters, options], at) => new FakeLog(`log ${at}`, letters, options),
      );
      const found = await compareLogs(fakes);
      assert.deepEqual({ ...found, ...want }, found);
      assert.equal(comparisonJson(found, fakes, [])["equal"], want.kind === "equal");
      assert.ok(comparisonSentence(found, fakes).length > 0);
      assert.ok(comparisonLines(found, fakes, []).length > fakes.length);
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

  it("asks where answers are cheap first, and elsewhere only within one stretch", async () => {
    const letters = "a".repeat(1000);
    const boundaries = Array.from({ length: 50 }, (_, i) => 20 * i);
    for (const difference of [1, 20, 21, 333, 980, 999, 1000]) {
      const other = `${letters.slice(0, difference - 1)}${"b".repeat(1001 - difference)}`;
      const [one, two] = [
        new FakeLog("1", letters, { boundaries }),
        new FakeLog("2", other, { boundaries: boundaries.slice(3) }),
      ];
      const found = await compareLogs([one, two]);
      assert.equal(found.kind === "different" && found.index, difference);
      const stretches = one.asked.filter((index) => index % 20 !== 0 && index < 980);
      const stretch = new Set(stretches.map((index) => Math.floor(index / 20)));
      assert.ok(difference <= 60 || stretch.size <= 1, `${[...stretch].join()} for ${difference}`);
    }
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
