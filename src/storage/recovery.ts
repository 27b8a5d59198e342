/**
 * Recovery: what a log directory holds, read and judged. Shared by the node that
 * will write it and, for the judging, by the offline tools that never do.
 *
 * Names that a crash can leave behind, and what becomes of them:
 *
 *   `*.tmp`                       made ahead, half made or needless: removed
 *   F.open                        the tail of a node that did not stop cleanly
 *   F.open, behind another one    the log was rolled: log-tail.ts tells what of it is kept
 *   F-L.avro, zeros and a witness behind L
 *                                 F was being sealed: it is cut to its log, whether or
 *                                 not others follow it
 *   F.open and F-L.avro           F-L was being opened again, and L's name was not
 *                                 gone yet, so nothing was written to F.open: it
 *                                 is removed
 *   segments, a gap, and segments that begin no later than a snapshot ends
 *                                 the log was being compacted, and the power cut
 *                                 kept some of the removals: the rest go too
 *
 * All else must be segments that follow each other without a gap. No
 * sealed segment can be torn: it was synced before it got its name, and what must
 * be in it is what the name says, so that a file that lost its end is found out.
 */
import { DatabaseError } from "../errors.js";
import type { Term } from "../raft/types.js";
import type { File, FileSystem } from "./file-system.js";
import { judgeLogTail, openBefore, type Unflushed } from "./log-tail.js";
import { removeLeftovers } from "./needless-files.js";
import { parseSegmentName, type SegmentName, type SegmentStart } from "./segment.js";
import {
  chainFault,
  predecessorOf,
  readSegment,
  type Predecessor,
  type SegmentRead,
} from "./segment-reading.js";
import { damaged } from "./segment-scanner.js";

/** The segments in a log directory, by name, in order; a doubled tail stands sealed first, open second. */
export function listSegments(fileSystem: FileSystem, directory: string): readonly SegmentName[] {
  const names = fileSystem.list(directory).map(parseSegmentName);
  return names
    .filter((name) => name !== undefined)
    .sort((a, b) => a.firstIndex - b.firstIndex || (a.kind === "sealed" ? -1 : 1));
}

/** How many segments' worth of entries stand behind `index`, by the segments' names; a part of one counts as such. */
export function segmentsBehind(fileSystem: FileSystem, directory: string, index: number): number {
  let count = 0;
  for (const name of fileSystem.exists(directory) ? listSegments(fileSystem, directory) : []) {
    if (name.kind === "open") count += 1;
    else if (name.lastIndex > index) {
      const { firstIndex, lastIndex } = name;
      count += Math.min(1, (lastIndex - index) / (lastIndex - firstIndex + 1));
    }
  }
  return count;
}

export interface RecoverOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly clusterId: string;
  /** the greatest index that the log may begin with: 1, or what follows the newest snapshot */
  readonly firstIndexMax: number;
  readonly onProgress: ((done: number, all: number) => void) | undefined;
}

/** What was dropped at the log's end. */
export interface TornWrite {
  /** the file's */
  readonly name: string;
  readonly offset: number;
  readonly byteCount: number;
}

export interface RecoveredSegments {
  readonly segments: readonly SegmentRead[];
  /** oldest first; what a compaction has not come to */
  readonly needless: readonly SegmentName[];
  readonly torn: TornWrite | undefined;
}

/** Removes what a crash left, reads every segment. @throws {DatabaseError} CORRUPTION */
export function recoverSegments(options: RecoverOptions): RecoveredSegments {
  const { fileSystem, directory, clusterId } = options;
  removeLeftovers(fileSystem, directory);
  // a killed process may have renamed and removed without syncing; what is read
  // now must be what a power cut leaves
  fileSystem.syncDirectory(directory);
  const all = removeDoubledTail(options, listSegments(fileSystem, directory));
  const behindGap = behindLastGap(all, options.firstIndexMax);
  const { kept, unflushed, misfit } = judgeLogTail(behindGap, (name, before) =>
    reading(options, name, (file) => readSegment(file, name, { before })),
  );
  if (misfit !== undefined) throw damaged(misfit.name.name, misfit.fault, "");
  const progress = new Progress(options, kept);
  const segments: SegmentRead[] = [];
  for (const name of kept) {
    const last = segments.at(-1);
    const result = reading(options, name, (file) => {
      const onBytes = progress.within.bind(progress);
      const read = readSegment(file, name, { onBytes, before: openBefore(last) });
      progress.segment(file.size());
      return read;
    });
    if (result.kind === "headless") throw damaged(name.name, result.fault, "");
    const { segment } = result;
    const { start } = segment.index;
    const fault = { offset: 0, index: start.firstIndex };
    const before = last === undefined ? beforeFirst(options, start) : predecessorOf(last.index);
    const broken = chainFault(start, { ...before, clusterId });
    if (broken !== undefined) throw damaged(name.name, { ...fault, reason: broken }, "");
    if (segment.damage?.torn === false) throw damaged(name.name, segment.damage, "");
    segments.push(segment);
  }
  for (const { isUncut, name, index } of segments) {
    if (isUncut) cutToLog(fileSystem, `${directory}/${name.name}`, index.end);
  }
  removeUnflushed(options, unflushed);
  const needless = all.slice(0, all.length - behindGap.length);
  return { segments, needless, torn: tornOf(segments.at(-1), unflushed) };
}

function reading<T>(
  { fileSystem, directory }: RecoverOptions,
  { name }: SegmentName,
  read: (file: File) => T,
): T {
  const file = fileSystem.open(`${directory}/${name}`, "read");
  try {
    return read(file);
  } finally {
    file.close();
  }
}

/** Before anything is written to what stands before them. */
function removeUnflushed(
  { fileSystem, directory }: RecoverOptions,
  unflushed: readonly Unflushed<SegmentName>[],
): void {
  for (const { name } of unflushed.toReversed()) fileSystem.remove(`${directory}/${name.name}`);
  if (unflushed.length > 0) fileSystem.syncDirectory(directory);
}

function tornOf(
  last: SegmentRead | undefined,
  unflushed: readonly Unflushed<SegmentName>[],
): TornWrite | undefined {
  const places = unflushed.map(({ name, byteCount }) => ({ name, offset: 0, byteCount }));
  if (last?.damage !== undefined) {
    const { offset, tornByteCount: byteCount } = last.damage;
    places.unshift({ name: last.name, offset, byteCount });
  }
  const [first] = places;
  if (first === undefined) return undefined;
  const byteCount = places.reduce((sum, place) => sum + place.byteCount, 0);
  return { name: first.name.name, offset: first.offset, byteCount };
}

/** The segments behind the last gap that a snapshot covers. */
function behindLastGap(
  names: readonly SegmentName[],
  firstIndexMax: number,
): readonly SegmentName[] {
  const start = names.findLastIndex(({ firstIndex }, i) => {
    const before = names[i - 1];
    const isGap = before?.kind === "sealed" && firstIndex > before.lastIndex + 1;
    return isGap && firstIndex <= firstIndexMax;
  });
  return names.slice(Math.max(0, start));
}

/** Ends the sealing of a segment. */
function cutToLog(fileSystem: FileSystem, path: string, end: number): void {
  const file = fileSystem.open(path, "read-write");
  try {
    file.truncate(end);
    file.datasync();
  } finally {
    file.close();
  }
}

/** What the first segment is held against: it must not begin too late, nor in another cluster. */
function beforeFirst(options: RecoverOptions, start: SegmentStart): Predecessor {
  return {
    clusterId: options.clusterId,
    lastIndex: Math.min(start.firstIndex, options.firstIndexMax) - 1,
    checksum: start.firstIndex === 1 ? 0 : start.previousChecksum,
    term: start.firstIndex === 1 ? (0 as Term) : start.previousTerm,
  };
}

/** See the table above: an open segment beside the sealed one that it was being copied from. */
function removeDoubledTail(
  options: RecoverOptions,
  names: readonly SegmentName[],
): readonly SegmentName[] {
  const { fileSystem, directory } = options;
  const doubled = names.findIndex((name, i) => {
    const before = names[i - 1];
    return name.kind === "open" && before?.firstIndex === name.firstIndex;
  });
  const name = names[doubled];
  if (name === undefined) return names;
  const sealed = names[doubled - 1];
  const result = reading(options, name, (file) => readSegment(file, name));
  const lastIndex = result.kind === "read" ? result.segment.index.lastIndex : 0;
  if (doubled !== names.length - 1 || sealed?.kind !== "sealed" || lastIndex > sealed.lastIndex) {
    const message = `segments ${sealed?.name ?? ""} and ${name.name} both claim the same entries`;
    throw new DatabaseError("CORRUPTION", message);
  }
  fileSystem.remove(`${directory}/${name.name}`);
  fileSystem.syncDirectory(directory);
  return names.slice(0, -1);
}

/** Tells how far the reading is, not more often than every mebibyte. */
class Progress {
  readonly #onProgress: ((done: number, all: number) => void) | undefined;
  #all = 0;
  #done = 0;
  #told = 0;

  constructor(options: RecoverOptions, names: readonly SegmentName[]) {
    this.#onProgress = options.onProgress;
    if (this.#onProgress === undefined) return;
    for (const { name } of names) {
      const file = options.fileSystem.open(`${options.directory}/${name}`, "read");
      this.#all += file.size();
      file.close();
    }
  }

  within(end: number): void {
    if (this.#done + end - this.#told >= 1024 * 1024) this.#tell(this.#done + end);
  }

  segment(size: number): void {
    this.#done += size;
    this.#tell(this.#done);
  }

  #tell(done: number): void {
    this.#told = done;
    this.#onProgress?.(done, this.#all);
  }
}
