/**
 * The segments of a log, one behind another, and their files: the last one open,
 * the others sealed.
 *
 *   <data>/log/00000000000000000001-00000000000000004711.avro    sealed
 *   <data>/log/00000000000000004712.open                         open
 *
 * How the files change, each step durable before the next:
 *
 *   new      fresh file: header, witness, datasync; rename to F.open; sync directory
 *   seal     flush; rename to F-L.avro; sync directory; cut the file to its log, datasync:
 *            beside the event loop when another one follows, which may be written to
 *            and sealed meanwhile
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
import { assert } from "../assert.js";
import { LogIndex } from "../raft/types.js";
import { Archive, type Retention } from "./archive.js";
import type { File, FileSystem } from "./file-system.js";
import { FreshFiles } from "./fresh-files.js";
import type { LogBase } from "./log-storage.js";
import { installOpenSegment, openFileSize, type OpenSegment } from "./open-segment.js";
import { recoverSegments, type SegmentRead } from "./recovery.js";
import { NeedlessFiles } from "./needless-files.js";
import {
  openSegmentName,
  sealedSegmentName,
  segmentHeader,
  syncMarker,
  type SegmentStart,
} from "./segment.js";
import { copyStart, SegmentFiles } from "./segment-files.js";
import { SegmentIndex } from "./segment-index.js";

export interface Segment {
  readonly index: SegmentIndex;
  readonly marker: Uint8Array;
  /** the file's name once sealed; undefined for the open one */
  readonly sealedName: string | undefined;
}

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
  readonly #directory: string;
  /** ascending; only the last one may be open */
  readonly #segments: Segment[] = [];
  #open: OpenSegment | undefined;
  /** what the first segment chains to */
  #base: SegmentStart;
  readonly #freshFiles: FreshFiles;
  readonly #files: SegmentFiles;
  readonly #archive: Archive;
  readonly #needless: NeedlessFiles;
  /** names were changed, and that is not durable yet */
  #isDirectorySyncDue = false;
  /** names of sealed segments that were cut, and that is not durable yet */
  readonly #cutting = new Set<string>();
  /** what came of one of them */
  #cutFailure: Error | undefined;

  constructor(options: SegmentChainOptions) {
    const { fileSystem, directory, retention } = options;
    this.#options = options;
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#freshFiles = new FreshFiles(fileSystem, directory);
    this.#files = new SegmentFiles(fileSystem, directory);
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
  fileOf({ sealedName }: Segment): File {
    return sealedName === undefined ? this.#openSegment().file : this.#files.get(sealedName);
  }

  // Recovery

  /** Reads what is there. @returns what was found at the end of the last segment. @throws {DatabaseError} CORRUPTION */
  recover(): SegmentRead | undefined {
    const { base, clusterId, onProgress } = this.#options;
    const [fileSystem, directory] = [this.#fileSystem, this.#directory];
    fileSystem.makeDirectory(directory);
    const firstIndexMax = base.index + 1;
    const recovered = recoverSegments({
      fileSystem,
      directory,
      clusterId,
      firstIndexMax,
      onProgress,
    });
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
    // A snapshot was being put in the log's place, and is durable.
    else if (!this.#reaches(base)) this.reset(base);
    if (this.#open === undefined) this.#prepareNext();
    const newest = this.#segments.findLast(({ sealedName }) => sealedName !== undefined);
    if (newest?.sealedName !== undefined) this.#files.get(newest.sealedName);
    return tail;
  }

  /** Whether the log holds the entry that a snapshot ends with, or begins right behind it. */
  #reaches({ index, term, checksum }: LogBase): boolean {
    const { firstIndex, previousTerm, previousChecksum } = this.#base;
    if (index < firstIndex - 1 || index > this.lastIndex) return false;
    if (index === firstIndex - 1) return previousTerm === term && previousChecksum === checksum;
    const segment = this.find(index).index;
    return segment.term(index) === term && segment.checksum(index) === checksum;
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
  fits(size: number): boolean {
    const open = this.#open;
    if (open === undefined || open.sealed) return false;
    return open.end + size <= this.#options.segmentSize;
  }

  /** Sees to it that the next block, of `size` bytes with its marker, has an open segment to go to. */
  makeRoom(size: number): void {
    const tail = this.#segments.at(-1);
    if (tail !== undefined && tail.sealedName === undefined) this.#sealBeside();
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

  /** Makes the file for the segment to come when the open one is half full. */
  prepareAhead(): void {
    const open = this.#open;
    if (open !== undefined && 2 * open.end > this.#options.segmentSize) this.#prepareNext();
  }

  #prepareNext(): void {
    this.#freshFiles.prepare(openFileSize(this.#options.segmentSize));
  }

  /** Makes the open segment's file. @param size bytes of log that it must have room for at least */
  #install(segment: Segment, fill: (file: File) => number, size: number): OpenSegment {
    const fresh = this.#freshFiles.take(openFileSize(Math.max(size, this.#options.segmentSize)));
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

  /** Seals the last segment if it is open, durably. */
  seal(): void {
    this.#seal()?.file.datasync();
  }

  /** The same, without waiting for what no later step rests on. */
  #sealBeside(): void {
    const sealed = this.#seal();
    if (sealed === undefined) return;
    this.#cutting.add(sealed.name);
    sealed.file.datasyncLater((error) => {
      this.#cutting.delete(sealed.name);
      this.#cutFailure ??= error;
    });
  }

  /** Seals the last segment if it is open. @returns its file, cut and not synced since */
  #seal(): { readonly name: string; readonly file: File } | undefined {
    const segment = this.#segments.at(-1);
    if (segment === undefined || segment.sealedName !== undefined) return undefined;
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
    this.#segments[this.#segments.length - 1] = { index, marker: segment.marker, sealedName };
    this.#open = undefined;
    const file = open.release();
    this.#files.add(sealedName, file);
    return { name: sealedName, file };
  }

  /** Makes the sealed last segment the open one again, with its content up to `end`. */
  #reopen(segment: Segment, sealedName: string, end: number): void {
    const sealed = this.#files.get(sealedName);
    this.#open = this.#install(segment, (file) => copyStart(sealed, file, end), end);
    this.#segments[this.#segments.length - 1] = {
      index: segment.index,
      marker: segment.marker,
      sealedName: undefined,
    };
    this.#removeSealed(sealedName);
    this.#syncDirectory();
  }

  // What goes

  /** Drops everything from `from` on, which the log holds or ends right before. */
  truncate(from: LogIndex): void {
    if (this.#open?.sealed === true) this.seal();
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
      const { sealedName } = this.#segments[0] ?? {};
      assert(sealedName !== undefined, "only the last segment is open");
      // an archive holds whole segments and nothing else, whatever comes: the next time
      if (this.#cutting.has(sealedName)) break;
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

  /** Every segment goes, and the log begins behind `base`. */
  reset(base: LogBase): void {
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      this.#removeLast(last);
    }
    this.#base = this.#startBehind(base);
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

  // The directory

  /** Makes what has changed in the directory durable; owed to whatever comes next when there is no descriptor for it. */
  #syncDirectory(): void {
    this.#isDirectorySyncDue = true;
    this.#fileSystem.syncDirectory(this.#directory);
    this.#isDirectorySyncDue = false;
  }

  /** Sees to what is owed from earlier steps. @throws why one of them has failed since */
  settle(): void {
    if (this.#cutFailure !== undefined) throw this.#cutFailure;
    if (this.#isDirectorySyncDue) this.#syncDirectory();
  }

  /** Lets go of every file. */
  close(): void {
    this.#freshFiles.close();
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
