/** The machine a number was measured on, without which it means nothing. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import path from "node:path";
import process from "node:process";

export interface Environment {
  readonly cpu: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  /** half of the 4 KiB overwrites with fdatasync were faster; milliseconds */
  readonly fdatasyncP50Ms: number;
  /** processes that wanted a processor in the minute before */
  readonly load: number;
  readonly directory: string;
}

const WRITE_SIZE = 4096;
const FILE_WRITES = 256;
const WRITES = 400;

export function describeEnvironment(directory: string): Environment {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    load: loadavg()[0] ?? 0,
    fdatasyncP50Ms: measureFdatasyncMs(directory),
    directory,
  };
}

/** The disk's part of a durable write: overwriting blocks that are already there. */
function measureFdatasyncMs(directory: string): number {
  const file = path.join(directory, "fdatasync-probe");
  const descriptor = openSync(file, "w+");
  try {
    const block = Buffer.alloc(WRITE_SIZE, 1);
    for (let at = 0; at < FILE_WRITES; at += 1)
      writeSync(descriptor, block, 0, WRITE_SIZE, at * WRITE_SIZE);
    fdatasyncSync(descriptor);
    const times: number[] = [];
    for (let at = 0; at < WRITES; at += 1) {
      const startedMs = performance.now();
      writeSync(descriptor, block, 0, WRITE_SIZE, (at % FILE_WRITES) * WRITE_SIZE);
      fdatasyncSync(descriptor);
      times.push(performance.now() - startedMs);
    }
    return Number(median(times).toFixed(3));
  } finally {
    closeSync(descriptor);
    rmSync(file, { force: true });
  }
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}
