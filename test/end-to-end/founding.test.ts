/**
 * The founding script: five real processes, the leader killed, writes before and
 * after, the old leader back, and at the end five logs that are one log.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { command, commandOk, ClusterProcesses, type NodeProcess } from "./processes.js";

/** The ports the founders wrote down. */
const BASE_PORT = 13141;

interface LogLine {
  readonly index: number;
  readonly kind: string;
  readonly key?: string;
  readonly value?: string;
}

async function put(via: NodeProcess, key: string, value: string): Promise<number> {
  const text = await commandOk(["kv", "put", key, value, "--json"], { endpoints: via.client });
  return (JSON.parse(text) as { revision: number }).revision;
}

async function get(via: NodeProcess, key: string): Promise<string> {
  return commandOk(["kv", "get", key], { endpoints: via.client });
}

describe("the founding script", function () {
  this.timeout(120_000);

  it("five processes elect, write, lose their leader, write, take it back and hold equal logs", async () => {
    await using cluster = new ClusterProcesses(5, BASE_PORT);
    await cluster.start();
    const first = await cluster.leader(6000);
    const firstStatus = await cluster.caughtUp(6000);
    assert.equal(firstStatus.nodes.filter(({ alive }) => alive).length, 5);

    const shown = JSON.parse(
      await commandOk(["cluster", "status", "--json"], { endpoints: cluster.endpoints }),
    ) as typeof firstStatus;
    assert.equal(shown.leader, first.id);
    assert.equal(shown.nodes.length, 5);

    // Heartbeats keep it: many election timeouts later it leads in the same term.
    const follower = cluster.nodes.find((node) => node !== first);
    assert.ok(follower !== undefined);
    for (let i = 0; i < 10; i += 1) await put(follower, `before-${i}`, `value-${i}`);
    const later = await cluster.status();
    assert.equal(later?.leader, first.id);
    assert.equal(later.term, firstStatus.term);

    await first.end("SIGKILL");
    const second = await cluster.leader(1500);
    assert.notEqual(second.id, first.id);
    assert.equal(await get(follower, "before-9"), "value-9");
    for (let i = 0; i < 10; i += 1) await put(second, `after-${i}`, `value-${i}`);

    await first.start();
    await cluster.caughtUp(10_000);
    assert.equal(await get(first, "after-9"), "value-9");
    const rows = await cluster.status();
    assert.deepEqual(
      rows?.nodes.map(({ alive }) => alive),
      [true, true, true, true, true],
    );

    await cluster.stop();
    const directories = cluster.nodes.map(({ directory }) => directory);
    const compared = await commandOk(["log", "compare", ...directories, "--json"]);
    assert.equal((JSON.parse(compared) as { equal: boolean }).equal, true);
    for (const directory of directories) {
      await commandOk(["log", "verify", directory]);
      const lines = (await commandOk(["log", "inspect", directory, "--json"]))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as LogLine);
      const puts = lines.filter(({ kind }) => kind === "put").map(({ key, value }) => [key, value]);
      const expected = ["before", "after"].flatMap((word) =>
        Array.from({ length: 10 }, (_, i) => [`${word}-${i}`, `value-${i}`]),
      );
      assert.deepEqual(puts, expected);
    }
  });

  it("goes on with two of five dead, refuses with three dead, and loses nothing", async () => {
    await using cluster = new ClusterProcesses(5, BASE_PORT);
    await cluster.start();
    const leader = await cluster.leader(6000);
    await put(leader, "all", "five");

    // Two die, the leader among them.
    const others = cluster.nodes.filter((node) => node !== leader);
    await Promise.all([leader.end("SIGKILL"), others[0]?.end("SIGKILL")]);
    const second = await cluster.leader(6000);
    await put(second, "two", "dead");

    const third = cluster.running.find((node) => node !== second);
    assert.ok(third !== undefined);
    await second.end("SIGKILL");
    await cluster.until(6000, "two nodes without a leader", async () => {
      const status = await cluster.status();
      return status?.leader === null ? status : undefined;
    });
    const refused = await command(["kv", "put", "three", "dead", "--timeout", "1s", "--json"], {
      endpoints: third.client,
    });
    assert.equal(refused.code, 5, refused.stdout + refused.stderr);
    const { error } = JSON.parse(refused.stdout) as {
      error: { outcome: string; retryable: boolean; exitCode: number };
    };
    assert.equal(error.outcome, "not-applied");
    assert.equal(error.retryable, true);
    assert.equal(error.exitCode, 5);
    const read = await command(["kv", "get", "all", "--timeout", "1s"], {
      endpoints: third.client,
    });
    assert.equal(read.code, 5, "a minority serves no linearizable read");

    for (const node of cluster.nodes) if (!node.running) await node.start();
    await cluster.leader(6000);
    for (const node of cluster.nodes) {
      assert.equal(await get(node, "all"), "five");
      assert.equal(await get(node, "two"), "dead");
      assert.equal((await command(["kv", "get", "three"], { endpoints: node.client })).code, 3);
    }
  });
});
