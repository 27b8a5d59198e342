import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../../src/errors.js";
import { RespClient } from "./resp-client.js";
import { PausingScene } from "./pausing-scene.js";
import { turns, until, withDoor } from "./serve.js";

describe("a RESP pipeline", () => {
  it("lets a read see the writes before it and none behind it", async () => {
    await withDoor(async ({ client }) => {
      client.send("SET a 1\r\nGET a\r\nSET a 2\r\nINCR a\r\nGET a\r\nDEL a\r\nGET a\r\n");
      assert.deepEqual(await client.replies(7), [
        "+OK\r\n",
        "$1\r\n1\r\n",
        "+OK\r\n",
        ":3\r\n",
        "$1\r\n3\r\n",
        ":1\r\n",
        "$-1\r\n",
      ]);
    });
  });

  it("issues consecutive writes without waiting, and consecutive reads as one look", async () => {
    await withDoor(async ({ client, service }) => {
      service.held = true;
      client.send(
        `${"INCR n\r\n".repeat(10)}${"GET n\r\n".repeat(10)}PING\r\nEXISTS n\r\nSET n 0\r\n`,
      );
      await until(() => service.executeCount >= 10);
      await turns(5);
      assert.equal(service.executeCount, 10);
      assert.equal(service.readCount, 0);
      service.release();
      const replies = await client.replies(23);
      assert.deepEqual(
        replies.slice(0, 10),
        Array.from({ length: 10 }, (_, i) => `:${i + 1}\r\n`),
      );
      assert.deepEqual(replies.slice(10), [
        ...Array.from({ length: 10 }, () => "$2\r\n10\r\n"),
        "+PONG\r\n",
        ":1\r\n",
        "+OK\r\n",
      ]);
      assert.equal(service.readCount, 1);
      assert.equal(service.executeCount, 11);
    });
  });

  it("of reads that take long is served a few at a time, and plain GETs wait for none of them", async () => {
    await withDoor(async ({ client, service, port }) => {
      await client.command("SET", "k", "v");
      const other = await RespClient.connect(port);
      service.stepMs = 1;
      service.held = true;
      client.send("SCAN 0 COUNT 10000 MATCH *z\r\n".repeat(100));
      await until(() => service.readCount === 1);
      other.send("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
      await until(() => service.readCount === 2);
      service.release();
      assert.equal(await other.reply(), "$1\r\nv\r\n");
      assert.deepEqual(new Set(await client.replies(100)), new Set(["*2\r\n$1\r\n0\r\n*0\r\n"]));
      other.close();
      // Two of them in one go.
      assert.deepEqual([service.readCount, service.localReadCount], [2, 49]);
    });
  });

  it("looks up again what waits while its client takes nothing, though it was looked up with the rest", () => {
    const scene = new PausingScene();
    scene.put("k", "old");
    scene.ask(20, "k");
    scene.room = 5;
    scene.look();
    assert.deepEqual(scene.replies(), new Array(5).fill("$3\r\nold\r\n"));
    scene.put("k", "other");
    scene.room = 1;
    scene.goOn();
    scene.delete("k");
    scene.room = Infinity;
    scene.goOn();
    assert.deepEqual(scene.replies(), [
      "$5\r\nother\r\n",
      ...new Array<string>(14).fill("$-1\r\n"),
    ]);
  });

  it("of EXECs that scan is served a few scans at a time", async () => {
    await withDoor(async ({ client, service }) => {
      service.stepMs = 1;
      client.send(`MULTI\r\nSET k v\r\n${"SCAN 0\r\n".repeat(100)}EXEC\r\n`);
      const replies = await client.replies(103);
      assert.ok(replies.at(-1)?.startsWith("*101\r\n+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"));
      // One for the revision it has come to.
      assert.ok(service.localReadCount >= 49, `${service.localReadCount} turns`);
    });
  });

  it("keeps replies in order when local commands stand between slow ones", async () => {
    await withDoor(async ({ client, service }) => {
      service.held = true;
      client.send("SET a 1\r\nPING\r\nHELLO 3\r\nGET none\r\nRESET\r\nGET none\r\nnosuch\r\n");
      await until(() => service.executeCount === 1);
      service.release();
      const replies = await client.replies(7);
      assert.deepEqual(
        replies.map((reply) => reply.slice(0, 5)),
        ["+OK\r\n", "+PONG", "%7\r\n$", "_\r\n", "+RESE", "$-1\r\n", "-ERR "],
      );
    });
  });

  it("of any length is answered whole, though only so much is taken at once", async () => {
    await withDoor(async ({ client, service }) => {
      const count = 20_000;
      service.held = true;
      client.send("SET k v\r\n".repeat(count));
      await until(() => service.executeCount > 0);
      await turns(50);
      assert.ok(service.executeCount <= 4096, `${service.executeCount} writes under way`);
      service.release();
      assert.deepEqual(new Set(await client.replies(count)), new Set(["+OK\r\n"]));
      client.send("PING\r\n".repeat(count));
      assert.equal((await client.replies(count)).length, count);
      client.send("GET k\r\n".repeat(count));
      assert.deepEqual(new Set(await client.replies(count)), new Set(["$1\r\nv\r\n"]));
    });
  });

  it("is answered to its end when the client says that it will send no more", async () => {
    await withDoor(async ({ client }) => {
      client.send("SET a 1\r\nGET a\r\nINCR a\r\n");
      client.endInput();
      assert.equal(await client.rest(), "+OK\r\n$1\r\n1\r\n:2\r\n");
    });
  });

  it("answers what came before a protocol error, then the error, then closes", async () => {
    await withDoor(async ({ client, service }) => {
      client.send("SET a 1\r\n*1\r\n!\r\nSET a 2\r\n");
      assert.equal(await client.rest(), "+OK\r\n-ERR Protocol error: expected '$', got '!'\r\n");
      assert.equal(service.executeCount, 1);
    });
  });

  it("of a client that goes away is forgotten, and the door serves on", async () => {
    await withDoor(async ({ client, service, port, door }) => {
      const other = await RespClient.connect(port);
      service.held = true;
      other.send("SET a 1\r\nGET a\r\nSET a 2\r\n");
      await until(() => service.executeCount === 1);
      other.close();
      service.release();
      await until(() => door.connectionCount === 1);
      assert.equal(await client.command("EXISTS", "a"), ":1\r\n");
    });
  });

  const failures: readonly (readonly [error: DatabaseError, want: RegExp])[] = [
    [new DatabaseError("NO_LEADER", "no leader is known"), /^-CLUSTERDOWN no leader is known\r\n$/],
    [new DatabaseError("TIMEOUT", "no answer in 5000 ms"), /^-CLUSTERDOWN no answer/],
    [new DatabaseError("CLOSED", "the node is closed"), /^-CLUSTERDOWN the node is closed/],
    [new DatabaseError("BUSY", "too much is waiting"), /^-BUSY too much is waiting\r\n$/],
    [new DatabaseError("DISK_FULL", "no room"), /^-MISCONF no room\r\n$/],
    [
      new DatabaseError("OUTCOME_UNKNOWN", "cut off\r\nafter sending", { requestId: "c0ffee" }),
      /^-UNKNOWN the write may or may not have been applied \(request c0ffee\): cut off {2}after sending\r\n$/,
    ],
    [
      new DatabaseError("OUTCOME_UNKNOWN", "cut off"),
      /^-UNKNOWN .*\(it carried no request id\): cut off\r\n$/,
    ],
    [new DatabaseError("STORAGE_FAILED", "disk full"), /^-ERR disk full\r\n$/],
  ];
  for (const [error, want] of failures) {
    it(`answers ${error.code} (${error.message.slice(0, 8)}) as ${String(want).slice(2, 16)}, and goes on`, async () => {
      await withDoor(async ({ client, service }) => {
        service.executeError = error;
        service.readError = error;
        client.send("SET a 1\r\nSET b 1\r\nGET a\r\nPING\r\nGET a\r\n");
        const replies = await client.replies(5);
        for (const i of [0, 1, 2, 4]) assert.match(replies[i] ?? "", want);
        assert.equal(replies[3], "+PONG\r\n");
        service.executeError = undefined;
        service.readError = undefined;
        assert.equal(await client.command("GET", "a"), "$-1\r\n");
      });
    });
  }

  it("says how much a reply would hold that is too large for one, and goes on", async () => {
    await withDoor(async ({ client }) => {
      const value = "v".repeat(1024 * 1024);
      await client.command("SET", "k", value);
      const many = (count: number): string[] => Array.from({ length: count }, () => "k");
      assert.equal(
        await client.command("MGET", ...many(80)),
        "-ERR the values of the first 33 keys have 34603008 bytes, and one reply at most 33554432: ask for fewer at once\r\n",
      );
      assert.equal(await client.command("STRLEN", "k"), ":1048576\r\n");
    });
  });
});
