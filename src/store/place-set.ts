/**
 * Some of an arena's places: a bit for each, in parts that are there once a place of them was.
 * Empty again it keeps its parts, so that the next use makes no garbage. Clearing it takes no
 * longer than a step: a part is of the time since, or as good as empty.
 */
import { assert } from "../assert.js";

/** Places of one part: as many as a page of the arena has. */
const PART_SHIFT = 15;
const WORD_COUNT: number = 1 << (PART_SHIFT - 5);
const PLACE_MASK: number = (1 << PART_SHIFT) - 1;
const NO_PART = new Uint32Array(0);

/** Behind a part's bits: how many are set, and of which time they are. */
const COUNT: number = WORD_COUNT;
const TIME: number = WORD_COUNT + 1;

export class PlaceSet {
  readonly #parts: Uint32Array[] = [];
  #count = 0;
  /** how often it was cleared, and one */
  #time = 1;
  /** where `takeAny` looks next */
  #part = 0;
  #word = 0;

  get count(): number {
    return this.#count;
  }

  /** @param place that is not in it */
  add(place: number): void {
    const number = place >>> PART_SHIFT;
    while (this.#parts.length <= number) this.#parts.push(NO_PART);
    let part = this.#parts[number] ?? NO_PART;
    if (part.length === 0) part = this.#parts[number] = new Uint32Array(WORD_COUNT + 2);
    if (part[TIME] !== this.#time) {
      part.fill(0);
      part[TIME] = this.#time;
    }
    const word = (place & PLACE_MASK) >>> 5;
    part[word] = (part[word] ?? 0) | (1 << (place & 31));
    part[COUNT] = (part[COUNT] ?? 0) + 1;
    this.#count += 1;
  }

  /** Takes a place out. @returns whether it was in it */
  take(place: number): boolean {
    if (this.#count === 0) return false;
    const part = this.#parts[place >>> PART_SHIFT] ?? NO_PART;
    const word = (place & PLACE_MASK) >>> 5;
    const bits = part[word] ?? 0;
    const bit = 1 << (place & 31);
    if ((bits & bit) === 0 || part[TIME] !== this.#time) return false;
    part[word] = bits & ~bit;
    this.#uncount(part);
    return true;
  }

  /** Takes some place out. Not of an empty one. */
  takeAny(): number {
    assert(this.#count > 0, "a place is taken from where one is");
    for (;;) {
      const part = this.#parts[this.#part] ?? NO_PART;
      if ((part[COUNT] ?? 0) > 0 && part[TIME] === this.#time) {
        for (; this.#word < WORD_COUNT; this.#word++) {
          const bits = part[this.#word] ?? 0;
          if (bits === 0) continue;
          const last = 31 - Math.clz32(bits);
          part[this.#word] = bits & ~(1 << last);
          this.#uncount(part);
          return ((this.#part << PART_SHIFT) | (this.#word << 5) | last) >>> 0;
        }
      }
      this.#word = 0;
      this.#part = this.#part + 1 < this.#parts.length ? this.#part + 1 : 0;
    }
  }

  clear(): void {
    this.#count = 0;
    this.#time += 1;
  }

  #uncount(part: Uint32Array): void {
    part[COUNT] = (part[COUNT] ?? 0) - 1;
    this.#count -= 1;
  }
}
