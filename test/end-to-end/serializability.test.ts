/**
 * Transactions, sessions and watches while leaders are killed with kill -9: money is
 * neither made nor lost, every acknowledged write was applied once, and a watch
 * tells all of it. Real processes.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { connect, type Database, type KeyRecord } from "../../src/index.js";
import { ClusterProcesses, PATIENCE_MS } from "./processes.js";

const ACCOUNTS = 8;
const START_BALANCE = 100;
const CLIENTS = 6;
const KILLS = 3;
const CLOSED = "account/closed";

const accountKey = (account: number): string => `account/${account}`;
const numberOf = (record: KeyRecord | undefined): number =>
  Number(Buffer.from(record?.value ?? []).toString());

/** A client that moves money until it is told to stop, and counts what it was told. */
class Teller {
  readonly #db: Database;
  readonly #own: string;
  #random: number;
  #stopped = false;
  transfers = 0;
  readonly failures: unknown[] = [];
  readonly ended: Promise<void>;

  constructor(endpoints: readonly string[], index: number) {
    const turned = [...endpoints.slice(index % 3), ...endpoints.slice(0, index % 3)];
    this.#db = connect({ endpoints: turned, timeoutMs: PATIENCE_MS, exactlyOnce: true });
    this.#own = `teller/${index}`;
    this.#random = index + 1;
    this.ended = this.#run();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    await using db = this.#db;
    while (!this.#stopped) {
      try {
        await this.#transfer(db);
        this.transfers += 1;
      } catch (error) {
        this.failures.push(error);
      }
    }
  }

  async #transfer(db: Database): Promise<void> {
    const from = this.#next(ACCOUNTS);
    const to = (from + 1 + this.#next(ACCOUNTS - 1)) % ACCOUNTS;
    const amount = 1 + this.#next(20);
    await db.transact(
      async (tx) => {
        const source = numberOf(await tx.get(accountKey(from)));
        const target = numberOf(await tx.get(accountKey(to)));
        const moved = Math.min(amount, source);
        await tx.put(accountKey(from), String(source - moved));
        await tx.put(accountKey(to), String(target + moved));
        // How often this teller has moved money: exactly as often as it was told.
        await tx.put(this.#own, String(numberOf(await tx.get(this.#own)) + 1));
      },
      { attempts: 1000 },
    );
  }

  /** mulberry's: the same transfers in every run */
  #next(count: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (this.#random >>> 8) % count;
  }
}

/** Follows the accounts and adds them up at every revision, until the books are closed. */
async function audit(db: Database, from: number): Promise<number> {
  const balances = new Map<string, number>();
  let audited = 0;
  let previous = from - 1;
  for await (const event of db.watch({ prefix: "account/" }, { from })) {
    if (event.kind !== "changes") continue;
    assert.ok(event.revision > previous, "revisions come in order, each once");
    previous = event.revision;
    for (const { key, record } of event.changes) {
      if (Buffer.from(key).toString() === CLOSED) return audited;
      balances.set(Buffer.from(key).toString(), numberOf(record));
    }
    const sum = [...balances.values()].reduce((total, balance) => total + balance, 0);
    assert.equal(sum, ACCOUNTS * START_BALANCE, `the sum at revision ${event.revision}`);
    audited += 1;
  }
  throw new Error("a watch does not end by itself");
}

describe("serializability", function () {
  this.timeout(1_800_000);

  it("money moved while leaders are killed is neither made nor lost, and no transfer is done twice", async () => {
    await using cluster = new ClusterProcesses(3, 14061);
    await cluster.start();
    await cluster.leader();
    const endpoints = cluster.nodes.map(({ client }) => client);
    await using db = connect({ endpoints, timeoutMs: PATIENCE_MS, exactlyOnce: true });
    const { revision } = await db.batch(
      Array.from({ length: ACCOUNTS }, (_, account) => ({
        kind: "put" as const,
        key: accountKey(account),
        value: String(START_BALANCE),
      })),
    );
    const auditing = audit(db, revision);
    const tellers = Array.from({ length: CLIENTS }, (_, i) => new Teller(endpoints, i));
    const transfers = (): number => tellers.reduce((sum, teller) => sum + teller.transfers, 0);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const target = transfers() + 100;
      await cluster.until("a hundred more transfers", async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return transfers() >= target ? true : undefined;
      });
      const leader = await cluster.leader();
      await leader.end("SIGKILL");
      await leader.start();
      await cluster.caughtUpTo(leader.id);
    }
    for (const teller of tellers) teller.stop();
    await Promise.all(tellers.map(({ ended }) => ended));
    await db.put(CLOSED, "");
    // One for the founding, one for each transfer: the watch has told all, and nothing twice.
    assert.equal(await auditing, 1 + transfers());
    // With sessions nothing was left unknown: every transfer was told, and done once.
    assert.deepEqual(
      tellers.flatMap(({ failures }) => failures),
      [],
    );
    for (const [i, teller] of tellers.entries())
      assert.equal(numberOf(await db.get(`teller/${i}`)), teller.transfers);
  });
});
