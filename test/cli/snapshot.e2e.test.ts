/** Backups of a live cluster, and new clusters made of them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { connect } from "../../src/index.js";
import {
  command,
  commandOk,
  ClusterProcesses,
  NodeProcess,
  PATIENCE_MS,
  STEADY,
} from "../end-to-end/processes.js";

const PORT = 13941;
const KEYS = 3000;
/**
 * Two in all, and the second long before the end: no node takes one of its last entry, nor
 * removes one, whatever is sent twice or comes in one entry.
 */
const SNAPSHOT_ENTRIES = "1300";

/** Everything a database holds, in key order. */
async function contents(endpoint: string): Promise<string> {
  await using database = connect({ endpoints: [endpoint], timeoutMs: PATIENCE_MS });
  const hash = createHash("sha256");
  for await (const { key, value, modRevision, version } of database.list()) {
    hash.update(key).update(value).update(` ${modRevision} ${version} `);
  }
  return hash.digest("hex");
}

function json(text: string): Readonly<Record<string, unknown>> {
  return JSON.parse(text) as Readonly<Record<string, unknown>>;
}

describe("snapshots kept elsewhere", function () {
  this.timeout(1_800_000);
  let old: ClusterProcesses;
  let backup = "";
  let expected = "";
  let revision = 0;
  let clusterFlag = "";

  before(async () => {
    old = new ClusterProcesses(3, PORT, [...STEADY, "--snapshot-entries", SNAPSHOT_ENTRIES]);
    backup = path.join(old.directory, "backup.avro");
    clusterFlag = old.nodes.map(({ id, peer }) => `${id}=${peer}`).join(",");
    await old.start();
    await old.leader();
    await using database = connect({
      endpoints: old.endpoints.split(","),
      timeoutMs: PATIENCE_MS,
      exactlyOnce: true,
    });
    for (let i = 0; i < KEYS; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => database.put(`key-${i + j}`, `${i + j} `.repeat(40))),
      );
    }
    await database.delete("key-7");
    revision = (await database.put("key-8", "again")).revision;
    await commandOk(["snapshot", "save", backup], { endpoints: old.endpoints });
  });
  after(async () => {
    await old[Symbol.asyncDispose]();
  });

  it("a save holds everything acknowledged before it, from whichever node", async () => {
    const saves = [
      backup,
      ...old.nodes.map(({ id }) => path.join(old.directory, `from-${id}.avro`)),
    ];
    const lastIndex = async (): Promise<unknown> => (await old.caughtUp()).nodes[0]?.lastIndex;
    await old.until("saves of one state", async () => {
      const before = await lastIndex();
      for (const [i, file] of saves.entries()) {
        const { client = old.endpoints } = old.nodes[i - 1] ?? {};
        const words = ["snapshot", "save", file, "--force", "--json"];
        const saved = json(await commandOk(words, { endpoints: client }));
        assert.deepEqual(
          [saved["revision"], saved["keys"], saved["sound"]],
          [revision, KEYS - 1, true],
        );
        assert.equal(saved["bytes"], readFileSync(file).length);
      }
      // Not when a leader was elected meanwhile, which is an entry more.
      return (await lastIndex()) === before ? true : undefined;
    });
    // Equal states are equal files; and nothing is left beside them.
    const files = readdirSync(old.directory).filter((name) => name.includes(".avro"));
    assert.deepEqual(files.sort(), ["backup.avro", "from-n1.avro", "from-n2.avro", "from-n3.avro"]);
    const hashes = files.map((name) =>
      createHash("sha256")
        .update(readFileSync(path.join(old.directory, name)))
        .digest("hex"),
    );
    assert.equal(new Set(hashes).size, 1);
    for (const { directory } of old.nodes) {
      const names = readdirSync(path.join(directory, "snapshots"));
      assert.ok(names.filter((name) => name.endsWith(".save.tmp")).length <= 1, names.join());
    }
  });

  it("a save does not replace a file unless it is told to", async () => {
    const again = await command(["snapshot", "save", backup], { endpoints: old.endpoints });
    assert.deepEqual([again.code, again.stdout], [2, ""]);
    assert.match(again.stderr, /is there already/);
    await commandOk(["snapshot", "save", backup, "--force"], { endpoints: old.endpoints });
  });

  it("inspect tells what is in a file and in a directory, and finds damage", async () => {
    const told = json(await commandOk(["snapshot", "inspect", backup, "--json"]));
    assert.deepEqual([told["revision"], told["keys"]], [revision, KEYS - 1]);
    assert.deepEqual(told["voters"], ["n1", "n2", "n3"]);
    const text = await commandOk(["snapshot", "inspect", backup]);
    assert.match(text, /every byte is sound[^]*2 999 keys[^]*n1, n2, n3/);
    const [node] = old.nodes;
    // How many there are is the disk's matter: while one is written, the next that is due is left out.
    const room = path.join(node?.directory ?? "", "snapshots");
    const kept = (): string[] => readdirSync(room).filter((name) => name.endsWith(".avro"));
    await old.until("a snapshot of the node's own", async () => {
      const names = kept();
      const { code, stdout } = await command(["snapshot", "inspect", path.dirname(room), "--json"]);
      if (names.length === 0 || kept().join() !== names.join()) return undefined;
      assert.deepEqual([code, stdout.trim().split("\n").length], [0, names.length]);
      return true;
    });
    const bytes = readFileSync(backup);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    const damaged = path.join(old.directory, "damaged.avro");
    writeFileSync(damaged, bytes);
    for (const flags of [[], ["--json"]]) {
      const found = await command(["snapshot", "inspect", damaged, ...flags]);
      assert.equal(found.code, 8);
      assert.match(found.stdout, flags.length === 0 ? /CORRUPT/ : /"CORRUPTION".*"sound":false/);
    }
    const refused = await command(
      ["snapshot", "restore", damaged, "--id", "n1", "--cluster", "n1=127.0.0.1:1"].concat([
        "--data",
        path.join(old.directory, "no"),
      ]),
    );
    assert.equal(refused.code, 8, refused.stderr);
    assert.ok(!existsSync(path.join(old.directory, "no")));
    assert.ok(!existsSync(path.join(old.directory, "no.restoring")));
    const absent = await command(["snapshot", "inspect", path.join(old.directory, "absent")]);
    assert.equal(absent.code, 2);
  });

  it("a directory's newest snapshot is saved without its node", async () => {
    const [node] = old.nodes;
    const file = path.join(old.directory, "offline.avro");
    const words = ["snapshot", "save", file, "--data", node?.directory ?? ""];
    const { code, stdout, stderr } = await command([...words, "--endpoints", "none"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /every byte is sound/);
    assert.match(stderr, /entries \d+ to \d+ of the log are not in it/);
  });

  it("a restored cluster has all keys, beyond every revision, and refuses the old members", async () => {
    expected = await contents(old.nodes[0]?.client ?? "");
    const third = old.node("n3");
    await old.stop();
    const restored = new ClusterProcesses(3, PORT, STEADY);
    try {
      const ids = new Set<unknown>();
      for (const node of restored.nodes) {
        const words = ["snapshot", "restore", backup, "--data", node.directory, "--id", node.id];
        const made = json(await commandOk([...words, "--cluster", clusterFlag, "--json"]));
        ids.add(made["clusterId"]);
        assert.equal(made["revision"], revision + 1_000_000_000);
        const again = await command([...words, "--cluster", clusterFlag]);
        assert.deepEqual([again.code, again.stdout], [2, ""]);
      }
      assert.equal(ids.size, 1);

      // Two of the new, and one of the old: the two are a majority, the old one is nobody.
      const [first, second] = [restored.node("n1"), restored.node("n2")];
      await Promise.all([first.start(), second.start(), third.start()]);
      const status = await restored.until("a leader who does not hear of n3", async () => {
        const found = await restored.status();
        const isAlone = found?.nodes.find(({ id }) => id === "n3")?.alive === false;
        return found?.leader === null || !isAlone ? undefined : found;
      });
      assert.equal(status.clusterId, [...ids][0]);
      assert.equal(await contents(first.client), expected);
      await restored.until("a refusal of n3", () =>
        Promise.resolve(/another cluster|cluster [0-9a-f]{32}/.test(third.log) ? true : undefined),
      );
      const lonely = await command(["kv", "get", "key-8", "--timeout", "1s"], {
        endpoints: third.client,
      });
      assert.equal(lonely.code, 5, lonely.stdout);
      await third.end("SIGTERM");

      // The third of the new one comes, and all three agree.
      await restored.node("n3").start();
      await using database = connect({
        endpoints: restored.endpoints.split(","),
        timeoutMs: PATIENCE_MS,
        exactlyOnce: true,
      });
      const next = await database.put("after", "restore");
      assert.equal(next.revision, revision + 1_000_000_001);
      await restored.caughtUp();
      const seen = await Promise.all(restored.nodes.map(({ client }) => contents(client)));
      assert.equal(new Set(seen).size, 1);
      await database.close();
      await restored.stopAlike();
      const directories = restored.nodes.map(({ directory }) => directory);
      for (const directory of directories) await commandOk(["log", "verify", directory]);
      const apart = await command(["log", "compare", third.directory, ...directories, "--json"]);
      assert.equal(apart.code, 9, apart.stdout);
      assert.match(apart.stdout, /"kind":"(different|incomparable)"/);

      // And it comes back from its directories.
      await restored.start();
      await restored.leader();
      assert.equal(await contents(restored.nodes[2]?.client ?? ""), seen[2]);
    } finally {
      await restored[Symbol.asyncDispose]();
    }
  });

  it("the same file makes different clusters of different members, bumps and names", async () => {
    const folder = path.join(old.directory, "others");
    mkdirSync(folder);
    const words = ["snapshot", "restore", backup, "--id", "n1", "--json"];
    const makes: readonly (readonly string[])[] = [
      ["--cluster", clusterFlag],
      ["--cluster", clusterFlag, "--name", "drill"],
      ["--cluster", clusterFlag, "--bump-revision", "5"],
      ["--cluster", "n1=127.0.0.1:13999"],
    ];
    const ids = new Set<unknown>();
    for (const [at, flags] of makes.entries()) {
      const data = path.join(folder, String(at));
      const made = await commandOk([...words, "--data", data, ...flags]);
      ids.add(json(made)["clusterId"]);
    }
    assert.equal(ids.size, makes.length);
    const usage: readonly (readonly string[])[] = [
      ["--cluster", "n2=127.0.0.1:13999", "--data", path.join(folder, "x")],
      ["--cluster", clusterFlag, "--data", path.join(folder, "x"), "--bump-revision", "0"],
      ["--cluster", clusterFlag, "--data", old.directory],
    ];
    for (const flags of usage) assert.equal((await command([...words, ...flags])).code, 2);
    assert.ok(!existsSync(path.join(folder, "x")));
  });

  it("a restored node started with other members is refused", async () => {
    const data = path.join(old.directory, "alone");
    const node = new NodeProcess({
      id: "n1",
      peer: `127.0.0.1:${PORT + 20}`,
      client: `127.0.0.1:${PORT + 21}`,
      directory: data,
      cluster: `n1=127.0.0.1:${PORT + 20}`,
    });
    const words = ["snapshot", "restore", backup, "--id", "n1", "--data", data];
    await commandOk([...words, "--cluster", `n1=127.0.0.1:${PORT + 22}`]);
    await assert.rejects(node.start(), /belongs to node n1 of cluster/);
  });
});
