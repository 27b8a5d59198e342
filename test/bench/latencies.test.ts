import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Latencies } from "../../bench/latencies.js";

/** The same values in every run. */
const RUN = { seed: 20_261_122, numRuns: 200 } as const;
const milliseconds = fc.double({ min: 0.001, max: 60_000, noNaN: true });

function recorded(values: readonly number[]): Latencies {
  const latencies = new Latencies();
  for (const value of values) latencies.record(value);
  return latencies;
}

/** The value that `percentile` of the values do not exceed. */
function exactly(values: readonly number[], percentile: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length - 1e-9) - 1)] ?? 0;
}

describe("latencies", () => {
  it("every percentile is right to three significant digits, and to a microsecond", () => {
    fc.assert(
      fc.property(
        fc.array(milliseconds, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (values, percentile) => {
          const told = recorded(values).atPercentile(percentile);
          const want = exactly(values, percentile);
          assert.ok(Math.abs(told - want) <= want / 1000 + 0.0011, `${told} for ${want}`);
        },
      ),
      RUN,
    );
  });

  it("histograms added up are the histogram of all", () => {
    fc.assert(
      fc.property(fc.array(milliseconds), fc.array(milliseconds), (left, right) => {
        const sum = recorded(left);
        sum.add(recorded(right));
        assert.deepEqual(sum.keep(), recorded([...left, ...right]).keep());
        assert.deepEqual(sum.summary(), recorded([...left, ...right]).summary());
      }),
      RUN,
    );
  });

  it("what is kept comes back with the same counts and, to three digits, the same percentiles", () => {
    fc.assert(
      fc.property(fc.array(milliseconds, { minLength: 1 }), (values) => {
        const latencies = recorded(values);
        const kept = JSON.parse(JSON.stringify(latencies.keep())) as [number, number][];
        const back = Latencies.of(kept);
        assert.equal(back.count, values.length);
        assert.deepEqual(back.keep(), latencies.keep());
        for (const percentile of [0, 50, 99, 100]) {
          const [one, other] = [back, latencies].map((each) => each.atPercentile(percentile));
          assert.ok(Math.abs((one ?? 0) - (other ?? 0)) <= (other ?? 0) / 1000 + 0.001);
        }
      }),
      RUN,
    );
  });

  it("bars hold every value once, and none outside their edges", () => {
    fc.assert(
      fc.property(
        fc.array(milliseconds, { minLength: 1, maxLength: 100 }),
        fc.double({ min: 1.1, max: 4, noNaN: true }),
        (values, factor) => {
          const bars = recorded(values).bars(factor);
          const counted = bars.reduce((sum, { count }) => sum + count, 0);
          assert.equal(counted, values.length);
          for (const [at, { fromMs, toMs }] of bars.entries()) {
            assert.ok(fromMs < toMs);
            const next = bars[at + 1];
            if (next !== undefined) assert.equal(next.fromMs, toMs);
          }
        },
      ),
      RUN,
    );
  });

  it("beyond a minute is a minute, and nothing is less than a microsecond", () => {
    const latencies = recorded([90_000, 0]);
    assert.equal(latencies.atPercentile(100), 60_000);
    assert.equal(latencies.atPercentile(0), 0.001);
  });

  it("nothing recorded is zero everywhere", () => {
    assert.deepEqual(new Latencies().summary(), { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
    assert.deepEqual(new Latencies().bars(2), []);
  });

  const bad: readonly { what: string; kept: readonly (readonly [number, number])[] }[] = [
    { what: "a count of 0", kept: [[5, 0]] },
    { what: "half a microsecond", kept: [[0.5, 1]] },
    { what: "more than a minute", kept: [[60_000_001, 1]] },
  ];
  for (const { what, kept } of bad) {
    it(`a file with ${what} is refused`, () => {
      assert.throws(() => Latencies.of(kept), /kept latency/);
    });
  }
});
