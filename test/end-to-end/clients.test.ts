/**
 * A real cluster and the clients people have: the library's contract, ioredis,
 * node-redis and redis-cli, each through nodes that lead and nodes that do not.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { after, before, describe, it } from "mocha";
import { createClient } from "redis";
import { connect, open } from "../../src/index.js";
import { describeDatabaseContract } from "../database-contract.js";
import { ClusterProcesses, PATIENCE_MS, STEADY, type NodeProcess } from "./processes.js";

const BASE_PORT = 13641;

/** How long a client of Redis' may wait for its connection. */
const PATIENT = { connectTimeout: PATIENCE_MS };

function portOf(node: NodeProcess): number {
  return Number(node.client.split(":")[1]);
}

async function readsBack(node: NodeProcess, key: string, value: string): Promise<void> {
  const redis = new Redis({ host: "127.0.0.1", port: portOf(node), ...PATIENT });
  try {
    assert.equal(await redis.get(key), value);
  } finally {
    redis.disconnect();
  }
}

describe("a real cluster", function () {
  this.timeout(1_800_000);
  let cluster: ClusterProcesses;
  let leader: NodeProcess;
  let followers: readonly NodeProcess[];

  before(async () => {
    cluster = new ClusterProcesses(3, BASE_PORT, STEADY);
    await cluster.start();
    leader = await cluster.leader();
    followers = cluster.nodes.filter((node) => node !== leader);
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  let turn = 0;
  describeDatabaseContract(
    "a cluster of three processes",
    () => {
      // Each test asks another node first.
      turn += 1;
      const first = cluster.nodes[turn % 3];
      const endpoints = [first, ...cluster.nodes].flatMap((node) => node?.client ?? []);
      return Promise.resolve({
        // Whoever leads meanwhile: what is cut off is sent again, and applied once.
        database: connect({
          ...{ endpoints, exactlyOnce: true },
          ...{ timeoutMs: PATIENCE_MS, silenceTimeoutMs: PATIENCE_MS },
        }),
        cleanUp: () => Promise.resolve(),
      });
    },
    { canStall: false, canPassTime: false },
  );

  it("serves ioredis on every node, and what one writes the others read", async () => {
    for (const writer of [leader, ...followers]) {
      const redis = new Redis({ host: "127.0.0.1", port: portOf(writer), ...PATIENT });
      try {
        await cluster.undisturbed(async () => {
          const count = `count-${writer.id}`;
          await redis.del("io", "a", count);
          assert.equal(await redis.set("io", writer.id), "OK");
          assert.equal(await redis.set("io", "again", "NX"), null);
          assert.equal(await redis.incrby(count, 5), 5);
          assert.equal(await redis.incr(count), 6);
          const replies = await redis.pipeline().set("a", "1").append("a", "2").get("a").exec();
          assert.deepEqual(replies?.map(([, value]) => value).at(-1), "12");
          for (const reader of cluster.nodes) await readsBack(reader, "io", writer.id);
        });
      } finally {
        redis.disconnect();
      }
    }
  });

  it("serves node-redis on a follower", async () => {
    const node = followers[0];
    assert.ok(node !== undefined);
    const socket = { host: "127.0.0.1", port: portOf(node), ...PATIENT };
    const redis = createClient({ socket });
    redis.on("error", () => undefined);
    await redis.connect();
    await cluster.undisturbed(async () => {
      assert.equal(await redis.set("node", "redis"), "OK");
      assert.equal(await redis.get("node"), "redis");
      assert.deepEqual(await redis.mGet(["node", "nothing"]), ["redis", null]);
      assert.equal(await redis.del(["node", "nothing"]), 1);
    });
    await redis.close();
  });

  it("serves redis-cli and redis-benchmark", async function () {
    if (
      ["redis-cli", "redis-benchmark"].some((name) => spawnSync(name, ["--version"]).status !== 0)
    ) {
      console.log("      SKIPPED: redis-cli is not installed (Debian: redis-tools)");
      this.skip();
    }
    const port = String(portOf(followers[1] ?? leader));
    const ask = (...words: string[]): string =>
      execFileSync("redis-cli", ["-p", port, ...words])
        .toString()
        .trim();
    const load = ["-t", "ping,set,get,incr,mset", "-n", "2000", "-c", "20", "-P", "4", "-q"];
    await cluster.undisturbed(() => {
      assert.equal(ask("SET", "cli", "1"), "OK");
      assert.equal(ask("INCR", "cli"), "2");
      assert.match(ask("INFO"), /# Raft/);
      const bench = execFileSync("redis-benchmark", ["-p", port, ...load]).toString();
      assert.match(bench, /MSET \(10 keys\)/);
      assert.match(bench, /requests per second/);
      return Promise.resolve();
    });
  });
});

describe("a database in this process", () => {
  it("keeps what it was given, and its directory is its own", async () => {
    const directory = path.join(mkdtempSync(path.join(tmpdir(), "balsa-open-")), "db");
    try {
      for (let life = 1; life <= 3; life += 1) {
        await using database = await open(directory);
        await assert.rejects(open(directory), { code: "DIRECTORY_IN_USE" });
        await database.put(`life-${life}`, "lived");
        let count = 0;
        for await (const { value } of database.list()) {
          assert.equal(Buffer.from(value).toString(), "lived");
          count += 1;
        }
        assert.equal(count, life);
      }
    } finally {
      rmSync(path.dirname(directory), { recursive: true, force: true });
    }
  });
});
