import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { after, before, describe, it } from "mocha";
import { SECTOR_SIZE } from "../../src/simulation/memory-disk.js";
import { Halted, MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import type { Race } from "./directory-maker.js";
import { randomOf } from "./entries.js";
import { fileSystemContract } from "./file-system-contract.js";

const MAKER = join(import.meta.dirname, "directory-maker.js");

describe("the real file system", () => {
  let root = "";
  let count = 0;
  before(() => {
    root = mkdtempSync(join(tmpdir(), "balsa-fs-"));
  });
  after(() => {
    rmSync(root, { recursive: true });
  });
  fileSystemContract(() => {
    const fileSystem = new NodeFileSystem();
    const directory = join(root, String(++count));
    fileSystem.makeDirectory(directory);
    return { fileSystem, directory, settle: () => undefined };
  });

  it("makes a directory although another makes it at the same moment", async () => {
    const rounds = 100;
    const arrivals = new Int32Array(new SharedArrayBuffer(4));
    const race: Race = { root: mkdtempSync(join(root, "race-")), rounds, arrivals };
    const run = async (): Promise<unknown> => {
      const worker = new Worker(MAKER, { workerData: race });
      const [failures] = (await once(worker, "message")) as [unknown];
      return failures;
    };
    assert.deepEqual(await Promise.all([run(), run()]), [[], []]);
    assert.equal(readdirSync(race.root).length, rounds);
  });

  it("makes no directory where a file is", () => {
    const path = join(root, "file");
    writeFileSync(path, "");
    const make = (): void => {
      new NodeFileSystem().makeDirectory(path);
    };
    assert.throws(make, { code: "ENOTDIR" });
  });
});

describe("the file system in memory", () => {
  fileSystemContract(() => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.makeDirectory("/data");
    const settle = (): void => {
      fileSystem.pump();
    };
    return { fileSystem, directory: "/data", settle };
  });

  const filled = (value: number, size: number): Uint8Array => new Uint8Array(size).fill(value);

  function withFile(size: number) {
    const fileSystem = new MemoryFileSystem();
    fileSystem.makeDirectory("/d");
    const file = fileSystem.open("/d/f", "create");
    file.write(filled(1, size), 0);
    file.datasync();
    fileSystem.syncDirectory("/d");
    return { fileSystem, file };
  }

  it("keeps what was synced through every crash", () => {
    for (let seed = 0; seed < 100; seed++) {
      const { fileSystem, file } = withFile(5000);
      file.write(filled(2, 100), 2000);
      file.datasync();
      file.write(filled(3, 1000), 4000);
      fileSystem.crash(randomOf(seed));
      const contents = fileSystem.contents("/d/f").subarray(0, 3584);
      const want = filled(1, 3584);
      want.fill(2, 2000, 2100);
      assert.deepEqual(contents, want);
    }
  });

  it("loses, keeps and tears what was not synced, sector by sector", () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const { fileSystem, file } = withFile(4 * SECTOR_SIZE);
      file.write(filled(2, 4 * SECTOR_SIZE), 0);
      file.write(filled(3, SECTOR_SIZE), SECTOR_SIZE);
      fileSystem.crash(randomOf(seed));
      const contents = fileSystem.contents("/d/f");
      const sectors = [0, 1, 2, 3].map((sector) => {
        const bytes = contents.subarray(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE);
        assert.ok(bytes.every((byte) => byte === bytes[0]));
        return bytes[0];
      });
      outcomes.add(sectors.join(""));
    }
    assert.ok(outcomes.has("1111"), "nothing survived once");
    assert.ok(outcomes.has("2322"), "all survived once");
    assert.ok(outcomes.has("1312"), "a hole before what survived");
    assert.ok(outcomes.size > 20, `${outcomes.size} outcomes`);
  });

  it("loses names, renames and removals whose directory was not synced, each alone", () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const { fileSystem } = withFile(1);
      fileSystem.open("/d/new", "create").close();
      fileSystem.rename("/d/f", "/d/g");
      fileSystem.crash(randomOf(seed));
      outcomes.add(fileSystem.list("/d").join(" "));
    }
    assert.deepEqual([...outcomes].sort(), ["f", "f new", "g", "g new"]);
  });

  it("fails calls as it is told, and keeps a part of a write that found no space", () => {
    const { fileSystem, file } = withFile(0);
    fileSystem.fail(({ kind }) => (kind === "write" ? "ENOSPC" : undefined));
    assert.throws(
      () => {
        file.write(filled(7, 100), 0);
      },
      { code: "ENOSPC" },
    );
    fileSystem.fail(undefined);
    assert.equal(file.size(), 50);
    fileSystem.fail(({ kind }) => (kind === "open" ? "EMFILE" : undefined));
    assert.throws(() => fileSystem.open("/d/f", "read"), { code: "EMFILE" });
  });

  it("makes nothing durable after a datasync has failed", () => {
    let lost = false;
    for (let seed = 0; seed < 50 && !lost; seed++) {
      const { fileSystem, file } = withFile(SECTOR_SIZE);
      file.write(filled(2, SECTOR_SIZE), 0);
      fileSystem.fail(({ kind }) => (kind === "datasync" ? "EIO" : undefined));
      assert.throws(
        () => {
          file.datasync();
        },
        { code: "EIO" },
      );
      fileSystem.fail(undefined);
      file.datasync();
      assert.equal(fileSystem.contents("/d/f")[0], 2);
      fileSystem.crash(randomOf(seed));
      lost = fileSystem.contents("/d/f")[0] === 1;
    }
    assert.ok(lost);
  });

  it("stops at the chosen call and forgets what was to come later", () => {
    const { fileSystem, file } = withFile(0);
    fileSystem.haltAt(fileSystem.operationCount + 2);
    file.write(filled(1, 10), 0);
    assert.throws(() => {
      file.write(filled(1, 10), 10);
    }, Halted);
    assert.throws(() => {
      file.datasync();
    }, Halted);
    fileSystem.crash(() => 0.2);
    assert.throws(() => file.size(), { code: "EBADF" });
    assert.equal(fileSystem.contents("/d/f").length, 10);
    assert.equal(fileSystem.pump(), 0);
  });
});
