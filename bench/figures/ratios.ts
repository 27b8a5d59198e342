/**
 * Balsa ÷ etcd at 1, 100 and 1000 requests in flight, round after round: writes,
 * then linearizable reads with etcd started anew before them; the processor time of
 * a write; and Balsa ÷ the ceiling, which is what this machine can do.
 */
import { measureMatrix, type Measurement, type MatrixOperation } from "../peers/matrix.js";
import { startTogether } from "../peers/start.js";
import { matrixLines, ratioText } from "../peers/tables.js";
import { ratioOf, summarize, type Ratio } from "../peers/summary.js";
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
/** Within a fifth of what three processes can do that replicate and flush, and nothing else. */
const CEILING_WANTED = 0.8;

export const ratios: FigurePart = {
  name: "ratios",
  about: "writes and linearizable reads beside etcd and the ceiling, a write's processor time",
  async measure(session, settings) {
    await startTogether(session, ["etcd", "ceiling"], settings.keys);
    const writes = await measureMatrix(session, "write", settings);
    await session.running.find(({ name }) => name === "etcd")?.restart();
    const reads = await measureMatrix(session, "read", settings);
    const all = [...writes, ...reads];
    for (const line of matrixLines(summarize(all))) session.say(line);
    session.say();
    const { points } = settings;
    return [
      ...points.flatMap((point) => throughput(all, "write", point)),
      ...(points.includes(P50_POINT) ? [latency(all)] : []),
      ...points.flatMap((point) => throughput(all, "read", point)),
      ...(points.includes(CPU_POINT) ? [processorTime(all)] : []),
      ...points.map((point) => besideCeiling(all, "write", point)),
      ...points.map((point) => besideCeiling(all, "read", point)),
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
  return [figure(what, "at least", wanted, ratio, rateOf(here))];
}

/** How much of what this machine can do is left when everything that is promised is kept. */
function besideCeiling(
  all: readonly Measurement[],
  operation: MatrixOperation,
  point: number,
): Figure {
  const here = at(all, operation, point);
  const rate = ({ opsPerSecond }: Measurement): number => opsPerSecond;
  const ceiling = here.filter(({ system }) => system === "ceiling");
  const ofEtcd = ratioOf(here, "etcd", rate, "ceiling");
  const own = `${rateOf(here)}; ceiling ${median(ceiling.map(rate)).toFixed(0)}/s`;
  const told = ofEtcd === null ? own : `${own}, ÷ etcd ${ratioText(ofEtcd)}`;
  const what = `${NAMES[operation]}, ${point} in flight, ÷ the ceiling`;
  return figure(what, "at least", CEILING_WANTED, ratioOf(here, "ceiling", rate), told);
}

function rateOf(here: readonly Measurement[]): string {
  const own = here.filter(({ system }) => system === "balsa");
  return `${median(own.map(({ opsPerSecond }) => opsPerSecond)).toFixed(0)}/s`;
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
