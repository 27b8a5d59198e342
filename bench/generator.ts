/**
 * The load generator, a process of its own: so that its garbage and its work are
 * not the servers', and its processor time can be told.
 *
 * One job as JSON in argv; one result as JSON on stdout.
 */
import process from "node:process";
import { EtcdProtocol } from "./etcd-protocol.js";
import { Latencies, type LatencyMs } from "./latencies.js";
import type { Operation } from "./operation.js";
import { runPipeline, Stopwatch, type Protocol } from "./pipeline.js";
import { RespProtocol } from "./resp-protocol.js";

export interface LoadJob {
  readonly system: "balsa" | "etcd";
  readonly host: string;
  readonly port: number;
  readonly operation: Operation;
  readonly connections: number;
  /** requests in flight on each connection */
  readonly inFlight: number;
  readonly keys: number;
  readonly valueSize: number;
  readonly warmUpSeconds: number;
  /** 0: every key once, in order, instead of random keys for a time */
  readonly seconds: number;
}

export interface LoadResult {
  readonly operations: number;
  readonly errors: number;
  readonly opsPerSecond: number;
  readonly latencyMs: LatencyMs;
  /** processors the generator itself kept busy */
  readonly generatorCores: number;
}

async function run(job: LoadJob): Promise<LoadResult> {
  const latencies = new Latencies();
  const protocols: Protocol[] = [];
  const beganMs = performance.now();
  const endMs = beganMs + (job.warmUpSeconds + job.seconds) * 1000;
  const fill = job.seconds === 0;
  let nextKey = 0;
  const keys = fill
    ? (): number => Math.min(nextKey++, job.keys - 1)
    : (): number => Math.floor(Math.random() * job.keys);
  const wantsMore = fill
    ? (): boolean => nextKey < job.keys
    : (): boolean => performance.now() < endMs;
  const pipelines = Array.from({ length: job.connections }, () => {
    const stopwatch = new Stopwatch(latencies);
    stopwatch.startMs = beganMs + job.warmUpSeconds * 1000;
    stopwatch.endMs = fill ? Number.POSITIVE_INFINITY : endMs;
    const protocol = protocolOf(job, stopwatch);
    protocols.push(protocol);
    const { host, port, inFlight } = job;
    return runPipeline({ host, port, protocol, stopwatch, inFlight, keys, wantsMore });
  });
  await Promise.all(pipelines);
  const elapsedSeconds = (performance.now() - beganMs) / 1000;
  const { user, system } = process.cpuUsage();
  return {
    operations: latencies.count,
    errors: protocols.reduce((sum, { errors }) => sum + errors, 0),
    opsPerSecond: Math.round(latencies.count / (fill ? elapsedSeconds : job.seconds)),
    latencyMs: latencies.summary(),
    generatorCores: (user + system) / 1e6 / elapsedSeconds,
  };
}

function protocolOf(job: LoadJob, stopwatch: Stopwatch): Protocol {
  const value = Buffer.alloc(job.valueSize, "v");
  return job.system === "balsa"
    ? new RespProtocol(job.operation, value, stopwatch)
    : new EtcdProtocol(job.operation, value, stopwatch, `${job.host}:${job.port}`);
}

process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "") as LoadJob)));
