/** Two kept runs beside each other: what differs, by how much, and what cannot be said. */
import { grouped, textTable } from "../../src/console/text.js";
import { median } from "../environment.js";
import type { RunFile } from "../run-file.js";
import { latenciesOf, type Measured } from "../run-load.js";
import { compareSamples, leastProbability, SIGNIFICANT, type Comparison } from "./statistics.js";

interface Metric {
  readonly name: string;
  readonly isBetter: "more" | "less";
  /** null: not measured */
  of(repetition: Measured): number | null;
}

const METRICS: readonly Metric[] = [
  { name: "operations/s", isBetter: "more", of: ({ opsPerSecond }) => opsPerSecond },
  { name: "p50 ms", isBetter: "less", of: (one) => latenciesOf(one).atPercentile(50) },
  { name: "p99 ms", isBetter: "less", of: (one) => latenciesOf(one).atPercentile(99) },
  { name: "p99.9 ms", isBetter: "less", of: (one) => latenciesOf(one).atPercentile(99.9) },
  {
    name: "CPU s/100k",
    isBetter: "less",
    of: ({ serverCpuSeconds, operations }) =>
      serverCpuSeconds === null || operations === 0
        ? null
        : (serverCpuSeconds / operations) * 100_000,
  },
];

export type Verdict = "better" | "worse" | "no difference shown";

export interface MetricComparison extends Comparison {
  readonly metric: string;
  readonly a: number;
  readonly b: number;
  /** of the second run */
  readonly verdict: Verdict;
}

export interface RunComparison {
  readonly metrics: readonly MetricComparison[];
  /** whether so few repetitions can show a difference at all */
  readonly canDiffer: boolean;
  /** settings and surroundings that are not the same */
  readonly unlike: readonly string[];
}

export function compareRuns(a: RunFile, b: RunFile): RunComparison {
  const least = leastProbability(a.repetitions.length, b.repetitions.length);
  return {
    metrics: METRICS.flatMap((metric) => compareMetric(metric, a, b)),
    canDiffer: least < SIGNIFICANT,
    unlike: unlikeness(a, b),
  };
}

function compareMetric(metric: Metric, a: RunFile, b: RunFile): readonly MetricComparison[] {
  const [samplesA, samplesB] = [a, b].map(({ repetitions }) =>
    repetitions.map((one) => metric.of(one)).filter((value) => value !== null),
  );
  if (samplesA === undefined || samplesB === undefined) return [];
  if (samplesA.length === 0 || samplesB.length === 0) return [];
  const comparison = compareSamples(samplesA, samplesB);
  const isMore = comparison.ratio > 1;
  const isBetter = (metric.isBetter === "more") === isMore;
  return [
    {
      metric: metric.name,
      ...comparison,
      a: median(samplesA),
      b: median(samplesB),
      verdict: !comparison.differs ? "no difference shown" : isBetter ? "better" : "worse",
    },
  ];
}

/** What must be the same for a comparison to be about one thing. */
const SETTINGS = [
  "workload",
  "door",
  "distribution",
  "rate",
  "nodes",
  "connections",
  "inFlight",
  "valueSize",
  "keys",
] as const satisfies readonly (keyof RunFile)[];
const SURROUNDINGS = ["cpu", "processors", "node", "fileSystem", "kernel"] as const;

function unlikeness(a: RunFile, b: RunFile): readonly string[] {
  const settings = SETTINGS.filter((name) => a[name] !== b[name]).map(
    (name) => `${name}: ${a[name]} and ${b[name]}`,
  );
  const surroundings = SURROUNDINGS.filter(
    (name) => a.environment[name] !== b.environment[name],
  ).map((name) => `${name}: ${a.environment[name] ?? "?"} and ${b.environment[name] ?? "?"}`);
  return [...settings, ...surroundings];
}

export function comparisonLines(
  comparison: RunComparison,
  a: RunFile,
  b: RunFile,
): readonly string[] {
  const heading = ["", a.label, b.label, "RATIO", "95 % OF THE TIME", "P", ""];
  const rows = comparison.metrics.map((metric) => [
    metric.metric,
    shown(metric.a),
    shown(metric.b),
    metric.ratio.toFixed(2),
    `${metric.low.toFixed(2)} .. ${metric.high.toFixed(2)}`,
    metric.probability < 0.001 ? "<0.001" : metric.probability.toFixed(3),
    metric.verdict,
  ]);
  const differing = comparison.metrics.filter(({ differs }) => differs);
  return [
    `${a.workload}: ${b.label} (${b.repetitions.length} repetitions) beside ${a.label} (${a.repetitions.length})`,
    ...textTable(heading, rows).map((line) => `  ${line}`),
    ...(comparison.canDiffer
      ? []
      : [
          `! ${a.repetitions.length} and ${b.repetitions.length} repetitions are too few to show any difference: at least 4 in each`,
        ]),
    ...(comparison.unlike.length === 0
      ? []
      : ["! these runs did not do the same, or not in the same place:"]),
    ...comparison.unlike.map((line) => `    ${line}`),
    differing.length === 0
      ? "No difference shown."
      : `${b.label} is ${differing.map(sentence).join(", ")}.`,
  ];
}

function sentence({ metric, ratio, verdict }: MetricComparison): string {
  return `${verdict} in ${metric} (${ratio.toFixed(2)}×)`;
}

function shown(value: number): string {
  return value >= 1000 ? grouped(value) : value.toFixed(value < 10 ? 3 : 1);
}
