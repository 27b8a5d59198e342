/** Snapshots outside of any data directory: backups. Files like a node's own, read strictly. */
import { createHash, type Hash } from "node:crypto";
import { basename, dirname, resolve } from "node:path";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { StateRow, StateRowKind } from "../store/state-row.js";
import type { FileSystem } from "./file-system.js";
import { NodeFileSystem } from "./node-file-system.js";
import { snapshotNames } from "./offline-snapshots.js";
import { SnapshotReader } from "./snapshot-file.js";
import type { WholeFile } from "./whole-file.js";

const COPY_SIZE = 1024 * 1024;

/** What a snapshot holds, every byte of it read. */
export interface SnapshotSummary {
  readonly file: string;
  /** bytes */
  readonly size: number;
  /** CRC-32 of the whole file */
  readonly fileChecksum: number;
  readonly head: SnapshotHead;
  /** the oldest revision that can be read; 0 when all can */
  readonly compactedRevision: number;
  /** keys that are there at its revision */
  readonly keyCount: number;
  readonly rowCounts: Readonly<Partial<Record<StateRowKind, number>>>;
}

/**
 * Reads a snapshot to its end.
 *
 * @param onRow gets every row, which is valid during the call only
 * @param onProgress gets bytes done and bytes in all
 * @throws {DatabaseError} CORRUPTION naming file and offset; Node's own errors
 */
export function readSnapshot(
  path: string,
  onRow: (row: StateRow, head: SnapshotHead) => void = () => undefined,
  onProgress: (done: number, all: number) => void = () => undefined,
  fileSystem: FileSystem = new NodeFileSystem(),
): SnapshotSummary {
  const file = fileSystem.open(path, "read");
  try {
    const reader = new SnapshotReader(file);
    const { head, size } = reader;
    const rowCounts: Partial<Record<StateRowKind, number>> = {};
    let [keyCount, compactedRevision] = [0, 0];
    const take = (row: StateRow): void => {
      rowCounts[row.kind] = (rowCounts[row.kind] ?? 0) + 1;
      if (row.kind === "store") compactedRevision = row.createRevision;
      if (row.kind === "key" || (row.kind === "put" && row.version === 1)) keyCount += 1;
      if (row.kind === "delete") keyCount -= 1;
      onRow(row, head);
    };
    while (reader.next(take)) onProgress(reader.offset, size);
    const fileChecksum = reader.checksum;
    return { file: path, size, fileChecksum, head, compactedRevision, keyCount, rowCounts };
  } finally {
    file.close();
  }
}

/** Paths of the whole snapshots of a data directory, or of its directory of snapshots, oldest first. */
export function snapshotFilesOf(
  path: string,
  fileSystem: FileSystem = new NodeFileSystem(),
): readonly string[] {
  const isInner =
    basename(resolve(path)) === "snapshots" && !fileSystem.exists(`${path}/snapshots`);
  const directory = isInner ? dirname(resolve(path)) : path;
  const names = snapshotNames(fileSystem, directory);
  return names.map((name) => (isInner ? `${path}/${name}` : `${path}/snapshots/${name}`));
}

/** SHA-256 of a file, in hex. @throws Node's own errors */
export function fileDigest(path: string, fileSystem: FileSystem = new NodeFileSystem()): string {
  const file = fileSystem.open(path, "read");
  try {
    const hash: Hash = createHash("sha256");
    const bytes = new Uint8Array(COPY_SIZE);
    for (let offset = 0; ;) {
      const count = file.read(bytes, offset);
      if (count === 0) return hash.digest("hex");
      hash.update(bytes.subarray(0, count));
      offset += count;
    }
  } finally {
    file.close();
  }
}

/**
 * Reads all that was written back, and gives it its name.
 * @throws {DatabaseError} CORRUPTION when it is not a whole snapshot; Node's own errors
 */
export function finishSnapshot(written: WholeFile): SnapshotSummary {
  const summary = readSnapshot(written.temporary);
  written.finish();
  return summary;
}

/** Copies a snapshot from elsewhere into `target`. */
export function copySnapshot(
  path: string,
  target: WholeFile,
  onProgress: (done: number, all: number) => void,
  fileSystem: FileSystem = new NodeFileSystem(),
): void {
  const file = fileSystem.open(path, "read");
  try {
    const size = file.size();
    const bytes = new Uint8Array(Math.min(size, COPY_SIZE));
    while (target.size < size) {
      const count = file.read(bytes, target.size);
      if (count === 0) throw new DatabaseError("CORRUPTION", `${path} is shorter than it was`);
      target.write(bytes.slice(0, count));
      onProgress(target.size, size);
    }
  } finally {
    file.close();
  }
}
