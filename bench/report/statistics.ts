/**
 * Whether two runs differ, or only look as if they did.
 *
 * Mann and Whitney's U says how likely it is that chance alone puts the
 * repetitions of two runs so far apart. It is exact, with values that are alike too,
 * and assumes no shape of distribution, which for throughputs of a shared machine
 * would be wrong. How large the difference is, the bootstrap says: ratios of medians
 * of repetitions drawn again and again.
 */
import { median } from "../environment.js";
import { Random } from "../load/random.js";

/** The probability below which a difference is believed. */
export const SIGNIFICANT = 0.05;
const DRAWS = 4000;
const INTERVAL = 0.95;

export interface Comparison {
  /** median of b ÷ median of a */
  readonly ratio: number;
  /** 95 times of 100 the ratio lies in here */
  readonly low: number;
  readonly high: number;
  /** of a difference as large as this, or larger, by chance alone */
  readonly probability: number;
  readonly differs: boolean;
}

export function compareSamples(a: readonly number[], b: readonly number[]): Comparison {
  const probability = mannWhitney(a, b);
  const { low, high } = bootstrapRatio(a, b);
  return {
    ratio: median(b) / median(a),
    low,
    high,
    probability,
    differs: probability < SIGNIFICANT && leastProbability(a.length, b.length) < SIGNIFICANT,
  };
}

/** The least probability that so many repetitions can show: if it is not significant, nothing can be. */
export function leastProbability(countA: number, countB: number): number {
  let ways = 1;
  for (let i = 1; i <= countA; i += 1) ways = (ways * (countB + i)) / i;
  return Math.min(1, 2 / ways);
}

/**
 * Two-sided probability that samples of one distribution come to lie so far apart:
 * of all ways to deal the values out to two samples of these sizes, those whose
 * sum of ranks is as far from the middle.
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 1;
  const all = [...a, ...b];
  const ranks = all.map((value) => doubledRank(value, all));
  const own = ranks.slice(0, a.length).reduce((sum, rank) => sum + rank, 0);
  const middle = a.length * (all.length + 1); // of doubled ranks
  const ways = waysBySum(ranks, a.length);
  let total = 0;
  let asFar = 0;
  for (const [sum, count] of ways.entries()) {
    total += count;
    if (Math.abs(sum - middle) >= Math.abs(own - middle)) asFar += count;
  }
  return asFar / total;
}

/** Twice the rank from 1 of a value among all; equal values share the mean of theirs. */
function doubledRank(value: number, all: readonly number[]): number {
  let below = 0;
  let alike = 0;
  for (const other of all) {
    if (other < value) below += 1;
    else if (other === value) alike += 1;
  }
  return 2 * below + alike + 1;
}

/** By sum: in how many ways so many of the ranks can be chosen. */
function waysBySum(ranks: readonly number[], choose: number): Float64Array {
  const size = ranks.reduce((sum, rank) => sum + rank, 0) + 1;
  const ways = Array.from({ length: choose + 1 }, () => new Float64Array(size));
  const [none] = ways;
  if (none !== undefined) none[0] = 1;
  for (const rank of ranks) {
    // From many to few, so that each rank is chosen once at most.
    for (let chosen = choose; chosen >= 1; chosen -= 1) {
      const fewer = ways[chosen - 1];
      const more = ways[chosen];
      if (fewer === undefined || more === undefined) continue;
      for (let sum = size - 1; sum >= rank; sum -= 1) {
        more[sum] = (more[sum] ?? 0) + (fewer[sum - rank] ?? 0);
      }
    }
  }
  return ways[choose] ?? new Float64Array(0);
}

function bootstrapRatio(
  a: readonly number[],
  b: readonly number[],
): { readonly low: number; readonly high: number } {
  const random = new Random(1);
  const drawn = (values: readonly number[]): number =>
    median(values.map(() => values[random.below(values.length)] ?? Number.NaN));
  const ratios = Array.from({ length: DRAWS }, () => drawn(b) / drawn(a)).toSorted(
    (left, right) => left - right,
  );
  const at = (share: number): number =>
    ratios[Math.min(DRAWS - 1, Math.floor(share * DRAWS))] ?? Number.NaN;
  return { low: at((1 - INTERVAL) / 2), high: at((1 + INTERVAL) / 2) };
}
