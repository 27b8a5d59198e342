/** What a thread had of the processors, as Linux counts it (`schedstat`). */
import { openSync, readSync } from "node:fs";
import process from "node:process";

export interface ThreadTimes {
  /** milliseconds so far that it ran */
  readonly ranMs: number;
  /** milliseconds so far that it was ready to run, and others had the processors */
  readonly waitedMs: number;
}

/** @returns those of this process's first thread; always 0 where the system does not tell */
export function threadTimes(): () => ThreadTimes {
  try {
    const descriptor = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    const bytes = Buffer.alloc(128);
    return () => {
      const size = readSync(descriptor, bytes, 0, bytes.length, 0);
      const [ran = 0, waited = 0] = bytes.toString("latin1", 0, size).split(" ").map(Number);
      return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
    };
  } catch {
    return () => ({ ranMs: 0, waitedMs: 0 });
  }
}
