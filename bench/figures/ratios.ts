/**
 * Balsa ÷ etcd at 1, 100 and 1000 requests in flight, round after round: writes,
 * then linearizable reads with etcd started anew before them; and the processor
 * time of a write.
 */
import { measureMatrix, type Measurement, type MatrixOperation } from "../peers/matrix.js";
import { fillSystem, startOwn, startPeer } from "../peers/start.js";
import { ratioOf, type Ratio } from "../peers/summary.js";
import { matrixLines, ratioText } from "../peers/tables.js";
import { summarize } from "../peers/summary.js";
import { median } from "../environment.js";
import type { Figure, FigurePart } from "./figure.js";

const WANTED: Readonly<Record<MatrixOperation, Readonly<Record<number, number>>>> = {
  write: { 1: 1.7, 100: 5, 1000: 14 },
  read: { 1: 1.8, 100: 4.5, 1000: 18 },
};
const NAMES: Readonly<Record<MatrixOperation, string>> = {
  write: "durable write",
  read: "linearizable read",
};
/** Where the processor time of a write is compared. */
const CPU_POINT = 100;
const CPU_WANTED = 0.15;
/** Alone in flight, what a client waits for is the other half of the figure. */
const P50_POINT = 1;
const P50_WANTED = 0.6;

export const ratios: FigurePart = {
  name: "ratios",
  about: "writes and linearizable reads beside etcd, and a write's processor time",
  async measure(session, settings) {
    const own = await startOwn(session.directory);
    session.running.push(own);
    const etcd = await startPeer("etcd", session.directory, session.say);
    if (etcd !== undefined) session.running.push(etcd);
    for (const system of session.running) {
      session.progress(`ratios: setting ${settings.keys} keys of ${system.name}`);
      await fillSystem(system, settings.keys);
    }
    const writes = await measureMatrix(session.running, "write", settings, session.progress);
    await etcd?.restart();
    const reads = await measureMatrix(session.running, "read", settings, session.progress);
    const all = [...writes, ...reads];
    for (const line of matrixLines(summarize(all))) session.say(line);
    session.say();
    const { points } = settings;
    return [
      ...points.flatMap((point) => throughput(all, "write", point)),
      ...(points.includes(P50_POINT) ? [latency(all)] : []),
      ...points.flatMap((point) => throughput(all, "read", point)),
      ...(points.includes(CPU_POINT) ? [processorTime(all)] : []),
    ];
  },
};

function throughput(
  all: readonly Measurement[],
  operation: MatrixOperation,
  point: number,
): readonly Figure[] {
  const wanted = WANTED[operation][point];
  if (wanted === undefined) return [];
  const here = at(all, operation, point);
  const ratio = ratioOf(here, "etcd", ({ opsPerSecond }) => opsPerSecond);
  const what = `${NAMES[operation]}, ${point} in flight, ÷ etcd`;
  const own = here.filter(({ system }) => system === "balsa");
  const rate = median(own.map(({ opsPerSecond }) => opsPerSecond)).toFixed(0);
  return [figure(what, "at least", wanted, ratio, `${rate}/s`)];
}

function latency(all: readonly Measurement[]): Figure {
  const here = at(all, "write", P50_POINT);
  const ratio = ratioOf(here, "etcd", ({ latencyMs }) => latencyMs.p50);
  const own = here.filter(({ system }) => system === "balsa");
  const p50 = median(own.map(({ latencyMs }) => latencyMs.p50)).toFixed(2);
  return figure("p50 of a write, 1 in flight, ÷ etcd", "at most", P50_WANTED, ratio, `${p50} ms`);
}

function processorTime(all: readonly Measurement[]): Figure {
  const here = at(all, "write", CPU_POINT);
  const per100k = (one: Measurement): number =>
    ((one.serverCpuSeconds ?? Number.NaN) / one.operations) * 100_000;
  const own = here.filter(({ system }) => system === "balsa");
  const seconds = median(own.map(per100k)).toFixed(2);
  const what = "processor time of 100 000 writes, 100 in flight, ÷ etcd";
  return figure(what, "at most", CPU_WANTED, ratioOf(here, "etcd", per100k), `${seconds} s`);
}

function at(
  all: readonly Measurement[],
  operation: MatrixOperation,
  point: number,
): readonly Measurement[] {
  return all.filter((one) => one.operation === operation && one.point === point);
}

function figure(
  what: string,
  relation: Figure["relation"],
  wanted: number,
  ratio: Ratio | null,
  own: string,
): Figure {
  const remark =
    ratio === null ? `Balsa ${own}; nothing to compare with` : `${ratioText(ratio)}; Balsa ${own}`;
  return { what, relation, wanted, measured: ratio?.median ?? null, unit: "×", remark };
}
