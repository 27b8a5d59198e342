import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DEFAULT_LIMITS } from "../../../src/store/command.js";
import { ABSENT, OK, bulk, array, arity, NOT_INTEGER, SYNTAX, itAnswers } from "./reply-table.js";
import type { Table } from "./reply-table.js";
import { RespClient } from "./resp-client.js";
import { withDoor } from "./serve.js";

const tables: readonly Table[] = [
  {
    title: "GET and SET",
    lines: [
      ["GET a", ABSENT],
      ["SET a 1", OK],
      ["GET a", bulk("1")],
      ["set a 2 nx", ABSENT],
      ["SET a 2 XX", OK],
      ["SET b 1 XX", ABSENT],
      ["SET a 3 GET", bulk("2")],
      ["SET c 1 GET", ABSENT],
      ["SET c 2 NX GET", bulk("1")],
      ["SET d 2 XX GET", ABSENT],
      ["SET d 2 NX GET", ABSENT],
      ["MGET a b c d", array(bulk("3"), ABSENT, bulk("1"), bulk("2"))],
      ["SET a 1 NX XX", SYNTAX],
      ["SET a 1 EX", SYNTAX],
      ["SET a 1 EX 10 PX 10", SYNTAX],
      ["SET a", arity("set")],
      ["GET", arity("get")],
      ["GET a", bulk("3")],
      ['SET "" x', "-ERR key is empty\r\n"],
    ],
  },
  {
    title: "SETNX, GETSET, GETDEL",
    lines: [
      ["SETNX a 1", ":1\r\n"],
      ["SETNX a 2", ":0\r\n"],
      ["GETSET a 3", bulk("1")],
      ["GETSET b 1", ABSENT],
      ["GETDEL a", bulk("3")],
      ["GETDEL a", ABSENT],
    ],
  },
  {
    title: "DEL, UNLINK, EXISTS, TYPE, DBSIZE and FLUSHDB",
    lines: [
      ["MSET a 1 b 2 c 3 d 4", OK],
      ["EXISTS a b x a", ":3\r\n"],
      ["TYPE a", "+string\r\n"],
      ["TYPE x", "+none\r\n"],
      ["DBSIZE", ":4\r\n"],
      ["DEL a x a", ":1\r\n"],
      ["UNLINK b c", ":2\r\n"],
      ['DEL ""', ":0\r\n"],
      ["DBSIZE", ":1\r\n"],
      ["FLUSHDB NOW", SYNTAX],
      ["FLUSHDB SYNC", OK],
      ["DBSIZE", ":0\r\n"],
      ["SET a 1", OK],
      ["FLUSHALL", OK],
      ["GET a", ABSENT],
    ],
  },
  {
    title: "MSET and MSETNX, which are atomic",
    lines: [
      ["MSET a 1 b", arity("mset")],
      ["MSETNX a 1 b 2", ":1\r\n"],
      ["MSETNX c 3 b 4", ":0\r\n"],
      ["MGET a b c", array(bulk("1"), bulk("2"), ABSENT)],
      ["MSETNX d 1 d 2", ":1\r\n"],
      ["GET d", bulk("2")],
    ],
  },
  {
    title: "the INCR family",
    lines: [
      ["INCR n", ":1\r\n"],
      ["INCRBY n 10", ":11\r\n"],
      ["DECR n", ":10\r\n"],
      ["DECRBY n 15", ":-5\r\n"],
      ["GET n", bulk("-5")],
      ["INCRBY n 1.5", NOT_INTEGER],
      ["INCRBY n 9223372036854775808", NOT_INTEGER],
      ["DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n"],
      ["SET n 9223372036854775807", OK],
      ["INCR n", "-ERR increment or decrement would overflow\r\n"],
      ["SET n +5", OK],
      ["INCR n", NOT_INTEGER],
      ['SET n " 5"', OK],
      ["INCR n", NOT_INTEGER],
    ],
  },
  {
    title: "APPEND and STRLEN",
    lines: [
      ["STRLEN a", ":0\r\n"],
      ["APPEND a xy", ":2\r\n"],
      ["APPEND a z", ":3\r\n"],
      ["STRLEN a", ":3\r\n"],
      ["GET a", bulk("xyz")],
    ],
  },
  {
    title: "KEYS and SCAN",
    lines: [
      ["MSET a 1 b 2 key:1 3 key:2 4", OK],
      ["KEYS *", array(bulk("a"), bulk("b"), bulk("key:1"), bulk("key:2"))],
      ["KEYS key:?", array(bulk("key:1"), bulk("key:2"))],
      ["KEYS x*", array()],
      ["SCAN 0", array(bulk("0"), array(bulk("a"), bulk("b"), bulk("key:1"), bulk("key:2")))],
      ["SCAN 0 MATCH k*1", array(bulk("0"), array(bulk("key:1")))],
      ["SCAN 0 TYPE hash", array(bulk("0"), array())],
      ["SCAN 0 type STRING match b", array(bulk("0"), array(bulk("b")))],
      ["SCAN 0 COUNT 0", SYNTAX],
      ["SCAN 0 COUNT x", NOT_INTEGER],
      ["SCAN 0 COUNT", SYNTAX],
      ["SCAN x", "-ERR invalid cursor\r\n"],
      ["SCAN -1", "-ERR invalid cursor\r\n"],
      ["SCAN 18446744073709551616", "-ERR invalid cursor\r\n"],
      ["SCAN 18446744073709551615", "-ERR invalid cursor: ..."],
    ],
  },
  {
    title: "the connection's own commands",
    lines: [
      ["PING", "+PONG\r\n"],
      ['PING "a b"', bulk("a b")],
      ["PING a b", arity("ping")],
      ["ECHO x", bulk("x")],
      ["SELECT 0", OK],
      ["SELECT 1", "-ERR DB index is out of range\r\n"],
      ["SELECT x", NOT_INTEGER],
      ["CLIENT ID", ":1\r\n"],
      ["CLIENT GETNAME", ABSENT],
      ["CLIENT SETNAME me", OK],
      ["CLIENT GETNAME", bulk("me")],
      [
        'CLIENT SETNAME "a b"',
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
      ],
      ["CLIENT SETINFO LIB-NAME x", OK],
      ["CLIENT SETINFO LIB-VER 1.0", OK],
      ["CLIENT SETINFO BOGUS 1.0", "-ERR Unrecognized option 'BOGUS'\r\n"],
      ["CLIENT NO-EVICT ON", OK],
      [
        "CLIENT INFO",
        "...name=me age=0 db=0 cmd=client user=default lib-name=x lib-ver=1.0 resp=2...",
      ],
      ["CLIENT LIST", "...id=1 ..."],
      ["CLIENT HELP", "*...+CLIENT <subcommand>..."],
      ["CLIENT nosuch", "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n"],
      ["CLIENT ID x", arity("client|id")],
      ["AUTH x", "-ERR AUTH <password> called without any password configured..."],
      ["AUTH default x", OK],
      ["AUTH other x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"],
      ["RESET", "+RESET\r\n"],
      ["CLIENT GETNAME", ABSENT],
    ],
  },
  {
    title: "HELLO and RESP3",
    lines: [
      ["HELLO 4", "-NOPROTO unsupported protocol version\r\n"],
      ["HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"],
      ["HELLO 2", "*14\r\n$6\r\nserver\r\n...$5\r\nproto\r\n:2\r\n..."],
      ["HELLO 3 BOGUS", "-ERR Syntax error in HELLO option 'BOGUS'\r\n"],
      ["HELLO 3 AUTH default x SETNAME me", "%7\r\n...$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n..."],
      ["CLIENT GETNAME", bulk("me")],
      ["GET x", "_\r\n"],
      ["MGET x", "*1\r\n_\r\n"],
      ["GETDEL x", "_\r\n"],
      ["CONFIG GET save", "%1\r\n$4\r\nsave\r\n$0\r\n\r\n"],
      ["INFO Persistence", "=...\r\ntxt:# Persistence\r\nloading:0\r\n..."],
      ["COMMAND LIST", "~..."],
      ["HELLO", "%7\r\n..."],
      ["RESET", "+RESET\r\n"],
      ["GET x", ABSENT],
    ],
  },
  {
    title: "the server's own commands",
    lines: [
      ["CONFIG GET save", array(bulk("save"), bulk(""))],
      ["CONFIG GET appendonly", array(bulk("appendonly"), bulk("yes"))],
      [
        "CONFIG GET SAVE append*",
        array(...["save", "", "appendonly", "yes", "appendfsync", "always"].map(bulk)),
      ],
      ["CONFIG GET nosuch", array()],
      ["CONFIG GET", arity("config|get")],
      ["CONFIG SET save x", "-ERR CONFIG SET is not served..."],
      ["CONFIG nosuch", "-ERR unknown subcommand 'nosuch'. Try CONFIG HELP.\r\n"],
      ["COMMAND COUNT", ":51\r\n"],
      [
        "COMMAND INFO get nosuch",
        "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n...$-1\r\n",
      ],
      ["COMMAND DOCS get nosuch", "*2\r\n$3\r\nget\r\n*4\r\n$7\r\nsummary\r\n..."],
      [
        "COMMAND INFO watch",
        array(
          "*10\r\n$5\r\nwatch\r\n:-2\r\n*4\r\n+noscript\r\n+loading\r\n+stale\r\n+fast\r\n:1\r\n:-1\r\n:1\r\n*1\r\n+@transaction\r\n...",
        ),
      ],
      ["COMMAND DOCS getex", "...Returns the value of a key and sets how long it lives..."],
      ["COMMAND", "*51\r\n..."],
      ["INFO", "...redis_version:7...loading:0...role:master...# Raft...raft_leader:n1..."],
      ["INFO raft", "...# Raft\r\nraft_id:n1\r\n..."],
    ],
  },
  {
    title: "what is not served",
    lines: [
      ["LPUSH", "-ERR unknown command 'LPUSH', with args beginning with: \r\n"],
      ["lpush k 10", "-ERR unknown command 'lpush', with args beginning with: 'k' '10' \r\n"],
      ["HSET h f v", "-ERR unknown command 'HSET', with args beginning with: 'h' 'f' 'v' \r\n"],
    ],
  },
];

describe("the RESP door's commands", () => {
  itAnswers(tables);

  it("QUIT answers, closes, and hears nothing behind it", async () => {
    await withDoor(async ({ client, service }) => {
      client.send("SET a 1\r\nQUIT\r\nSET a 2\r\n");
      assert.equal(await client.rest(), "+OK\r\n+OK\r\n");
      assert.equal(service.executeCount, 1);
    });
  });

  it("keys and values are any bytes", async () => {
    await withDoor(async ({ client }) => {
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const text = every.toString("latin1");
      assert.equal(await client.command("SET", every, every), OK);
      assert.equal(await client.command("GET", every), `$256\r\n${text}\r\n`);
      assert.equal(await client.command("KEYS", "*"), `*1\r\n$256\r\n${text}\r\n`);
      const large = Buffer.alloc(1024 * 1024, every);
      assert.equal(await client.command("SET", "large", large), OK);
      assert.equal(
        await client.command("GET", "large"),
        `$1048576\r\n${large.toString("latin1")}\r\n`,
      );
    });
  });

  it("limits are told in words, and nothing is applied", async () => {
    const limits = { ...DEFAULT_LIMITS, keySizeMax: 8, valueSizeMax: 16, requestSizeMax: 4096 };
    await withDoor(
      async ({ client, service }) => {
        const many = Array.from({ length: 70 }, (_, i) => [`key${i}`, "0123456789"]).flat();
        const refused: readonly (readonly [args: readonly string[], want: RegExp])[] = [
          [["SET", "123456789", "v"], /^-ERR key of 9 bytes is over the limit of 8 bytes\r\n$/],
          [
            ["SET", "k", "x".repeat(17)],
            /^-ERR value of 17 bytes is over the limit of 16 bytes\r\n$/,
          ],
          [["MSET", ...many], /^-ERR request of \d+ bytes .*over the limit of 4096 bytes\r\n$/],
        ];
        for (const [args, want] of refused) assert.match(await client.command(...args), want);
        assert.equal(await client.command("APPEND", "k", "x".repeat(16)), ":16\r\n");
        // What it makes of a value is bounded by the default, on every node alike.
        assert.equal(await client.command("APPEND", "k", "x"), ":17\r\n");
        const value = new Uint8Array(DEFAULT_LIMITS.valueSizeMax);
        const put = { kind: "put", key: Buffer.from("large"), value, condition: "none" } as const;
        service.store.apply({ id: new Uint8Array(0), commands: [put] });
        assert.equal(
          await client.command("APPEND", "large", "x"),
          "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
        );
        assert.equal(service.store.revision, 4);
        client.send("*2\r\n$3\r\nGET\r\n$1041\r\n");
        assert.equal(await client.rest(), "-ERR Protocol error: invalid bulk length\r\n");
      },
      { limits },
    );
  });

  it("SCAN meets every key that is there all the time, whatever else comes and goes", async () => {
    await withDoor(async ({ client, port }) => {
      const stable = Array.from({ length: 500 }, (_, i) => `s${i}`);
      await client.command("MSET", ...stable.flatMap((key) => [key, ""]));
      const other = await RespClient.connect(port);
      const seen = new Set<string>();
      let cursor = "0";
      let pages = 0;
      do {
        const reply = await client.command("SCAN", cursor, "COUNT", "7");
        const [next = "", ...keys] = [...reply.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(
          (match) => match[1] ?? "",
        );
        for (const key of keys) {
          assert.ok(!stable.includes(key) || !seen.has(key), "no key twice");
          seen.add(key);
        }
        cursor = next;
        pages++;
        // What was just seen goes, and other keys come before and behind it.
        await other.command("MSET", `a${pages}`, "", `s${pages * 3}x`, "", `z${pages}`, "");
        await other.command(
          "DEL",
          `a${pages - 1}`,
          `s${pages * 3 - 3}x`,
          keys.find((key) => !stable.includes(key)) ?? "none",
        );
      } while (cursor !== "0");
      other.close();
      assert.deepEqual(
        stable.filter((key) => !seen.has(key)),
        [],
      );
      assert.ok(pages > 50);
    });
  });

  it("KEYS and SCAN stop where matching has been work enough, and go on", async () => {
    await withDoor(async ({ client, service }) => {
      const commands = Array.from({ length: 40 }, (_, i) => ({
        kind: "put" as const,
        key: Buffer.from(`${"a".repeat(8180)}${String(i).padStart(4, "0")}`),
        value: Buffer.alloc(0),
        condition: "none" as const,
      }));
      service.store.apply({ id: new Uint8Array(0), commands });
      service.stepMs = 10;
      const pattern = `*${"a".repeat(4000)}b`;
      assert.equal(await client.command("KEYS", pattern), "*0\r\n");
      // Four keys at a time.
      assert.equal(service.localReadCount, 9);
      const reply = await client.command("SCAN", "0", "COUNT", "10000", "MATCH", pattern);
      assert.ok(!reply.startsWith("*2\r\n$1\r\n0\r\n"), "there is more");
    });
  });

  it("KEYS looks at a large store page by page, while others have their turn", async () => {
    await withDoor(async ({ client, service }) => {
      const commands = Array.from({ length: 25_000 }, (_, i) => ({
        kind: "put" as const,
        key: Buffer.from(`k${i}`),
        value: Buffer.alloc(0),
        condition: "none" as const,
      }));
      service.store.apply({ id: new Uint8Array(0), commands });
      // Each page takes longer than there is time in one go.
      service.stepMs = 10;
      const reply = await client.command("KEYS", "k*");
      assert.ok(reply.startsWith("*25000\r\n"));
      assert.deepEqual([service.readCount, service.localReadCount], [1, 2]);
      const one = await client.command("KEYS", "k1234?");
      assert.ok(one.startsWith("*10\r\n"));
      assert.deepEqual([service.readCount, service.localReadCount], [2, 3]);
    });
  });
});
