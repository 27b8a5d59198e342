/**
 * What an operator does to a cluster that serves: restart its nodes one by one,
 * hand leadership over, add, promote and remove members, wipe a disk, stop and
 * continue a leader. Real processes, under load.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, describe, it } from "mocha";
import { connect, DatabaseError } from "../../src/index.js";
import {
  command,
  commandServed,
  ClusterProcesses,
  NodeProcess,
  PATIENCE_MS,
  STEADY,
} from "./processes.js";

const LOADERS = 8;
/** Between two rounds of a loader: what it shows is that none fails, not how many there are. */
const THINK_MS = 5;
/**
 * How long a node that stops looks for a successor, and how long it lets its clients hear
 * their answers (src/server.ts): a stop that took longer may have cut them off.
 */
const ORDERLY_STOP_MS = 1000;

/** Clients that write and read back until told to stop; every failure is kept. */
class Load implements AsyncDisposable {
  readonly #cluster: ClusterProcesses;
  readonly #failures: unknown[] = [];
  readonly #ends: Promise<void>[] = [];
  readonly #firstTerm: number;
  #stopped = false;
  done = 0;
  /** a key of which a write was acknowledged */
  acknowledged: string | undefined;

  /** @param later client addresses of nodes that come later */
  static async on(cluster: ClusterProcesses, later: readonly string[] = []): Promise<Load> {
    return new Load(cluster, await cluster.term(), later);
  }

  private constructor(cluster: ClusterProcesses, firstTerm: number, later: readonly string[]) {
    this.#cluster = cluster;
    this.#firstTerm = firstTerm;
    const endpoints = [...cluster.nodes.map(({ client }) => client), ...later];
    for (let loader = 0; loader < LOADERS; loader += 1)
      this.#ends.push(this.#run(loader, endpoints));
  }

  async #run(loader: number, endpoints: readonly string[]): Promise<void> {
    // Each begins at another node, as clients do.
    const from = loader % endpoints.length;
    const turned = [...endpoints.slice(from), ...endpoints.slice(0, from)];
    // A node that the machine has stopped for seconds is not given up.
    const patience = { timeoutMs: PATIENCE_MS, silenceTimeoutMs: PATIENCE_MS };
    await using database = connect({ endpoints: turned, ...patience });
    let key = `load-${loader}`;
    for (let i = 0; !this.#stopped; i += 1) {
      try {
        await database.put(key, String(i));
        this.acknowledged ??= key;
        const read = await database.get(key);
        assert.equal(Buffer.from(read?.value ?? []).toString(), String(i));
        this.done += 1;
      } catch (error) {
        this.#failures.push(error);
        // What is unknown may still come, behind what is written next.
        key = `load-${loader}-${i}`;
      }
      await pause(THINK_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#ends);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Stops, and nothing has failed. Only when a leader was lost that nobody took away, as one
   * whose disk stands still, nobody knows what became of the writes that it was asked for.
   *
   * @param handedOver how often leadership was handed over meanwhile
   * @param isOrderly whether every node that stopped had the time for it
   */
  async stopUnfailing(handedOver: number, isOrderly = true): Promise<void> {
    await this.stop();
    const lastTerm = await this.#cluster.term();
    const isOwed = isOrderly && lastTerm === this.#firstTerm + handedOver;
    const failures = this.#failures.filter(
      (error) => isOwed || !(error instanceof DatabaseError) || error.outcome !== "unknown",
    );
    assert.deepEqual(failures, []);
  }
}

/** Resolves when the load has gone on by `count` rounds. */
async function goesOn(cluster: ClusterProcesses, load: Load, count: number): Promise<void> {
  const target = load.done + count;
  await cluster.until(`${count} more writes`, () =>
    Promise.resolve(load.done >= target ? true : undefined),
  );
}

/** What a change of members may end with when it may be asked for again: done, refused for now, not served, unknown. */
const OF_A_MOMENT: readonly (number | null)[] = [0, 4, 5, 6];
/** of what is asked for again */
const ATTEMPT = "20s";

/**
 * A change of members, asked for until the cluster says that it is done: it is refused while
 * the leader does not hear a node, and a leader may be lost before it has told.
 */
async function change(
  cluster: ClusterProcesses,
  words: readonly string[],
  endpoints: string,
  isDone: (roles: ReadonlyMap<string, string>) => boolean,
): Promise<void> {
  await cluster.until(words.join(" "), async () => {
    const line = ["cluster", ...words, "--timeout", ATTEMPT];
    const { code, stderr } = await command(line, { endpoints });
    assert.ok(OF_A_MOMENT.includes(code), stderr);
    const { leader, nodes = [] } = (await cluster.status(endpoints)) ?? {};
    // Without a leader it is what one node has heard of.
    const isKnown = nodes.some(({ id }) => id === leader);
    return isKnown && isDone(new Map(nodes.map(({ id, role }) => [id, role]))) ? true : undefined;
  });
}

async function promote(cluster: ClusterProcesses, id: string, endpoints: string): Promise<void> {
  await change(cluster, ["promote", id], endpoints, (roles) =>
    ["follower", "leader"].includes(roles.get(id) ?? ""),
  );
}

/** Asked of a node that need not lead. @returns how often leadership was handed over: not when it was there */
async function handOver(cluster: ClusterProcesses, target: string): Promise<number> {
  const { endpoints } = cluster;
  let handedOver = 0;
  await cluster.until(`${target} the leader`, async () => {
    if ((await cluster.leader()).id === target) return true;
    const words = ["cluster", "transfer-leader", target, "--timeout", ATTEMPT];
    const { code, stderr } = await command(words, { endpoints });
    assert.ok(OF_A_MOMENT.includes(code), stderr);
    if (code === 0) handedOver += 1;
    return undefined;
  });
  return handedOver;
}

/** Four times the leader is stopped and continued. */
async function stopAndContinue(cluster: ClusterProcesses): Promise<void> {
  for (let round = 1; round <= 4; round += 1) {
    const old = await cluster.leader();
    const others = cluster.nodes.filter((node) => node !== old).map(({ client }) => client);
    const timeoutMs = PATIENCE_MS;
    await using toOld = connect({ endpoints: [old.client], timeoutMs, exactlyOnce: true });
    await using toOthers = connect({ endpoints: others, timeoutMs, exactlyOnce: true });
    await toOld.put("clock", `${round} before`);
    await old.freeze();
    // The question waits in its socket while the others go on without it.
    const answer = toOld.get("clock").then(
      (record) => Buffer.from(record?.value ?? []).toString(),
      () => "refused",
    );
    await toOthers.put("clock", `${round} after`);
    old.thaw();
    assert.notEqual(await answer, `${round} before`);
    const record = await toOthers.get("clock");
    assert.equal(Buffer.from(record?.value ?? []).toString(), `${round} after`);
  }
}

describe("an operator's day", function () {
  this.timeout(1_800_000);

  it("a rolling restart of five nodes under load fails no request", async () => {
    await using cluster = new ClusterProcesses(5, 13741, STEADY);
    await cluster.start();
    await using load = await Load.on(cluster);
    let handedOver = 0;
    let isOrderly = true;
    await goesOn(cluster, load, 50);
    for (const node of cluster.nodes) {
      if ((await cluster.leader()) === node) handedOver += 1;
      const begun = performance.now();
      assert.equal(await node.end("SIGTERM"), 0);
      isOrderly &&= performance.now() - begun < ORDERLY_STOP_MS;
      await goesOn(cluster, load, 50);
      await node.start();
      await cluster.caughtUpTo(node.id);
    }
    await load.stopUnfailing(handedOver, isOrderly);
  });

  describe("with three nodes", () => {
    let cluster: ClusterProcesses;
    before(async () => {
      cluster = new ClusterProcesses(3, 13761, STEADY);
      await cluster.start();
      await cluster.leader();
    });
    after(async () => {
      await cluster[Symbol.asyncDispose]();
    });

    it("leadership is handed over under load, to whom it was asked for, and no request fails", async () => {
      await using load = await Load.on(cluster);
      let handedOver = 0;
      for (const target of ["n1", "n2", "n3", "n1"]) {
        await goesOn(cluster, load, 50);
        handedOver += await handOver(cluster, target);
      }
      await goesOn(cluster, load, 50);
      await load.stopUnfailing(handedOver);
      const refused = await cluster.until("a refusal", async () => {
        const { id } = await cluster.leader();
        const words = ["cluster", "transfer-leader", id, "--json", "--timeout", ATTEMPT];
        const finished = await commandServed(words, { endpoints: cluster.endpoints });
        // It was not the leader any more.
        return finished.code === 0 || finished.code === 6 ? undefined : finished;
      });
      assert.equal(refused.code, 4, refused.stdout);
      assert.match(refused.stdout, /"code":"CHANGE_REFUSED"/);
    });

    it("a node that comes back with an empty disk is made a learner, catches up, and is promoted", async () => {
      const leader = await cluster.leader();
      const wiped = cluster.nodes.find((node) => node !== leader);
      assert.ok(wiped !== undefined);
      await using database = connect({
        endpoints: cluster.endpoints.split(","),
        timeoutMs: PATIENCE_MS,
        exactlyOnce: true,
      });
      await cluster.until("all incarnations in the log", async () => {
        const log = await command(["log", "inspect", wiped.directory, "--json"]);
        return log.stdout.includes('"config"') ? true : undefined;
      });
      for (let i = 0; i < 50; i += 1) await database.put(`k${i}`, "v");
      await wiped.end("SIGKILL");
      rmSync(wiped.directory, { recursive: true });
      await wiped.start();
      await cluster.until("a learner", async () => {
        const status = await cluster.status();
        return status?.nodes.find(({ id }) => id === wiped.id)?.role === "learner"
          ? true
          : undefined;
      });
      await promote(cluster, wiped.id, cluster.endpoints);
      await cluster.caughtUp();
    });
  });

  for (const { how, flags } of [
    { how: "", flags: [] },
    { how: ", with leases", flags: ["--lease-reads"] },
  ]) {
    it(`a stopped and continued leader never serves the past${how}`, async () => {
      await using cluster = new ClusterProcesses(3, 13831, flags);
      await cluster.start();
      await stopAndContinue(cluster);
    });
  }

  it("members are added, promoted and removed, until none of the founders is left", async () => {
    const times = ["--election-timeout", "1s"];
    await using cluster = new ClusterProcesses(3, 13781, times);
    await cluster.start();
    await cluster.leader();
    const { clusterId } = await cluster.caughtUp();
    const numbers = [4, 5, 6];
    const clientOf = (number: number): string => `127.0.0.1:${14780 + number}`;
    await using load = await Load.on(cluster, numbers.map(clientOf));
    const added: NodeProcess[] = [];
    const endpoints = (): string =>
      [...cluster.running, ...added].map(({ client }) => client).join(",");
    try {
      for (const number of numbers) {
        const id = `n${number}`;
        const peer = `127.0.0.1:${13780 + number}`;
        await change(cluster, ["add", `${id}=${peer}`], endpoints(), (roles) => roles.has(id));
        const known = [...cluster.running, ...added].map((node) => `${node.id}=${node.peer}`);
        const node = new NodeProcess({
          ...{ id, peer, client: clientOf(number) },
          directory: path.join(cluster.directory, id),
          cluster: [...known, `${id}=${peer}`].join(","),
          flags: [...times, "--join", clusterId],
        });
        await node.start();
        added.push(node);
        await promote(cluster, id, endpoints());
        const gone = cluster.node(`n${number - 3}`);
        await goesOn(cluster, load, 20);
        const stay = added.map(({ client }) => client).join(",");
        await change(cluster, ["remove", gone.id], stay, (roles) => !roles.has(gone.id));
        await gone.end("SIGTERM");
        // What is asked of a leader that is gone stays unknown: there must be another first.
        await cluster.until("a leader among those who are left", async () => {
          const { leader, nodes = [] } = (await cluster.status(endpoints())) ?? {};
          return nodes.some(({ id, alive }) => id === leader && alive) ? true : undefined;
        });
      }
      // Its clients have gone on with those who came.
      await goesOn(cluster, load, 20);
      await load.stop();
      await using database = connect({
        endpoints: endpoints().split(","),
        timeoutMs: PATIENCE_MS,
        exactlyOnce: true,
      });
      const status = await cluster.until("all the new ones alive", async () => {
        const seen = await cluster.status(endpoints());
        return seen?.nodes.length === 3 && seen.nodes.every(({ alive }) => alive)
          ? seen
          : undefined;
      });
      assert.deepEqual(
        status.nodes.map(({ id, alive }) => [id, alive]),
        [
          ["n4", true],
          ["n5", true],
          ["n6", true],
        ],
      );
      await database.put("after", "all");
      const words = ["cluster", "add", "n1=127.0.0.1:13799", "--json"];
      const again = await commandServed(words, { endpoints: endpoints() });
      assert.equal(again.code, 4, again.stdout);
      assert.match(again.stdout, /ids are never used twice/);
      await using first = connect({
        endpoints: [added[0]?.client ?? ""],
        timeoutMs: PATIENCE_MS,
      });
      const kept = await first.get(load.acknowledged ?? "");
      assert.notEqual(kept, undefined);
    } finally {
      await Promise.all(added.map((node) => node.end("SIGKILL")));
    }
  });
});
