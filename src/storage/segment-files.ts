/**
 * Sealed segments opened for reading: a few at a time, so that a long log does
 * not use up the process' descriptors; and one at least from the beginning, so
 * that a process without descriptors can still read: one file goes, another comes.
 */
import type { File, FileSystem } from "./file-system.js";
import type { SegmentIndex } from "./segment-index.js";
import { shortage } from "./shortage.js";

const OPEN_FILES_MAX = 8;
const COPY_SIZE = 1024 * 1024;

/** A segment of a log. */
export interface Segment {
  readonly index: SegmentIndex;
  readonly marker: Uint8Array;
  /** the file's name once it is sealed; undefined before */
  sealedName: string | undefined;
}

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
    const file = this.#files.get(name) ?? this.#open(name);
    this.add(name, file);
    return file;
  }

  /** A segment's file that is open already. */
  add(name: string, file: File): void {
    this.#files.delete(name);
    this.#files.set(name, file);
    if (this.#files.size > OPEN_FILES_MAX) this.#forgetOldest();
  }

  #open(name: string): File {
    for (;;) {
      try {
        return this.#fileSystem.open(`${this.#directory}/${name}`, "read");
      } catch (error) {
        if (shortage(error, "") === undefined || !this.#forgetOldest()) throw error;
      }
    }
  }

  /** @returns whether there was one */
  #forgetOldest(): boolean {
    const oldest = this.#files.keys().next();
    if (oldest.done !== true) this.forget(oldest.value);
    return oldest.done !== true;
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
