/** Snapshot files and their directory: written, sent, received, damaged, cut short. */
import assert from "node:assert/strict";
import avsc from "avsc";
import { describe, it } from "mocha";
import type { SnapshotHead } from "../../src/codec/snapshot.js";
import { LogIndex, NodeId, Term, type SnapshotInfo } from "../../src/raft/types.js";
import { Halted, MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { Store } from "../../src/store/store.js";
import type { StateRow } from "../../src/store/state-row.js";
import { kept } from "../store/whole-state.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";

const DIRECTORY = "/data/snapshots";
const NO_ID = new Uint8Array(0);

function headOf(index: number): SnapshotHead {
  return {
    clusterId: CLUSTER_ID,
    ...{
      index: LogIndex(index),
      term: Term(2),
      checksum: 0xabc,
      revision: 7,
      time: 1_700_000_000_000,
    },
    configuration: { voters: [NodeId("n1"), NodeId("n2")], learners: [] },
    configurationIndex: LogIndex(1),
  };
}

/** The rows of a store with `count` keys, some of them changed, some deleted. */
function rowsOf(count: number, valueSize = 20): readonly StateRow[] {
  const store = new Store();
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
  for (let i = 0; i < count; i += 1) {
    const key = bytes(`key ${i % (count - 3)}`);
    const value = bytes(`${i} `.padEnd(valueSize, "é"));
    store.apply(
      { id: NO_ID, commands: [{ kind: "put", key, value, condition: "none" }] },
      1000 + i,
    );
  }
  store.apply({ id: NO_ID, commands: [{ kind: "delete", key: bytes("key 1") }] }, 9000);
  const view = store.openView();
  const rows: StateRow[] = [];
  for (let page = view.next(1000); page.length > 0; page = view.next(1000)) rows.push(...page);
  view.close();
  return rows;
}

function take(
  fileSystem: MemoryFileSystem,
  directory: SnapshotDirectory,
  index: number,
  rows: readonly StateRow[],
): SnapshotInfo {
  const writer = directory.begin(headOf(index));
  writer.append(rows);
  const taken: SnapshotInfo[] = [];
  writer.finish((error, info) => {
    assert.equal(error, undefined);
    if (info !== undefined) taken.push(info);
  });
  assert.equal(taken.length, 0, "it is not told before it is durable");
  fileSystem.pump();
  const [info] = taken;
  assert.ok(info !== undefined);
  return info;
}

function contents(fileSystem: MemoryFileSystem, name: string): Uint8Array {
  return fileSystem.contents(`${DIRECTORY}/${name}`);
}

function readAll(directory: SnapshotDirectory): readonly StateRow[] {
  const name = directory.names.at(-1);
  assert.ok(name !== undefined);
  const reader = directory.open(name);
  const rows: StateRow[] = [];
  const keep = (row: StateRow): void => {
    rows.push(kept(row));
  };
  while (reader.next(keep));
  reader.close();
  return rows;
}

describe("a snapshot", () => {
  it("gives back its head and every row, whatever the sizes", () => {
    for (const [count, valueSize] of [
      [10, 0],
      [3000, 50],
      [20, 200_000],
    ] as const) {
      const fileSystem = new MemoryFileSystem();
      const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
      const rows = rowsOf(count, valueSize);
      take(fileSystem, directory, 9, rows);
      assert.deepEqual(readAll(directory), rows);
      const [name] = directory.names;
      assert.ok(name !== undefined);
      assert.deepEqual(directory.open(name).head, headOf(9));
    }
  });

  it("of equal states are equal files, and any Avro reader opens them as a table", () => {
    const rows = rowsOf(500);
    const files = [1, 2].map(() => {
      const fileSystem = new MemoryFileSystem();
      const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
      take(fileSystem, directory, 9, rows);
      return contents(fileSystem, directory.names[0]?.file ?? "");
    });
    assert.deepEqual(files[0], files[1]);
    const decoder = new avsc.streams.BlockDecoder();
    const kinds: string[] = [];
    decoder.on("data", (row: { readonly kind: string }) => kinds.push(row.kind));
    const ended = new Promise((resolve) => decoder.on("end", resolve));
    decoder.end(Buffer.from(files[0] ?? []));
    return ended.then(() => {
      assert.deepEqual(kinds, [...rows.map(({ kind }) => kind), "end"]);
    });
  });

  it("that was not synced leaves nothing, and one that was is there after a power cut", () => {
    for (const synced of [false, true]) {
      const fileSystem = new MemoryFileSystem();
      const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
      const writer = directory.begin(headOf(9));
      writer.append(rowsOf(100));
      writer.finish(() => undefined);
      if (synced) fileSystem.pump();
      fileSystem.crash(() => 0);
      const again = new SnapshotDirectory(fileSystem, DIRECTORY);
      assert.equal(again.names.length, synced ? 1 : 0);
      assert.deepEqual(
        fileSystem.list(DIRECTORY).filter((name) => name.endsWith(".tmp")),
        [],
      );
      if (synced) assert.deepEqual(readAll(again), rowsOf(100));
    }
  });

  it("given up amid a write leaves nothing, whenever that is, and is not heard of again", () => {
    const rows = rowsOf(3000, 300);
    for (let pumped = 0; ; pumped += 1) {
      const fileSystem = new MemoryFileSystem();
      const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
      const writer = directory.begin(headOf(9));
      writer.append(rows);
      const told: unknown[] = [];
      writer.finish((error) => told.push(error));
      fileSystem.pump(pumped);
      writer.abort();
      fileSystem.pump();
      assert.equal(fileSystem.openCount, 0);
      assert.deepEqual(
        fileSystem.list(DIRECTORY).map((name) => name.endsWith(".avro")),
        told.length > 0 ? [true] : [],
      );
      if (told.length > 0) {
        assert.ok(pumped > 1, "it takes more than one write");
        return;
      }
      assert.ok(pumped < 10, "it is written as a whole in the end");
    }
  });

  it("is kept beside another one, and goes when there are newer ones, unless it is being sent", () => {
    const fileSystem = new MemoryFileSystem();
    const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
    for (const index of [3, 6, 9, 12]) take(fileSystem, directory, index, rowsOf(10));
    directory.prune(2, (index) => index === 3);
    assert.deepEqual(
      directory.names.map(({ index }) => index),
      [3, 9, 12],
    );
    assert.equal(directory.newest?.index, 12);
  });
});

describe("a snapshot on its way from a leader", () => {
  /** Sends `bytes` from where the receiver is, `size` at a time, as far as `end`. */
  function send(
    directory: SnapshotDirectory,
    info: SnapshotInfo,
    bytes: Uint8Array,
    end: number,
  ): void {
    for (;;) {
      const receiver = directory.receive(info);
      if (receiver.offset >= end) return;
      receiver.write(receiver.offset, bytes.subarray(receiver.offset, receiver.offset + 1000));
    }
  }

  function source(): { readonly info: SnapshotInfo; readonly bytes: Uint8Array } {
    const fileSystem = new MemoryFileSystem();
    const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
    const info = take(fileSystem, directory, 9, rowsOf(400));
    return { info, bytes: directory.read(info, 0, info.size) ?? new Uint8Array() };
  }

  it("goes on after a restart where it was, and is the same file in the end", () => {
    const { info, bytes } = source();
    assert.equal(bytes.length, info.size);
    const fileSystem = new MemoryFileSystem();
    const first = new SnapshotDirectory(fileSystem, DIRECTORY);
    send(first, info, bytes, 5000);
    first.receive(info).write(0, bytes.subarray(0, 10));
    assert.equal(first.receive(info).offset, 5000, "a late part changes nothing");
    first.close();
    const second = new SnapshotDirectory(fileSystem, DIRECTORY);
    const resumed = second.receive(info);
    assert.equal(resumed.offset, 5000);
    const more = bytes.subarray(5000, 6000);
    assert.throws(() => {
      resumed.write(5000, more);
    }, /known before more comes/);
    for (let left = 5; left > 0; left -= 1) {
      assert.equal(resumed.isSummedUp, false, `${left} pieces are still to be read`);
      resumed.sumUp(1000);
    }
    assert.equal(resumed.isSummedUp, true);
    send(second, info, bytes, info.size);
    assert.equal(
      second.receive(info).finish((error) => {
        assert.equal(error, undefined);
      }),
      true,
    );
    fileSystem.pump();
    assert.deepEqual(contents(fileSystem, second.names[0]?.file ?? ""), bytes);
    assert.deepEqual(second.newest, info);
  });

  it("that came damaged is begun anew", () => {
    const { info, bytes } = source();
    const wrong = bytes.slice();
    wrong[2000] = (wrong[2000] ?? 0) ^ 1;
    const fileSystem = new MemoryFileSystem();
    const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
    send(directory, info, wrong, info.size);
    const receiver = directory.receive(info);
    assert.equal(
      receiver.finish(() => undefined),
      false,
    );
    assert.equal(receiver.offset, 0);
    send(directory, info, bytes, info.size);
    assert.equal(
      directory.receive(info).finish(() => undefined),
      true,
    );
  });
});

describe("a log behind a snapshot", () => {
  const LOG = "/data/log";
  const open = (fileSystem: MemoryFileSystem, options: object = {}): SegmentedLog =>
    SegmentedLog.open({
      ...{ fileSystem, directory: LOG, clusterId: CLUSTER_ID, segmentSizeBytes: 4096 },
      ...options,
    }).log;
  const entries = putEntries(NOTHING, 400, randomOf(7), 100);

  function filled(fileSystem: MemoryFileSystem, options: object = {}): SegmentedLog {
    const log = open(fileSystem, options);
    log.append(entries);
    log.flush();
    fileSystem.pump();
    return log;
  }

  it("begins with the segment that holds what follows, and says what it chains to", () => {
    const fileSystem = new MemoryFileSystem();
    const log = filled(fileSystem);
    log.compactTo(LogIndex(200));
    const { firstIndex } = log;
    assert.ok(firstIndex > 1 && firstIndex <= 201, `first ${firstIndex}`);
    const before = entries[firstIndex - 2];
    assert.deepEqual(
      [log.term(LogIndex(firstIndex - 1)), log.checksum(LogIndex(firstIndex - 1))],
      [before?.term, before?.checksum],
    );
    assert.deepEqual(log.read(firstIndex, LogIndex(400), Infinity), entries.slice(firstIndex - 1));
    log.close();
    const at = entries[199];
    assert.ok(at !== undefined);
    const again = open(fileSystem, { base: at });
    assert.deepEqual([again.firstIndex, again.lastIndex], [firstIndex, 400]);
  });

  it("goes when its cut is durable, not before", () => {
    const fileSystem = new MemoryFileSystem();
    const log = open(fileSystem);
    log.append(entries);
    log.flush();
    log.compactTo(LogIndex(200));
    assert.equal(log.firstIndex, 1);
    fileSystem.pump();
    log.compactTo(LogIndex(200));
    assert.ok(log.firstIndex > 1);
  });

  it("is out of use when its cut does not become durable", () => {
    const fileSystem = new MemoryFileSystem();
    const log = open(fileSystem);
    fileSystem.fail(({ kind }) => (kind === "datasyncLater" ? "EIO" : undefined));
    log.append(entries);
    log.flush();
    fileSystem.pump();
    for (const operation of [log.flush.bind(log), log.compactTo.bind(log, LogIndex(9))])
      assert.throws(operation, { code: "STORAGE_FAILED" });
  });

  it("is cut by the next start wherever it stands, should the power go before", () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const fileSystem = new MemoryFileSystem();
      const log = open(fileSystem);
      log.append(entries);
      log.flush();
      fileSystem.crash(randomOf(seed));
      const again = open(fileSystem);
      assert.deepEqual(again.read(LogIndex(1), LogIndex(400), Infinity), entries);
      again.close();
      for (const name of fileSystem.list(LOG)) {
        if (!name.endsWith(".avro")) continue;
        assert.notEqual(
          fileSystem.contents(`${LOG}/${name}`).at(-1),
          0,
          `${name} ends with a marker`,
        );
      }
    }
  });

  it("without its snapshot is missing entries, and says so", () => {
    const fileSystem = new MemoryFileSystem();
    const log = filled(fileSystem);
    log.compactTo(LogIndex(200));
    log.close();
    assert.throws(() => open(fileSystem), {
      code: "CORRUPTION",
      message: /entries 1 to \d+ are missing/,
    });
  });

  it("that the snapshot contradicts, or does not reach it, starts anew behind it", () => {
    for (const base of [
      { index: LogIndex(900), term: Term(3), checksum: 5 },
      { index: LogIndex(300), term: Term(9), checksum: 5 },
    ]) {
      const fileSystem = new MemoryFileSystem();
      filled(fileSystem).close();
      const log = open(fileSystem, { base });
      assert.deepEqual([log.firstIndex, log.lastIndex], [base.index + 1, base.index]);
      assert.deepEqual(
        [log.term(base.index), log.checksum(base.index)],
        [base.term, base.checksum],
      );
    }
  });

  it("is reset while it runs, and goes on behind the snapshot", () => {
    const fileSystem = new MemoryFileSystem();
    const log = filled(fileSystem);
    const base = { index: LogIndex(0), term: Term(0), checksum: 0 };
    log.reset(base);
    assert.deepEqual([log.firstIndex, log.lastIndex], [1, 0]);
    log.append(entries.slice(0, 3));
    log.flush();
    log.close();
    assert.equal(open(fileSystem).lastIndex, 3);
  });

  it("is behind the snapshot wherever the power goes while it is reset", () => {
    const bases = [
      { index: LogIndex(900), term: Term(3), checksum: 5 },
      { index: LogIndex(150), term: Term(9), checksum: 5 },
    ];
    const outcomes = new Set<number>();
    for (let seed = 0; seed < 120; seed += 1) {
      const base = bases[seed % 2];
      assert.ok(base !== undefined);
      const fileSystem = new MemoryFileSystem();
      const log = filled(fileSystem);
      const random = randomOf(seed);
      fileSystem.haltAt(fileSystem.operationCount + 1 + Math.floor(random() * 60));
      try {
        log.reset(base);
      } catch (error) {
        assert.ok(error instanceof Error && error.cause instanceof Halted, String(error));
      }
      fileSystem.crash(random);
      outcomes.add(fileSystem.list(LOG).filter((name) => !name.endsWith(".tmp")).length);
      const again = open(fileSystem, { base });
      assert.deepEqual([again.firstIndex, again.lastIndex], [base.index + 1, base.index]);
      again.close();
    }
    assert.ok(outcomes.size > 3, `segments left: ${[...outcomes].join(", ")}`);
  });

  it("keeps what it no longer needs as an archive, all of it or up to a size", () => {
    const archived = (fileSystem: MemoryFileSystem): readonly string[] =>
      fileSystem.list(LOG).filter((name) => /^archive-.*\.avro$/.test(name));
    const counts = [
      { keep: "none" },
      { keep: "all" },
      { keep: "size", sizeBytes: 9000 },
      { keep: "time", durationMs: 1e12 },
    ].map((retention) => {
      const fileSystem = new MemoryFileSystem();
      const log = filled(fileSystem, { retention });
      log.compactTo(LogIndex(300));
      return archived(fileSystem).length;
    });
    const [none, all = 0, size = 0, time] = counts;
    assert.equal(none, 0);
    assert.ok(all > 3 && size >= 1 && size < all, counts.join(" "));
    assert.equal(time, all);
  });
});
