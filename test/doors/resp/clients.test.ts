/** The clients that people already have, against the door: they must just work. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { before, describe, it } from "mocha";
import { Redis } from "ioredis";
import { createClient, WatchError } from "redis";
import { isAtHand } from "./redis-server.js";
import { withDoor } from "./serve.js";

/** How long a client may wait for its connection, in milliseconds. */
const PATIENCE_MS = 600_000;

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
    if (!isAtHand(path)) this.skip();
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
    if (!isAtHand(path)) this.skip();
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
        connectTimeout: PATIENCE_MS,
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

/** What a client does that counts, of whose steps others may come in between. */
interface Counter {
  /** Watches the count. @returns what it is */
  look(): Promise<number>;
  /** @returns whether it was written: nobody else has since the look */
  write(count: number): Promise<boolean>;
}

/** Each counts to ten. In the first round all have looked before one writes: of them exactly one does it. */
async function countTogether(counters: readonly Counter[]): Promise<void> {
  const looks = await Promise.all(counters.map((each) => each.look()));
  const first = await Promise.all(counters.map((each, i) => each.write((looks[i] ?? 0) + 1)));
  assert.equal(first.filter((done) => done).length, 1, "they were in each other's way");
  await Promise.all(
    counters.map(async (each, i) => {
      for (let done = first[i] === true ? 1 : 0; done < 10;) {
        if (await each.write((await each.look()) + 1)) done++;
      }
    }),
  );
}

describe("ioredis, with transactions", () => {
  const options = {
    host: "127.0.0.1",
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    connectTimeout: PATIENCE_MS,
  };

  it("watches, queues, commits and gives up", async () => {
    await withDoor(async ({ port }) => {
      const redis = new Redis({ ...options, port });
      const other = new Redis({ ...options, port });
      await Promise.all([redis.connect(), other.connect()]);
      const done = await redis.multi().set("a", "1").incr("a").get("a").incr("text").exec();
      assert.deepEqual(done, [
        [null, "OK"],
        [null, 2],
        [null, "2"],
        [null, 1],
      ]);
      await redis.set("text", "abc");
      const inPlace = await redis.multi().incr("text").set("b", "1").exec();
      assert.match(String(inPlace?.[0]?.[0]), /not an integer/);
      assert.deepEqual(inPlace?.[1], [null, "OK"]);

      await redis.watch("a");
      await other.set("a", "9");
      assert.equal(await redis.multi().set("a", "3").exec(), null);
      assert.equal(await redis.get("a"), "9");
      await assert.rejects(
        redis.multi().set("a", "4").call("nosuch").exec(),
        /EXECABORT Transaction discarded because of previous errors/,
      );
      assert.equal(await redis.get("a"), "9");

      const many = Array.from({ length: 20 }, async () => redis.multi().incr("n").get("n").exec());
      const results = await Promise.all(many);
      assert.deepEqual(
        results.map((each) => each?.map(([, value]) => value)),
        Array.from({ length: 20 }, (_, i) => [i + 1, String(i + 1)]),
      );
      await Promise.all([redis.quit(), other.quit()]);
    });
  });

  it("sets what ends by itself, and asks how long it lives", async () => {
    await withDoor(async ({ port, service }) => {
      const redis = new Redis({ ...options, port });
      await redis.connect();
      assert.equal(await redis.set("k", "v", "EX", 10, "NX"), "OK");
      assert.equal(await redis.ttl("k"), 10);
      assert.equal(await redis.expire("k", 20, "GT"), 1);
      assert.equal(await redis.getex("k", "PERSIST"), "v");
      assert.equal(await redis.pttl("k"), -1);
      assert.equal(await redis.pexpireat("k", service.time + 500), 1);
      service.pass(500);
      assert.equal(await redis.get("k"), null);
      await redis.quit();
    });
  });

  it("loses no increment through WATCH, however many count", async () => {
    await withDoor(async ({ port }) => {
      const clients = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const redis = new Redis({ ...options, port });
          await redis.connect();
          return redis;
        }),
      );
      await countTogether(
        clients.map((redis) => ({
          look: async () => {
            await redis.watch("n");
            return Number((await redis.get("n")) ?? "0");
          },
          write: async (count) => (await redis.multi().set("n", count).exec()) !== null,
        })),
      );
      assert.equal(await clients[0]?.get("n"), "50");
      await Promise.all(clients.map(async (redis) => redis.quit()));
    });
  });
});

function socketTo(port: number) {
  return { host: "127.0.0.1", port, connectTimeout: PATIENCE_MS };
}

describe("node-redis, with transactions", () => {
  for (const RESP of [2, 3] as const) {
    it(`watches, queues, commits and gives up in RESP${RESP}`, async () => {
      await withDoor(async ({ port }) => {
        const connected = async (): Promise<ReturnType<typeof client>> => {
          const redis = client();
          redis.on("error", (error: unknown) => {
            assert.fail(String(error));
          });
          await redis.connect();
          return redis;
        };
        const client = () => createClient({ socket: socketTo(port), RESP });
        const [redis, other] = [await connected(), await connected()];
        assert.deepEqual(await redis.multi().set("a", "1").incr("a").get("a").ttl("a").exec(), [
          "OK",
          2,
          "2",
          -1,
        ]);
        await redis.watch("a");
        await other.set("a", "9");
        await assert.rejects(redis.multi().set("a", "3").exec(), WatchError);
        assert.equal(await redis.get("a"), "9");
        // It tells the first error of all; that nothing was done shows in what is there.
        await assert.rejects(
          redis.multi().set("a", "4").addCommand(["nosuch"]).exec(),
          /unknown command 'nosuch'/,
        );
        assert.equal(await redis.get("a"), "9");
        assert.equal(await redis.set("k", "v", { expiration: { type: "EX", value: 10 } }), "OK");
        assert.equal(await redis.ttl("k"), 10);
        assert.equal(await redis.expire("k", 5, "LT"), 1);
        assert.equal(await redis.persist("k"), 1);

        await countTogether(
          [redis, other].map((each) => ({
            look: async () => {
              await each.watch("n");
              return Number((await each.get("n")) ?? "0");
            },
            write: async (count) => {
              try {
                await each.multi().set("n", String(count)).exec();
                return true;
              } catch (error) {
                if (error instanceof WatchError) return false;
                throw error;
              }
            },
          })),
        );
        assert.equal(await redis.get("n"), "20");
        await Promise.all([redis.close(), other.close()]);
      });
    });
  }
});

describe("node-redis", () => {
  for (const RESP of [2, 3] as const) {
    it(`connects, reads, writes, scans and closes in RESP${RESP}`, async () => {
      await withDoor(async ({ port }) => {
        const redis = createClient({ socket: socketTo(port), RESP });
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
