/**
 * Who used the processors, from /proc: the servers under load, and strangers that
 * disturb the run. Where there is no /proc nothing is told, rather than guessed.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Linux counts in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_A_SECOND = 100;

/** Of one moment; seconds since whenever. */
export interface ProcessorTimes {
  readonly atMs: number;
  /** of the processes asked for; null where it cannot be known */
  readonly own: number | null;
  /** of everything that ran on this machine */
  readonly busy: number;
  /** taken from this machine by others on the same hardware */
  readonly stolen: number;
}

export function processorTimes(pids: readonly number[]): ProcessorTimes {
  const { busy, stolen } = machineTimes();
  const own = pids.map(processSeconds);
  return {
    atMs: performance.now(),
    own: own.some((seconds) => seconds === undefined)
      ? null
      : own.reduce<number>((sum, seconds) => sum + (seconds ?? 0), 0),
    busy,
    stolen,
  };
}

/** User and system time of a process and its ended threads; undefined when it is gone. */
function processSeconds(pid: number): number | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; behind it, user and system time are fields 14 and 15.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined) return undefined;
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

function machineTimes(): { readonly busy: number; readonly stolen: number } {
  const line = readProc("/proc/stat")?.split("\n", 1)[0] ?? "";
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / TICKS_A_SECOND);
  return { busy: user + nice + system + irq + softIrq, stolen: steal };
}

function readProc(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Resident memory of a process; bytes. */
export function residentSize(pid: number): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Processors that others keep busy, over a short while, with everything of ours idle. */
async function foreignCores(): Promise<number> {
  const before = machineTimes();
  const beganMs = performance.now();
  const ownBefore = process.cpuUsage();
  await sleep(GATE_MS);
  const own = process.cpuUsage(ownBefore);
  const busy = machineTimes().busy - before.busy - (own.user + own.system) / 1e6;
  return Math.max(0, busy / ((performance.now() - beganMs) / 1000));
}

const GATE_MS = 400;
/** Of one processor: less than this disturbs nobody. */
export const FOREIGN_CORES_MAX = 0.12;

/** Waits a while for strangers to be quiet. @returns the processors they still keep busy */
export async function awaitQuiet(patienceMs: number): Promise<number> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const cores = await foreignCores();
    if (cores <= FOREIGN_CORES_MAX || performance.now() >= deadlineMs) return cores;
  }
}
