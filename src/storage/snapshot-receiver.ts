/**
 * A leader's snapshot on its way here: its parts in their order, into one file that
 * outlives a restart. What an earlier life has left is read before more is taken, a
 * piece at a time, for there may be much of it.
 */
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import type { DatabaseError } from "../errors.js";
import type { SnapshotInfo } from "../raft/types.js";
import type { File } from "./file-system.js";
import { SYNC_SIZE } from "./snapshot-stream.js";

/** A snapshot is durable and has its name, or not. */
export type Done = (error: DatabaseError | undefined, snapshot: SnapshotInfo | undefined) => void;

/** @param syncFailure asked when the file is synced: of an earlier sync */
type Keep = (file: File, syncFailure: () => Error | undefined, done: Done) => void;

export class SnapshotReceiver {
  readonly name: string;
  readonly snapshot: SnapshotInfo;
  readonly #file: File;
  readonly #keep: Keep;
  #offset: number;
  /** what an earlier life of the process has left is summed up first */
  #summedOffset = 0;
  #checksum = 0;
  #syncedOffset: number;
  #syncing = false;
  /** of a sync on the way: what was received is as good as lost */
  #syncFailure: Error | undefined;
  #closed = false;

  constructor(options: {
    readonly name: string;
    readonly snapshot: SnapshotInfo;
    readonly file: File;
    readonly keep: Keep;
  }) {
    this.name = options.name;
    this.snapshot = options.snapshot;
    this.#file = options.file;
    this.#keep = options.keep;
    this.#offset = Math.min(this.#file.size(), this.snapshot.size);
    this.#syncedOffset = this.#offset;
  }

  /** Whether it takes more, and knows what it has. */
  get isSummedUp(): boolean {
    return this.#summedOffset === this.#offset;
  }

  /** Reads about so much of what an earlier life has left. */
  sumUp(sizeMax: number): void {
    const left = this.#offset - this.#summedOffset;
    if (left === 0 || this.#closed) return;
    const bytes = new Uint8Array(Math.min(sizeMax, left));
    const size = this.#file.read(bytes, this.#summedOffset);
    this.#checksum = crc32(bytes.subarray(0, size), this.#checksum);
    this.#summedOffset += size;
    // It has become shorter.
    if (size < bytes.length) this.#offset = this.#summedOffset;
  }

  /** bytes held */
  get offset(): number {
    return this.#offset;
  }

  get isComplete(): boolean {
    return this.#offset === this.snapshot.size;
  }

  /** Takes a part that begins where the last one ended; any other is late or early, and ignored. */
  write(offset: number, bytes: Uint8Array): void {
    assert(this.isSummedUp, "what there is is known before more comes");
    if (offset !== this.#offset || offset + bytes.length > this.snapshot.size) return;
    this.#file.write(bytes, offset);
    this.#checksum = crc32(bytes, this.#checksum);
    this.#offset += bytes.length;
    this.#summedOffset = this.#offset;
    if (this.#offset - this.#syncedOffset >= SYNC_SIZE) this.#syncOnTheWay();
  }

  /** Beside the event loop, so that the sync of the whole is a short one. */
  #syncOnTheWay(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    this.#syncedOffset = this.#offset;
    this.#file.datasyncLater((error) => {
      this.#syncing = false;
      this.#syncFailure ??= error;
    });
  }

  /**
   * Checks the whole, makes it durable and gives it its name.
   *
   * @returns false when it is not what was announced: it is to be sent again from its beginning
   */
  finish(done: Done): boolean {
    assert(this.isComplete && this.isSummedUp, "a part is no snapshot");
    if (this.#checksum !== this.snapshot.fileChecksum) {
      this.#file.truncate(0);
      this.#offset = 0;
      this.#summedOffset = 0;
      this.#syncedOffset = 0;
      this.#checksum = 0;
      return false;
    }
    this.#closed = true;
    this.#keep(this.#file, () => this.#syncFailure, done);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}
