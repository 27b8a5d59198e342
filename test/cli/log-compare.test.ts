/** Directories compared: what is read, what is named, and which side stays. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { compareLogs } from "../../src/console/compare-logs.js";
import {
  comparisonJson,
  comparisonLines,
  comparisonSentence,
  sidesAt,
} from "../../src/console/comparison-report.js";
import { DirectorySource } from "../../src/console/log-source.js";
import type { Entry } from "../../src/raft/types.js";
import {
  configurationEntry,
  NOTHING,
  putEntries,
  putEntry,
  randomOf,
  type Predecessor,
} from "../storage/entries.js";
import {
  CountingFileSystem,
  fingerprint,
  makeDirectory,
  type DirectoryOptions,
} from "./fixtures/data-directory.js";

const COMMON = putEntries(NOTHING, 400, randomOf(3), 900);
const END = COMMON.at(-1) ?? NOTHING;

/** Entries behind `previous`, of a leader of `term` who writes `mark`. */
function ownEntries(previous: Predecessor, count: number, term: number, mark: string): Entry[] {
  const entries: Entry[] = [];
  let last = previous;
  for (let i = 0; i < count; i += 1) {
    const entry = putEntry(last, new TextEncoder().encode(`${mark}${i}`), term);
    entries.push(entry);
    last = entry;
  }
  return entries;
}

describe("log compare of directories", () => {
  let root = "";
  let count = 0;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "balsa-compare-"));
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  async function directory(entries: readonly Entry[], options: DirectoryOptions = {}) {
    count += 1;
    const path = join(root, String(count));
    await makeDirectory(path, entries, options);
    return path;
  }

  async function compare(paths: readonly string[], fileSystem = new CountingFileSystem()) {
    const sources: DirectorySource[] = [];
    for (const path of paths) sources.push(await DirectorySource.open(path, { fileSystem }));
    const comparison = await compareLogs(sources);
    const readSize = fileSystem.readSize;
    const sides = comparison.kind === "different" ? await sidesAt(comparison, sources) : [];
    return { comparison, sides, sources, readSize };
  }

  it("finds the difference by reading one segment of each, and names block, command and key", async () => {
    const [left, right] = [
      await directory([...COMMON.slice(0, 250), ...ownEntries(COMMON[249] ?? END, 150, 2, "l")]),
      await directory([...COMMON.slice(0, 250), ...ownEntries(COMMON[249] ?? END, 150, 3, "r")]),
    ];
    const before = [fingerprint(left), fingerprint(right)];
    const { comparison, sides, sources, readSize } = await compare([left, right]);
    assert.equal(comparison.kind === "different" && comparison.index, 251);
    const logSize = COMMON.reduce((sum, { block }) => sum + block.length, 0);
    assert.ok(readSize < logSize, `${readSize} bytes of twice ${logSize} were read`);
    for (const [at, side] of sides.entries()) {
      const { place, row } = side;
      assert.ok(place !== undefined && row !== undefined);
      assert.equal(Buffer.from(row.key).toString(), "key-251");
      const bytes = readFileSync(place.file).subarray(place.offset, place.offset + 100);
      assert.ok(bytes.includes(at === 0 ? "l0" : "r0"));
    }
    const json = comparisonJson(comparison, sources, sides);
    assert.equal(json["equal"], false);
    assert.equal(json["comparedTo"], 400);
    const difference = json["firstDifference"] as Record<string, unknown>;
    assert.deepEqual(
      [difference["index"], difference["key"], difference["orBefore"]],
      [251, "key-251", false],
    );
    const lines = comparisonLines(comparison, sources, sides).join("\n");
    assert.match(lines, /unknown which side stays[^]*put key-251[^]*\.avro at offset \d+/);
    assert.deepEqual([fingerprint(left), fingerprint(right)], before);
  });

  it("agrees about long logs at the price of their ends", async () => {
    const paths = [await directory(COMMON), await directory(COMMON), await directory(COMMON)];
    const { comparison, readSize } = await compare(paths);
    assert.deepEqual([comparison.kind, comparison.comparedTo], ["equal", 400]);
    const logSize = COMMON.reduce((sum, { block }) => sum + block.length, 0);
    assert.ok(readSize < logSize / 2, `${readSize} bytes of three times ${logSize}`);
  });

  it("compares logs that begin at different places from where all of them have something to say", async () => {
    const whole = await directory(COMMON);
    const some = await directory(COMMON, { snapshots: [150, 200], compactTo: 150 });
    const little = await directory(COMMON, { snapshots: [300, 350], compactTo: 300 });
    const { comparison, sources } = await compare([whole, some, little]);
    assert.equal(comparison.kind, "equal");
    assert.equal(comparison.from, (sources[2]?.firstIndex ?? 0) - 1);
    assert.ok(comparison.from > 250);
    assert.match(comparisonLines(comparison, sources, []).join("\n"), /compared from \d+ to 400/);
  });

  it("tells a difference below by what the logs go on from, and narrows it down by snapshots", async () => {
    const other = [...COMMON.slice(0, 220), ...ownEntries(COMMON[219] ?? END, 180, 1, "o")];
    const [left, right] = [
      await directory(COMMON, { snapshots: [200, 350], compactTo: 350 }),
      await directory(other, { snapshots: [200, 350], compactTo: 350 }),
    ];
    const { comparison, sources, sides } = await compare([left, right]);
    assert.ok(comparison.kind === "different" && comparison.after === 200);
    assert.ok(comparison.index > 220);
    assert.match(comparisonSentence(comparison, sources), /snapshots of entry 200 still agree/);
    const difference = comparisonJson(comparison, sources, sides)["firstDifference"];
    assert.equal((difference as Record<string, unknown>)["orBefore"], true);
  });

  it("sees other states under equal logs", async () => {
    const [left, right] = [
      await directory(COMMON, { snapshots: [100, 200] }),
      await directory(COMMON, { snapshots: [200], corruptState: true }),
    ];
    const { comparison, sources } = await compare([left, right]);
    assert.equal(comparison.kind === "state-differs" && comparison.index, 200);
    assert.equal(comparisonJson(comparison, sources, [])["equal"], false);
    assert.match(comparisonSentence(comparison, sources), /do not hold the same state/);
  });

  it("knows the voters by the log, and so who can win", async () => {
    const members = configurationEntry(NOTHING);
    const start = [members, ...putEntries(members, 20, randomOf(4), 100)];
    const last = start.at(-1) ?? NOTHING;
    const newer = [...start, ...ownEntries(last, 2, 3, "n")];
    const older = [...start, ...ownEntries(last, 5, 2, "o")];
    const { comparison, sides } = await compare([
      await directory(newer, { nodeId: "a" }),
      await directory(older, { nodeId: "b" }),
      await directory(newer, { nodeId: "c" }),
    ]);
    assert.equal(comparison.kind === "different" && comparison.index, 22);
    assert.deepEqual(
      sides.map(({ fate }) => fate),
      ["will-be-kept", "will-be-truncated", "will-be-kept"],
    );
    assert.match(sides[1]?.why ?? "", /those who can win an election \(a, c\) hold another/);
  });

  it("takes a snapshot's word for what is committed", async () => {
    const ours = [...COMMON.slice(0, 100), ...ownEntries(COMMON[99] ?? END, 50, 2, "w")];
    const { sides } = await compare([
      await directory(COMMON.slice(0, 120), { nodeId: "n1" }),
      await directory(ours, { nodeId: "n2", snapshots: [120] }),
    ]);
    assert.deepEqual(
      sides.map(({ fate }) => fate),
      ["will-be-truncated", "committed"],
    );
  });

  it("knows a log of another cluster", async () => {
    const { sides } = await compare([
      await directory(COMMON.slice(0, 20)),
      await directory(ownEntries(NOTHING, 20, 1, "f"), { clusterId: "f".repeat(32) }),
      await directory(COMMON.slice(0, 20)),
    ]);
    assert.deepEqual(
      sides.map(({ fate }) => fate),
      ["unknown", "foreign", "unknown"],
    );
  });

  it("goes on from a snapshot where there is no log behind it", async () => {
    const path = await directory(COMMON.slice(0, 100), { snapshots: [100] });
    rmSync(join(path, "log"), { recursive: true });
    const empty = await directory([]);
    rmSync(join(empty, "log"), { recursive: true });
    await assert.rejects(compare([path, empty]), { code: "INVALID_ARGUMENT" });
    await makeDirectory(path, []);
    const { comparison, sources } = await compare([path, await directory(COMMON)]);
    assert.deepEqual([sources[0]?.firstIndex, sources[0]?.lastIndex], [101, 100]);
    assert.deepEqual([comparison.kind, comparison.comparedTo], ["lag", 100]);
  });
});
