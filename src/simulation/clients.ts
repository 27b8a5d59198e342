/**
 * All clients of a simulated cluster: of which kinds a life has some is drawn from
 * its seed. What they were told is judged when the cluster is at rest.
 */
import type { Store } from "../store/store.js";
import { ScriptedClient, textOf } from "./client-script.js";
import type { CommittedChange, CommittedLog } from "./committed-log.js";
import { LASTING_KEY_PREFIX, leaseScripts } from "./lease-clients.js";
import { LeaseLedger } from "./lease-ledger.js";
import type { Emphasis } from "./nemesis.js";
import type { RandomStream } from "./random.js";
import { RespClient } from "./resp-client.js";
import { RespScripts } from "./resp-scripts.js";
import type { Scheduler } from "./scheduler.js";
import type { SimulatedNode } from "./simulated-node.js";
import { TransactionClients } from "./transaction-clients.js";
import { WatchClient } from "./watch-client.js";
import { Workload } from "./workload.js";

export interface ClientsOptions {
  readonly scheduler: Scheduler;
  readonly nodes: readonly SimulatedNode[];
  /** a stream of chance by name */
  readonly random: (name: string) => RandomStream;
  readonly emphasis: readonly Emphasis[];
  /** whether a leader's disk may have no room for the entry that ends what has run out */
  readonly mayBeFull: boolean;
  /** of each kind, at most */
  readonly clientCountMax: number;
}

const NO_KEY = new Uint8Array(0);

interface Client {
  start(): void;
  stop(): void;
}

export class Clients {
  readonly workload: Workload;
  readonly transactions: TransactionClients;
  readonly #watches: readonly WatchClient[];
  /** whether the whole log is needed at the end */
  readonly areJudgedByLog: boolean;
  readonly #clients: readonly Client[];
  readonly #mayBeFull: boolean;
  #endedCount = 0;

  constructor(options: ClientsOptions) {
    const { scheduler, nodes, random, emphasis, clientCountMax } = options;
    this.#mayBeFull = options.mayBeFull;
    const shape = random("clients of all kinds");
    const has = (name: Emphasis): boolean => shape.chance(0.3) || emphasis.includes(name);
    const kinds = { resp: has("resp"), watches: has("watches"), expiry: has("expiry") };
    // Of every kind a few: who does everything at once does little of each.
    const isMixed = kinds.resp || kinds.expiry;
    // A third of all lives is quiet: then it is elections and clocks that matter.
    const pace = emphasis.includes("busy") ? 1 : shape.pick([1, 1, 4]);
    const keyCount = emphasis.includes("contention") ? 1 : shape.integer(1, 6);
    this.workload = new Workload({
      scheduler,
      random: random("clients"),
      nodes,
      keyCount,
      clientCount: Math.min(shape.integer(isMixed ? 1 : 2, isMixed ? 4 : 8), clientCountMax),
      valueSizeMax: shape.pick([8, 8, 200, 1500]),
      thinkMsMax: Math.min(
        pace * shape.pick([20, 60, 200]),
        emphasis.includes("busy") ? 5 : Infinity,
      ),
    });
    this.transactions = new TransactionClients({
      scheduler,
      nodes,
      random,
      emphasis,
      clientCountMax: Math.min(isMixed ? 2 : 6, clientCountMax),
      thinkMsMax: pace * random("thinking").pick([20, 100, 300]),
    });
    const some = <T>(isThere: boolean, max: number, make: (i: number) => T): readonly T[] => {
      const length = isThere ? Math.min(shape.integer(1, max), clientCountMax) : 0;
      return Array.from({ length }, (_, i) => make(i));
    };
    const worldOf = (name: string, thinkMsMax: number) => ({
      scheduler,
      nodes,
      random: random(name),
      thinkMsMax: pace * thinkMsMax,
    });
    const resp = some(kinds.resp, 3, (i) => {
      const world = worldOf(`resp ${i}`, shape.pick([10, 50, 200]));
      const { workload, transactions } = this;
      const { lists } = transactions;
      const scripts = new RespScripts({ ...world, name: `r${i}`, workload, lists, keyCount });
      return new RespClient(world, (connection) => scripts.next(connection));
    });
    this.#watches = some(kinds.watches, 2, (i) => {
      return new WatchClient(worldOf(`watch ${i}`, shape.pick([5, 200])));
    });
    const expiry = some(kinds.expiry, 2, (i) => {
      const world = worldOf(`expiry ${i}`, shape.pick([30, 200]));
      return new ScriptedClient(world, leaseScripts(`x${i}`, world.random));
    });
    this.areJudgedByLog = kinds.resp || kinds.expiry || kinds.watches;
    this.#clients = [this.workload, this.transactions, ...resp, ...expiry];
  }

  /** Changes that watches were told. */
  get toldCount(): number {
    return this.#watches.reduce((sum, { toldCount }) => sum + toldCount, 0);
  }

  /** Keys that ended by themselves, and were judged. */
  get endedCount(): number {
    return this.#endedCount;
  }

  start(): void {
    for (const client of [...this.#clients, ...this.#watches]) client.start();
  }

  /** Nothing new is asked for; watches go on, at nodes that will serve them. */
  stop(serving: readonly SimulatedNode[]): void {
    for (const client of this.#clients) client.stop();
    for (const watch of this.#watches) watch.settle(serving);
  }

  /** A key that ends by itself soon and has not; undefined: there is none. */
  keyThatEnds(store: Store): string | undefined {
    const { keyValues } = store.range(NO_KEY, NO_KEY, Infinity, Infinity);
    const ending = keyValues.filter(({ lease }) => lease !== undefined);
    return ending.map(({ key }) => textOf(key)).find((key) => !key.startsWith(LASTING_KEY_PREFIX));
  }

  /** Whether the watches were told everything up to `revision`. */
  haveReached(revision: number): boolean {
    return this.#watches.every((watch) => watch.hasReached(revision));
  }

  /**
   * @param store of the cluster at rest
   * @throws {Error} when something that somebody was told cannot have been
   */
  check(store: Store, committed: CommittedLog): void {
    for (const watch of this.#watches) watch.stop();
    this.workload.noteLast(store);
    this.transactions.check(store);
    this.workload.check();
    if (this.areJudgedByLog) this.#checkByLog(store, committed);
  }

  #checkByLog(store: Store, committed: CommittedLog): void {
    const ledger = new LeaseLedger(this.#mayBeFull);
    const changes: CommittedChange[] = [];
    const folded = committed.fold((request) => {
      changes.push(...request.changes);
      ledger.note(request);
    });
    if (folded.stateHash() !== store.stateHash())
      throw new Error("fold: the log from its beginning makes another state than the nodes have");
    this.#endedCount = ledger.endedCount;
    for (const watch of this.#watches) watch.check(changes);
  }
}
