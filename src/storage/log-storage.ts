/**
 * LogStorage: what the driver needs of the log on disk. Implemented by
 * SegmentedLog over a FileSystem.
 *
 * One ordered stream of operations: append and truncate take effect in the order
 * of the calls, and a flush covers all that came before it. A failed write or
 * flush poisons the log: every later call fails with STORAGE_FAILED, nothing is
 * retried, the node stops.
 *
 * A shortage does not: DISK_FULL, or BUSY when too many files are open. Of an
 * append a part may have been written then (lastIndex tells), each entry whole or
 * not at all; any other call has done nothing that doing it again would not do.
 */
import type { Entry, LogIndex, LogReader, Term } from "../raft/types.js";

/** The last entry that a snapshot holds: what the log behind it chains to. */
export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
  readonly checksum: number;
}

export interface LogStorage extends LogReader {
  /** Writes entries behind lastIndex (contiguous, chained). Not durable yet. @throws {DatabaseError} DISK_FULL, BUSY, STORAGE_FAILED */
  append(entries: readonly Entry[]): void;
  /** Drops everything from `from` (inclusive, >= firstIndex); durable when it returns. */
  truncateSuffix(from: LogIndex): void;
  /** Whether a segment was rolled since the last flush: the next one takes the disk's time more than once. */
  readonly isRolling: boolean;
  /** Makes everything so far durable before it returns: for a disk that answers in well under a millisecond. */
  flush(): void;
  /**
   * Makes everything so far durable beside the event loop; at most one is under
   * way, the caller waits. `done` is called at once when there is nothing to do.
   */
  flushLater(done: (error: Error | undefined) => void): void;
  /**
   * Leaves a note for recovery of what the last flush has made durable. To be
   * called now and then, not with every flush; cheap when there is nothing to
   * note, and nothing rests on it.
   */
  noteFlushed(): void;
  /**
   * A snapshot holds everything up to `index`: whole sealed segments up to there may
   * go, or into the archive. firstIndex moves to the first entry that is kept.
   */
  compactTo(index: LogIndex): void;
  /**
   * A snapshot took the log's place: nothing of it is kept, and it goes on behind
   * `base`. The snapshot is durable already.
   */
  reset(base: LogBase): void;
  /** Seals the open segment, so that every Avro reader opens the whole log. Idempotent. */
  close(): void;
}

/** What recovery found. */
export interface RecoveryReport {
  readonly entryCount: number;
  readonly byteCount: number;
  readonly segmentCount: number;
  /** bytes of a torn write dropped from the tail; 0 after a clean stop */
  readonly tornByteCount: number;
  /** file and offset of the torn write; undefined when there was none */
  readonly tornAt: { readonly file: string; readonly offset: number } | undefined;
}
