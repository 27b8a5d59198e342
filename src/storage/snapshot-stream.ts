/**
 * Rows on their way to a file, beside the event loop, as fast as the disk takes them and no faster:
 * with a datasync every few mebibytes, so that a flush of the log waits behind no more than those,
 * also where the file need not survive anything.
 */
import type { SnapshotHead } from "../codec/snapshot.js";
import { BLOCK_MEMORY_SIZE } from "../codec/snapshot-encoder.js";
import type { StateRow } from "../store/state-row.js";
import type { File } from "./file-system.js";
import { SnapshotBody } from "./snapshot-file.js";
import { BUFFER_SIZE, WriteBehind } from "./write-behind.js";

/** Bytes written between two syncs: a flush of the log waits behind no more than this. */
export const SYNC_SIZE: number = 2 * 1024 * 1024;

/**
 * What rows are gathered in. Kept from one snapshot to the next, for memory is
 * dear when it is touched the first time: some microseconds for each page, and milliseconds for as much
 * as this where the machine is a virtual one.
 */
export interface StreamMemory {
  readonly block: Uint8Array;
  readonly buffers: readonly [Uint8Array, Uint8Array];
}

export function newStreamMemory(): StreamMemory {
  const buffer = (): Uint8Array => Buffer.allocUnsafeSlow(BUFFER_SIZE);
  return { block: new Uint8Array(BLOCK_MEMORY_SIZE), buffers: [buffer(), buffer()] };
}

export class SnapshotStream {
  readonly #file: File;
  readonly #behind: WriteBehind;
  readonly #body: SnapshotBody;
  #syncedSize = 0;

  /** @param memory for nobody else until all is written, or it is closed while `isIdle` */
  constructor(file: File, head: SnapshotHead, memory: StreamMemory) {
    this.#file = file;
    this.#behind = new WriteBehind(file, memory.buffers);
    this.#body = new SnapshotBody(this.#behind, head, memory.block);
  }

  /** bytes so far */
  get size(): number {
    return this.#body.size;
  }

  /** CRC-32 of the bytes so far */
  get checksum(): number {
    return this.#body.checksum;
  }

  /** Whether no write is under way. */
  get isIdle(): boolean {
    return this.#behind.isIdle;
  }

  /** Whether the disk keeps up: no more than it should is written and not synced, or not yet written. */
  get isReady(): boolean {
    return !this.#behind.isFull && !this.#isSyncDue;
  }

  get #isSyncDue(): boolean {
    return this.#body.size - this.#syncedSize >= SYNC_SIZE;
  }

  /** @throws Node's own errors: what an earlier row has met, too */
  add(row: StateRow): void {
    this.#body.add(row);
  }

  /** Calls `done` when it is ready again, or cannot be: when all was written, and synced if that is due. */
  whenReady(done: (error: Error | undefined) => void): void {
    this.#behind.drain((error) => {
      if (error !== undefined || !this.#isSyncDue) {
        done(error);
        return;
      }
      this.#syncedSize = this.#body.size;
      this.#file.datasyncLater(done);
    });
  }

  /** All rows are there. Calls `done` when all was written, or cannot be. */
  end(done: (error: Error | undefined) => void): void {
    this.#body.end();
    this.#behind.drain(done);
  }

  /** Nothing more is begun, and nobody told; a write under way ends first. Idempotent. */
  close(): void {
    this.#behind.close();
  }
}
