import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { median } from "../../bench/environment.js";
import { rotated, type Measurement } from "../../bench/peers/matrix.js";
import { parseWords, shapeOf } from "../../bench/peers/settings.js";
import { summarize } from "../../bench/peers/summary.js";
import { matrixLines } from "../../bench/peers/tables.js";
import type { SystemName } from "../../bench/systems/system.js";

function measured(system: SystemName, round: number, opsPerSecond: number): Measurement {
  return {
    system,
    operation: "write",
    point: 100,
    round,
    opsPerSecond,
    latencyMs: { p50: 100 / opsPerSecond, p90: 1, p99: 2, p999: 3, max: 4 },
    seconds: 1,
    operations: opsPerSecond,
    errors: 0,
    firstError: null,
    latencies: {},
    generatorCpuSeconds: 0.1,
    gapMaxMs: 5,
    serverCpuSeconds: 2,
    foreignCores: 0,
    foreignBefore: 0,
    stolenCores: 0,
    unsent: 0,
    unanswered: 0,
    leaderMoved: false,
  };
}

describe("the comparison with peers", () => {
  // The machine is twice as slow in round 2: ratios of medians would say 1, not 2.
  const measurements = [
    measured("balsa", 1, 2000),
    measured("etcd", 1, 1000),
    measured("balsa", 2, 1000),
    measured("etcd", 2, 500),
    measured("balsa", 3, 1000),
    measured("etcd", 3, 1000),
  ];

  it("compares within rounds, and takes the median of the ratios", () => {
    const rows = summarize(measurements);
    const etcd = rows.find(({ system }) => system === "etcd");
    assert.deepEqual(etcd?.throughput, { median: 2, least: 1, greatest: 2, rounds: 3 });
    assert.deepEqual(etcd.cpu, { median: 0.5, least: 0.5, greatest: 1, rounds: 3 });
    assert.equal(rows.find(({ system }) => system === "balsa")?.throughput, null);
  });

  it("a losing row is printed like a winning one", () => {
    const lines = matrixLines(
      summarize([...measurements, ...[1, 2, 3].map((round) => measured("redis", round, 9000))]),
    );
    assert.ok(lines.some((line) => /\| redis .*\| 0\.11 \[0\.11 \.\. 0\.22\]/.test(line)));
    assert.ok(lines.some((line) => /\| etcd .*\| 2\.00 \[1\.00 \.\. 2\.00\]/.test(line)));
  });

  it("the order rotates", () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((by) => rotated(["a", "b", "c"], by).join("")),
      ["abc", "bca", "cab", "abc"],
    );
  });

  it("a thousand in flight are fifty connections with twenty each", () => {
    assert.deepEqual([1, 100, 1000].map(shapeOf), [
      { connections: 1, inFlight: 1 },
      { connections: 100, inFlight: 1 },
      { connections: 50, inFlight: 20 },
    ]);
  });

  it("words that are wrong are refused by name", () => {
    assert.throws(
      () => parseWords(["--peers", "etcd,mysql"], "d"),
      /--peers mysql is none of etcd/,
    );
    assert.throws(() => parseWords(["--rounds", "0"], "d"), /--rounds 0 is not a number above 0/);
    const { settings } = parseWords(["--quick", "--points", "1,20", "--peers", "nats"], "d");
    assert.deepEqual([settings.points, settings.peers, settings.rounds], [[1, 20], ["nats"], 2]);
  });

  const medians: readonly { values: readonly number[]; want: number }[] = [
    { values: [3], want: 3 },
    { values: [3, 1], want: 2 },
    { values: [9, 1, 2], want: 2 },
  ];
  for (const { values, want } of medians) {
    it(`the median of ${values.join(", ")} is ${want}`, () => {
      assert.equal(median(values), want);
    });
  }
});
