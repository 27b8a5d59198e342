/**
 * What became of requests, by their ids, for those who asked and heard nothing.
 *
 * The last ids are kept, in two generations: when the young one is full it
 * becomes the old one, and the old one is forgotten. So at least GENERATION_COUNT
 * of them are known, and none is ever deleted by itself, which would cost more
 * than all the rest.
 */
import { hashOf } from "./hash.js";

/** ids of one generation */
const GENERATION_COUNT = 32_768;
const FIRST_COUNT = 16;
/** bytes of most ids */
const ID_SIZE = 16;

/** What became of a request: its revision when it was applied, or that it was rejected. */
export type RequestOutcome =
  { readonly kind: "applied"; readonly revision: number } | { readonly kind: "rejected" };

/**
 * Ids with what became of them, in the order in which they came: off the heap, as
 * they come with every request. Nothing that was added changes.
 */
class OutcomeGeneration {
  #count = 0;
  /** Whether somebody may be reading it who is not asked when it is forgotten. */
  isShown = false;
  /** all ids, one behind another, and where each ends */
  #bytes: Uint8Array;
  #ends: Uint32Array;
  #revisions: Float64Array;
  /**
   * Of an id, by its hash: the number, plus 1, in the bits that say where it belongs, and the rest of
   * its hash in those above them; 0: none. Twice as many as there is room for ids
   */
  #slots: Uint32Array;

  /** @param room for so many ids, a power of two, before it grows */
  constructor(room: number) {
    this.#bytes = new Uint8Array(room * ID_SIZE);
    this.#ends = new Uint32Array(room);
    this.#revisions = new Float64Array(room);
    this.#slots = new Uint32Array(2 * room);
  }

  get count(): number {
    return this.#count;
  }

  /** Forgets all ids; their memory is for the next ones. */
  clear(): void {
    this.#count = 0;
    this.#slots.fill(0);
  }

  /** 0: it was rejected. undefined: it is not here */
  revisionOf(id: Uint8Array, start: number, size: number): number | undefined {
    const slots = this.#slots;
    const entry = slots[this.#slotOf(hashOf(id, start, size), id, start, size)] ?? 0;
    return entry === 0 ? undefined : this.#revisions[(entry & (slots.length - 1)) - 1];
  }

  /** Adds an id, unless it is here. */
  add(id: Uint8Array, start: number, size: number, revision: number): void {
    if (this.#count === this.#ends.length) this.#grow();
    const hash = hashOf(id, start, size);
    const slot = this.#slotOf(hash, id, start, size);
    if (this.#slots[slot] !== 0) return;
    const at = this.#startOf(this.#count);
    if (at + size > this.#bytes.length) {
      const grown = new Uint8Array(2 * (at + size));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const bytes = this.#bytes;
    for (let i = 0; i < size; i++) bytes[at + i] = id[start + i] ?? 0;
    this.#ends[this.#count] = at + size;
    this.#revisions[this.#count] = revision;
    this.#count += 1;
    this.#slots[slot] = this.#entryOf(hash, this.#count);
  }

  /** The id that came as this one, from 0; a copy. */
  idAt(number: number): Uint8Array {
    return this.#bytes.slice(this.#startOf(number), this.#ends[number]);
  }

  revisionAt(number: number): number {
    return this.#revisions[number] ?? 0;
  }

  #startOf(number: number): number {
    return number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
  }

  /** The slot where an id is, or belongs. Others are told by their hashes, untouched. */
  #slotOf(hash: number, id: Uint8Array, start: number, size: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0) return slot;
      const isLike = ((entry ^ hash) & ~mask) === 0;
      if (isLike && this.#isAt((entry & mask) - 1, id, start, size)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #entryOf(hash: number, numberPlus1: number): number {
    return ((hash & ~(this.#slots.length - 1)) | numberPlus1) >>> 0;
  }

  #isAt(number: number, id: Uint8Array, start: number, size: number): boolean {
    const own = this.#startOf(number);
    if ((this.#ends[number] ?? 0) - own !== size) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < size; i++) if (bytes[own + i] !== id[start + i]) return false;
    return true;
  }

  #grow(): void {
    const room = 2 * this.#count;
    const ends = new Uint32Array(room);
    ends.set(this.#ends);
    this.#ends = ends;
    const revisions = new Float64Array(room);
    revisions.set(this.#revisions);
    this.#revisions = revisions;
    this.#slots = new Uint32Array(2 * room);
    for (let i = 0; i < this.#count; i++) {
      const start = this.#startOf(i);
      const size = (this.#ends[i] ?? 0) - start;
      const hash = hashOf(this.#bytes, start, size);
      this.#slots[this.#slotOf(hash, this.#bytes, start, size)] = this.#entryOf(hash, i + 1);
    }
  }
}

export class Outcomes {
  #old = new OutcomeGeneration(FIRST_COUNT);
  #young = new OutcomeGeneration(FIRST_COUNT);

  /**
   * Notes what became of the request whose id is in `bytes`.
   * @param revision 0: it was rejected
   */
  note(bytes: Uint8Array, start: number, size: number, revision: number): void {
    if (this.#young.count >= GENERATION_COUNT) {
      // The first outcome counts; and a view that is open may be at this entry.
      if (this.#young.revisionOf(bytes, start, size) !== undefined) return;
      const forgotten = this.#old;
      this.#old = this.#young;
      this.#young = emptied(forgotten);
    }
    this.#young.add(bytes, start, size, revision);
  }

  of(id: Uint8Array): RequestOutcome | undefined {
    const revision =
      this.#young.revisionOf(id, 0, id.length) ?? this.#old.revisionOf(id, 0, id.length);
    if (revision === undefined) return undefined;
    return revision === 0 ? { kind: "rejected" } : { kind: "applied", revision };
  }

  /** Both generations as they are now; what is added later stands behind these counts. */
  get generations(): readonly {
    readonly generation: OutcomeGeneration;
    readonly count: number;
  }[] {
    return [this.#old, this.#young].map((generation) => {
      generation.isShown = true;
      return { generation, count: generation.count };
    });
  }

  /** @param young whether it belongs to the young generation */
  restore(id: Uint8Array, revision: number, young: boolean): void {
    (young ? this.#young : this.#old).add(id, 0, id.length, revision);
  }
}

/** A megabyte of arrays for every generation would wait for the collector, and leave holes when it came. */
function emptied(forgotten: OutcomeGeneration): OutcomeGeneration {
  // Where so many ids came as many come again: it need not grow.
  if (forgotten.isShown || forgotten.count < GENERATION_COUNT) {
    return new OutcomeGeneration(GENERATION_COUNT);
  }
  forgotten.clear();
  return forgotten;
}
