/**
 * Segments that were not sealed when their node stopped: three of them, A, B and C, at
 * each moment of the flush that makes them durable, whole or with something lost. What
 * recovery makes of them, and what the offline tools say.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { OfflineLog } from "../../src/storage/offline-log.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { WITNESS_PAGE_SIZE } from "../../src/storage/witness.js";
import { CLUSTER_ID, NOTHING, putEntry, type Predecessor } from "./entries.js";

const directory = "/data/log";

/** What is done of the flush. */
const MOMENTS = {
  rolled: 0,
  /** the directory is synced, A's flush under way */
  flushingA: 1,
  flushingB: 2,
  flushingC: 3,
  /** it is told of; A and B have their sealed names, and the directory is not synced */
  told: 4,
} as const;

type Letter = "A" | "B" | "C";

/** Of a log whose process was killed. */
interface Tail {
  readonly fileSystem: MemoryFileSystem;
  readonly path: Readonly<Record<Letter, string>>;
  readonly lastIndex: Readonly<Record<Letter, number>>;
}

function open(fileSystem: MemoryFileSystem) {
  return SegmentedLog.open({
    ...{ fileSystem, directory, clusterId: CLUSTER_ID, segmentSizeBytes: 4096 },
  });
}

/** Of A the first entry is flushed; of the rest as much as the moment says. */
function tailAt(moment: keyof typeof MOMENTS): Tail {
  const fileSystem = new MemoryFileSystem();
  const { log } = open(fileSystem);
  let last: Predecessor = NOTHING;
  const lastIndexes: number[] = [];
  for (let index = 1; index <= 9; index += 1) {
    const entry = putEntry(last, new Uint8Array(700).fill(index));
    const count = segmentsOf(fileSystem).length;
    log.append([entry]);
    if (index === 1) log.flush();
    if (index > 1 && segmentsOf(fileSystem).length > count) lastIndexes.push(index - 1);
    last = entry;
  }
  assert.equal(lastIndexes.length, 2);
  fileSystem.pump();
  log.flushLater((error) => {
    assert.equal(error, undefined);
  });
  fileSystem.pump(MOMENTS[moment]);
  fileSystem.kill();
  const [A = "", B = "", C = ""] = segmentsOf(fileSystem);
  const [a = 0, b = 0] = lastIndexes;
  return { fileSystem, path: { A, B, C }, lastIndex: { A: a, B: b, C: 9 } };
}

function segmentsOf(fileSystem: MemoryFileSystem): readonly string[] {
  const names = fileSystem.list(directory).filter((name) => !name.endsWith(".tmp"));
  return names.map((name) => `${directory}/${name}`);
}

type Change = (tail: Tail) => void;

function contents(letter: Letter, change: (bytes: Uint8Array) => Uint8Array): Change {
  return ({ fileSystem, path }) => {
    fileSystem.damage(path[letter], change);
  };
}

function endLost(letter: Letter): Change {
  return contents(letter, (bytes) => {
    const page = bytes.length - WITNESS_PAGE_SIZE;
    const end = bytes.findLastIndex((byte, at) => byte !== 0 && at < page) + 1;
    return bytes.fill(0, end - 300, page);
  });
}

function headerLost(letter: Letter): Change {
  return contents(letter, (bytes) => bytes.fill(0, 0, 512));
}

function headerFlipped(letter: Letter): Change {
  return contents(letter, (bytes) => bytes.fill((bytes[300] ?? 0) ^ 1, 300, 301));
}

function witnessLost(letter: Letter): Change {
  return contents(letter, (bytes) => bytes.fill(0, bytes.length - WITNESS_PAGE_SIZE));
}

function emptied(letter: Letter): Change {
  return contents(letter, () => new Uint8Array(0));
}

function removed(letter: Letter): Change {
  return ({ fileSystem, path }) => {
    fileSystem.remove(path[letter]);
  };
}

/** The sealed name did not reach the disk. */
function nameLost(letter: Letter): Change {
  return ({ fileSystem, path }) => {
    fileSystem.rename(path[letter], path[letter].replace(/-\d+\.avro$/, ".open"));
  };
}

/** `want`: the segment that the log ends with, whole (`A`) or in part (`A-`); or the one that is refused (`!A`). */
interface Case {
  readonly moment: keyof typeof MOMENTS;
  readonly what: string;
  readonly change: Change;
  readonly want: `${"" | "!"}${Letter}${"" | "-"}`;
}

const nothing: Change = () => undefined;

const CASES: readonly Case[] = [
  // What a process leaves that was killed
  { moment: "rolled", what: "nothing lost", change: nothing, want: "C" },
  { moment: "flushingA", what: "nothing lost", change: nothing, want: "C" },
  { moment: "flushingB", what: "nothing lost", change: nothing, want: "C" },
  { moment: "flushingC", what: "nothing lost", change: nothing, want: "C" },
  { moment: "told", what: "nothing lost", change: nothing, want: "C" },
  // Nothing was told of what is lost
  { moment: "rolled", what: "A's end lost", change: endLost("A"), want: "A-" },
  { moment: "rolled", what: "B's end lost", change: endLost("B"), want: "B-" },
  { moment: "rolled", what: "B's header lost", change: headerLost("B"), want: "A" },
  { moment: "rolled", what: "B's header half written", change: headerFlipped("B"), want: "A" },
  { moment: "rolled", what: "B empty", change: emptied("B"), want: "A" },
  { moment: "rolled", what: "B's name lost", change: removed("B"), want: "A" },
  { moment: "rolled", what: "C's name lost", change: removed("C"), want: "B" },
  { moment: "rolled", what: "C empty", change: emptied("C"), want: "B" },
  { moment: "flushingA", what: "A's end lost", change: endLost("A"), want: "A-" },
  { moment: "flushingA", what: "B's header lost", change: headerLost("B"), want: "A" },
  { moment: "flushingB", what: "B's end lost", change: endLost("B"), want: "B-" },
  { moment: "flushingB", what: "B's header lost", change: headerLost("B"), want: "A" },
  { moment: "flushingB", what: "B's witness lost", change: witnessLost("B"), want: "B" },
  { moment: "flushingB", what: "C empty", change: emptied("C"), want: "B" },
  { moment: "flushingC", what: "C's header lost", change: headerLost("C"), want: "B" },
  // The names that sealing gave, which a power cut may keep or not
  { moment: "told", what: "A's sealed name lost", change: nameLost("A"), want: "C" },
  { moment: "told", what: "B's sealed name lost", change: nameLost("B"), want: "C" },
  // What was durable, and the one behind says so
  { moment: "flushingB", what: "A's end lost", change: endLost("A"), want: "!A" },
  { moment: "flushingB", what: "B's header flipped", change: headerFlipped("B"), want: "!B" },
  { moment: "flushingC", what: "B's end lost", change: endLost("B"), want: "!B" },
  { moment: "flushingC", what: "B's header lost", change: headerLost("B"), want: "!B" },
  { moment: "flushingC", what: "B gone", change: removed("B"), want: "!C" },
  { moment: "told", what: "B gone", change: removed("B"), want: "!C" },
  { moment: "told", what: "C's header lost", change: headerLost("C"), want: "!C" },
  { moment: "told", what: "C empty", change: emptied("C"), want: "!C" },
];

/** Every segment's name and contents. */
function image(fileSystem: MemoryFileSystem): unknown {
  return segmentsOf(fileSystem).map((path) => [path, fileSystem.contents(path)]);
}

/** Opens the log, lets the power go, and opens it again. @returns where it ends */
function recovered(fileSystem: MemoryFileSystem): number {
  const { log } = open(fileSystem);
  const { lastIndex } = log;
  fileSystem.crash(() => 0);
  const again = open(fileSystem);
  assert.equal(again.log.lastIndex, lastIndex);
  assert.equal(again.report.tornByteCount, 0);
  const last = { index: lastIndex, term: 1, checksum: again.log.checksum(lastIndex) };
  again.log.append([putEntry(last, new Uint8Array(700).fill(99))]);
  again.log.close();
  assert.ok(segmentsOf(fileSystem).every((path) => path.endsWith(".avro")));
  return lastIndex;
}

describe("a log's tail", () => {
  for (const { moment, what, change, want } of CASES) {
    const isRefused = want.startsWith("!");
    const letter = want.replace(/[!-]/g, "") as Letter;

    it(`${moment}, ${what}: ${isRefused ? `refused at ${letter}` : `ends with ${want}`}`, () => {
      const tail = tailAt(moment);
      change(tail);
      const { fileSystem } = tail;
      const before = image(fileSystem);
      const offline = OfflineLog.open("/data", { fileSystem });
      const { damages } = offline.verify();
      if (isRefused) {
        const name = tail.path[letter].slice(directory.length + 1);
        assert.throws(
          () => open(fileSystem),
          (error) => {
            assert.ok(error instanceof DatabaseError && error.code === "CORRUPTION", String(error));
            assert.ok(error.message.includes(`segment ${name}: at offset`), error.message);
            return true;
          },
        );
        assert.ok(damages.some(({ torn }) => !torn));
        assert.throws(() => [...offline.entries(LogIndex(1))], { code: "CORRUPTION" });
        assert.deepEqual(image(fileSystem), before);
        return;
      }
      assert.deepEqual(
        damages.filter(({ torn }) => !torn),
        [],
      );
      const indexes = [...offline.entries(LogIndex(1))].map(({ entry }) => entry.index);
      assert.equal(indexes.length, offline.lastIndex);
      assert.deepEqual(image(fileSystem), before);
      const lastIndex = recovered(fileSystem);
      assert.equal(lastIndex, offline.lastIndex, "the offline tools see what recovery keeps");
      const end = tail.lastIndex[letter];
      if (want.endsWith("-")) assert.ok(lastIndex < end && lastIndex >= end - 2, `${lastIndex}`);
      else assert.equal(lastIndex, end);
    });
  }
});
