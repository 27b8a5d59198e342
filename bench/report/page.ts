/**
 * A page of runs: throughput, latency by percentile, open-loop latency over rate,
 * and the numbers as a table. One file, nothing fetched, light and dark.
 */
import { grouped } from "../../src/console/text.js";
import { median } from "../environment.js";
import type { Series } from "./series.js";
import { PAGE_STYLE } from "./style.js";
import {
  barChart,
  COLOURS,
  escapeText,
  linearScale,
  lineChart,
  logScale,
  type Line,
  type Scale,
} from "./svg.js";

/** Percentiles that are drawn; each step to the right is as far as ten times fewer are above. */
const PERCENTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999] as const;
const PERCENTILE_TICKS = [0, 50, 90, 99, 99.9, 99.99, 99.999] as const;

/** @param title the page's; a person's words */
export function reportPage(title: string, series: readonly Series[]): string {
  const groups = [...new Set(series.map(({ group }) => group))];
  const colours = coloursOf(series);
  const environments = [...new Set(series.map(({ environment }) => environment))];
  const sections = groups.map((group) =>
    section(
      group,
      series.filter((one) => one.group === group),
      colours,
    ),
  );
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(title)}</title>`,
    `<style>${PAGE_STYLE}</style></head><body><main>`,
    `<h1>${escapeText(title)}</h1>`,
    ...environments.map((line) => `<p class="quiet">${escapeText(line)}</p>`),
    ...sections,
    "<h2>Numbers</h2>",
    numbers(series),
    '<p class="quiet">Latency in an open loop counts from the moment a request was due. Medians are of repetitions; dots are single ones; percentiles are of all answers of all repetitions.</p>',
    "</main></body></html>",
    "",
  ].join("\n");
}

/** One label has one colour on the whole page. */
function coloursOf(series: readonly Series[]): ReadonlyMap<string, number> {
  const labels = [...new Set(series.map(({ label }) => label))];
  return new Map(labels.map((label, at) => [label, at % COLOURS]));
}

function section(
  group: string,
  series: readonly Series[],
  colours: ReadonlyMap<string, number>,
): string {
  const open = series.filter(({ rate }) => rate > 0);
  const parts = [
    `<h2>${escapeText(group)}</h2>`,
    "<h3>Operations a second</h3>",
    barChart(
      `operations a second: ${group}`,
      series.map((one) => ({
        label: one.label,
        colour: colours.get(one.label) ?? 0,
        value: median(one.opsPerSecond),
        dots: one.opsPerSecond.length > 1 ? one.opsPerSecond : [],
        tells: `${one.label}: median ${grouped(median(one.opsPerSecond))} operations/s`,
      })),
      grouped,
    ),
    "<h3>Latency by percentile</h3>",
    legend(series, colours),
    percentileChart(group, series, colours),
  ];
  if (open.length > 1) parts.push("<h3>Latency over rate, open loop</h3>", rateChart(group, open));
  return `<section>${parts.join("\n")}</section>`;
}

function legend(series: readonly Series[], colours: ReadonlyMap<string, number>): string {
  const items = series.map(
    ({ label }) =>
      `<li><span class="key b${colours.get(label) ?? 0}"></span>${escapeText(label)}</li>`,
  );
  return `<ul class="legend">${items.join("")}</ul>`;
}

function percentileChart(
  group: string,
  series: readonly Series[],
  colours: ReadonlyMap<string, number>,
): string {
  const last = PERCENTILES[PERCENTILES.length - 1] ?? 100;
  const depth = (percentile: number): number => -Math.log10(1 - percentile / 100);
  const x: Scale = {
    at: (percentile) => depth(percentile) / depth(last),
    ticks: PERCENTILE_TICKS.map((percentile) => ({
      at: depth(percentile) / depth(last),
      label: percentile === 0 ? "min" : `p${percentile}`,
    })),
  };
  const y = latencyScale(series);
  const lines = series.map(({ label, latencies }): Line => ({
    label,
    colour: colours.get(label) ?? 0,
    // A percentile that fewer than one answer is above says nothing.
    points: PERCENTILES.filter((one) => (1 - one / 100) * latencies.count >= 1).map((one) => {
      const value = latencies.atPercentile(one);
      const tells = `${label}: p${one} ${milliseconds(value)}`;
      return { x: x.at(one), y: y.at(value), tells };
    }),
  }));
  const title = `latency by percentile: ${group}`;
  return lineChart({ title, x, y, xLabel: "percentile", yLabel: "latency", lines });
}

function rateChart(group: string, open: readonly Series[]): string {
  const byRate = open.toSorted((left, right) => left.rate - right.rate);
  const x = linearScale(Math.max(...open.map(({ rate }) => rate)), grouped);
  const y = latencyScale(open);
  const lines = [
    { percentile: 50, colour: 0 },
    { percentile: 99, colour: 1 },
    { percentile: 99.9, colour: 2 },
  ].map(({ percentile, colour }): Line => ({
    label: `p${percentile}`,
    colour,
    points: byRate.map(({ rate, latencies, label }) => {
      const value = latencies.atPercentile(percentile);
      const tells = `${label}: p${percentile} ${milliseconds(value)} at ${grouped(rate)}/s`;
      return { x: x.at(rate), y: y.at(value), tells };
    }),
  }));
  const title = `latency over rate: ${group}`;
  const chart = lineChart({ title, x, y, xLabel: "due a second", yLabel: "latency", lines });
  const items = lines.map(
    ({ label, colour }) => `<li><span class="key b${colour}"></span>${label}</li>`,
  );
  return `<ul class="legend">${items.join("")}</ul>${chart}`;
}

function latencyScale(series: readonly Series[]): Scale {
  const all = series.map(({ latencies }) => latencies).filter(({ count }) => count > 0);
  const least = Math.min(...all.map((one) => one.atPercentile(0)), 60_000);
  const greatest = Math.max(...all.map((one) => one.atPercentile(100)), least * 2);
  return logScale(Math.max(0.001, least), greatest, milliseconds);
}

function numbers(series: readonly Series[]): string {
  const heading = [
    "work",
    "run",
    "ops/s",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "CPU s/100k",
    "errors",
    "remarks",
  ];
  const rows = series.map((one) => {
    const { p50, p90, p99, p999, max } = one.latencies.summary();
    return [
      one.group,
      one.label,
      grouped(median(one.opsPerSecond)),
      ...[p50, p90, p99, p999, max].map(milliseconds),
      one.cpuSecondsPer100k === null ? "-" : one.cpuSecondsPer100k.toFixed(2),
      grouped(one.errors),
      one.remarks.join("; "),
    ];
  });
  const cells = (row: readonly string[], tag: "td" | "th"): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${cells(heading, "th")}</thead><tbody>${rows
    .map((row) => cells(row, "td"))
    .join("")}</tbody></table></div>`;
}

function milliseconds(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} s`;
  if (value >= 1) return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return `${(value * 1000).toFixed(0)} µs`;
}
