/** What `balsa bench run` keeps of a run, so that runs can be compared and drawn later. */
import { readFileSync } from "node:fs";
import { usageError } from "../src/console/failure.js";
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

/** @throws {CommandError} usage, when it is no such file: what is wrong, and what to do */
export function readRunFile(file: string): RunFile {
  const content = readJson(file);
  const format = formatOf(content);
  if (format === RUN_FORMAT) return content as RunFile;
  throw usageError(
    format === undefined
      ? `${file} is not a file that balsa bench run wrote`
      : `${file} has the format ${format}, and this reads ${RUN_FORMAT}`,
    `balsa bench run --out ${file}`,
  );
}

/** @throws {CommandError} usage */
export function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`${file} cannot be read: ${why}`, "a file that balsa bench run --out wrote");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw usageError(`${file} is not JSON`, "a file that balsa bench run --out wrote");
  }
}

export function formatOf(content: unknown): string | undefined {
  if (typeof content !== "object" || content === null || !("format" in content)) return undefined;
  return String(content.format);
}
