/**
 * A hash of the whole state, over its rows (state-row.ts) in their order.
 *
 * Two lanes of 32 bits, each fed with every field of every row, printed as 16 hex
 * digits. It finds replicas that drifted apart; it is no defence against somebody
 * who makes collisions on purpose.
 */
import { STATE_ROW_KINDS, type StateRow } from "./state-row.js";

export class StateHash {
  #a = 0x811c9dc5;
  #b = 0x2f0b4c47;

  add(row: StateRow): void {
    this.#number(STATE_ROW_KINDS.indexOf(row.kind));
    for (const bytes of [row.key, row.value, row.id]) {
      this.#number(bytes.length);
      this.#a = feedBytes(this.#a, bytes);
      this.#b = feedRotated(this.#b, bytes);
    }
    this.#number(row.createRevision);
    this.#number(row.modRevision);
    this.#number(row.version);
    this.#number(row.lease);
    this.#number(row.time);
  }

  /** 16 hex digits */
  toString(): string {
    // Each lane is finished with the other one, so that a weakness must be in both.
    const first = finish(this.#a ^ rotate(this.#b, 13));
    return hex32(finish(this.#b ^ rotate(first, 7))) + hex32(first);
  }

  #number(number: number): void {
    this.#a = feedNumber(this.#a, number);
    this.#b = feedNumber(this.#b, number);
  }
}

function feedBytes(state: number, bytes: Uint8Array): number {
  let hash = state;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function feedRotated(state: number, bytes: Uint8Array): number {
  let hash = state;
  for (const byte of bytes) hash = Math.imul(rotate(hash, 5) ^ byte, 0x9e3779b1);
  return hash;
}

/** A safe integer, in two steps of 32 bits. */
function feedNumber(state: number, number: number): number {
  const low = Math.imul(rotate(state, 5) ^ (number >>> 0), 0x85ebca6b);
  return Math.imul(rotate(low, 5) ^ (Math.floor(number / 0x1_0000_0000) >>> 0), 0xc2b2ae35);
}

/** Spreads every bit over all 32. */
function finish(state: number): number {
  let hash = state;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
