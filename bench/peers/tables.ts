/** The summary as a Markdown table, which reads well in a terminal too. Losing rows stand as plainly as winning ones. */
import { grouped } from "../../src/console/text.js";
import type { System } from "../systems/system.js";
import type { MatrixOperation } from "./matrix.js";
import type { Ratio, Row } from "./summary.js";

const TITLES: Readonly<Record<MatrixOperation, string>> = {
  write: "Writes, each answered when it is as safe as the system makes it",
  read: "Reads",
};

const HEADING = [
  "in flight",
  "system",
  "ops/s",
  "p50 ms",
  "p99 ms",
  "CPU s/100k",
  "generator's",
  "generator cores",
  "Balsa ÷ it, ops/s",
  "Balsa ÷ it, p50",
] as const;

export function systemLines(systems: readonly System[]): readonly string[] {
  return systems.map(({ name, version, remark }) => `- ${name} ${version}: ${remark}`);
}

export function matrixLines(rows: readonly Row[]): readonly string[] {
  const operations = [...new Set(rows.map(({ operation }) => operation))];
  return operations.flatMap((operation) => [
    "",
    `### ${TITLES[operation]}`,
    "",
    ...markdownTable(HEADING, rows.filter((row) => row.operation === operation).map(cells)),
    ...remarks(rows.filter((row) => row.operation === operation)),
  ]);
}

function cells(row: Row): readonly string[] {
  return [
    String(row.point),
    `${row.system}${row.leaderMoved ? " *" : ""}`,
    `${grouped(row.opsPerSecond)}${row.errors === 0 ? "" : ` (${row.errors} errors)`}`,
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.cpuSecondsPer100k === null ? "-" : row.cpuSecondsPer100k.toFixed(2),
    row.generatorCpuSecondsPer100k.toFixed(2),
    row.generatorCores.toFixed(2),
    ratioText(row.throughput),
    ratioText(row.p50),
  ];
}

/** Median of the rounds, and how far apart they were. */
export function ratioText(ratio: Ratio | null): string {
  if (ratio === null) return "";
  const { median, least, greatest } = ratio;
  return `${median.toFixed(2)} [${least.toFixed(2)} .. ${greatest.toFixed(2)}]`;
}

function remarks(rows: readonly Row[]): readonly string[] {
  const lines: string[] = [];
  if (rows.some(({ leaderMoved }) => leaderMoved)) {
    lines.push("", "\\* the leader moved meanwhile, so that requests were forwarded");
  }
  if (rows.some(({ generatorCores }) => generatorCores > 0.8)) {
    lines.push(
      "",
      "Where the generator used more than 0.8 of a processor the servers may be faster.",
    );
  }
  return lines;
}

/** Columns as wide as their widest cell. */
export function markdownTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const widths = heading.map((title, column) =>
    Math.max(title.length, 3, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${heading.map((_, at) => (row[at] ?? "").padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(heading), rule, ...rows.map(line)];
}
