/**
 * A snapshot on its way out: written for a client that saves it elsewhere, and no
 * part of the node's own snapshots. It need not survive anything: its name ends in
 * `.tmp`, and the next start removes what was left. It is written as those are, beside
 * the event loop and no faster than the disk: what a hundred megabytes would make the
 * log's next flush wait for is a held loop and late answers.
 */
import { basename } from "node:path";
import type { SnapshotHead } from "../codec/snapshot.js";
import type { StateRow } from "../store/state-row.js";
import type { File, FileSystem } from "./file-system.js";
import { NeedlessFiles } from "./needless-files.js";
import { removeInSteps } from "./stepwise-removal.js";
import { newStreamMemory, SnapshotStream } from "./snapshot-stream.js";

export class SavedSnapshotFile {
  readonly head: SnapshotHead;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #file: File;
  readonly #stream: SnapshotStream;

  private constructor(fileSystem: FileSystem, directory: string, file: File, head: SnapshotHead) {
    this.head = head;
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#file = file;
    this.#stream = new SnapshotStream(file, head, newStreamMemory());
  }

  /** Begins one in an existing directory of snapshots. @throws Node's own errors */
  static create(fileSystem: FileSystem, directory: string, head: SnapshotHead): SavedSnapshotFile {
    const path = `${directory}/${head.index}-${head.term}.save.tmp`;
    if (fileSystem.exists(path)) fileSystem.remove(path);
    const file = fileSystem.open(path, "create");
    try {
      return new SavedSnapshotFile(fileSystem, directory, file, head);
    } catch (error) {
      file.close();
      fileSystem.remove(path);
      throw error;
    }
  }

  /** bytes so far */
  get size(): number {
    return this.#stream.size;
  }

  /** CRC-32 of the bytes so far */
  get checksum(): number {
    return this.#stream.checksum;
  }

  /** @throws Node's own errors: what an earlier row has met, too */
  add(row: StateRow): void {
    this.#stream.add(row);
  }

  /** Whether the disk keeps up. */
  get isReady(): boolean {
    return this.#stream.isReady;
  }

  /** Calls `done` when it is ready again, or cannot be. */
  whenReady(done: (error: Error | undefined) => void): void {
    this.#stream.whenReady(done);
  }

  /** All rows are there. Calls `done` when it can be read, or never will. */
  end(done: (error: Error | undefined) => void): void {
    this.#stream.end(done);
  }

  /** Of one that has ended: bytes from `offset`, at most `sizeMax`; none behind the end. */
  read(offset: number, sizeMax: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(sizeMax, this.size - offset)));
    return bytes.subarray(0, this.#file.read(bytes, offset));
  }

  /** Not to be used any more. What it held is given back a piece at a time. */
  remove(): void {
    const { path } = this.#file;
    if (!this.#stream.isIdle || !this.#fileSystem.exists(path)) {
      this.removeAtOnce();
      return;
    }
    const gone = `${path}.gone.tmp`;
    this.#fileSystem.rename(path, gone);
    removeInSteps(this.#fileSystem, gone, this.#file);
  }

  /** As `remove`, where nobody waits for this disk any more. */
  removeAtOnce(): void {
    this.#stream.close();
    const { path } = this.#file;
    if (!this.#fileSystem.exists(path)) return;
    new NeedlessFiles(this.#fileSystem, this.#directory).discard(basename(path));
  }
}
