/**
 * What this process's main thread did, as the kernel counts it (Linux), so that a long hold
 * of the event loop can be told from one that the machine has made:
 *
 *   run      on a processor. What the hypervisor takes and owns up to is not in it; what it
 *            does in the guest's name is, such as finding memory for a page
 *   waited   ready, and another process had the processor
 *   faults   pages touched that had no memory yet
 */
import { openSync, readSync } from "node:fs";
import process from "node:process";

export interface ThreadTime {
  readonly runMs: number;
  readonly waitedMs: number;
  readonly faultCount: number;
}

/** Reads the counters so far; all 0 where nobody tells. */
export function threadTimes(): () => ThreadTime {
  const directory = `/proc/self/task/${process.pid}`;
  const times = fieldsOf(`${directory}/schedstat`);
  const state = fieldsOf(`${directory}/stat`);
  return () => {
    // Asking for the process's time brings the kernel's sum for the running thread up to date.
    process.cpuUsage();
    const [run, waited] = times();
    // Behind the program's name, which may hold spaces: the 10th and 12th fields, small and large faults.
    const fields = state();
    const nameEnd = fields.findIndex((field) => field.endsWith(")"));
    const faultCount = Number(fields[nameEnd + 8] ?? 0) + Number(fields[nameEnd + 10] ?? 0);
    return { runMs: Number(run ?? 0) / 1e6, waitedMs: Number(waited ?? 0) / 1e6, faultCount };
  };
}

/** Reads a file of words, again and again. */
function fieldsOf(path: string): () => readonly string[] {
  try {
    const descriptor = openSync(path, "r");
    const bytes = Buffer.alloc(1024);
    return () => {
      const size = readSync(descriptor, bytes, 0, bytes.length, 0);
      return bytes.toString("latin1", 0, size).split(" ");
    };
  } catch {
    return () => [];
  }
}
