/**
 * The changes in their order: places of versions, in pieces, each with a number that
 * it keeps for ever. What is old is dropped from the front.
 */
const PIECE_COUNT = 4096;
const FIRST_PIECE_COUNT = 16;

export class ChangeLog {
  #pieces: Uint32Array[] = [];
  /** the number of the first change of the first piece; a multiple of PIECE_COUNT */
  #base = 0;
  #start = 0;
  #end = 0;

  /** the number of the first change that is here */
  get start(): number {
    return this.#start;
  }

  /** the number that the next change gets */
  get end(): number {
    return this.#end;
  }

  /** The place of a version; 0 when it is not here. */
  at(number: number): number {
    if (number < this.#start || number >= this.#end) return 0;
    const offset = number - this.#base;
    return this.#pieces[Math.floor(offset / PIECE_COUNT)]?.[offset % PIECE_COUNT] ?? 0;
  }

  push(version: number): void {
    const offset = this.#end - this.#base;
    const place = offset % PIECE_COUNT;
    let piece = this.#pieces[Math.floor(offset / PIECE_COUNT)];
    if (piece === undefined) {
      piece = new Uint32Array(this.#pieces.length === 0 ? FIRST_PIECE_COUNT : PIECE_COUNT);
      this.#pieces.push(piece);
    } else if (place === piece.length) {
      const grown = new Uint32Array(2 * place);
      grown.set(piece);
      piece = grown;
      this.#pieces[this.#pieces.length - 1] = grown;
    }
    piece[place] = version;
    this.#end += 1;
  }

  /** Drops the first change. */
  shift(): void {
    this.#start += 1;
    if (this.#start - this.#base < PIECE_COUNT) return;
    this.#pieces.shift();
    this.#base += PIECE_COUNT;
  }
}
