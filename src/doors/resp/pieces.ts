/**
 * Bytes that came in pieces and are not worth joining yet.
 *
 * Large pieces are kept as they came. Small ones are copied behind one another: a
 * Buffer of its own costs more than a hundred bytes, whatever is in it, and a value
 * may drip in byte by byte.
 */

/** Pieces below it are copied. */
const COPIED_BELOW_SIZE = 1024;
/** Of what they are copied into: no more than has come already, between these. */
const BLOCK_SIZE_MIN = COPIED_BELOW_SIZE;
const BLOCK_SIZE_MAX = 64 * 1024;

const EMPTY = Buffer.alloc(0);

export class Pieces {
  #whole: Buffer[] = [];
  /** What small pieces are copied into, and how much of it they have filled. */
  #block: Buffer = EMPTY;
  #filled = 0;
  #size = 0;

  /** bytes */
  get size(): number {
    return this.#size;
  }

  /** A small piece may be used for something else afterwards. */
  add(piece: Buffer): void {
    this.#size += piece.length;
    if (piece.length >= COPIED_BELOW_SIZE) {
      this.#cutBlock();
      this.#whole.push(piece);
      return;
    }
    const copied = piece.copy(this.#block, this.#filled);
    this.#filled += copied;
    if (copied === piece.length) return;
    this.#cutBlock();
    this.#block = Buffer.allocUnsafeSlow(
      Math.min(Math.max(this.#size, BLOCK_SIZE_MIN), BLOCK_SIZE_MAX),
    );
    this.#filled = piece.copy(this.#block, 0, copied);
  }

  /** All of it behind `head`, in one; nothing is left here. */
  takeBehind(head: Buffer): Buffer {
    this.#cutBlock();
    const joined = Buffer.concat([head, ...this.#whole]);
    this.clear();
    return joined;
  }

  clear(): void {
    this.#whole = [];
    this.#block = EMPTY;
    this.#filled = 0;
    this.#size = 0;
  }

  /** What is filled is a piece; the rest of the block is for the next. */
  #cutBlock(): void {
    if (this.#filled === 0) return;
    this.#whole.push(this.#block.subarray(0, this.#filled));
    this.#block = this.#block.subarray(this.#filled);
    this.#filled = 0;
  }
}
