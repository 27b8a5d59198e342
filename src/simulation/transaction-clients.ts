/** Clients with transactions: some with lists, some with a bank; in half of all lives. */
import type { StoreView } from "../node/service.js";
import { Bank } from "./bank.js";
import { ScriptedClient, type ScriptWorld } from "./client-script.js";
import { ListHistory } from "./list-clients.js";
import type { Emphasis } from "./nemesis.js";
import type { RandomStream } from "./random.js";

export interface TransactionClientsOptions extends Omit<ScriptWorld, "random"> {
  /** a stream of chance by name */
  readonly random: (name: string) => RandomStream;
  /** at most, of both kinds together */
  readonly clientCountMax: number;
  readonly emphasis: readonly Emphasis[];
}

export class TransactionClients {
  readonly #lists: ListHistory;
  readonly #bank: Bank;
  readonly #clients: readonly ScriptedClient[];

  constructor(options: TransactionClientsOptions) {
    const { scheduler, nodes, thinkMsMax, random, clientCountMax, emphasis } = options;
    const shape = random("transactions");
    const hasLookers = random("lookers").chance(0.1) || emphasis.includes("lookers");
    const listCount = shape.integer(1, 3);
    // One list alone looks the same at two moments as at one.
    this.#lists = new ListHistory(hasLookers ? 3 : listCount);
    this.#bank = new Bank(shape.integer(2, 5), shape.pick(["serializable", "snapshot"]));
    const count = shape.chance(0.5) ? Math.min(shape.integer(2, 6), clientCountMax) : 0;
    this.#clients = Array.from({ length: count }, (_, i) => {
      const name = `${i}`;
      const own = random(`transactions of ${name}`);
      const lookers = hasLookers ? random(`lookers of ${name}`) : undefined;
      const next =
        i % 2 === 0 ? this.#lists.client(name, own, lookers) : this.#bank.client(name, own);
      return new ScriptedClient({ scheduler, nodes, thinkMsMax, random: own }, next);
    });
  }

  /** what others may take part in */
  get lists(): ListHistory {
    return this.#lists;
  }

  /** Transactions on lists that are known to be committed. */
  get committedCount(): number {
    return this.#lists.committedCount;
  }

  start(): void {
    for (const client of this.#clients) client.start();
  }

  stop(): void {
    for (const client of this.#clients) client.stop();
  }

  /** @param store of the cluster at rest. @throws {Error} when no serial order explains what was seen */
  check(store: Pick<StoreView, "get">): void {
    this.#lists.noteLast(store);
    this.#bank.noteLast(store);
    this.#lists.check();
  }
}
