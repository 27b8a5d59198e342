/**
 * A data directory's log without its node: read-only, without a lock, never a
 * byte changed. For `log inspect`, `log verify` and `log compare`; the node that
 * owns the directory may be running (the open segment is read as far as it is whole).
 */
import type { Entry, LogIndex } from "../raft/types.js";
import type { Identity } from "./data-directory.js";

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

export declare class OfflineLog {
  /** @param path the data directory. @throws {DatabaseError} INVALID_ARGUMENT when it holds no log */
  static open(path: string): OfflineLog;
  readonly path: string;
  readonly identity: Identity | undefined;
  /** 1, or what follows a compacted part */
  readonly firstIndex: LogIndex;
  /** the last whole entry */
  readonly lastIndex: LogIndex;
  /** Entries from `from` on, in order. @throws {DatabaseError} CORRUPTION at damage that is not a torn tail */
  entries(from: LogIndex): IterableIterator<OfflineEntry>;
  /** undefined when not held */
  checksumAt(index: LogIndex): { readonly term: number; readonly checksum: number } | undefined;
  /** Reads every byte. `onProgress` gets bytes done and bytes in all. */
  verify(onProgress?: (done: number, all: number) => void): VerifyReport;
  close(): void;
}
