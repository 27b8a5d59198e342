/**
 * Recovery: what a log directory holds, read and judged. Shared by the node that
 * will write it and, for the judging, by the offline tools that never do.
 *
 * Names that a crash can leave behind, and what becomes of them:
 *
 *   `*.tmp`                       made ahead, half made or needless: removed
 *   F.open                        the tail of a node that did not stop cleanly
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
 * All else must be sealed segments that follow each other without a gap. No
 * sealed segment can be torn: it was synced before it got its name, and what must
 * be in it is what the name says, so that a file that lost its end is found out.
 */
import { DatabaseError } from "../errors.js";
import { LogIndex, type Term } from "../raft/types.js";
import type { File, FileSystem } from "./file-system.js";
import { removeLeftovers } from "./needless-files.js";
import { parseSegmentName, syncMarker, type SegmentName, type SegmentStart } from "./segment.js";
import { SegmentIndex } from "./segment-index.js";
import {
  damaged,
  indexSegment,
  judgeTail,
  readHeader,
  readWitnessOf,
  type ScanFault,
} from "./segment-scanner.js";
import { TAIL_VERDICTS, tailReason, WITNESS_PAGE_SIZE } from "./witness.js";

/** One segment file, read from end to end. */
export interface SegmentRead {
  readonly name: SegmentName;
  readonly marker: Uint8Array;
  readonly index: SegmentIndex;
  /** the file's size */
  readonly fileSize: number;
  /** a sealed one that is whole, and still has behind it what an open one has */
  readonly isUncut: boolean;
  /** where and why it is not good to its end; undefined for a whole one */
  readonly damage:
    (ScanFault & { readonly torn: boolean; readonly tornByteCount: number }) | undefined;
}

/** What a segment must chain to; undefined for the first one. */
export interface Predecessor {
  readonly clusterId: string;
  readonly lastIndex: number;
  readonly checksum: number;
  readonly term: Term;
}

/** A header that cannot be read or does not fit: no block of the segment can be. */
export type SegmentResult =
  | { readonly kind: "read"; readonly segment: SegmentRead }
  | { readonly kind: "headless"; readonly fault: ScanFault };

/** Reads the segment `name` in `file`, whatever comes before it. Never throws for what it finds. */
export function readSegment(
  file: File,
  name: SegmentName,
  onBytes?: (end: number) => void,
): SegmentResult {
  const fileSize = file.size();
  const header = readHeader(file);
  const fault = { offset: 0, index: LogIndex(name.firstIndex) };
  if (header.kind === "fault")
    return { kind: "headless", fault: { ...fault, reason: header.reason } };
  const { start } = header;
  if (start.firstIndex !== name.firstIndex) {
    const reason = `its header says that it begins with entry ${start.firstIndex}`;
    return { kind: "headless", fault: { ...fault, reason } };
  }
  const marker = syncMarker(start);
  const index = new SegmentIndex(start, header.size);
  const read = { name, marker, index, fileSize };
  if (name.kind === "sealed") {
    const bad = indexSegment({ file, marker, limit: fileSize }, index, onBytes);
    const hasMore = bad !== undefined && index.lastIndex === name.lastIndex;
    const isUncut = hasMore && isBeingSealed(file, marker, index.end);
    const found = isUncut ? undefined : (bad ?? wrongLast(name, index));
    const damage = found === undefined ? undefined : { ...found, torn: false, tornByteCount: 0 };
    return { kind: "read", segment: { isUncut, damage, ...read } };
  }
  const damage = readOpen(file, read, onBytes);
  return { kind: "read", segment: { isUncut: false, damage, ...read } };
}

/** Whether nothing but zeros and a witness that knows of no more stand behind `end`; or nothing by now. */
function isBeingSealed(file: File, marker: Uint8Array, end: number): boolean {
  const fileSize = file.size();
  if (fileSize === end) return true;
  const witness = readWitnessOf(file, fileSize, marker);
  return witness?.batchEnd === end && judgeTail(file, fileSize, witness, end).which === "clean";
}

/** times the end of an open segment is read again while its node writes behind what was read */
const ROUNDS_MAX = 8;

/** Reads an open segment's blocks and judges what stands behind them. */
function readOpen(
  file: File,
  { fileSize, marker, index }: Omit<SegmentRead, "damage" | "name" | "isUncut">,
  onBytes: ((end: number) => void) | undefined,
): SegmentRead["damage"] {
  const witness = readWitnessOf(file, fileSize, marker);
  const limit = witness === undefined ? fileSize : fileSize - WITNESS_PAGE_SIZE;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const before = index.end;
    const bad = indexSegment({ file, marker, limit }, index, onBytes);
    const tail = judgeTail(file, fileSize, witness, index.end);
    const verdict = TAIL_VERDICTS[tail.which];
    if (verdict === "whole") return undefined;
    // what looks torn may be a write that is just being made: then the next round gets further
    if (verdict === "torn" && index.end > before) continue;
    return {
      offset: index.end,
      index: LogIndex(index.lastIndex + 1),
      reason: `${bad?.reason ?? "the log ends"}; ${tailReason(tail.which)}`,
      torn: verdict === "torn",
      tornByteCount: verdict === "torn" ? tail.tornByteCount : 0,
    };
  }
  return undefined;
}

function wrongLast(name: SegmentName, index: SegmentIndex): ScanFault | undefined {
  if (name.kind !== "sealed" || index.lastIndex === name.lastIndex) return undefined;
  const reason = `the segment ends with entry ${index.lastIndex}, not with ${name.lastIndex}`;
  return { offset: index.end, index: LogIndex(index.lastIndex + 1), reason };
}

/** Why a segment cannot follow `predecessor`, or undefined when it does. */
export function chainFault(
  start: SegmentStart,
  predecessor: Predecessor | undefined,
): string | undefined {
  if (predecessor === undefined) {
    if (start.firstIndex > 1) return undefined;
    const fresh = start.previousChecksum === 0 && start.previousTerm === 0;
    return fresh ? undefined : "nothing comes before entry 1, yet its header names something";
  }
  if (start.clusterId !== predecessor.clusterId)
    return `it belongs to cluster ${start.clusterId}, the log to ${predecessor.clusterId}`;
  const wanted = predecessor.lastIndex + 1;
  if (start.firstIndex > wanted) return `entries ${wanted} to ${start.firstIndex - 1} are missing`;
  if (start.firstIndex < wanted)
    return `it begins with entry ${start.firstIndex}, the one before ends with ${predecessor.lastIndex}`;
  if (start.previousChecksum !== predecessor.checksum || start.previousTerm !== predecessor.term)
    return `it does not follow from entry ${predecessor.lastIndex}`;
  return undefined;
}

/** The segments in a log directory, by name, in order; a doubled tail stands sealed first, open second. */
export function listSegments(fileSystem: FileSystem, directory: string): readonly SegmentName[] {
  const names = fileSystem.list(directory).map(parseSegmentName);
  return names
    .filter((name) => name !== undefined)
    .sort((a, b) => a.firstIndex - b.firstIndex || (a.kind === "sealed" ? -1 : 1));
}

export interface RecoverOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly clusterId: string;
  /** the greatest index that the log may begin with: 1, or what follows the newest snapshot */
  readonly firstIndexMax: number;
  readonly onProgress: ((done: number, all: number) => void) | undefined;
}

export interface RecoveredSegments {
  readonly segments: readonly SegmentRead[];
  /** oldest first; what a compaction has not come to */
  readonly needless: readonly SegmentName[];
}

/** Removes what a crash left, reads every segment. @throws {DatabaseError} CORRUPTION */
export function recoverSegments(options: RecoverOptions): RecoveredSegments {
  const { fileSystem, directory, clusterId } = options;
  removeLeftovers(fileSystem, directory);
  // a killed process may have renamed and removed without syncing; what is read
  // now must be what a power cut leaves
  fileSystem.syncDirectory(directory);
  const all = removeDoubledTail(fileSystem, directory, listSegments(fileSystem, directory));
  const names = behindLastGap(all, options.firstIndexMax);
  const progress = new Progress(options, names);
  const segments: SegmentRead[] = [];
  let predecessor: Predecessor | undefined;
  for (const name of names) {
    const file = fileSystem.open(`${directory}/${name.name}`, "read");
    let result;
    try {
      result = readSegment(file, name, (end) => {
        progress.within(end);
      });
      progress.segment(file.size());
    } finally {
      file.close();
    }
    if (result.kind === "headless") throw damaged(name.name, result.fault, "");
    const { segment } = result;
    const { start } = segment.index;
    const fault = { offset: 0, index: start.firstIndex };
    const before = predecessor ?? beforeFirst(options, start);
    const broken = chainFault(start, before);
    if (broken !== undefined) throw damaged(name.name, { ...fault, reason: broken }, "");
    if (name.kind === "open" && name !== names.at(-1))
      throw damaged(name.name, { ...fault, reason: "an open segment is the last one" }, "");
    if (segment.damage?.torn === false) throw damaged(name.name, segment.damage, "");
    if (segment.isUncut) cutToLog(fileSystem, `${directory}/${name.name}`, segment.index.end);
    segments.push(segment);
    const { lastIndex, lastChecksum: checksum, lastTerm: term } = segment.index;
    predecessor = { clusterId, lastIndex, checksum, term };
  }
  return { segments, needless: all.slice(0, all.length - names.length) };
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
  fileSystem: FileSystem,
  directory: string,
  names: readonly SegmentName[],
): readonly SegmentName[] {
  const doubled = names.findIndex((name, i) => {
    const before = names[i - 1];
    return name.kind === "open" && before?.firstIndex === name.firstIndex;
  });
  const name = names[doubled];
  if (name === undefined) return names;
  const sealed = names[doubled - 1];
  const file = fileSystem.open(`${directory}/${name.name}`, "read");
  let result;
  try {
    result = readSegment(file, name);
  } finally {
    file.close();
  }
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
