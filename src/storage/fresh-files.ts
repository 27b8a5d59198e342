/**
 * Fresh files: zero-filled, for segments to come. Overwriting zeros that are on
 * disk costs half the `fdatasync` of a growing file, and a segment made ahead,
 * beside the event loop, lets rolling go without a stall.
 *
 * They bear names that end in `.tmp` until they hold a header; what is left of
 * them by a crash is removed by recovery.
 */
import type { File, FileSystem } from "./file-system.js";
import { shortage } from "./shortage.js";

const CHUNK_SIZE = 1024 * 1024;
/** synced one by one, so that a flush of the log never waits behind a whole segment of zeros */
const AHEAD_CHUNK_SIZE = 256 * 1024;
const ZEROS = new Uint8Array(CHUNK_SIZE);

/** A zero-filled file under a temporary name. Its owner renames it. */
export interface FreshFile {
  readonly file: File;
  readonly path: string;
  readonly size: number;
}

export class FreshFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** made ahead, or being made */
  #ahead: (FreshFile & { ready: boolean }) | undefined;
  #closed = false;
  #sequence = 0;

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** Starts making a file of `size` bytes unless one is there. A failure is no harm: the next `take` tells. */
  prepare(size: number): void {
    if (this.#ahead !== undefined || this.#closed) return;
    try {
      const path = this.#nextPath();
      const file = this.#fileSystem.open(path, "create");
      const ahead = { file, path, size, ready: false };
      this.#ahead = ahead;
      this.#fill(ahead, 0);
    } catch {
      this.#drop();
    }
  }

  #fill(ahead: FreshFile & { ready: boolean }, position: number): void {
    const finish = (error: Error | undefined, next: () => void): void => {
      if (this.#ahead !== ahead) return; // given up meanwhile
      if (error !== undefined) {
        this.#drop();
        return;
      }
      try {
        next();
      } catch {
        this.#drop();
      }
    };
    const { file, size } = ahead;
    const chunk = ZEROS.subarray(0, Math.min(AHEAD_CHUNK_SIZE, size - position));
    file.writeLater(chunk, position, (writeError) => {
      finish(writeError, () => {
        file.datasyncLater((syncError) => {
          finish(syncError, () => {
            if (position + chunk.length < size) this.#fill(ahead, position + chunk.length);
            else ahead.ready = true;
          });
        });
      });
    });
  }

  /** A file of `size` bytes: the one made ahead when it is ready and fits, otherwise one made now. */
  take(size: number): FreshFile {
    const ahead = this.#ahead;
    if (ahead?.ready === true && ahead.size === size) {
      this.#ahead = undefined;
      return ahead;
    }
    try {
      return this.#make(size);
    } catch (error) {
      // what is being made ahead takes the room, and can be spared
      if (ahead === undefined || shortage(error, "") === undefined) throw error;
      this.#drop();
      return this.#make(size);
    }
  }

  #make(size: number): FreshFile {
    const path = this.#nextPath();
    const file = this.#fileSystem.open(path, "create");
    try {
      for (let position = 0; position < size; position += CHUNK_SIZE) {
        file.write(ZEROS.subarray(0, Math.min(CHUNK_SIZE, size - position)), position);
      }
    } catch (error) {
      file.close();
      this.discard(path);
      throw error;
    }
    return { file, path, size };
  }

  /** Removes a temporary file if the disk lets us; recovery does so otherwise. */
  discard(path: string): void {
    try {
      this.#fileSystem.remove(path);
    } catch {
      // what remains is only space
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead === undefined) return;
    ahead.file.close();
    this.discard(ahead.path);
  }

  /** Never the same name twice: a file given up may still be written to. */
  #nextPath(): string {
    this.#sequence += 1;
    return `${this.#directory}/fresh-${this.#sequence}.tmp`;
  }
}
