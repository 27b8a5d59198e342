/**
 * Segment files as they are found: read from end to end, and judged each for itself.
 * Shared by recovery and by the offline tools, which change nothing.
 */
import { LogIndex, type Term } from "../raft/types.js";
import type { File } from "./file-system.js";
import { syncMarker, type SegmentName, type SegmentStart } from "./segment.js";
import { SegmentIndex } from "./segment-index.js";
import {
  indexSegment,
  judgeTail,
  readHeader,
  readWitnessOf,
  type ScanFault,
} from "./segment-scanner.js";
import { TAIL_VERDICTS, tailReason, WITNESS_PAGE_SIZE, type Witness } from "./witness.js";

/** One segment file, read from end to end. */
export interface SegmentRead {
  readonly name: SegmentName;
  readonly marker: Uint8Array;
  readonly index: SegmentIndex;
  /** the file's size */
  readonly fileSize: number;
  /** whether it says that it was flushed, and so that all in front of it is durable; a sealed one does */
  readonly vouches: boolean;
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
  | {
      readonly kind: "headless";
      readonly fault: ScanFault;
      readonly vouches: boolean;
      /** whether it is a torn write; only of one behind an open one */
      readonly torn: boolean;
      readonly tornByteCount: number;
    };

/** What stands in front of a segment, when that is an open one. */
export interface OpenBefore {
  /** how the segment must begin; undefined when that is not known */
  readonly start: SegmentStart | undefined;
}

export interface ReadOptions {
  readonly onBytes?: (end: number) => void;
  readonly before?: OpenBefore | undefined;
}

/** Reads the segment `name` in `file`, whatever comes before it. Never throws for what it finds. */
export function readSegment(
  file: File,
  name: SegmentName,
  options: ReadOptions = {},
): SegmentResult {
  const fileSize = file.size();
  const header = readHeader(file);
  if (header.kind === "fault") return headless(file, name, header.reason, options.before);
  const { start } = header;
  if (start.firstIndex !== name.firstIndex) {
    const reason = `its header says that it begins with entry ${start.firstIndex}`;
    return headless(file, name, reason, undefined);
  }
  const marker = syncMarker(start);
  const index = new SegmentIndex(start, header.size);
  const read = { name, marker, index, fileSize };
  if (name.kind === "sealed") {
    const bad = indexSegment({ file, marker, limit: fileSize }, index, options.onBytes);
    const hasMore = bad !== undefined && index.lastIndex === name.lastIndex;
    const isUncut = hasMore && isBeingSealed(file, marker, index.end);
    const found = isUncut ? undefined : (bad ?? wrongLast(name, index));
    const damage = found === undefined ? undefined : { torn: false, tornByteCount: 0, ...found };
    return { kind: "read", segment: { isUncut, vouches: true, damage, ...read } };
  }
  return { kind: "read", segment: { isUncut: false, ...readOpen(file, read, options), ...read } };
}

/** A header that is bad, or was never flushed: then it is torn as any write is. */
function headless(
  file: File,
  name: SegmentName,
  reason: string,
  before: OpenBefore | undefined,
): SegmentResult {
  const fault = { offset: 0, index: LogIndex(name.firstIndex), reason };
  if (before === undefined || name.kind === "sealed")
    return { kind: "headless", fault, vouches: true, torn: false, tornByteCount: 0 };
  const { start } = before;
  const isKnown = start?.firstIndex === name.firstIndex;
  const witness = isKnown ? readWitnessOf(file, file.size(), syncMarker(start)) : undefined;
  const { which, tornByteCount } = judgeTail(file, file.size(), witness, 0);
  const torn = witness === undefined || TAIL_VERDICTS[which] !== "corrupt";
  return { kind: "headless", fault, vouches: hasFlushed(witness), torn, tornByteCount };
}

/** Whether a flush of the segment has begun; the first of all stands for nothing. */
function hasFlushed(witness: Witness | undefined): boolean {
  return witness !== undefined && witness.batchEnd > 0;
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
  { fileSize, marker, index }: Pick<SegmentRead, "fileSize" | "marker" | "index">,
  { onBytes, before: openBefore }: ReadOptions,
): Pick<SegmentRead, "damage" | "vouches"> {
  const witness = readWitnessOf(file, fileSize, marker);
  const vouches = hasFlushed(witness);
  const limit = witness === undefined ? fileSize : fileSize - WITNESS_PAGE_SIZE;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const before = index.end;
    const bad = indexSegment({ file, marker, limit }, index, onBytes);
    const tail = judgeTail(file, fileSize, witness, index.end);
    // the witness of one that was rolled into comes with its first flush
    const isUnstarted = tail.which === "blind" && openBefore !== undefined;
    const verdict = isUnstarted ? "torn" : TAIL_VERDICTS[tail.which];
    if (verdict === "whole") return { vouches, damage: undefined };
    // what looks torn may be a write that is just being made: then the next round gets further
    if (verdict === "torn" && index.end > before) continue;
    const damage = {
      offset: index.end,
      index: LogIndex(index.lastIndex + 1),
      reason: `${bad?.reason ?? "the log ends"}; ${tailReason(tail.which)}`,
      torn: verdict === "torn",
      tornByteCount: verdict === "torn" ? tail.tornByteCount : 0,
    };
    return { vouches, damage };
  }
  return { vouches, damage: undefined };
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

/** What the segment behind one must chain to. */
export function predecessorOf(index: SegmentIndex): Predecessor {
  return {
    clusterId: index.start.clusterId,
    lastIndex: index.lastIndex,
    checksum: index.lastChecksum,
    term: index.lastTerm,
  };
}
