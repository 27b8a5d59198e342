/**
 * The same commands said to a real redis-server and to our door: the replies must
 * be equal byte for byte.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { randomSource, RedisServer } from "./redis-server.js";
import type { Args, Random } from "./redis-server.js";
import { encodeCommand } from "./resp-client.js";

const KEYS = ["a", "b", "key:1", "key:2", "n", "m", "\u0000\u00ff\r\n", "*"];
const VALUES = [
  "",
  "x",
  "0",
  "1",
  "-1",
  "10",
  "007",
  "+5",
  " 5",
  "3.5",
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "\r\n",
  "\u0000\u0001\u00fe\u00ff",
  "long".repeat(400),
];
const NUMBERS = [
  "1",
  "-1",
  "5",
  "0",
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775808",
  "x",
  "",
  "01",
];
const PATTERNS = [
  "*",
  "key:*",
  "key:?",
  "[a-m]",
  "[^a]",
  "\\*",
  "?",
  "k*1",
  "nothing",
  "[z-a]",
  "[",
  "a]",
  "**",
  "[a-]",
];
const SET_OPTIONS = ["NX", "XX", "GET", "nx", "get", "bogus"];

/** A random command among those served, malformed ones among them. */
function randomCommand(random: Random): Args {
  const pick = (from: readonly string[]): string => from[random(from.length)] ?? "";
  const key = (): string => pick(KEYS);
  const value = (): string => pick(VALUES);
  const several = (make: () => string): string[] => Array.from({ length: 1 + random(3) }, make);
  const makers: readonly (() => Args)[] = [
    () => ["GET", key()],
    () => ["SET", key(), value()],
    () => ["set", key(), value(), ...several(() => pick(SET_OPTIONS))],
    () => ["SETNX", key(), value()],
    () => ["GETSET", key(), value()],
    () => ["GETDEL", key()],
    () => ["DEL", ...several(key)],
    () => ["UNLINK", ...several(key)],
    () => ["EXISTS", ...several(key)],
    () => ["MGET", ...several(key)],
    () => ["MSET", ...several(key).flatMap((each) => [each, value()])],
    () => ["MSETNX", ...several(key).flatMap((each) => [each, value()])],
    () => ["INCR", key()],
    () => ["DECR", key()],
    () => ["INCRBY", key(), pick(NUMBERS)],
    () => ["DECRBY", key(), pick(NUMBERS)],
    () => ["APPEND", key(), value()],
    () => ["STRLEN", key()],
    () => ["TYPE", key()],
    () => ["DBSIZE"],
    () => ["PING"],
    () => ["PING", value()],
    () => ["ECHO", value()],
    () => ["SELECT", pick(["0", "99", "-1", "x", ""])],
    () => [random(8) === 0 ? "FLUSHDB" : "DBSIZE"],
    () => ["FLUSHALL", "now"],
    () => ["MSET", key()],
    () => ["MSETNX", key(), value(), key()],
    () => [
      pick(["GET", "SET", "DEL", "INCRBY", "ECHO", "KEYS", "PING", "CLIENT", "CONFIG"]),
      ...Array.from({ length: random(3) * 3 }, value),
    ],
    () => ["NOSUCH" + value().slice(0, 200), ...several(value)],
    () =>
      [
        "CLIENT",
        pick(["GETNAME", "nosuch", "ID", "SETNAME"]),
        ...(random(4) === 0 ? ["x y"] : []),
      ].filter((each) => each !== "ID"),
    () => [
      "SCAN",
      pick(["x", " 1", "0"]),
      pick(["COUNT", "MATCH", "bogus"]),
      pick(["0", "x", "-1"]),
    ],
    () => ["AUTH", ...several(() => pick(["default", "x"]))],
  ];
  return (makers[random(makers.length)] ?? ((): Args => ["PING"]))();
}

/** Replies whose order is nobody's promise. */
function sortedReply(reply: string): string {
  return reply
    .split(/(?=\$)/)
    .sort()
    .join("");
}

describe("the RESP door against redis-server", function () {
  const redis = new RedisServer();
  before(async function () {
    if (!(await redis.start())) this.skip();
  });
  after(async () => redis.stop());
  const sideBySide = redis.sideBySide.bind(redis);

  for (const protocol of ["2", "3"]) {
    for (const seed of [1, 2, 3, 4, 5]) {
      it(`answers 1500 random commands alike in RESP${protocol}, seed ${seed}`, async () => {
        await sideBySide(async ({ say, theirs, ours }) => {
          await say(["HELLO", protocol]);
          const random = randomSource(seed);
          const history: Args[] = [];
          // Pipelines of many lengths, so that writes and reads meet in all ways.
          while (history.length < 1500) {
            const batch = Array.from({ length: 1 + random(30) }, () => randomCommand(random));
            const bytes = Buffer.concat(batch.map(encodeCommand));
            theirs.send(bytes);
            ours.send(bytes);
            const expected = await theirs.replies(batch.length);
            const got = await ours.replies(batch.length);
            for (const [i, args] of batch.entries()) {
              const scanned =
                args[0]?.toUpperCase() === "SCAN" || args[0]?.toUpperCase() === "KEYS";
              const same = scanned ? sortedReply : (reply: string): string => reply;
              assert.equal(same(got[i] ?? ""), same(expected[i] ?? ""), JSON.stringify(args));
            }
            history.push(...batch);
          }
        });
      });
    }
  }

  it("lists the same keys for every pattern", async () => {
    await sideBySide(async ({ say }) => {
      await say([
        "MSET",
        ...KEYS.flatMap((key) => [key, "v"]),
        "a]",
        "1",
        "a-",
        "2",
        "[",
        "3",
        "\\",
        "4",
      ]);
      for (const pattern of PATTERNS) {
        const [theirs, ours] = await say(["KEYS", pattern]);
        assert.equal(sortedReply(ours), sortedReply(theirs), pattern);
      }
    });
  });

  it("answers malformed HELLO, SELECT and CLIENT alike", async () => {
    await sideBySide(async ({ say }) => {
      for (const args of [
        ["HELLO", "4"],
        ["HELLO", "1"],
        ["HELLO", "x"],
        ["HELLO", "2", "BOGUS"],
        ["HELLO", "3", "AUTH", "nobody", "x"],
        ["HELLO", "3", "SETNAME", "a b"],
        ["HELLO", "3", "SETNAME"],
        ["CLIENT", "SETNAME", "fine"],
        ["CLIENT", "GETNAME"],
        ["RESET"],
        ["CLIENT", "GETNAME"],
        ["CLIENT"],
        ["CLIENT", "NO-EVICT", "ON"],
        ["CLIENT", "NO-EVICT", "bogus"],
        ["COMMAND", "BOGUS"],
        ["COMMAND", "COUNT", "x"],
        ["CONFIG", "BOGUS"],
        ["CONFIG", "GET"],
        ["CONFIG", "GET", "save"],
        ["CONFIG", "GET", "nosuch*"],
        ["SET", "k", "v", "EX"],
        ["SET", "k", "v", "KEEPTTL", "EX", "5"],
        ["SET", "k", "v", "NX", "XX"],
        ["TYPE", "k"],
        ["PING", "a", "b"],
        ["QUIT"],
      ]) {
        const [theirs, ours] = await say(args);
        assert.equal(ours, theirs, JSON.stringify(args));
      }
    });
  });

  const inline: readonly string[] = [
    "PING\r\n",
    "ping\n",
    "\r\n\r\nPING\r\n",
    'SET a "x\\x41\\n y"\r\nGET a\r\n',
    "SET b 'it\\'s'\r\nGET b\r\n",
    "*0\r\nPING\r\n",
    "*-5\r\nPING\r\n",
    "NOSUCH 'a b' c\r\n",
    "GET\r\n",
  ];
  for (const text of inline) {
    it(`reads ${JSON.stringify(text)} alike`, async () => {
      await sideBySide(async ({ theirs, ours }) => {
        const bytes = `${text}ECHO end\r\n`;
        theirs.send(bytes);
        ours.send(bytes);
        for (;;) {
          const expected = await theirs.reply();
          assert.equal(await ours.reply(), expected);
          if (expected.includes("end")) return;
        }
      });
    });
  }

  const faults: readonly string[] = [
    "*x\r\n",
    "*1048577000000\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$99999999999999\r\n",
    "*1\r\n:1\r\n",
    "*1\r\nGET\r\n",
    "*2\r\n$3\r\nGET\r\n+a\r\n",
    'SET a "open\r\n',
    "SET a 'b'c\r\n",
    "SET a 1\r\n*1\r\n!\r\n",
    "x".repeat(70_000),
    `*${"1".repeat(70_000)}`,
    `*1\r\n$${"1".repeat(70_000)}`,
    "POST / HTTP/1.1\r\nHost: here\r\n\r\nSET a b\r\n",
    "Host: here\r\nSET a b\r\n",
  ];
  for (const text of faults) {
    it(`closes alike on ${JSON.stringify(text.slice(0, 40))}`, async () => {
      await sideBySide(async ({ theirs, ours }) => {
        theirs.send(text);
        ours.send(text);
        assert.equal(await ours.rest(), await theirs.rest());
      });
    });
  }
});
