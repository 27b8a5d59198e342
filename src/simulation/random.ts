/**
 * Chance from one seed, in named streams.
 *
 * Counter-based: the n-th draw of a stream is a hash of (seed, name, n), so that
 * one more draw in one stream shifts nothing in the others. A failing seed stays
 * the same failure while faults are masked one by one.
 */
import { assert } from "../assert.js";

export interface RandomStream {
  /** uniform in [0, 1), 32 bits of it */
  next(): number;
  /** uniform integer in [low, high], both inclusive */
  integer(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

export function randomStream(seed: number, name: string): RandomStream {
  const base = mix(hashText(name) ^ Math.imul(seed | 0, 0x9e3779b1));
  let count = 0;
  const next = (): number => {
    count += 1;
    return mix(base + Math.imul(count, 0x9e3779b1)) / 0x1_0000_0000;
  };
  const integer = (low: number, high: number): number => {
    assert(low <= high, "a range has a member");
    return low + Math.floor(next() * (high - low + 1));
  };
  return {
    next,
    integer,
    chance: (probability) => {
      if (probability > 0) return next() < probability;
      // What never happens takes its draw, and none is made.
      count += 1;
      return false;
    },
    pick: <T>(items: readonly T[]): T => {
      assert(items.length > 0, "something to pick from");
      return items[integer(0, items.length - 1)] as T;
    },
  };
}

/** Murmur3's finalizer: every bit of the input reaches every bit of the output. Unsigned 32 bits. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** FNV-1a over UTF-16 code units. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
