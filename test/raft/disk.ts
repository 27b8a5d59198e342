/**
 * A disk that flushes when it is told to, and forgets the rest in a crash.
 *
 * What a Ready hands over is visible to the reader at once (a page cache) and
 * durable after `flush`. A crash keeps what is durable and a prefix, in the
 * order of Ready, of the steps of the first flush in flight.
 */
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Ready } from "../../src/raft/ready.js";
import type { Entry, HardState, LogReader } from "../../src/raft/types.js";

type Write = Pick<Ready, "persistId" | "truncateFrom" | "entries" | "hardState">;

export class Disk implements LogReader {
  #entries: Entry[] = [];
  #durable: Entry[] = [];
  #hardState: HardState = { term: Term(0), vote: undefined };
  #queue: Write[] = [];
  readonly firstIndex = LogIndex(1);
  /** keeps writes waiting */
  isStalled = false;

  get lastIndex(): LogIndex {
    return LogIndex(this.#entries.length);
  }

  term(index: LogIndex): Term {
    return this.at(index)?.term ?? Term(0);
  }

  checksum(index: LogIndex): number {
    return this.at(index)?.checksum ?? 0;
  }

  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[] {
    if (from < 1 || to > this.#entries.length) throw new RangeError("a read beyond the log");
    const entries: Entry[] = [];
    let size = 0;
    for (const entry of this.#entries.slice(from - 1, to)) {
      size += entry.block.length;
      if (size > sizeMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  configurationIndexes(): readonly LogIndex[] {
    return this.#entries.filter(({ kind }) => kind === "configuration").map(({ index }) => index);
  }

  at(index: number): Entry | undefined {
    return this.#entries[index - 1];
  }

  durableAt(index: number): Entry | undefined {
    return this.#durable[index - 1];
  }

  get durableLastIndex(): number {
    return this.#durable.length;
  }

  get durableHardState(): HardState {
    return this.#hardState;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get pendingCount(): number {
    return this.#queue.length;
  }

  write(write: Write): void {
    if (write.persistId === 0) return;
    if (write.truncateFrom !== undefined) this.#entries.length = write.truncateFrom - 1;
    for (const entry of write.entries) {
      if (entry.index !== this.#entries.length + 1) throw new RangeError("a gap in the log");
      this.#entries.push(entry);
    }
    this.#queue.push(write);
  }

  /** Makes the oldest write durable. @returns its persist id, or 0 when none waits */
  flush(): number {
    const write = this.#queue.shift();
    if (write === undefined) return 0;
    this.#keep(write, Infinity);
    return write.persistId;
  }

  /** Loses what is not durable, but for the first `stepCount` steps of the oldest write. */
  crash(stepCount: number): void {
    const write = this.#queue.shift();
    if (write !== undefined) this.#keep(write, stepCount);
    this.#queue = [];
    this.#entries = [...this.#durable];
    this.isStalled = false;
  }

  /** Damage, for planted bugs: what was acknowledged is forgotten. */
  forget(hardState: HardState, entryCount: number): void {
    this.#hardState = hardState;
    this.#durable.length = Math.max(0, this.#durable.length - entryCount);
    this.#entries = [...this.#durable];
  }

  #keep(write: Write, stepCount: number): void {
    let left = stepCount;
    if (write.truncateFrom !== undefined && left > 0) {
      this.#durable.length = Math.min(this.#durable.length, write.truncateFrom - 1);
      left -= 1;
    }
    for (const entry of write.entries) {
      if (left <= 0) return;
      this.#durable.push(entry);
      left -= 1;
    }
    if (write.hardState !== undefined && left > 0) this.#hardState = write.hardState;
  }
}
