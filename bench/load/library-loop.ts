/**
 * The load as an application makes it: through the library, a promise a request.
 * What it costs more than prebuilt bytes is the library's own price.
 */
import { connect, type Database } from "../../src/index.js";
import type { LoadJob } from "./job.js";
import { benchKey, OPERATION } from "./operation.js";
import type { Tally } from "./tally.js";
import type { Demand } from "./workload.js";

/** Between two failures of one client: a dead cluster is not hammered. Milliseconds. */
const ERROR_PAUSE_MS = 20;
const TIMEOUT_MS = 10_000;

/** A closed loop until the tally's end. */
export async function runLibraryLoop(job: LoadJob, tally: Tally, demand: Demand): Promise<void> {
  const databases = Array.from({ length: job.connections }, () =>
    connect({ endpoints: job.ports.map((port) => `${job.host}:${port}`), timeoutMs: TIMEOUT_MS }),
  );
  const value = Buffer.alloc(job.valueSize, "v");
  const client = async (database: Database): Promise<void> => {
    for (;;) {
      const beganMs = performance.now();
      if (beganMs >= tally.endMs) return;
      demand.next();
      const { operation } = demand;
      try {
        await ask(database, demand, value);
        tally.nowMs = performance.now();
        tally.finished(operation, beganMs);
      } catch (error) {
        tally.failed(beganMs, error instanceof Error ? error.message : String(error));
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  };
  try {
    await Promise.all(
      databases.flatMap((database) => Array.from({ length: job.inFlight }, () => client(database))),
    );
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}

async function ask(database: Database, demand: Demand, value: Uint8Array): Promise<void> {
  const key = benchKey(demand.key);
  switch (demand.operation) {
    case OPERATION.put:
    case OPERATION.insert:
      await database.put(key, value);
      return;
    case OPERATION.get:
      await database.get(key);
      return;
    case OPERATION.readModifyWrite:
      await database.get(key);
      await database.put(key, value);
      return;
    case OPERATION.list: {
      const records = database.list({ from: key }, { limit: demand.count });
      while ((await records.next()).done !== true);
      return;
    }
    case OPERATION.transaction: {
      const other = benchKey(demand.otherKey);
      await database.transact(async (transaction) => {
        await transaction.get(key);
        await transaction.get(other);
        await transaction.put(key, value);
        await transaction.put(other, value);
      });
      return;
    }
  }
}
