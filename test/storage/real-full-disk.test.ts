/**
 * A real disk that is full: a small file system in memory, mounted for the test.
 * Needs Linux, and the right to mount; says so when it is not tried.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { DatabaseError, open } from "../../src/index.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";

const SIZE_MIB = 36;

describe("a real disk that is full", () => {
  let root = "";

  before(function () {
    root = mkdtempSync(join(tmpdir(), "balsa-full-"));
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE_MIB}M`, "none", root]);
    if (mounted.status === 0) return;
    rmdirSync(root);
    root = "";
    console.log(
      "      (NOT TRIED: no small file system can be mounted here; it takes root on Linux)",
    );
    this.skip();
  });
  after(() => {
    if (root === "") return;
    assert.equal(spawnSync("umount", [root]).status, 0);
    rmdirSync(root);
  });

  it("takes a part of a write and says so, on the loop and beside it", async () => {
    const fileSystem = new NodeFileSystem();
    const block = new Uint8Array((SIZE_MIB + 1) * 1024 * 1024).fill(1);
    const file = fileSystem.open(join(root, "a"), "create");
    assert.throws(
      () => {
        file.write(block, 0);
      },
      { code: "ENOSPC", syscall: "write" },
    );
    assert.ok(file.size() > 0 && file.size() < block.length);
    file.truncate(0);
    const error = await new Promise<Error | undefined>((resolve) => {
      file.writeLater(block, 0, resolve);
    });
    assert.ok(error !== undefined && "code" in error);
    assert.equal(error.code, "ENOSPC");
    assert.ok(file.size() > 0 && file.size() < block.length);
    file.close();
    fileSystem.remove(join(root, "a"));
  });

  it("refuses a database's writes, serves its reads, and heals when there is room", async () => {
    const lines: string[] = [];
    const failures: Error[] = [];
    await using database = await open({
      directory: join(root, "data"),
      log: (line) => lines.push(line),
      onFailure: (error) => failures.push(error),
    });
    await database.put("first", "1");
    const ballast = join(root, "ballast");
    const value = new Uint8Array(512 * 1024).fill(7);
    writeFileSync(ballast, new Uint8Array(10 * 1024 * 1024));
    let refusal: unknown;
    let applied = 0;
    let unknown: string | undefined;
    while (!(refusal instanceof DatabaseError && refusal.code === "DISK_FULL")) {
      assert.ok(applied < SIZE_MIB * 2, "the disk is full by now");
      try {
        await database.put(`key ${applied}`, value, { timeoutMs: 300 });
        applied += 1;
      } catch (error) {
        refusal = error;
        // the one that found the disk full is in the log already
        if (error instanceof DatabaseError && error.outcome === "unknown") {
          unknown = `key ${applied}`;
          applied += 1;
        }
      }
    }
    assert.deepEqual([refusal.outcome, refusal.retryable], ["not-applied", true]);
    assert.match(refusal.message, /ENOSPC/);
    assert.ok(unknown !== undefined);
    assert.ok((await database.get("first")) !== undefined);
    assert.equal(await database.get(unknown), undefined);
    assert.ok(lines.some((line) => line.includes("is put off")));
    assert.ok(statSync(ballast).size > 0);
    rmSync(ballast);
    while ((await database.get("healed")) === undefined) {
      await database.put("healed", "1").catch((error: unknown) => {
        assert.ok(error instanceof DatabaseError && error.code === "DISK_FULL", String(error));
      });
    }
    assert.ok((await database.get(unknown)) !== undefined, "what waited in the log is applied");
    assert.deepEqual(failures, []);
    await database.close();
    await using again = await open({ directory: join(root, "data") });
    assert.ok((await again.get("healed")) !== undefined);
    assert.ok((await again.get(unknown)) !== undefined);
  });
});
