/**
 * Reading a segment's blocks in order, strictly: each chains to the one before
 * by checksum, index and term, and ends with the segment's marker.
 *
 * Reads the file through a window, so that a segment need not fit in memory. The
 * entries it gives are views of that window. They stay valid, because a window is
 * never written again, unless whoever scans has no use for them and says so.
 */
import { readBlock, readBlockHead } from "../codec/block.js";
import { DatabaseError } from "../errors.js";
import { LogIndex } from "../raft/types.js";
import type { Entry, EntryPosition } from "../raft/types.js";
import type { File } from "./file-system.js";
import { HEADER_SIZE_MAX, MARKER_SIZE, readSegmentHeader, type HeaderRead } from "./segment.js";
import type { SegmentIndex } from "./segment-index.js";
import {
  readWitness,
  tailCase,
  WITNESS_PAGE_SIZE,
  TrailingZeros,
  type TailCase,
  type Witness,
} from "./witness.js";

/** bytes read at once */
const WINDOW_SIZE = 1024 * 1024;
/** bytes that hold any block's count and size */
const BLOCK_HEAD_SIZE = 20;

export type ScanStep =
  | { readonly kind: "entry"; readonly entry: Entry; readonly offset: number }
  /** the limit is reached right behind a block */
  | { readonly kind: "end" }
  /** what stands at `offset` is not the next block */
  | { readonly kind: "bad"; readonly reason: string };

export interface ScanOptions {
  readonly file: File;
  readonly marker: Uint8Array;
  /** where the first block stands */
  readonly offset: number;
  /** where the blocks end at the latest */
  readonly limit: number;
  /** what the first block must be, and chain to; `term` is its predecessor's */
  readonly position: EntryPosition;
  /** bytes; default 1 MiB */
  readonly windowSize?: number;
  /** each entry is done with before the next one: their memory is used again; default: it is not */
  readonly isPassing?: boolean;
}

export class SegmentScanner {
  readonly #file: File;
  readonly #marker: Uint8Array;
  readonly #limit: number;
  readonly #windowSize: number;
  readonly #isPassing: boolean;
  /** what the window is a part of */
  #memory = new Uint8Array(0);
  #window = this.#memory;
  #windowStart: number;
  #offset: number;
  #index: number;
  #term: number;
  #checksum: number;

  constructor(options: ScanOptions) {
    this.#file = options.file;
    this.#marker = options.marker;
    this.#limit = options.limit;
    this.#windowSize = options.windowSize ?? WINDOW_SIZE;
    this.#isPassing = options.isPassing ?? false;
    this.#offset = options.offset;
    this.#windowStart = options.offset;
    this.#index = options.position.index;
    this.#term = options.position.term;
    this.#checksum = options.position.previousChecksum;
  }

  /** Behind the last good block. */
  get offset(): number {
    return this.#offset;
  }

  next(): ScanStep {
    const offset = this.#offset;
    if (offset >= this.#limit) return { kind: "end" };
    let at = this.#need(BLOCK_HEAD_SIZE);
    const head = readBlockHead(this.#window, at);
    if (head !== undefined) {
      at = this.#need(head.end - at + MARKER_SIZE);
    }
    const read = readBlock(this.#window, at, this.#checksum);
    if (read.kind === "fault") return { kind: "bad", reason: read.reason };
    const { entry, end } = read;
    if (entry.index !== this.#index)
      return { kind: "bad", reason: `it holds entry ${entry.index}` };
    if (entry.term < this.#term)
      return { kind: "bad", reason: `its term ${entry.term} is behind term ${this.#term}` };
    if (Buffer.compare(this.#window.subarray(end, end + MARKER_SIZE), this.#marker) !== 0)
      return { kind: "bad", reason: "the segment's marker does not follow the block" };
    this.#offset += end + MARKER_SIZE - at;
    this.#index += 1;
    this.#term = entry.term;
    this.#checksum = entry.checksum;
    return { kind: "entry", entry, offset };
  }

  /** Sees to it that `size` bytes from the offset on are in the window, or all up to the limit. @returns where they start in it */
  #need(size: number): number {
    const end = Math.min(this.#limit, this.#offset + size);
    if (end > this.#windowStart + this.#window.length) {
      const wanted = Math.min(this.#limit - this.#offset, Math.max(size, this.#windowSize));
      const isRoomy = this.#isPassing && this.#memory.length >= wanted;
      if (!isRoomy) this.#memory = new Uint8Array(wanted);
      const count = this.#file.read(this.#memory.subarray(0, wanted), this.#offset);
      this.#window = this.#memory.subarray(0, count);
      this.#windowStart = this.#offset;
    }
    return this.#offset - this.#windowStart;
  }
}

/** What a header is read into; nothing of it is kept. */
const headerBytes = new Uint8Array(HEADER_SIZE_MAX);

/** Reads the header of the segment in `file`. */
export function readHeader(file: File): HeaderRead {
  const count = file.read(headerBytes, 0);
  return readSegmentHeader(headerBytes.subarray(0, count));
}

/** Where a segment's blocks stop being good. */
export interface ScanFault {
  readonly offset: number;
  /** of the entry that should stand there */
  readonly index: LogIndex;
  readonly reason: string;
}

/**
 * Reads the good blocks of a segment behind those that `index` has already.
 * @returns why it stopped, or undefined when they reach the limit
 */
export function indexSegment(
  options: Omit<ScanOptions, "position" | "offset">,
  index: SegmentIndex,
  onEntry?: (end: number) => void,
): ScanFault | undefined {
  const scanner = new SegmentScanner({
    offset: index.end,
    position: {
      index: LogIndex(index.lastIndex + 1),
      term: index.lastTerm,
      previousChecksum: index.lastChecksum,
    },
    ...options,
    isPassing: true,
  });
  for (;;) {
    const step = scanner.next();
    if (step.kind === "end") return undefined;
    if (step.kind === "bad") {
      const next = LogIndex(index.lastIndex + 1);
      return { offset: scanner.offset, index: next, reason: step.reason };
    }
    index.add(step.entry, scanner.offset);
    onEntry?.(scanner.offset);
  }
}

/** Reads the witness of an open segment. Before its blocks: what it vouches for is then there to be read. */
export function readWitnessOf(
  file: File,
  fileSize: number,
  marker: Uint8Array,
): Witness | undefined {
  if (fileSize < WITNESS_PAGE_SIZE) return undefined;
  const page = new Uint8Array(WITNESS_PAGE_SIZE);
  file.read(page, fileSize - WITNESS_PAGE_SIZE);
  return readWitness(page, fileSize, marker);
}

/** What an open segment's blocks are followed by. */
export interface Tail {
  readonly which: TailCase;
  /** bytes behind the good blocks that are dropped when the tail is torn */
  readonly tornByteCount: number;
}

/** Judges what stands behind the good blocks of an open segment, which end at `offset`. */
export function judgeTail(
  file: File,
  fileSize: number,
  witness: Witness | undefined,
  offset: number,
): Tail {
  const limit = witness === undefined ? fileSize : fileSize - WITNESS_PAGE_SIZE;
  const batch = new TrailingZeros(witness?.durableEnd ?? offset);
  const batchEnd = witness?.batchEnd ?? offset;
  let lastNonZero = offset;
  eachWindow(file, Math.min(batch.start, offset), limit, (bytes, position) => {
    const from = Math.max(0, batch.start - position);
    const to = Math.min(bytes.length, batchEnd - position);
    if (from < to) batch.add(bytes.subarray(from, to));
    const start = Math.max(0, offset - position);
    let end = bytes.length;
    while (end > start && bytes[end - 1] === 0) end -= 1;
    if (end > start) lastNonZero = position + end;
  });
  const restIsZero = lastNonZero === offset;
  const which = tailCase({ offset, witness, restIsZero, trailingZeros: batch.count });
  return { which, tornByteCount: Math.max(lastNonZero, batchEnd) - offset };
}

function eachWindow(
  file: File,
  start: number,
  limit: number,
  visit: (bytes: Uint8Array, position: number) => void,
): void {
  const window = new Uint8Array(Math.max(0, Math.min(WINDOW_SIZE, limit - start)));
  for (let position = start; position < limit; position += WINDOW_SIZE) {
    const bytes = window.subarray(0, limit - position);
    visit(bytes.subarray(0, file.read(bytes, position)), position);
  }
}

/** The error for damage that is no torn write. */
export function damaged(name: string, fault: ScanFault, why: string): DatabaseError {
  const place = `segment ${name}: at offset ${fault.offset}, where entry ${fault.index} should stand`;
  return new DatabaseError(
    "CORRUPTION",
    `${place}: ${fault.reason}${why === "" ? "" : `; ${why}`}`,
  );
}
