/**
 * The changes in their order, each with a number that it keeps for ever. What is
 * old is dropped from the front.
 *
 *   change := place of the version, place of what it superseded (0: nothing), size and kind
 *   kind   := highest bit: a deletion
 *
 * All that a compaction needs is here: it touches no version that stays.
 */
const FIELD_COUNT = 3;
const PIECE_SHIFT = 12;
const PIECE_COUNT: number = 1 << PIECE_SHIFT;
const PIECE_MASK: number = PIECE_COUNT - 1;
const FIRST_PIECE_COUNT = 16;
const IS_DELETION = 0x8000_0000;
const SIZE_MASK = 0x7fff_ffff;

export class ChangeLog {
  #pieces: Uint32Array[] = [];
  /** one that was dropped: the next */
  #spare: Uint32Array | undefined;
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
  versionAt(number: number): number {
    return number < this.#start || number >= this.#end ? 0 : this.#field(number, 0);
  }

  /** What the change superseded. */
  olderAt(number: number): number {
    return this.#field(number, 1);
  }

  /** bytes of key and value */
  sizeAt(number: number): number {
    return this.#field(number, 2) & SIZE_MASK;
  }

  isDeletionAt(number: number): boolean {
    return this.#field(number, 2) >= IS_DELETION;
  }

  #field(number: number, field: number): number {
    const offset = number - this.#base;
    const piece = this.#pieces[offset >>> PIECE_SHIFT];
    return piece?.[FIELD_COUNT * (offset & PIECE_MASK) + field] ?? 0;
  }

  push(version: number, older: number, size: number, isDeletion: boolean): void {
    const offset = this.#end - this.#base;
    const at = FIELD_COUNT * (offset & PIECE_MASK);
    let piece = this.#pieces[offset >>> PIECE_SHIFT];
    if (piece === undefined) {
      piece = this.#newPiece();
      this.#pieces.push(piece);
    } else if (at === piece.length) {
      const grown = new Uint32Array(2 * at);
      grown.set(piece);
      piece = grown;
      this.#pieces[this.#pieces.length - 1] = grown;
    }
    piece[at] = version;
    piece[at + 1] = older;
    piece[at + 2] = (isDeletion ? size | IS_DELETION : size) >>> 0;
    this.#end += 1;
  }

  #newPiece(): Uint32Array {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined) return spare;
    const count = this.#pieces.length === 0 ? FIRST_PIECE_COUNT : PIECE_COUNT;
    return new Uint32Array(FIELD_COUNT * count);
  }

  /** Drops the first change. */
  shift(): void {
    this.#start += 1;
    if (this.#start - this.#base < PIECE_COUNT) return;
    this.#spare = this.#pieces.shift();
    this.#base += PIECE_COUNT;
  }
}
