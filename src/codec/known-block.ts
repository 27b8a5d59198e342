/**
 * Blocks that were read and checked before, or made by this very process: the
 * checksum that is known of one stands for everything that a strict reading has
 * found out about its rows, so that they need not be walked again.
 */
import { LogIndex, Term, type Entry, type EntryPosition } from "../raft/types.js";
import { blockChecksum, readBlock, readBlockHead } from "./block.js";
import { RowReader } from "./row.js";

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
  const reader = new RowReader(block, head.dataOffset, block.length);
  reader.next();
  if (reader.checksum !== checksum || reader.index !== index || reader.term !== term)
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
