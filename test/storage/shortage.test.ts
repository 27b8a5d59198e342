/** A log whose disk is full, or whose process has no descriptors left: it waits, and goes on. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, type Entry } from "../../src/raft/types.js";
import {
  MemoryFileSystem,
  type FailureCode,
  type OperationKind,
} from "../../src/simulation/memory-file-system.js";
import { isShortage } from "../../src/storage/shortage.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { CLUSTER_ID, NOTHING, putEntries, putEntry, randomOf } from "./entries.js";

const directory = "/data/log";
const SEGMENT_SIZE = 4096;

function open(fileSystem: MemoryFileSystem, options: object = {}): SegmentedLog {
  return SegmentedLog.open({
    ...{ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes: SEGMENT_SIZE },
    ...options,
  }).log;
}

function all(log: SegmentedLog): readonly number[] {
  if (log.lastIndex < log.firstIndex) return [];
  return log.read(log.firstIndex, log.lastIndex, Infinity).map(({ checksum }) => checksum);
}

function checksums(entries: readonly Entry[]): readonly number[] {
  return entries.map(({ checksum }) => checksum);
}

/** Name and contents of every segment. */
function files(fileSystem: MemoryFileSystem): ReadonlyMap<string, string> {
  const names = fileSystem.list(directory).filter((name) => !name.endsWith(".tmp"));
  return new Map(
    names.map((name) => [
      name,
      Buffer.from(fileSystem.contents(`${directory}/${name}`)).toString("latin1"),
    ]),
  );
}

/** What `work` is put off by; undefined when it is done. */
function putOff(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!isShortage(error)) throw error;
    assert.equal(error.outcome, "not-applied");
    assert.ok(error.retryable);
    return error.code;
  }
}

/** Goes on with what an append that was put off has not written. */
function appendRest(log: SegmentedLog, entries: readonly Entry[]): void {
  log.append(entries.filter(({ index }) => index > log.lastIndex));
}

const entries = putEntries(NOTHING, 40, randomOf(10), 900);

describe("a log on a full disk", () => {
  it("holds what it held, byte for byte, after a write that found room for a part", () => {
    for (const synced of [true, false]) {
      const fileSystem = new MemoryFileSystem();
      const log = open(fileSystem, { segmentSizeBytes: 1 << 20 });
      log.append(entries.slice(0, 5));
      if (synced) log.flush();
      const before = files(fileSystem);
      let failures = 1;
      fileSystem.fail(({ kind }) => (kind === "write" && failures-- > 0 ? "ENOSPC" : undefined));
      assert.equal(
        putOff(() => {
          log.append(entries.slice(5, 8));
        }),
        "DISK_FULL",
      );
      assert.deepEqual(files(fileSystem), before);
      assert.equal(log.lastIndex, 5);
      log.append(entries.slice(5, 8));
      log.flush();
      fileSystem.crash(randomOf(1));
      assert.deepEqual(all(open(fileSystem)), checksums(entries.slice(0, 8)));
    }
  });

  it("keeps nothing of a failed write even when the zeros find no room either", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = randomOf(seed);
      const fileSystem = new MemoryFileSystem();
      const log = open(fileSystem, { segmentSizeBytes: 1 << 20 });
      log.append(entries.slice(0, 5));
      log.flush();
      fileSystem.fail(({ kind }) => (kind === "write" ? "ENOSPC" : undefined));
      for (let times = 0; times < 3; times++) {
        putOff(() => {
          log.append(entries.slice(5, 8));
        });
      }
      fileSystem.fail(undefined);
      // what comes in its place is shorter, and a power cut may leave any of it
      const instead = putEntry(entries[4] ?? NOTHING, new Uint8Array(3).fill(7), 9);
      const draw = random();
      if (draw < 0.75) log.append([instead]);
      let flushed = false;
      if (draw < 0.5) {
        log.flush();
        flushed = true;
      } else if (draw < 0.75) {
        fileSystem.haltAt(fileSystem.operationCount + 2);
        assert.throws(() => {
          log.flush();
        });
      }
      fileSystem.crash(random);
      const found = all(open(fileSystem, { segmentSizeBytes: 1 << 20 }));
      const most = checksums([...entries.slice(0, 5), instead]);
      assert.deepEqual(found, most.slice(0, found.length), `seed ${seed}`);
      assert.ok(found.length >= (flushed ? 6 : 5), `seed ${seed}: ${found.length}`);
    }
  });

  it("ends where a segment finds no room, and goes on from there when there is room", () => {
    const fileSystem = new MemoryFileSystem();
    const log = open(fileSystem);
    log.append(entries.slice(0, 4));
    log.flush();
    fileSystem.limit(fileSystem.usedSize + 3000);
    assert.equal(
      putOff(() => {
        log.append(entries.slice(4));
      }),
      "DISK_FULL",
    );
    const held = log.lastIndex;
    assert.ok(held >= 4 && held < 40, `${held}`);
    assert.deepEqual(all(log), checksums(entries.slice(0, held)));
    log.flush();
    const names = fileSystem.list(directory);
    for (let times = 0; times < 3; times++) {
      assert.equal(
        putOff(() => {
          appendRest(log, entries);
        }),
        "DISK_FULL",
      );
    }
    assert.deepEqual(fileSystem.list(directory), names, "nothing is left behind");
    fileSystem.limit(Infinity);
    appendRest(log, entries);
    log.close();
    const straight = new MemoryFileSystem();
    const other = open(straight);
    other.append(entries);
    other.close();
    assert.deepEqual(files(fileSystem), files(straight), "equal logs are equal files");
  });

  it("uses the room of the file that it makes ahead", () => {
    const fileSystem = new MemoryFileSystem();
    const log = open(fileSystem);
    log.append(entries.slice(0, 5));
    assert.ok(fileSystem.list(directory).some((name) => name.endsWith(".tmp")));
    fileSystem.limit(fileSystem.usedSize + 8192);
    log.append(entries.slice(5, 8));
    assert.equal(log.lastIndex, 8);
  });

  it("cannot be opened where it must be written anew, and says why", () => {
    const fileSystem = new MemoryFileSystem();
    const log = open(fileSystem);
    log.append(entries.slice(0, 3));
    log.flush();
    fileSystem.kill();
    fileSystem.limit(fileSystem.usedSize);
    const before = files(fileSystem);
    assert.throws(() => open(fileSystem), {
      code: "STORAGE_FAILED",
      message: /recovering the log in \/data\/log failed: ENOSPC: no space left/,
    });
    assert.deepEqual(files(fileSystem), before);
    fileSystem.limit(Infinity);
    assert.deepEqual(all(open(fileSystem)), checksums(entries.slice(0, 3)));
  });
});

describe("a log that meets shortages", () => {
  const KINDS: readonly (readonly [FailureCode, readonly OperationKind[]])[] = [
    ["ENOSPC", ["open", "write", "writeLater", "rename"]],
    ["EDQUOT", ["open", "write", "writeLater"]],
    ["EMFILE", ["open", "list", "syncDirectory"]],
  ];

  /** Does `work` until it is done. */
  function insist(work: () => void): void {
    for (let times = 0; putOff(work) !== undefined; times++) assert.ok(times < 1000);
  }

  /** One deed to a log, and to what it must hold. @returns the model after it */
  function deed(log: SegmentedLog, model: readonly Entry[], random: () => number) {
    const draw = random();
    if (draw < 0.55) {
      const last = model.at(-1) ?? NOTHING;
      const more = putEntries(last, 1 + Math.floor(random() * 4), random, 1500);
      insist(() => {
        appendRest(log, [...model, ...more]);
      });
      return [...model, ...more];
    }
    if (draw < 0.75) {
      const keep = log.firstIndex - 1 + Math.floor(random() * (model.length - log.firstIndex + 2));
      insist(() => {
        log.truncateSuffix(LogIndex(keep + 1));
      });
      return model.slice(0, keep);
    }
    insist(() => {
      if (draw < 0.9) log.flush();
      else log.compactTo(LogIndex(Math.floor(random() * log.lastIndex)));
    });
    return model;
  }

  for (const [code, kinds] of KINDS) {
    it(`of ${code}, at any call, ends as one that met none`, () => {
      let metCount = 0;
      for (let seed = 1; seed <= 150; seed++) {
        const random = randomOf(seed);
        const fileSystem = new MemoryFileSystem();
        const retention = { keep: "size", sizeBytes: 5000 };
        const log = open(fileSystem, { retention });
        let isReading = false;
        fileSystem.fail(({ kind }) => {
          if (isReading || !kinds.includes(kind) || random() > 0.25) return undefined;
          metCount += 1;
          return code;
        });
        let model: readonly Entry[] = [];
        for (let step = 0; step < 25; step++) {
          model = deed(log, model, random);
          if (random() < 0.3) fileSystem.pump();
          isReading = true;
          assert.deepEqual(all(log), checksums(model.slice(log.firstIndex - 1)));
          isReading = false;
        }
        insist(() => {
          log.flush();
        });
        if (random() < 0.5) log.close();
        fileSystem.fail(undefined);
        fileSystem.crash(random);
        const base = model[log.firstIndex - 2];
        const again = open(fileSystem, base === undefined ? {} : { base });
        const kept = checksums(model.slice(again.firstIndex - 1));
        assert.deepEqual(all(again), kept, `seed ${seed}`);
      }
      assert.ok(metCount > 300, `${metCount} shortages`);
    });
  }

  it("of descriptors still reads all of itself with those it has", () => {
    for (const reopened of [false, true]) {
      const fileSystem = new MemoryFileSystem();
      let log = open(fileSystem);
      log.append(entries);
      log.flush();
      if (reopened) {
        log.close();
        log = open(fileSystem);
        fileSystem.pump();
      }
      const count = fileSystem.openCount;
      fileSystem.fail(({ kind }) =>
        kind === "open" && fileSystem.openCount >= count ? "EMFILE" : undefined,
      );
      assert.deepEqual(all(log), checksums(entries));
      for (const { index, checksum } of entries.toReversed()) {
        assert.equal(log.read(index, index, 1)[0]?.checksum, checksum);
      }
      assert.equal(fileSystem.openCount, count);
    }
  });
});
