/** `balsa bench` as a stranger uses it: one tiny run on a node of its own, kept. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, describe, it } from "mocha";
import { command } from "../end-to-end/processes.js";

const executable = path.resolve(import.meta.dirname, "../../../bin/balsa.js");

describe("balsa bench", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "balsa-bench-"));
  const environment = { ...process.env };
  delete environment["BALSA_ENDPOINTS"];

  /** As long as the machine left what was to be measured alone for all its time, which it says: again. */
  function measured(...words: readonly string[]) {
    for (let attempt = 1; ; attempt += 1) {
      const ended = balsa(...words);
      if (attempt === 20 || !ended.stdout.includes("nothing was answered in time")) return ended;
    }
  }

  function balsa(...words: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [executable, ...words], {
      cwd: folder,
      env: environment,
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("bench run measures a cluster of its own, keeps what it saw, and leaves no data", function () {
    this.timeout(1_800_000);
    const words = ["--nodes", "1", "--seconds", "1", "--repetitions", "2", "--keys", "50"];
    const { status, stdout, stderr } = measured(
      ...["bench", "run", "--json", "--workload", "ycsb-f", "--warm-up", "100ms"],
      ...["--out", "one.json", "--dir", "disk", ...words],
    );
    assert.equal(status, 0, stdout + stderr);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [report["workload"], report["nodes"], report["clients"], report["seconds"], report["errors"]],
      ["ycsb-f", 1, 10, 1, 0],
    );
    assert.ok(Number(report["operations"]) > 0);
    assert.deepEqual(Object.keys(report["latencyMs"] as object), [
      "p50",
      "p90",
      "p99",
      "p999",
      "max",
    ]);
    const kept = JSON.parse(readFileSync(path.join(folder, "one.json"), "utf8")) as {
      label: string;
      operations: number;
      repetitions: { latencies: Record<string, [number, number][]> }[];
    };
    assert.equal(kept.label, "one");
    assert.equal(kept.repetitions.length, 2);
    let counted = 0;
    for (const { latencies } of kept.repetitions) {
      for (const counts of Object.values(latencies))
        for (const [, count] of counts) counted += count;
    }
    assert.equal(counted, kept.operations, "every answer is in a histogram");
    assert.deepEqual(readdirSync(path.join(folder, "disk")), []);
    assert.equal(existsSync(path.join(folder, "data")), false);
  });

  it("bench compare and bench report read what was kept", () => {
    const compared = balsa("bench", "compare", "one.json", "one.json");
    assert.equal(compared.status, 0, compared.stderr);
    assert.match(compared.stdout, /No difference shown\.\n$/);
    const reported = balsa("bench", "report", "one.json", "one.json", "--out", "page.html");
    assert.deepEqual([reported.status, reported.stdout], [0, "page.html\n"], reported.stderr);
    assert.match(readFileSync(path.join(folder, "page.html"), "utf8"), /^<!doctype html>[^]*<svg /);
    const missing = balsa("bench", "compare", "one.json", "two.json", "--json");
    assert.equal(missing.status, 2);
    assert.match(missing.stdout, /two\.json cannot be read/);
  });

  const refusals: readonly { words: readonly string[]; says: RegExp }[] = [
    {
      words: ["--door", "resp", "--workload", "ycsb-e"],
      says: /RESP has no list[^]*--door native/,
    },
    { words: ["--door", "library", "--rate", "10"], says: /--rate needs[^]*--door native/ },
    { words: ["--nodes", "1", "--endpoints", "h:1"], says: /--nodes is for[^]*one of the two/ },
    { words: ["--value-size", "2MiB"], says: /--value-size 2MiB is more/ },
  ];
  for (const { words, says } of refusals) {
    it(`bench run ${words.join(" ")} is refused, with what to do`, async () => {
      const { code, stderr } = await command(["bench", "run", ...words], {
        directory: folder,
        environment: {},
      });
      assert.equal(code, 2, stderr);
      assert.match(stderr, says);
    });
  }
});
