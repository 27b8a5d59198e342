/**
 * Entries that are in the log read again, with one read, and held against what their
 * segment's index knows of them since they were checked or written.
 */
import { readKnownBlock } from "../codec/known-block.js";
import type { DatabaseError } from "../errors.js";
import { LogIndex, type Entry, type EntryPosition } from "../raft/types.js";
import type { File } from "./file-system.js";
import { MARKER_SIZE } from "./segment.js";
import type { SegmentIndex } from "./segment-index.js";
import { damaged, SegmentScanner } from "./segment-scanner.js";

export interface ReadableSegment {
  /** the file's */
  readonly name: string;
  readonly file: File;
  readonly marker: Uint8Array;
  readonly index: SegmentIndex;
}

/** Reads `count` entries of one segment, all of which it holds. @throws {DatabaseError} CORRUPTION */
export function readEntries(
  segment: ReadableSegment,
  from: number,
  count: number,
): readonly Entry[] {
  const { file, marker, index } = segment;
  const start = index.offset(from);
  const bytes = new Uint8Array(index.offset(from + count) - start);
  const isWhole = file.read(bytes, start) === bytes.length;
  const entries: Entry[] = [];
  let position = index.positionOf(from);
  for (let next = from; next < from + count; next += 1) {
    const end = index.offset(next + 1) - start - MARKER_SIZE;
    const checksum = index.checksum(next);
    const entry = readKnownBlock(bytes, index.offset(next) - start, end, position, checksum);
    if (entry === undefined || !isWhole || !isAt(bytes, end, marker))
      throw damageAt(segment, next, position);
    entries.push(entry);
    if (next + 1 < from + count) position = index.positionOf(next + 1);
  }
  return entries;
}

function isAt(bytes: Uint8Array, start: number, marker: Uint8Array): boolean {
  for (let i = 0; i < MARKER_SIZE; i += 1) if (bytes[start + i] !== marker[i]) return false;
  return true;
}

/** What a strict reading has to say of an entry that is not as it was. */
function damageAt(
  { name, file, marker, index }: ReadableSegment,
  at: number,
  position: EntryPosition,
): DatabaseError {
  const [offset, limit] = [index.offset(at), index.offset(at + 1)];
  const step = new SegmentScanner({ file, marker, offset, limit, position }).next();
  const reason = step.kind === "bad" ? step.reason : "it read otherwise a moment ago";
  return damaged(name, { offset, index: LogIndex(at), reason }, "it was good before");
}
