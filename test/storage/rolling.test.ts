/** How the log rolls from a full segment to the next: without a sync on the event loop, and without telling too early. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Entry } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import type { File, OpenMode } from "../../src/storage/file-system.js";
import { isShortage } from "../../src/storage/shortage.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";

const directory = "/data/log";
const SEGMENT_SIZE = 8192;

function open(fileSystem: MemoryFileSystem): SegmentedLog {
  return SegmentedLog.open({
    ...{ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes: SEGMENT_SIZE },
  }).log;
}

function checksums(entries: readonly Entry[]): readonly number[] {
  return entries.map(({ checksum }) => checksum);
}

function all(log: SegmentedLog): readonly number[] {
  if (log.lastIndex < log.firstIndex) return [];
  return checksums(log.read(log.firstIndex, log.lastIndex, Infinity));
}

/** Segments by their kind: how many. */
function kindsOf(fileSystem: MemoryFileSystem): { readonly open: number; readonly sealed: number } {
  const names = fileSystem.list(directory);
  const count = (end: string): number => names.filter((name) => name.endsWith(end)).length;
  return { open: count(".open"), sealed: count(".avro") };
}

/** Counts the calls that make the event loop wait for the disk. */
class WaitingCounted extends MemoryFileSystem {
  waitCount = 0;

  override open(path: string, mode: OpenMode): File {
    const file = super.open(path, mode);
    const datasync = file.datasync.bind(file);
    file.datasync = () => {
      this.waitCount += 1;
      datasync();
    };
    return file;
  }

  override syncDirectory(path: string): void {
    this.waitCount += 1;
    super.syncDirectory(path);
  }
}

/** A log with one segment that is flushed, and one entry more that has rolled it. */
function rolled(fileSystem: MemoryFileSystem) {
  const log = open(fileSystem);
  const entries = putEntries(NOTHING, 40, randomOf(4), 900);
  let count = 0;
  while (kindsOf(fileSystem).open < 2) {
    fileSystem.pump();
    if (count > 0) log.flush();
    log.append(entries.slice(count, count + 2));
    count += 2;
  }
  return { log, entries: entries.slice(0, count), flushedCount: count - 2 };
}

const entries = putEntries(NOTHING, 120, randomOf(12), 900);

describe("a log that rolls", () => {
  for (const [name, pumpCount] of [
    ["at once", Infinity],
    ["late", 2],
  ] as const) {
    it(`waits for no sync on the event loop, from its first segment to its last, when the disk answers ${name}`, () => {
      const fileSystem = new WaitingCounted();
      const log = open(fileSystem);
      log.append(entries.slice(0, 1));
      let isFlushing = false;
      let toldCount = 0;
      const flushLater = (): void => {
        if (isFlushing) return;
        isFlushing = true;
        const count = log.lastIndex;
        log.flushLater((error) => {
          assert.equal(error, undefined);
          isFlushing = false;
          toldCount = count;
        });
      };
      fileSystem.waitCount = 0;
      for (let next = 1; next < entries.length; next += 3) {
        log.append(entries.slice(next, next + 3));
        flushLater();
        log.noteFlushed();
        fileSystem.pump(pumpCount);
        assert.deepEqual(all(log), checksums(entries.slice(0, log.lastIndex)));
      }
      fileSystem.pump();
      flushLater();
      fileSystem.pump();
      assert.equal(toldCount, entries.length);
      assert.equal(fileSystem.waitCount, 0);
      const { open: openCount, sealed } = kindsOf(fileSystem);
      assert.ok(openCount <= 2 && sealed > 5, `${openCount} open, ${sealed} sealed`);
      fileSystem.crash(randomOf(1));
      assert.deepEqual(all(open(fileSystem)), checksums(entries));
    });
  }

  it("says so until the next flush is done, which is better not waited for", () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = rolled(fileSystem);
    assert.equal(log.isRolling, true);
    const told: (Error | undefined)[] = [];
    log.flushLater((error) => told.push(error));
    while (told.length === 0) fileSystem.pump(1);
    assert.deepEqual(told, [undefined]);
    assert.equal(log.isRolling, false);
  });

  it("may be cut off with its flush at any step: what was told of is there, the rest in order", () => {
    for (let steps = 0; steps <= 6; steps += 1) {
      for (let seed = 1; seed <= 25; seed += 1) {
        const fileSystem = new MemoryFileSystem();
        const { log, entries: written, flushedCount } = rolled(fileSystem);
        fileSystem.pump();
        let least = flushedCount;
        log.flushLater((error) => {
          assert.equal(error, undefined);
          least = written.length;
        });
        fileSystem.pump(steps);
        if (steps < 3) assert.equal(least, flushedCount, "directory, full segment, new segment");
        fileSystem.crash(randomOf(seed));
        const found = all(open(fileSystem));
        assert.deepEqual(found, checksums(written.slice(0, found.length)));
        assert.ok(found.length >= least, `${steps} steps, seed ${seed}: ${found.length}`);
      }
    }
  });

  it("is out of use when a step of its flush or of its sealing fails, and what was told is there", () => {
    for (let failing = 1; failing <= 20; failing += 1) {
      const fileSystem = new MemoryFileSystem();
      const { log, entries: written, flushedCount } = rolled(fileSystem);
      fileSystem.pump();
      const start = fileSystem.operationCount;
      const failed: string[] = [];
      fileSystem.fail(({ count, kind }) => {
        if (count !== start + failing) return undefined;
        failed.push(kind);
        return "EIO";
      });
      let least = flushedCount;
      let failure: Error | undefined;
      log.flushLater((error) => {
        failure = error;
        if (error === undefined) least = written.length;
      });
      fileSystem.pump();
      fileSystem.fail(undefined);
      if (failed.length === 0) {
        assert.ok(failing > 7, "a flush, and a sealing behind it");
        return;
      }
      assert.equal(failure === undefined, least === written.length);
      assert.throws(
        () => {
          log.append([]);
        },
        { code: "STORAGE_FAILED" },
        `call ${failing}`,
      );
      fileSystem.crash(randomOf(failing));
      const found = all(open(fileSystem));
      assert.deepEqual(found, checksums(written.slice(0, found.length)));
      assert.ok(found.length >= least, `call ${failing}: ${found.length}`);
    }
    assert.fail("every call was made to fail");
  });

  for (const code of ["ENOSPC", "EMFILE"] as const) {
    it(`tries again after ${code} at any step, and ends as one that met none`, () => {
      const straight = new MemoryFileSystem();
      const other = open(straight);
      other.append(entries);
      other.close();
      const kinds = code === "EMFILE" ? ["open", "syncDirectory"] : ["open", "write", "rename"];
      for (let seed = 1; seed <= 12; seed += 1) {
        const random = randomOf(seed);
        const fileSystem = new MemoryFileSystem();
        const log = open(fileSystem);
        fileSystem.fail(({ kind }) => (kinds.includes(kind) && random() < 0.3 ? code : undefined));
        for (let next = 0; next < entries.length; next += 3) {
          insist(() => {
            const wanted = entries.slice(0, next + 3);
            log.append(wanted.filter(({ index }) => index > log.lastIndex));
          });
          flush(fileSystem, log);
        }
        fileSystem.fail(undefined);
        fileSystem.pump();
        log.close();
        const names = straight.list(directory);
        assert.deepEqual(fileSystem.list(directory), names);
        for (const name of names) {
          const path = `${directory}/${name}`;
          assert.deepEqual(fileSystem.contents(path), straight.contents(path), name);
        }
      }
    });
  }
});

/** Does `work` until no shortage is in its way. */
function insist(work: () => void): void {
  for (let times = 0; times < 100; times += 1) {
    try {
      work();
      return;
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
  }
  assert.fail("a shortage without an end");
}

function flush(fileSystem: MemoryFileSystem, log: SegmentedLog): void {
  const told: (Error | undefined)[] = [];
  while (told.length === 0 || told.at(-1) !== undefined) {
    assert.ok(told.length < 100);
    log.flushLater((error) => {
      assert.ok(error === undefined || isShortage(error), String(error));
      told.push(error);
    });
    fileSystem.pump();
  }
}
