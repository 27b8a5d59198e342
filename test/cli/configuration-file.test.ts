/** The configuration file: what it says for a command, and what it must not say. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import {
  configurationPath,
  configuredValues,
  readConfiguration,
  wordsOf,
  type CommandShape,
} from "../../src/console/configuration-file.js";
import { CommandError } from "../../src/console/failure.js";
import { command, type Finished } from "../end-to-end/processes.js";

const COMMANDS: readonly CommandShape[] = [
  { id: "dev", flags: new Set(["json", "config", "nodes", "timeout"]) },
  { id: "kv:get", flags: new Set(["json", "config", "timeout", "endpoints"]) },
  { id: "log:inspect", flags: new Set(["json", "config", "timeout", "endpoints", "limit"]) },
  { id: "log:verify", flags: new Set(["json", "config"]) },
  { id: "node:start", flags: new Set(["json", "config", "id", "cluster"]) },
  { id: "cluster:status", flags: new Set(["json", "config", "endpoints"]) },
];

function usage(what: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, what);
    assert.notEqual(error.tryThis ?? "", "");
    return true;
  };
}

describe("the configuration file", () => {
  const good: readonly {
    readonly content: Readonly<Record<string, unknown>>;
    readonly command: string;
    readonly want: Readonly<Record<string, unknown>>;
  }[] = [
    { content: {}, command: "kv:get", want: {} },
    { content: { timeout: "2s" }, command: "kv:get", want: { timeout: "2s" } },
    // a flag that this command has not is for the others
    { content: { timeout: "2s" }, command: "log:verify", want: {} },
    {
      content: { timeout: "1s", log: { timeout: "2s", inspect: { timeout: "3s" } } },
      command: "log:inspect",
      want: { timeout: "3s" },
    },
    {
      content: { log: { inspect: { limit: 3 }, json: true }, timeout: "1s" },
      command: "log:inspect",
      want: { limit: 3, json: true, timeout: "1s" },
    },
    { content: { log: { timeout: "2s" } }, command: "kv:get", want: {} },
    { content: { dev: { nodes: 5 } }, command: "dev", want: { nodes: 5 } },
    // a name may be a topic's and a flag's: an object is a topic
    {
      content: { cluster: { endpoints: "a:1" } },
      command: "cluster:status",
      want: { endpoints: "a:1" },
    },
    { content: { cluster: "n1=a:1" }, command: "node:start", want: { cluster: "n1=a:1" } },
  ];
  for (const { content, command, want } of good) {
    it(`${JSON.stringify(content)} gives ${command} ${JSON.stringify(want)}`, () => {
      const values = configuredValues("f.json", content, command, COMMANDS);
      const found = Object.fromEntries([...values].map(([key, { value }]) => [key, value]));
      assert.deepEqual(found, want);
    });
  }

  const bad: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ timout: "2s" }, /f\.json: "timout" is no flag of any command/],
    [{ log: { nodes: 1 } }, /f\.json: "log\.nodes" is no flag of balsa log$/],
    [{ log: { verify: { limit: 1 } } }, /"log\.verify\.limit" is no flag of balsa log verify/],
    [{ log: { inspct: { limit: 1 } } }, /"log\.inspct" names no command/],
    [{ log: { inspect: { more: { x: 1 } } } }, /"log\.inspect\.more" names no command/],
    [{ config: "x" }, /"config" cannot stand in a file/],
    [{ kv: { help: true } }, /"kv\.help" cannot stand in a file/],
  ];
  for (const [content, what] of bad) {
    it(`${JSON.stringify(content)} is refused`, () => {
      for (const { id } of COMMANDS)
        assert.throws(() => configuredValues("f.json", content, id, COMMANDS), usage(what));
    });
  }

  const option = { type: "option", isMultiple: false } as const;
  const multiple = { type: "option", isMultiple: true } as const;
  const flag = { type: "boolean", isMultiple: false } as const;
  it("values are what the command line would give", () => {
    const where = "f";
    assert.deepEqual(wordsOf({ value: "a", where }, option), ["a"]);
    assert.deepEqual(wordsOf({ value: 7, where }, option), ["7"]);
    assert.deepEqual(wordsOf({ value: ["a", 1], where }, multiple), ["a", "1"]);
    assert.deepEqual(wordsOf({ value: "a", where }, multiple), ["a"]);
    assert.equal(wordsOf({ value: false, where }, flag), false);
    for (const value of [true, null, ["a"]])
      assert.throws(() => wordsOf({ value, where }, option), usage(/^f is /));
    for (const value of [[true], [["a"]], null])
      assert.throws(() => wordsOf({ value, where }, multiple), usage(/^f is /));
    for (const value of ["true", 1, null, []])
      assert.throws(() => wordsOf({ value, where }, flag), usage(/^f is /));
  });

  it("its path is the command line's, the environment's, or the one in this directory", () => {
    const cases: readonly (readonly [readonly string[], string | undefined, string, boolean])[] = [
      [[], undefined, "balsa.config.json", false],
      [[], "", "balsa.config.json", false],
      [[], "e.json", "e.json", true],
      [["--config", "a.json"], "e.json", "a.json", true],
      [["--config=a.json", "x"], undefined, "a.json", true],
      [["--config=a.json", "--config", "b.json"], undefined, "b.json", true],
      [["--", "--config", "b.json"], undefined, "balsa.config.json", false],
    ];
    for (const [argv, variable, file, isNamed] of cases)
      assert.deepEqual(configurationPath(argv, { BALSA_CONFIG: variable }), { file, isNamed });
  });

  describe("with commands", () => {
    let folder = "";
    before(() => {
      folder = mkdtempSync(path.join(tmpdir(), "balsa-config-"));
    });
    after(() => {
      rmSync(folder, { recursive: true });
    });

    /** In the folder, with these variables. */
    function balsa(
      words: readonly string[],
      environment: Readonly<Record<string, string>> = {},
    ): Promise<Finished> {
      return command(words, { directory: folder, environment });
    }

    function write(content: unknown, name = "balsa.config.json"): void {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      writeFileSync(path.join(folder, name), text);
    }

    it("it is below the environment and the command line, and above defaults", async () => {
      write({ kv: { endpoints: "127.0.0.1:2" }, timeout: "60s" });
      write({ endpoints: "127.0.0.1:3" }, "other.json");
      assert.match((await balsa(["kv", "get", "k"])).stderr, /127\.0\.0\.1:2/);
      const environment = { BALSA_ENDPOINTS: "127.0.0.1:4" };
      assert.match((await balsa(["kv", "get", "k"], environment)).stderr, /127\.0\.0\.1:4/);
      const given = await balsa(["kv", "get", "k", "--endpoints", "127.0.0.1:5"], environment);
      assert.match(given.stderr, /127\.0\.0\.1:5/);
      assert.match(
        (await balsa(["kv", "get", "k", "--config", "other.json"])).stderr,
        /127\.0\.0\.1:3/,
      );
      const named = await balsa(["kv", "get", "k"], { BALSA_CONFIG: "other.json" });
      assert.match(named.stderr, /127\.0\.0\.1:3/);
      assert.equal(named.code, 5);
    });

    it("it satisfies what is required, and turns on what can be turned off", async () => {
      write({ node: { start: { id: "n1", cluster: ["n1=127.0.0.1:70000"] } }, json: true });
      const { code, stdout } = await balsa(["node", "start"]);
      const { error } = JSON.parse(stdout) as { error: { message: string } };
      assert.match(error.message, /n1=.*70000/);
      assert.equal(code, 2);
      const plain = await balsa(["node", "start", "--no-json"]);
      assert.deepEqual([plain.code, plain.stdout], [2, ""]);
    });

    const wrong: readonly (readonly [unknown, RegExp])[] = [
      ["{", /balsa\.config\.json is not JSON/],
      ["[]", /balsa\.config\.json is not a JSON object/],
      [{ log: { inspect: { limit: "many" } } }, /"log\.inspect\.limit": .*integer/],
      [{ log: { inspect: { limit: 0 } } }, /"log\.inspect\.limit": /],
      [{ log: { inspect: { follow: "yes" } } }, /"log\.inspect\.follow" is a string/],
      [{ log: { inspekt: {} } }, /"log\.inspekt" names no command/],
      [{ endpoint: "x" }, /"endpoint" is no flag of any command/],
    ];
    for (const [content, what] of wrong) {
      it(`${JSON.stringify(content)} is refused with its place`, async () => {
        write(content);
        const { code, stderr } = await balsa(["log", "inspect", "data"]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, what);
        assert.match(stderr, /^Try this: /m);
      });
    }

    it("a file that was named must be there; the one in this directory need not", async () => {
      rmSync(path.join(folder, "balsa.config.json"));
      assert.match((await balsa(["log", "verify", "none"])).stderr, /no data directory/);
      const { code, stderr } = await balsa(["log", "verify", "none", "--config", "absent.json"]);
      assert.equal(code, 2);
      assert.match(stderr, /absent\.json is not there/);
      assert.throws(() => readConfiguration(folder, true), usage(/cannot be read \(EISDIR\)/));
    });
  });
});
