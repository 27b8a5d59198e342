/** What the load generator is told, and what it tells: one JSON value a line. */
import type { KeptLatencies } from "../latencies.js";
import type { Distribution } from "./keys.js";
import type { OperationName } from "./operation.js";
import type { WorkloadName } from "./workload.js";

/** How requests travel. "library": through the library, a promise a request. */
export const DIALECTS = ["resp", "native", "library", "etcd", "nats"] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface LoadJob {
  readonly dialect: Dialect;
  readonly host: string;
  /** connections are dealt out to them in turn */
  readonly ports: readonly number[];
  readonly workload: WorkloadName;
  readonly distribution: Distribution;
  readonly connections: number;
  /** closed loop: requests on their way on each connection; open loop: at most so many */
  readonly inFlight: number;
  /** open loop: requests a second; 0: a closed loop */
  readonly rate: number;
  readonly keys: number;
  readonly valueSize: number;
  readonly warmUpSeconds: number;
  /** 0: every key once, in order, and nothing else */
  readonly seconds: number;
  readonly seed: number;
  /** RESP: so many replicas must have a write before it counts; 0: the server's answer is enough */
  readonly waitReplicas: number;
}

export interface LoadResult {
  /** measured */
  readonly seconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly firstError: string | null;
  readonly opsPerSecond: number;
  /** by operation */
  readonly latencies: Readonly<Partial<Record<OperationName, KeptLatencies>>>;
  /** the generator's own, while it measured */
  readonly generatorCpuSeconds: number;
  /** the longest time without an answer that was good; milliseconds */
  readonly gapMaxMs: number;
  /** open loop: due, but never sent */
  readonly unsent: number;
  /** open loop: sent, but never answered */
  readonly unanswered: number;
}

export type LoadNews =
  /** measuring begins, ends */
  | { readonly kind: "begins" }
  | { readonly kind: "ends" }
  /** about once a second while it measures */
  | { readonly kind: "second"; readonly operations: number; readonly seconds: number }
  | { readonly kind: "result"; readonly result: LoadResult }
  | { readonly kind: "failed"; readonly message: string };
