/**
 * Copies of small byte strings, many to a buffer: an ArrayBuffer of its own costs a
 * short value ten times its bytes, and most of the time a restore takes. A slab
 * lives as long as any copy in it, so this is for copies that are made together and
 * are bounded together: those of a snapshot, never those of requests.
 */
const SLAB_SIZE = 64 * 1024;
/** bytes; what is longer has a buffer of its own */
const COPY_SIZE_MAX = 1024;

export class Slab {
  #bytes = new Uint8Array(0);
  #used = 0;

  copyOf(bytes: Uint8Array): Uint8Array {
    const size = bytes.length;
    if (size > COPY_SIZE_MAX) return new Uint8Array(bytes);
    if (this.#used + size > this.#bytes.length) {
      this.#bytes = new Uint8Array(SLAB_SIZE);
      this.#used = 0;
    }
    const copy = this.#bytes.subarray(this.#used, this.#used + size);
    copy.set(bytes);
    this.#used += size;
    return copy;
  }
}
