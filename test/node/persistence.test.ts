/** When a flush is waited for on the event loop, and when it is not. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { Persistence } from "../../src/node/persistence.js";
import { LogIndex, Term, type Entry } from "../../src/raft/types.js";

const ENTRY: Entry = {
  kind: "commands",
  index: LogIndex(1),
  term: Term(1),
  block: new Uint8Array(100),
  checksum: 1,
};

describe("a flush", () => {
  let time: number;
  let flushMs: number;
  let role: "leader" | "follower";
  let isLone: boolean;
  let isSnapshotUnderWay: boolean;
  /** how the next Ready came to the disk */
  let persistNext: () => "on the loop" | "beside it";

  beforeEach(() => {
    [time, flushMs, role, isLone, isSnapshotUnderWay] = [0, 0.2, "follower", true, false];
    const persisted: number[] = [];
    /** flushes beside the loop */
    const underWay: ((error: Error | undefined) => void)[] = [];
    const persistence = new Persistence({
      id: "n1",
      raft: {
        get role() {
          return role;
        },
        persisted: (persistId) => persisted.push(persistId),
        notWritten: () => undefined,
        isWritingHeld: false,
        resumeWriting: () => undefined,
      },
      log: {
        lastIndex: LogIndex(1),
        isRolling: false,
        append: () => undefined,
        truncateSuffix: () => undefined,
        noteFlushed: () => undefined,
        flush: () => (time += flushMs),
        flushLater: (done) => {
          underWay.push(done);
        },
      },
      hardState: { write: () => undefined },
      clock: { now: () => time },
      flushesOnLoop: true,
      isLone: () => isLone,
      isSnapshotUnderWay: () => isSnapshotUnderWay,
      onFlushed: () => undefined,
      fail: (error) => {
        throw error;
      },
      notice: () => undefined,
    });
    let persistId = 0;
    persistNext = () => {
      persistId += 1;
      persistence.persist({ persistId, entries: [ENTRY] });
      persistence.flushAppended();
      const done = underWay.pop();
      if (done !== undefined) {
        assert.ok(!persisted.includes(persistId), "nothing is durable before the disk has said so");
        time += flushMs;
        done(undefined);
      }
      assert.equal(persisted.at(-1), persistId);
      return done !== undefined ? "beside it" : "on the loop";
    };
  });

  for (const one of ["leader", "follower"] as const) {
    it(`of a ${one} to whom nobody else speaks is waited for on the loop`, () => {
      role = one;
      assert.equal(persistNext(), "on the loop");
    });

    it(`of a ${one} goes beside the loop while a snapshot is on its way to the same disk`, () => {
      role = one;
      isSnapshotUnderWay = true;
      assert.equal(persistNext(), "beside it");
      isSnapshotUnderWay = false;
      assert.equal(persistNext(), "on the loop");
    });
  }

  it("of a leader with many writes under way goes beside the loop", () => {
    [role, isLone] = ["leader", false];
    assert.equal(persistNext(), "beside it");
  });

  it("that took long sends the next ones beside the loop, until the disk is fast again", () => {
    for (let i = 0; i < 20; i += 1) assert.equal(persistNext(), "on the loop");
    flushMs = 12;
    assert.equal(persistNext(), "on the loop");
    assert.equal(persistNext(), "beside it");
    flushMs = 0.2;
    let count = 0;
    while (persistNext() === "beside it") count += 1;
    assert.ok(count >= 5 && count <= 30, `${count} flushes`);
  });

  it("that took a little longer than others changes nothing", () => {
    for (let i = 0; i < 20; i += 1) persistNext();
    flushMs = 3;
    assert.equal(persistNext(), "on the loop");
    flushMs = 0.2;
    assert.equal(persistNext(), "on the loop");
  });
});
