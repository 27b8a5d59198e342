/** The tools beside a live cluster: what they tell is true while nodes write, and no byte changes. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { EXIT } from "../../src/console/failure.js";
import { connect, type Database } from "../../src/index.js";
import {
  command,
  commandOk,
  commandServed,
  ClusterProcesses,
  CONFIGURATION,
  PATIENCE_MS,
  STEADY,
} from "../end-to-end/processes.js";

const PORT = 13951;
const BALSA = path.resolve(import.meta.dirname, "../../../bin/balsa.js");
/** A replica ends earlier, or with what no leader has committed: so it may be between two leaders. */
const IS_TAIL = /"kind":"lag"|"fate":"will-be-truncated"/;

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
  this.timeout(1_800_000);
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
      silenceTimeoutMs: PATIENCE_MS,
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

  /**
   * Both, and when they differ, at a time when nothing was appended, nor the log compacted by
   * a snapshot that was still under way.
   */
  async function inspected(
    { client, directory }: { readonly client: string; readonly directory: string },
    filter: readonly string[],
  ): Promise<{ readonly online: string; readonly offline: string }> {
    const words = ["log", "inspect", "--json", ...filter];
    return cluster.until("the same, or a log that stands still", async () => {
      const before = await lastIndex();
      const online = await commandOk(words, { endpoints: client });
      const offline = await commandOk(["log", "inspect", directory, "--json", ...filter]);
      const again = await commandOk(words, { endpoints: client });
      const isCalm = again === online && (await lastIndex()) === before;
      return online === offline || isCalm ? { online, offline } : undefined;
    });
  }

  /** Of every node, which all have applied it. */
  async function lastIndex(): Promise<number> {
    return (await cluster.caughtUp()).nodes[0]?.lastIndex ?? 0;
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
    // What was cut off and sent again stands there again: as the same request.
    assert.deepEqual(
      [...new Set(found.map((line) => `${String(line["kind"])} ${String(line["key"])}`))],
      ["put key-00007"],
    );
    assert.equal(new Set(found.map(({ request }) => request)).size, 1);
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
        const { code, stdout, stderr } = await commandServed([...words, "--json"]);
        // A leader that was stopped may hold, or lack, what was committed nowhere yet.
        assert.ok(code === 0 || (code === 9 && IS_TAIL.test(stdout)), stdout + stderr);
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
      await cluster.until("equal logs", async () => {
        const { code, stdout, stderr } = await commandServed(["log", "compare", "--json"], {
          endpoints: cluster.endpoints,
        });
        assert.ok(code === 0 || (code === 9 && IS_TAIL.test(stdout)), stdout + stderr);
        return code === 0 ? true : undefined;
      });
    } finally {
      ending.abort();
      await writer;
    }
  });

  for (const where of ["a node", "a directory"] as const) {
    it(`--follow of ${where} tells what is appended, until it has told enough or Ctrl-C`, async () => {
      let attempt = 0;
      await cluster.until("a time without elections", async () => {
        attempt += 1;
        const { term } = await cluster.caughtUp();
        const prefix = `followed-${where.at(-1) ?? ""}${attempt}-`;
        const { wanted, limited, endless } = await followed(where, prefix);
        // A leader may replace what another one has appended, and then it is told once more.
        const isCalm = (await cluster.caughtUp()).term === term;
        const isServed = limited.code !== EXIT.unavailable && endless.code !== EXIT.unavailable;
        if (!isCalm || !isServed) return undefined;
        assert.deepEqual([limited.code, endless.code], [0, 130], limited.notes() + endless.notes());
        const keys = new Set(wanted.map(({ key }) => key));
        assert.deepEqual(
          [...keys],
          ["1", "2", "3"].map((number) => `${prefix}${number}`),
        );
        assert.deepEqual(linesOf(limited.told()), wanted.slice(0, 2));
        assert.deepEqual(linesOf(endless.told()), wanted);
        return true;
      });
    });
  }

  /** What two who follow tell of three writes, the one with a limit and the other until it is stopped; and what there was to tell. */
  async function followed(
    where: "a node" | "a directory",
    prefix: string,
  ): Promise<{
    readonly wanted: readonly Line[];
    readonly limited: Following;
    readonly endless: Following;
  }> {
    const node = cluster.nodes[1];
    assert.ok(node !== undefined);
    const source = where === "a node" ? [] : [node.directory];
    const endpoints = where === "a node" ? node.client : "";
    const range = ["--from", String((await lastIndex()) + 1), "--key", `${prefix}*`];
    const words = ["log", "inspect", ...source, "--json", ...range];
    using limited = new Following([...words, "--follow", "--limit", "2"], endpoints);
    using endless = new Following([...words, "--follow"], endpoints);
    for (const number of [1, 2, 3]) await database.put(`${prefix}${number}`, "v");
    await cluster.caughtUp();
    const wanted = linesOf(await commandOk(words, { endpoints }));
    await limited.ended;
    await cluster.until("all that was appended", async () =>
      linesOf(endless.told()).length >= wanted.length || endless.code !== undefined
        ? true
        : undefined,
    );
    endless.interrupt();
    await endless.ended;
    return { wanted, limited, endless };
  }
});

/** A command line that follows a log, in a process of its own. */
class Following implements Disposable {
  readonly ended: Promise<void>;
  /** whole lines so far */
  readonly told: () => string;
  /** on stderr so far */
  readonly notes: () => string;
  readonly #child: ChildProcess;
  /** its exit code; null after a signal; undefined while it runs */
  #code: number | null | undefined;

  constructor(words: readonly string[], endpoints: string) {
    const child = spawn(process.execPath, [BALSA, ...words], {
      env: { ...process.env, BALSA_ENDPOINTS: endpoints, BALSA_CONFIG: CONFIGURATION },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const out = collect(child.stdout);
    this.told = () => out().slice(0, out().lastIndexOf("\n") + 1);
    this.notes = collect(child.stderr);
    this.ended = once(child, "close").then(([code]: unknown[]) => {
      this.#code = code as number | null;
    });
  }

  get code(): number | null | undefined {
    return this.#code;
  }

  /** Ctrl-C */
  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
