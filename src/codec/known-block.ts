/**
 * Blocks that were read and checked before, or made by this very process: the
 * checksum that is known of one stands for everything that a strict reading has
 * found out about its rows, so that they need not be walked again.
 */
import { LogIndex, Term, type Entry, type EntryPosition } from "../raft/types.js";
import { blockChecksum, readBlock, readBlockHead } from "./block.js";
import { MalformedRow, RowReader } from "./row.js";

/**
 * The entry whose block these bytes are, or undefined when they are not those of
 * `checksum` behind `position`. Its `block` is a view of `bytes`.
 */
export function readKnownBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  { index, term, previousChecksum }: EntryPosition,
  checksum: number,
): Entry | undefined {
  const block = bytes.subarray(start, end);
  const head = readBlockHead(block, 0);
  if (head?.end !== block.length || blockChecksum(block, previousChecksum) !== checksum)
    return undefined;
  const reader = firstRow(block, head.dataOffset);
  if (reader?.checksum !== checksum || reader.index !== index || reader.term !== term)
    return undefined;
  const entry = { index: LogIndex(index), term: Term(term), checksum, block };
  switch (reader.kind) {
    case "noop":
      return { kind: "noop", ...entry };
    case "config": {
      const read = readBlock(block, 0, previousChecksum);
      return read.kind === "entry" ? read.entry : undefined;
    }
    default:
      return { kind: "commands", ...entry };
  }
}

/** A reader at the first row; undefined when that is none: the checksum does not cover what stands before itself. */
function firstRow(block: Uint8Array, dataOffset: number): RowReader | undefined {
  const reader = new RowReader(block, dataOffset, block.length);
  try {
    reader.next();
    return reader;
  } catch (error) {
    if (error instanceof MalformedRow) return undefined;
    throw error;
  }
}
