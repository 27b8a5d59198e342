/**
 * The founding script: five real processes, the leader killed, writes before and
 * after, the old leader back, and at the end five logs that are one log.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  command,
  commandOk,
  commandServed,
  ClusterProcesses,
  type NodeProcess,
} from "./processes.js";

/** The ports the founders wrote down. */
const BASE_PORT = 13141;

interface LogLine {
  readonly index: number;
  readonly kind: string;
  readonly key?: string;
  readonly value?: string;
}

/** Elections when a leader is lost, and not when a machine is busy for a moment. */
const ELECTION_TIMEOUT_MS = 1000;
const FLAGS = ["--election-timeout", `${ELECTION_TIMEOUT_MS}ms`];

/** Once more when a leader was lost meanwhile and nobody knows what became of it: it is the same key and value. */
async function put(via: NodeProcess, key: string, value: string): Promise<void> {
  for (let code: number | null = 6; code !== 0;) {
    const finished = await commandServed(["kv", "put", key, value], { endpoints: via.client });
    ({ code } = finished);
    assert.ok(code === 0 || code === 6, finished.stderr);
  }
}

/** Waits until it has led for as long as several elections would have taken. */
async function lastingLeader(cluster: ClusterProcesses): Promise<NodeProcess> {
  let term = 0;
  let since = 0;
  const leader = await cluster.until("a leader who stays", async () => {
    const seen = await cluster.status();
    if (seen?.leader != null && seen.term === term) {
      return performance.now() - since > 3 * ELECTION_TIMEOUT_MS ? seen.leader : undefined;
    }
    term = seen?.leader == null ? 0 : seen.term;
    since = performance.now();
    return undefined;
  });
  return cluster.node(leader);
}

async function get(via: NodeProcess, key: string): Promise<string> {
  return commandOk(["kv", "get", key], { endpoints: via.client });
}

describe("the founding script", function () {
  this.timeout(1_800_000);

  it("five processes elect, write, lose their leader, write, take it back and hold equal logs", async () => {
    await using cluster = new ClusterProcesses(5, BASE_PORT, FLAGS);
    await cluster.start();
    const firstStatus = await cluster.caughtUp();
    assert.equal(firstStatus.nodes.filter(({ alive }) => alive).length, 5);
    // Heartbeats keep it.
    const first = await lastingLeader(cluster);

    await cluster.until("the leader in what is shown", async () => {
      const shown = JSON.parse(
        await commandOk(["cluster", "status", "--json"], { endpoints: cluster.endpoints }),
      ) as typeof firstStatus;
      assert.equal(shown.nodes.length, 5);
      return shown.leader === (await cluster.leader()).id ? true : undefined;
    });

    const follower = cluster.nodes.find((node) => node !== first);
    assert.ok(follower !== undefined);
    for (let i = 0; i < 10; i += 1) await put(follower, `before-${i}`, `value-${i}`);

    await first.end("SIGKILL");
    const second = await cluster.leader();
    assert.notEqual(second.id, first.id);
    assert.equal(await get(follower, "before-9"), "value-9");
    for (let i = 0; i < 10; i += 1) await put(second, `after-${i}`, `value-${i}`);

    await first.start();
    const rows = await cluster.caughtUp();
    assert.equal(await get(first, "after-9"), "value-9");
    assert.deepEqual(
      rows.nodes.map(({ alive }) => alive),
      [true, true, true, true, true],
    );

    await cluster.stopAlike();
    const directories = cluster.nodes.map(({ directory }) => directory);
    for (const directory of directories) {
      await commandOk(["log", "verify", directory]);
      const lines = (await commandOk(["log", "inspect", directory, "--json"]))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as LogLine);
      const puts = new Map(
        lines.filter(({ kind }) => kind === "put").map(({ key, value }) => [key, value]),
      );
      const expected = ["before", "after"].flatMap((word) =>
        Array.from({ length: 10 }, (_, i) => [`${word}-${i}`, `value-${i}`]),
      );
      assert.deepEqual([...puts], expected);
    }
  });

  it("goes on with two of five dead, refuses with three dead, and loses nothing", async () => {
    await using cluster = new ClusterProcesses(5, BASE_PORT, FLAGS);
    await cluster.start();
    const leader = await cluster.leader();
    await put(leader, "all", "five");

    // Two die, the leader among them.
    const others = cluster.nodes.filter((node) => node !== leader);
    await Promise.all([leader.end("SIGKILL"), others[0]?.end("SIGKILL")]);
    const second = await cluster.leader();
    await put(second, "two", "dead");

    const third = cluster.running.find((node) => node !== second);
    assert.ok(third !== undefined);
    await second.end("SIGKILL");
    // A write that still waits for the leader that was lost is unknown, not refused.
    let attempts = 0;
    const refused = await cluster.until("a node that knows no leader", async () => {
      attempts += 1;
      const words = ["kv", "put", `three-${attempts}`, "dead", "--timeout", "1s", "--json"];
      const finished = await command(words, { endpoints: third.client });
      assert.ok(finished.code === 5 || finished.code === 6, finished.stdout + finished.stderr);
      return finished.code === 5 ? finished : undefined;
    });
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
    await cluster.leader();
    for (const node of cluster.nodes) {
      assert.equal(await get(node, "all"), "five");
      assert.equal(await get(node, "two"), "dead");
      const words = ["kv", "get", `three-${attempts}`];
      const never = await commandServed(words, { endpoints: node.client });
      assert.equal(never.code, 3);
    }
  });
});
