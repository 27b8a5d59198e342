/**
 * Snapshots and compaction in real processes: a log that stays short, a follower that
 * comes back too late for it, restarts from snapshots, and tools that read what is left.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";
import { connect, type Database } from "../../src/index.js";
import { command, ClusterProcesses, PATIENCE_MS, type NodeProcess } from "./processes.js";

const KEYS = 500;
const VALUE_SIZE = 8000;

/** The last value of each key, after `count` puts from `first` on. */
async function fill(database: Database, first: number, count: number): Promise<void> {
  for (let i = first; i < first + count; i += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, j) =>
        database.put(`key-${(i + j) % KEYS}`, `${i + j} `.padEnd(VALUE_SIZE, "x")),
      ),
    );
  }
}

async function values(endpoint: string): Promise<string> {
  await using database = connect({ endpoints: [endpoint], timeoutMs: PATIENCE_MS });
  const hash = createHash("sha256");
  for await (const { key, value, modRevision, version } of database.list()) {
    hash.update(key).update(value).update(` ${modRevision} ${version} `);
  }
  return hash.digest("hex");
}

const names = (node: NodeProcess, room: "log" | "snapshots"): readonly string[] =>
  readdirSync(path.join(node.directory, room)).toSorted();

describe("snapshots in real processes", function () {
  this.timeout(1_800_000);

  it("keep the log short, bring back a follower that is too late for it, and are equal on all nodes", async () => {
    const flags = ["--snapshot-entries", "400", "--retain", "16MiB"];
    await using cluster = new ClusterProcesses(3, 13841, flags);
    await cluster.start();
    const leader = await cluster.leader();
    await using database = connect({
      endpoints: cluster.endpoints.split(","),
      timeoutMs: PATIENCE_MS,
      exactlyOnce: true,
    });
    await fill(database, 0, 100);
    const late = cluster.nodes.find((node) => node !== leader);
    assert.ok(late !== undefined);
    await late.end("SIGKILL");
    await fill(database, 100, 4000);

    // On both, as either may lead by the time it is back. How many snapshots there are by now is the disks' matter.
    for (const node of cluster.running) {
      let written = 4100;
      await cluster.until(`a compacted log of ${node.id}`, async () => {
        const segments = names(node, "log").filter((name) => !name.startsWith("archive-"));
        if (segments[0]?.startsWith("00000000000000000001") === false) return true;
        await fill(database, written, 50);
        written += 50;
        return undefined;
      });
      assert.ok(names(node, "log").some((name) => name.startsWith("archive-")));
      assert.ok(names(node, "snapshots").filter((name) => name.endsWith(".avro")).length >= 2);
    }

    await late.start();
    await cluster.caughtUp();
    await cluster.until("its note of the snapshot", async () =>
      /snapshot of entry \d+ installed \(log-reset\)/.test(late.log) ? true : undefined,
    );
    await fill(database, 4100, 900);
    await cluster.caughtUp();
    const seen = await Promise.all(cluster.nodes.map(({ client }) => values(client)));
    assert.equal(new Set(seen).size, 1);

    // All at rest: the same snapshot is the same file wherever there is one.
    await database.close();
    await cluster.stopAlike();
    const hashes = new Map<string, Set<string>>();
    for (const node of cluster.nodes) {
      for (const name of names(node, "snapshots").filter((one) => one.endsWith(".avro"))) {
        const bytes = readFileSync(path.join(node.directory, "snapshots", name));
        const hash = createHash("sha256").update(bytes).digest("hex");
        hashes.set(name, (hashes.get(name) ?? new Set()).add(hash));
      }
    }
    assert.ok([...hashes.values()].every((of) => of.size === 1));

    // The tools read what is left of the logs.
    const directories = cluster.nodes.map(({ directory }) => directory);
    for (const directory of directories) {
      const verified = await command(["log", "verify", directory]);
      assert.equal(verified.code, 0, verified.stderr);
    }

    await cluster.start();
    await cluster.leader();
    const again = await Promise.all(cluster.nodes.map(({ client }) => values(client)));
    assert.deepEqual(again, seen);
    for (const node of cluster.nodes) {
      await cluster.until(`${node.id}'s note of the snapshot it began with`, async () =>
        /loaded the snapshot of entry \d+/.test(node.log) ? true : undefined,
      );
    }
  });
});
