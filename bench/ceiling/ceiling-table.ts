/**
 * The ceiling's values: slabs of bytes, found by an open-addressing table of
 * (hash, place). A value of the same size is written over; another one is appended,
 * and what it was is lost room: enough for a benchmark, and no more.
 *
 *   entry := keySize i32, valueSize i32, key, value      at a multiple of 8
 */
import { Buffer } from "node:buffer";

const SLAB_SIZE = 4 * 1024 * 1024;
const UNIT = 8;
const UNITS_A_SLAB = SLAB_SIZE / UNIT;
const HEAD_SIZE = 8;
const CAPACITY_MIN = 1 << 16;

interface Slab {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

export class CeilingTable {
  /** two numbers a slot: the key's hash, and its place plus one; 0: none */
  #slots = new Int32Array(2 * CAPACITY_MIN);
  #count = 0;
  readonly #slabs: Slab[] = [];
  #slabEnd = SLAB_SIZE;

  set(from: Buffer, keyAt: number, keySize: number, valueAt: number, valueSize: number): void {
    const hash = hashOf(from, keyAt, keySize);
    const slot = this.#slotOf(hash, from, keyAt, keySize);
    const place = this.#placeAt(slot);
    if (place >= 0) {
      const { bytes, words } = this.#slabOf(place);
      const offset = offsetOf(place);
      if (words[offset / 4 + 1] === valueSize) {
        from.copy(bytes, offset + HEAD_SIZE + keySize, valueAt, valueAt + valueSize);
        return;
      }
    }
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = this.#append(from, keyAt, keySize, valueAt, valueSize) + 1;
    if (place < 0) this.#count += 1;
    if (2 * this.#count > this.#slots.length / 2) this.#grow();
  }

  /** The place of a key; -1 when it is not there. */
  find(from: Buffer, keyAt: number, keySize: number): number {
    return this.#placeAt(this.#slotOf(hashOf(from, keyAt, keySize), from, keyAt, keySize));
  }

  valueSizeAt(place: number): number {
    return this.#slabOf(place).words[offsetOf(place) / 4 + 1] ?? 0;
  }

  copyValueAt(place: number, target: Buffer, targetAt: number): void {
    const { bytes, words } = this.#slabOf(place);
    const word = offsetOf(place) / 4;
    const start = offsetOf(place) + HEAD_SIZE + (words[word] ?? 0);
    bytes.copy(target, targetAt, start, start + (words[word + 1] ?? 0));
  }

  #placeAt(slot: number): number {
    return (this.#slots[slot + 1] ?? 0) - 1;
  }

  /** Where the key is, or where it would be. */
  #slotOf(hash: number, from: Buffer, keyAt: number, keySize: number): number {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = (slots[2 * at + 1] ?? 0) - 1;
      if (place < 0) return 2 * at;
      if (slots[2 * at] === hash && this.#isKey(place, from, keyAt, keySize)) return 2 * at;
    }
  }

  #isKey(place: number, from: Buffer, keyAt: number, keySize: number): boolean {
    const { bytes, words } = this.#slabOf(place);
    const offset = offsetOf(place);
    if (words[offset / 4] !== keySize) return false;
    const start = offset + HEAD_SIZE;
    for (let at = 0; at < keySize; at += 1) {
      if (bytes[start + at] !== from[keyAt + at]) return false;
    }
    return true;
  }

  #append(
    from: Buffer,
    keyAt: number,
    keySize: number,
    valueAt: number,
    valueSize: number,
  ): number {
    const size = UNIT * Math.ceil((HEAD_SIZE + keySize + valueSize) / UNIT);
    if (this.#slabEnd + size > SLAB_SIZE) {
      const memory = new ArrayBuffer(SLAB_SIZE);
      this.#slabs.push({ bytes: Buffer.from(memory), words: new Int32Array(memory) });
      this.#slabEnd = 0;
    }
    const offset = this.#slabEnd;
    this.#slabEnd += size;
    const place = (this.#slabs.length - 1) * UNITS_A_SLAB + offset / UNIT;
    const { bytes, words } = this.#slabOf(place);
    words[offset / 4] = keySize;
    words[offset / 4 + 1] = valueSize;
    from.copy(bytes, offset + HEAD_SIZE, keyAt, keyAt + keySize);
    from.copy(bytes, offset + HEAD_SIZE + keySize, valueAt, valueAt + valueSize);
    return place;
  }

  #slabOf(place: number): Slab {
    const slab = this.#slabs[(place / UNITS_A_SLAB) | 0];
    if (slab === undefined) throw new Error("a place lies in a slab");
    return slab;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(2 * old.length);
    const mask = slots.length / 2 - 1;
    for (let from = 0; from < old.length; from += 2) {
      const place = old[from + 1] ?? 0;
      if (place === 0) continue;
      let at = (old[from] ?? 0) & mask;
      while (slots[2 * at + 1] !== 0) at = (at + 1) & mask;
      slots[2 * at] = old[from] ?? 0;
      slots[2 * at + 1] = place;
    }
    this.#slots = slots;
  }
}

function offsetOf(place: number): number {
  return (place % UNITS_A_SLAB) * UNIT;
}

/** FNV-1a, and a last stir, because tables take the low bits. */
function hashOf(bytes: Buffer, start: number, size: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < start + size; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
