/**
 * Which keys are asked for: all alike, or a few of them most of the time.
 *
 * Zipfian after Gray et al., "Quickly generating billion-record synthetic
 * databases" (1994), with YCSB's 0.99: the key of rank r is asked for in
 * proportion to 1 / r^0.99. Scrambled: the ranks are spread over the key space by a
 * multiplication that maps every rank to a key of its own, because popular keys do
 * not lie side by side. Latest: rank 1 is the key that was inserted last.
 */
import type { Random } from "./random.js";

export const DISTRIBUTIONS = ["uniform", "zipfian"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

export const ZIPFIAN_EXPONENT = 0.99;
/** Terms of the sum that are added up one by one; the rest is their integral. */
const EXACT_TERMS = 10_000;
/** Primes, whose product with any rank is a safe integer: one of them shares no factor with the number of keys, unless both divide it. */
const SPREADS = [39_916_801, 27_644_437] as const;

export class Zipfian {
  readonly #count: number;
  readonly #random: Random;
  readonly #zeta: number;
  readonly #alpha: number;
  readonly #eta: number;
  readonly #spread: number;

  constructor(count: number, random: Random) {
    const theta = ZIPFIAN_EXPONENT;
    this.#count = count;
    this.#random = random;
    this.#zeta = zeta(count, theta);
    this.#alpha = 1 / (1 - theta);
    this.#eta = (1 - (2 / count) ** (1 - theta)) / (1 - zeta(2, theta) / this.#zeta);
    this.#spread = SPREADS.find((prime) => count % prime !== 0) ?? 1;
  }

  /** From 0, which is the most popular. */
  rank(): number {
    const chance = this.#random.next();
    const share = chance * this.#zeta;
    if (share < 1 || this.#count === 1) return 0;
    if (share < 1 + 0.5 ** ZIPFIAN_EXPONENT || this.#count === 2) return 1;
    const rank = Math.floor(this.#count * (this.#eta * chance - this.#eta + 1) ** this.#alpha);
    return Math.min(rank, this.#count - 1);
  }

  /** A rank's key: no two ranks have the same. */
  scrambled(): number {
    return (this.rank() * this.#spread) % this.#count;
  }
}

/** The sum of 1 / i^theta for i from 1 to count; its tail by Euler and Maclaurin. */
export function zeta(count: number, theta: number): number {
  const exact = Math.min(count, EXACT_TERMS);
  let sum = 0;
  for (let i = 1; i <= exact; i += 1) sum += i ** -theta;
  if (count === exact) return sum;
  const power = 1 - theta;
  return sum + (count ** power - exact ** power) / power + (count ** -theta - exact ** -theta) / 2;
}
