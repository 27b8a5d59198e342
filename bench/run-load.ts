/** Runs the load generator on servers of this machine or elsewhere, and watches who uses the processors meanwhile. */
import { spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { Latencies } from "./latencies.js";
import type { LoadJob, LoadNews, LoadResult } from "./load/job.js";
import type { OperationName } from "./load/operation.js";
import { type ProcessorTimes, processorTimes } from "./processor-time.js";

export interface Measured extends LoadResult {
  /** of all servers, while it was measured; null when they are elsewhere */
  readonly serverCpuSeconds: number | null;
  /** processors that neither the servers nor the generator used, but somebody; null when servers are elsewhere */
  readonly foreignCores: number | null;
  readonly stolenCores: number;
}

export interface LoadWatch {
  /** processes of the servers; none when they are elsewhere */
  readonly pids: readonly number[];
  readonly onSecond?: (operations: number, seconds: number) => void;
  readonly signal?: AbortSignal;
}

/** @throws {Error} what the generator failed with */
export async function runLoad(job: LoadJob, watch: LoadWatch): Promise<Measured> {
  const generator = path.join(import.meta.dirname, "load", "generator.js");
  const child = spawn(process.execPath, [generator, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
    ...(watch.signal === undefined ? {} : { signal: watch.signal }),
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  let result: LoadResult | undefined;
  let failure = "the load generator ended without a word";
  let before: ProcessorTimes | undefined;
  let after: ProcessorTimes | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const news = JSON.parse(line) as LoadNews;
    switch (news.kind) {
      case "begins":
        before = processorTimes(watch.pids);
        break;
      case "ends":
        after = processorTimes(watch.pids);
        break;
      case "second":
        watch.onSecond?.(news.operations, news.seconds);
        break;
      case "result":
        result = news.result;
        break;
      case "failed":
        failure = news.message;
        break;
    }
  });
  await ended;
  if (result === undefined) throw new Error(failure);
  return { ...result, ...usedMeanwhile(before, after, result, watch.pids.length > 0) };
}

function usedMeanwhile(
  before: ProcessorTimes | undefined,
  after: ProcessorTimes | undefined,
  result: LoadResult,
  isHere: boolean,
): Pick<Measured, "serverCpuSeconds" | "foreignCores" | "stolenCores"> {
  if (before === undefined || after === undefined) {
    return { serverCpuSeconds: null, foreignCores: null, stolenCores: 0 };
  }
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const stolenCores = (after.stolen - before.stolen) / seconds;
  if (!isHere || after.own === null || before.own === null) {
    return { serverCpuSeconds: null, foreignCores: null, stolenCores };
  }
  const serverCpuSeconds = after.own - before.own;
  const foreign = after.busy - before.busy - serverCpuSeconds - result.generatorCpuSeconds;
  return { serverCpuSeconds, foreignCores: Math.max(0, foreign / seconds), stolenCores };
}

/** All of a run's latencies together, or of one operation. */
export function latenciesOf(
  result: Pick<LoadResult, "latencies">,
  operation?: OperationName,
): Latencies {
  const all = new Latencies();
  for (const [name, kept] of Object.entries(result.latencies)) {
    if (operation === undefined || name === operation) all.add(Latencies.of(kept));
  }
  return all;
}
