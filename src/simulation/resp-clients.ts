/** Clients that speak RESP, in some of all lives; on the keys and lists of the others, and on their own. */
import type { ScriptWorld } from "./client-script.js";
import type { ListHistory } from "./list-clients.js";
import type { RandomStream } from "./random.js";
import { RespClient } from "./resp-client.js";
import { RespScripts } from "./resp-scripts.js";
import type { Workload } from "./workload.js";

export interface RespClientsOptions extends Omit<ScriptWorld, "random"> {
  /** a stream of chance by name */
  readonly random: (name: string) => RandomStream;
  readonly clientCount: number;
  readonly workload: Workload;
  readonly lists: ListHistory;
  /** of the keys that `workload` uses */
  readonly keyCount: number;
}

export class RespClients {
  readonly #clients: readonly RespClient[];

  constructor(options: RespClientsOptions) {
    const { random, clientCount, workload, lists, keyCount, ...world } = options;
    this.#clients = Array.from({ length: clientCount }, (_, i) => {
      const name = `r${i}`;
      const own = random(`resp ${name}`);
      const scripts = new RespScripts({ name, random: own, workload, lists, keyCount });
      return new RespClient({ ...world, random: own }, (connection) => scripts.next(connection));
    });
  }

  start(): void {
    for (const client of this.#clients) client.start();
  }

  stop(): void {
    for (const client of this.#clients) client.stop();
  }
}
