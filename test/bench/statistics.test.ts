import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Random } from "../../bench/load/random.js";
import { compareSamples, leastProbability, mannWhitney } from "../../bench/report/statistics.js";

const sequence = (from: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, at) => from + at);

describe("Mann and Whitney's probability", () => {
  const known: readonly { a: readonly number[]; b: readonly number[]; want: number }[] = [
    { a: [1, 2, 3], b: [4, 5, 6], want: 0.1 },
    { a: [1, 2, 3, 4], b: [5, 6, 7, 8], want: 2 / 70 },
    { a: sequence(0, 5), b: sequence(10, 5), want: 2 / 252 },
    { a: sequence(10, 10), b: sequence(0, 10), want: 2 / 184_756 },
    { a: [1, 3, 5, 7], b: [2, 4, 6, 8], want: 48 / 70 },
    { a: [1, 2, 3, 6], b: [4, 5, 7, 8], want: 8 / 70 },
    { a: [2, 2], b: [1, 2], want: 1 },
    { a: [5, 5, 5, 5], b: [6, 6, 6, 6], want: 2 / 70 },
    { a: [1, 1, 1], b: [1, 9, 9], want: 0.4 },
    { a: [7, 7, 7, 7], b: [7, 7, 7, 7], want: 1 },
    { a: [], b: [1], want: 1 },
  ];
  for (const { a, b, want } of known) {
    it(`of ${a.join(" ")} and ${b.join(" ")} is ${want.toFixed(5)}`, () => {
      assert.ok(Math.abs(mannWhitney(a, b) - want) < 1e-6, String(mannWhitney(a, b)));
      assert.ok(Math.abs(mannWhitney(b, a) - want) < 1e-6, "either way round");
    });
  }

  for (const count of [5, 15]) {
    it(`of ${count} and ${count} values of one distribution is below 0.05 once in twenty times`, () => {
      const random = new Random(count);
      const draw = (): readonly number[] =>
        Array.from({ length: count }, () => random.next() + random.next());
      let below = 0;
      for (let at = 0; at < 1000; at += 1) if (mannWhitney(draw(), draw()) < 0.05) below += 1;
      assert.ok(below / 1000 < 0.07, `${below} of 1000`);
      assert.ok(below / 1000 > 0.015, `${below} of 1000`);
    });
  }

  it("ties are neither for nor against", () => {
    assert.ok(mannWhitney([5, 5, 5, 5, 6], [5, 5, 5, 6, 5]) > 0.9);
    assert.ok(mannWhitney([1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]) < 0.01);
  });
});

describe("a comparison of samples", () => {
  it("tells ratio, interval and that they differ", () => {
    const { ratio, low, high, differs } = compareSamples(
      [100, 101, 99, 102, 98],
      [150, 151, 149, 152, 148],
    );
    assert.equal(ratio, 1.5);
    assert.ok(low > 1.44 && low <= 1.5 && high >= 1.5 && high < 1.56);
    assert.equal(differs, true);
  });

  it("what overlaps does not differ, and its interval holds 1", () => {
    const { low, high, differs } = compareSamples([90, 100, 110, 120], [95, 99, 112, 118]);
    assert.equal(differs, false);
    assert.ok(low < 1 && high > 1);
  });

  it("three repetitions cannot show a difference, four can", () => {
    assert.ok(leastProbability(3, 3) > 0.05);
    assert.ok(leastProbability(4, 4) < 0.05);
    assert.equal(compareSamples([1, 2, 3], [100, 200, 300]).differs, false);
  });
});
