/**
 * A data directory's log without its node: read-only, without a lock, never a
 * byte changed. For the offline tools; the node that owns the directory may be
 * running (the open segment is read as far as it is whole).
 *
 * What lies between two segments is told by the header of the second: its checksum
 * and term are known without reading the first. So comparing long logs reads a few
 * headers and one segment.
 */
import { DatabaseError } from "../errors.js";
import { LogIndex, Term } from "../raft/types.js";
import type { Entry } from "../raft/types.js";
import { ARCHIVE_PREFIX } from "./archive.js";
import type { Identity } from "./data-directory.js";
import type { File, FileSystem } from "./file-system.js";
import { readIdentityFile } from "./identity.js";
import type { LogBase } from "./log-storage.js";
import { NodeFileSystem } from "./node-file-system.js";
import { judgeLogTail } from "./log-tail.js";
import { listSegments } from "./recovery.js";
import { readSnapshots, type OfflineSnapshot } from "./offline-snapshots.js";
import { parseSegmentName, type SegmentName, type SegmentStart } from "./segment.js";
import type { SegmentIndex } from "./segment-index.js";
import {
  chainFault,
  predecessorOf,
  readSegment,
  type OpenBefore,
  type SegmentRead,
  type SegmentResult,
} from "./segment-reading.js";
import { damaged, readHeader, SegmentScanner, type ScanFault } from "./segment-scanner.js";
import { WITNESS_PAGE_SIZE } from "./witness.js";

/** One thing found wrong. */
export interface LogDamage {
  readonly file: string;
  readonly offset: number;
  /** the index expected there */
  readonly index: LogIndex;
  readonly reason: string;
  /** true: a torn write at the tail of the open segment, nothing that can have been acknowledged */
  readonly torn: boolean;
}

export interface OfflineEntry {
  readonly entry: Entry;
  readonly file: string;
  readonly offset: number;
}

export interface VerifyReport {
  readonly segmentCount: number;
  readonly entryCount: number;
  readonly byteCount: number;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** checksum at lastIndex, 0 when empty */
  readonly checksum: number;
  readonly damages: readonly LogDamage[];
}

export interface OfflineOptions {
  /** default: the machine's own */
  readonly fileSystem?: FileSystem;
  /** whether segments that were put into the archive are read too; default false */
  readonly archive?: boolean;
}

/** A block's place on disk. */
export interface BlockPlace {
  readonly file: string;
  readonly offset: number;
}

/** A segment's file. `name` is the one it has, which begins with `archive-` in the archive. */
type OfflineSegment = SegmentName & { readonly archived: boolean };

/** times a segment is looked for anew when its node renames it under our eyes */
const ATTEMPTS_MAX = 5;

/** A segment is gone: the node that owns the directory compacted or truncated its log meanwhile. */
class Vanished extends DatabaseError {
  constructor(path: string) {
    super("BUSY", `${path} was removed by its node while it was read`);
  }
}

/** undefined when the segment is gone. */
function unlessVanished<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Vanished) return undefined;
    throw error;
  }
}

export class OfflineLog {
  readonly path: string;
  /** undefined when there is none, or none that can be read */
  readonly identity: Identity | undefined;
  /** oldest first */
  readonly snapshots: readonly OfflineSnapshot[];
  /** 1, or what follows a compacted part */
  readonly firstIndex: LogIndex;
  /** the last whole entry */
  readonly lastIndex: LogIndex;
  /** everything up to here is known to be committed: a snapshot holds it, or did when it was compacted */
  readonly committedIndex: LogIndex;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #names: readonly OfflineSegment[];
  /** what of its last segments is no part of the log, or cannot be */
  readonly #tailDamages: readonly LogDamage[];
  /** what the log goes on from when it holds no segment */
  readonly #base: LogBase;
  /** by first index; only what was asked for */
  readonly #reads = new Map<number, SegmentRead>();
  readonly #starts = new Map<number, SegmentStart>();

  private constructor(fileSystem: FileSystem, path: string, names: readonly OfflineSegment[]) {
    this.path = path;
    this.identity = identityOf(fileSystem, path);
    this.snapshots = readSnapshots(fileSystem, path);
    this.#fileSystem = fileSystem;
    this.#directory = `${path}/log`;
    const { kept, unflushed, misfit } = judgeLogTail(names, (name, before) =>
      unlessVanished(() => this.#readAnew(name, before)),
    );
    this.#names = kept;
    this.#tailDamages = [
      ...unflushed.map(({ name, fault }) => this.#damage(name, fault, true)),
      ...(misfit === undefined ? [] : [this.#damage(misfit.name, misfit.fault, false)]),
    ];
    const newest = this.snapshots.at(-1)?.head;
    this.#base = newest ?? { index: LogIndex(0), term: Term(0), checksum: 0 };
    this.firstIndex = LogIndex(names[0]?.firstIndex ?? this.#base.index + 1);
    this.lastIndex = this.#findLast();
    const unarchived = names.find(({ archived }) => !archived) ?? this;
    this.committedIndex = LogIndex(Math.max(unarchived.firstIndex - 1, newest?.index ?? 0));
  }

  /** @param path the data directory. @throws {DatabaseError} INVALID_ARGUMENT when it holds no log */
  static open(path: string, options: OfflineOptions = {}): OfflineLog {
    const { fileSystem = new NodeFileSystem(), archive = false } = options;
    let names;
    try {
      names = currentSegments(fileSystem, `${path}/log`, archive);
    } catch (cause) {
      const message = `${path} is no data directory: it holds no log`;
      throw new DatabaseError("INVALID_ARGUMENT", message, { cause });
    }
    return new OfflineLog(fileSystem, path, names);
  }

  /** Changes when the log does: the names of its segments, and the open one's witness. */
  static fingerprint(path: string, fileSystem: FileSystem = new NodeFileSystem()): string {
    const directory = `${path}/log`;
    const names = currentSegments(fileSystem, directory, false);
    const last = names.at(-1);
    if (last?.kind !== "open") return names.map(({ name }) => name).join();
    try {
      const file = fileSystem.open(`${directory}/${last.name}`, "read");
      try {
        const page = new Uint8Array(WITNESS_PAGE_SIZE);
        file.read(page, Math.max(0, file.size() - page.length));
        return `${names.map(({ name }) => name).join()} ${Buffer.from(page).toString("latin1")}`;
      } finally {
        file.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw error;
    }
  }

  /** Where an entry is known without reading the segment before it: right before each segment. Ascending. */
  get boundaries(): readonly LogIndex[] {
    return this.#names.map(({ firstIndex }) => LogIndex(firstIndex - 1));
  }

  /** What its first entry chains to. @throws {DatabaseError} CORRUPTION when its first segment has no sound header */
  get start(): SegmentStart {
    const [first] = this.#names;
    if (first !== undefined) return this.#start(first);
    const { index, term, checksum } = this.#base;
    return {
      clusterId: this.identity?.clusterId ?? "0".repeat(32),
      firstIndex: LogIndex(index + 1),
      previousTerm: term,
      previousChecksum: checksum,
    };
  }

  /** segments in the archive, if it is read */
  get archivedCount(): number {
    return this.#names.filter(({ archived }) => archived).length;
  }

  /**
   * Entries from `from` on, in order; those that are compacted meanwhile are left out.
   * @throws {DatabaseError} CORRUPTION at damage that is not a torn tail
   */
  *entries(from: LogIndex): IterableIterator<OfflineEntry> {
    let next = Math.max(from, this.firstIndex);
    let before: SegmentIndex | undefined;
    let inArchive = false;
    for (const name of this.#names) {
      if (name.kind === "sealed" && name.lastIndex < next) continue;
      const segment = unlessVanished(() => this.#read(name));
      if (segment === undefined) {
        before = undefined;
        continue;
      }
      const { index, damage, marker } = segment;
      const broken =
        before === undefined ? undefined : chainFault(index.start, predecessorOf(before));
      // Where a snapshot took the log's place, the archive has a hole.
      const isHole = inArchive && before !== undefined && index.firstIndex > before.lastIndex + 1;
      if (broken !== undefined && !isHole) throw damaged(name.name, headFault(name, broken), "");
      before = index;
      inArchive = name.archived;
      next = Math.max(next, index.firstIndex);
      const last = Math.min(index.lastIndex, this.lastIndex);
      if (next <= last) yield* this.#within(name, index, marker, next, last);
      if (damage?.torn === false) throw damaged(name.name, damage, "");
      next = Math.max(next, last + 1);
      // However long the log is, it is not held in memory.
      if (name !== this.#names.at(-1)) this.#reads.delete(name.firstIndex);
    }
    const misfit = this.#tailDamages.find(({ torn }) => !torn);
    if (misfit !== undefined) throw damaged(misfit.file, misfit, "");
  }

  *#within(
    name: OfflineSegment,
    index: SegmentIndex,
    marker: Uint8Array,
    from: number,
    last: number,
  ): IterableIterator<OfflineEntry> {
    const { file, path } = this.#open(name);
    try {
      const first = from === index.firstIndex;
      const scanner = new SegmentScanner({
        file,
        marker,
        offset: index.offset(from),
        limit: index.offset(last + 1),
        position: {
          index: LogIndex(from),
          term: first ? index.start.previousTerm : index.term(from - 1),
          previousChecksum: first ? index.start.previousChecksum : index.checksum(from - 1),
        },
      });
      for (let wanted = from; wanted <= last; wanted++) {
        const step = scanner.next();
        if (step.kind !== "entry") {
          const reason = step.kind === "bad" ? step.reason : "the log ends";
          const fault = { offset: scanner.offset, index: LogIndex(wanted), reason };
          throw damaged(path, fault, "it changed while it was read");
        }
        yield { entry: step.entry, file: path, offset: step.offset };
      }
    } finally {
      file.close();
    }
  }

  /**
   * undefined when not held. The entry before the first one is: the log chains to it.
   * @throws {DatabaseError} CORRUPTION when what must be read for it is damaged
   */
  checksumAt(index: LogIndex): { readonly term: Term; readonly checksum: number } | undefined {
    if (index > this.lastIndex) return undefined;
    const behind = this.#names.find(({ firstIndex }) => firstIndex === index + 1);
    if (behind !== undefined) {
      const { previousTerm: term, previousChecksum: checksum } = this.#start(behind);
      return { term, checksum };
    }
    const name = this.#holderOf(index);
    if (name === undefined) {
      const { term, checksum } = this.#base;
      return this.#names.length === 0 && index === this.#base.index
        ? { term, checksum }
        : undefined;
    }
    const read = this.#read(name).index;
    if (index > read.lastIndex) return undefined;
    return { term: read.term(index), checksum: read.checksum(index) };
  }

  /** Where the block of an entry stands; undefined when it is not held. */
  locate(index: LogIndex): BlockPlace | undefined {
    const name = this.#holderOf(index);
    if (name === undefined || index > this.lastIndex) return undefined;
    const read = this.#read(name).index;
    if (index > read.lastIndex) return undefined;
    return { file: `${this.#directory}/${name.name}`, offset: read.offset(index) };
  }

  #holderOf(index: LogIndex): OfflineSegment | undefined {
    return this.#names.findLast(({ firstIndex }) => firstIndex <= index);
  }

  #start(name: OfflineSegment): SegmentStart {
    const known =
      this.#starts.get(name.firstIndex) ?? this.#reads.get(name.firstIndex)?.index.start;
    if (known !== undefined) return known;
    const { file } = this.#open(name);
    try {
      const header = readHeader(file);
      if (header.kind === "fault") throw damaged(name.name, headFault(name, header.reason), "");
      this.#starts.set(name.firstIndex, header.start);
      return header.start;
    } finally {
      file.close();
    }
  }

  /** Reads every byte. `onProgress` gets bytes done and bytes in all. */
  verify(onProgress?: (done: number, all: number) => void): VerifyReport {
    const damages: LogDamage[] = [];
    const all = this.#names.reduce((sum, name) => sum + this.#sizeOf(name), 0);
    let entryCount = 0;
    let byteCount = 0;
    let done = 0;
    let before: SegmentIndex | undefined;
    let last: SegmentIndex | undefined;
    let inArchive = false;
    for (const name of this.#names) {
      const note = (fault: ScanFault, torn: boolean): void => {
        damages.push(this.#damage(name, fault, torn));
      };
      const result = unlessVanished(() => this.#readAnew(name, this.#before(name)));
      done += this.#sizeOf(name);
      if (result === undefined) before = undefined;
      else if (result.kind === "headless") {
        note(result.fault, false);
        before = undefined;
      } else {
        const { index, damage } = result.segment;
        const isHole = inArchive && before !== undefined && index.firstIndex > before.lastIndex + 1;
        const predecessor = before === undefined || isHole ? undefined : predecessorOf(before);
        const broken = chainFault(index.start, predecessor) ?? this.#foreign(index);
        if (broken !== undefined) note(headFault(name, broken), false);
        inArchive = name.archived;
        if (damage !== undefined) note(damage, damage.torn);
        entryCount += index.count;
        byteCount += index.end;
        before = damage === undefined ? index : undefined;
        last = index;
      }
      onProgress?.(done, all);
    }
    damages.push(...this.#tailDamages);
    const first = this.#names.find(({ archived }) => !archived)?.firstIndex ?? 1;
    if (first > 1 && this.snapshots.length === 0) {
      const reason = `entries 1 to ${first - 1} are missing and there is no snapshot`;
      damages.unshift({
        file: this.#directory,
        offset: 0,
        index: LogIndex(1),
        reason,
        torn: false,
      });
    }
    const { firstIndex, lastIndex } = this;
    const read = this.#names.length === 0 ? this.#base.checksum : 0;
    const checksum = last?.lastIndex === lastIndex ? last.lastChecksum : read;
    const segmentCount = this.#names.length;
    return { segmentCount, entryCount, byteCount, firstIndex, lastIndex, checksum, damages };
  }

  #damage({ name }: SegmentName, { offset, index, reason }: ScanFault, torn: boolean): LogDamage {
    return { file: `${this.#directory}/${name}`, offset, index, reason, torn };
  }

  close(): void {
    this.#reads.clear();
  }

  /** The last entry of an unbroken read: of the open segment if there is one. */
  #findLast(): LogIndex {
    const last = this.#names.at(-1);
    if (last === undefined) return this.#base.index;
    if (last.kind === "sealed") return LogIndex(last.lastIndex);
    const result = this.#readAnew(last, this.#before(last));
    if (result.kind === "headless") return LogIndex(last.firstIndex - 1);
    this.#reads.set(last.firstIndex, result.segment);
    return result.segment.index.lastIndex;
  }

  /** @throws {DatabaseError} CORRUPTION when its header is damaged */
  #read(name: OfflineSegment): SegmentRead {
    const known = this.#reads.get(name.firstIndex);
    if (known !== undefined) return known;
    const result = this.#readAnew(name, this.#before(name));
    if (result.kind === "headless") throw damaged(name.name, result.fault, "");
    this.#reads.set(name.firstIndex, result.segment);
    return result.segment;
  }

  /** What looks damaged in an open segment is read again: its node may be cutting it. */
  #readAnew(name: OfflineSegment, before: OpenBefore | undefined): SegmentResult {
    for (let attempt = 1; ; attempt++) {
      const { file, current } = this.#open(name);
      try {
        const result = readSegment(file, current, { before });
        const damage = result.kind === "read" ? result.segment.damage : undefined;
        const suspect = current.kind === "open" && damage?.torn === false;
        if (!suspect || attempt === ATTEMPTS_MAX) return result;
      } finally {
        file.close();
      }
    }
  }

  #before(name: OfflineSegment): OpenBefore | undefined {
    const before = this.#names[this.#names.indexOf(name) - 1];
    return before?.kind === "open" ? { start: undefined } : undefined;
  }

  #sizeOf(name: OfflineSegment): number {
    const opened = unlessVanished(() => this.#open(name));
    if (opened === undefined) return 0;
    try {
      return opened.file.size();
    } finally {
      opened.file.close();
    }
  }

  /** Opens a segment, under the name it has by now. */
  #open(name: OfflineSegment): {
    readonly file: File;
    readonly current: OfflineSegment;
    readonly path: string;
  } {
    let current = name;
    for (let attempt = 1; ; attempt++) {
      const path = `${this.#directory}/${current.name}`;
      try {
        return { file: this.#fileSystem.open(path, "read"), current, path };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      const names = currentSegments(this.#fileSystem, this.#directory, true);
      const found = names.find(({ firstIndex }) => firstIndex === name.firstIndex);
      if (found === undefined || attempt === ATTEMPTS_MAX) throw new Vanished(path);
      current = found;
    }
  }

  #foreign(index: SegmentIndex): string | undefined {
    const { clusterId } = index.start;
    if (this.identity === undefined || this.identity.clusterId === clusterId) return undefined;
    return `it belongs to cluster ${clusterId}, the directory to ${this.identity.clusterId}`;
  }
}

function identityOf(fileSystem: FileSystem, path: string): Identity | undefined {
  try {
    return readIdentityFile(fileSystem, path);
  } catch (error) {
    // That it cannot be read is for `log verify` to tell; the log is read all the same.
    if (error instanceof DatabaseError && error.code === "CORRUPTION") return undefined;
    throw error;
  }
}

function headFault(name: SegmentName, reason: string): ScanFault {
  return { offset: 0, index: LogIndex(name.firstIndex), reason };
}

/** The segments, without the copy of one that is just being opened again; the archive's before them. */
function currentSegments(
  fileSystem: FileSystem,
  directory: string,
  archive: boolean,
): readonly OfflineSegment[] {
  const names = listSegments(fileSystem, directory)
    .filter((name, i, all) => all[i - 1]?.firstIndex !== name.firstIndex)
    .map((name) => ({ ...name, archived: false }));
  return archive ? [...archivedSegments(fileSystem, directory), ...names] : names;
}

function archivedSegments(fileSystem: FileSystem, directory: string): readonly OfflineSegment[] {
  return fileSystem.list(directory).flatMap((name) => {
    if (!name.startsWith(ARCHIVE_PREFIX)) return [];
    const parsed = parseSegmentName(name.slice(ARCHIVE_PREFIX.length));
    return parsed?.kind === "sealed" ? [{ ...parsed, name, archived: true }] : [];
  });
}
