/**
 * `balsa bench run`: one workload on one cluster, several times over, so that the
 * spread is known and two runs can be compared.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { askStatus } from "../src/console/ask-status.js";
import { describeEnvironment } from "./environment.js";
import { Latencies } from "./latencies.js";
import type { LoadJob } from "./load/job.js";
import { needsKeys } from "./load/workload.js";
import { awaitQuiet, FOREIGN_CORES_MAX } from "./processor-time.js";
import { RUN_FORMAT, type RunFile, type RunSettings } from "./run-file.js";
import { latenciesOf, runLoad, type Measured } from "./run-load.js";
import { startBalsa } from "./systems/balsa.js";

export interface RunOptions extends RunSettings {
  /** measured, all repetitions together */
  readonly seconds: number;
  readonly repetitions: number;
  readonly seed: number;
  readonly label: string;
  readonly version: string;
  /** a running cluster; or how many nodes to start, and where */
  readonly target:
    | { readonly kind: "running"; readonly endpoints: readonly string[] }
    | { readonly kind: "own"; readonly nodes: number; readonly directory: string };
  readonly onPhase: (phase: string) => void;
  /** of the repetition; from its beginning */
  readonly onSecond: (operations: number, seconds: number, repetition: number) => void;
  readonly signal?: AbortSignal;
}

/** A cluster that is loaded. */
interface Target {
  readonly nodes: number;
  readonly address: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** Processors: beyond it the generator may be what is measured. */
const GENERATOR_CORES_MAX = 0.8;
const FOREIGN_CORES_DOUBTFUL = 0.2;
const STOLEN_CORES_DOUBTFUL = 0.1;
const FILL_CONNECTIONS = 20;
const FILL_IN_FLIGHT = 50;

/** @throws {Error} what the load failed with, when nothing at all succeeded */
export async function runBench(options: RunOptions): Promise<RunFile> {
  const own = options.target.kind === "own" ? options.target.directory : ".";
  mkdirSync(own, { recursive: true });
  const directory = options.target.kind === "own" ? mkdtempSync(path.join(own, "bench-")) : own;
  const environment = describeEnvironment(options.target.kind === "own" ? directory : own);
  let target: Target | undefined;
  try {
    target = await reach(options, directory);
    const { repetitions, remarks } = await repeat(options, target);
    return {
      ...reportOf(options, target.nodes, repetitions, remarks),
      format: RUN_FORMAT,
      time: new Date().toISOString(),
      label: options.label,
      version: options.version,
      environment,
      repetitions,
    };
  } finally {
    await target?.stop();
    if (options.target.kind === "own") rmSync(directory, { recursive: true, force: true });
  }
}

async function reach(options: RunOptions, directory: string): Promise<Target> {
  const { target, version } = options;
  if (target.kind === "running") {
    const { nodes, leader } = await askStatus(target.endpoints);
    const address = nodes.find(({ id }) => id === leader)?.client ?? target.endpoints[0] ?? "";
    return { nodes: nodes.length, address, pids: [], stop: () => Promise.resolve() };
  }
  options.onPhase(
    `starting ${target.nodes} ${target.nodes === 1 ? "node" : "nodes"} in ${directory}`,
  );
  const system = await startBalsa({ directory, nodes: target.nodes, version });
  const port = await system.leaderPort();
  return {
    nodes: target.nodes,
    address: `127.0.0.1:${port}`,
    pids: system.pids,
    stop: () => system.stop(),
  };
}

async function repeat(
  options: RunOptions,
  target: Target,
): Promise<{ readonly repetitions: readonly Measured[]; readonly remarks: readonly string[] }> {
  const remarks = new Set<string>();
  const job = jobOf(options, target.address);
  const watch = {
    pids: target.pids,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  if (needsKeys(options.workload)) {
    options.onPhase(`setting ${options.keys} keys`);
    const fill = await runLoad(
      { ...job, ...FILL, connections: FILL_CONNECTIONS, inFlight: FILL_IN_FLIGHT },
      watch,
    );
    if (fill.errors > 0) throw new Error(`keys could not be set: ${fill.firstError ?? "?"}`);
  }
  const repetitions: Measured[] = [];
  for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
    if (target.pids.length > 0) noteForeign(await awaitQuiet(job.seconds * 1000), remarks);
    options.onPhase(`repetition ${repetition} of ${options.repetitions}`);
    const measured = await runLoad(
      { ...job, seed: options.seed + repetition },
      {
        ...watch,
        onSecond: (operations, seconds) => {
          options.onSecond(operations, seconds, repetition);
        },
      },
    );
    noteDoubts(measured, remarks);
    repetitions.push(measured);
  }
  return { repetitions, remarks: [...remarks] };
}

/** Every key once: what is different about it. */
const FILL = { dialect: "resp", workload: "put", rate: 0, warmUpSeconds: 0, seconds: 0 } as const;

function jobOf(options: RunOptions, address: string): LoadJob {
  const colon = address.lastIndexOf(":");
  return {
    dialect: options.door,
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    ports: [Number(address.slice(colon + 1))],
    workload: options.workload,
    distribution: options.distribution,
    connections: options.connections,
    inFlight: options.inFlight,
    rate: options.rate,
    keys: options.keys,
    valueSize: options.valueSize,
    warmUpSeconds: options.warmUpSeconds,
    seconds: options.seconds / options.repetitions,
    seed: options.seed,
    waitReplicas: 0,
  };
}

function noteForeign(cores: number, remarks: Set<string>): void {
  if (cores > FOREIGN_CORES_MAX) {
    remarks.add("other programs kept this machine busy: trust comparisons only, and those little");
  }
}

/** What makes a measurement doubtful, in words. */
function noteDoubts(measured: Measured, remarks: Set<string>): void {
  const { foreignCores, stolenCores, generatorCpuSeconds, seconds, unsent, unanswered } = measured;
  if (generatorCpuSeconds / seconds > GENERATOR_CORES_MAX) {
    remarks.add("the load generator was at its limit: the servers may be faster than this");
  }
  if (foreignCores !== null) {
    if (foreignCores > FOREIGN_CORES_DOUBTFUL) noteForeign(foreignCores, remarks);
  }
  if (stolenCores > STOLEN_CORES_DOUBTFUL) {
    remarks.add("other machines on the same hardware took processor time away");
  }
  if (unsent + unanswered > 0) {
    remarks.add(
      "the rate was more than could be served: what waited is counted with its wait, and the latencies only grow with the time",
    );
  }
}

function reportOf(
  options: RunOptions,
  nodes: number,
  repetitions: readonly Measured[],
  remarks: readonly string[],
): Omit<RunFile, "format" | "time" | "label" | "version" | "environment" | "repetitions"> {
  const sum = (of: (one: Measured) => number): number =>
    repetitions.reduce((total, one) => total + of(one), 0);
  const operations = sum((one) => one.operations);
  const firstError = repetitions.find((one) => one.firstError !== null)?.firstError ?? null;
  if (operations === 0) throw new Error(firstError ?? "nothing was answered in time");
  const all = new Latencies();
  for (const one of repetitions) all.add(latenciesOf(one));
  const isHere = repetitions.every(({ serverCpuSeconds }) => serverCpuSeconds !== null);
  const serverCpu = sum((one) => one.serverCpuSeconds ?? 0);
  const { workload, door, distribution, rate, connections, inFlight, valueSize, keys } = options;
  return {
    workload,
    nodes,
    clients: connections * inFlight,
    seconds: options.seconds,
    operations,
    errors: sum((one) => one.errors),
    firstError,
    opsPerSecond: Math.round(operations / options.seconds),
    latencyMs: all.summary(),
    door,
    distribution,
    rate,
    connections,
    inFlight,
    valueSize,
    keys,
    warmUpSeconds: options.warmUpSeconds,
    serverCpuSecondsPer100k: isHere ? (serverCpu / operations) * 100_000 : null,
    generatorCores: sum((one) => one.generatorCpuSeconds) / options.seconds,
    remarks,
  };
}
