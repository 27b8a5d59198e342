/**
 * FileSystem: the door to the disk. Everything that touches the disk goes
 * through it; one real implementation (node-file-system.ts), one in memory that
 * forgets, tears and fails (simulation/memory-file-system.ts). Both pass the
 * same contract suite.
 *
 * Synchronous, because recovery and small writes are fastest so; what may take
 * long has a variant with a callback, which is never called before the call has
 * returned; a buffer handed to it belongs to it until then. Errors are Node's
 * own (`code`: ENOENT, EEXIST, ENOSPC, EIO, EMFILE, EACCES, …).
 */

export interface File {
  readonly path: string;
  /** Fills `target` from `position`; returns how many bytes, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): number;
  /** Writes all of `source` at `position`. @throws when a part cannot be written; what was written stays */
  write(source: Uint8Array, position: number): void;
  writeLater(source: Uint8Array, position: number, done: (error: Error | undefined) => void): void;
  truncate(size: number): void;
  truncateLater(size: number, done: (error: Error | undefined) => void): void;
  size(): number;
  /** fdatasync: returns when contents and size are durable. A failure is final: never retried. */
  datasync(): void;
  datasyncLater(done: (error: Error | undefined) => void): void;
  /** What is under way with a *Later ends first, and its `done` is still called. */
  close(): void;
}

export type OpenMode =
  /** must exist; read only */
  | "read"
  /** must exist */
  | "read-write"
  /** must not exist */
  | "create";

export interface FileSystem {
  open(path: string, mode: OpenMode): File;
  /** Names in a directory, sorted by code unit. */
  list(directory: string): readonly string[];
  exists(path: string): boolean;
  /** With its parents, durable when it returns; no error when it exists. */
  makeDirectory(path: string): void;
  /** Within one directory; replaces what `to` named. Open files stay open. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** The same beside the event loop: for large files, whose removal takes its time. */
  removeLater(path: string, done: (error: Error | undefined) => void): void;
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): void;
  /** The same beside the event loop, of what was done before the call. */
  syncDirectoryLater(directory: string, done: (error: Error | undefined) => void): void;
}
