/** Every row of the fault table, brought about. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex } from "../../src/raft/types.js";
import {
  MemoryFileSystem,
  type FailureCode,
  type OperationKind,
} from "../../src/simulation/memory-file-system.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";
import { FAULTS, type FaultName, type Reaction } from "./fault-table.js";
import { World } from "./full-disk-world.js";
import { readGolden, writeGolden } from "./golden.js";

const README = path.resolve(import.meta.dirname, "../../../data/README.md");
const LOG = "/data/log";
const SECTOR = 512;

type Files = Map<string, Uint8Array>;

const golden = writeGolden();
const whole = JSON.stringify(readGolden(golden));

/** Opens the golden directory with some of its files changed. */
function afterChange(change: (files: Files) => void): Reaction {
  const files = new Map([...golden].map(([name, bytes]) => [name, bytes.slice()]));
  change(files);
  return reactionTo(() => {
    const content = readGolden(files);
    if (JSON.stringify({ ...content, tornByteCount: 0, snapshot: undefined }) !== bare(whole))
      return "unseen";
    return content.tornByteCount > 0 ? "dropped" : "survived";
  });
}

function bare(content: string): string {
  return JSON.stringify({ ...(JSON.parse(content) as object), snapshot: undefined });
}

/** A start that may be refused. */
function reactionTo(start: () => Reaction): Reaction {
  try {
    return start();
  } catch (error) {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.match(error.message, /\/data|segment |snapshot /, "the place is named");
    return error.code === "CORRUPTION" ? "refused" : "not started";
  }
}

/** The file of the golden directory whose name matches. */
function nameOf(pattern: RegExp): string {
  const name = [...golden.keys()].find((one) => pattern.test(one));
  assert.ok(name !== undefined);
  return name;
}

const OPEN = nameOf(/\.open$/);
const SEALED = nameOf(/^log\/.*\.avro$/);
const SNAPSHOT = nameOf(/^snapshots\//);

function changed(name: string, change: (bytes: Uint8Array) => Uint8Array): Reaction {
  return afterChange((files) => {
    files.set(name, change(files.get(name) ?? new Uint8Array(0)));
  });
}

function flip(at: number, mask = 1): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    bytes[at] = (bytes[at] ?? 0) ^ mask;
    return bytes;
  };
}

function zero(at: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => bytes.fill(0, at, at + SECTOR);
}

/** Where the golden open segment's log ends. */
function openEnd(): number {
  const bytes = golden.get(OPEN) ?? new Uint8Array(0);
  return bytes.findLastIndex((byte, at) => byte !== 0 && at < bytes.length - 4096) + 1;
}

/** A log in memory; `prepare` leaves it as some stop does. */
function openLog(fileSystem: MemoryFileSystem, clusterId = CLUSTER_ID) {
  return SegmentedLog.open({ fileSystem, directory: LOG, clusterId, segmentSizeBytes: 8192 });
}

function logOf(count: number, end: "kill" | "close", clusterId = CLUSTER_ID): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  const { log } = openLog(fileSystem, clusterId);
  log.append(putEntries(NOTHING, count, randomOf(2), 1000));
  log.flush();
  if (end === "close") log.close();
  fileSystem.kill();
  return fileSystem;
}

/** What a log of `count` entries, all of them flushed, is after the change. */
function logAfter(count: number, change: (fileSystem: MemoryFileSystem) => void): Reaction {
  const fileSystem = logOf(count, "close");
  change(fileSystem);
  return reactionTo(() => {
    const { log, report } = openLog(fileSystem);
    if (log.lastIndex !== count) return "unseen";
    return report.tornByteCount > 0 ? "dropped" : "survived";
  });
}

/** A torn batch behind what was flushed. */
function torn(tear: (bytes: Uint8Array, start: number) => Uint8Array): Reaction {
  const fileSystem = new MemoryFileSystem();
  const { log } = openLog(fileSystem);
  const entries = putEntries(NOTHING, 6, randomOf(3), 1000);
  log.append(entries.slice(0, 2));
  log.flush();
  log.noteFlushed();
  const name = fileSystem.list(LOG).find((one) => one.endsWith(".open")) ?? "";
  const before = fileSystem.contents(`${LOG}/${name}`);
  const start = before.findLastIndex((byte, at) => byte !== 0 && at < before.length - 4096) + 1;
  log.append(entries.slice(2));
  fileSystem.kill();
  fileSystem.damage(`${LOG}/${name}`, (bytes) => tear(bytes, start));
  return reactionTo(() => {
    const opened = openLog(fileSystem);
    assert.ok(opened.log.lastIndex >= 2);
    return opened.report.tornByteCount > 0 ? "dropped" : "survived";
  });
}

/** A log of two segments, the first of them not sealed and without its end. */
function rolledWithoutEnd(isFlushed: boolean): Reaction {
  const fileSystem = new MemoryFileSystem();
  const { log } = openLog(fileSystem);
  const entries = putEntries(NOTHING, 24, randomOf(3), 1000);
  log.append(entries.slice(0, 2));
  log.flush();
  const opened = (): readonly string[] =>
    fileSystem.list(LOG).filter((name) => name.endsWith(".open"));
  while (opened().length < 2) log.append(entries.slice(log.lastIndex, log.lastIndex + 1));
  fileSystem.pump();
  // three steps: the directory, the full segment, and now the next one
  if (isFlushed) log.flushLater(() => undefined);
  fileSystem.pump(2);
  fileSystem.kill();
  const full = opened()[0] ?? "";
  fileSystem.damage(`${LOG}/${full}`, (bytes) => {
    const end = bytes.findLastIndex((byte, at) => byte !== 0 && at < bytes.length - 4096) + 1;
    return bytes.fill(0, end - SECTOR, bytes.length - 4096);
  });
  return reactionTo(() => {
    const { log: again, report } = openLog(fileSystem);
    assert.ok(again.lastIndex >= 2);
    return report.tornByteCount > 0 ? "dropped" : "survived";
  });
}

/** Stops a log's machine at the call `at` of `kind` from now on, and opens it again. */
function stoppedAt(kind: OperationKind, work: (log: SegmentedLog) => void): Reaction {
  const fileSystem = logOf(30, "close");
  const { log } = openLog(fileSystem);
  fileSystem.fail((operation) => {
    if (operation.kind === kind) fileSystem.haltAt(operation.count + 1);
    return undefined;
  });
  assert.throws(() => {
    work(log);
  });
  fileSystem.fail(undefined);
  fileSystem.kill();
  return reactionTo(() => {
    return openLog(fileSystem).log.lastIndex >= 30 ? "survived" : "unseen";
  });
}

/** A node whose disk begins to fail; a write is asked of it. */
function running(code: FailureCode, kinds: readonly OperationKind[]): Reaction {
  const world = new World({ nodeCount: 1 });
  const node = world.anyLeader();
  node.fileSystem.fail(({ kind }) => (kinds.includes(kind) ? code : undefined));
  const told = [];
  for (let i = 0; i < 12; i += 1) {
    told.push(world.put(node, `key ${i}`, 20_000));
    world.run(50);
  }
  const failure = world.failures.get(node.id);
  if (failure !== undefined) {
    assert.ok(told.every(({ error }) => error?.outcome !== "applied"));
    assert.match(failure.message, new RegExp(code));
    return "stopped";
  }
  const refused = told.filter(({ error }) => error !== undefined);
  if (refused.length === 0) return "survived";
  for (const { error } of refused) {
    assert.equal(error?.outcome, "not-applied");
    assert.ok(error.retryable);
  }
  node.fileSystem.fail(undefined);
  world.run(1000);
  assert.ok(told.every((one) => refused.includes(one) || one.revision !== undefined));
  assert.equal(world.put(node, "after").error, undefined);
  return "waited out";
}

function recoveringWith(code: FailureCode, kinds: readonly OperationKind[]): Reaction {
  const fileSystem = logOf(30, "kill");
  fileSystem.fail(({ kind }) => (kinds.includes(kind) ? code : undefined));
  return reactionTo(() => {
    openLog(fileSystem);
    return "survived";
  });
}

function both(left: Reaction, right: Reaction): Reaction {
  assert.equal(left, right);
  return left;
}

const CASES: Readonly<Record<FaultName, () => Reaction>> = {
  tornTail: () => torn((bytes, start) => bytes.fill(0, start + 700, bytes.length - 4096)),
  holeInTail: () => torn((bytes, start) => zero(Math.ceil(start / SECTOR) * SECTOR)(bytes)),
  openBit: () => changed(OPEN, flip(openEnd() - 30)),
  openSector: () => changed(OPEN, zero(2048)),
  openCutAtBlock: () => changed(OPEN, (bytes) => bytes.subarray(0, openEnd())),
  openCutInBlock: () => changed(OPEN, (bytes) => bytes.subarray(0, openEnd() - 50)),
  witness: () => changed(OPEN, (bytes) => flip(bytes.length - 4096 + SECTOR + 20)(bytes)),
  sealedBit: () => changed(SEALED, flip(3000)),
  sealedSector: () => changed(SEALED, zero(2048)),
  sealedLength: () => {
    const bytes = golden.get(SEALED) ?? new Uint8Array(0);
    // behind the header stands the count of rows, then the size of the first block
    const header = bytes.length - bytes.subarray(1600).length;
    const marker = bytes.subarray(bytes.length - 16);
    const start = Buffer.from(bytes).indexOf(marker, 0) + 16;
    assert.ok(start > 16 && header === 1600);
    return changed(SEALED, flip(start + 1, 0x40));
  },
  sealedHeader: () => changed(SEALED, flip(300)),
  sealedCut: () => {
    for (let size = 100; size < 4000; size += 333) {
      assert.equal(
        changed(SEALED, (bytes) => bytes.subarray(0, size)),
        "refused",
      );
    }
    return changed(SEALED, (bytes) => bytes.subarray(0, bytes.length - 1));
  },
  missingMiddle: () =>
    logAfter(30, (disk) => {
      disk.remove(`${LOG}/${disk.list(LOG)[1] ?? ""}`);
    }),
  missingFirst: () =>
    logAfter(30, (disk) => {
      disk.remove(`${LOG}/${disk.list(LOG)[0] ?? ""}`);
    }),
  missingLast: () =>
    logAfter(30, (disk) => {
      disk.remove(`${LOG}/${disk.list(LOG).at(-1) ?? ""}`);
    }),
  foreignSegment: () =>
    logAfter(30, (disk) => {
      const foreign = logOf(30, "close", "f".repeat(32));
      const name = disk.list(LOG)[1] ?? "";
      disk.damage(`${LOG}/${name}`, () => foreign.contents(`${LOG}/${name}`));
    }),
  misplacedSegment: () =>
    logAfter(30, (disk) => {
      const [, second = "", third = ""] = disk.list(LOG);
      disk.damage(`${LOG}/${second}`, () => disk.contents(`${LOG}/${third}`));
    }),
  snapshotBit: () => {
    const world = new World({ nodeCount: 1, snapshotEntries: 15 });
    const node = world.anyLeader();
    for (let i = 0; i < 60; i += 1) {
      world.put(node, `key ${i}`);
      world.run(20);
    }
    const hash = node.parts?.store.stateHash();
    node.crash("kill");
    const newest = node.fileSystem.list("/data/snapshots").at(-1) ?? "";
    node.fileSystem.damage(`/data/snapshots/${newest}`, flip(2500));
    node.start();
    world.run(1000);
    assert.ok(world.notices.some((line) => line.includes(`passed over: snapshot`)));
    return node.parts?.store.stateHash() === hash ? "survived" : "unseen";
  },
  snapshotNeeded: () => changed(SNAPSHOT, flip(3000)),
  snapshotPart: () => {
    const disk = new MemoryFileSystem();
    const bytes = golden.get(SNAPSHOT) ?? new Uint8Array(0);
    const snapshots = new SnapshotDirectory(disk, "/data/snapshots");
    const receiver = snapshots.receive({
      ...{ index: LogIndex(20), checksum: 1, size: bytes.length, fileChecksum: 2 },
      term: readGoldenTerm(),
    });
    receiver.write(0, bytes);
    const isWhole = receiver.finish(() => undefined);
    return !isWhole && receiver.offset === 0 ? "asked again" : "unseen";
  },
  hardStateOne: () =>
    both(
      changed("hard-state-1", flip(20)),
      afterChange((files) => files.delete("hard-state-2")),
    ),
  hardStateBoth: () =>
    afterChange((files) => {
      for (const name of ["hard-state-1", "hard-state-2"])
        files.set(name, flip(20)(files.get(name) ?? new Uint8Array(0)));
    }),
  hardStateMissing: () =>
    afterChange((files) => {
      for (const name of ["hard-state-1", "hard-state-2"]) files.delete(name);
    }),
  identityDamaged: () => changed("identity.json", flip(110)),
  identityMissing: () => afterChange((files) => files.delete("identity.json")),
  wrongDirectory: () =>
    changed("identity.json", (bytes) =>
      Buffer.from(Buffer.from(bytes).toString().replace('"formatVersion":1', '"formatVersion":2')),
    ),
  leftovers: () =>
    afterChange((files) => {
      for (const name of ["log/fresh-1.tmp", "snapshots/x.tmp", "hard-state-1.tmp"])
        files.set(name, new Uint8Array(100).fill(9));
    }),
  halfRolled: () => rolledWithoutEnd(false),
  rolledEndLost: () => rolledWithoutEnd(true),
  halfSealed: () => {
    const seal = (log: SegmentedLog): void => {
      log.append(putEntries(lastOf(log), 30, randomOf(4), 1000));
      log.close();
    };
    return both(stoppedAt("rename", seal), stoppedAt("truncate", seal));
  },
  halfReopened: () =>
    stoppedAt("rename", (log) => {
      log.truncateSuffix(LogIndex(30));
    }),
  halfCompacted: () => {
    const fileSystem = logOf(60, "close");
    const { log } = openLog(fileSystem);
    const base = log.read(LogIndex(50), LogIndex(50), 1)[0];
    fileSystem.kill();
    const names = fileSystem.list(LOG);
    for (const name of names.slice(1, 3)) fileSystem.remove(`${LOG}/${name}`);
    assert.ok(base !== undefined);
    return reactionTo(() => {
      const opened = SegmentedLog.open({
        ...{ fileSystem, directory: LOG, clusterId: CLUSTER_ID, segmentSizeBytes: 8192, base },
      });
      return opened.log.lastIndex === 60 && opened.log.firstIndex <= 51 ? "survived" : "unseen";
    });
  },
  syncFails: () =>
    both(
      running("EIO", ["datasync", "datasyncLater"]),
      running("ENOSPC", ["datasync", "datasyncLater"]),
    ),
  writeFails: () => both(running("EIO", ["write", "writeLater"]), running("EROFS", ["write"])),
  readFailsAtStart: () => recoveringWith("EIO", ["read"]),
  diskFull: () => both(running("ENOSPC", ["write", "writeLater"]), running("EDQUOT", ["write"])),
  tooManyFiles: () => running("EMFILE", ["open", "syncDirectory"]),
  snapshotFull: () => {
    const world = new World({ nodeCount: 1, snapshotEntries: 10 });
    const node = world.anyLeader();
    node.fileSystem.fail(({ path: place }) => (place.includes("snapshots") ? "ENOSPC" : undefined));
    for (let i = 0; i < 25; i += 1) {
      world.put(node, `key ${i}`);
      world.run(20);
    }
    node.fileSystem.fail(undefined);
    assert.deepEqual(node.fileSystem.list("/data/snapshots"), []);
    assert.equal(world.failures.size, 0);
    return "given up";
  },
  startFull: () => recoveringWith("ENOSPC", ["write"]),
  unwritable: () => recoveringWith("EACCES", ["open"]),
  vanished: () => {
    const fileSystem = logOf(30, "close");
    const { log } = openLog(fileSystem);
    fileSystem.remove(`${LOG}/${fileSystem.list(LOG)[0] ?? ""}`);
    assert.throws(() => log.read(LogIndex(1), LogIndex(1), 1), {
      code: "STORAGE_FAILED",
      message: /ENOENT/,
    });
    assert.throws(
      () => {
        log.flush();
      },
      { code: "STORAGE_FAILED" },
    );
    return "stopped";
  },
};

function lastOf(log: SegmentedLog) {
  const { lastIndex } = log;
  return { index: lastIndex, term: log.term(lastIndex), checksum: log.checksum(lastIndex) };
}

function readGoldenTerm() {
  const disk = new MemoryFileSystem();
  disk.makeDirectory("/data/snapshots");
  disk.open(`/data/${SNAPSHOT}`, "create").close();
  const [name] = new SnapshotDirectory(disk, "/data/snapshots").names;
  assert.ok(name !== undefined);
  return name.term;
}

describe("the fault table", () => {
  const reached = new Set<FaultName>();
  const rows = Object.entries(FAULTS) as [FaultName, (typeof FAULTS)[FaultName]][];

  for (const [name, { fault, reaction }] of rows) {
    it(`${fault}: ${reaction}`, () => {
      assert.equal(CASES[name](), reaction);
      reached.add(name);
    });
  }

  it("was reached in every row, and is told in data/README.md as it is", () => {
    assert.deepEqual([...reached], Object.keys(FAULTS));
    const text = readFileSync(README, "utf8");
    for (const { fault, reaction, why } of Object.values(FAULTS)) {
      const row = `| ${fault} | ${reaction} | ${why} |`;
      assert.ok(text.includes(row), `data/README.md lacks: ${row}`);
    }
  });
});
