/**
 * The segments of a log, one behind another, and their files: the last one open,
 * the others sealed, or just rolled.
 *
 *   <data>/log/00000000000000000001-00000000000000004711.avro    sealed
 *   <data>/log/00000000000000004712.open                         rolled: full
 *   <data>/log/00000000000000009000.open                         open
 *
 * How the files change, each step durable before the next:
 *
 *   new      fresh file: header, witness, datasync; rename to F.open; sync directory
 *   roll     from a full open segment to the next one, nothing of it durable: fresh
 *            file: witness, header; rename to F.open. The next flush makes both
 *            segments durable in order, and then the full one is sealed, all of it
 *            beside the event loop (rolled-segments.ts)
 *   seal     flush; rename to F-L.avro; sync directory; cut the file to its log, datasync
 *   reopen   fresh file: the sealed content up to where it is wanted, witness,
 *            datasync; rename to F.open; sync directory; remove F-L.avro; sync directory
 *   recover  the same from an open segment that was left behind, over its own name:
 *            what the page cache gives back after a failed sync is written anew
 *   compact  sealed segments up to an index: renamed, oldest first, to names that
 *            are removed beside the event loop (or into the archive:
 *            archive-F-L.avro); a power cut may leave any of them, and recovery
 *            does the rest
 *   reset    every segment, newest first: as compacted ones, the directory synced after
 *            the last, and after each that the snapshot does not cover, which takes
 *            their place and is durable before
 *   cut      within the open segment: see OpenSegment.cut; whole segments: removed,
 *            newest first, the directory synced after each
 *
 * So at every moment the names on disk are those of the log or of one step
 * before, and doing a step twice does nothing. Of a roll any part may be there, as
 * long as nothing was told of what lies behind it; log-tail.ts says what is kept. A step that meets a shortage
 * (shortage.ts) leaves the log before or after it, and is done again when the
 * call is; what has changed in the directory is durable before anything else.
 */
import { basename } from "node:path";
import { assert } from "../assert.js";
import { LogIndex } from "../raft/types.js";
import { Archive, type Retention } from "./archive.js";
import type { File, FileSystem } from "./file-system.js";
import { FreshFiles } from "./fresh-files.js";
import { LogDirectory } from "./log-directory.js";
import type { LogBase } from "./log-storage.js";
import { installOpenSegment, openFileSize, rollInto, type OpenSegment } from "./open-segment.js";
import { recoverSegments, type TornWrite } from "./recovery.js";
import { NeedlessFiles } from "./needless-files.js";
import { RolledSegments } from "./rolled-segments.js";
import { openSegmentName, segmentHeader, syncMarker, type SegmentStart } from "./segment.js";
import { copyStart, SegmentFiles, type Segment } from "./segment-files.js";
import { SegmentIndex } from "./segment-index.js";
import { shortage } from "./shortage.js";

export interface SegmentChainOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly clusterId: string;
  /** bytes */
  readonly segmentSize: number;
  readonly retention: Retention;
  /** what the log is to reach, or to begin behind */
  readonly base: LogBase;
  readonly onProgress: ((done: number, all: number) => void) | undefined;
}

export class SegmentChain {
  readonly #options: SegmentChainOptions;
  readonly #fileSystem: FileSystem;
  readonly #directory: LogDirectory;
  /** ascending; blocks go to the last one */
  readonly #segments: Segment[] = [];
  /** the last segment's file while blocks may go there */
  #open: OpenSegment | undefined;
  /** those before it that are not sealed yet */
  readonly #rolled: RolledSegments;
  /** what the first segment chains to */
  #base: SegmentStart;
  readonly #freshFiles: FreshFiles;
  readonly #files: SegmentFiles;
  readonly #archive: Archive;
  readonly #needless: NeedlessFiles;

  constructor(options: SegmentChainOptions) {
    const { fileSystem, directory, retention } = options;
    this.#options = options;
    this.#fileSystem = fileSystem;
    this.#directory = new LogDirectory(fileSystem, directory);
    this.#freshFiles = new FreshFiles(fileSystem, directory);
    this.#files = new SegmentFiles(fileSystem, directory);
    this.#rolled = new RolledSegments(this.#directory, this.#files);
    this.#needless = new NeedlessFiles(fileSystem, directory);
    this.#archive = new Archive(fileSystem, directory, retention, this.#needless);
    this.#base = this.#startBehind(options.base);
  }

  /** Oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** What the first segment chains to, or will. */
  get base(): SegmentStart {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return this.#segments.at(-1)?.index.lastIndex ?? LogIndex(this.#base.firstIndex - 1);
  }

  /** The last segment's file while blocks may go there; undefined when the next one needs another. */
  get open(): OpenSegment | undefined {
    return this.#open;
  }

  /** Whether a flush has more to do than to flush the open segment. */
  get isRolling(): boolean {
    return this.#rolled.isFlushDue;
  }

  /** The segment that holds `index`, which the log does. */
  find(index: number): Segment {
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

  /** Valid until the next call. */
  fileOf(segment: Segment): File {
    const rolled = this.#rolled.fileOf(segment);
    if (rolled !== undefined) return rolled;
    const { sealedName } = segment;
    return sealedName === undefined ? this.#openSegment().file : this.#files.get(sealedName);
  }

  // Recovery

  /** Reads what is there. @returns what was dropped at its end. @throws {DatabaseError} CORRUPTION */
  recover(): TornWrite | undefined {
    const { base, clusterId, onProgress, directory } = this.#options;
    const fileSystem = this.#fileSystem;
    fileSystem.makeDirectory(directory);
    const firstIndexMax = base.index + 1;
    const recovered = recoverSegments({
      fileSystem,
      directory,
      clusterId,
      firstIndexMax,
      onProgress,
    });
    const { segments: reads, needless, torn } = recovered;
    for (const { name } of needless) this.#archive.take(name);
    if (needless.length > 0) this.#directory.sync();
    for (const { index, marker, name } of reads) {
      index.shrink();
      const sealedName = name.kind === "sealed" ? name.name : undefined;
      this.#segments.push({ index, marker, sealedName });
    }
    const first = reads[0];
    if (first !== undefined) this.#base = first.index.start;
    this.#recoverOpen();
    if (this.#segments.length === 0) this.#base = this.#startBehind(base);
    // A snapshot was being put in the log's place, and is durable.
    else if (!this.#reaches(base)) this.reset(base);
    if (this.#open === undefined) this.#prepareNext();
    const newest = this.#segments.findLast(({ sealedName }) => sealedName !== undefined);
    if (newest?.sealedName !== undefined) this.#files.get(newest.sealedName);
    return torn;
  }

  /** Whether the log holds the entry that a snapshot ends with, or begins right behind it. */
  #reaches({ index, term, checksum }: LogBase): boolean {
    const { firstIndex, previousTerm, previousChecksum } = this.#base;
    if (index < firstIndex - 1 || index > this.lastIndex) return false;
    if (index === firstIndex - 1) return previousTerm === term && previousChecksum === checksum;
    const segment = this.find(index).index;
    return segment.term(index) === term && segment.checksum(index) === checksum;
  }

  /**
   * Open segments were left behind: an empty one goes, any other is written anew. All
   * of them before one of them is sealed, which says that the next one is on disk.
   */
  #recoverOpen(): void {
    const last = this.#segments.at(-1);
    if (last?.sealedName === undefined && last?.index.count === 0) {
      this.#fileSystem.remove(`${this.#directory.path}/${openSegmentName(last.index.firstIndex)}`);
      this.#segments.pop();
      this.#directory.sync();
    }
    for (const segment of this.#segments) {
      if (segment.sealedName !== undefined) continue;
      const open = this.#writeAnew(segment);
      if (segment === this.#segments.at(-1)) {
        this.#open = open;
      } else {
        open.seal();
        this.#rolled.add(segment, open);
      }
    }
    this.#rolled.seal();
  }

  #writeAnew(segment: Segment): OpenSegment {
    const name = openSegmentName(segment.index.firstIndex);
    const old = this.#fileSystem.open(`${this.#directory.path}/${name}`, "read");
    try {
      const { end } = segment.index;
      return this.#install(segment, (file) => copyStart(old, file, end), end);
    } finally {
      old.close();
    }
  }

  // Where blocks go

  /** Whether a block of `size` bytes with its marker goes behind what the last segment holds and `staged` bytes more. */
  fits(staged: number, size: number): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    const end = open.end + staged + size;
    const isFirst = staged === 0 && this.#segments.at(-1)?.index.count === 0;
    return end <= (isFirst ? open.capacity : this.#options.segmentSize);
  }

  /** Sees to it that the next block, of `size` bytes with its marker, has an open segment to go to. */
  makeRoom(size: number): void {
    const tail = this.#segments.at(-1);
    if (tail?.index.count === 0) {
      // it was made for a block that found no room on the disk, and another one comes
      this.#sealRolled();
      this.#removeLast(tail);
    }
    const last = this.#segments.at(-1);
    if (last?.sealedName !== undefined && last.index.end + size <= this.#options.segmentSize) {
      this.#reopen(last, last.sealedName, last.index.end);
      return;
    }
    const start = {
      clusterId: this.#options.clusterId,
      firstIndex: LogIndex(this.lastIndex + 1),
      previousChecksum: last?.index.lastChecksum ?? this.#base.previousChecksum,
      previousTerm: last?.index.lastTerm ?? this.#base.previousTerm,
    };
    const header = segmentHeader(start);
    const index = new SegmentIndex(start, header.length);
    const segment: Segment = { index, marker: syncMarker(start), sealedName: undefined };
    if (this.#open !== undefined) this.#roll(segment, header, size);
    else {
      assert(this.#rolled.isEmpty, "a segment that is durable stands behind such");
      const fill = (file: File): number => {
        file.write(header, 0);
        return header.length;
      };
      this.#open = this.#install(segment, fill, header.length + size);
    }
    this.#segments.push(segment);
  }

  /** Makes `segment` the open one, behind one that is full, without waiting for the disk. */
  #roll(segment: Segment, header: Uint8Array, size: number): void {
    const [full, open] = [this.#segments.at(-1), this.#openSegment()];
    assert(full !== undefined, "what is rolled from holds blocks");
    open.mend();
    const fresh = this.#freshFiles.take(this.#fileSizeFor(header.length + size));
    try {
      const next = rollInto(fresh, { header, marker: segment.marker });
      const path = `${this.#directory.path}/${openSegmentName(segment.index.firstIndex)}`;
      this.#directory.rename(fresh.path, path);
      next.path = path;
      this.#directory.await();
      this.#open = next;
    } catch (error) {
      fresh.file.close();
      this.#freshFiles.discard(fresh.path);
      throw error;
    }
    open.seal();
    this.#rolled.add(full, open);
  }

  /** Makes the file for the segment to come: at once in a log that has rolled before, or when the first one is half full. */
  prepareAhead(): void {
    const open = this.#open;
    if (open === undefined) return;
    const isHalfFull = 2 * open.end > this.#options.segmentSize;
    if (isHalfFull || this.#segments.length > 1) this.#prepareNext();
  }

  #prepareNext(): void {
    this.#freshFiles.prepare(this.#fileSizeFor(0));
  }

  /** @param size bytes of log that there must be room for at least */
  #fileSizeFor(size: number): number {
    return openFileSize(Math.max(size, this.#options.segmentSize));
  }

  /** Makes an open segment's file, durably. @param size bytes of log that it must have room for at least */
  #install(segment: Segment, fill: (file: File) => number, size: number): OpenSegment {
    const fresh = this.#freshFiles.take(this.#fileSizeFor(size));
    let installed: OpenSegment | undefined;
    try {
      installed = installOpenSegment({
        fileSystem: this.#fileSystem,
        directory: this.#directory.path,
        name: openSegmentName(segment.index.firstIndex),
        marker: segment.marker,
        fresh,
        fill,
      });
      this.#directory.sync();
      return installed;
    } catch (error) {
      fresh.file.close();
      // the log may take another way from here, and would find it in its place
      if (installed !== undefined) this.#fileSystem.remove(installed.path);
      else this.#freshFiles.discard(fresh.path);
      throw error;
    }
  }

  // What is durable

  /** Makes everything durable before it returns. @throws Node's own errors */
  flush(): void {
    if (this.#open === undefined) return;
    this.#rolled.flush(this.#open);
    try {
      this.#rolled.seal();
    } catch (error) {
      // what is wanted is done, and the next flush seals them
      if (shortage(error, "") === undefined) throw error;
    }
  }

  /** The same beside the event loop; what has been rolled is sealed afterwards. */
  flushLater(done: (error: Error | undefined) => void): void {
    if (this.#open === undefined) done(undefined);
    else this.#rolled.flushLater(this.#open, done);
  }

  /** Seals every segment, durably. */
  seal(): void {
    if (this.#open === undefined) return;
    const last = this.#segments.at(-1);
    assert(last !== undefined, "the open segment is the last one");
    this.#sealRolled();
    if (last.index.count === 0) {
      this.#removeLast(last);
      return;
    }
    const open = this.#open;
    open.mend();
    open.flush();
    open.seal();
    this.#rolled.add(last, open);
    this.#open = undefined;
    this.#rolled.seal();
    this.fileOf(last).datasync();
  }

  /** Seals those before the open one, as far as they are not. */
  #sealRolled(): void {
    if (this.#rolled.isEmpty) return;
    this.#rolled.flush(this.#openSegment());
    this.#rolled.seal();
  }

  /** Makes the sealed last segment the open one again, with its content up to `end`. */
  #reopen(segment: Segment, sealedName: string, end: number): void {
    const sealed = this.#files.get(sealedName);
    this.#open = this.#install(segment, (file) => copyStart(sealed, file, end), end);
    segment.sealedName = undefined;
    this.#removeSealed(sealedName);
    this.#directory.sync();
  }

  // What goes

  /** Drops everything from `from` on, which the log holds or ends right before. */
  truncate(from: LogIndex): void {
    this.#sealRolled();
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
  }

  /** Whole sealed segments up to `index` go, or into the archive. */
  compact(index: LogIndex): void {
    const isNeedless = (next: Segment | undefined): next is Segment =>
      next !== undefined && next.index.firstIndex <= index + 1;
    const countBefore = this.#segments.length;
    // The last one stays: it says where the log ends.
    for (let next = this.#segments[1]; isNeedless(next); next = this.#segments[1]) {
      const oldest = this.#segments[0];
      // an archive holds whole segments and nothing else, whatever comes: the next time
      if (oldest?.sealedName === undefined || !this.#rolled.isSettled(oldest)) break;
      const { sealedName } = oldest;
      this.#files.forget(sealedName);
      this.#archive.take(sealedName);
      this.#segments.shift();
      this.#base = next.index.start;
    }
    if (this.#segments.length === countBefore) return;
    const [first, last] = [this.#segments[0], this.#segments.at(-1)];
    assert(first !== undefined && last !== undefined, "the last segment stays");
    this.#archive.prune(this.fileOf(first), this.fileOf(last));
  }

  /** Every segment goes, and the log begins behind `base`, which a snapshot holds. */
  reset(base: LogBase): void {
    const discard = (path: string): void => {
      this.#needless.discard(basename(path));
    };
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      // Of those that are sealed and covered any may be back after a power cut: recovery knows what they are.
      const isCovered = this.#rolled.isSettled(last) && last.index.firstIndex <= base.index + 1;
      this.#takeLast(last, discard);
      if (!isCovered || this.#segments.length === 0) this.#directory.sync();
    }
    this.#base = this.#startBehind(base);
  }

  #removeLast(segment: Segment): void {
    this.#takeLast(segment, this.#remove);
    this.#directory.sync();
  }

  #takeLast(segment: Segment, remove: (path: string) => void): void {
    const rolled = this.#rolled.take(segment);
    if (rolled !== undefined) {
      remove(rolled.path);
      rolled.close();
    } else if (segment.sealedName === undefined) {
      const open = this.#openSegment();
      remove(open.path);
      open.close();
      this.#open = undefined;
    } else {
      this.#removeSealed(segment.sealedName, remove);
    }
    this.#segments.pop();
  }

  #removeSealed(name: string, remove: (path: string) => void = this.#remove): void {
    this.#files.forget(name);
    remove(`${this.#directory.path}/${name}`);
  }

  readonly #remove = (path: string): void => {
    this.#fileSystem.remove(path);
  };

  /** Sees to what is owed from earlier steps. @throws why one of them has failed since */
  settle(): void {
    this.#rolled.settle();
    this.#directory.settle();
  }

  /** Lets go of every file. */
  close(): void {
    this.#freshFiles.close();
    this.#rolled.close();
    this.#open?.close();
    this.#open = undefined;
    this.#files.close();
    this.#needless.close();
  }

  #openSegment(): OpenSegment {
    assert(this.#open !== undefined, "the last segment is open");
    return this.#open;
  }

  #startBehind({ index, term, checksum }: LogBase): SegmentStart {
    return {
      clusterId: this.#options.clusterId,
      firstIndex: LogIndex(index + 1),
      previousChecksum: checksum,
      previousTerm: term,
    };
  }
}
