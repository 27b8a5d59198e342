/**
 * `UPDATE=1` writes the golden directory of a version that has none yet; never one
 * that is there.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "mocha";
import { GOLDEN_DIRECTORY, readGolden, writeGolden } from "./golden.js";

const DATA = path.join(GOLDEN_DIRECTORY, "data");
const EXPECTED = path.join(GOLDEN_DIRECTORY, "expected.json");

function readFiles(): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(DATA, { recursive: true, encoding: "utf8" }).filter((name) =>
    path.basename(name).includes("."),
  );
  const copies = ["hard-state-1", "hard-state-2"];
  return new Map(
    [...names, ...copies].map((name) => [
      name.replaceAll("\\", "/"),
      new Uint8Array(readFileSync(path.join(DATA, name))),
    ]),
  );
}

describe("the golden data directory", () => {
  before(() => {
    if (process.env["UPDATE"] !== "1" || existsSync(GOLDEN_DIRECTORY)) return;
    for (const [name, content] of writeGolden()) {
      mkdirSync(path.dirname(path.join(DATA, name)), { recursive: true });
      writeFileSync(path.join(DATA, name), content);
    }
    writeFileSync(EXPECTED, `${JSON.stringify(readGolden(readFiles()), undefined, 2)}\n`);
  });

  it("has what a node has: identity, hard state, sealed segments, an open one, a snapshot", () => {
    const names = [...readFiles().keys()];
    const count = (pattern: RegExp): number => names.filter((name) => pattern.test(name)).length;
    assert.deepEqual(
      [/^identity\.json$/, /^hard-state-[12]$/, /^log\/\d+\.open$/, /^snapshots\/.*\.avro$/].map(
        count,
      ),
      [1, 2, 1, 1],
    );
    assert.ok(count(/^log\/\d+-\d+\.avro$/) >= 3, names.join());
  });

  it("of version 1 is read, with every key and every checksum", () => {
    const expected: unknown = JSON.parse(readFileSync(EXPECTED, "utf8"));
    assert.deepEqual(JSON.parse(JSON.stringify(readGolden(readFiles()))), expected);
  });

  it("is what this version writes, byte for byte", () => {
    const written = writeGolden();
    const golden = readFiles();
    assert.deepEqual([...written.keys()].sort(), [...golden.keys()].sort());
    for (const [name, content] of written) {
      assert.ok(Buffer.compare(content, golden.get(name) ?? new Uint8Array()) === 0, name);
    }
  });
});
