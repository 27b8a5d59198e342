/**
 * A node's log of the ceiling: one file, filled with zeros beforehand, so that a
 * flush writes no metadata. When it is full it begins again behind its header, as a
 * log of recycled segments does: what was there is gone.
 */
import type { Buffer } from "node:buffer";
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { FILE_HEADER } from "./block.js";

const FILE_SIZE = 128 * 1024 * 1024;
const ZEROS_SIZE = 4 * 1024 * 1024;

export const LOG_NAME = "log.avro";

export class CeilingLog {
  readonly #descriptor: number;
  #end = FILE_HEADER.length;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#descriptor = openSync(path.join(directory, LOG_NAME), "w");
    const zeros = new Uint8Array(ZEROS_SIZE);
    for (let at = 0; at < FILE_SIZE; at += ZEROS_SIZE) writeSync(this.#descriptor, zeros);
    writeSync(this.#descriptor, FILE_HEADER, 0, FILE_HEADER.length, 0);
    fsyncSync(this.#descriptor);
  }

  /** Hands bytes to the file system; they are safe after a flush. */
  append(bytes: Buffer, start: number, end: number): void {
    if (this.#end + end - start > FILE_SIZE) this.#end = FILE_HEADER.length;
    writeSync(this.#descriptor, bytes, start, end - start, this.#end);
    this.#end += end - start;
  }

  flush(): void {
    fdatasyncSync(this.#descriptor);
  }

  flushBeside(onFlushed: (error: Error | null) => void): void {
    fdatasync(this.#descriptor, onFlushed);
  }

  /** Cuts the zeros off. */
  close(): void {
    ftruncateSync(this.#descriptor, this.#end);
    closeSync(this.#descriptor);
  }
}
