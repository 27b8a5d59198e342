/** What a matrix says: medians of the rounds, and the median of the rounds' ratios of Balsa to a peer. */
import { median } from "../environment.js";
import type { SystemName } from "../systems/system.js";
import type { Measurement, MatrixOperation } from "./matrix.js";

/** The rounds' ratios. */
export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  readonly rounds: number;
}

export interface Row {
  readonly operation: MatrixOperation;
  readonly point: number;
  readonly system: SystemName;
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** of all servers together; null where it is not told */
  readonly cpuSecondsPer100k: number | null;
  readonly generatorCores: number;
  /** what the load costs that is made: the servers share the processors with it */
  readonly generatorCpuSecondsPer100k: number;
  readonly errors: number;
  readonly leaderMoved: boolean;
  /** Balsa's throughput ÷ this system's; null for Balsa itself */
  readonly throughput: Ratio | null;
  /** Balsa's p50 ÷ this system's */
  readonly p50: Ratio | null;
  readonly cpu: Ratio | null;
}

export function summarize(measurements: readonly Measurement[]): readonly Row[] {
  const rows: Row[] = [];
  for (const operation of unique(measurements.map((one) => one.operation))) {
    for (const point of unique(measurements.map((one) => one.point))) {
      const here = measurements.filter((one) => one.operation === operation && one.point === point);
      for (const system of unique(here.map((one) => one.system))) {
        rows.push(rowOf(here, operation, point, system));
      }
    }
  }
  return rows;
}

function rowOf(
  here: readonly Measurement[],
  operation: MatrixOperation,
  point: number,
  system: SystemName,
): Row {
  const own = here.filter((one) => one.system === system);
  const middle = (of: (one: Measurement) => number): number => median(own.map(of));
  const isMeasured = own.every(({ serverCpuSeconds }) => serverCpuSeconds !== null);
  const ratios = (of: (one: Measurement) => number): Ratio | null =>
    system === "balsa" ? null : ratioOf(here, system, of);
  return {
    operation,
    point,
    system,
    opsPerSecond: Math.round(middle(({ opsPerSecond }) => opsPerSecond)),
    p50Ms: middle(({ latencyMs }) => latencyMs.p50),
    p99Ms: middle(({ latencyMs }) => latencyMs.p99),
    cpuSecondsPer100k: isMeasured ? middle(cpuPer100k) : null,
    generatorCores: middle(({ generatorCpuSeconds, seconds }) => generatorCpuSeconds / seconds),
    generatorCpuSecondsPer100k: middle((one) => per100k(one, one.generatorCpuSeconds)),
    errors: own.reduce((sum, { errors }) => sum + errors, 0),
    leaderMoved: own.some((one) => one.leaderMoved),
    throughput: ratios(({ opsPerSecond }) => opsPerSecond),
    p50: ratios(({ latencyMs }) => latencyMs.p50),
    cpu: isMeasured ? ratios(cpuPer100k) : null,
  };
}

function cpuPer100k(one: Measurement): number {
  return per100k(one, one.serverCpuSeconds ?? 0);
}

function per100k({ operations }: Measurement, seconds: number): number {
  return operations === 0 ? 0 : (seconds / operations) * 100_000;
}

/** A system, Balsa unless told otherwise, ÷ the peer, within each round that has both; null when there is none. */
export function ratioOf(
  measurements: readonly Measurement[],
  peer: SystemName,
  of: (one: Measurement) => number,
  system: SystemName = "balsa",
): Ratio | null {
  const ratios = measurements.flatMap((own) => {
    if (own.system !== system) return [];
    const other = measurements.find(
      (one) =>
        one.system === peer &&
        one.round === own.round &&
        one.point === own.point &&
        one.operation === own.operation,
    );
    const ratio = other === undefined ? Number.NaN : of(own) / of(other);
    return Number.isFinite(ratio) ? [ratio] : [];
  });
  if (ratios.length === 0) return null;
  return {
    median: median(ratios),
    least: Math.min(...ratios),
    greatest: Math.max(...ratios),
    rounds: ratios.length,
  };
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
