/**
 * Random transactions, watched keys and times to live, said to a real redis-server
 * and to our door. What is left of a time to live differs by what passes between
 * the two; all else must be equal byte for byte.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { randomSource, RedisServer } from "./redis-server.js";
import type { Args, Random } from "./redis-server.js";
import { elementsOf, encodeCommand } from "./resp-client.js";

const KEYS = ["a", "b", "n", "m", "\u0000\u00ff\r\n"];
const VALUES = ["", "x", "1", "-1", "9223372036854775807", "long".repeat(400)];
const CONDITIONS = ["NX", "XX", "GT", "LT", "nx", "bogus"];
const WRONG_TIMES = ["0", "-1", "x", "", "-9223372036854775808"];
/** Beyond the year 2255 there is nothing in Balsa; in Redis only where 64 bits end. */
const TOO_LATE = "9223372036854775807";

/** What no transaction survives. */
const WRONG: readonly Args[] = [
  ["NOSUCH", "x"],
  ["GET"],
  ["CLIENT", "nosuch"],
  ["EXPIRE", "a"],
  ["EXEC", "x"],
];

/** Times to live in seconds, no two alike and far apart: which one is longer is never a matter of milliseconds. */
class Times {
  readonly #random: Random;
  readonly #left: number[];

  constructor(random: Random) {
    this.#random = random;
    this.#left = Array.from({ length: 4000 }, (_, i) => 1000 + 20 * i);
  }

  next(): number {
    const [time = 500] = this.#left.splice(this.#random(this.#left.length), 1);
    return time;
  }
}

/** Random commands; some come as several that belong together. */
class Generator {
  readonly #random: Random;
  readonly #protocol: string;
  readonly #times: Times;
  /** whether MULTI was said and nothing that ends it */
  open = false;

  constructor(random: Random, protocol: string) {
    this.#random = random;
    this.#protocol = protocol;
    this.#times = new Times(random);
  }

  next(): readonly Args[] {
    const dice = this.#random(100);
    if (dice < 10) return this.open && dice > 0 ? this.#end() : this.#begin();
    if (dice < 11) return this.#end();
    if (dice < 18) {
      // An absent key that is watched, made and deleted is unchanged to us: watch what is there.
      const key = this.#key();
      return this.open
        ? [["WATCH", key]]
        : [
            ["SET", key, "w"],
            ["WATCH", key],
          ];
    }
    if (dice < 19) return [["UNWATCH"]];
    if (dice < 20) return [WRONG[this.#random(WRONG.length)] ?? []];
    if (dice < 60) return [this.#timed()];
    return [this.#plain()];
  }

  #begin(): readonly Args[] {
    this.open = true;
    return [["MULTI"]];
  }

  #end(): readonly Args[] {
    this.open = false;
    const dice = this.#random(12);
    if (dice === 0) return [["RESET"], ["HELLO", this.#protocol]];
    return [dice < 3 ? ["DISCARD"] : ["EXEC"]];
  }

  #pick(from: readonly string[]): string {
    return from[this.#random(from.length)] ?? "";
  }

  #key(): string {
    return this.#pick(KEYS);
  }

  #several<T>(make: () => T): T[] {
    return Array.from({ length: 1 + this.#random(3) }, make);
  }

  /** For EXPIRE and the like: an argument, in seconds or milliseconds, from now or from 1970. */
  #time(unit: 1 | 1000, from: "now" | "1970", past = true): string {
    const dice = this.#random(10);
    if (dice === 0) return this.#pick(WRONG_TIMES);
    if (dice === 1 && past) return unit === 1000 && from === "1970" ? "1" : TOO_LATE;
    const seconds = this.#times.next() + (from === "now" ? 0 : Math.floor(Date.now() / 1000));
    return String(seconds * unit);
  }

  /** @param past whether it may be: Redis' DBSIZE counts what SET has made of it until somebody looks */
  #timeOption(past = false): readonly string[] {
    return (
      [
        ["EX", this.#time(1, "now")],
        ["PX", this.#time(1000, "now")],
        ["EXAT", this.#time(1, "1970", past)],
        ["pxat", this.#time(1000, "1970", past)],
      ][this.#random(4)] ?? []
    );
  }

  #timed(): Args {
    const key = this.#key();
    const value = this.#pick(VALUES);
    const conditions = (): string[] =>
      this.#random(2) === 0 ? [] : this.#several(() => this.#pick(CONDITIONS));
    const makers: readonly (() => Args)[] = [
      () => ["EXPIRE", key, this.#time(1, "now"), ...conditions()],
      () => ["PEXPIRE", key, this.#time(1000, "now"), ...conditions()],
      () => ["EXPIREAT", key, this.#time(1, "1970"), ...conditions()],
      () => ["PEXPIREAT", key, this.#time(1000, "1970"), ...conditions()],
      () => [this.#pick(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), key],
      () => [this.#pick(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), key],
      () => ["PERSIST", key],
      () => ["SET", key, value, ...this.#timeOption()],
      () => ["SET", key, value, "KEEPTTL"],
      () => [
        "SET",
        key,
        value,
        this.#pick(["NX", "XX", "GET", "KEEPTTL", "PERSIST"]),
        ...this.#timeOption(),
      ],
      () => [
        "SET",
        key,
        value,
        ...this.#timeOption(),
        this.#pick(["NX", "XX", "GET", "KEEPTTL", "EX"]),
      ],
      () => ["SETEX", key, this.#time(1, "now"), value],
      () => ["PSETEX", key, this.#time(1000, "now"), value],
      () => ["GETEX", key, ...this.#timeOption(true)],
      () => ["GETEX", key, this.#pick(["PERSIST", "EX", "bogus"])],
      () => ["GETEX", key, "PERSIST", ...this.#timeOption()],
    ];
    return (makers[this.#random(makers.length)] ?? ((): Args => ["PING"]))();
  }

  #plain(): Args {
    const key = this.#key();
    const value = this.#pick(VALUES);
    const makers: readonly (() => Args)[] = [
      () => ["GET", key],
      () => ["SET", key, value],
      () => ["SET", key, value, "NX"],
      () => ["SETNX", key, value],
      () => ["GETSET", key, value],
      () => ["GETDEL", key],
      () => ["DEL", ...this.#several(() => this.#key())],
      () => ["EXISTS", ...this.#several(() => this.#key())],
      () => ["MGET", ...this.#several(() => this.#key())],
      () => ["MSET", ...this.#several(() => [this.#key(), value]).flat()],
      () => ["MSETNX", ...this.#several(() => [this.#key(), value]).flat()],
      () => ["INCR", key],
      () => ["DECRBY", key, "5"],
      () => ["APPEND", key, value],
      () => ["STRLEN", key],
      () => ["TYPE", key],
      () => ["DBSIZE"],
      () => ["KEYS", this.#pick(["*", "a", "[nm]"])],
      () => ["SCAN", "0", "COUNT", "100"],
      () => (this.#random(6) === 0 ? ["FLUSHDB"] : ["DBSIZE"]),
      () => ["PING", value],
      () => ["MSET", key, value, key],
      () => ["CLIENT", "GETNAME"],
    ];
    return (makers[this.#random(makers.length)] ?? ((): Args => ["PING"]))();
  }
}

const MALFORMED: readonly string[] = [
  ...["EXEC", "DISCARD", "EXEC x", "MULTI x", "DISCARD x", "WATCH", "UNWATCH x", "UNWATCH"],
  ...["MULTI", "MULTI", "WATCH k", "SET k 1", "EXEC", "EXEC"],
  ...["MULTI", "UNWATCH", "EXEC", "MULTI", "DISCARD", "DISCARD"],
  ...["MULTI", "CLIENT nosuch", "SET k 2", "EXEC", "MULTI", "CLIENT ID x", "EXEC", "GET k"],
  ...[
    "MULTI",
    "CONFIG GET",
    "EXEC",
    "MULTI",
    "COMMAND COUNT x",
    "EXEC",
    "MULTI",
    "MULTI x",
    "EXEC",
  ],
  ...["MULTI", "PING a b", "MSET a 1 b", "AUTH x", "SELECT x", "EXEC"],
  ...["MULTI", "EXEC x", "EXEC", "MULTI", "SET a 1", "RESET", "EXEC", "GET a"],
  ...["MULTI", "DISCARD x", "EXEC", "MULTI", "WATCH", "EXEC", "MULTI", "NOSUCH", "DISCARD", "EXEC"],
  ...["WATCH k", "SET k 3", "MULTI", "NOSUCH", "EXEC", "MULTI", "EXEC"],
  ...["WATCH k", "SET k 4", "DISCARD", "MULTI", "EXEC", "WATCH k", "MULTI", "DISCARD", "SET k 5"],
  ...["MULTI", "EXEC", "WATCH k", "SET k 6", "RESET", "MULTI", "EXEC"],
  ...["WATCH k k", "WATCH k", "SET k 7", "WATCH k", "MULTI", "GET k", "EXEC"],
  ...["WATCH k", "EXPIRE k 100", "MULTI", "EXEC", "WATCH k", "EXPIRE none 100", "MULTI", "EXEC"],
  ...["WATCH k", "PERSIST k", "MULTI", "EXEC", "WATCH k", "PERSIST k", "MULTI", "EXEC"],
  ...["WATCH k", "GETEX k", "MULTI", "EXEC", "WATCH k", "GETEX k EX 100", "MULTI", "EXEC"],
  ...["WATCH none", "DEL none", "MULTI", "EXEC", "WATCH k", "SETNX k 1", "MULTI", "EXEC"],
  ...["WATCH k", "FLUSHALL", "MULTI", "EXEC", "WATCH k", "FLUSHALL", "MULTI", "EXEC"],
  ...[
    "SET k v",
    "EXPIRE k 10 NX XX",
    "EXPIRE k 10 NX GT",
    "EXPIRE k 10 GT LT",
    "EXPIRE k 10 XX GT",
  ],
  ...["EXPIRE k 10 bogus", "EXPIRE k x NX", "EXPIRE k x bogus", "EXPIRE k", "EXPIRE"],
  ...[
    "EXPIRE k 9223372036854775807",
    "EXPIRE k -9223372036854775808",
    "EXPIRE none 9223372036854775807",
  ],
  ...[
    "PEXPIRE k 9223372036854775807",
    "EXPIREAT k -1",
    "EXISTS k",
    "SET k v",
    "PEXPIRE k -1",
    "GET k",
  ],
  ...["SET k v", "PEXPIREAT k 0 LT", "EXISTS k", "SET k v", "EXPIRE k 0 NX", "EXISTS k"],
  ...["SET k v", "PEXPIREAT k 1 GT", "PEXPIREAT k 1 XX", "EXISTS k"],
  ...[
    "SET k v EX 0",
    "SET k v EX x",
    "SET k v PX -1",
    "SET k v PX 9223372036854775807",
    "SET k v EX",
  ],
  ...["SET k v EX 10 EX 20", "TTL k", "SET k v EX 10 PX 20", "SET k v KEEPTTL KEEPTTL", "TTL k"],
  ...["SET k v KEEPTTL EX 1", "SET k v PERSIST", "SET k v EX 10 NX GET", "SET k v NX XX EX 10"],
  ...["SET k v", "SET k w NX EXAT 1", "SET k w EXAT 1 GET", "GET k", "SET k w NX EXAT 1", "GET k"],
  ...["SET k v", "SET k w XX PXAT 1", "GET k", "SET k w XX PXAT 1", "SET k w XX GET EX 5"],
  ...[
    "SETEX k 0 v",
    "SETEX k x v",
    "SETEX k 10",
    "PSETEX k -1 v",
    "PSETEX k 9223372036854775807 v",
  ],
  ...[
    "SETEX k 100 v",
    "TTL k",
    "GETSET k w",
    "TTL k",
    "GETEX none EX 0",
    "GETEX k EX 0",
    "GETEX k EX x",
  ],
  ...[
    "GETEX k EX 10 PERSIST",
    "GETEX k PERSIST EX 10",
    "GETEX k EX 10 EX 20",
    "TTL k",
    "GETEX k KEEPTTL",
  ],
  ...["GETEX k PERSIST PERSIST", "TTL k", "GETEX k EX", "GETEX k EXAT 1", "EXISTS k", "GETEX"],
  ...[
    "TTL",
    "TTL k x",
    "PTTL none",
    "EXPIRETIME none",
    "PERSIST none",
    "PERSIST",
    "SET k v",
    "PEXPIRETIME k",
  ],
];

/**
 * What may differ: times to live, by what has passed between the two clocks, and the order of keys.
 *
 * @param apartMs how far the clocks may be apart, when a time was set and when it is asked for
 */
function assertAlike(args: Args, ours: string, theirs: string, apartMs: number): void {
  const name = args[0]?.toUpperCase() ?? "";
  const text = JSON.stringify(args);
  const [seconds, milliseconds] = [1 + Math.ceil(apartMs / 1000), 1 + apartMs];
  const tolerance =
    { TTL: seconds, EXPIRETIME: seconds, PTTL: milliseconds, PEXPIRETIME: milliseconds }[name] ?? 0;
  if (tolerance > 0 && theirs.startsWith(":") && ours.startsWith(":")) {
    const [our, their] = [Number(ours.slice(1)), Number(theirs.slice(1))];
    if (their >= 0 && our >= 0) {
      assert.ok(Math.abs(our - their) <= tolerance, `${text}: ${our}, not ${their}`);
      return;
    }
  }
  const inAnyOrder = name === "KEYS" || name === "SCAN";
  assert.equal(inAnyOrder ? sorted(ours) : ours, inAnyOrder ? sorted(theirs) : theirs, text);
}

function sorted(reply: string): string {
  return reply
    .split(/(?=\$)/)
    .sort()
    .join("");
}

describe("the RESP door's transactions against redis-server", function () {
  const redis = new RedisServer();
  before(async function () {
    if (!(await redis.start())) this.skip();
  });
  after(async () => redis.stop());

  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const protocol = seed % 2 === 0 ? "2" : "3";
    it(`answers 1500 random commands alike in RESP${protocol}, seed ${seed}`, async () => {
      await redis.sideBySide(async ({ say, theirs, ours, other, service }) => {
        await say(["HELLO", protocol]);
        const random = randomSource(seed);
        const generator = new Generator(random, protocol);
        let queued: Args[] = [];
        let [transactions, conflicts] = [0, 0];
        /** the longest that an answer took: ours are of the time when it was begun, theirs of any since */
        let longestMs = 0;
        const nothing = protocol === "2" ? "*-1\r\n" : "_\r\n";
        for (let said = 0; said < 1500;) {
          const batch: Args[] = [];
          while (batch.length < 1 + random(30)) batch.push(...generator.next());
          const bytes = Buffer.concat(batch.map(encodeCommand));
          service.time = Date.now();
          theirs.send(bytes);
          ours.send(bytes);
          const expected = await theirs.replies(batch.length);
          const got = await ours.replies(batch.length);
          longestMs = Math.max(longestMs, Date.now() - service.time);
          for (const [i, args] of batch.entries()) {
            const [their = "", our = ""] = [expected[i], got[i]];
            if (args[0] === "EXEC" && their.startsWith("*") && their !== nothing) {
              transactions++;
              const elements = elementsOf(our);
              assert.equal(elements.length, queued.length);
              for (const [k, their1] of elementsOf(their).entries()) {
                assertAlike(queued[k] ?? [], elements[k] ?? "", their1, 2 * longestMs);
              }
            } else if (args[0] !== "HELLO") {
              if (args[0] === "EXEC" && their === nothing) conflicts++;
              assertAlike(args, our, their, 2 * longestMs);
            }
            if (their === "+QUEUED\r\n") queued.push(args);
            else if (["EXEC", "DISCARD", "RESET"].includes(args[0] ?? "")) queued = [];
          }
          said += batch.length;
          if (random(4) === 0) {
            const key = KEYS[random(KEYS.length)] ?? "";
            const [their, our] = await other(["SET", key, "other"]);
            assert.equal(our, their);
          }
        }
        assert.ok(transactions > 10 && conflicts > 1, `${transactions}, ${conflicts}`);
      });
    });
  }

  it("answers what is malformed, out of place or over already alike", async () => {
    await redis.sideBySide(async ({ say, service }) => {
      let longestMs = 0;
      for (const line of MALFORMED) {
        const args = line.split(" ");
        const [theirs, ours] = await say(args);
        longestMs = Math.max(longestMs, Date.now() - service.time);
        assertAlike(args, ours, theirs, 2 * longestMs);
      }
    });
  });
});
