/**
 * The log on disk: segments (segment.ts) of blocks (codec/block.ts), the last one
 * open, the others sealed.
 *
 *   <data>/log/00000000000000000001-00000000000000004711.avro    sealed
 *   <data>/log/00000000000000004712.open                         open
 *
 * Where a block goes is a function of the log's content alone, so that equal logs
 * are equal files on every node: into the last segment, unless that holds a block
 * already and would grow beyond the segment size; then into a new one.
 *
 * How the files change, each step durable before the next:
 *
 *   new      fresh file: header, witness, datasync; rename to F.open; sync directory
 *   seal     flush; rename to F-L.avro; sync directory; cut the file to its log, datasync
 *   reopen   fresh file: the sealed content up to where it is wanted, witness,
 *            datasync; rename to F.open; sync directory; remove F-L.avro; sync directory
 *   recover  the same from an open segment that was left behind, over its own name:
 *            what the page cache gives back after a failed sync is written anew
 *   compact  sealed segments up to an index: renamed, oldest first, to names that
 *            are removed beside the event loop (or into the archive:
 *            archive-F-L.avro); a power cut may leave any of them, and recovery
 *            does the rest
 *   reset    every segment, newest first: removed, the directory synced after each;
 *            the snapshot that takes their place is durable before
 *   cut      within the open segment: see OpenSegment.cut; whole segments: removed,
 *            newest first, the directory synced after each
 *
 * So at every moment the names on disk are those of the log or of one step
 * before, and doing a step twice does nothing. A step that meets a shortage
 * (shortage.ts) leaves the log before or after it, and is done again when the
 * call is; what has changed in the directory is durable before anything else.
 */
import { assert, AssertionError } from "../assert.js";
import { Archive, type Retention } from "./archive.js";
import { blockChecksum } from "../codec/block.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, Term } from "../raft/types.js";
import type { Entry } from "../raft/types.js";
import type { File, FileSystem } from "./file-system.js";
import { FreshFiles } from "./fresh-files.js";
import type { LogBase, LogStorage, RecoveryReport } from "./log-storage.js";
import { installOpenSegment, openFileSize, type OpenSegment } from "./open-segment.js";
import { recoverSegments, type SegmentRead } from "./recovery.js";
import {
  MARKER_SIZE,
  openSegmentName,
  SEGMENT_SIZE_DEFAULT,
  sealedSegmentName,
  segmentHeader,
  syncMarker,
  type SegmentStart,
} from "./segment.js";
import { copyStart, SegmentFiles } from "./segment-files.js";
import { SegmentIndex } from "./segment-index.js";
import { readEntries } from "./segment-scanner.js";
import { isShortage, shortage } from "./shortage.js";
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

interface Segment {
  readonly index: SegmentIndex;
  readonly marker: Uint8Array;
  /** the file's name once sealed; undefined for the open one */
  readonly sealedName: string | undefined;
}

export class SegmentedLog implements LogStorage {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #clusterId: string;
  readonly #segmentSize: number;
  readonly #freshFiles: FreshFiles;
  /** ascending; only the last one may be open */
  readonly #segments: Segment[] = [];
  #open: OpenSegment | undefined;
  readonly #archive: Archive;
  /** what the first segment chains to */
  #base: SegmentStart;
  readonly #files: SegmentFiles;
  readonly #staging = new Staging();
  #failure: DatabaseError | undefined;
  /** names were changed, and that is not durable yet */
  #isDirectorySyncDue = false;
  #closed = false;

  private constructor(options: SegmentedLogOptions) {
    this.#fileSystem = options.fileSystem;
    this.#directory = options.directory;
    this.#clusterId = options.clusterId;
    this.#segmentSize = options.segmentSizeBytes ?? SEGMENT_SIZE_DEFAULT;
    this.#freshFiles = new FreshFiles(options.fileSystem, options.directory);
    this.#files = new SegmentFiles(options.fileSystem, options.directory);
    const { fileSystem, directory, retention = { keep: "none" } } = options;
    this.#archive = new Archive(fileSystem, directory, retention);
    this.#base = this.#startBehind(NO_BASE);
  }

  #startBehind({ index, term, checksum }: LogBase): SegmentStart {
    return {
      clusterId: this.#clusterId,
      firstIndex: LogIndex(index + 1),
      previousChecksum: checksum,
      previousTerm: term,
    };
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
      const report = log.#guard("recovering", () => log.#recover(options));
      return { log, report };
    } catch (error) {
      log.#abandon();
      // a node that has no log yet cannot wait for its room
      throw isShortage(error) ? log.#fail("recovering", error.cause) : error;
    }
  }

  get firstIndex(): LogIndex {
    return this.#base.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#segments.at(-1)?.index.lastIndex ?? LogIndex(this.#base.firstIndex - 1);
  }

  term(index: LogIndex): Term {
    if (index === this.#base.firstIndex - 1) return this.#base.previousTerm;
    return this.#segmentOf(index).index.term(index);
  }

  checksum(index: LogIndex): number {
    if (index === this.#base.firstIndex - 1) return this.#base.previousChecksum;
    return this.#segmentOf(index).index.checksum(index);
  }

  configurationIndexes(): readonly LogIndex[] {
    return this.#segments.flatMap(({ index }) => index.configurations);
  }

  read(from: LogIndex, to: LogIndex, sizeMax: number): readonly Entry[] {
    assert(to <= this.lastIndex, "only what is there is read");
    return this.#guard("reading", () => {
      const entries: Entry[] = [];
      let size = 0;
      let next: number = from;
      while (next <= to && (entries.length === 0 || size < sizeMax)) {
        const segment = this.#segmentOf(next);
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

  append(entries: readonly Entry[]): void {
    this.#guard("writing", () => {
      this.#settleDirectory();
      let staged: Entry[] = [];
      let stagedSize = 0;
      for (const entry of entries) {
        const previous: Entry | undefined = staged.at(-1);
        this.#assertNext(entry, previous);
        const size = entry.block.length + MARKER_SIZE;
        if (!this.#fits(stagedSize + size)) {
          this.#writeStaged(staged);
          staged = [];
          stagedSize = 0;
          this.#makeRoom(size);
        }
        staged.push(entry);
        stagedSize += size;
      }
      this.#writeStaged(staged);
      const open = this.#open;
      if (open !== undefined && 2 * open.end > this.#segmentSize) this.#prepareNext();
    });
  }

  truncateSuffix(from: LogIndex): void {
    assert(from >= this.firstIndex, "only what is held is truncated");
    this.#guard("truncating", () => {
      this.#settleDirectory();
      if (from > this.lastIndex) return;
      const tail = this.#segments.at(-1);
      if (this.#open?.sealed === true && tail !== undefined) this.#seal(tail);
      for (;;) {
        const last = this.#segments.at(-1);
        if (last === undefined || last.index.firstIndex < from) break;
        this.#removeLast(last);
      }
      const last = this.#segments.at(-1);
      if (last === undefined || last.index.lastIndex < from) return;
      const end = last.index.offset(from);
      if (last.sealedName === undefined) this.#openSegment().cut(end);
      else this.#reopen(last, last.sealedName, end);
      last.index.truncate(from);
    });
  }

  compactTo(index: LogIndex): void {
    this.#guard("compacting", () => {
      this.#settleDirectory();
      const isNeedless = (next: Segment | undefined): next is Segment =>
        next !== undefined && next.index.firstIndex <= index + 1;
      const countBefore = this.#segments.length;
      // The last one stays: it says where the log ends.
      for (let next = this.#segments[1]; isNeedless(next); next = this.#segments[1]) {
        const { sealedName } = this.#segments[0] ?? {};
        assert(sealedName !== undefined, "only the last segment is open");
        this.#files.forget(sealedName);
        this.#archive.take(sealedName);
        this.#segments.shift();
        this.#base = next.index.start;
      }
      if (this.#segments.length === countBefore) return;
      const [first, last] = [this.#segments[0], this.#segments.at(-1)];
      assert(first !== undefined && last !== undefined, "the last segment stays");
      this.#archive.prune(this.#fileOf(first), this.#fileOf(last));
    });
  }

  reset(base: LogBase): void {
    try {
      this.#guard("resetting", () => {
        this.#removeAll();
        this.#base = this.#startBehind(base);
      });
    } catch (error) {
      // what comes next rests on it
      throw isShortage(error) ? this.#fail("resetting", error.cause) : error;
    }
  }

  #removeAll(): void {
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      this.#removeLast(last);
    }
  }

  flush(): void {
    this.#guard("flushing", () => {
      this.#settleDirectory();
      this.#open?.flush();
    });
  }

  flushLater(done: (error: Error | undefined) => void): void {
    try {
      this.#guard("flushing", () => {
        this.#settleDirectory();
        const open = this.#open;
        if (open === undefined) this.#flushed(undefined, done);
        else
          open.flushLater((error) => {
            this.#flushed(error, done);
          });
      });
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      done(error);
    }
  }

  noteFlushed(): void {
    if (this.#open?.sealed === false) this.#open.noteFlushed();
  }

  #flushed(error: Error | undefined, done: (error: Error | undefined) => void): void {
    if (error !== undefined) this.#fail("flushing", error);
    done(this.#failure);
  }

  close(): void {
    if (this.#closed) return;
    try {
      if (this.#failure === undefined) {
        this.#guard("closing", () => {
          const last = this.#segments.at(-1);
          if (last?.sealedName === undefined && last !== undefined) this.#seal(last);
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
    this.#closed = true;
    this.#freshFiles.close();
    this.#open?.close();
    this.#open = undefined;
    this.#files.close();
    this.#archive.close();
  }

  // Recovery

  #recover(options: SegmentedLogOptions): RecoveryReport {
    const { onProgress, base = NO_BASE } = options;
    const firstIndexMax = base.index + 1;
    this.#fileSystem.makeDirectory(this.#directory);
    const recovered = recoverSegments({ ...options, firstIndexMax, onProgress });
    const { segments: reads, needless } = recovered;
    for (const { name } of needless) this.#archive.take(name);
    if (needless.length > 0) this.#syncDirectory();
    for (const { index, marker, name } of reads) {
      index.shrink();
      const sealedName = name.kind === "sealed" ? name.name : undefined;
      this.#segments.push({ index, marker, sealedName });
    }
    const first = reads[0];
    if (first !== undefined) this.#base = first.index.start;
    const tail = reads.at(-1);
    if (tail?.name.kind === "open") this.#recoverOpen(tail);
    if (this.#segments.length === 0) this.#base = this.#startBehind(base);
    else if (!this.#reaches(base)) {
      // A snapshot was being put in the log's place, and is durable.
      this.#removeAll();
      this.#base = this.#startBehind(base);
    }
    if (this.#open === undefined) this.#prepareNext();
    const newest = this.#segments.findLast(({ sealedName }) => sealedName !== undefined);
    if (newest?.sealedName !== undefined) this.#files.get(newest.sealedName);
    const damage = tail?.damage;
    return {
      entryCount: this.lastIndex - this.firstIndex + 1,
      byteCount: this.#segments.reduce((sum, { index }) => sum + index.end, 0),
      segmentCount: this.#segments.length,
      tornByteCount: damage?.tornByteCount ?? 0,
      tornAt:
        tail === undefined || damage === undefined
          ? undefined
          : { file: `${this.#directory}/${tail.name.name}`, offset: damage.offset },
    };
  }

  /** Whether the log holds the entry that a snapshot ends with, or begins right behind it. */
  #reaches({ index, term, checksum }: LogBase): boolean {
    if (index < this.firstIndex - 1 || index > this.lastIndex) return false;
    return this.term(index) === term && this.checksum(index) === checksum;
  }

  /** An open segment was left behind: an empty one goes, any other is written anew. */
  #recoverOpen(tail: SegmentRead): void {
    const path = `${this.#directory}/${tail.name.name}`;
    const segment = this.#segments.at(-1);
    assert(segment !== undefined, "the open segment is the last one");
    if (tail.index.count === 0) {
      this.#fileSystem.remove(path);
      this.#segments.pop();
      this.#syncDirectory();
      return;
    }
    const old = this.#fileSystem.open(path, "read");
    try {
      this.#open = this.#install(
        segment,
        (file) => copyStart(old, file, tail.index.end),
        tail.index.end,
      );
    } finally {
      old.close();
    }
  }

  // Where blocks go

  /** Whether `size` bytes of blocks go behind what the last segment holds. */
  #fits(size: number): boolean {
    const open = this.#open;
    if (open === undefined || open.sealed) return false;
    return open.end + size <= this.#segmentSize;
  }

  /** Sees to it that the next block, of `size` bytes with its marker, has an open segment to go to. */
  #makeRoom(size: number): void {
    const tail = this.#segments.at(-1);
    if (tail !== undefined && tail.sealedName === undefined) this.#seal(tail);
    const last = this.#segments.at(-1);
    if (last?.sealedName !== undefined && last.index.end + size <= this.#segmentSize) {
      this.#reopen(last, last.sealedName, last.index.end);
      return;
    }
    const start = {
      clusterId: this.#clusterId,
      firstIndex: LogIndex(this.lastIndex + 1),
      previousChecksum: this.checksum(this.lastIndex),
      previousTerm: this.term(this.lastIndex),
    };
    const header = segmentHeader(start);
    const marker = syncMarker(start);
    const index = new SegmentIndex(start, header.length);
    const segment: Segment = { index, marker, sealedName: undefined };
    const fill = (file: File): number => {
      file.write(header, 0);
      return header.length;
    };
    this.#open = this.#install(segment, fill, header.length + size);
    this.#segments.push(segment);
  }

  /** Makes the open segment's file. @param size bytes of log that it must have room for at least */
  #install(segment: Segment, fill: (file: File) => number, size: number): OpenSegment {
    const fresh = this.#freshFiles.take(openFileSize(Math.max(size, this.#segmentSize)));
    let installed: OpenSegment | undefined;
    try {
      installed = installOpenSegment({
        fileSystem: this.#fileSystem,
        directory: this.#directory,
        name: openSegmentName(segment.index.firstIndex),
        marker: segment.marker,
        fresh,
        fill,
      });
      this.#syncDirectory();
      return installed;
    } catch (error) {
      fresh.file.close();
      // the log may take another way from here, and would find it in its place
      if (installed !== undefined) this.#fileSystem.remove(installed.path);
      else this.#freshFiles.discard(fresh.path);
      throw error;
    }
  }

  #prepareNext(): void {
    this.#freshFiles.prepare(openFileSize(this.#segmentSize));
  }

  #seal(segment: Segment): void {
    const open = this.#openSegment();
    const { index } = segment;
    const sealedName = sealedSegmentName(index.firstIndex, index.lastIndex);
    const path = `${this.#directory}/${sealedName}`;
    open.seal();
    if (open.path !== path) {
      this.#fileSystem.rename(open.path, path);
      open.path = path;
    }
    this.#syncDirectory();
    // the name says from now on what must be in it
    open.cutToLog();
    index.shrink();
    this.#segments[this.#segments.length - 1] = { ...segment, sealedName };
    this.#open = undefined;
    this.#files.add(sealedName, open.release());
  }

  /** Makes the sealed last segment the open one again, with its content up to `end`. */
  #reopen(segment: Segment, sealedName: string, end: number): void {
    const sealed = this.#files.get(sealedName);
    this.#open = this.#install(segment, (file) => copyStart(sealed, file, end), end);
    this.#segments[this.#segments.length - 1] = { ...segment, sealedName: undefined };
    this.#removeSealed(sealedName);
    this.#syncDirectory();
  }

  #removeLast(segment: Segment): void {
    if (segment.sealedName === undefined) {
      const open = this.#openSegment();
      this.#fileSystem.remove(open.path);
      open.close();
      this.#open = undefined;
    } else {
      this.#removeSealed(segment.sealedName);
    }
    this.#segments.pop();
    this.#syncDirectory();
  }

  #removeSealed(name: string): void {
    this.#files.forget(name);
    this.#fileSystem.remove(`${this.#directory}/${name}`);
  }

  /** Makes what has changed in the directory durable; owed to whatever comes next when there is no descriptor for it. */
  #syncDirectory(): void {
    this.#isDirectorySyncDue = true;
    this.#fileSystem.syncDirectory(this.#directory);
    this.#isDirectorySyncDue = false;
  }

  #settleDirectory(): void {
    if (this.#isDirectorySyncDue) this.#syncDirectory();
  }

  // Writing

  #assertNext(entry: Entry, staged: Entry | undefined): void {
    const lastIndex = staged?.index ?? this.lastIndex;
    const lastTerm = staged?.term ?? this.term(this.lastIndex);
    const lastChecksum = staged?.checksum ?? this.checksum(this.lastIndex);
    assert(entry.index === lastIndex + 1, "entries are appended without a gap");
    assert(entry.term >= lastTerm, "terms do not decrease");
    assert(
      blockChecksum(entry.block, lastChecksum) === entry.checksum,
      "an entry chains to the one before it",
    );
  }

  /** Writes entries that fit the open segment, in one go. */
  #writeStaged(entries: readonly Entry[]): void {
    const segment = this.#segments.at(-1);
    if (entries.length === 0 || segment === undefined) return;
    this.#openSegment().write(this.#staging.pack(entries, segment.marker));
    this.#staging.shrink();
    for (const entry of entries) {
      segment.index.add(entry, segment.index.end + entry.block.length + MARKER_SIZE);
    }
    assert(segment.index.end === this.#openSegment().end, "the index and the file agree");
  }

  #openSegment(): OpenSegment {
    assert(this.#open !== undefined, "the last segment is open");
    return this.#open;
  }

  // Reading

  #segmentOf(index: number): Segment {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#segments[middle]?.index.firstIndex ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    const segment = this.#segments[low];
    assert(segment !== undefined, "the log holds the index");
    return segment;
  }

  #fileOf({ sealedName }: Segment): File {
    return sealedName === undefined ? this.#openSegment().file : this.#files.get(sealedName);
  }

  #readFrom(segment: Segment, from: number, count: number): readonly Entry[] {
    const { index, marker, sealedName } = segment;
    const previous = LogIndex(from - 1);
    return readEntries({
      name: sealedName ?? openSegmentName(index.firstIndex),
      file: this.#fileOf(segment),
      marker,
      offset: index.offset(from),
      limit: index.offset(from + count),
      position: {
        index: LogIndex(from),
        term: this.term(previous),
        previousChecksum: this.checksum(previous),
      },
      count,
    });
  }

  // Failure

  /**
   * Runs one operation. Whatever the world does wrong in it ends the log's life,
   * but for a shortage; corruption found by reading does not end it either.
   */
  #guard<T>(doing: string, operation: () => T): T {
    if (this.#closed) throw new DatabaseError("CLOSED", "the log is closed");
    if (this.#failure !== undefined) throw this.#failed(this.#failure);
    try {
      return operation();
    } catch (error) {
      if (error instanceof DatabaseError || error instanceof AssertionError) throw error;
      throw shortage(error, `${doing} the log in ${this.#directory}`) ?? this.#fail(doing, error);
    }
  }

  #fail(doing: string, cause: unknown): DatabaseError {
    const text = cause instanceof Error ? cause.message : String(cause);
    const message = `${doing} the log in ${this.#directory} failed: ${text}`;
    this.#failure ??= new DatabaseError("STORAGE_FAILED", message, { cause, outcome: "unknown" });
    return this.#failure;
  }

  #failed(cause: DatabaseError): DatabaseError {
    const message = `the log in ${this.#directory} is out of use since an earlier failure: ${cause.message}`;
    return new DatabaseError("STORAGE_FAILED", message, { cause, outcome: "unknown" });
  }
}
