/**
 * The load generator, a process of its own: so that its garbage and its work are
 * not the servers', and its processor time can be told.
 *
 * One job as JSON in argv; news as lines of JSON on stdout (job.ts).
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import type { AlarmJob } from "./alarm.js";
import { LoadConnection } from "./connection.js";
import { EtcdProtocol } from "./etcd-protocol.js";
import type { LoadJob, LoadNews, LoadResult } from "./job.js";
import { runLibraryLoop } from "./library-loop.js";
import { NativeProtocol } from "./native-protocol.js";
import { NatsProtocol } from "./nats-protocol.js";
import { OpenLoop } from "./open-loop.js";
import type { Protocol } from "./protocol.js";
import { Random } from "./random.js";
import { RespProtocol } from "./resp-protocol.js";
import { Tally } from "./tally.js";
import { FillDemand, operationsOf, WorkloadDemand, type Demand } from "./workload.js";

/** How long an open loop waits for its last answers. Milliseconds. */
const LAST_ANSWERS_MS = 5000;
const SECOND_MS = 1000;

function tell(news: LoadNews): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

/** Processor time of this process, all threads; seconds. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Tells when measuring begins and ends, and how it goes in between. */
class Reporter {
  readonly #tally: Tally;
  readonly #timers: NodeJS.Timeout[] = [];
  #cpuAtBegin = 0;
  #cpuAtEnd: number | undefined;

  constructor(tally: Tally) {
    this.#tally = tally;
    const { startMs, endMs } = tally;
    const now = performance.now();
    if (startMs <= now) this.#begin();
    else this.#timers.push(setTimeout(this.#begin.bind(this), startMs - now));
    if (endMs < Number.POSITIVE_INFINITY) {
      this.#timers.push(setTimeout(this.#end.bind(this), endMs - now));
    }
  }

  #begin(): void {
    this.#cpuAtBegin = cpuSeconds();
    tell({ kind: "begins" });
    this.#timers.push(
      setInterval(() => {
        const seconds = (performance.now() - this.#tally.startMs) / 1000;
        tell({ kind: "second", operations: this.#tally.count, seconds });
      }, SECOND_MS),
    );
  }

  #end(): void {
    if (this.#cpuAtEnd !== undefined) return;
    this.#cpuAtEnd = cpuSeconds();
    tell({ kind: "ends" });
  }

  /** @returns the processor time between begin and end; seconds */
  stop(): number {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#end();
    return (this.#cpuAtEnd ?? 0) - this.#cpuAtBegin;
  }
}

function protocolOf(job: LoadJob, tally: Tally, connection: number): Protocol {
  const value = Buffer.alloc(job.valueSize, "v");
  const toleratesAbsent = operationsOf(job.workload).includes("insert");
  switch (job.dialect) {
    case "resp":
      return new RespProtocol({ value, tally, toleratesAbsent, waitReplicas: job.waitReplicas });
    case "native":
      return new NativeProtocol({ value, tally, toleratesAbsent, connection });
    case "etcd":
      return new EtcdProtocol(value, tally, job.host);
    case "nats":
      return new NatsProtocol(value, tally, connection);
    case "library":
      throw new Error("the library makes its bytes itself");
  }
}

async function openAll(job: LoadJob, tally: Tally): Promise<readonly LoadConnection[]> {
  const { host, ports } = job;
  return Promise.all(
    Array.from({ length: job.connections }, (_, at) => {
      const port = ports[at % ports.length] ?? 0;
      return LoadConnection.open({ host, port, protocol: protocolOf(job, tally, at), tally });
    }),
  );
}

/** Each connection asks again for as many as were answered, until the time is over. */
async function runClosed(
  job: LoadJob,
  tally: Tally,
  demand: Demand,
  isOver: () => boolean,
): Promise<void> {
  const connections = await openAll(job, tally);
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve, reject) => {
          connection.onLost = reject;
          connection.onCompleted = (completed) => {
            if (!isOver()) connection.send(completed, demand, tally.nowMs);
            else if (connection.inFlight === 0) resolve();
          };
          tally.nowMs = performance.now();
          connection.send(job.inFlight, demand, tally.nowMs);
        }),
    ),
  );
  for (const connection of connections) connection.close();
}

async function runOpen(job: LoadJob, tally: Tally, demand: Demand): Promise<void> {
  const connections = await openAll(job, tally);
  const beginMs = performance.now();
  const { endMs } = tally;
  const random = new Random(job.seed);
  const inFlightMax = job.inFlight * job.connections;
  const loop = new OpenLoop({ rate: job.rate, beginMs, endMs, inFlightMax, random });
  let inFlight = 0;
  let turn = 0;
  const sendDue = (): void => {
    const now = performance.now();
    for (;;) {
      const dueMs = loop.take(now, inFlight);
      if (dueMs === undefined) return;
      connections[turn]?.send(1, demand, dueMs);
      turn = (turn + 1) % connections.length;
      inFlight += 1;
    }
  };
  await new Promise<void>((resolve, reject) => {
    const alarm = startAlarm(job, beginMs, endMs);
    const giveUp = setTimeout(resolve, endMs + LAST_ANSWERS_MS - performance.now());
    const finishIfDone = (): void => {
      if (inFlight > 0 || loop.dueMs < Number.POSITIVE_INFINITY) return;
      clearTimeout(giveUp);
      resolve();
    };
    for (const connection of connections) {
      connection.onLost = reject;
      connection.onCompleted = (completed) => {
        inFlight -= completed;
        sendDue();
        finishIfDone();
      };
    }
    alarm.on("message", () => {
      sendDue();
      finishIfDone();
    });
    alarm.on("error", reject);
  });
  tally.nowMs = performance.now();
  for (const dueMs of loop.left()) tally.gaveUp(demand.operation, dueMs, false);
  for (const connection of connections) connection.close();
}

function startAlarm(job: LoadJob, beginMs: number, endMs: number): Worker {
  const workerData: AlarmJob = {
    rate: job.rate,
    seed: job.seed,
    beginEpochMs: performance.timeOrigin + beginMs,
    endEpochMs: performance.timeOrigin + endMs,
  };
  const alarm = new Worker(new URL("alarm.js", import.meta.url), { workerData });
  alarm.unref();
  return alarm;
}

async function run(job: LoadJob): Promise<LoadResult> {
  const isFill = job.seconds === 0;
  const beganMs = performance.now();
  const startMs = beganMs + job.warmUpSeconds * 1000;
  const endMs = isFill ? Number.POSITIVE_INFINITY : startMs + job.seconds * 1000;
  const tally = new Tally({ startMs, endMs, isOpen: job.rate > 0 });
  const reporter = new Reporter(tally);
  const fill = new FillDemand(job.keys);
  const demand = isFill ? fill : new WorkloadDemand(job);
  if (job.dialect === "library") await runLibraryLoop(job, tally, demand);
  else if (job.rate > 0) await runOpen(job, tally, demand);
  else {
    const isOver = isFill ? () => fill.isOver : () => performance.now() >= endMs;
    await runClosed(job, tally, demand, isOver);
  }
  const generatorCpuSeconds = reporter.stop();
  const seconds = isFill ? (performance.now() - beganMs) / 1000 : job.seconds;
  return {
    seconds,
    operations: tally.count,
    errors: tally.errors,
    firstError: tally.firstError ?? null,
    opsPerSecond: Math.round(tally.count / seconds),
    latencies: Object.fromEntries(
      [...tally.latencies()].map(([name, latencies]) => [name, latencies.keep()]),
    ),
    generatorCpuSeconds,
    gapMaxMs: tally.gapMaxMs,
    unsent: tally.unsent,
    unanswered: tally.unanswered,
  };
}

try {
  tell({ kind: "result", result: await run(JSON.parse(process.argv[2] ?? "") as LoadJob) });
} catch (error) {
  tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
process.stdout.write("", () => process.exit());
