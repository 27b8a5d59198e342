/** A run as a person reads it in a terminal: the numbers, what they are worth, and a histogram. */
import { grouped } from "../../src/console/text.js";
import { environmentLine } from "../environment.js";
import { Latencies } from "../latencies.js";
import type { RunFile } from "../run-file.js";
import { latenciesOf } from "../run-load.js";

const BAR_WIDTH = 40;
const BARS_AIM = 16;
const BAR_FACTOR_MIN = 1.25;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

export function runLines(run: RunFile): readonly string[] {
  const { p50, p90, p99, p999, max } = run.latencyMs;
  const rates = run.repetitions.map(({ opsPerSecond }) => opsPerSecond);
  const spread = `repetitions ${grouped(Math.min(...rates))} to ${grouped(Math.max(...rates))}`;
  const loop =
    run.rate === 0
      ? `closed loop, ${run.connections} connections with ${run.inFlight} in flight each`
      : `open loop, ${grouped(run.rate)} due a second on ${run.connections} connections`;
  return [
    `${run.workload}: ${grouped(run.opsPerSecond)} operations/s on ${run.nodes} ${run.nodes === 1 ? "node" : "nodes"} (${spread})`,
    `  latency ms  p50 ${ms(p50)}  p90 ${ms(p90)}  p99 ${ms(p99)}  p99.9 ${ms(p999)}  max ${ms(max)}`,
    ...operationLines(run),
    `  ${grouped(run.operations)} operations, ${grouped(run.errors)} errors in ${run.seconds} s`,
    ...(run.firstError === null ? [] : [`  first error: ${run.firstError}`]),
    ...lateLines(run),
    `  ${loop}, door ${run.door}, values of ${grouped(run.valueSize)} bytes, ${grouped(run.keys)} keys, ${run.distribution}`,
    `  processors: ${cpu(run)}, generator ${run.generatorCores.toFixed(2)}`,
    `  ${environmentLine(run.environment)}`,
    ...run.remarks.map((remark) => `  ! ${remark}`),
    "",
    ...histogramLines(merged(run)),
  ];
}

function cpu({ serverCpuSecondsPer100k }: RunFile): string {
  return serverCpuSecondsPer100k === null
    ? "servers not on this machine"
    : `servers ${serverCpuSecondsPer100k.toFixed(2)} s for 100 000 operations`;
}

/** All repetitions together. */
function merged(run: RunFile): Latencies {
  const all = new Latencies();
  for (const repetition of run.repetitions) all.add(latenciesOf(repetition));
  return all;
}

/** A line an operation, where there is more than one. */
function operationLines(run: RunFile): readonly string[] {
  const byName = new Map<string, Latencies>();
  for (const { latencies } of run.repetitions) {
    for (const [name, kept] of Object.entries(latencies)) {
      const sum = byName.get(name) ?? new Latencies();
      sum.add(Latencies.of(kept));
      byName.set(name, sum);
    }
  }
  if (byName.size < 2) return [];
  return [...byName].map(([name, latencies]) => {
    const { p50, p99, max } = latencies.summary();
    return `    ${name}  ${grouped(latencies.count)}  p50 ${ms(p50)}  p99 ${ms(p99)}  max ${ms(max)}`;
  });
}

function lateLines({ rate, repetitions }: RunFile): readonly string[] {
  if (rate === 0) return [];
  const unsent = repetitions.reduce((sum, one) => sum + one.unsent, 0);
  const unanswered = repetitions.reduce((sum, one) => sum + one.unanswered, 0);
  return [
    `  due but never sent ${grouped(unsent)}, sent but never answered ${grouped(unanswered)}`,
  ];
}

/** Bars over latencies that grow by a factor, widest where most of the answers are. */
export function histogramLines(latencies: Latencies): readonly string[] {
  if (latencies.count === 0) return [];
  const least = Math.max(0.001, latencies.atPercentile(0));
  const factor = Math.max(BAR_FACTOR_MIN, (latencies.atPercentile(100) / least) ** (1 / BARS_AIM));
  const bars = latencies.bars(factor);
  const most = Math.max(...bars.map(({ count }) => count));
  let seen = 0;
  return bars.map(({ fromMs, toMs, count }) => {
    seen += count;
    const share = ((100 * seen) / latencies.count).toFixed(2).padStart(6);
    const range = `${ms(fromMs).padStart(7)} - ${ms(toMs).padEnd(7)}`;
    return `  ${range} ms ${share} % ${bar(count / most)} ${grouped(count)}`;
  });
}

/** @param share of the widest bar; whatever is there at all is seen */
function bar(share: number): string {
  if (share === 0) return "";
  const eighths = Math.max(1, Math.round(share * BAR_WIDTH * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(3) : value < 1000 ? value.toFixed(1) : value.toFixed(0);
}
