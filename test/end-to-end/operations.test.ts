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
import { connect } from "../../src/index.js";
import { command, commandOk, ClusterProcesses, NodeProcess } from "./processes.js";

const LOADERS = 8;
/** Between two rounds of a loader: what it shows is that none fails, not how many there are. */
const THINK_MS = 5;

/** Clients that write and read back until told to stop; every failure is kept. */
class Load {
  readonly failures: unknown[] = [];
  readonly #ends: Promise<void>[] = [];
  #stopped = false;
  done = 0;

  constructor(endpoints: readonly string[]) {
    for (let loader = 0; loader < LOADERS; loader += 1)
      this.#ends.push(this.#run(loader, endpoints));
  }

  async #run(loader: number, endpoints: readonly string[]): Promise<void> {
    // Each begins at another node, as clients do.
    const from = loader % endpoints.length;
    const turned = [...endpoints.slice(from), ...endpoints.slice(0, from)];
    await using database = connect({ endpoints: turned, timeoutMs: 5000 });
    for (let i = 0; !this.#stopped; i += 1) {
      const key = `load-${loader}`;
      try {
        await database.put(key, String(i));
        const read = await database.get(key);
        assert.equal(Buffer.from(read?.value ?? []).toString(), String(i));
        this.done += 1;
      } catch (error) {
        this.failures.push(error);
      }
      await pause(THINK_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#ends);
  }
}

/** Resolves when the load has gone on by `count` rounds. */
async function goesOn(cluster: ClusterProcesses, load: Load, count: number): Promise<void> {
  const target = load.done + count;
  await cluster.until(20_000, `${count} more writes`, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return load.done >= target ? true : undefined;
  });
}

const allEndpoints = (cluster: ClusterProcesses): readonly string[] =>
  cluster.nodes.map(({ client }) => client);

/** Refused while the leader does not hear the node, which was just started. */
async function promote(cluster: ClusterProcesses, id: string, endpoints: string): Promise<void> {
  await cluster.until(20_000, `${id} a voter`, async () => {
    const { code, stderr } = await command(["cluster", "promote", id], { endpoints });
    assert.ok(code === 0 || code === 4, stderr);
    return code === 0 ? true : undefined;
  });
}

/** Four times the leader is stopped and continued. */
async function stopAndContinue(cluster: ClusterProcesses): Promise<void> {
  for (let round = 1; round <= 4; round += 1) {
    const old = await cluster.leader(10_000);
    const others = cluster.nodes.filter((node) => node !== old).map(({ client }) => client);
    await using toOld = connect({ endpoints: [old.client], timeoutMs: 5000 });
    await using toOthers = connect({ endpoints: others, timeoutMs: 5000 });
    await toOld.put("clock", `${round} before`);
    old.signal("SIGSTOP");
    // The question waits in its socket while the others go on without it.
    const answer = toOld.get("clock").then(
      (record) => Buffer.from(record?.value ?? []).toString(),
      () => "refused",
    );
    await cluster.until(10_000, "a write without the old leader", async () =>
      toOthers.put("clock", `${round} after`).then(
        () => true,
        () => undefined,
      ),
    );
    old.signal("SIGCONT");
    assert.notEqual(await answer, `${round} before`);
    const record = await toOthers.get("clock");
    assert.equal(Buffer.from(record?.value ?? []).toString(), `${round} after`);
  }
}

describe("an operator's day", function () {
  this.timeout(120_000);

  it("a rolling restart of five nodes under load fails no request", async () => {
    await using cluster = new ClusterProcesses(5, 13741);
    await cluster.start();
    await cluster.leader(10_000);
    const load = new Load(allEndpoints(cluster));
    await goesOn(cluster, load, 50);
    for (const node of cluster.nodes) {
      assert.equal(await node.end("SIGTERM"), 0);
      await goesOn(cluster, load, 50);
      await node.start();
      await cluster.caughtUpTo(node.id, 10_000);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
  });

  describe("with three nodes", () => {
    let cluster: ClusterProcesses;
    before(async () => {
      cluster = new ClusterProcesses(3, 13761);
      await cluster.start();
      await cluster.leader(10_000);
    });
    after(async () => {
      await cluster[Symbol.asyncDispose]();
    });

    it("leadership is handed over under load, to whom it was asked for, and no request fails", async () => {
      const load = new Load(allEndpoints(cluster));
      for (const target of ["n1", "n2", "n3", "n1"]) {
        await goesOn(cluster, load, 50);
        const before = await cluster.leader(10_000);
        if (before.id === target) continue;
        // Asked of a node that need not lead.
        const { endpoints } = cluster;
        await commandOk(["cluster", "transfer-leader", target], { endpoints });
        assert.equal((await cluster.leader(10_000)).id, target);
      }
      await goesOn(cluster, load, 50);
      await load.stop();
      assert.deepEqual(load.failures, []);
      const refused = await command(["cluster", "transfer-leader", "n1", "--json"], {
        endpoints: cluster.endpoints,
      });
      assert.equal(refused.code, 4);
      assert.match(refused.stdout, /"code":"CHANGE_REFUSED"/);
    });

    it("a node that comes back with an empty disk is made a learner, catches up, and is promoted", async () => {
      const leader = await cluster.leader(10_000);
      const wiped = cluster.nodes.find((node) => node !== leader);
      assert.ok(wiped !== undefined);
      await using database = connect({ endpoints: cluster.endpoints.split(",") });
      await cluster.until(10_000, "all incarnations in the log", async () => {
        const log = await command(["log", "inspect", wiped.directory, "--json"]);
        return log.stdout.includes('"config"') ? true : undefined;
      });
      for (let i = 0; i < 50; i += 1) await database.put(`k${i}`, "v");
      await wiped.end("SIGKILL");
      rmSync(wiped.directory, { recursive: true });
      await wiped.start();
      await cluster.until(10_000, "a learner", async () => {
        const status = await cluster.status();
        return status?.nodes.find(({ id }) => id === wiped.id)?.role === "learner"
          ? true
          : undefined;
      });
      await promote(cluster, wiped.id, cluster.endpoints);
      await cluster.caughtUp(10_000);
      const status = await cluster.status();
      assert.equal(status?.nodes.find(({ id }) => id === wiped.id)?.role, "follower");
    });

    it("a stopped and continued leader never serves the past", async () => {
      await stopAndContinue(cluster);
    });
  });

  it("a stopped and continued leader never serves the past, with leases", async () => {
    await using cluster = new ClusterProcesses(3, 13831, ["--lease-reads"]);
    await cluster.start();
    await stopAndContinue(cluster);
  });

  it("members are added, promoted and removed, until none of the founders is left", async () => {
    await using cluster = new ClusterProcesses(3, 13781);
    await cluster.start();
    await cluster.leader(10_000);
    const clusterId = (await cluster.status())?.clusterId ?? "";
    const load = new Load(allEndpoints(cluster));
    const added: NodeProcess[] = [];
    const endpoints = (): string =>
      [...cluster.running, ...added].map(({ client }) => client).join(",");
    try {
      for (const number of [4, 5, 6]) {
        const id = `n${number}`;
        const peer = `127.0.0.1:${13780 + number}`;
        await commandOk(["cluster", "add", `${id}=${peer}`], { endpoints: endpoints() });
        const known = [...cluster.running, ...added].map((node) => `${node.id}=${node.peer}`);
        const node = new NodeProcess({
          ...{ id, peer, client: `127.0.0.1:${14780 + number}` },
          directory: path.join(cluster.directory, id),
          cluster: [...known, `${id}=${peer}`].join(","),
          flags: ["--join", clusterId],
        });
        await node.start();
        added.push(node);
        await promote(cluster, id, endpoints());
        const gone = cluster.node(`n${number - 3}`);
        await goesOn(cluster, load, 20);
        await commandOk(["cluster", "remove", gone.id, "--timeout", "20s"], {
          endpoints: added.map(({ client }) => client).join(","),
        });
        if (number < 6) await gone.end("SIGTERM");
      }
      await load.stop();
      await cluster.node("n3").end("SIGTERM");
      await using database = connect({ endpoints: endpoints().split(",") });
      const status = await cluster.until(10_000, "a leader among the new ones", async () => {
        const seen = await database.status();
        return seen.leader === null ? undefined : seen;
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
      const again = await command(["cluster", "add", "n1=127.0.0.1:13799", "--json"], {
        endpoints: endpoints(),
      });
      assert.equal(again.code, 4);
      assert.match(again.stdout, /ids are never used twice/);
      await using first = connect({ endpoints: [added[0]?.client ?? ""] });
      const kept = await first.get("load-0");
      assert.notEqual(kept, undefined);
    } finally {
      await load.stop();
      await Promise.all(added.map((node) => node.end("SIGKILL")));
    }
  });
});
