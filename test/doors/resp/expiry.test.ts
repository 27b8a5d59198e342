import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ABSENT, OK, bulk, arity, NOT_INTEGER, SYNTAX, INVALID, itAnswers } from "./reply-table.js";
import type { Table } from "./reply-table.js";
import { elementsOf } from "./resp-client.js";
import { until, withDoor } from "./serve.js";

const tables: readonly Table[] = [
  {
    title: "SET, SETEX, PSETEX and GETEX with a time to live",
    lines: [
      ["SET a 1 EX 10", OK],
      ["TTL a", ":10\r\n"],
      ["PTTL a", ":10000\r\n"],
      ["SET a 2 KEEPTTL", OK],
      ["TTL a", ":10\r\n"],
      ["INCR a", ":3\r\n"],
      ["APPEND a 0", ":2\r\n"],
      ["TTL a", ":10\r\n"],
      ["GETSET a 1", bulk("30")],
      ["TTL a", ":-1\r\n"],
      ["SET a 1 PX 1500", OK],
      ["TTL a", ":2\r\n"],
      ["SET a 1", OK],
      ["TTL a", ":-1\r\n"],
      ["SET a 2 NX EX 5", ABSENT],
      ["TTL a", ":-1\r\n"],
      ["SET a 2 XX EX 5 GET", bulk("1")],
      ["TTL a", ":5\r\n"],
      ["SET a 1 EX 10 EX 20", OK],
      ["TTL a", ":20\r\n"],
      ["SET a 1 EXAT 1700000100", OK],
      ["TTL a", ":100\r\n"],
      ["EXPIRETIME a", ":1700000100\r\n"],
      ["SET a 1 PXAT 1700000000001", OK],
      ["PEXPIRETIME a", ":1700000000001\r\n"],
      ["SET b 1", OK],
      ["SET b 2 NX EXAT 1", ABSENT],
      ["SET b 2 XX GET EXAT 1", bulk("1")],
      ["GET b", ABSENT],
      ["SET b 2 XX EXAT 1", ABSENT],
      ["SET b 2 NX EXAT 1", OK],
      ["SET b 2 EXAT 1", OK],
      ["GET b", ABSENT],
      ["SETEX a 7 v", OK],
      ["TTL a", ":7\r\n"],
      ["PSETEX a 7 v", OK],
      ["PTTL a", ":7\r\n"],
      ["GETEX a", bulk("v")],
      ["PTTL a", ":7\r\n"],
      ["GETEX a EX 9", bulk("v")],
      ["TTL a", ":9\r\n"],
      ["GETEX a PERSIST", bulk("v")],
      ["TTL a", ":-1\r\n"],
      ["GETEX a PXAT 1", bulk("v")],
      ["GETEX a PXAT 1", ABSENT],
      ["EXISTS a", ":0\r\n"],
      ["SET a 1 EX 0", INVALID("set")],
      ["SET a 1 PX -1", INVALID("set")],
      ["SET a 1 PX 9000000000000", OK],
      ["SET a 1 PX 9000000000001", INVALID("set")],
      ["SET a 1 EXAT 9223372036854775807", INVALID("set")],
      ["SET a 1 EX x", NOT_INTEGER],
      ["SET a 1 EX 10 KEEPTTL", SYNTAX],
      ["SET a 1 PERSIST", SYNTAX],
      ["SETEX a 0 v", INVALID("setex")],
      ["PSETEX a -1 v", INVALID("psetex")],
      ["SETEX a x v", NOT_INTEGER],
      ["GETEX a EX 0", INVALID("getex")],
      ["GETEX none EX 0", ABSENT],
      ["GETEX a EX", SYNTAX],
      ["GETEX a EX 1 PERSIST", SYNTAX],
      ["GETEX a PERSIST EX 1", SYNTAX],
      ["GETEX a KEEPTTL", SYNTAX],
      ['GETEX "" EX 1', ABSENT],
    ],
  },
  {
    title: "EXPIRE and its family, TTL and its, and PERSIST",
    lines: [
      ["TTL a", ":-2\r\n"],
      ["EXPIRE a 10", ":0\r\n"],
      ["PERSIST a", ":0\r\n"],
      ["SET a 1", OK],
      ["PERSIST a", ":0\r\n"],
      ["PTTL a", ":-1\r\n"],
      ["EXPIRETIME a", ":-1\r\n"],
      ["EXPIRE a 10 XX", ":0\r\n"],
      ["EXPIRE a 10 GT", ":0\r\n"],
      ["EXPIRE a 10 NX", ":1\r\n"],
      ["EXPIRE a 20 NX", ":0\r\n"],
      ["EXPIRE a 10 GT", ":0\r\n"],
      ["EXPIRE a 10 LT", ":0\r\n"],
      ["TTL a", ":10\r\n"],
      ["EXPIRE a 20 xx gt", ":1\r\n"],
      ["TTL a", ":20\r\n"],
      ["PEXPIRE a 5000 LT", ":1\r\n"],
      ["PTTL a", ":5000\r\n"],
      ["EXPIREAT a 1700000030", ":1\r\n"],
      ["TTL a", ":30\r\n"],
      ["PEXPIREAT a 1700000030001 GT", ":1\r\n"],
      ["PEXPIREAT a 1700000030000 GT", ":0\r\n"],
      ["PEXPIRETIME a", ":1700000030001\r\n"],
      ["PERSIST a", ":1\r\n"],
      ["TTL a", ":-1\r\n"],
      ["EXPIRE a 5 LT", ":1\r\n"],
      ["PEXPIREAT a 1 GT", ":0\r\n"],
      ["EXISTS a", ":1\r\n"],
      ["PEXPIREAT a 1", ":1\r\n"],
      ["EXISTS a", ":0\r\n"],
      ["SET a 1", OK],
      ["EXPIRE a 0", ":1\r\n"],
      ["EXISTS a", ":0\r\n"],
      ["SET a 1", OK],
      ["EXPIRE a -1 NX", ":1\r\n"],
      ["EXISTS a", ":0\r\n"],
      ["SET a 1", OK],
      ["EXPIREAT a -1", ":1\r\n"],
      ["EXPIREAT a -1", ":0\r\n"],
      ["EXPIRE a x", NOT_INTEGER],
      ["EXPIRE a 9223372036854775807", INVALID("expire")],
      ["EXPIRE a -9223372036854775808", INVALID("expire")],
      ["PEXPIRE a 9000000000001", INVALID("pexpire")],
      [
        "EXPIRE a 1 NX XX",
        "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
      ],
      ["EXPIRE a 1 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"],
      ["EXPIRE a x bogus", "-ERR Unsupported option bogus\r\n"],
      ["EXPIRE a", arity("expire")],
      ["TTL", arity("ttl")],
      ['EXPIRE "" 10', ":0\r\n"],
      ['EXPIRE "" 10 NX', ":0\r\n"],
      ['PERSIST ""', ":0\r\n"],
    ],
  },
];

describe("the RESP door's expiry", () => {
  itAnswers(tables);

  it("ends a key when its time is over, not before, and tells what is left", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("SET", "k", "v", "EX", "10");
      await client.command("SET", "stays", "v");
      service.pass(2500);
      assert.equal(await client.command("TTL", "k"), ":8\r\n");
      assert.equal(await client.command("PTTL", "k"), ":7500\r\n");
      assert.equal(await client.command("PEXPIRETIME", "k"), ":1700000010000\r\n");
      service.pass(7499);
      assert.equal(await client.command("GET", "k"), "$1\r\nv\r\n");
      assert.equal(await client.command("TTL", "k"), ":0\r\n");
      service.pass(1);
      assert.equal(await client.command("GET", "k"), ABSENT);
      assert.equal(await client.command("TTL", "k"), ":-2\r\n");
      service.pass(1_000_000);
      assert.equal(await client.command("TTL", "stays"), ":-1\r\n");
    });
  });

  it("decides a conditional EXPIRE on what is there when it is applied", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("SET", "k", "v");
      service.held = true;
      client.send("EXPIRE k 10 NX\r\n");
      await until(() => service.readCount === 1);
      service.release();
      service.held = true;
      await until(() => service.executeCount === 2);
      // Another client is faster.
      const key = Buffer.from("k");
      const expiry = { kind: "ttl", ttl: 99_000 } as const;
      service.store.apply(
        { id: Buffer.alloc(0), commands: [{ kind: "setExpiry", key, expiry }] },
        service.time,
      );
      service.release();
      assert.equal(await client.reply(), ":0\r\n");
      assert.equal(await client.command("TTL", "k"), ":99\r\n");
      assert.equal(service.executeCount, 2);
    });
  });

  it("decides a conditional EXPIRE in its place among other commands", async () => {
    await withDoor(async ({ client }) => {
      client.send(
        "SET k v EX 100\r\nMULTI\r\nEXPIRE k 50 GT\r\nPERSIST k\r\nEXPIRE k 50 NX\r\nEXPIRE k 40 LT\r\n" +
          "EXPIRE none 5 NX\r\nSET none v\r\nEXPIRE none 5 LT\r\nTTL none\r\nDEL k\r\nEXPIRE k 5 LT\r\nEXEC\r\n",
      );
      const replies = await client.replies(13);
      assert.deepEqual(elementsOf(replies[12] ?? ""), [
        ":0\r\n",
        ":1\r\n",
        ":1\r\n",
        ":1\r\n",
        ":0\r\n",
        "+OK\r\n",
        ":1\r\n",
        ":5\r\n",
        ":1\r\n",
        ":0\r\n",
      ]);
    });
  });
});
