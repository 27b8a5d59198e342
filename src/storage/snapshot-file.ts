/**
 * One snapshot file: written, and read back strictly. codec/snapshot.ts says what
 * its bytes are; snapshot-directory.ts which files there are.
 */
import { crc32 } from "node:zlib";
import {
  readSnapshotHeader,
  SNAPSHOT_HEADER_SIZE_MAX,
  snapshotHeader,
  type SnapshotHead,
} from "../codec/snapshot.js";
import { SnapshotDecoder, type TakeRow } from "../codec/snapshot-decoder.js";
import { BLOCK_MEMORY_SIZE, SnapshotEncoder } from "../codec/snapshot-encoder.js";
import { MalformedRow } from "../codec/row.js";
import { DatabaseError } from "../errors.js";
import type { StateRow } from "../store/state-row.js";
import type { File } from "./file-system.js";

/** bytes read at once; a larger block is read with what fits behind it */
const WINDOW_SIZE = 256 * 1024;

/** bytes that hold any block's count and size */
const HEAD_SIZE = 20;

/** Writes rows to a file of its owner's. Nothing is durable before the owner syncs it. */
export class SnapshotBody {
  readonly #file: Pick<File, "write">;
  readonly #encoder: SnapshotEncoder;
  #size = 0;
  #checksum = 0;

  /** @param memory of BLOCK_MEMORY_SIZE, for nobody else as long as it is written */
  constructor(
    file: Pick<File, "write">,
    head: SnapshotHead,
    memory: Uint8Array = new Uint8Array(BLOCK_MEMORY_SIZE),
  ) {
    this.#file = file;
    this.#encoder = new SnapshotEncoder(head, memory);
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

  add(row: StateRow): void {
    const block = this.#encoder.add(row);
    if (block !== undefined) this.#write(block);
  }

  end(): void {
    const rest = this.#encoder.rest();
    if (rest !== undefined) this.#write(rest);
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
  /** of the block whose rows are being given; 0 between two */
  #blockSize = 0;
  /** where the file is read to; it grows for a block that is larger */
  #window: Uint8Array;
  /** what of it was read, and where in the file that begins */
  #windowSize = 0;
  #windowStart = 0;
  #closed = false;

  /** @throws {DatabaseError} CORRUPTION naming file and offset */
  constructor(file: File) {
    this.#file = file;
    this.#size = file.size();
    this.#window = new Uint8Array(Math.min(this.#size, SNAPSHOT_HEADER_SIZE_MAX));
    this.#fill(this.#window, 0);
    this.#windowSize = this.#window.length;
    const { head, size } = this.#strictly(0, () => readSnapshotHeader(this.#window));
    this.head = head;
    this.#decoder = new SnapshotDecoder(head);
    this.#offset = size;
    this.#checksum = crc32(this.#window.subarray(0, size));
  }

  /** CRC-32 of what was read; of the whole file once it has ended. */
  get checksum(): number {
    return this.#checksum;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * How many rows there may be in all, if they are like those of the next block.
   * @throws {DatabaseError} CORRUPTION
   */
  expectedRowCount(): number {
    return this.#strictly(this.#offset, () => {
      const { count, size } = this.#blockHeadAt(this.#offset);
      return Math.floor((count / size) * this.#size);
    });
  }

  /** bytes read */
  get offset(): number {
    return this.#offset;
  }

  /** rows read */
  get rowCount(): number {
    return this.#decoder.rowCount;
  }

  /**
   * Gives the next rows to `take`, one by one: those of the block, or so many of them at most.
   *
   * @returns false behind the last block
   * @throws {DatabaseError} CORRUPTION naming file and offset
   */
  next(take: TakeRow, countMax = Infinity): boolean {
    const offset = this.#offset;
    if (offset === this.#size && this.#decoder.ended) {
      this.close();
      return false;
    }
    this.#strictly(offset, () => {
      if (this.#blockSize === 0) this.#begin(offset);
      if (this.#decoder.rows(countMax, take)) return;
      this.#offset += this.#blockSize;
      this.#blockSize = 0;
    });
    return true;
  }

  #begin(offset: number): void {
    const { size } = this.#blockHeadAt(offset);
    const start = this.#windowAt(offset, size);
    this.#decoder.begin(this.#window, start, start + size);
    this.#checksum = crc32(this.#window.subarray(start, start + size), this.#checksum);
    this.#blockSize = size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  /** @throws {MalformedRow} */
  #blockHeadAt(offset: number): ReturnType<typeof SnapshotDecoder.blockHead> {
    const left = this.#size - offset;
    if (left === 0) throw new MalformedRow("truncated", "it ends before its end");
    const headSize = Math.min(left, HEAD_SIZE);
    const start = this.#windowAt(offset, headSize);
    const head = SnapshotDecoder.blockHead(this.#window, start, start + headSize);
    if (head.size > left) throw new MalformedRow("truncated", "it ends within a block");
    return head;
  }

  /** Sees to it that `size` bytes from `offset` on, which the file has, are in the window. @returns where in it */
  #windowAt(offset: number, size: number): number {
    const at = offset - this.#windowStart;
    if (at + size <= this.#windowSize) return at;
    const kept = this.#window.subarray(at, this.#windowSize);
    const target =
      size > this.#window.length || this.#window.length < WINDOW_SIZE
        ? new Uint8Array(Math.max(size, Math.min(WINDOW_SIZE, this.#size)))
        : this.#window;
    target.set(kept);
    const end = Math.min(target.length, this.#size - offset);
    this.#fill(target.subarray(kept.length, end), offset + kept.length);
    this.#window = target;
    this.#windowSize = end;
    this.#windowStart = offset;
    return 0;
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
