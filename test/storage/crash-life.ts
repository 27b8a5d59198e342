/**
 * The life of one log for the crash tests: a seeded run of appends, flushes,
 * truncations, clean stops and restarts, with what must be true of the disk
 * after it was cut short anywhere.
 */
import assert from "node:assert/strict";
import { LogIndex } from "../../src/raft/types.js";
import type { Entry } from "../../src/raft/types.js";
import type { MemoryFileSystem } from "../../src/simulation/memory-file-system.js";
import type { RecoveryReport } from "../../src/storage/log-storage.js";
import { SegmentedLog } from "../../src/storage/segmented-log.js";
import { CLUSTER_ID, NOTHING, putEntry, randomOf, type Predecessor } from "./entries.js";

const DIRECTORY = "/data/log";
const SEGMENT_SIZE = 6000;

export function openLog(fileSystem: MemoryFileSystem): {
  readonly log: SegmentedLog;
  readonly report: RecoveryReport;
} {
  return SegmentedLog.open({
    fileSystem,
    directory: DIRECTORY,
    clusterId: CLUSTER_ID,
    segmentSizeBytes: SEGMENT_SIZE,
  });
}

export function contentOf(log: SegmentedLog): readonly Entry[] {
  if (log.lastIndex < log.firstIndex) return [];
  return log.read(log.firstIndex, log.lastIndex, Infinity);
}

function isPrefix(shorter: readonly Entry[], longer: readonly Entry[]): boolean {
  return (
    shorter.length <= longer.length &&
    shorter.every((entry, i) => entry.checksum === longer[i]?.checksum)
  );
}

/** What the log's user was told, call by call. */
export class Life {
  readonly fileSystem: MemoryFileSystem;
  readonly #random: () => number;
  /** what was appended; a call that has not returned counts as made */
  #entries: Entry[] = [];
  /** the entries before a truncation that has not returned */
  #beforeTruncation: readonly Entry[] | undefined;
  /** how many are durable by what a flush has said */
  #flushedCount = 0;
  /** how many an append that returned has written */
  #writtenCount = 0;
  #log: SegmentedLog | undefined;
  #isFlushing = false;
  /** what a later flush came back with */
  #failure: Error | undefined;

  constructor(seed: number, fileSystem: MemoryFileSystem) {
    this.fileSystem = fileSystem;
    this.#random = randomOf(seed);
  }

  /** Lives for `steps` steps. Throws what the file system throws. */
  async run(steps: number): Promise<void> {
    this.#log = openLog(this.fileSystem).log;
    for (let step = 0; step < steps; step++) {
      this.#step();
      this.#log.noteFlushed();
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #step(): void {
    const draw = this.#random();
    if (draw < 0.45) this.#append();
    else if (draw < 0.55) this.#flush();
    else if (draw < 0.75) this.#flushLater();
    else if (draw < 0.87) this.#truncate();
    else if (draw < 0.93) this.#restart();
    else this.fileSystem.pump(1 + Math.floor(this.#random() * 3));
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #openLog(): SegmentedLog {
    assert.ok(this.#log !== undefined);
    return this.#log;
  }

  #append(): void {
    const entries: Entry[] = [];
    const last: Predecessor = this.#entries.at(-1) ?? NOTHING;
    const term = this.#random() < 0.1 ? last.term + 1 : last.term;
    for (let count = 1 + this.#below(4); count > 0; count--) {
      const large = this.#random() < 0.05;
      const value = new Uint8Array(this.#below(large ? 9000 : 1200));
      if (this.#random() < 0.6) value.fill(1 + this.#below(255));
      else if (this.#random() < 0.5) value.fill(9, value.length >> 1);
      entries.push(putEntry(entries.at(-1) ?? last, value, term));
    }
    this.#entries.push(...entries);
    this.#openLog().append(entries);
    this.#writtenCount = this.#entries.length;
  }

  #flush(): void {
    this.#openLog().flush();
    this.#flushedCount = this.#entries.length;
  }

  /** At times let through at once, at times left under way while more is written. */
  #flushLater(): void {
    while (this.#isFlushing) this.fileSystem.pump(1);
    const count = this.#entries.length;
    const entries = this.#entries;
    this.#isFlushing = true;
    this.#openLog().flushLater((error) => {
      this.#isFlushing = false;
      if (error !== undefined) this.#failure = error;
      // a truncation in between makes another array
      else if (this.#entries === entries) this.#flushedCount = Math.max(this.#flushedCount, count);
    });
    this.fileSystem.pump(this.#random() < 0.5 ? Infinity : this.#below(4));
  }

  #truncate(): void {
    if (this.#entries.length === 0) return;
    const near = this.#random() < 0.8 ? Math.min(4, this.#entries.length) : this.#entries.length;
    const keep = this.#entries.length - 1 - this.#below(near);
    this.#beforeTruncation = this.#entries;
    this.#entries = this.#entries.slice(0, keep);
    this.#flushedCount = Math.min(this.#flushedCount, keep);
    this.#writtenCount = keep;
    this.#openLog().truncateSuffix(LogIndex(keep + 1));
    this.#beforeTruncation = undefined;
  }

  #restart(): void {
    this.#openLog().close();
    this.#flushedCount = this.#entries.length;
    const { log, report } = openLog(this.fileSystem);
    this.#log = log;
    assert.equal(report.tornByteCount, 0);
    this.checkExactly(contentOf(log));
  }

  checkExactly(recovered: readonly Entry[]): void {
    assert.equal(recovered.length, this.#entries.length);
    assert.ok(isPrefix(recovered, this.#entries), "the log is what was appended");
  }

  /** What must hold of the log recovered after the machine stopped at any call. */
  check(recovered: readonly Entry[], stop: "power" | "kill"): void {
    const known =
      isPrefix(recovered, this.#entries) ||
      (this.#beforeTruncation !== undefined && isPrefix(recovered, this.#beforeTruncation));
    assert.ok(known, "nothing appears that was not appended, in its order");
    const least = stop === "power" ? this.#flushedCount : this.#writtenCount;
    assert.ok(
      recovered.length >= least,
      `${recovered.length} entries are back, ${least} must be (${stop})`,
    );
  }
}
