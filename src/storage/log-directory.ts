/**
 * The log's directory: which of the changes of its names are durable. Most are made so
 * at once, before anything else is done, and are owed when there is no descriptor for
 * that. A new segment's name waits for the flush that is the first to rest on it, and
 * the name of a sealed one for nobody: it is synced beside the event loop.
 */
import type { FileSystem } from "./file-system.js";

export class LogDirectory {
  readonly path: string;
  readonly #fileSystem: FileSystem;
  #changeCount = 0;
  /** of the changes, the first so many are durable */
  #durableCount = 0;
  /** the next flush rests on the first so many */
  #awaitedCount = 0;
  /** a sync was due at once, and there was no descriptor for it */
  #isOwed = false;

  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.path = path;
  }

  /** Renames a file in it. @returns the number of this change */
  rename(from: string, to: string): number {
    this.#fileSystem.rename(from, to);
    this.#changeCount += 1;
    return this.#changeCount;
  }

  /** The next flush rests on what was changed up to now. */
  await(): void {
    this.#awaitedCount = this.#changeCount;
  }

  /** Whether a flush must sync it first. */
  get isAwaited(): boolean {
    return this.#durableCount < this.#awaitedCount;
  }

  isDurable(change: number): boolean {
    return change <= this.#durableCount;
  }

  /** Makes all changes durable. @throws Node's own errors; then it is owed */
  sync(): void {
    this.#isOwed = true;
    this.#fileSystem.syncDirectory(this.path);
    this.#isOwed = false;
    this.#durableCount = this.#changeCount;
  }

  /** The same beside the event loop, of the changes up to now. */
  syncLater(done: (error: Error | undefined) => void): void {
    const count = this.#changeCount;
    this.#fileSystem.syncDirectoryLater(this.path, (error) => {
      if (error === undefined) this.#durableCount = Math.max(this.#durableCount, count);
      done(error);
    });
  }

  /** Syncs when that is owed from an earlier step. */
  settle(): void {
    if (this.#isOwed) this.sync();
  }
}
