/**
 * Sealed segments opened for reading: a few at a time, so that a long log does
 * not use up the process' descriptors.
 */
import type { File, FileSystem } from "./file-system.js";

const OPEN_FILES_MAX = 8;
const COPY_SIZE = 1024 * 1024;

export class SegmentFiles {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** by name, the longest unused first */
  readonly #files = new Map<string, File>();

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** Valid until the next call. */
  get(name: string): File {
    const known = this.#files.get(name);
    const file = known ?? this.#fileSystem.open(`${this.#directory}/${name}`, "read");
    this.#files.delete(name);
    this.#files.set(name, file);
    if (this.#files.size > OPEN_FILES_MAX) {
      const oldest = this.#files.keys().next();
      if (oldest.done !== true) this.forget(oldest.value);
    }
    return file;
  }

  forget(name: string): void {
    this.#files.get(name)?.close();
    this.#files.delete(name);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}

/** Copies the first `size` bytes. @returns size @throws when `source` is shorter */
export function copyStart(source: File, target: File, size: number): number {
  const buffer = new Uint8Array(Math.min(size, COPY_SIZE));
  for (let position = 0; position < size; position += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, size - position));
    if (source.read(chunk, position) !== chunk.length)
      throw new Error(`${source.path} is shorter than it was`);
    target.write(chunk, position);
  }
  return size;
}
