import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import type { Entry } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import type { RecoveryReport } from "../../src/storage/log-storage.js";
import { openSegmentName } from "../../src/storage/segment.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { SECTOR_SIZE, WITNESS_PAGE_SIZE } from "../../src/storage/witness.js";
import { CLUSTER_ID, NOTHING, putEntries, putEntry, randomOf } from "./entries.js";

const directory = "/data/log";
const OPEN = `${directory}/${openSegmentName(1)}`;

function open(
  fileSystem: MemoryFileSystem,
  segmentSizeBytes = 8192,
  clusterId = CLUSTER_ID,
): { readonly log: SegmentedLog; readonly report: RecoveryReport } {
  return SegmentedLog.open({ fileSystem, directory, clusterId, segmentSizeBytes });
}

/** Opening must be refused, with words that name the file, and change nothing. */
function refused(fileSystem: MemoryFileSystem, message: RegExp, clusterId = CLUSTER_ID): void {
  const before = fileSystem.list(directory).map((name) => contents(fileSystem, name));
  assert.throws(
    () => open(fileSystem, 8192, clusterId),
    (error) => {
      assert.ok(error instanceof DatabaseError, String(error));
      assert.equal(error.code, "CORRUPTION");
      assert.match(error.message, message);
      return true;
    },
  );
  assert.deepEqual(
    fileSystem.list(directory).map((name) => contents(fileSystem, name)),
    before,
  );
}

function contents(fileSystem: MemoryFileSystem, name: string): Buffer {
  return Buffer.from(fileSystem.contents(`${directory}/${name}`));
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const damaged = bytes.slice();
  damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return damaged;
}

/** A log left by a killed process: `flushed` entries, then `unflushed` ones. */
async function killedLog(
  flushed: readonly Entry[],
  unflushed: readonly Entry[] = [],
): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  const { log } = open(fileSystem);
  for (const entry of flushed) {
    log.append([entry]);
    log.flush();
  }
  log.noteFlushed();
  if (unflushed.length > 0) log.append(unflushed);
  fileSystem.kill();
  return fileSystem;
}

const ENTRIES = putEntries(NOTHING, 5, randomOf(1), 500);

/** A stopped log of three sealed segments. */
function sealedLog(): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  const { log } = open(fileSystem);
  log.append(putEntries(NOTHING, 30, randomOf(2), 1000));
  log.close();
  assert.equal(fileSystem.list(directory).length, 3);
  return fileSystem;
}

describe("a damaged log", () => {
  it("is refused for a flipped bit anywhere in a sealed segment, which is named", () => {
    const fileSystem = sealedLog();
    const [, name = ""] = fileSystem.list(directory);
    const path = `${directory}/${name}`;
    const good = fileSystem.contents(path);
    for (let bit = 0; bit < good.length * 8; bit += 37) {
      fileSystem.damage(path, () => flip(good, bit));
      assert.throws(() => open(fileSystem), { code: "CORRUPTION" }, `bit ${bit}`);
    }
    fileSystem.damage(path, () => flip(good, 5000 * 8));
    refused(
      fileSystem,
      new RegExp(`segment ${name}: at offset \\d+, where entry \\d+ should stand`),
    );
  });

  it("is refused for a sealed segment cut anywhere", () => {
    const fileSystem = sealedLog();
    const [, name = ""] = fileSystem.list(directory);
    const path = `${directory}/${name}`;
    const good = fileSystem.contents(path);
    for (let size = 0; size < good.length; size += 13) {
      fileSystem.damage(path, () => good.subarray(0, size));
      assert.throws(() => open(fileSystem), { code: "CORRUPTION" }, `size ${size}`);
    }
  });

  it("is refused for a flipped bit anywhere in what was flushed, in an open segment", async () => {
    const fileSystem = await killedLog(ENTRIES);
    const good = fileSystem.contents(OPEN);
    let end = good.length - WITNESS_PAGE_SIZE;
    while (good[end - 1] === 0) end -= 1;
    assert.ok(end > 2000);
    for (let bit = 0; bit < end * 8; bit += 11) {
      fileSystem.damage(OPEN, () => flip(good, bit));
      assert.throws(() => open(fileSystem), { code: "CORRUPTION" }, `bit ${bit}`);
    }
  });

  it("is refused for every zeroed sector in what was flushed, also the last one", async () => {
    const fileSystem = await killedLog(ENTRIES);
    const good = fileSystem.contents(OPEN);
    let end = good.length - WITNESS_PAGE_SIZE;
    while (good[end - 1] === 0) end -= 1;
    for (let from = 0; from < end; from += SECTOR_SIZE) {
      const damaged = good.slice();
      damaged.fill(0, from, from + SECTOR_SIZE);
      fileSystem.damage(OPEN, () => damaged);
      assert.throws(() => open(fileSystem), { code: "CORRUPTION" }, `sector at ${from}`);
    }
    const cut = good.slice();
    cut.fill(0, 3000, good.length - WITNESS_PAGE_SIZE);
    fileSystem.damage(OPEN, () => cut);
    refused(fileSystem, /00000000000000000001\.open: at offset \d+, .*; it was flushed/);
  });

  it("is refused when its last flush was on disk whole and a bit flipped since", () => {
    // the power went before the flush's second record reached the disk
    const fileSystem = new MemoryFileSystem();
    const { log } = open(fileSystem);
    const zeros = putEntry(NOTHING, new Uint8Array(3000));
    const mixed = putEntry(zeros, new Uint8Array(700).fill(0xee, 0, 300));
    log.append([zeros, mixed]);
    log.flush();
    fileSystem.crash(() => 0); // nothing unsynced survives
    const good = fileSystem.contents(OPEN);
    assert.equal(open(fileSystem).log.lastIndex, 2);
    let refusals = 0;
    let excused = 0;
    const start = 1470;
    for (let bit = start * 8; bit < (start + 3700) * 8; bit += 13) {
      fileSystem.damage(OPEN, () => flip(good, bit));
      try {
        open(fileSystem);
        // the one thing that looks like a sector that came late: its last bytes turned to zero
        const at = bit >> 3;
        const sectorEnd = Math.ceil((at + 1) / SECTOR_SIZE) * SECTOR_SIZE;
        const damaged = flip(good, bit);
        assert.ok(
          damaged.subarray(at, sectorEnd).every((byte) => byte === 0),
          `bit ${bit}`,
        );
        excused += 1;
      } catch (error) {
        assert.ok(error instanceof DatabaseError && error.code === "CORRUPTION", String(error));
        refusals += 1;
      }
    }
    assert.ok(refusals > 2000, `${refusals}`);
    assert.ok(excused < 3, `${excused}`);
  });

  it("is refused when no record of its flushes is readable, and not when one is", async () => {
    const fileSystem = await killedLog(ENTRIES);
    const good = fileSystem.contents(OPEN);
    const page = good.length - WITNESS_PAGE_SIZE;
    for (const slot of [page, page + SECTOR_SIZE]) {
      const damaged = good.slice();
      damaged[slot + 20] = 0xff;
      fileSystem.damage(OPEN, () => damaged);
      assert.equal(open(fileSystem).log.lastIndex, 5);
    }
    const damaged = good.slice();
    damaged.fill(0xff, page);
    fileSystem.damage(OPEN, () => damaged);
    refused(fileSystem, /witness of its flushes is unreadable too/);
  });

  it("is refused when a segment is missing, doubled, foreign or under a wrong name", () => {
    const [first = "", second = "", third = ""] = sealedLog().list(directory);
    const cases: readonly {
      readonly change: (fileSystem: MemoryFileSystem) => void;
      readonly message: RegExp;
    }[] = [
      {
        change: (fileSystem) => {
          fileSystem.remove(`${directory}/${first}`);
        },
        message: /entries 1 to \d+ are missing/,
      },
      {
        change: (fileSystem) => {
          fileSystem.remove(`${directory}/${second}`);
        },
        message: /entries \d+ to \d+ are missing/,
      },
      {
        change: (fileSystem) => {
          fileSystem.rename(`${directory}/${third}`, `${directory}/${openSegmentName(3)}`);
        },
        message: /its header says that it begins with entry/,
      },
      {
        change: (fileSystem) => {
          const other = third.replace(/-0+/, (zeros) => `${zeros.slice(0, -1)}9`);
          fileSystem.rename(`${directory}/${third}`, `${directory}/${other}`);
        },
        message: /the segment ends with entry 30, not with/,
      },
      {
        change: (fileSystem) => {
          const foreign = new MemoryFileSystem();
          const { log } = open(foreign, 8192, "f".repeat(32));
          log.append(putEntries(NOTHING, 30, randomOf(2), 1000));
          log.close();
          fileSystem.damage(`${directory}/${second}`, () =>
            foreign.contents(`${directory}/${second}`),
          );
        },
        message: /it belongs to cluster ffff/,
      },
      {
        change: (fileSystem) => {
          const other = new MemoryFileSystem();
          const { log } = open(other);
          log.append(putEntries(NOTHING, 30, randomOf(3), 1000));
          log.close();
          const names = other.list(directory);
          fileSystem.remove(`${directory}/${second}`);
          fileSystem.remove(`${directory}/${third}`);
          for (const name of names.slice(1)) {
            fileSystem.open(`${directory}/${name}`, "create").close();
            fileSystem.damage(`${directory}/${name}`, () => other.contents(`${directory}/${name}`));
          }
        },
        message: /it does not follow from entry|are missing|the one before ends with/,
      },
    ];
    for (const { change, message } of cases) {
      const fileSystem = sealedLog();
      change(fileSystem);
      refused(fileSystem, message);
    }
  });
});

describe("a torn write", () => {
  it("is dropped and told of, wherever it ends", async () => {
    const extra = putEntries(ENTRIES.at(-1) ?? NOTHING, 3, randomOf(4), 600);
    const whole = await killedLog(ENTRIES, extra);
    const good = whole.contents(OPEN);
    const flushedEnd = (await killedLog(ENTRIES))
      .contents(OPEN)
      .findLastIndex((byte, at) => byte !== 0 && at < good.length - WITNESS_PAGE_SIZE);
    let end = good.length - WITNESS_PAGE_SIZE;
    while (good[end - 1] === 0) end -= 1;
    for (let from = flushedEnd + 2; from < end; from += 17) {
      const torn = good.slice();
      torn.fill(0, from, end);
      whole.damage(OPEN, () => torn);
      const { log, report } = open(whole);
      assert.ok(log.lastIndex >= 5);
      assert.ok(log.lastIndex < 8);
      if (report.tornByteCount > 0) assert.equal(report.tornAt?.file, OPEN);
      whole.kill();
    }
  });

  it("in front of whole later blocks of its batch drops those too, and the node starts", async () => {
    const extra = putEntries(ENTRIES.at(-1) ?? NOTHING, 4, randomOf(11), 900);
    const whole = await killedLog(ENTRIES, extra);
    const good = whole.contents(OPEN);
    const flushed = (await killedLog(ENTRIES)).contents(OPEN);
    let start = flushed.length - WITNESS_PAGE_SIZE;
    while (flushed[start - 1] === 0) start -= 1;
    const hole = good.slice();
    const sector = Math.ceil(start / SECTOR_SIZE) * SECTOR_SIZE;
    hole.fill(0, sector, sector + SECTOR_SIZE);
    whole.damage(OPEN, () => hole);
    const { log, report } = open(whole);
    assert.ok(log.lastIndex >= 5 && log.lastIndex < 9);
    assert.ok(report.tornByteCount > SECTOR_SIZE);
    assert.equal(report.tornAt?.file, OPEN);
    log.close();
    assert.equal(open(whole).report.tornByteCount, 0);
  });
});
