/** Latencies in an HDR histogram: microseconds in, milliseconds out, three digits exact. */
import { build, type Histogram } from "hdr-histogram-js";

export interface LatencyMs {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const LATENCY_US_MAX = 60_000_000;
const DIGITS = 3;

export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: DIGITS,
  });

  /** @param milliseconds between asking and the answer */
  record(milliseconds: number): void {
    const microseconds = Math.max(1, Math.round(milliseconds * 1000));
    this.#histogram.recordValue(Math.min(microseconds, LATENCY_US_MAX));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  summary(): LatencyMs {
    const at = (percentile: number): number =>
      this.count === 0 ? 0 : this.#histogram.getValueAtPercentile(percentile) / 1000;
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100) };
  }
}
