/**
 * The checksums of the blocks that were sealed or read last. A block is not written to
 * once it has one, and goes to the log in the same turn as a rule: what its bytes give
 * need not be worked out again to see that it stands behind the right one.
 */

/** Blocks that are remembered. */
const COUNT = 8;
/** Bytes; a larger block is not kept in memory for this. */
const SIZE_MAX: number = 1024 * 1024;

export class RecentChecksums {
  readonly #blocks = new Array<Uint8Array | undefined>(COUNT).fill(undefined);
  readonly #previous = new Uint32Array(COUNT);
  readonly #checksums = new Uint32Array(COUNT);
  #next = 0;

  /** `block` behind `previousChecksum` gives `checksum`. */
  note(block: Uint8Array, previousChecksum: number, checksum: number): void {
    if (block.length > SIZE_MAX) return;
    this.#blocks[this.#next] = block;
    this.#previous[this.#next] = previousChecksum;
    this.#checksums[this.#next] = checksum;
    this.#next = (this.#next + 1) % COUNT;
  }

  /** Of this very memory, not of bytes that are equal; undefined when it is not remembered. */
  find(block: Uint8Array, previousChecksum: number): number | undefined {
    const at = this.#blocks.indexOf(block);
    return at >= 0 && this.#previous[at] === previousChecksum ? this.#checksums[at] : undefined;
  }
}
