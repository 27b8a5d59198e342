/** Files that are there as a whole or not at all. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, it } from "mocha";
import { WholeFile } from "../../src/storage/whole-file.js";

/** Of no process that lives, or will before the test ends: beyond all that Linux gives. */
const DEAD = 2 ** 22 + 1;

describe("a whole file", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "balsa-whole-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it("has no name before it is finished, and nothing else then", () => {
    const file = WholeFile.create(join(directory, "backup"), false);
    file.write(new Uint8Array(10));
    assert.deepEqual(readdirSync(directory), [`.backup.${process.pid}.tmp`]);
    file.finish();
    assert.deepEqual(readdirSync(directory), ["backup"]);
  });

  it("takes the place of what dead processes have left of it, and of nothing else", () => {
    const abandoned = [`.backup.${DEAD}.tmp`, `.backup.${process.pid}.tmp`];
    const kept = [`.backup.${process.ppid}.tmp`, `.other.${DEAD}.tmp`, ".backup.x.tmp", "backup"];
    for (const name of [...abandoned, ...kept]) writeFileSync(join(directory, name), "old");
    WholeFile.create(join(directory, "backup"), true).abort();
    assert.deepEqual(readdirSync(directory).toSorted(), kept.toSorted());
  });
});
