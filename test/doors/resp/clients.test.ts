/** The clients that people already have, against the door: they must just work. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { before, describe, it } from "mocha";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { withDoor } from "./serve.js";

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, args: readonly string[], input = ""): Promise<Ran> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

describe("redis-cli", function () {
  const path = "/usr/bin/redis-cli";
  before(function () {
    if (existsSync(path)) return;
    console.log(`      SKIPPED: no ${path}; install redis-tools`);
    this.skip();
  });

  const lines: readonly (readonly [args: readonly string[], want: string])[] = [
    [["SET", "a", "hello"], "OK\n"],
    [["GET", "a"], "hello\n"],
    [["-3", "GET", "none"], "\n"],
    [["INCR", "n"], "1\n"],
    [["-n", "0", "PING"], "PONG\n"],
    [["DBSIZE"], "2\n"],
    [["--scan"], "a\nn\n"],
    [["NOSUCH", "x"], "ERR unknown command 'NOSUCH', with args beginning with: 'x' \n\n"],
  ];
  it("asks and is answered, in both protocols", async () => {
    await withDoor(async ({ port }) => {
      for (const [args, want] of lines) {
        const { stdout } = await run(path, ["-p", String(port), ...args]);
        assert.equal(stdout, want, args.join(" "));
      }
    });
  });

  it("takes commands from its standard input, and a mass of them by --pipe", async () => {
    await withDoor(async ({ port, service }) => {
      const typed = await run(path, ["-p", String(port)], "SET a 1\nINCR a\nGET a\n");
      assert.equal(typed.stdout, "OK\n2\n2\n");
      const mass = Array.from({ length: 5000 }, (_, i) => `SET k${i} v${i}\r\n`).join("");
      const piped = await run(path, ["-p", String(port), "--pipe"], mass);
      assert.match(piped.stdout, /errors: 0, replies: 5000/);
      assert.equal(service.store.size, 5001);
    });
  });

  it("looks through the key space for big keys", async () => {
    await withDoor(async ({ port, client }) => {
      await client.command("MSET", "small", "x", "big", "x".repeat(1000));
      const { stdout, code } = await run(path, ["-p", String(port), "--bigkeys"]);
      assert.equal(code, 0);
      assert.match(
        stdout,
        /Biggest string found "?'?big'?"? has 1000 bytes|Biggest string found '"big"' has 1000 bytes/,
      );
    });
  });
});

describe("redis-benchmark", function () {
  const path = "/usr/bin/redis-benchmark";
  before(function () {
    if (existsSync(path)) return;
    console.log(`      SKIPPED: no ${path}; install redis-tools`);
    this.skip();
  });

  for (const extra of [[], ["-P", "16"], ["-3"]]) {
    it(`runs its tests ${extra.join(" ")}`, async () => {
      await withDoor(async ({ port, service }) => {
        const args = [
          "-p",
          String(port),
          "-n",
          "2000",
          "-c",
          "20",
          "-q",
          "-r",
          "100",
          "-t",
          "ping,set,get,incr,mset",
        ];
        const { stdout, stderr, code } = await run(path, [...args, ...extra]);
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(stdout + stderr, /error/i);
        for (const test of ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"]) {
          assert.match(stdout, new RegExp(`${test}.*requests per second`));
        }
        assert.ok(service.store.size > 0);
      });
    });
  }
});

describe("ioredis", () => {
  it("connects, reads, writes, scans and quits", async () => {
    await withDoor(async ({ port }) => {
      const redis = new Redis({
        host: "127.0.0.1",
        port,
        lazyConnect: true,
        maxRetriesPerRequest: 0,
      });
      await redis.connect();
      assert.equal(await redis.set("a", "žluť"), "OK");
      assert.equal(await redis.get("a"), "žluť");
      assert.equal(await redis.get("none"), null);
      assert.equal(await redis.incr("n"), 1);
      const bytes = Buffer.from([0, 255, 13, 10]);
      await redis.set(bytes, bytes);
      assert.deepEqual(await redis.getBuffer(bytes), bytes);
      assert.deepEqual(await redis.mget("a", "none", "n"), ["žluť", null, "1"]);
      const results = await redis.pipeline().set("p", "1").incr("p").get("p").exec();
      assert.deepEqual(results, [
        [null, "OK"],
        [null, 2],
        [null, "2"],
      ]);
      const keys: string[] = [];
      for await (const page of redis.scanStream({ match: "[anp]", count: 1 })) {
        keys.push(...(page as string[]));
      }
      assert.deepEqual(keys, ["a", "n", "p"]);
      await assert.rejects(redis.call("HSET", "h", "f", "v"), /unknown command 'HSET'/);
      assert.equal(await redis.quit(), "OK");
    });
  });
});

describe("node-redis", () => {
  for (const RESP of [2, 3] as const) {
    it(`connects, reads, writes, scans and closes in RESP${RESP}`, async () => {
      await withDoor(async ({ port }) => {
        const redis = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
        redis.on("error", (error: unknown) => {
          assert.fail(String(error));
        });
        await redis.connect();
        assert.equal(await redis.set("a", "1"), "OK");
        assert.equal(await redis.set("a", "2", { condition: "NX" }), null);
        assert.equal(await redis.get("a"), "1");
        assert.equal(await redis.get("none"), null);
        assert.equal(await redis.incrBy("a", 41), 42);
        assert.deepEqual(await redis.mGet(["a", "none"]), ["42", null]);
        assert.equal(await redis.del(["a", "none"]), 1);
        await redis.mSet(Array.from({ length: 100 }, (_, i): [string, string] => [`k${i}`, "v"]));
        const keys: string[] = [];
        for await (const page of redis.scanIterator({ MATCH: "k*", COUNT: 9 })) keys.push(...page);
        assert.equal(new Set(keys).size, 100);
        assert.equal(keys.length, 100);
        assert.equal(await redis.dbSize(), 100);
        assert.match(await redis.info(), /raft_role:leader/);
        assert.equal(await redis.flushDb(), "OK");
        await assert.rejects(redis.incrBy("x", 2 ** 63), /not an integer/);
        await redis.close();
      });
    });
  }
});
