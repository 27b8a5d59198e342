import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { CLUSTER_ID, NOTHING, putEntries, randomOf } from "./entries.js";

const directory = "/data/log";

function open(fileSystem: MemoryFileSystem, segmentSizeBytes = 8192) {
  return SegmentedLog.open({ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes });
}

describe("segmented log", () => {
  it("gives back what was appended, before and after a clean stop", () => {
    const fileSystem = new MemoryFileSystem();
    const entries = putEntries(NOTHING, 100, randomOf(1), 400);
    const { log } = open(fileSystem);
    for (const entry of entries) log.append([entry]);
    log.flush();
    assert.deepEqual(log.read(LogIndex(1), LogIndex(100), Infinity), entries);
    log.close();
    const again = open(fileSystem);
    assert.deepEqual(again.log.read(LogIndex(1), LogIndex(100), Infinity), entries);
    assert.equal(again.report.entryCount, 100);
    assert.ok(again.report.segmentCount > 3);
  });
});
