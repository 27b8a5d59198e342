/** The log's memory: what it hands out, what is flushed, what it lets go of. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { AssertionError } from "../../src/assert.js";
import { RaftLog } from "../../src/raft/log.js";
import { LogIndex, Term } from "../../src/raft/types.js";
import { Disk } from "./disk.js";
import { Random } from "./random.js";
import { sealCommands } from "./seal.js";
import type { Entry } from "../../src/raft/types.js";

/** A log over a disk that takes changes as the driver hands them over. */
class Bench {
  readonly disk = new Disk();
  readonly log: RaftLog;
  #persistId = 0;

  constructor(cacheSizeMax = 1 << 20) {
    this.log = new RaftLog(this.disk, cacheSizeMax);
  }

  append(term: number, payload = "x"): Entry {
    const index = LogIndex(this.log.lastIndex + 1);
    const previousChecksum = this.log.checksum(this.log.lastIndex);
    const entry = sealCommands({ index, term: Term(term), previousChecksum }, payload);
    this.log.append(entry);
    return entry;
  }

  handOut(): number {
    this.#persistId += 1;
    const change = this.log.takeChange(this.#persistId);
    this.disk.write({ persistId: this.#persistId, hardState: undefined, ...change });
    return this.#persistId;
  }

  /** The disk has room for `count` of the entries, and for dropping its suffix unless that is less than 0. */
  handOutPart(count: number): void {
    this.#persistId += 1;
    const { truncateFrom, entries } = this.log.takeChange(this.#persistId);
    const written = entries.slice(0, Math.max(0, count));
    const isTruncated = truncateFrom === undefined || count >= 0;
    this.disk.write({
      persistId: this.#persistId,
      hardState: undefined,
      truncateFrom: isTruncated ? truncateFrom : undefined,
      entries: isTruncated ? written : [],
    });
    const next = entries[written.length]?.index ?? LogIndex(this.log.lastIndex + 1);
    this.log.hold(isTruncated ? next : truncateFrom, isTruncated);
  }

  flush(deliveredIndex = 0): void {
    this.log.persisted(this.disk.flush(), LogIndex(deliveredIndex));
  }
}

describe("raft log", () => {
  it("counts a flush only for what it still covers after a truncation", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i += 1) bench.append(1);
    bench.handOut();
    bench.log.truncate(LogIndex(2));
    for (let i = 0; i < 3; i += 1) bench.append(2);
    bench.handOut();
    bench.flush();
    assert.equal(bench.log.flushedIndex, 1);
    bench.flush();
    assert.equal(bench.log.flushedIndex, 4);
  });

  it("takes back what was flushed when it is truncated", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i += 1) bench.append(1);
    bench.handOut();
    bench.flush();
    bench.log.truncate(LogIndex(3));
    assert.equal(bench.log.flushedIndex, 2);
    bench.append(2);
    assert.equal(bench.log.flushedIndex, 2);
    bench.handOut();
    bench.flush();
    assert.equal(bench.log.flushedIndex, 3);
  });

  it("hands out one truncation for several, at the lowest index", () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i += 1) bench.append(1);
    bench.handOut();
    bench.log.truncate(LogIndex(4));
    bench.append(2);
    bench.log.truncate(LogIndex(2));
    const entry = bench.append(3);
    assert.deepEqual(bench.log.takeChange(9), { truncateFrom: 2, entries: [entry] });
  });

  it("tells nobody of what was appended and dropped between two hand-outs", () => {
    const bench = new Bench();
    bench.append(1);
    bench.handOut();
    bench.append(1);
    bench.log.truncate(LogIndex(2));
    const entry = bench.append(2);
    assert.deepEqual(bench.log.takeChange(9), { truncateFrom: undefined, entries: [entry] });
  });

  it("keeps unflushed entries in memory and lets flushed ones go to fit its size", () => {
    const bench = new Bench(10);
    for (let i = 0; i < 8; i += 1) bench.append(1, "12345");
    bench.handOut();
    const read = bench.log.read(LogIndex(1), LogIndex(8), 1000);
    assert.equal(read.length, 8);
    bench.flush();
    // Two of five bytes stay; the others come from the disk.
    assert.equal(bench.log.read(LogIndex(1), LogIndex(8), 1000).length, 6);
    assert.equal(bench.log.read(LogIndex(7), LogIndex(8), 1000).length, 2);
  });

  it("keeps a quarter of its size of what apply has, and the rest for what it has not", () => {
    for (const [deliveredIndex, fromDisk] of [
      [0, 0],
      [1, 1],
      [5, 5],
      [8, 6],
    ] as const) {
      const bench = new Bench(40);
      for (let i = 0; i < 8; i += 1) bench.append(1, "12345");
      bench.handOut();
      bench.flush(deliveredIndex);
      const count = bench.log.read(LogIndex(1), LogIndex(8), 1000).length;
      assert.equal(count, fromDisk === 0 ? 8 : fromDisk, `${deliveredIndex} delivered`);
    }
  });

  it("reads at least one entry, and no more than fit", () => {
    const bench = new Bench();
    for (let i = 0; i < 4; i += 1) bench.append(1, "1234567890");
    const sizes = [1, 10, 19, 20, 25, 40, 1000].map(
      (sizeMax) => bench.log.read(LogIndex(1), LogIndex(4), sizeMax).length,
    );
    assert.deepEqual(sizes, [1, 1, 1, 2, 2, 4, 4]);
    assert.equal(bench.log.read(LogIndex(2), LogIndex(3), 1000).length, 2);
  });

  it("refuses gaps and falling terms: they would be our own mistake", () => {
    const bench = new Bench();
    bench.append(3);
    const at = { index: LogIndex(3), term: Term(3), previousChecksum: 0 };
    assert.throws(() => {
      bench.log.append(sealCommands(at, "gap"));
    }, AssertionError);
    assert.throws(() => {
      bench.append(2);
    }, AssertionError);
  });

  it("hands out again what found no room, and no flush under way vouches for it", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i += 1) bench.append(1);
    const change = bench.log.takeChange(1);
    bench.disk.write({ persistId: 1, hardState: undefined, ...change });
    bench.log.hold(LogIndex(2), true);
    bench.append(1);
    assert.equal(bench.log.hasChange(), false, "nothing is handed out without room");
    bench.flush();
    assert.equal(bench.log.flushedIndex, 1);
    bench.log.resume();
    assert.equal(bench.log.hasChange(), true);
    const again = bench.log.takeChange(2);
    assert.equal(again.truncateFrom, undefined);
    assert.deepEqual(
      again.entries.map(({ index }) => index),
      [2, 3, 4],
    );
    bench.log.persisted(2, LogIndex(0));
    assert.equal(bench.log.flushedIndex, 4);
  });

  it("asks again for a truncation that found no room, and for a lower one that came meanwhile", () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i += 1) bench.append(1);
    bench.handOut();
    bench.flush();
    bench.log.truncate(LogIndex(4));
    bench.append(2);
    assert.equal(bench.log.takeChange(2).truncateFrom, 4);
    bench.log.hold(LogIndex(4), false);
    bench.log.truncate(LogIndex(3));
    bench.append(3);
    bench.log.resume();
    const { truncateFrom, entries } = bench.log.takeChange(3);
    assert.equal(truncateFrom, 3);
    assert.deepEqual(
      entries.map(({ index, term }) => [index, term]),
      [[3, 3]],
    );
    bench.log.persisted(2, LogIndex(0));
    assert.equal(bench.log.flushedIndex, 2, "the flush of what was held vouches for nothing");
    bench.log.persisted(3, LogIndex(0));
    assert.equal(bench.log.flushedIndex, 3);
  });

  it("forgets what waits for room when a snapshot takes its place", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i += 1) bench.append(1);
    bench.log.takeChange(1);
    bench.log.hold(LogIndex(1), true);
    bench.log.reset({ index: LogIndex(9), term: Term(2), checksum: 7 });
    assert.equal(bench.log.isHeld, false);
    assert.equal(bench.log.hasChange(), false);
  });

  it("agrees with a plain array through any life", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Random(seed);
      const bench = new Bench(random.pick([0, 20, 1000]));
      let plain: Entry[] = [];
      let term = 1;
      for (let i = 0; i < 100; i += 1) {
        if (random.chance(0.5)) plain.push(bench.append(term, "x".repeat(random.below(9))));
        else if (random.chance(0.3)) {
          bench.log.resume();
          if (!bench.log.hasChange()) continue;
          if (random.chance(0.7)) bench.handOut();
          else bench.handOutPart(random.below(4) - 1);
        } else if (random.chance(0.5)) bench.flush(random.pick([0, bench.log.flushedIndex]));
        else if (plain.length > 0 && random.chance(0.3)) {
          const from = LogIndex(1 + random.below(plain.length));
          bench.log.truncate(from);
          plain = plain.slice(0, from - 1);
          term += 1;
        }
        check(bench, plain, seed);
      }
    }
  });
});

function check(bench: Bench, plain: readonly Entry[], seed: number): void {
  const { log, disk } = bench;
  assert.equal(log.lastIndex, plain.length, `seed ${seed}`);
  for (let index = 1; index <= log.flushedIndex; index += 1) {
    const durable = disk.durableChecksum(index);
    assert.equal(durable, plain[index - 1]?.checksum, `seed ${seed}: flushed is durable`);
  }
  const read: Entry[] = [];
  while (read.length < plain.length) {
    read.push(...log.read(LogIndex(read.length + 1), log.lastIndex, 30));
  }
  assert.deepEqual(read, plain, `seed ${seed}`);
  for (const entry of plain) {
    assert.equal(log.term(entry.index), entry.term);
    assert.equal(log.checksum(entry.index), entry.checksum);
  }
}
