/** The commands against one real node: bytes in, the same bytes out, and its log from outside. */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess, type SpawnSyncOptions } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "mocha";
import { EXIT } from "../../src/console/failure.js";
import {
  commandOk,
  commandServed,
  CONFIGURATION,
  PATIENCE_MS,
  type Finished,
} from "../end-to-end/processes.js";
import { reservePort } from "../ports.js";

const executable = path.resolve(import.meta.dirname, "../../../bin/balsa.js");

describe("one node and the commands", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "balsa-cli-"));
  const data = path.join(folder, "n1");
  const lines = path.join(folder, "keys.ndjson");
  let node: ChildProcess;
  let endpoint = "";
  let words: readonly string[] = [];

  /**
   * Runs a process to its end; again while it says that the node was not there for it, which
   * the machine may have stopped: that proves that nothing was done.
   */
  function ended(program: string, args: readonly string[], options: SpawnSyncOptions) {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const { status, stdout, stderr } = spawnSync(program, args, {
        maxBuffer: 64 * 1024 * 1024,
        ...options,
        encoding: "buffer",
        // The language is for what others print.
        env: {
          ...process.env,
          BALSA_ENDPOINTS: endpoint,
          BALSA_CONFIG: CONFIGURATION,
          LC_ALL: "C",
        },
      });
      if (status !== EXIT.unavailable || performance.now() > deadline)
        return { status, stdout, stderr: stderr.toString() };
    }
  }

  /** Runs a command in a process of its own; stdout as bytes. */
  function balsa(commandLine: readonly string[], input = Buffer.alloc(0)) {
    return ended(process.execPath, [executable, ...commandLine], { input });
  }

  /** Runs a command of which text is the fact. */
  function run(...commandLine: readonly string[]): Promise<Finished> {
    return commandServed(commandLine, { endpoints: endpoint });
  }

  async function start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [executable, ...words], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    assert.equal(line, "ready");
    return child;
  }

  async function stop(child: ChildProcess): Promise<number | null> {
    const exited = once(child, "exit") as Promise<[number | null]>;
    child.kill("SIGTERM");
    return (await exited)[0];
  }

  before(async () => {
    const peer = `127.0.0.1:${await reservePort()}`;
    endpoint = `127.0.0.1:${await reservePort()}`;
    words = [
      "node",
      "start",
      "--id",
      "n1",
      "--cluster",
      `n1=${peer}`,
      "--client",
      endpoint,
      "--data",
      data,
    ];
    node = await start();
  });

  after(async () => {
    if (node.exitCode === null) await stop(node);
    rmSync(folder, { recursive: true, force: true });
  });

  it("a value is stdin's exact bytes, there and back", () => {
    const value = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 31) % 256));
    const put = balsa(["kv", "put", "blob", "-", "--json"], value);
    assert.deepEqual(JSON.parse(put.stdout.toString()), { key: "blob", revision: 2 });
    assert.deepEqual(balsa(["kv", "get", "blob"]).stdout, value);
    const record = JSON.parse(balsa(["kv", "get", "blob", "--json"]).stdout.toString()) as object;
    const valueBase64 = value.toString("base64");
    assert.deepEqual(record, {
      key: "blob",
      valueBase64,
      createRevision: 2,
      modRevision: 2,
      version: 1,
    });
  });

  it("a missing key exits 3, a failed condition 4", () => {
    assert.equal(balsa(["kv", "get", "nothing"]).status, 3);
    assert.equal(balsa(["kv", "put", "blob", "x", "--if-absent"]).status, 4);
  });

  it("a full disk behind standard output is told, and what was done is done", async function () {
    if (!existsSync("/dev/full")) this.skip();
    const full = openSync("/dev/full", "w");
    try {
      const { status, stderr } = ended(process.execPath, [executable, "kv", "put", "untold", "1"], {
        stdio: ["ignore", full, "pipe"],
      });
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^Error: standard output takes nothing \(ENOSPC.*\n.*Try this/s);
      assert.doesNotMatch(stderr, /at .*\.js:/);
    } finally {
      closeSync(full);
    }
    assert.equal((await run("kv", "get", "untold")).stdout, "1");
    assert.equal((await run("kv", "delete", "untold")).code, 0);
  });

  it("what was loaded is dumped, in key order and byte for byte", async () => {
    const keys = Array.from({ length: 3000 }, (_, at) => `ключ-${String(at).padStart(5, "0")}`);
    writeFileSync(
      lines,
      keys.map((key) => `${JSON.stringify({ key, value: `${key}\n` })}\n`).join(""),
    );
    const load = await run("kv", "load", lines, "--json");
    assert.equal(load.code, 0, load.stderr);
    assert.equal((JSON.parse(load.stdout) as { keys: number }).keys, 3000);
    const dumped = (await run("kv", "dump")).stdout;
    assert.equal(dumped.slice(dumped.indexOf("\n") + 1), readFileSync(lines, "utf8"));
  });

  it("a bad line is named, and what stood before it is there", async () => {
    const { status, stderr } = balsa(
      ["kv", "load", "-"],
      Buffer.from('{"key":"before","value":"1"}\n{oops\n'),
    );
    assert.equal(status, 2);
    assert.match(stderr, /^Error: line 2: is not JSON .*; 1 record is loaded\nTry this: /);
    assert.equal((await run("kv", "get", "before")).stdout, "1");
  });

  it("a reader that has seen enough ends a list without a complaint", () => {
    const list = '"$0" "$1" kv list --values | head -n 1';
    const { status, stdout, stderr } = ended(
      "bash",
      ["-o", "pipefail", "-c", list, process.execPath, executable],
      {},
    );
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(stdout.toString().split("\n").length, 2);
  });

  it("a second node on the directory exits 10 and disturbs nothing", async () => {
    const { status, stderr } = balsa(words);
    assert.equal(status, 10, stderr);
    assert.equal((await run("kv", "get", "before")).code, 0);
  });

  it("the log tells the same from a node and from its directory", async () => {
    const filter = ["--json", "--limit", "3"];
    const fromNode = (await run("log", "inspect", ...filter)).stdout;
    const kinds = fromNode
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    assert.deepEqual(kinds.slice(0, 2), ["noop", "put"]);
    assert.equal(await stop(node), 0);
    assert.equal((await run("log", "inspect", data, ...filter)).stdout, fromNode);
  });

  it("a copy is equal, a longer log is ahead, another history differs", async () => {
    const copy = path.join(folder, "copy");
    cpSync(data, copy, { recursive: true });
    const compare = async (...directories: readonly string[]) => {
      const { code, stdout } = await run("log", "compare", ...directories, "--json");
      return { code, ...(JSON.parse(stdout) as { equal: boolean; kind: string }) };
    };
    const same = await compare(data, copy);
    assert.deepEqual([same.code, same.equal], [0, true]);
    node = await start();
    await commandOk(["kv", "put", "later", "1"], { endpoints: endpoint });
    await stop(node);
    const behind = await compare(data, copy);
    assert.deepEqual([behind.code, behind.equal, behind.kind], [9, false, "lag"]);
    const original = path.join(folder, "original");
    cpSync(data, original, { recursive: true });
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    node = await start();
    await commandOk(["kv", "put", "other", "1"], { endpoints: endpoint });
    await stop(node);
    const other = await compare(data, original);
    assert.deepEqual([other.code, other.equal, other.kind], [9, false, "different"]);
  });

  it("verify passes a sound log, and a flipped bit exits 8", async () => {
    assert.equal((await run("log", "verify", data)).code, 0);
    const [segment = ""] = readdirSync(path.join(data, "log")).filter((name) => /\d/.test(name));
    const file = path.join(data, "log", segment);
    const bytes = readFileSync(file);
    const at = bytes.indexOf("ключ-00007");
    assert.ok(at > 0);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const { code, stdout } = await run("log", "verify", data, "--json");
    const report = JSON.parse(stdout) as { error: { code: string }; sound: boolean };
    assert.deepEqual([code, report.error.code, report.sound], [8, "CORRUPTION", false]);
  });
});
