import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { before, describe, it } from "mocha";
import { Command } from "@oclif/core/command";
import { command } from "../end-to-end/processes.js";
import { reservePort } from "../ports.js";

const root = path.resolve(import.meta.dirname, "../../..");
const executable = path.join(root, "bin/balsa.js");

/** In a process of its own. */
function balsa(words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [executable, ...words], {
    encoding: "utf8",
    env: { ...process.env, BALSA_ENDPOINTS: "" },
    cwd: import.meta.dirname,
  });
  return { status, stdout, stderr };
}

describe("the command line", () => {
  const usages: readonly { words: readonly string[]; message: RegExp }[] = [
    { words: ["frob"], message: /there is no command "frob"/ },
    { words: ["kv", "get"], message: /Missing 1 required arg/ },
    { words: ["kv", "get", "a", "--frob"], message: /Nonexistent flag: --frob/ },
    { words: ["kv", "get", ""], message: /KEY is empty/ },
    { words: ["kv", "get", "a", "--timeout", "5"], message: /--timeout "5"/ },
    { words: ["kv", "put", "a", "1", "--if-absent", "--if-present"], message: /if-present/ },
    { words: ["kv", "load", "no-such-file"], message: /cannot read "no-such-file"/ },
    { words: ["node", "start", "--id", "n2", "--cluster", "n1=h:1"], message: /not a member/ },
    { words: ["log", "inspect", "--endpoints", "h:1,h:2"], message: /names several/ },
    { words: ["log", "inspect", "d", "--request", "xyz"], message: /32 hex digits/ },
    {
      words: ["log", "export", "d", "--out", "/none/x"],
      message: /x cannot .* \/none is not there/,
    },
    { words: ["log", "export", "d", "--out", "/proc/x/y"], message: /\/proc\/x is not there/ },
    { words: ["log", "export", "d", "--out", "/", "--force"], message: /\/ is a directory/ },
    { words: ["snapshot", "save", "/none/x"], message: /\/none is not there/ },
    { words: ["snapshot", "save", `${executable}/x`], message: /balsa\.js is no directory/ },
    { words: ["log", "compare"], message: /needs two replicas/ },
    { words: ["dev", "--nodes", "0"], message: /--nodes 0/ },
    { words: ["bench", "run", "--seconds", "0"], message: /seconds|integer/ },
  ];
  for (const { words, message } of usages) {
    it(`[${words.join(" ")}] exits 2 with a reason and something to try`, async () => {
      const { code, stdout, stderr } = await command(words);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, message);
      assert.match(stderr, /^Error: .*\nTry this: .*\n$/);
    });
  }

  for (const words of [["frob"], ["node", "start", "--id", "n2", "--cluster", "n1=h:1"]]) {
    it(`[${words.join(" ")} --json] prints the failure as one object on stdout`, () => {
      const { status, stdout, stderr } = balsa([...words, "--json"]);
      const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
      assert.equal(status, 2);
      assert.equal(stderr, "");
      assert.deepEqual(
        [error["code"], error["exitCode"], error["retryable"], error["outcome"]],
        ["INVALID_ARGUMENT", 2, false, "not-applied"],
      );
    });
  }

  it("help leads with examples, and every topic has help", () => {
    const { status, stdout } = balsa(["kv", "put", "--help"]);
    assert.equal(status, 0);
    assert.ok(stdout.indexOf("EXAMPLES") > 0);
    assert.ok(stdout.indexOf("EXAMPLES") < stdout.indexOf("USAGE"));
    assert.equal(stdout.split("set a key\n").length, 2, "the summary is said once");
    const topics = balsa([]);
    assert.equal(topics.status, 0);
    for (const topic of ["bench", "cluster", "dev", "kv", "log", "node"]) {
      assert.match(topics.stdout, new RegExp(`^  ${topic} `, "m"));
    }
  });

  it("every file under commands is a command with a summary and examples", async () => {
    const folder = path.join(root, "dist/commands");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".js"),
    );
    assert.ok(files.length >= 13);
    for (const file of files) {
      const module = (await import(path.join(folder, file))) as { default: typeof Command };
      assert.ok(module.default.prototype instanceof Command, file);
      assert.ok(String(module.default.summary).length > 0, file);
      assert.ok(module.default.examples.length > 0, file);
      for (const argument of Object.values(module.default.args)) {
        assert.equal(argument.ignoreStdin, true, `${file}: oclif reads no stdin`);
      }
    }
  });
});

describe("a command without a cluster", () => {
  let port = 0;
  before(async () => {
    port = await reservePort();
  });

  for (const words of [
    ["kv", "get", "a"],
    ["kv", "put", "a", "1"],
    ["cluster", "status"],
  ]) {
    it(`[${words.join(" ")}] exits 5: refused, not applied`, async () => {
      const endpoints = `127.0.0.1:${port}`;
      const { code, stdout } = await command([...words, "--timeout", "300ms", "--json"], {
        endpoints,
      });
      const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
      assert.deepEqual(
        [code, error["exitCode"], error["retryable"], error["outcome"]],
        [5, 5, true, "not-applied"],
      );
    });
  }

  it("log verify of a directory without a log exits 2", async () => {
    assert.ok(!existsSync("no-such-directory"));
    assert.equal((await command(["log", "verify", "no-such-directory"])).code, 2);
  });
});
