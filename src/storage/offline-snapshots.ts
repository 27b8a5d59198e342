/**
 * The snapshots of a data directory without its node: read-only, heads and ends
 * only. For the offline tools; the node that owns the directory may be running, so
 * that a snapshot may be gone between its listing and its reading.
 */
import { crc32 } from "node:zlib";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { FileSystem } from "./file-system.js";
import { SnapshotReader } from "./snapshot-file.js";

/** A snapshot whose head is sound; whether its rows are, only reading them tells. */
export interface OfflineSnapshot {
  readonly file: string;
  /** bytes */
  readonly size: number;
  readonly head: SnapshotHead;
  /**
   * CRC-32 of the file's last bytes. They hold the last link of the chain of
   * checksums over all rows: two snapshots that are equal in it hold the same state.
   */
  readonly endChecksum: number;
}

/** bytes: the last block, which is one row, and then some */
const END_SIZE = 64;
const NAME = /^[0-9]{20}-[0-9]{20}\.avro$/;

/** Names of whole snapshots in a data directory, oldest first. */
export function snapshotNames(fileSystem: FileSystem, dataDirectory: string): readonly string[] {
  const directory = `${dataDirectory}/snapshots`;
  if (!fileSystem.exists(directory)) return [];
  return fileSystem.list(directory).filter((name) => NAME.test(name));
}

/** The snapshots of a data directory, oldest first, but those whose heads are damaged or that are gone by now. */
export function readSnapshots(
  fileSystem: FileSystem,
  dataDirectory: string,
): readonly OfflineSnapshot[] {
  return snapshotNames(fileSystem, dataDirectory).flatMap((name) => {
    try {
      return readSnapshotEnds(fileSystem, `${dataDirectory}/snapshots/${name}`);
    } catch (error) {
      const isDamaged = error instanceof DatabaseError && error.code === "CORRUPTION";
      if (isDamaged || (error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

/** @throws {DatabaseError} CORRUPTION when its head is damaged; Node's own errors */
function readSnapshotEnds(fileSystem: FileSystem, path: string): OfflineSnapshot {
  const file = fileSystem.open(path, "read");
  try {
    const { head, size } = new SnapshotReader(file);
    const end = new Uint8Array(Math.min(size, END_SIZE));
    file.read(end, size - end.length);
    return { file: path, size, head, endChecksum: crc32(end) };
  } finally {
    file.close();
  }
}
