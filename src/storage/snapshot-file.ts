/**
 * One snapshot file: written, and read back strictly. codec/snapshot.ts says what
 * its bytes are; snapshot-directory.ts which files there are.
 */
import { crc32 } from "node:zlib";
import {
  readSnapshotHeader,
  SNAPSHOT_HEADER_SIZE_MAX,
  SnapshotDecoder,
  SnapshotEncoder,
  snapshotHeader,
  type SnapshotHead,
} from "../codec/snapshot.js";
import { MalformedRow } from "../codec/row.js";
import { DatabaseError } from "../errors.js";
import type { StateRow } from "../store/state-row.js";
import type { File } from "./file-system.js";

/** bytes read at once; a larger block is read with what fits behind it */
const WINDOW_SIZE = 1024 * 1024;

/** bytes that hold any block's count and size */
const HEAD_SIZE = 20;

/** Writes rows to a file of its owner's. Nothing is durable before the owner syncs it. */
export class SnapshotBody {
  readonly #file: File;
  readonly #encoder: SnapshotEncoder;
  #size = 0;
  #checksum = 0;

  constructor(file: File, head: SnapshotHead) {
    this.#file = file;
    this.#encoder = new SnapshotEncoder(head);
    this.#write(snapshotHeader(head));
  }

  /** bytes so far */
  get size(): number {
    return this.#size;
  }

  /** CRC-32 of the bytes so far */
  get checksum(): number {
    return this.#checksum;
  }

  append(rows: readonly StateRow[]): void {
    for (const row of rows) {
      const block = this.#encoder.add(row);
      if (block !== undefined) this.#write(block);
    }
  }

  end(): void {
    this.#write(this.#encoder.end());
  }

  #write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#size);
    this.#checksum = crc32(bytes, this.#checksum);
    this.#size += bytes.length;
  }
}

/** Reads a snapshot from its beginning; every byte is checked. Closes the file at its end, or by `close`. */
export class SnapshotReader {
  readonly head: SnapshotHead;
  readonly #file: File;
  readonly #size: number;
  readonly #decoder: SnapshotDecoder;
  #offset: number;
  #checksum: number;
  /** what was read ahead; never written again, for rows are views of it */
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #closed = false;

  /** @throws {DatabaseError} CORRUPTION naming file and offset */
  constructor(file: File) {
    this.#file = file;
    this.#size = file.size();
    const bytes = new Uint8Array(Math.min(this.#size, SNAPSHOT_HEADER_SIZE_MAX));
    this.#fill(bytes, 0);
    const { head, size } = this.#strictly(0, () => readSnapshotHeader(bytes));
    this.head = head;
    this.#decoder = new SnapshotDecoder(head);
    this.#offset = size;
    this.#checksum = crc32(bytes.subarray(0, size));
  }

  /** CRC-32 of what was read; of the whole file once it has ended. */
  get checksum(): number {
    return this.#checksum;
  }

  get size(): number {
    return this.#size;
  }

  /** bytes read */
  get offset(): number {
    return this.#offset;
  }

  /**
   * The rows of the next block; undefined behind the last one.
   *
   * @throws {DatabaseError} CORRUPTION naming file and offset
   */
  next(): readonly StateRow[] | undefined {
    if (this.#offset === this.#size && this.#decoder.ended) {
      this.close();
      return undefined;
    }
    const bytes = this.#strictly(this.#offset, () => this.#blockAt(this.#offset));
    const rows = this.#strictly(this.#offset, () => this.#decoder.block(bytes));
    this.#checksum = crc32(bytes, this.#checksum);
    this.#offset += bytes.length;
    return rows;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  /** @throws {MalformedRow} */
  #blockAt(offset: number): Uint8Array {
    const left = this.#size - offset;
    if (left === 0) throw new MalformedRow("truncated", "it ends before its end");
    const size = SnapshotDecoder.blockSize(this.#windowAt(offset, Math.min(left, HEAD_SIZE)));
    if (size > left) throw new MalformedRow("truncated", "it ends within a block");
    return this.#windowAt(offset, size).subarray(0, size);
  }

  /** At least `size` bytes from `offset` on, which the file has. */
  #windowAt(offset: number, size: number): Uint8Array {
    const at = offset - this.#windowStart;
    if (at + size <= this.#window.length) return this.#window.subarray(at);
    const window = new Uint8Array(Math.min(this.#size - offset, Math.max(size, WINDOW_SIZE)));
    this.#fill(window, offset);
    this.#window = window;
    this.#windowStart = offset;
    return window;
  }

  #fill(target: Uint8Array, position: number): void {
    if (this.#file.read(target, position) < target.length) {
      throw damaged(this.#file.path, position, "it is shorter than it was");
    }
  }

  #strictly<T>(offset: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const isDamage = error instanceof MalformedRow || error instanceof DatabaseError;
      throw isDamage ? damaged(this.#file.path, offset, error.message) : error;
    }
  }
}

function damaged(path: string, offset: number, reason: string): DatabaseError {
  return new DatabaseError("CORRUPTION", `snapshot ${path}, offset ${offset}: ${reason}`);
}
