/**
 * Files that nobody needs any more. Giving back a large file's room takes the disk
 * a while (half a millisecond for each mebibyte), for which nobody is to wait: its
 * name goes at once, and the file beside the event loop, one after another.
 *
 *   F → F.gone.tmp → nothing       names that end in `.tmp` are removed by the next start
 *
 * Nothing of it is durable before its owner syncs the directory: after a power cut
 * a file may be there again under its own name.
 */
import type { FileSystem } from "./file-system.js";

export class NeedlessFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** paths; the first one is being removed */
  readonly #gone: string[] = [];
  #closed = false;

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** @param name in the directory; free when this returns. @throws Node's own errors */
  discard(name: string): void {
    const path = `${this.#directory}/${name}`;
    const gone = `${path}.gone.tmp`;
    this.#fileSystem.rename(path, gone);
    this.#gone.push(gone);
    if (this.#gone.length === 1) this.#removeNext();
  }

  /** What still waits goes now. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const path of this.#gone.slice(1)) {
      try {
        this.#fileSystem.remove(path);
      } catch {
        // the next start removes it
      }
    }
  }

  #removeNext(): void {
    const path = this.#gone[0];
    if (path === undefined || this.#closed) return;
    // What cannot be removed now is removed by the next start.
    try {
      this.#fileSystem.removeLater(path, () => {
        this.#gone.shift();
        this.#removeNext();
      });
    } catch {
      this.#gone.length = 0;
    }
  }
}

/** Removes what an earlier life has left under names that end in `.tmp`. @throws Node's own errors */
export function removeLeftovers(fileSystem: FileSystem, directory: string): void {
  for (const name of fileSystem.list(directory)) {
    if (!name.endsWith(".tmp")) continue;
    try {
      fileSystem.remove(`${directory}/${name}`);
    } catch (error) {
      // The thread of a log that was closed in this very process may have been faster.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
