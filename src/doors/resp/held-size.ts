/**
 * What all clients of a door keep between their commands, together: one that queues
 * much is bounded by its own limit, ten thousand of them by this.
 */
export class HeldSize {
  readonly #sizeMax: number;
  #size = 0;

  /** @param sizeMax bytes */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** bytes */
  get size(): number {
    return this.#size;
  }

  /** False when there is no room for so many bytes more. */
  tryTake(size: number): boolean {
    if (this.#size + size > this.#sizeMax) return false;
    this.#size += size;
    return true;
  }

  /** Gives back what was taken. */
  give(size: number): void {
    this.#size -= size;
  }
}
