import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import {
  CLUSTER_ID,
  configurationEntry,
  NOTHING,
  putEntries,
  putEntry,
  randomOf,
} from "./entries.js";

const directory = "/data/log";
const SEGMENT_SIZE = 8192;

function open(fileSystem: MemoryFileSystem, segmentSizeBytes = SEGMENT_SIZE) {
  return SegmentedLog.open({ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes });
}

function all(log: SegmentedLog): readonly Entry[] {
  if (log.lastIndex < log.firstIndex) return [];
  return log.read(log.firstIndex, log.lastIndex, Infinity);
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

function failsWith(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

describe("segmented log", () => {
  it("is empty at first", () => {
    const fileSystem = new MemoryFileSystem();
    const { log, report } = open(fileSystem);
    assert.deepEqual([log.firstIndex, log.lastIndex], [1, 0]);
    assert.deepEqual([log.term(LogIndex(0)), log.checksum(LogIndex(0))], [0, 0]);
    assert.equal(report.segmentCount, 0);
    log.flush();
    log.truncateSuffix(LogIndex(1));
    log.close();
    log.close();
    assert.deepEqual(fileSystem.list(directory), []);
  });

  it("gives back what was appended, before and after a clean stop", () => {
    const fileSystem = new MemoryFileSystem();
    const entries = putEntries(NOTHING, 100, randomOf(1), 400);
    const { log } = open(fileSystem);
    for (const entry of entries) log.append([entry]);
    log.flush();
    assert.deepEqual(all(log), entries);
    log.close();
    const again = open(fileSystem);
    assert.deepEqual(all(again.log), entries);
    assert.equal(again.report.entryCount, 100);
    assert.equal(again.report.tornByteCount, 0);
    assert.ok(again.report.segmentCount > 3);
    for (const { index, term, checksum } of entries) {
      assert.equal(again.log.term(index), term);
      assert.equal(again.log.checksum(index), checksum);
    }
  });

  it("is about as large behind an entry as is told before it is opened", () => {
    const fileSystem = new MemoryFileSystem();
    const options = {
      ...{ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes: SEGMENT_SIZE },
    };
    assert.equal(SegmentedLog.sizeBehind(options, LogIndex(0)), 0);
    const { log } = open(fileSystem);
    const entries = putEntries(NOTHING, 200, randomOf(1), 400);
    for (const entry of entries) log.append([entry]);
    log.flush();
    for (const from of [0, 40, 100, 199]) {
      const size = entries.slice(from).reduce((sum, { block }) => sum + block.length + 16, 0);
      const told = SegmentedLog.sizeBehind(options, LogIndex(from));
      // Headers count too, and the last segment as if it were full.
      assert.ok(told >= 0.9 * size, `${told} for ${size}`);
      assert.ok(told <= 1.25 * size + 2 * SEGMENT_SIZE, `${told} for ${size}`);
    }
  });

  it("gives back configurations and no-ops as such", () => {
    const { log } = open(new MemoryFileSystem());
    const entry = configurationEntry(NOTHING);
    log.append([entry]);
    assert.deepEqual(all(log), [entry]);
  });

  it("reads at least one entry, then what fits, within and across segments", () => {
    const { log } = open(new MemoryFileSystem());
    const entries = putEntries(NOTHING, 60, randomOf(2), 900);
    log.append(entries);
    const random = randomOf(3);
    for (let times = 0; times < 300; times++) {
      const from = 1 + Math.floor(random() * 60);
      const to = from + Math.floor(random() * (61 - from));
      const sizeMax = Math.floor(random() * 12_000);
      const want: Entry[] = [];
      let size = 0;
      for (const entry of entries.slice(from - 1, to)) {
        size += entry.block.length;
        if (want.length > 0 && size > sizeMax) break;
        want.push(entry);
      }
      const read = log.read(LogIndex(from), LogIndex(to), sizeMax);
      assert.deepEqual(checksums(read), checksums(want), `${from}..${to} in ${sizeMax}`);
    }
  });

  it("puts a block larger than a segment into one of its own", () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = open(fileSystem);
    const small = putEntry(NOTHING, new Uint8Array(10));
    const large = putEntry(small, new Uint8Array(50_000).fill(4));
    const after = putEntry(large, new Uint8Array(10));
    log.append([small, large, after]);
    log.close();
    assert.equal(files(fileSystem).size, 3);
    assert.deepEqual(all(open(fileSystem).log), [small, large, after]);
  });

  it("makes equal files of equal logs, however they came about", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = randomOf(seed);
      const entries = putEntries(NOTHING, 60, random, 900);
      const straight = new MemoryFileSystem();
      const { log } = open(straight);
      log.append(entries);
      log.close();
      const crooked = new MemoryFileSystem();
      let other = open(crooked).log;
      while (other.lastIndex < 60) {
        const count = 1 + Math.floor(random() * 5);
        other.append(entries.slice(other.lastIndex, other.lastIndex + count));
        if (random() < 0.3) other.flush();
        if (random() < 0.2) {
          const keep = Math.floor(random() * other.lastIndex);
          const stray = putEntries(
            {
              index: keep,
              term: 7,
              checksum: other.checksum(LogIndex(keep)),
            },
            4,
            random,
            2000,
          );
          other.truncateSuffix(LogIndex(keep + 1));
          other.append(stray);
          other.truncateSuffix(LogIndex(keep + 1));
        }
        if (random() < 0.2) {
          other.close();
          other = open(crooked).log;
        }
        if (random() < 0.1) {
          crooked.kill();
          other = open(crooked).log;
        }
        if (random() < 0.5) crooked.pump();
      }
      other.close();
      assert.deepEqual(files(crooked), files(straight), `seed ${seed}`);
    }
  });

  it("truncates to every index, in open and sealed segments, for good", () => {
    const entries = putEntries(NOTHING, 30, randomOf(5), 1500);
    for (let from = 1; from <= 31; from++) {
      const fileSystem = new MemoryFileSystem();
      const { log } = open(fileSystem);
      log.append(entries);
      if (from % 2 === 0) log.flush();
      log.truncateSuffix(LogIndex(from));
      assert.equal(log.lastIndex, from - 1);
      assert.deepEqual(checksums(all(log)), checksums(entries.slice(0, from - 1)));
      fileSystem.crash(randomOf(from));
      const again = open(fileSystem).log;
      assert.equal(again.lastIndex, from === 31 ? again.lastIndex : from - 1);
      const last = entries[again.lastIndex - 1] ?? NOTHING;
      const next = putEntry(last, new Uint8Array(100), 9);
      again.append([next]);
      assert.equal(again.term(next.index), Term(9));
    }
  });

  it("flushes beside the event loop while more is appended, rolled and truncated", () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = open(fileSystem);
    const entries = putEntries(NOTHING, 40, randomOf(6), 1500);
    const done: number[] = [];
    let next = 0;
    const flushLater = (name: number): void => {
      log.flushLater((error) => {
        assert.equal(error, undefined);
        done.push(name);
      });
    };
    for (let round = 0; round < 8; round++) {
      log.append(entries.slice(next, next + 2));
      flushLater(round);
      log.append(entries.slice(next + 2, next + 5));
      next += 5;
      if (round === 3) log.truncateSuffix(LogIndex(next));
      if (round === 3) next -= 1;
      assert.equal(done.length, round);
      fileSystem.pump();
    }
    assert.deepEqual(done, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(checksums(all(log)), checksums(entries.slice(0, next)));
  });

  it("may be closed, or lose its open segment, while a flush is under way", () => {
    for (const end of ["close", "truncate"] as const) {
      const fileSystem = new MemoryFileSystem();
      const { log } = open(fileSystem);
      log.append(putEntries(NOTHING, 3, randomOf(7), 100));
      let completed = 0;
      log.flushLater((error) => {
        assert.equal(error, undefined);
        completed += 1;
      });
      if (end === "close") log.close();
      else log.truncateSuffix(LogIndex(1));
      fileSystem.pump();
      assert.equal(completed, 1);
      const count = open(fileSystem).log.lastIndex;
      assert.equal(count, end === "close" ? 3 : 0);
    }
  });

  it("rolls into a file that was made ahead", () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = open(fileSystem);
    const entries = putEntries(NOTHING, 40, randomOf(8), 900);
    let made = 0;
    for (const entry of entries) {
      fileSystem.pump();
      fileSystem.fail(({ kind, path }) => {
        if (kind === "write" && path.includes("fresh")) made += 1;
        return undefined;
      });
      const before = made;
      log.append([entry]);
      // header, block and two records at most: no zero-filling
      assert.ok(made - before <= 6, `${made - before} writes`);
    }
    assert.ok(files(fileSystem).size > 2);
  });

  it("is used no more after it was closed", () => {
    const { log } = open(new MemoryFileSystem());
    log.close();
    assert.throws(
      () => {
        log.flush();
      },
      failsWith("CLOSED", /closed/),
    );
  });

  it("refuses what does not follow from its last entry", () => {
    const { log } = open(new MemoryFileSystem());
    const first = putEntry(NOTHING, new Uint8Array(1), 5);
    log.append([first]);
    const second = putEntry(first, new Uint8Array(1));
    const strays: readonly Entry[] = [
      first,
      putEntry(second, new Uint8Array(1)),
      putEntry({ ...first, checksum: 1 }, new Uint8Array(1)),
      putEntry(first, new Uint8Array(1), 4),
      { ...second, checksum: second.checksum ^ 1 },
    ];
    for (const stray of strays) {
      assert.throws(
        () => {
          log.append([stray]);
        },
        { name: "AssertionError" },
      );
    }
    log.append([second]);
    assert.deepEqual(all(log), [first, second]);
  });

  it("tells how far recovery is", () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = open(fileSystem);
    log.append(putEntries(NOTHING, 50, randomOf(9), 900));
    log.close();
    const told: (readonly [number, number])[] = [];
    const onProgress = (done: number, size: number): void => {
      told.push([done, size]);
    };
    SegmentedLog.open({ fileSystem, directory, clusterId: CLUSTER_ID, onProgress });
    assert.ok(told.length > 2);
    assert.ok(told.every(([done], i) => done > (told[i - 1]?.[0] ?? 0)));
    assert.equal(told.at(-1)?.[0], told.at(-1)?.[1]);
  });
});

describe("a log whose disk fails", () => {
  const entries = putEntries(NOTHING, 12, randomOf(10), 600);

  for (const { kind, call } of [
    { kind: "write", call: "append" },
    { kind: "datasync", call: "flush" },
    { kind: "write", call: "flush" },
    { kind: "datasync", call: "truncate" },
    { kind: "datasyncLater", call: "flushLater" },
  ] as const) {
    it(`is out of use once a ${kind} has failed in ${call}, and whole when it is opened again`, () => {
      const fileSystem = new MemoryFileSystem();
      const { log } = open(fileSystem, 1 << 20);
      log.append(entries.slice(0, 5));
      log.flush();
      if (call !== "append") log.append(entries.slice(5, 8));
      fileSystem.fail((operation) => (operation.kind === kind ? "EIO" : undefined));
      const failed = failsWith("STORAGE_FAILED", /in \/data\/log failed: EIO: i\/o error/);
      if (call === "flushLater") {
        let seen: Error | undefined;
        log.flushLater((error) => {
          seen = error;
        });
        fileSystem.pump();
        assert.ok(failed(seen));
      } else {
        assert.throws(() => {
          if (call === "append") log.append(entries.slice(5, 8));
          else if (call === "flush") log.flush();
          else log.truncateSuffix(LogIndex(4));
        }, failed);
      }
      fileSystem.fail(undefined);
      const later: readonly (() => void)[] = [
        () => {
          log.append([]);
        },
        () => {
          log.flush();
        },
        () => {
          log.truncateSuffix(LogIndex(1));
        },
        () => log.read(LogIndex(1), LogIndex(1), 1),
      ];
      for (const use of later)
        assert.throws(use, failsWith("STORAGE_FAILED", /out of use since an earlier failure/));
      log.close();
      fileSystem.crash(randomOf(3));
      const again = open(fileSystem, 1 << 20).log;
      assert.ok(again.lastIndex >= (call === "truncate" ? 3 : 5));
      assert.deepEqual(checksums(all(again)), checksums(entries.slice(0, again.lastIndex)));
    });
  }
});
