/**
 * A real disk that is full: a small file system in memory, mounted for the test.
 * Needs Linux, and the right to mount; says so when it is not tried.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, describe, it } from "mocha";
import { type Database, DatabaseError, open } from "../../src/index.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";

const SIZE_MIB = 36;
/** For what is owed an answer, however slow the machine is. */
const PATIENCE = { timeoutMs: 240_000 };

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
    // Lazily: a thread may still hold a file whose name is gone.
    assert.equal(spawnSync("umount", ["-l", root]).status, 0);
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
    await database.put("first", "1", PATIENCE);
    const ballast = join(root, "ballast");
    writeFileSync(ballast, new Uint8Array(10 * 1024 * 1024));
    const { refusal, waiting } = await fill(database);
    assert.deepEqual([refusal.outcome, refusal.retryable], ["not-applied", true]);
    assert.match(refusal.message, /ENOSPC/);
    assert.ok((await database.get("first", PATIENCE)) !== undefined);
    assert.ok(lines.some((line) => line.includes("is put off")));
    assert.ok(statSync(ballast).size > 0);
    rmSync(ballast);
    while ((await database.get("healed", PATIENCE)) === undefined) {
      await database.put("healed", "1", PATIENCE).catch((error: unknown) => {
        assert.ok(error instanceof DatabaseError && error.code === "DISK_FULL", String(error));
      });
    }
    assert.ok(
      (await database.get(waiting, PATIENCE)) !== undefined,
      "what waited in the log is applied",
    );
    assert.deepEqual(failures, []);
    await database.close();
    await using again = await open({ directory: join(root, "data") });
    assert.ok((await again.get("healed", PATIENCE)) !== undefined);
    assert.ok((await again.get(waiting, PATIENCE)) !== undefined);
  });

  /**
   * Writes until a write waits in the log for room, and another one is refused. A disk that
   * is slow may be full for a moment only: by the file that the log is making ahead, and
   * gives up.
   */
  async function fill(
    database: Database,
  ): Promise<{ readonly refusal: DatabaseError; readonly waiting: string }> {
    const value = new Uint8Array(512 * 1024).fill(7);
    let waiting: string | undefined;
    let count = 0;
    while (count < SIZE_MIB * 2) {
      const key = `key ${count}`;
      try {
        await database.put(key, value, { timeoutMs: 300 });
        count += 1;
      } catch (error) {
        assert.ok(error instanceof DatabaseError);
        // The one that found the disk full is in the log already.
        if (error.outcome === "unknown") {
          waiting = key;
          count += 1;
        }
        if (error.code === "DISK_FULL" && waiting !== undefined) {
          const found = await database.get(waiting, PATIENCE);
          if (found === undefined) return { refusal: error, waiting };
        }
        await turn();
      }
    }
    return assert.fail("the disk is full by now");
  }
});
