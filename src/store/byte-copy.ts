/**
 * Copies of a few hundred bytes into and out of pages and the like, without an object for each:
 * eight bytes a step. A cell of a page begins at a word, and is read and written by
 * words, which whoever copies has at hand; anything else through a view of its whole
 * buffer. On the other side stand nearly always the bytes that stood there the last
 * time, a block's or an answer's: their view is kept, and with it that one buffer.
 */

/** bytes; an array of so few may have no buffer yet, and gets one when it is asked for it */
const SMALL_SIZE_MAX = 64;
/** bytes; more are copied by the engine, for an object */
const STEPS_SIZE_MAX = 1024;
/** Words have the machine's order. */
const IS_LITTLE_ENDIAN: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Memory with its two faces, which begin together. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Memory of a page, whose faces begin together. */
interface Cells {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

export class ByteCopy {
  #otherBytes: Uint8Array = new Uint8Array(0);
  #other = new DataView<ArrayBufferLike>(this.#otherBytes.buffer);

  /** Copies to a word of a page. */
  intoCell(page: Cells, word: number, from: Uint8Array, start: number, size: number): void {
    const at = word << 2;
    if (size > STEPS_SIZE_MAX) {
      page.bytes.set(from.subarray(start, start + size), at);
      return;
    }
    let i = 0;
    if (size >= 8 && from.length > SMALL_SIZE_MAX) {
      const { words } = page;
      const view = this.#viewOf(from);
      const offset = from.byteOffset + start;
      for (let to = word; i + 8 <= size; i += 8, to += 2) {
        words[to] = view.getInt32(offset + i, IS_LITTLE_ENDIAN);
        words[to + 1] = view.getInt32(offset + i + 4, IS_LITTLE_ENDIAN);
      }
    }
    for (; i < size; i++) page.bytes[at + i] = from[start + i] ?? 0;
  }

  /** Copies from a word of a page on. */
  outOfCell(page: Cells, word: number, size: number, to: Uint8Array, at: number): void {
    const start = word << 2;
    if (size > STEPS_SIZE_MAX) {
      to.set(page.bytes.subarray(start, start + size), at);
      return;
    }
    let i = 0;
    if (size >= 8 && to.length > SMALL_SIZE_MAX) {
      const { words } = page;
      const view = this.#viewOf(to);
      const offset = to.byteOffset + at;
      for (let from = word; i + 8 <= size; i += 8, from += 2) {
        view.setInt32(offset + i, words[from] ?? 0, IS_LITTLE_ENDIAN);
        view.setInt32(offset + i + 4, words[from + 1] ?? 0, IS_LITTLE_ENDIAN);
      }
    }
    for (; i < size; i++) to[at + i] = page.bytes[start + i] ?? 0;
  }

  /** Copies anywhere. */
  into(memory: Memory, at: number, from: Uint8Array, start: number, size: number): void {
    if (size > STEPS_SIZE_MAX) {
      memory.bytes.set(from.subarray(start, start + size), at);
      return;
    }
    let i = 0;
    if (size >= 8 && from.length > SMALL_SIZE_MAX) {
      i = steps(this.#viewOf(from), from.byteOffset + start, memory.view, at, size);
    }
    for (; i < size; i++) memory.bytes[at + i] = from[start + i] ?? 0;
  }

  #viewOf(bytes: Uint8Array): DataView {
    // To ask an array for its buffer is a call of the engine.
    if (this.#otherBytes === bytes) return this.#other;
    const { buffer } = bytes;
    if (this.#other.buffer !== buffer) this.#other = new DataView(buffer);
    this.#otherBytes = bytes;
    return this.#other;
  }
}

/** Copies all but the last few bytes. @returns how many */
function steps(from: DataView, start: number, to: DataView, at: number, size: number): number {
  let i = 0;
  for (; i + 8 <= size; i += 8) {
    to.setInt32(at + i, from.getInt32(start + i, true), true);
    to.setInt32(at + i + 4, from.getInt32(start + i + 4, true), true);
  }
  return i;
}
