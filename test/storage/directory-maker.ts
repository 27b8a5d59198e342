/** A thread that makes one directory after another, each at the same moment as its fellow. */
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";

/** what the two threads are told */
export interface Race {
  readonly root: string;
  readonly rounds: number;
  /** counts who has arrived: two more a round */
  readonly arrivals: Int32Array;
}

const { root, rounds, arrivals } = workerData as Race;
const fileSystem = new NodeFileSystem();
const failures: string[] = [];

for (let round = 0; round < rounds; round++) {
  Atomics.add(arrivals, 0, 1);
  Atomics.notify(arrivals, 0);
  for (;;) {
    const arrived = Atomics.load(arrivals, 0);
    if (arrived >= 2 * (round + 1)) break;
    Atomics.wait(arrivals, 0, arrived);
  }
  try {
    fileSystem.makeDirectory(join(root, String(round), "deep", "er"));
  } catch (error) {
    failures.push(`round ${round}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
parentPort?.postMessage(failures);
