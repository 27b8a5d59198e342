/** Saves: shared by those who ask together, out of the way of the node's own snapshots, harmless when the disk is not. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { beforeEach, describe, it } from "mocha";
import type { SavedSnapshot } from "../../src/codec/inspection-message.js";
import type { DatabaseError } from "../../src/errors.js";
import type { Clock } from "../../src/node/clock.js";
import { Saves } from "../../src/node/saves.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import { readSnapshot } from "../../src/storage/kept-snapshot.js";
import { Store } from "../../src/store/store.js";
import { put, request } from "../store/requests.js";

/** Time that moves when it is told to, and tasks that run when they are told to. */
class ManualClock implements Clock {
  time = 0;
  readonly tasks: (() => void)[] = [];
  now(): number {
    return this.time;
  }
  wallTime(): number {
    return this.time;
  }
  start(): void {
    // Ticks are given by hand.
  }
  stop(): void {
    // Ticks are given by hand.
  }
  defer(task: () => void): void {
    this.tasks.push(task);
  }
  later(_delayMs: number, task: () => void): void {
    this.tasks.push(task);
  }
  idleTime(): number {
    return this.time;
  }
  /** Runs tasks, and those that they make, until none is left. @returns how many there were */
  run(countMax = Infinity): number {
    let count = 0;
    for (; count < countMax; count += 1) {
      const task = this.tasks.shift();
      if (task === undefined) break;
      task();
    }
    return count;
  }
}

type Answer = readonly [DatabaseError | undefined, SavedSnapshot | undefined];

describe("saves", () => {
  let clock: ManualClock;
  let store: Store;
  let fileSystem: MemoryFileSystem;
  let saves: Saves;
  let answers: Answer[];
  let notices: string[];

  beforeEach(() => {
    clock = new ManualClock();
    store = new Store();
    fileSystem = new MemoryFileSystem();
    fileSystem.makeDirectory("/data/snapshots");
    answers = [];
    notices = [];
    saves = begin();
    fill("a", 300);
  });

  function begin(): Saves {
    return new Saves({
      ...{ clusterId: "0".repeat(32), store, fileSystem, dataDirectory: "/data", clock },
      raft: {
        configurationAt: () => ({
          index: LogIndex(0),
          configuration: { voters: [NodeId("n1")], learners: [] },
        }),
      },
      read: (_deadline, done) => {
        clock.defer(() => {
          done(undefined, store);
        });
      },
      notice: (line) => notices.push(line),
      lastApplied: () => ({ index: LogIndex(store.revision), term: Term(1), checksum: 7 }),
    });
  }

  function fill(prefix: string, count: number): void {
    for (let i = 0; i < count; i += 1)
      store.apply(request(put(`${prefix}${i}`, "x".repeat(2000))), 1);
  }

  function ask(timeoutMs = 1_000_000): void {
    saves.save(timeoutMs, (error, saved) => answers.push([error, saved]));
  }

  /** Lets all go on, the disk too. @returns tasks there were */
  function settle(): number {
    for (let count = 0; ;) {
      count += clock.run();
      if (fileSystem.pump() === 0) return count;
    }
  }

  function names(): readonly string[] {
    fileSystem.pump();
    return fileSystem.list("/data/snapshots");
  }

  /** All bytes of a save, read in parts. */
  function fetch(saved: SavedSnapshot): Buffer {
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < saved.size;) {
      const part = saves.readSaved(saved.index, offset, 10_000);
      assert.ok(part !== undefined && part.length > 0);
      parts.push(part);
      offset += part.length;
    }
    return Buffer.concat(parts);
  }

  it("hold the moment they were asked for, while the store goes on", () => {
    ask();
    clock.run(1);
    assert.ok(store.hasView);
    const revision = store.revision;
    fill("b", 50);
    settle();
    const [error, saved] = answers[0] ?? [];
    assert.equal(error, undefined);
    assert.equal(saved?.revision, revision);
    const bytes = fetch(saved);
    assert.equal(crc32(bytes), saved.fileChecksum);
    assert.ok(!store.hasView);
    assert.deepEqual(saves.readSaved(saved.index, saved.size, 10), new Uint8Array(0));
    assert.equal(saves.readSaved(saved.index + 1, 0, 10), undefined);
    const found = readSnapshot(
      `/data/snapshots/${names()[0] ?? ""}`,
      undefined,
      undefined,
      fileSystem,
    );
    assert.deepEqual([found.keyCount, found.head.revision], [300, revision]);
  });

  it("are written in slices between which others have their turn", () => {
    fill("c", 3000);
    ask();
    assert.ok(settle() > 4);
  });

  it("are written beside the loop, no faster than the disk, which is synced every other mebibyte", () => {
    fill("c", 4000);
    const done: string[] = [];
    fileSystem.fail(({ kind }) => {
      done.push(kind);
      return undefined;
    });
    ask();
    clock.run();
    // The disk answers nothing: what is under way, and as much again, and no more.
    assert.deepEqual([fileSystem.deferredCount, store.hasView, answers.length], [1, true, 0]);
    assert.deepEqual(
      done.filter((kind) => kind !== "open" && kind !== "exists"),
      ["writeLater"],
    );
    settle();
    const size = answers[0]?.[1]?.size ?? 0;
    const syncs = done.filter((kind) => kind === "datasyncLater").length;
    assert.deepEqual([size > 8_000_000, syncs], [true, Math.floor(size / (2 * 1024 * 1024))]);
  });

  it("end while the disk is waited for, whether it says yes or no then", () => {
    for (const answer of [undefined, "EIO"] as const) {
      fill(`c${answer ?? ""}`, 1000);
      ask();
      clock.run();
      assert.equal(fileSystem.deferredCount, 1);
      saves.close();
      fileSystem.fail(({ kind }) => (kind === "writeLater" ? answer : undefined));
      settle();
      fileSystem.fail(() => undefined);
      assert.deepEqual([answers.at(-1)?.[0]?.code, names()], ["CLOSED", []]);
      assert.ok(!store.hasView);
      saves = begin();
    }
  });

  it("who asks while one is written shares the next one", () => {
    ask();
    clock.run(1);
    assert.ok(store.hasView);
    fill("b", 1);
    ask();
    ask();
    settle();
    saves.look();
    settle();
    const indexes = answers.map(([, saved]) => saved?.index);
    assert.deepEqual(indexes, [301, 302, 302]);
    assert.equal(names().length, 1);
    // Nothing has changed since: what is there will do.
    ask();
    assert.equal(settle(), 1);
    assert.equal(answers[3]?.[1], answers[2]?.[1]);
  });

  it("wait for a view of the node's own snapshot, and it is said once", () => {
    const view = store.openView();
    ask();
    settle();
    saves.look();
    assert.deepEqual([answers.length, names().length, notices.length], [0, 0, 1]);
    view.close();
    saves.look();
    settle();
    assert.equal(answers.length, 1);
  });

  it("fail alone when the disk refuses, and leave nothing", () => {
    fill("c", 2000);
    for (const refused of ["writeLater", "datasyncLater"]) {
      fileSystem.fail(({ kind }) => (kind === refused ? "ENOSPC" : undefined));
      ask();
      settle();
      assert.deepEqual([answers.at(-1)?.[0]?.code, names()], ["STORAGE_FAILED", []], refused);
      assert.ok(!store.hasView);
    }
    fileSystem.fail(() => undefined);
    ask();
    settle();
    assert.equal(answers.at(-1)?.[0], undefined);
    fileSystem.fail(({ kind }) => (kind === "open" ? "EMFILE" : undefined));
    fill("b", 1);
    ask();
    settle();
    assert.equal(answers.at(-1)?.[0]?.code, "STORAGE_FAILED");
  });

  it("answer a disk that refuses to be read with an error for the asker, not for the node", () => {
    ask();
    settle();
    const index = answers[0]?.[1]?.index ?? 0;
    const name = `${"0".repeat(20)}-${"0".repeat(20)}.avro`;
    fileSystem.open(`/data/snapshots/${name}`, "create").close();
    fileSystem.fail(({ kind }) => (kind === "open" ? "EMFILE" : undefined));
    assert.throws(() => saves.held(), { name: "DatabaseError", code: "BUSY" });
    fileSystem.fail(({ kind }) => (kind === "read" ? "EIO" : undefined));
    assert.throws(() => saves.held(), { name: "DatabaseError", code: "STORAGE_FAILED" });
    const read = (): unknown => saves.readSaved(index, 0, 1);
    assert.throws(read, { name: "DatabaseError", code: "STORAGE_FAILED" });
  });

  it("go when nobody has read of them for a minute", () => {
    ask();
    settle();
    const index = answers[0]?.[1]?.index ?? 0;
    clock.time = 59_000;
    saves.look();
    assert.notEqual(saves.readSaved(index, 0, 1), undefined);
    clock.time = 118_000;
    saves.look();
    assert.notEqual(saves.readSaved(index, 0, 1), undefined);
    clock.time = 178_000;
    saves.look();
    assert.equal(saves.readSaved(index, 0, 1), undefined);
    assert.deepEqual(names(), []);
  });

  it("give what they held back a piece at a time, each on disk before the next", () => {
    fill("c", 4000);
    ask();
    settle();
    const done: string[] = [];
    fileSystem.fail(({ kind }) => {
      done.push(kind);
      return undefined;
    });
    clock.time = 60_000;
    saves.look();
    // Its name is free at once, and nothing of it is given back on the loop.
    assert.deepEqual(done, ["exists", "rename", "size", "truncateLater"]);
    const size = answers[0]?.[1]?.size ?? 0;
    const steps = Math.ceil(size / (2 * 1024 * 1024)) - 1;
    assert.deepEqual(names(), []);
    assert.ok(steps >= 3);
    const pieces = Array.from({ length: steps }, () => ["truncateLater", "datasyncLater"]).flat();
    assert.deepEqual(done.slice(3), [...pieces, "removeLater", "list"]);
  });

  it("whose pieces the disk does not take go as a whole, or with the next start", () => {
    for (const refused of [
      ["truncateLater"],
      ["datasyncLater"],
      ["truncateLater", "removeLater"],
    ]) {
      fileSystem.fail(() => undefined);
      fill(`c${refused.join("")}`, 4000);
      ask();
      settle();
      fileSystem.fail(({ kind }) => (refused.includes(kind) ? "EIO" : undefined));
      clock.time += 60_000;
      saves.look();
      assert.equal(names().length, refused.length - 1);
    }
  });

  it("are waited for as long as was said, and what is written meanwhile is there for the next", () => {
    const view = store.openView();
    ask(100);
    ask();
    settle();
    clock.time = 99;
    saves.look();
    assert.equal(answers.length, 0);
    clock.time = 100;
    saves.look();
    assert.deepEqual(
      answers.map(([error]) => error?.code),
      ["TIMEOUT"],
    );
    view.close();
    saves.look();
    settle();
    assert.notEqual(answers[1]?.[1], undefined);

    fill("b", 300);
    ask(100);
    clock.run(1);
    saves.look();
    clock.time = 300;
    saves.look();
    assert.equal(answers[2]?.[0]?.code, "TIMEOUT");
    settle();
    assert.equal(answers.length, 3);
    ask(100);
    clock.run(1);
    assert.equal(answers[3]?.[1]?.revision, store.revision);
  });

  it("end with the node: who waits is told, the file goes", () => {
    ask();
    settle();
    fill("b", 1);
    ask();
    clock.run(1);
    ask();
    saves.close();
    settle();
    assert.deepEqual(
      answers.slice(1).map(([error]) => error?.code),
      ["CLOSED", "CLOSED"],
    );
    assert.deepEqual(names(), []);
    assert.ok(!store.hasView);
    ask();
    settle();
    assert.equal(answers.at(-1)?.[0]?.code, "CLOSED");
  });
});
