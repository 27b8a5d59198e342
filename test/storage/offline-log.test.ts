import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { LogIndex } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { OfflineLog } from "../../src/storage/offline-log.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { CLUSTER_ID, NOTHING, putEntries, putEntry, randomOf } from "./entries.js";

const ENTRIES = putEntries(NOTHING, 40, randomOf(1), 900);

describe("offline log", () => {
  let root = "";
  let path = "";
  let count = 0;
  let log: SegmentedLog | undefined;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "balsa-offline-"));
  });
  beforeEach(() => {
    path = join(root, String(++count));
  });
  afterEach(() => {
    log?.close();
    log = undefined;
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  function running(entries: readonly Entry[] = ENTRIES): SegmentedLog {
    log = SegmentedLog.open({
      fileSystem: new NodeFileSystem(),
      directory: join(path, "log"),
      clusterId: CLUSTER_ID,
      segmentSizeBytes: 8192,
    }).log;
    log.append(entries);
    log.flush();
    return log;
  }

  function stopped(entries: readonly Entry[] = ENTRIES): void {
    running(entries).close();
    log = undefined;
  }

  function segments(): readonly string[] {
    const names = readdirSync(join(path, "log")).filter((name) => !name.endsWith(".tmp"));
    return names.sort().map((name) => join(path, "log", name));
  }

  /** Every name with its bytes and times; the name alone of what a thread of the node may be filling. */
  function snapshot(): readonly string[] {
    return readdirSync(path, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        if (name.endsWith(".tmp")) return name;
        const stat = statSync(join(path, name), { bigint: true });
        const bytes = stat.isFile() ? readFileSync(join(path, name), "base64") : "";
        return `${name} ${stat.mtimeNs} ${stat.ctimeNs} ${bytes}`;
      });
  }

  function indexes(offline: OfflineLog, from: number): readonly number[] {
    return [...offline.entries(LogIndex(from))].map(({ entry }) => entry.index);
  }

  for (const state of ["stopped", "running"] as const) {
    it(`reads a ${state} node's log and changes nothing`, () => {
      if (state === "stopped") stopped();
      else running();
      const before = snapshot();
      const offline = OfflineLog.open(path);
      assert.deepEqual([offline.firstIndex, offline.lastIndex], [1, 40]);
      assert.equal(offline.identity, undefined);
      const read = [...offline.entries(LogIndex(1))];
      assert.deepEqual(
        read.map(({ entry }) => entry),
        ENTRIES,
      );
      for (const { entry, file, offset } of read) {
        const bytes = readFileSync(file).subarray(offset, offset + entry.block.length);
        assert.equal(Buffer.compare(bytes, entry.block), 0);
      }
      for (const from of [2, 17, 39, 40]) {
        assert.deepEqual(
          indexes(offline, from),
          ENTRIES.slice(from - 1).map(({ index }) => index),
        );
      }
      assert.deepEqual(indexes(offline, 41), []);
      for (const { index, term, checksum } of ENTRIES)
        assert.deepEqual(offline.checksumAt(index), { term, checksum });
      assert.deepEqual(offline.checksumAt(LogIndex(0)), { term: 0, checksum: 0 });
      assert.equal(offline.checksumAt(LogIndex(41)), undefined);
      const told: number[] = [];
      const report = offline.verify((done, all) => {
        assert.ok(done <= all);
        told.push(done);
      });
      assert.deepEqual(report.damages, []);
      assert.equal(report.entryCount, 40);
      assert.equal(report.segmentCount, told.length);
      assert.equal(report.checksum, ENTRIES.at(-1)?.checksum);
      offline.close();
      assert.deepEqual(snapshot(), before);
    });
  }

  it("goes on reading when its node seals, opens and adds segments meanwhile", () => {
    const node = running(ENTRIES.slice(0, 6));
    const offline = OfflineLog.open(path);
    assert.equal(offline.lastIndex, 6);
    const iterator = offline.entries(LogIndex(1));
    const start = iterator.next();
    assert.ok(start.done !== true);
    assert.equal(start.value.entry.index, 1);
    node.append(ENTRIES.slice(6));
    node.close();
    log = undefined;
    assert.deepEqual(
      [...iterator].map(({ entry }) => entry.index),
      [2, 3, 4, 5, 6],
    );
    assert.deepEqual(indexes(offline, 3), [3, 4, 5, 6]);
    assert.deepEqual(offline.verify().damages, []);
  });

  it("is empty for an empty log, and refused for a directory without one", () => {
    assert.throws(() => OfflineLog.open(path), { code: "INVALID_ARGUMENT", message: /no log/ });
    mkdirSync(join(path, "log"), { recursive: true });
    const offline = OfflineLog.open(path);
    assert.deepEqual([offline.firstIndex, offline.lastIndex], [1, 0]);
    assert.deepEqual([...offline.entries(LogIndex(1))], []);
    assert.deepEqual(offline.verify(), {
      segmentCount: 0,
      entryCount: 0,
      byteCount: 0,
      firstIndex: 1,
      lastIndex: 0,
      checksum: 0,
      damages: [],
    });
  });

  it("tells every damage with file, offset and index, and reads up to it", () => {
    stopped();
    const files = segments();
    const second = files[1] ?? "";
    const bytes = readFileSync(second);
    bytes[4000] = (bytes[4000] ?? 0) ^ 1;
    writeFileSync(second, bytes);
    const first = Number(/(\d{20})-/.exec(second)?.[1]);
    const offline = OfflineLog.open(path);
    const { damages, entryCount } = offline.verify();
    assert.equal(damages.length, 1);
    const [damage] = damages;
    assert.equal(damage?.file, second);
    assert.equal(damage.torn, false);
    assert.ok(damage.offset <= 4000 && damage.index >= first);
    assert.match(damage.reason, /checksum/);
    assert.ok(entryCount > 20 && entryCount < 40);
    const read: number[] = [];
    assert.throws(
      () => {
        for (const { entry } of offline.entries(LogIndex(1))) read.push(entry.index);
      },
      { code: "CORRUPTION", message: new RegExp(`where entry ${damage.index} should stand`) },
    );
    assert.equal(read.at(-1), damage.index - 1);
    // what lies behind the damage can still be asked for
    assert.equal(offline.checksumAt(LogIndex(40))?.checksum, ENTRIES.at(-1)?.checksum);
  });

  it("tells what is missing", () => {
    stopped();
    const files = segments();
    renameSync(files[1] ?? "", join(root, `gone-${count}`));
    const middle = OfflineLog.open(path).verify();
    assert.match(middle.damages[0]?.reason ?? "", /entries \d+ to \d+ are missing/);
    renameSync(files[0] ?? "", join(root, `gone-too-${count}`));
    const start = OfflineLog.open(path).verify();
    assert.match(start.damages[0]?.reason ?? "", /are missing and there is no snapshot/);
  });

  it("calls a torn write torn", () => {
    const node = running(ENTRIES.slice(0, 3));
    const next = putEntry(ENTRIES[2] ?? NOTHING, new Uint8Array(1000).fill(1));
    node.append([next]);
    const [file = ""] = segments();
    const bytes = readFileSync(file);
    const offset = bytes.indexOf(Buffer.from(next.block));
    bytes.fill(0, offset + 400, offset + 900);
    writeFileSync(file, bytes);
    const offline = OfflineLog.open(path);
    assert.equal(offline.lastIndex, 3);
    const { damages } = offline.verify();
    assert.deepEqual(
      damages.map(({ torn, index, offset: at }) => ({ torn, index, at })),
      [{ torn: true, index: 4, at: offset }],
    );
    assert.deepEqual(indexes(offline, 1), [1, 2, 3]);
    node.truncateSuffix(LogIndex(4));
  });
});
