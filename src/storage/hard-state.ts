/**
 * Term and vote on disk: two alternating checksummed copies, the newer one wins.
 *
 *   data/<id>/hard-state-1, hard-state-2
 *   copy := magic "BLSH", version u16, reserved u16, generation u64, term u64,
 *           voteLength u16, vote[64] (zero padded), crc32 u32      big-endian
 *
 * A copy is overwritten only while the other one is good and older by one
 * generation, so that a torn write leaves the state before it.
 */
import type { HardState } from "../raft/types.js";
import type { FileSystem } from "./file-system.js";

export declare class HardStateFile {
  /**
   * Reads the newest good copy; makes both when there is none and the directory is new.
   * @throws {DatabaseError} CORRUPTION when no copy is good though files exist
   */
  static open(fileSystem: FileSystem, directory: string): HardStateFile;
  get current(): HardState;
  /** Durable when it returns. @throws {DatabaseError} STORAGE_FAILED */
  write(hardState: HardState): void;
  close(): void;
}
