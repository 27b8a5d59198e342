/** What `balsa bench run` keeps of a run, so that runs can be compared and drawn later. */
import { readFileSync } from "node:fs";
import type { Environment } from "./environment.js";
import type { LatencyMs } from "./latencies.js";
import type { Distribution } from "./load/keys.js";
import type { WorkloadName } from "./load/workload.js";
import type { Measured } from "./run-load.js";

export const RUN_FORMAT = "balsa-bench-run/1";

export interface RunSettings {
  readonly workload: WorkloadName;
  readonly door: "native" | "resp" | "library";
  readonly distribution: Distribution;
  /** 0: closed loop; otherwise requests a second */
  readonly rate: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly valueSize: number;
  readonly keys: number;
  readonly warmUpSeconds: number;
}

/** CONTRACT: `bench run --json`, and what is added to it. */
export interface RunReport extends RunSettings {
  readonly nodes: number;
  /** requests in flight at once; open loop: at most */
  readonly clients: number;
  /** measured, all repetitions together */
  readonly seconds: number;
  readonly operations: number;
  readonly errors: number;
  readonly firstError: string | null;
  readonly opsPerSecond: number;
  readonly latencyMs: LatencyMs;
  /** of the servers; null when they are not on this machine */
  readonly serverCpuSecondsPer100k: number | null;
  readonly generatorCores: number;
  /** what makes the numbers doubtful; in words */
  readonly remarks: readonly string[];
}

export interface RunFile extends RunReport {
  readonly format: typeof RUN_FORMAT;
  readonly time: string;
  readonly label: string;
  readonly version: string;
  readonly environment: Environment;
  readonly repetitions: readonly Measured[];
}

/** @throws {Error} when it is no such file */
export function readRunFile(file: string): RunFile {
  const content: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof content !== "object" || content === null || !("format" in content)) {
    throw new Error("it is not a file that `balsa bench run --out` wrote");
  }
  if (content.format !== RUN_FORMAT) {
    throw new Error(`its format is ${String(content.format)}, and this reads ${RUN_FORMAT}`);
  }
  return content as RunFile;
}
