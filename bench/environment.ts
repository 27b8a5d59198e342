/** The machine a number was measured on, without which it means nothing. */
import { spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import path from "node:path";
import process from "node:process";

export interface Environment {
  readonly cpu: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  /** of the repository this runs from; null outside one, with a plus where files have changed */
  readonly commit: string | null;
  /** half of the 4 KiB overwrites with fdatasync were faster; milliseconds */
  readonly fdatasyncP50Ms: number;
  /** of `directory`: the file system's type and its device; null where it is not told */
  readonly fileSystem: string | null;
  readonly device: string | null;
  /** processes that wanted a processor in the minute before */
  readonly load: number;
  readonly directory: string;
}

const WRITE_SIZE = 4096;
const FILE_WRITES = 256;
const WRITES = 400;
const PROBE_MS_MAX = 500;

/** @param directory where the servers keep their data */
export function describeEnvironment(directory: string): Environment {
  const mount = mountOf(path.resolve(directory));
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    node: process.version,
    commit: commit(),
    load: loadavg()[0] ?? 0,
    fdatasyncP50Ms: measureFdatasyncMs(directory),
    fileSystem: mount?.type ?? null,
    device: mount?.device ?? null,
    directory,
  };
}

/** The environment in one line. */
export function environmentLine(environment: Environment): string {
  const { cpu, processors, memoryGiB, node, kernel, fdatasyncP50Ms, fileSystem } = environment;
  const commit = environment.commit === null ? "" : `, commit ${environment.commit}`;
  return `${cpu}, ${processors} processors, ${memoryGiB} GiB, ${environment.platform.split(" ", 1)[0] ?? ""} ${kernel}, ${fileSystem ?? "?"}; Node ${node}${commit}; fdatasync p50 ${fdatasyncP50Ms} ms`;
}

function commit(): string | null {
  const git = (...words: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", ["-C", import.meta.dirname, ...words], {
      encoding: "utf8",
    });
    return status === 0 ? stdout.trim() : undefined;
  };
  const hash = git("rev-parse", "--short=10", "HEAD");
  if (hash === undefined) return null;
  return git("status", "--porcelain", "--untracked-files=no") === "" ? hash : `${hash}+`;
}

/** The file system a directory lies on, from /proc/mounts. */
function mountOf(
  directory: string,
): { readonly type: string; readonly device: string } | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/mounts", "utf8");
  } catch {
    return undefined;
  }
  const mounts = text
    .split("\n")
    .map((line) => line.split(" "))
    .map(([device = "", point = "", type = ""]) => ({ device, point, type }))
    .filter(({ point }) => point === "/" || `${directory}/`.startsWith(`${point}/`));
  return mounts.toSorted((left, right) => right.point.length - left.point.length)[0];
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
    const deadlineMs = performance.now() + PROBE_MS_MAX;
    for (let at = 0; at < WRITES && performance.now() < deadlineMs; at += 1) {
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
