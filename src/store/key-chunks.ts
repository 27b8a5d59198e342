/**
 * Memory for the hash of keys (key-table.ts): chunks of slots, all of one size, so that
 * partitions that grow, split and go leave nothing behind that the next ones cannot use.
 *
 *   chunk := slot[CHUNK_SLOT_COUNT]     slot := hash u32, place of a key u32 (0: empty)
 *
 * A chunk's number says the slab that it is in, and which one it is there.
 */
export const CHUNK_SHIFT = 7;
const CHUNK_SLOT_COUNT: number = 1 << CHUNK_SHIFT;
export const CHUNK_SLOT_MASK: number = CHUNK_SLOT_COUNT - 1;
export const CHUNK_WORD_COUNT: number = 2 * CHUNK_SLOT_COUNT;
export const CHUNK_WORD_MASK: number = CHUNK_WORD_COUNT - 1;

const SLAB_SHIFT = 8;
const SLAB_CHUNK_COUNT_MAX: number = 1 << SLAB_SHIFT;
const SLAB_MASK: number = SLAB_CHUNK_COUNT_MAX - 1;

const NO_WORDS = new Uint32Array(0);

export class KeyChunks {
  readonly #slabs: Uint32Array[] = [];
  readonly #free: number[] = [];
  /** chunks of all slabs, and those of the last one that were used ever */
  #count = 0;
  #begunCount = 0;

  /** The words among which those of a chunk are. */
  wordsOf(chunk: number): Uint32Array {
    return this.#slabs[chunk >>> SLAB_SHIFT] ?? NO_WORDS;
  }

  /** The first of its words. */
  static firstOf(chunk: number): number {
    return (chunk & SLAB_MASK) * CHUNK_WORD_COUNT;
  }

  /** @returns a chunk; what stands in it is not told */
  allocate(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const last = this.#slabs[this.#slabs.length - 1] ?? NO_WORDS;
    if (this.#begunCount * CHUNK_WORD_COUNT === last.length) this.#addSlab();
    this.#begunCount += 1;
    return ((this.#slabs.length - 1) << SLAB_SHIFT) | (this.#begunCount - 1);
  }

  free(chunk: number): void {
    this.#free.push(chunk);
  }

  /** As many chunks as there are, so that a small table has a small one. */
  #addSlab(): void {
    const count = Math.min(Math.max(this.#count, 1), SLAB_CHUNK_COUNT_MAX);
    this.#slabs.push(new Uint32Array(count * CHUNK_WORD_COUNT));
    this.#begunCount = 0;
    this.#count += count;
  }
}
