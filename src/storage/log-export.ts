/**
 * A whole log as one Avro object container file: what a single sealed segment would
 * be, had it no end. Any Avro reader opens it as a table, and so do our own tools.
 */
import { LogIndex } from "../raft/types.js";
import type { OfflineLog } from "./offline-log.js";
import { segmentHeader, syncMarker } from "./segment.js";

/**
 * The file's bytes, in pieces.
 *
 * @param onEntry gets the index of each entry as its turn comes
 * @throws {DatabaseError} CORRUPTION at damage that is not a torn tail
 */
export function* avroFileOf(
  log: OfflineLog,
  onEntry: (index: LogIndex) => void,
): Generator<Uint8Array> {
  const { start } = log;
  const marker = syncMarker(start);
  yield segmentHeader(start);
  for (const { entry } of log.entries(LogIndex(1))) {
    onEntry(entry.index);
    yield entry.block;
    yield marker;
  }
}
