/**
 * A hash of the whole state that does not depend on order.
 *
 *   hash := sum over keys of mix(key, value, revisions), plus mix(store revision)
 *
 * Two lanes of 32 bits, each a sum modulo 2^32, printed as 16 hex digits. A sum
 * can be kept up to date: a change takes the old record's mix away and adds the
 * new one's. It finds replicas that drifted apart; it is no defence against
 * somebody who makes collisions on purpose.
 */
import type { KeyValue } from "./command.js";

export class StateHash {
  #low = 0;
  #high = 0;

  add(keyValue: KeyValue): void {
    let a = feedBytes(0x811c9dc5, keyValue.key);
    let b = feedRotated(0x2f0b4c47, keyValue.key);
    a = feedBytes(feedNumber(a, keyValue.key.length), keyValue.value);
    b = feedRotated(feedNumber(b, keyValue.key.length), keyValue.value);
    const { createRevision, modRevision, version } = keyValue;
    for (const number of [keyValue.value.length, createRevision, modRevision, version]) {
      a = feedNumber(a, number);
      b = feedNumber(b, number);
    }
    this.#sum(a, b);
  }

  addRevision(revision: number): void {
    this.#sum(feedNumber(0x1b873593, revision), feedNumber(0x68e31da4, revision));
  }

  /** 16 hex digits */
  toString(): string {
    return hex32(this.#high) + hex32(this.#low);
  }

  #sum(a: number, b: number): void {
    // Each lane is finished with the other one, so that a weakness must be in both.
    const first = finish(a ^ rotate(b, 13));
    this.#low = (this.#low + first) >>> 0;
    this.#high = (this.#high + finish(b ^ rotate(first, 7))) >>> 0;
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
