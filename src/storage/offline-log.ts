/**
 * A data directory's log without its node: read-only, without a lock, never a
 * byte changed. For `log inspect`, `log verify` and `log compare`; the node that
 * owns the directory may be running (the open segment is read as far as it is whole).
 */
import { DatabaseError } from "../errors.js";
import { LogIndex } from "../raft/types.js";
import type { Entry } from "../raft/types.js";
import { readIdentity, type Identity } from "./data-directory.js";
import type { File, FileSystem } from "./file-system.js";
import { NodeFileSystem } from "./node-file-system.js";
import {
  chainFault,
  listSegments,
  readSegment,
  type SegmentRead,
  type SegmentResult,
} from "./recovery.js";
import type { SegmentName } from "./segment.js";
import type { SegmentIndex } from "./segment-index.js";
import { damaged, SegmentScanner, type ScanFault } from "./segment-scanner.js";

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

/** times a segment is looked for anew when its node renames it under our eyes */
const ATTEMPTS_MAX = 5;

export class OfflineLog {
  readonly path: string;
  readonly identity: Identity | undefined;
  /** 1, or what follows a compacted part */
  readonly firstIndex: LogIndex;
  /** the last whole entry */
  readonly lastIndex: LogIndex;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #names: readonly SegmentName[];
  /** by first index; only what was asked for */
  readonly #reads = new Map<number, SegmentRead>();

  private constructor(fileSystem: FileSystem, path: string, names: readonly SegmentName[]) {
    this.path = path;
    this.identity = readIdentity(path);
    this.#fileSystem = fileSystem;
    this.#directory = `${path}/log`;
    this.#names = names;
    this.firstIndex = LogIndex(names[0]?.firstIndex ?? 1);
    this.lastIndex = this.#findLast();
  }

  /** @param path the data directory. @throws {DatabaseError} INVALID_ARGUMENT when it holds no log */
  static open(path: string): OfflineLog {
    const fileSystem = new NodeFileSystem();
    let names;
    try {
      names = currentSegments(fileSystem, `${path}/log`);
    } catch (cause) {
      const message = `${path} is no data directory: it holds no log`;
      throw new DatabaseError("INVALID_ARGUMENT", message, { cause });
    }
    return new OfflineLog(fileSystem, path, names);
  }

  /**
   * Entries from `from` on, in order.
   * @throws {DatabaseError} CORRUPTION at damage that is not a torn tail
   */
  *entries(from: LogIndex): IterableIterator<OfflineEntry> {
    let next = Math.max(from, this.firstIndex);
    let before: SegmentIndex | undefined;
    for (const name of this.#names) {
      if (name.kind === "sealed" && name.lastIndex < next) continue;
      const { index, damage, marker } = this.#read(name);
      const broken = before === undefined ? undefined : chainFault(index.start, after(before));
      if (broken !== undefined) throw damaged(name.name, headFault(name, broken), "");
      before = index;
      const last = Math.min(index.lastIndex, this.lastIndex);
      if (next <= last) yield* this.#within(name, index, marker, next, last);
      if (damage?.torn === false) throw damaged(name.name, damage, "");
      next = Math.max(next, last + 1);
    }
  }

  *#within(
    name: SegmentName,
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

  /** undefined when not held */
  checksumAt(index: LogIndex): { readonly term: number; readonly checksum: number } | undefined {
    if (index < this.firstIndex || index > this.lastIndex) return undefined;
    const name = this.#names.findLast((candidate) => candidate.firstIndex <= index);
    if (name === undefined) return undefined;
    const read = this.#read(name).index;
    if (index > read.lastIndex) return undefined;
    return { term: read.term(index), checksum: read.checksum(index) };
  }

  /** Reads every byte. `onProgress` gets bytes done and bytes in all. */
  verify(onProgress?: (done: number, all: number) => void): VerifyReport {
    const damages: LogDamage[] = [];
    const all = this.#names.reduce((sum, name) => sum + this.#sizeOf(name), 0);
    let entryCount = 0;
    let byteCount = 0;
    let done = 0;
    let before: SegmentIndex | undefined;
    for (const name of this.#names) {
      const file = `${this.#directory}/${name.name}`;
      const note = (fault: ScanFault, torn: boolean): void => {
        damages.push({
          file,
          offset: fault.offset,
          index: fault.index,
          reason: fault.reason,
          torn,
        });
      };
      const result = this.#readAnew(name);
      done += this.#sizeOf(name);
      if (result.kind === "headless") {
        note(result.fault, false);
        before = undefined;
      } else {
        const { index, damage } = result.segment;
        const broken =
          chainFault(index.start, before === undefined ? undefined : after(before)) ??
          this.#foreign(index);
        if (broken !== undefined) note(headFault(name, broken), false);
        if (damage !== undefined) note(damage, damage.torn);
        entryCount += index.count;
        byteCount += index.end;
        before = damage === undefined ? index : undefined;
        this.#reads.set(name.firstIndex, result.segment);
      }
      onProgress?.(done, all);
    }
    if (this.firstIndex > 1 && !this.#hasSnapshot()) {
      const reason = `entries 1 to ${this.firstIndex - 1} are missing and there is no snapshot`;
      damages.unshift({
        file: this.#directory,
        offset: 0,
        index: LogIndex(1),
        reason,
        torn: false,
      });
    }
    const { firstIndex, lastIndex } = this;
    const checksum = this.checksumAt(lastIndex)?.checksum ?? 0;
    const segmentCount = this.#names.length;
    return { segmentCount, entryCount, byteCount, firstIndex, lastIndex, checksum, damages };
  }

  close(): void {
    this.#reads.clear();
  }

  /** The last entry of an unbroken read: of the open segment if there is one. */
  #findLast(): LogIndex {
    const last = this.#names.at(-1);
    if (last === undefined) return LogIndex(this.firstIndex - 1);
    if (last.kind === "sealed") return LogIndex(last.lastIndex);
    const result = this.#readAnew(last);
    if (result.kind === "headless") return LogIndex(last.firstIndex - 1);
    this.#reads.set(last.firstIndex, result.segment);
    return result.segment.index.lastIndex;
  }

  /** @throws {DatabaseError} CORRUPTION when its header is damaged */
  #read(name: SegmentName): SegmentRead {
    const known = this.#reads.get(name.firstIndex);
    if (known !== undefined) return known;
    const result = this.#readAnew(name);
    if (result.kind === "headless") throw damaged(name.name, result.fault, "");
    this.#reads.set(name.firstIndex, result.segment);
    return result.segment;
  }

  /** What looks damaged in an open segment is read again: its node may be cutting it. */
  #readAnew(name: SegmentName): SegmentResult {
    for (let attempt = 1; ; attempt++) {
      const { file, current } = this.#open(name);
      try {
        const result = readSegment(file, current);
        const damage = result.kind === "read" ? result.segment.damage : undefined;
        const suspect = current.kind === "open" && damage?.torn === false;
        if (!suspect || attempt === ATTEMPTS_MAX) return result;
      } finally {
        file.close();
      }
    }
  }

  #sizeOf(name: SegmentName): number {
    const { file } = this.#open(name);
    try {
      return file.size();
    } finally {
      file.close();
    }
  }

  /** Opens a segment, under the name it has by now. */
  #open(name: SegmentName): {
    readonly file: File;
    readonly current: SegmentName;
    readonly path: string;
  } {
    let current = name;
    for (let attempt = 1; ; attempt++) {
      const path = `${this.#directory}/${current.name}`;
      try {
        return { file: this.#fileSystem.open(path, "read"), current, path };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === ATTEMPTS_MAX)
          throw error;
      }
      const names = currentSegments(this.#fileSystem, this.#directory);
      current = names.find(({ firstIndex }) => firstIndex === name.firstIndex) ?? name;
    }
  }

  #foreign(index: SegmentIndex): string | undefined {
    const { clusterId } = index.start;
    if (this.identity === undefined || this.identity.clusterId === clusterId) return undefined;
    return `it belongs to cluster ${clusterId}, the directory to ${this.identity.clusterId}`;
  }

  #hasSnapshot(): boolean {
    const directory = `${this.path}/snapshots`;
    if (!this.#fileSystem.exists(directory)) return false;
    return this.#fileSystem.list(directory).some((name) => name.endsWith(".avro"));
  }
}

function after(index: SegmentIndex) {
  return {
    clusterId: index.start.clusterId,
    lastIndex: index.lastIndex,
    checksum: index.lastChecksum,
    term: index.lastTerm,
  };
}

function headFault(name: SegmentName, reason: string): ScanFault {
  return { offset: 0, index: LogIndex(name.firstIndex), reason };
}

/** The segments, without the copy of one that is just being opened again. */
function currentSegments(fileSystem: FileSystem, directory: string): readonly SegmentName[] {
  const names = listSegments(fileSystem, directory);
  return names.filter((name, i) => names[i - 1]?.firstIndex !== name.firstIndex);
}
