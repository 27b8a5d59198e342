import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "mocha";
import { Latencies } from "../../bench/latencies.js";
import { reportPage } from "../../bench/report/page.js";
import { compareRuns, comparisonLines } from "../../bench/report/run-comparison.js";
import { histogramLines, runLines } from "../../bench/report/run-lines.js";
import { readSeries, runSeries } from "../../bench/report/series.js";
import { readRunFile, RUN_FORMAT, type RunFile } from "../../bench/run-file.js";

/** A run whose repetitions were so fast, with answers of about `latencyMs`. */
function runOf(label: string, rates: readonly number[], latencyMs: number, rate = 0): RunFile {
  const latencies = new Latencies();
  for (let at = 0; at < 2000; at += 1) latencies.record(latencyMs * (1 + (at % 100) / 50));
  return {
    format: RUN_FORMAT,
    time: "2030-01-01T00:00:00.000Z",
    label,
    version: "1.2.3",
    environment: {
      cpu: "A processor",
      processors: 2,
      memoryGiB: 8,
      platform: "linux x64",
      kernel: "6.1",
      node: "v20",
      commit: "abc",
      fdatasyncP50Ms: 0.1,
      fileSystem: "ext4",
      device: "/dev/vda",
      load: 0,
      directory: "d",
    },
    workload: "put",
    door: "native",
    distribution: "uniform",
    rate,
    nodes: 3,
    connections: 10,
    inFlight: 1,
    clients: 10,
    valueSize: 100,
    keys: 1000,
    warmUpSeconds: 1,
    seconds: rates.length,
    operations: rates.reduce((sum, one) => sum + one, 0),
    errors: 0,
    firstError: null,
    opsPerSecond: rates[0] ?? 0,
    latencyMs: latencies.summary(),
    serverCpuSecondsPer100k: 2,
    generatorCores: 0.1,
    remarks: [],
    repetitions: rates.map((opsPerSecond) => ({
      seconds: 1,
      operations: opsPerSecond,
      errors: 0,
      firstError: null,
      opsPerSecond,
      latencies: { put: latencies.keep() },
      generatorCpuSeconds: 0.1,
      gapMaxMs: 1,
      unsent: 0,
      unanswered: 0,
      serverCpuSeconds: opsPerSecond / 50_000,
      foreignCores: 0,
      stolenCores: 0,
    })),
  };
}

const SLOW = runOf("before", [1000, 1010, 990, 1020, 980], 10);
const FAST = runOf("after", [2000, 2010, 1990, 2020, 1980], 4);

describe("two runs beside each other", () => {
  it("a run that is better is called so, with its ratios", () => {
    const comparison = compareRuns(SLOW, FAST);
    const verdicts = new Map(comparison.metrics.map(({ metric, verdict }) => [metric, verdict]));
    assert.equal(verdicts.get("operations/s"), "better");
    assert.equal(comparison.canDiffer, true);
    assert.deepEqual(comparison.unlike, []);
    const text = comparisonLines(comparison, SLOW, FAST).join("\n");
    assert.match(text, /after is better in operations\/s \(2\.00×\)/);
    assert.match(
      comparisonLines(compareRuns(FAST, SLOW), FAST, SLOW).join("\n"),
      /before is worse in operations\/s \(0\.50×\)/,
    );
  });

  it("where nothing is shown it says so plainly", () => {
    const same = runOf("again", [1001, 1011, 991, 1021, 981], 10);
    const lines = comparisonLines(compareRuns(SLOW, same), SLOW, same);
    assert.equal(lines.at(-1), "No difference shown.");
  });

  it("too few repetitions, and runs that did not do the same, are named", () => {
    const few = { ...runOf("few", [5000, 5001], 1), keys: 7 };
    const text = comparisonLines(compareRuns(SLOW, few), SLOW, few).join("\n");
    assert.match(
      text,
      /5 and 2 repetitions are too few[^]*keys: 1000 and 7[^]*No difference shown/,
    );
  });
});

describe("a run in the terminal", () => {
  it("tells rates, latencies, processors and the machine", () => {
    const text = runLines({ ...SLOW, remarks: ["a doubt"] }).join("\n");
    assert.match(text, /put: 1 000 operations\/s on 3 nodes \(repetitions 980 to 1 020\)/);
    assert.match(text, /servers 2\.00 s for 100 000 operations, generator 0\.10/);
    assert.match(text, /A processor, 2 processors[^]*commit abc[^]*! a doubt/);
  });

  it("its histogram ends at 100 %, and no bar that counts is empty", () => {
    const latencies = new Latencies();
    for (let at = 0; at < 10_000; at += 1) latencies.record(0.2 + (at % 7) / 10);
    latencies.record(900);
    const lines = histogramLines(latencies);
    assert.ok(lines.length <= 20);
    assert.match(lines.at(-1) ?? "", /100\.00 % ▏ 1$/);
    assert.deepEqual(histogramLines(new Latencies()), []);
  });
});

describe("the page of runs", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "balsa-report-"));
  const kept = (name: string, content: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    return file;
  };
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("draws every run, in light and dark, and fetches nothing", () => {
    const odd = runOf('<script>"&', [10, 20], 3);
    const page = reportPage("A & B", [SLOW, FAST, odd].map(runSeries));
    for (const label of ["before", "after", "&lt;script&gt;&quot;&amp;", "A &amp; B"]) {
      assert.ok(page.includes(label), label);
    }
    assert.equal(page.match(/<svg /g)?.length, 2);
    assert.equal(page.match(/<polyline /g)?.length, 3);
    assert.equal(page.match(/<rect /g)?.length, 3);
    assert.equal(page.match(/class="dot"/g)?.length, 12);
    assert.match(page, /prefers-color-scheme: dark/);
    assert.doesNotMatch(page, /https?:|<script|<link|@import|url\(|NaN|Infinity|undefined/);
  });

  it("open loops are drawn over their rates", () => {
    const page = reportPage(
      "rates",
      [100, 1000, 5000].map((rate) => runSeries(runOf("open", [rate], rate / 100, rate))),
    );
    assert.match(page, /Latency over rate, open loop/);
    assert.match(page, /open at 5000\/s: p99 /);
    assert.equal(page.match(/<polyline /g)?.length, 6);
  });

  it("what was kept is read back: runs, and comparisons with peers", () => {
    const file = kept("run.json", JSON.stringify(SLOW));
    assert.deepEqual(readRunFile(file), SLOW);
    const measurements = SLOW.repetitions.map((one, at) => ({
      ...one,
      system: at % 2 === 0 ? "balsa" : "etcd",
      operation: "write",
      point: 100,
      round: 1,
      leaderMoved: false,
    }));
    const peers = kept(
      "peers.json",
      JSON.stringify({
        format: "balsa-bench-peers/1",
        time: SLOW.time,
        environment: SLOW.environment,
        measurements,
      }),
    );
    const series = [...readSeries(file), ...readSeries(peers)];
    assert.deepEqual(
      series.map(({ label, group }) => `${label}: ${group}`),
      [
        "before: put, native, 3 nodes, 10 × 1 in flight, 100 bytes, uniform",
        "balsa: write, 100 in flight",
        "etcd: write, 100 in flight",
      ],
    );
    assert.deepEqual(
      series.map(({ latencies }) => latencies.count),
      [10_000, 6000, 4000],
    );
  });

  const bad: readonly { content: string; says: RegExp }[] = [
    { content: "{", says: /is not JSON/ },
    { content: "{}", says: /is not a file that balsa bench run wrote/ },
    { content: '{"format":"balsa-bench-run/9"}', says: /has the format balsa-bench-run\/9/ },
  ];
  for (const { content, says } of bad) {
    it(`a file of ${content} is refused`, () => {
      assert.throws(() => readRunFile(kept("bad.json", content)), says);
    });
  }
  it("a file that is not there is refused by name", () => {
    assert.throws(() => readSeries(path.join(folder, "none.json")), /none\.json cannot be read/);
  });
});
