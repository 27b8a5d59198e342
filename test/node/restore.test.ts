/** A start makes room for the keys of the log behind its snapshot, before the first of either comes. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { restoreNewest } from "../../src/node/restore.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import type { StateRestore } from "../../src/store/state-restore.js";
import type { StateRow } from "../../src/store/state-row.js";
import { Store } from "../../src/store/store.js";
import { CLUSTER_ID } from "../storage/entries.js";

const DIRECTORY = "/data/snapshots";
const INDEX = LogIndex(50);
const NO_ID = new Uint8Array(0);

/** A snapshot of `keyCount` keys of equal size after `putCount` puts, none of whose history is kept. */
function snapshotOf(keyCount: number, putCount: number): MemoryFileSystem {
  const store = new Store();
  for (let i = 0; i < putCount; i += 1) {
    const key = new Uint8Array(Buffer.from(`key ${String(i % keyCount).padStart(8, "0")}`));
    const value = new Uint8Array(100);
    const put = { kind: "put" as const, key, value, condition: "none" as const };
    store.apply({ id: NO_ID, commands: [put] }, 1000 + i);
  }
  store.apply({ id: NO_ID, commands: [{ kind: "compact", revision: store.revision }] }, 9000);
  const view = store.openView();
  const rows: StateRow[] = [];
  for (let page = view.next(1000); page.length > 0; page = view.next(1000)) rows.push(...page);
  view.close();
  const fileSystem = new MemoryFileSystem();
  const writer = new SnapshotDirectory(fileSystem, DIRECTORY).begin({
    clusterId: CLUSTER_ID,
    index: INDEX,
    term: Term(2),
    checksum: 0xabc,
    revision: store.revision,
    time: 1_700_000_000_000,
    configuration: { voters: [NodeId("n1")], learners: [] },
    configurationIndex: LogIndex(1),
  });
  writer.append(rows);
  writer.finish(assert.ifError);
  fileSystem.pump();
  return fileSystem;
}

/** Restores it with so many times its own bytes of log behind it. @returns the keys that there is room for */
function expectedKeys(fileSystem: MemoryFileSystem, behind: number): number {
  const directory = new SnapshotDirectory(fileSystem, DIRECTORY);
  const name = directory.names.at(-1);
  assert.ok(name !== undefined);
  const size = fileSystem.contents(`${DIRECTORY}/${name.file}`).length;
  const store = new Store();
  const expected: number[] = [];
  let rowCount = 0;
  const restored = restoreNewest({
    directory,
    store: {
      beginRestore: (way): StateRestore => {
        const restore = store.beginRestore(way);
        return {
          expect: (count) => {
            assert.ok(rowCount <= 1, "no key has come yet");
            expected.push(count);
            restore.expect(count);
          },
          add: (row) => {
            rowCount += 1;
            restore.add(row);
          },
          finish: () => {
            restore.finish();
          },
        };
      },
    },
    clock: {
      ...{ now: () => 0, wallTime: () => 0, start: () => undefined, stop: () => undefined },
      ...{ defer: () => undefined, later: () => undefined, idleTime: () => 0 },
    },
    notice: () => undefined,
    sizeBehind: (index) => {
      assert.equal(index, INDEX);
      return behind * size;
    },
  });
  assert.equal(restored?.index, INDEX);
  assert.equal(expected.length, 1);
  return expected[0] ?? 0;
}

describe("a table that is restored has room", () => {
  const alike = (count: number, wanted: number): void => {
    assert.ok(Math.abs(count - wanted) <= 0.1 * wanted, `${count} for ${wanted}`);
  };

  it("for its own keys, when nothing stands behind them", () => {
    alike(expectedKeys(snapshotOf(5000, 5000), 0), 5000);
  });

  it("for as many more as the log has changes, when every change was of a new key", () => {
    alike(expectedKeys(snapshotOf(5000, 5000), 2), 15_000);
  });

  it("for few more, when few changes were of new keys", () => {
    alike(expectedKeys(snapshotOf(500, 5000), 10), 1000);
  });
});
