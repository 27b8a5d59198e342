/** The tools beside a live cluster: what they tell is true while nodes write, and no byte changes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { connect, type Database } from "../../src/index.js";
import {
  command,
  commandOk,
  ClusterProcesses,
  PATIENCE_MS,
  STEADY,
} from "../end-to-end/processes.js";

const PORT = 13951;
const BALSA = path.resolve(import.meta.dirname, "../../../bin/balsa.js");

type Line = Readonly<Record<string, unknown>>;

function linesOf(text: string): readonly Line[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Every file but the lock, and what is in it. */
function bytesOf(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("LOCK"))
    .map(({ parentPath, name }) => {
      const file = path.join(parentPath, name);
      return `${file} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
    })
    .sort();
}

describe("log tools beside a live cluster", function () {
  this.timeout(600_000);
  let cluster: ClusterProcesses;
  let database: Database;

  before(async () => {
    cluster = new ClusterProcesses(3, PORT, [
      ...STEADY,
      "--snapshot-entries",
      "300",
      "--retain",
      "all",
    ]);
    await cluster.start();
    await cluster.leader();
    database = connect({
      endpoints: cluster.endpoints.split(","),
      timeoutMs: PATIENCE_MS,
      exactlyOnce: true,
    });
    await write(0, 2000);
    await cluster.until("a segment of the first node's archive", async () => {
      if (logNames().some((name) => name.startsWith("archive-"))) return true;
      await write(1000, 300);
      return undefined;
    });
    await cluster.caughtUp();
  });
  after(async () => {
    await database.close();
    await cluster[Symbol.asyncDispose]();
  });

  function logNames(): readonly string[] {
    return readdirSync(path.join(cluster.nodes[0]?.directory ?? "", "log"));
  }

  /**
   * Large enough for several segments. Whether they make an archive already is the disk's matter: the log is
   * kept back to the older of two snapshots, and a slow one may have been taken before the first roll.
   */
  async function write(first: number, count: number): Promise<void> {
    for (let i = first; i < first + count; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, j) =>
          database.put(`key-${String(i + j).padStart(5, "0")}`, `${i + j} `.padEnd(8000, "x")),
        ),
      );
    }
  }

  /** Both at a time when no snapshot that was still under way has the log compacted between them. */
  async function inspected(
    { client, directory }: { readonly client: string; readonly directory: string },
    filter: readonly string[],
  ): Promise<{ readonly online: string; readonly offline: string }> {
    const words = ["log", "inspect", "--json", ...filter];
    let online = await commandOk(words, { endpoints: client });
    for (;;) {
      const offline = await commandOk(["log", "inspect", directory, "--json", ...filter]);
      const again = await commandOk(words, { endpoints: client });
      if (again === online) return { online, offline };
      online = again;
    }
  }

  it("a node's log and its directory's are the same, filter by filter", async () => {
    const [node] = cluster.nodes;
    assert.ok(node !== undefined);
    const filters: readonly (readonly string[])[] = [
      ["--limit", "50"],
      ["--key", "key-0199*", "--limit", "10"],
      ["--kind", "noop,config"],
      ["--term", "1", "--limit", "5"],
    ];
    for (const filter of filters) {
      const { online, offline } = await inspected(node, filter);
      assert.equal(online, offline, filter.join(" "));
    }
    const found = linesOf(
      await commandOk([
        "log",
        "inspect",
        node.directory,
        "--archive",
        "--json",
        "--key",
        "key-00007",
      ]),
    );
    assert.deepEqual(
      found.map(({ kind, key }) => `${String(kind)} ${String(key)}`),
      ["put key-00007"],
    );
    const index = String(found[0]?.["index"]);
    const one = linesOf(
      await commandOk(["log", "inspect", node.directory, "--archive", "--json", "--index", index]),
    );
    assert.ok(one.length >= 1 && one.every((line) => String(line["index"]) === index));
    const wrong = await command(["log", "inspect", node.directory, "--kind", "puts"]);
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  });

  it("an export from the archive on is the whole history", async () => {
    const [node] = cluster.nodes;
    const names = logNames();
    assert.ok(
      names.some((name) => name.startsWith("archive-")),
      names.join(),
    );
    const lines = linesOf(await commandOk(["log", "export", node?.directory ?? ""]));
    const keys = new Set(lines.filter(({ kind }) => kind === "put").map(({ key }) => key));
    assert.equal(keys.size, 2000);
    assert.equal(lines[0]?.["index"], 1);
    const out = path.join(cluster.directory, "history.avro");
    const words = ["log", "export", node?.directory ?? "", "--out", out];
    const told = linesOf(await commandOk([...words, "--json"]))[0];
    assert.deepEqual([told?.["format"], told?.["firstIndex"]], ["avro", 1]);
    assert.equal(told?.["bytes"], readFileSync(out).length);
    assert.equal((await command(words)).code, 2);
    await commandOk([...words, "--force"]);
    const odd = await command(["log", "export", node?.directory ?? "", "--format", "csv"]);
    assert.equal(odd.code, 2);
  });

  it("no tool changes a byte of a running node's directory", async () => {
    const [node] = cluster.nodes;
    const directory = node?.directory ?? "";
    const tools: readonly (readonly string[])[] = [
      ["log", "inspect", directory],
      ["log", "verify", directory],
      ["log", "export", directory],
      ["log", "compare", ...cluster.nodes.map((one) => one.directory)],
      ["snapshot", "inspect", directory],
    ];
    for (const words of tools) {
      // It stands still meanwhile: what changes is the tool's doing, and no snapshot's.
      await node?.freeze();
      try {
        const before = bytesOf(directory);
        const { code, stdout, stderr } = await command([...words, "--json"]);
        // A leader that was stopped may hold, or lack, what was committed nowhere yet.
        const isTail = /"kind":"lag"|"fate":"will-be-truncated"/.test(stdout);
        assert.ok(code === 0 || (code === 9 && isTail), stdout + stderr);
        assert.deepEqual(bytesOf(directory), before, words.join(" "));
      } finally {
        node?.thaw();
      }
    }
  });

  it("verify and compare find nothing wrong while nodes write and compact", async () => {
    const ending = new AbortController();
    const writer = (async (): Promise<void> => {
      for (let i = 0; !ending.signal.aborted; i += 50) await write(i % 2000, 50);
    })();
    try {
      for (const { directory } of cluster.nodes) {
        const { code, stdout, stderr } = await command(["log", "verify", directory, "--json"]);
        assert.equal(code, 0, stdout + stderr);
      }
      const online = await command(["log", "compare", "--json"], { endpoints: cluster.endpoints });
      assert.equal(online.code, 0, online.stdout + online.stderr);
    } finally {
      ending.abort();
      await writer;
    }
  });

  for (const where of ["a node", "a directory"] as const) {
    it(`--follow of ${where} tells what is appended, until it has told enough or Ctrl-C`, async () => {
      const node = cluster.nodes[1];
      assert.ok(node !== undefined);
      await cluster.caughtUp();
      const from = String((await lastIndexOf(node.client)) + 1);
      const target = where === "a node" ? [] : [node.directory];
      const words = ["log", "inspect", ...target, "--json", "--follow", "--from", from].concat([
        "--key",
        "followed-*",
      ]);
      const environment = {
        ...process.env,
        BALSA_ENDPOINTS: where === "a node" ? node.client : "",
      };
      const limited = spawn(process.execPath, [BALSA, ...words, "--limit", "2"], {
        env: environment,
      });
      const limitedEnd = once(limited, "close") as Promise<[number | null]>;
      const endless = spawn(process.execPath, [BALSA, ...words], { env: environment });
      const endlessEnd = once(endless, "close") as Promise<[number | null]>;
      const [limitedOut, endlessOut] = [collect(limited.stdout), collect(endless.stdout)];
      await database.put("followed-1", "a");
      await database.put("followed-2", "b");
      await database.put("followed-3", "c");
      const [code] = await limitedEnd;
      assert.equal(code, 0);
      assert.deepEqual(keysOf(limitedOut()), ["followed-1", "followed-2"]);
      await cluster.until("all three", async () =>
        keysOf(endlessOut()).length >= 3 ? true : undefined,
      );
      assert.deepEqual(keysOf(endlessOut()), ["followed-1", "followed-2", "followed-3"]);
      endless.kill("SIGINT");
      const [interrupted] = await endlessEnd;
      assert.equal(interrupted, 130);
    });
  }
});

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

/** Keys of whole lines. */
function keysOf(text: string): readonly unknown[] {
  return linesOf(text.slice(0, text.lastIndexOf("\n") + 1)).map(({ key }) => key);
}

/** The last index of a node's log. */
async function lastIndexOf(endpoint: string): Promise<number> {
  await using client = connect({ endpoints: [endpoint], timeoutMs: PATIENCE_MS });
  const status = await client.status();
  return Math.max(...status.nodes.map(({ lastIndex }) => lastIndex ?? 0));
}
