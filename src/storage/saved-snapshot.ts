/**
 * A snapshot on its way out: written for a client that saves it elsewhere, and no
 * part of the node's own snapshots. It is never synced, for it need not survive
 * anything: its name ends in `.tmp`, and the next start removes what was left.
 */
import { basename } from "node:path";
import type { SnapshotHead } from "../codec/snapshot.js";
import type { StateRow } from "../store/state-row.js";
import type { File, FileSystem } from "./file-system.js";
import { NeedlessFiles } from "./needless-files.js";
import { SnapshotBody } from "./snapshot-file.js";

export class SavedSnapshotFile {
  readonly head: SnapshotHead;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #file: File;
  readonly #body: SnapshotBody;

  private constructor(fileSystem: FileSystem, directory: string, file: File, head: SnapshotHead) {
    this.head = head;
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#file = file;
    this.#body = new SnapshotBody(file, head);
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
    return this.#body.size;
  }

  /** CRC-32 of the bytes so far */
  get checksum(): number {
    return this.#body.checksum;
  }

  add(row: StateRow): void {
    this.#body.add(row);
  }

  end(): void {
    this.#body.end();
  }

  /** Bytes from `offset`, at most `sizeMax`; none behind the end. */
  read(offset: number, sizeMax: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(sizeMax, this.size - offset)));
    return bytes.subarray(0, this.#file.read(bytes, offset));
  }

  /** Not to be used any more. */
  remove(): void {
    this.#file.close();
    const { path } = this.#file;
    if (!this.#fileSystem.exists(path)) return;
    new NeedlessFiles(this.#fileSystem, this.#directory).discard(basename(path));
  }
}
