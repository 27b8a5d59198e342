/**
 * `bench run`: put, get and mixed load through the native client, as an
 * application would make it.
 */
import { connect } from "../src/index.js";
import type { Database } from "../src/index.js";
import { Loader } from "../src/console/loader.js";
import type { LoadRecord } from "../src/console/ndjson.js";
import { runClosedLoop } from "./closed-loop.js";
import type { LatencyMs } from "./latencies.js";
import { benchKey } from "./operation.js";

export const WORKLOADS = ["put", "get", "mixed"] as const;
export type Workload = (typeof WORKLOADS)[number];

export interface WorkloadOptions {
  readonly workload: Workload;
  readonly endpoints: readonly string[];
  readonly timeoutMs: number;
  readonly connections: number;
  /** requests in flight on each connection */
  readonly inFlight: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly valueSize: number;
  readonly keys: number;
  readonly onPhase: (phase: string) => void;
  readonly onSecond: (operations: number, seconds: number) => void;
}

/** CONTRACT: `bench run --json`. */
export interface WorkloadReport {
  readonly workload: Workload;
  readonly nodes: number;
  /** requests in flight at once */
  readonly clients: number;
  readonly seconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly opsPerSecond: number;
  readonly latencyMs: LatencyMs;
  readonly connections: number;
  readonly inFlight: number;
  readonly valueSize: number;
  readonly keys: number;
}

/** Of ten operations of the mixed workload, this many are puts. */
const MIXED_PUTS_OF_TEN = 5;

/** @throws the first failure, when nothing at all succeeded */
export async function runWorkload(options: WorkloadOptions): Promise<WorkloadReport> {
  const { workload, endpoints, timeoutMs, connections, inFlight, keys } = options;
  const databases: Database[] = [];
  try {
    const first = connect({ endpoints, timeoutMs });
    databases.push(first);
    const { nodes, leader } = await first.status();
    const leaderFirst = inOrder(nodes.find(({ id }) => id === leader)?.client, endpoints);
    const loaders = Array.from({ length: connections }, () =>
      connect({ endpoints: leaderFirst, timeoutMs }),
    );
    databases.push(...loaders);
    const value = Buffer.alloc(options.valueSize, "v");
    if (workload !== "put") {
      options.onPhase(`setting ${keys} keys to read`);
      await new Loader(first).load(keyspace(keys, value));
    }
    options.onPhase(`warming up for ${options.warmUpSeconds} s`);
    const clients = connections * inFlight;
    const result = await runClosedLoop({
      clients,
      warmUpSeconds: options.warmUpSeconds,
      seconds: options.seconds,
      onSecond: options.onSecond,
      operation: async (client) => {
        const database = loaders[client % connections] ?? first;
        const key = benchKey(Math.floor(Math.random() * keys));
        if (isPut(workload)) await database.put(key, value);
        else await database.get(key);
      },
    });
    if (result.operations === 0 && result.firstError instanceof Error) throw result.firstError;
    return {
      workload,
      nodes: nodes.length,
      clients,
      seconds: result.seconds,
      operations: result.operations,
      errors: result.errors,
      opsPerSecond: Math.round(result.operations / result.seconds),
      latencyMs: result.latencies.summary(),
      connections,
      inFlight,
      valueSize: options.valueSize,
      keys,
    };
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}

/** A client speaks to the first address that answers: the leader's, so that nothing is forwarded. */
function inOrder(leader: string | null | undefined, endpoints: readonly string[]): string[] {
  const others = endpoints.filter((endpoint) => endpoint !== leader);
  return leader === null || leader === undefined ? others : [leader, ...others];
}

function isPut(workload: Workload): boolean {
  if (workload === "mixed") return Math.random() * 10 < MIXED_PUTS_OF_TEN;
  return workload === "put";
}

async function* keyspace(keys: number, value: Uint8Array): AsyncGenerator<LoadRecord> {
  for (let number = 0; number < keys; number += 1) {
    yield { key: Buffer.from(benchKey(number)), value, lineNumber: number + 1 };
  }
}
