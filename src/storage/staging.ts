/**
 * Where blocks and their markers are put side by side, so that one write takes them
 * all. Kept between writes, unless a large one has made it grow.
 */
import type { Entry } from "../raft/types.js";
import { MARKER_SIZE } from "./segment.js";

const SIZE = 64 * 1024;
const SIZE_MAX = 1024 * 1024;

export class Staging {
  #bytes = Buffer.allocUnsafeSlow(SIZE);

  /** The blocks of `entries`, each with `marker` behind it; valid until the next call. */
  pack(entries: readonly Entry[], marker: Uint8Array): Uint8Array {
    let size = 0;
    for (const { block } of entries) size += block.length + MARKER_SIZE;
    if (size > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(2 * size);
    let at = 0;
    for (const { block } of entries) {
      this.#bytes.set(block, at);
      this.#bytes.set(marker, at + block.length);
      at += block.length + MARKER_SIZE;
    }
    return this.#bytes.subarray(0, size);
  }

  /** Gives back what a large write has taken. */
  shrink(): void {
    if (this.#bytes.length > SIZE_MAX) this.#bytes = Buffer.allocUnsafeSlow(SIZE);
  }
}
