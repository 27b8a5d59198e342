/**
 * The log on disk: blocks (codec/block.ts) in segments (segment.ts), which
 * segment-chain.ts keeps as files.
 *
 * Where a block goes is a function of the log's content alone, so that equal logs
 * are equal files on every node: into the last segment, unless that holds a block
 * already and would grow beyond the segment size; then into a new one.
 *
 * Every byte is read and checked when the log is opened. What is read again later is
 * held against the checksum that is known of it since.
 */
import { assert } from "../assert.js";
import { blockChecksum } from "../codec/block.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, Term } from "../raft/types.js";
import type { Entry } from "../raft/types.js";
import type { Retention } from "./archive.js";
import type { FileSystem } from "./file-system.js";
import { readEntries } from "./entry-reader.js";
import { segmentsBehind } from "./recovery.js";
import { LogGuard } from "./log-guard.js";
import type { LogBase, LogStorage, RecoveryReport } from "./log-storage.js";
import { MARKER_SIZE, openSegmentName, SEGMENT_SIZE_DEFAULT } from "./segment.js";
import { SegmentChain } from "./segment-chain.js";
import type { Segment } from "./segment-files.js";
import { isShortage } from "./shortage.js";
import { Staging } from "./staging.js";

const NO_BASE: LogBase = { index: LogIndex(0), term: Term(0), checksum: 0 };

export interface SegmentedLogOptions {
  readonly fileSystem: FileSystem;
  /** the log's own directory, `<data>/log`; made when it is not there */
  readonly directory: string;
  /** 32 hex digits */
  readonly clusterId: string;
  /** bytes; the same on every node of a cluster, or equal logs are not equal files; default 8 MiB */
  readonly segmentSizeBytes?: number;
  /** what the newest snapshot holds; a log that does not reach it, or contradicts it, starts anew behind it */
  readonly base?: LogBase;
  /** what becomes of segments that a snapshot makes needless; default: they are removed */
  readonly retention?: Retention;
  /** during recovery, in bytes */
  readonly onProgress?: (done: number, all: number) => void;
}

export class SegmentedLog implements LogStorage {
  readonly #directory: string;
  readonly #chain: SegmentChain;
  readonly #guard: LogGuard;
  readonly #staging = new Staging();

  private constructor(options: SegmentedLogOptions) {
    const { fileSystem, directory, clusterId, onProgress } = options;
    this.#directory = directory;
    this.#guard = new LogGuard(directory);
    this.#chain = new SegmentChain({
      fileSystem,
      directory,
      clusterId,
      onProgress,
      segmentSize: options.segmentSizeBytes ?? SEGMENT_SIZE_DEFAULT,
      retention: options.retention ?? { keep: "none" },
      base: options.base ?? NO_BASE,
    });
  }

  /**
   * Recovers the log: reads and checks every byte, drops a torn write that no one
   * can have been told about, makes sure that all it gives back is durable.
   *
   * @throws {DatabaseError} CORRUPTION at anything else that is wrong, naming file, offset and index, with nothing
   *   changed; STORAGE_FAILED when the disk fails
   */
  static open(options: SegmentedLogOptions): {
    readonly log: SegmentedLog;
    readonly report: RecoveryReport;
  } {
    assert(/^[0-9a-f]{32}$/.test(options.clusterId), "a cluster id is 32 hex digits");
    const log = new SegmentedLog(options);
    try {
      const report = log.#guard.run("recovering", () => log.#recover());
      return { log, report };
    } catch (error) {
      log.#abandon();
      // a node that has no log yet cannot wait for its room
      throw isShortage(error) ? log.#guard.fail("recovering", error.cause) : error;
    }
  }

  /** Bytes of the entries behind `index` in a log that is not open, or so many. @throws {DatabaseError} STORAGE_FAILED */
  static sizeBehind(
    { fileSystem, directory, segmentSizeBytes }: SegmentedLogOptions,
    index: LogIndex,
  ): number {
    const guard = new LogGuard(directory);
    const count = guard.run("recovering", () => segmentsBehind(fileSystem, directory, index));
    return count * (segmentSizeBytes ?? SEGMENT_SIZE_DEFAULT);
  }

  #recover(): RecoveryReport {
    const torn = this.#chain.recover();
    const { segments } = this.#chain;
    return {
      entryCount: this.lastIndex - this.firstIndex + 1,
      byteCount: segments.reduce((sum, { index }) => sum + index.end, 0),
      segmentCount: segments.length,
      tornByteCount: torn?.byteCount ?? 0,
      tornAt:
        torn === undefined
          ? undefined
          : { file: `${this.#directory}/${torn.name}`, offset: torn.offset },
    };
  }

  get firstIndex(): LogIndex {
    return this.#chain.base.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#chain.lastIndex;
  }

  term(index: LogIndex): Term {
    const { base } = this.#chain;
    if (index === base.firstIndex - 1) return base.previousTerm;
    return this.#chain.find(index).index.term(index);
  }

  checksum(index: LogIndex): number {
    const { base } = this.#chain;
    if (index === base.firstIndex - 1) return base.previousChecksum;
    return this.#chain.find(index).index.checksum(index);
  }

  configurationIndexes(): readonly LogIndex[] {
    return this.#chain.segments.flatMap(({ index }) => index.configurations);
  }

  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[] {
    assert(to <= this.lastIndex, "only what is there is read");
    return this.#guard.run("reading", () => {
      const entries: Entry[] = [];
      let size = 0;
      let next: number = from;
      while (next <= to && (entries.length === 0 || size < sizeMax)) {
        const segment = this.#chain.find(next);
        const last = Math.min(to, segment.index.lastIndex);
        const fitting = segment.index.countWithin(next, last, sizeMax - size);
        const count = fitting === 0 && entries.length === 0 ? 1 : fitting;
        if (count === 0) break;
        for (const entry of this.#readFrom(segment, next, count)) {
          entries.push(entry);
          size += entry.block.length;
        }
        next += count;
      }
      return entries;
    });
  }

  #readFrom(segment: Segment, from: number, count: number): readonly Entry[] {
    const { index, marker, sealedName } = segment;
    const name = sealedName ?? openSegmentName(index.firstIndex);
    return readEntries({ name, file: this.#chain.fileOf(segment), marker, index }, from, count);
  }

  append(entries: readonly Entry[]): void {
    this.#guard.run("writing", () => {
      const chain = this.#chain;
      chain.settle();
      let staged: Entry[] = [];
      let stagedSize = 0;
      for (const entry of entries) {
        const previous: Entry | undefined = staged.at(-1);
        this.#assertNext(entry, previous);
        const size = entry.block.length + MARKER_SIZE;
        if (!chain.fits(stagedSize, size)) {
          this.#writeStaged(staged);
          staged = [];
          stagedSize = 0;
          chain.makeRoom(size);
        }
        staged.push(entry);
        stagedSize += size;
      }
      this.#writeStaged(staged);
      chain.prepareAhead();
    });
  }

  #assertNext(entry: Entry, staged: Entry | undefined): void {
    const { base } = this.#chain;
    const last = this.#chain.segments.at(-1)?.index;
    const lastIndex = staged?.index ?? this.lastIndex;
    const lastTerm = staged?.term ?? last?.lastTerm ?? base.previousTerm;
    const lastChecksum = staged?.checksum ?? last?.lastChecksum ?? base.previousChecksum;
    assert(entry.index === lastIndex + 1, "entries are appended without a gap");
    assert(entry.term >= lastTerm, "terms do not decrease");
    assert(
      blockChecksum(entry.block, lastChecksum) === entry.checksum,
      "an entry chains to the one before it",
    );
  }

  /** Writes entries that fit the open segment, in one go. */
  #writeStaged(entries: readonly Entry[]): void {
    const segment = this.#chain.segments.at(-1);
    const { open } = this.#chain;
    if (entries.length === 0 || segment === undefined) return;
    assert(open !== undefined, "the last segment is open");
    open.write(this.#staging.pack(entries, segment.marker));
    this.#staging.shrink();
    for (const entry of entries) {
      segment.index.add(entry, segment.index.end + entry.block.length + MARKER_SIZE);
    }
    assert(segment.index.end === open.end, "the index and the file agree");
  }

  truncateSuffix(from: LogIndex): void {
    assert(from >= this.firstIndex, "only what is held is truncated");
    this.#guard.run("truncating", () => {
      this.#chain.settle();
      if (from <= this.lastIndex) this.#chain.truncate(from);
    });
  }

  compactTo(index: LogIndex): void {
    this.#guard.run("compacting", () => {
      this.#chain.settle();
      this.#chain.compact(index);
    });
  }

  reset(base: LogBase): void {
    try {
      this.#guard.run("resetting", () => {
        this.#chain.reset(base);
      });
    } catch (error) {
      // what comes next rests on it
      throw isShortage(error) ? this.#guard.fail("resetting", error.cause) : error;
    }
  }

  get isRolling(): boolean {
    return this.#chain.isRolling;
  }

  flush(): void {
    this.#guard.run("flushing", () => {
      this.#chain.settle();
      this.#chain.flush();
    });
  }

  flushLater(done: (error: Error | undefined) => void): void {
    try {
      this.#guard.run("flushing", () => {
        this.#chain.settle();
        this.#chain.flushLater((error) => {
          done(error === undefined ? this.#guard.failure : this.#guard.refuse("flushing", error));
        });
      });
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      done(error);
    }
  }

  noteFlushed(): void {
    const { open } = this.#chain;
    if (open?.sealed === false) open.noteFlushed();
  }

  close(): void {
    if (this.#guard.closed) return;
    try {
      if (this.#guard.failure === undefined) {
        this.#guard.run("closing", () => {
          this.#chain.seal();
        });
      }
    } catch (error) {
      // an open segment is as good for recovery
      if (!isShortage(error)) throw error;
    } finally {
      this.#abandon();
    }
  }

  /** Lets go of every file. */
  #abandon(): void {
    this.#guard.close();
    this.#chain.close();
  }
}
