/**
 * A histogram of latencies after HdrHistogram: every value from 1 µs to 60 s is
 * kept to three significant digits, in 139 kB, whatever was recorded.
 *
 * Values below 2048 µs have a count of their own. Above, each power of two is cut
 * into 1024 equal parts, so that a part is at most a thousandth of its value:
 *
 *   shift  := max(0, floor(log2(value)) - 10)
 *   place  := shift × 1024 + (value >> shift)
 *
 * Histograms of several runs are added up, count by count; percentiles of the sum
 * are percentiles of all, which a mean of percentiles would not be.
 */

export interface LatencyMs {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A bar of a histogram: how many values were in [fromMs, toMs). */
export interface LatencyBar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** As it is kept in files: what was counted, by the least value of its part. */
export type KeptLatencies = readonly (readonly [microseconds: number, count: number])[];

const LATENCY_US_MAX = 60_000_000;
const PARTS_BITS = 10;
const PARTS = 2 ** PARTS_BITS;
const PLACES = placeOf(LATENCY_US_MAX) + 1;

export class Latencies {
  /** 2^53 counts a place: adding up never overflows */
  readonly #counts = new Float64Array(PLACES);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  /** @param milliseconds from when it should have begun to its answer; beyond 60 s it counts as 60 s */
  record(milliseconds: number): void {
    const rounded = Math.round(milliseconds * 1000);
    const microseconds = rounded < 1 ? 1 : rounded > LATENCY_US_MAX ? LATENCY_US_MAX : rounded;
    const place = placeOf(microseconds);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#count += 1;
    this.#sumUs += microseconds;
    if (microseconds > this.#maxUs) this.#maxUs = microseconds;
  }

  add(other: Latencies): void {
    for (let place = 0; place < PLACES; place += 1) {
      const count = other.#counts[place] ?? 0;
      if (count > 0) this.#counts[place] = (this.#counts[place] ?? 0) + count;
    }
    this.#count += other.#count;
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  get count(): number {
    return this.#count;
  }

  /** of all values; 0 when there are none */
  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumUs / this.#count / 1000;
  }

  /** The greatest value that `percentile` of all values do not exceed, to three digits; 0 when there are none. */
  atPercentile(percentile: number): number {
    if (this.#count === 0) return 0;
    const wanted = Math.max(1, Math.ceil((percentile / 100) * this.#count - 1e-9));
    let seen = 0;
    for (let place = 0; place < PLACES; place += 1) {
      seen += this.#counts[place] ?? 0;
      if (seen >= wanted) return Math.min(lastOf(place), this.#maxUs) / 1000;
    }
    return this.#maxUs / 1000;
  }

  summary(): LatencyMs {
    return {
      p50: this.atPercentile(50),
      p90: this.atPercentile(90),
      p99: this.atPercentile(99),
      p999: this.atPercentile(99.9),
      max: this.#maxUs / 1000,
    };
  }

  /**
   * Bars that grow by `factor`, from the one with the least value to the one with
   * the greatest; at the edges of places, so that every value is in the right bar.
   */
  bars(factor: number): readonly LatencyBar[] {
    if (this.#count === 0) return [];
    const bars: { fromMs: number; toMs: number; count: number }[] = [];
    let edge = 1;
    let place = 1;
    while (place < PLACES) {
      const next = Math.max(edge + 1, Math.round(edge * factor));
      let count = 0;
      let end = edge;
      for (; place < PLACES && firstOf(place) < next; place += 1) {
        count += this.#counts[place] ?? 0;
        end = lastOf(place) + 1;
      }
      if (count > 0 || bars.length > 0) {
        bars.push({ fromMs: edge / 1000, toMs: end / 1000, count });
      }
      edge = Math.max(end, edge + 1);
    }
    return bars.slice(0, bars.findLastIndex(({ count }) => count > 0) + 1);
  }

  keep(): KeptLatencies {
    const kept: [number, number][] = [];
    for (let place = 0; place < PLACES; place += 1) {
      const count = this.#counts[place] ?? 0;
      if (count > 0) kept.push([firstOf(place), count]);
    }
    return kept;
  }

  /** What was kept, to three digits. @throws {Error} when it is no such thing */
  static of(kept: KeptLatencies): Latencies {
    const latencies = new Latencies();
    for (const [microseconds, count] of kept) {
      if (!isKept(microseconds, count)) throw new Error("a kept latency is not [µs, count]");
      const place = placeOf(microseconds);
      latencies.#counts[place] = (latencies.#counts[place] ?? 0) + count;
      latencies.#count += count;
      latencies.#sumUs += microseconds * count;
      latencies.#maxUs = Math.max(latencies.#maxUs, lastOf(place));
    }
    return latencies;
  }
}

function isKept(microseconds: unknown, count: unknown): boolean {
  return (
    Number.isSafeInteger(microseconds) &&
    Number.isSafeInteger(count) &&
    (microseconds as number) >= 1 &&
    (microseconds as number) <= LATENCY_US_MAX &&
    (count as number) >= 1
  );
}

function placeOf(microseconds: number): number {
  const shift = Math.max(0, 31 - Math.clz32(microseconds) - PARTS_BITS);
  return shift * PARTS + (microseconds >> shift);
}

function shiftOf(place: number): number {
  return place < 2 * PARTS ? 0 : Math.floor(place / PARTS) - 1;
}

/** The least value of a place; microseconds. */
function firstOf(place: number): number {
  const shift = shiftOf(place);
  return (place - shift * PARTS) * 2 ** shift;
}

/** The greatest value of a place; microseconds. */
function lastOf(place: number): number {
  return firstOf(place) + 2 ** shiftOf(place) - 1;
}
