/**
 * `npm run bench`: Balsa beside etcd, three nodes each on this machine, in one run.
 *
 * Rounds of A, B, A, B, because the machine changes from minute to minute: only
 * the ratio within a round is worth anything, and the median of the rounds' ratios
 * is the answer. Both get the same keys and values, the same number of connections
 * and requests in flight, and a client of prebuilt bytes (RESP; gRPC over frames
 * made by hand) in a process of its own, pointed at the leader. Both sync every
 * write to disk before they answer; reads are linearizable on both. etcd is started
 * anew before its reads: 3.4 reads slowly after many writes, and that is not what
 * is compared.
 *
 *   node dist/bench/peers.js [--rounds 3] [--seconds 3] [--dir DIR]
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { textTable } from "../src/console/text.js";
import { describeEnvironment, median } from "./environment.js";
import type { LoadJob, LoadResult } from "./generator.js";
import type { Operation } from "./operation.js";
import {
  etcdVersion,
  freeBasePort,
  PORT_FIRST,
  startBalsa,
  startEtcd,
  type System,
} from "./systems.js";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** In flight: connections × requests on each. */
const POINTS = [
  { total: 1, connections: 1, inFlight: 1 },
  { total: 100, connections: 100, inFlight: 1 },
  { total: 1000, connections: 50, inFlight: 20 },
] as const;
const KEYS = 100_000;
const VALUE_SIZE = 100;
const WARM_UP_SECONDS = 1;
/** Processes that wanted a processor before anything of ours ran; beyond it others disturb the run. */
const BUSY_LOAD = 0.5;

interface Measurement extends LoadResult {
  readonly system: System["name"];
  readonly operation: Operation;
  readonly inFlight: number;
  /** from 1 */
  readonly round: number;
  /** the load went to a node that was no longer the leader at its end */
  readonly leaderMoved: boolean;
}

interface Settings {
  readonly rounds: number;
  readonly seconds: number;
}

interface Load extends LoadResult {
  readonly leaderMoved: boolean;
}

async function load(system: System, job: Omit<LoadJob, "system" | "host" | "port">): Promise<Load> {
  const port = await system.leaderPort();
  const whole: LoadJob = { system: system.name, host: "127.0.0.1", port, ...job };
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, "generator.js"), JSON.stringify(whole)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the load on ${system.name} failed`);
  const leaderMoved = (await system.leaderPort()) !== port;
  return { ...(JSON.parse(printed) as LoadResult), leaderMoved };
}

/** Every key once, so that reads find what they ask for. */
async function fill(system: System): Promise<void> {
  const { opsPerSecond, errors } = await load(system, {
    operation: "write",
    connections: 50,
    inFlight: 20,
    keys: KEYS,
    valueSize: VALUE_SIZE,
    warmUpSeconds: 0,
    seconds: 0,
  });
  if (errors > 0) throw new Error(`${system.name} refused ${errors} writes`);
  print(`${system.name}: ${KEYS} keys set at ${opsPerSecond} a second`);
}

async function measure(
  systems: readonly System[],
  operation: Operation,
  { rounds, seconds }: Settings,
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const { total, connections, inFlight } of POINTS) {
      // A, B in odd rounds, B, A in even ones: neither always comes second.
      for (const system of round % 2 === 1 ? systems : systems.toReversed()) {
        const result = await load(system, {
          operation,
          connections,
          inFlight,
          keys: KEYS,
          valueSize: VALUE_SIZE,
          warmUpSeconds: WARM_UP_SECONDS,
          seconds,
        });
        measurements.push({ ...result, system: system.name, operation, inFlight: total, round });
        progress(`${operation} ${total} in flight, round ${round}: ${system.name}`);
      }
    }
  }
  progress("");
  return measurements;
}

/** One line that is written over; on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\u001b[K`);
}

/** A line a round and point: both systems and the ratio of their throughputs. */
function roundRows(measurements: readonly Measurement[]): readonly (readonly string[])[] {
  return measurements
    .filter(({ system }) => system === "balsa")
    .toSorted((left, right) => left.inFlight - right.inFlight || left.round - right.round)
    .map((balsa) => {
      const etcd = counterpart(balsa, measurements);
      return [
        String(balsa.inFlight),
        String(balsa.round),
        ...cells(balsa),
        ...(etcd === undefined ? [] : [...cells(etcd), ratio(balsa, etcd).toFixed(2)]),
      ];
    });
}

function cells({ opsPerSecond, latencyMs, errors, leaderMoved }: Measurement): readonly string[] {
  const remarks = `${leaderMoved ? "*" : ""}${errors === 0 ? "" : ` (${errors} errors)`}`;
  return [`${opsPerSecond}${remarks}`, latencyMs.p50.toFixed(2), latencyMs.p99.toFixed(2)];
}

function counterpart(one: Measurement, all: readonly Measurement[]): Measurement | undefined {
  return all.find(
    ({ system, round, inFlight, operation }) =>
      system !== one.system &&
      round === one.round &&
      inFlight === one.inFlight &&
      operation === one.operation,
  );
}

function ratio(balsa: Measurement, etcd: Measurement): number {
  return balsa.opsPerSecond / etcd.opsPerSecond;
}

interface Summary {
  readonly operation: Operation;
  readonly inFlight: number;
  readonly balsaOpsPerSecond: number;
  readonly etcdOpsPerSecond: number | null;
  /** median of the rounds' ratios; null without etcd */
  readonly ratio: number | null;
  readonly ratioMin: number | null;
  readonly ratioMax: number | null;
}

function summarize(measurements: readonly Measurement[], operation: Operation): readonly Summary[] {
  return POINTS.map(({ total }) => {
    const here = measurements.filter(
      (one) => one.operation === operation && one.inFlight === total,
    );
    const rates = (name: string): readonly number[] =>
      here.filter(({ system }) => system === name).map(({ opsPerSecond }) => opsPerSecond);
    const ratios = here.flatMap((one) => {
      const other = one.system === "balsa" ? counterpart(one, here) : undefined;
      return other === undefined ? [] : [ratio(one, other)];
    });
    const compared = ratios.length > 0;
    return {
      operation,
      inFlight: total,
      balsaOpsPerSecond: Math.round(median(rates("balsa"))),
      etcdOpsPerSecond: compared ? Math.round(median(rates("etcd"))) : null,
      ratio: compared ? median(ratios) : null,
      ratioMin: compared ? Math.min(...ratios) : null,
      ratioMax: compared ? Math.max(...ratios) : null,
    };
  });
}

function print(line = ""): void {
  process.stdout.write(`${line}\n`);
}

function printRounds(title: string, measurements: readonly Measurement[], withEtcd: boolean): void {
  const heading = ["IN FLIGHT", "ROUND", "BALSA/S", "P50 ms", "P99 ms"];
  if (withEtcd) heading.push("ETCD/S", "p50 ms", "p99 ms", "RATIO");
  print();
  print(title);
  for (const line of textTable(heading, roundRows(measurements), new Set(heading))) {
    print(`  ${line}`);
  }
  if (measurements.some(({ leaderMoved }) => leaderMoved)) {
    print("  * the leader moved meanwhile, so that requests were forwarded");
  }
}

function printSummary(summaries: readonly Summary[]): void {
  print();
  print("Medians of the rounds; ratio is Balsa ÷ etcd, [least .. greatest] of the rounds");
  const heading = ["OPERATION", "IN FLIGHT", "BALSA/S", "ETCD/S", "RATIO", "SPREAD"];
  const rows = summaries.map((one) => [
    one.operation,
    String(one.inFlight),
    String(one.balsaOpsPerSecond),
    one.etcdOpsPerSecond === null ? "-" : String(one.etcdOpsPerSecond),
    one.ratio === null ? "-" : one.ratio.toFixed(2),
    one.ratioMin === null || one.ratioMax === null
      ? "-"
      : `[${one.ratioMin.toFixed(2)} .. ${one.ratioMax.toFixed(2)}]`,
  ]);
  for (const line of textTable(heading, rows, new Set(heading.slice(1)))) print(`  ${line}`);
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      dir: { type: "string", default: path.join(ROOT, "data") },
    },
  });
  const settings: Settings = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  mkdirSync(values.dir, { recursive: true });
  const directory = mkdtempSync(path.join(values.dir, "bench-"));
  const running: System[] = [];
  const stopAll = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((system) => system.stop()));
  };
  process.once("SIGINT", () => {
    void stopAll().finally(() => process.exit(130));
  });
  try {
    const environment = describeEnvironment(directory);
    print(
      `${environment.cpu}, ${environment.processors} processors, ${environment.memoryGiB} GiB; Node ${environment.node}; fdatasync p50 ${environment.fdatasyncP50Ms} ms`,
    );
    if (environment.load > BUSY_LOAD) {
      print(
        `!! This machine is BUSY (load ${environment.load.toFixed(1)}): trust the ratios only, and those little.`,
      );
    }
    const version = etcdVersion();
    if (version === undefined) {
      print("!! etcd is NOT INSTALLED: Balsa alone is measured, nothing is compared.");
      print("!! On Debian: apt-get install etcd-server");
    }
    const balsa = await startBalsa(path.join(directory, "balsa"), "0.1.0");
    running.push(balsa);
    const etcdPort = await freeBasePort(PORT_FIRST + 4000);
    let etcd: System | undefined;
    if (version !== undefined) {
      etcd = startEtcd(path.join(directory, "etcd"), version, etcdPort);
      running.push(etcd);
      print(`etcd ${version}`);
    }
    for (const system of running) await fill(system);
    const writes = await measure(running, "write", settings);
    printRounds("Writes, each on disk at a majority before its answer", writes, etcd !== undefined);
    if (etcd !== undefined && version !== undefined) {
      await etcd.stop();
      running[1] = startEtcd(path.join(directory, "etcd"), version, etcdPort);
    }
    const reads = await measure(running, "read", settings);
    printRounds("Linearizable reads", reads, etcd !== undefined);
    const summaries = [...summarize(writes, "write"), ...summarize(reads, "read")];
    printSummary(summaries);
    const file = saveResults({
      environment,
      etcd: version ?? null,
      settings,
      summaries,
      measurements: [...writes, ...reads],
    });
    print();
    print(`Every measurement: ${path.relative("", file)}`);
  } finally {
    await stopAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

function saveResults(results: object): string {
  const folder = path.join(ROOT, "bench", "results");
  mkdirSync(folder, { recursive: true });
  const time = new Date().toISOString();
  const file = path.join(folder, `peers-${time.replaceAll(":", "-")}.json`);
  writeFileSync(file, `${JSON.stringify({ time, ...results }, undefined, 2)}\n`);
  return file;
}

await run();
