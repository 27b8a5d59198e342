/** A directory followed while its node writes, is replaced by another leader's word, and compacts. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { followLog } from "../../src/console/follow-log.js";
import { DirectorySource } from "../../src/console/log-source.js";
import { LogIndex } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { NOTHING, putEntries, randomOf } from "../storage/entries.js";
import { CLUSTER_ID } from "./fixtures/data-directory.js";

const ENTRIES = putEntries(NOTHING, 60, randomOf(8), 700);

describe("log inspect --follow of a directory", () => {
  let path = "";
  let log: SegmentedLog;

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "balsa-follow-"));
    mkdirSync(join(path, "log"));
    log = SegmentedLog.open({
      fileSystem: new NodeFileSystem(),
      directory: join(path, "log"),
      ...{ clusterId: CLUSTER_ID, segmentSizeBytes: 8192 },
    }).log;
  });
  afterEach(() => {
    log.close();
    rmSync(path, { recursive: true });
  });

  function write(entries: readonly Entry[]): void {
    log.append(entries);
    log.flush();
    log.noteFlushed();
  }

  /** Follows; each time it has caught up the next step is done, and after the last it ends. */
  async function follow(steps: readonly (() => void)[], from = 1) {
    const ending = new AbortController();
    const seen: (readonly [number, number])[] = [];
    const notes: string[] = [];
    const left = [...steps];
    const blocks = followLog(await DirectorySource.open(path), {
      ...{ from, signal: ending.signal },
      onCaughtUp: async () => {
        const step = left.shift();
        if (step === undefined) ending.abort();
        else step();
      },
      note: (line) => notes.push(line),
    });
    for await (const [row] of blocks) {
      if (row !== undefined) seen.push([row.index, row.checksum]);
    }
    return { seen, notes };
  }

  const places = (entries: readonly Entry[]) =>
    entries.map(({ index, checksum }) => [index, checksum] as const);

  it("gives what is there, and then every entry once", async () => {
    write(ENTRIES.slice(0, 5));
    const { seen, notes } = await follow([
      () => {
        write(ENTRIES.slice(5, 6));
      },
      () => {
        write(ENTRIES.slice(6, 40));
      },
      () => {
        write(ENTRIES.slice(40));
      },
    ]);
    assert.deepEqual([seen, notes], [places(ENTRIES), []]);
  });

  it("begins where it is told to, also with what is not there yet", async () => {
    write(ENTRIES.slice(0, 5));
    const { seen } = await follow(
      [
        () => {
          write(ENTRIES.slice(5, 20));
        },
      ],
      10,
    );
    assert.deepEqual(seen, places(ENTRIES.slice(9, 20)));
  });

  it("goes on through seals and a restart", async () => {
    write(ENTRIES.slice(0, 30));
    const { seen } = await follow([
      () => {
        log.close();
        ({ log } = SegmentedLog.open({
          fileSystem: new NodeFileSystem(),
          directory: join(path, "log"),
          ...{ clusterId: CLUSTER_ID, segmentSizeBytes: 8192 },
        }));
        write(ENTRIES.slice(30));
      },
    ]);
    assert.deepEqual(seen, places(ENTRIES));
  });

  it("says when entries were replaced, and gives those in their place", async () => {
    write(ENTRIES.slice(0, 20));
    const others = putEntries({ ...(ENTRIES[9] ?? NOTHING), term: 2 }, 25, randomOf(99), 700);
    const { seen, notes } = await follow([
      () => {
        log.truncateSuffix(LogIndex(11));
        write(others);
      },
    ]);
    assert.deepEqual(seen, [...places(ENTRIES.slice(0, 20)), ...places(others)]);
    assert.deepEqual(notes, ["note: entries from 11 on were replaced by another leader's"]);
  });

  it("is not confused by a compaction behind it", async () => {
    write(ENTRIES.slice(0, 40));
    const { seen, notes } = await follow([
      () => {
        log.compactTo(LogIndex(35));
        write(ENTRIES.slice(40));
      },
    ]);
    assert.deepEqual([seen, notes], [places(ENTRIES), []]);
  });
});
