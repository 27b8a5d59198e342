import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import avsc from "avsc";
import { after, before, describe, it } from "mocha";
import { decodeRows } from "../../src/codec/block.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { GOLDEN_DIRECTORY } from "./golden.js";
import { CLUSTER_ID, configurationEntry, NOTHING, putEntries, randomOf } from "./entries.js";

const PYTHON = "/usr/bin/python3";
const PYTHON_READER = `
import json, sys
from avro.datafile import DataFileReader
from avro.io import DatumReader
for name in sys.argv[1:]:
    with DataFileReader(open(name, "rb"), DatumReader()) as rows:
        for row in rows:
            print(json.dumps([row["index"], row["term"], row["kind"], row["more"],
                              row["key"].hex(), row["value"].hex(),
                              None if row["checksum"] is None else row["checksum"].hex()]))
`;

/** A row as the readers print it. */
type Line = readonly [number, number, string, boolean, string, string, string | null];

function linesOf(entries: readonly Entry[]): readonly Line[] {
  return entries.flatMap((entry) =>
    decodeRows(entry).map((row, i): Line => {
      const [key, value] = [row.key, row.value].map((bytes) => Buffer.from(bytes).toString("hex"));
      const checksum = i === 0 ? entry.checksum.toString(16).padStart(8, "0") : null;
      return [row.index, row.term, row.kind, row.more, key ?? "", value ?? "", checksum];
    }),
  );
}

const PYTHON_TABLE_READER = `
import json, sys
from avro.datafile import DataFileReader
from avro.io import DatumReader
for name in sys.argv[1:]:
    with DataFileReader(open(name, "rb"), DatumReader()) as rows:
        kinds = [row["kind"] for row in rows]
        print(json.dumps([rows.meta["avro.codec"].decode(), kinds]))
`;
import { sealRequests } from "../codec/seal-requests.js";

/** Whether Debian's reader is here; says so when it is not. */
function hasPython(): boolean {
  if (spawnSync(PYTHON, ["-c", "import avro"]).status === 0) return true;
  console.log(`      (NOT TRIED: ${PYTHON} cannot import avro; Debian: python3-avro)`);
  return false;
}

describe("the golden directory's sealed files", () => {
  it("are read by Debian's python3-avro as tables: segments, and the snapshot with its end", function () {
    if (!hasPython()) this.skip();
    const golden = join(GOLDEN_DIRECTORY, "data");
    const files = readdirSync(golden, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".avro"))
      .sort()
      .map((name) => join(golden, name));
    const output = execFileSync(PYTHON, ["-c", PYTHON_TABLE_READER, ...files], {
      encoding: "utf8",
    });
    const tables = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as [string, string[]]);
    assert.equal(tables.length, files.length);
    assert.ok(tables.every(([codec, kinds]) => codec === "null" && kinds.length > 0));
    const snapshot = tables.at(-1)?.[1] ?? [];
    assert.deepEqual([snapshot[0], snapshot.at(-1)], ["store", "end"]);
    const logged = new Set(tables.slice(0, -1).flatMap(([, kinds]) => kinds));
    for (const kind of ["put", "increment", "append", "delete", "deleteRange"]) {
      assert.ok(logged.has(kind), kind);
    }
  });
});

describe("a stopped node's segments", () => {
  let directory = "";
  let files: readonly string[] = [];
  let entries: readonly Entry[] = [];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "balsa-avro-"));
    const start = configurationEntry(NOTHING);
    const several = sealRequests(
      { index: LogIndex(2), term: Term(1), previousChecksum: start.checksum },
      1_790_000_000_000,
      [
        {
          id: new Uint8Array(16).fill(1),
          commands: [
            { kind: "delete", key: Uint8Array.of(0xff, 0) },
            { kind: "increment", key: Uint8Array.of(1), by: -(2n ** 63n) },
          ],
        },
        {
          id: new Uint8Array(0),
          commands: [{ kind: "deleteRange", key: Uint8Array.of(1), end: Uint8Array.of(2) }],
        },
      ],
    );
    entries = [start, several, ...putEntries(several, 60, randomOf(1), 700)];
    const { log } = SegmentedLog.open({
      fileSystem: new NodeFileSystem(),
      directory,
      clusterId: CLUSTER_ID,
      segmentSizeBytes: 8192,
    });
    log.append(entries);
    log.close();
    files = readdirSync(directory)
      .sort()
      .map((name) => join(directory, name));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it("are all sealed Avro files", () => {
    assert.ok(files.length > 2);
    assert.ok(files.every((file) => file.endsWith(".avro")));
  });

  it("are read by avsc, row by row", async () => {
    const lines: Line[] = [];
    for (const file of files) {
      const decoder = avsc.createFileDecoder(file);
      decoder.on("data", (row: Record<string, unknown>) => {
        const [key, value, checksum] = [row["key"], row["value"], row["checksum"]].map((bytes) =>
          Buffer.isBuffer(bytes) ? bytes.toString("hex") : null,
        );
        const { index, term, kind, more } = row as unknown as {
          readonly index: number;
          readonly term: number;
          readonly kind: string;
          readonly more: boolean;
        };
        lines.push([index, term, kind, more, key ?? "", value ?? "", checksum ?? null]);
      });
      await once(decoder, "end");
    }
    assert.deepEqual(lines, linesOf(entries));
  });

  it("are read by Debian's python3-avro, row by row", function () {
    if (!hasPython()) this.skip();
    const output = execFileSync(PYTHON, ["-c", PYTHON_READER, ...files], { encoding: "utf8" });
    const lines = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    assert.deepEqual(lines, linesOf(entries));
  });
});
