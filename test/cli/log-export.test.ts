/** A whole history, archive and all, as other programs read it. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import avsc from "avsc";
import { after, before, describe, it } from "mocha";
import { exportLog, type ExportFormat } from "../../src/console/export-log.js";
import { Output } from "../../src/console/output.js";
import { OfflineLog } from "../../src/storage/offline-log.js";
import { configurationEntry, NOTHING, putEntries, randomOf } from "../storage/entries.js";
import { fingerprint, makeDirectory } from "./fixtures/data-directory.js";

const PYTHON = "/usr/bin/python3";
const PYTHON_READER = `
import sys
from avro.datafile import DataFileReader
from avro.io import DatumReader
with DataFileReader(open(sys.argv[1], "rb"), DatumReader()) as rows:
    for row in rows:
        print(row["index"], row["kind"], row["key"].hex(), len(row["value"]))
`;
const MEMBERS = configurationEntry(NOTHING);
const ENTRIES = [MEMBERS, ...putEntries(MEMBERS, 99, randomOf(2), 900)];

describe("log export", () => {
  let root = "";
  let path = "";

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "balsa-export-"));
    path = join(root, "n1");
    await makeDirectory(path, ENTRIES, {
      ...{ snapshots: [40, 80], compactTo: 60, segmentSizeBytes: 4096 },
      retention: { keep: "all" },
    });
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  async function exported(directory: string, format: ExportFormat) {
    const chunks: Buffer[] = [];
    const notes: string[] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk);
        done();
      },
    });
    const summary = await exportLog(directory, format, new Output(stream), (line) => {
      notes.push(line);
    });
    return { bytes: Buffer.concat(chunks), summary, notes };
  }

  /** What each entry is, as the readers tell it. */
  const WANTED = ENTRIES.map(({ index }) =>
    index === 1 ? "1 config " : `${index} put ${Buffer.from(`key-${index}`).toString("hex")}`,
  );

  it("is every entry, from the archive on, and changes nothing", async () => {
    const before = fingerprint(path);
    const { bytes, summary, notes } = await exported(path, "ndjson");
    const lines = bytes.toString().trim().split("\n");
    const found = lines.map((line) => {
      const { index, kind, key = "" } = JSON.parse(line) as Record<string, string>;
      return `${index ?? ""} ${kind ?? ""} ${Buffer.from(key).toString("hex")}`;
    });
    assert.deepEqual(found, WANTED);
    assert.deepEqual(summary, { entryCount: 100, firstIndex: 1, lastIndex: 100 });
    assert.deepEqual([notes, fingerprint(path)], [[], before]);
  });

  it("is one Avro file that avsc reads", async () => {
    const file = join(root, "history.avro");
    writeFileSync(file, (await exported(path, "avro")).bytes);
    const decoder = avsc.createFileDecoder(file);
    const rows: string[] = [];
    decoder.on("data", (row: { index: number; kind: string; key: Buffer }) => {
      rows.push(`${row.index} ${row.kind} ${row.key.toString("hex")}`);
    });
    await once(decoder, "end");
    assert.deepEqual(rows, WANTED);
  });

  it("is one Avro file that Debian's python3-avro reads", async function () {
    if (spawnSync(PYTHON, ["-c", "import avro"]).status !== 0) {
      console.log(`      (NOT TRIED: ${PYTHON} cannot import avro; Debian: python3-avro)`);
      this.skip();
    }
    const file = join(root, "python.avro");
    writeFileSync(file, (await exported(path, "avro")).bytes);
    const output = execFileSync(PYTHON, ["-c", PYTHON_READER, file], { encoding: "utf8" });
    const found = output
      .trim()
      .split("\n")
      .map((line) => line.replace(/ \d+$/, ""));
    assert.deepEqual(found, WANTED);
  });

  it("is one sealed segment to our own tools, chained and sound", async () => {
    const copy = join(root, "copy");
    mkdirSync(join(copy, "log"), { recursive: true });
    const digits = (index: number): string => String(index).padStart(20, "0");
    const { bytes } = await exported(path, "avro");
    writeFileSync(join(copy, "log", `${digits(1)}-${digits(100)}.avro`), bytes);
    const log = OfflineLog.open(copy);
    const report = log.verify();
    assert.deepEqual([report.damages, report.entryCount], [[], 100]);
    assert.equal(report.checksum, ENTRIES.at(-1)?.checksum);
  });

  it("says what is not there any more", async () => {
    const archived = readdirSync(join(path, "log")).filter((name) => name.startsWith("archive-"));
    const [first = "", , third = ""] = archived;
    const sparse = join(root, "sparse");
    mkdirSync(join(sparse, "log"), { recursive: true });
    for (const name of readdirSync(join(path, "log"))) {
      if (name === first || name === third) continue;
      writeFileSync(join(sparse, "log", name), readFileSync(join(path, "log", name)));
    }
    for (const format of ["ndjson", "avro"] as const) {
      const { notes, summary } = await exported(sparse, format);
      assert.match(notes.join("\n"), /entries 1 to \d+ are not there any more/);
      assert.match(notes.join("\n"), /entries \d+ to \d+ are not there: a snapshot/);
      assert.ok(summary.entryCount < 100 && summary.lastIndex === 100);
    }
  });

  it("of an empty log is an empty table", async () => {
    const empty = join(root, "empty");
    mkdirSync(join(empty, "log"), { recursive: true });
    const { bytes } = await exported(empty, "ndjson");
    assert.equal(bytes.length, 0);
    const file = join(root, "empty.avro");
    writeFileSync(file, (await exported(empty, "avro")).bytes);
    const decoder = avsc.createFileDecoder(file);
    let count = 0;
    decoder.on("data", () => (count += 1));
    await once(decoder, "end");
    assert.equal(count, 0);
  });

  it("stops at damage", async () => {
    const spoiled = join(root, "spoiled");
    mkdirSync(join(spoiled, "log"), { recursive: true });
    for (const [at, name] of readdirSync(join(path, "log")).entries()) {
      const bytes = readFileSync(join(path, "log", name));
      if (at === 2) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 2;
      writeFileSync(join(spoiled, "log", name), bytes);
    }
    for (const format of ["ndjson", "avro"] as const)
      await assert.rejects(exported(spoiled, format), { code: "CORRUPTION" });
  });
});
