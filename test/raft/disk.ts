/**
 * A disk that flushes when it is told to, and forgets the rest in a crash.
 *
 * What a Ready hands over is visible to the reader at once (a page cache) and
 * durable after `flush`. A crash keeps what is durable and a prefix, in the
 * order of Ready, of the steps of the first flush in flight. Compaction and a
 * reset by a snapshot are durable at once, as they are on the real one.
 */
import { LogIndex, Term } from "../../src/raft/types.js";
import type { Ready } from "../../src/raft/ready.js";
import type { Configuration, Entry, HardState, LogReader } from "../../src/raft/types.js";

type Write = Pick<Ready, "persistId" | "truncateFrom" | "entries" | "hardState">;

/** The end of what was compacted, or the snapshot that the log starts behind. */
export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
  readonly configuration: Configuration;
  readonly configurationIndex: LogIndex;
}

/** A log from its base on. */
class LogImage {
  base: LogBase;
  entries: Entry[];

  constructor(base: LogBase, entries: Entry[] = []) {
    this.base = base;
    this.entries = entries;
  }

  get lastIndex(): number {
    return this.base.index + this.entries.length;
  }

  at(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1];
  }

  checksum(index: number): number | undefined {
    return index === this.base.index ? this.base.checksum : this.at(index)?.checksum;
  }

  truncate(from: number): void {
    if (from <= this.base.index) throw new RangeError("a truncation of what was compacted");
    this.entries.length = Math.min(this.entries.length, from - 1 - this.base.index);
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new RangeError("a gap in the log");
    this.entries.push(entry);
  }

  /** The configuration in force at `index`, and where it came from. */
  configurationAt(index: number): Pick<LogBase, "configuration" | "configurationIndex"> {
    for (let at = Math.min(index, this.lastIndex); at > this.base.index; at -= 1) {
      const entry = this.at(at);
      if (entry?.kind !== "configuration") continue;
      return { configuration: entry.configuration, configurationIndex: entry.index };
    }
    return this.base;
  }

  compactTo(index: number): void {
    const last = this.at(index);
    if (last === undefined) return;
    const { term, checksum } = last;
    const { configuration, configurationIndex } = this.configurationAt(index);
    const base = { index: last.index, term, checksum, configuration, configurationIndex };
    this.entries = this.entries.slice(index - this.base.index);
    this.base = base;
  }
}

export class Disk implements LogReader {
  #cached: LogImage;
  #durable: LogImage;
  #hardState: HardState = { term: Term(0), vote: undefined };
  #queue: Write[] = [];
  /** keeps writes waiting */
  isStalled = false;

  /** @param founding the configuration before the log */
  constructor(founding: Configuration = { voters: [], learners: [] }) {
    const none = LogIndex(0);
    const base: LogBase = {
      ...{ index: none, term: Term(0), checksum: 0 },
      ...{ configuration: founding, configurationIndex: none },
    };
    this.#cached = new LogImage(base);
    this.#durable = new LogImage(base);
  }

  get base(): LogBase {
    return this.#cached.base;
  }

  get firstIndex(): LogIndex {
    return LogIndex(this.#cached.base.index + 1);
  }

  get lastIndex(): LogIndex {
    return LogIndex(this.#cached.lastIndex);
  }

  term(index: LogIndex): Term {
    return index === this.base.index ? this.base.term : (this.at(index)?.term ?? Term(0));
  }

  checksum(index: LogIndex): number {
    return this.#cached.checksum(index) ?? 0;
  }

  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[] {
    if (from < this.firstIndex || to > this.lastIndex)
      throw new RangeError("a read beyond the log");
    const { index } = this.base;
    const entries: Entry[] = [];
    let size = 0;
    for (const entry of this.#cached.entries.slice(from - index - 1, to - index)) {
      size += entry.block.length;
      if (size > sizeMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  configurationIndexes(): readonly LogIndex[] {
    return this.#cached.entries
      .filter(({ kind }) => kind === "configuration")
      .map(({ index }) => index);
  }

  at(index: number): Entry | undefined {
    return this.#cached.at(index);
  }

  /** The checksum at an index that a crash cannot take away. */
  durableChecksum(index: number): number | undefined {
    return this.#durable.checksum(index);
  }

  durableTerm(index: number): Term | undefined {
    const { base } = this.#durable;
    return index === base.index ? base.term : this.#durable.at(index)?.term;
  }

  get durableLastIndex(): number {
    return this.#durable.lastIndex;
  }

  get durableHardState(): HardState {
    return this.#hardState;
  }

  /** What of the log was not compacted. */
  get entries(): readonly Entry[] {
    return this.#cached.entries;
  }

  get pendingCount(): number {
    return this.#queue.length;
  }

  configurationAt(index: number): Pick<LogBase, "configuration" | "configurationIndex"> {
    return this.#cached.configurationAt(index);
  }

  write(write: Write): void {
    if (write.persistId === 0) return;
    if (write.truncateFrom !== undefined) this.#cached.truncate(write.truncateFrom);
    for (const entry of write.entries) this.#cached.append(entry);
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
    this.#cached = new LogImage(this.#durable.base, [...this.#durable.entries]);
    this.isStalled = false;
  }

  /** Drops entries up to `index` (inclusive), of those that are durable. */
  compactTo(index: number): void {
    const last = Math.min(index, this.#durable.lastIndex);
    if (this.#durable.checksum(last) !== this.#cached.checksum(last)) return;
    this.#durable.compactTo(last);
    this.#cached.compactTo(last);
  }

  /** A snapshot takes the log's place. What waits to be flushed of the log is void. */
  reset(base: LogBase): void {
    this.#cached = new LogImage(base);
    this.#durable = new LogImage(base);
    this.#queue = this.#queue.map((write) => ({ ...write, truncateFrom: undefined, entries: [] }));
  }

  /** At the start, with the newest snapshot: a log that does not hold its last entry starts anew behind it. */
  recover(snapshot: LogBase): void {
    const { base } = this.#durable;
    if (base.index > snapshot.index) throw new RangeError("a gap between snapshot and log");
    if (this.#durable.checksum(snapshot.index) !== snapshot.checksum) this.reset(snapshot);
  }

  /** Damage, for planted bugs: what was acknowledged is forgotten. */
  forget(hardState: HardState, entryCount: number): void {
    this.#hardState = hardState;
    const { base, entries } = this.#durable;
    const kept = entries.slice(0, Math.max(0, entries.length - entryCount));
    this.#durable = new LogImage(base, kept);
    this.#cached = new LogImage(base, [...kept]);
  }

  #keep(write: Write, stepCount: number): void {
    let left = stepCount;
    // A term is durable before its entries (ready.ts).
    if (write.hardState !== undefined && left > 0) {
      this.#hardState = write.hardState;
      left -= 1;
    }
    if (write.truncateFrom !== undefined && left > 0) {
      this.#durable.truncate(write.truncateFrom);
      left -= 1;
    }
    for (const entry of write.entries) {
      if (left <= 0) return;
      this.#durable.append(entry);
      left -= 1;
    }
  }
}
