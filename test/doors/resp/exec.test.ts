/** Transactions among other connections, in pipelines, when things fail, and at their limits. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../../src/errors.js";
import { DEFAULT_LIMITS } from "../../../src/store/command.js";
import { ABORTED, ABSENT, array, bulk, NOTHING, OK, QUEUED } from "./reply-table.js";
import { elementsOf, encodeCommand, RespClient } from "./resp-client.js";
import { turns, until, withDoor } from "./serve.js";

describe("a RESP transaction", () => {
  it("is done at the first conflict with what was watched, whoever made it", async () => {
    await withDoor(async ({ client, port, service }) => {
      const other = await RespClient.connect(port);
      const changes: readonly (readonly [change: readonly string[], want: string])[] = [
        [["SET", "k", "w"], NOTHING],
        [["SET", "k", "v"], NOTHING],
        [["EXPIRE", "k", "100"], NOTHING],
        [["PERSIST", "k"], array(OK)],
        [["EXPIRE", "k", "100", "XX"], array(OK)],
        [["APPEND", "k", ""], NOTHING],
        [["DEL", "k"], NOTHING],
        [["FLUSHALL"], NOTHING],
        [["SET", "elsewhere", "w"], array(OK)],
        [["GET", "k"], array(OK)],
      ];
      for (const [change, want] of changes) {
        await client.command("SET", "k", "v");
        assert.equal(await client.command("WATCH", "other", "k"), OK);
        await other.command(...change);
        await client.command("MULTI");
        await client.command("SET", "done", change.join(" "));
        assert.equal(await client.command("EXEC"), want, change.join(" "));
        // It is forgotten, whatever came of it.
        await client.command("MULTI");
        assert.equal(await client.command("EXEC"), array());
      }
      await client.command("SET", "k", "v", "PX", "50");
      await client.command("WATCH", "k");
      service.pass(50);
      await client.command("MULTI");
      await client.command("SET", "done", "expired");
      assert.equal(await client.command("EXEC"), NOTHING);
      assert.equal(await client.command("GET", "done"), bulk("GET k"));
      other.close();
    });
  });

  it("of reads alone is checked against what was watched too", async () => {
    await withDoor(async ({ client, port, service }) => {
      const other = await RespClient.connect(port);
      for (const read of ["GET k", "PING", "DBSIZE", "KEYS *"]) {
        client.send(`SET k v\r\nWATCH k\r\nMULTI\r\n${read}\r\n`);
        await client.replies(4);
        const { executeCount } = service;
        await other.command("SET", "k", "w");
        assert.equal(await client.command("EXEC"), NOTHING, read);
        assert.equal(service.executeCount, executeCount + 1, "nothing was proposed for it");
      }
      other.close();
    });
  });

  it("begins when what it watches is seen, and an UNWATCH before it does not come late", async () => {
    await withDoor(async ({ client }) => {
      client.send(
        "SET k 1\r\nWATCH k\r\nSET k 2\r\nUNWATCH\r\nMULTI\r\nINCR k\r\nEXEC\r\n" +
          "WATCH k\r\nINCR k\r\nMULTI\r\nINCR k\r\nEXEC\r\nMULTI\r\nINCR k\r\nEXEC\r\n" +
          "WATCH k\r\nMULTI\r\nINCR k\r\nDISCARD\r\nINCR k\r\nMULTI\r\nGET k\r\nEXEC\r\n",
      );
      const replies = await client.replies(23);
      assert.deepEqual(
        [6, 11, 14, 22].map((i) => replies[i]),
        [array(":3\r\n"), NOTHING, array(":5\r\n"), array(bulk("6"))],
      );
    });
  });

  it("is refused when a WATCH could not be answered, which the client may have overlooked", async () => {
    await withDoor(async ({ client, service }) => {
      service.readError = new DatabaseError("NO_LEADER", "no leader is known");
      assert.equal(await client.command("WATCH", "k"), "-CLUSTERDOWN no leader is known\r\n");
      service.readError = undefined;
      assert.equal(await client.command("WATCH", "j"), OK);
      client.send("MULTI\r\nSET k 1\r\nEXEC\r\nMULTI\r\nSET k 2\r\nEXEC\r\n");
      const replies = await client.replies(6);
      assert.match(replies[2] ?? "", /^-EXECABORT Transaction discarded because of: a WATCH/);
      assert.equal(replies[5], array(OK));
    });
  });

  const failures: readonly (readonly [error: DatabaseError, want: RegExp])[] = [
    [new DatabaseError("NO_LEADER", "no leader is known"), /^-CLUSTERDOWN no leader/],
    [new DatabaseError("BUSY", "too much is waiting"), /^-BUSY too much/],
    [new DatabaseError("OUTCOME_UNKNOWN", "cut off"), /^-UNKNOWN the write may or may not/],
  ];
  for (const [error, want] of failures) {
    it(`that ended with ${error.code} has one reply that says so`, async () => {
      await withDoor(async ({ client, service }) => {
        for (const watch of ["PING", "WATCH k"]) {
          for (const also of ["PING", "DBSIZE", "MSETNX k 1"]) {
            await client.command(...watch.split(" "));
            service.executeError = error;
            client.send(`MULTI\r\nSET k 1\r\n${also}\r\nEXEC\r\nPING\r\n`);
            const replies = await client.replies(5);
            assert.match(replies[3] ?? "", want);
            assert.equal(replies[4], "+PONG\r\n");
            service.executeError = undefined;
          }
        }
        service.readError = error;
        client.send("MULTI\r\nGET k\r\nEXEC\r\nMULTI\r\nGET k\r\nKEYS *\r\nEXEC\r\n");
        const replies = await client.replies(7);
        assert.match(replies[2] ?? "", want);
        assert.match(replies[6] ?? "", want);
      });
    });
  }

  it("goes through the pipeline with others, none waiting for another", async () => {
    await withDoor(async ({ client, service }) => {
      service.held = true;
      client.send("MULTI\r\nINCR n\r\nGET n\r\nEXEC\r\n".repeat(100) + "GET n\r\n");
      await until(() => service.executeCount >= 100);
      assert.equal(service.executeCount, 100);
      service.release();
      const replies = await client.replies(401);
      for (let i = 0; i < 100; i++) {
        assert.equal(replies[i * 4 + 3], array(`:${i + 1}\r\n`, bulk(String(i + 1))));
      }
      assert.equal(replies[400], bulk("100"));
    });
  });

  it("of reads of single keys shares one look with the reads around it", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("SET", "a", "1");
      client.send("GET a\r\nMULTI\r\nGET a\r\nPING\r\nSTRLEN a\r\nEXEC\r\nGET a\r\n");
      const replies = await client.replies(7);
      assert.equal(replies[5], array(bulk("1"), "+PONG\r\n", ":1\r\n"));
      assert.equal(service.readCount, 1);
      assert.equal(service.executeCount, 1);
    });
  });

  it("sees its own writes and nobody else's, whatever comes between the request and the answer", async () => {
    await withDoor(async ({ client, port, service }) => {
      const other = await RespClient.connect(port);
      await client.command("MSET", "a", "1", "b", "1");
      service.held = true;
      client.send("MULTI\r\nDBSIZE\r\nSET c 1\r\nKEYS *\r\nDEL a\r\nDBSIZE\r\nSCAN 0\r\nEXEC\r\n");
      await until(() => service.executeCount === 2);
      other.send("MSET x 1 y 1 z 1\r\nDEL b\r\n");
      await until(() => service.executeCount === 4);
      // Both are applied before the first is answered.
      service.release();
      const replies = await client.replies(8);
      assert.equal(
        replies[7],
        array(
          ":2\r\n",
          OK,
          array(bulk("a"), bulk("b"), bulk("c")),
          ":1\r\n",
          ":2\r\n",
          array(bulk("0"), array(bulk("b"), bulk("c"))),
        ),
      );
      other.close();
    });
  });

  it("with KEYS of a large store is of one moment, page by page", async () => {
    await withDoor(async ({ client, service }) => {
      const keys = Array.from({ length: 25_000 }, (_, i) => Buffer.from(`k${i}`));
      const puts = keys.map((key) => ({
        kind: "put" as const,
        key,
        value: Buffer.alloc(0),
        condition: "none" as const,
      }));
      service.store.apply({ id: Buffer.alloc(0), commands: puts });
      const before = service.store.revision;
      service.stepMs = 10;
      const whenRevision = service.whenRevision.bind(service);
      service.whenRevision = (...asked) => {
        // Between two looks the whole store changes.
        const commands = [
          { kind: "deleteRange" as const, key: Buffer.from("k1"), end: Buffer.from("k2") },
        ];
        service.store.apply({ id: Buffer.alloc(0), commands });
        service.store.apply({ id: Buffer.alloc(0), commands: puts.slice(0, 5) });
        return whenRevision(...asked);
      };
      client.send("MULTI\r\nKEYS k*\r\nDBSIZE\r\nGET k0\r\nEXEC\r\n");
      await client.replies(4);
      const reply = await client.reply();
      const [found = "", size, first] = elementsOf(reply);
      assert.equal(elementsOf(found).length, 25_000);
      assert.equal(size, ":25000\r\n");
      assert.equal(first, bulk(""));
      assert.ok(service.store.revision > before);
      assert.ok(service.localReadCount >= 3);
    });
  });

  it("says so in its place when what it has met is compacted before it is looked at", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("SET", "a", "1");
      const whenRevision = service.whenRevision.bind(service);
      service.whenRevision = (revision, ...rest) => {
        service.store.apply({ id: Buffer.alloc(0), commands: [{ kind: "compact", revision }] });
        return whenRevision(revision, ...rest);
      };
      client.send("MULTI\r\nGET a\r\nSET b 2\r\nDBSIZE\r\nGET b\r\nEXEC\r\n");
      const elements = elementsOf((await client.replies(6))[5] ?? "");
      assert.deepEqual([elements[0], elements[1], elements[3]], [bulk("1"), OK, bulk("2")]);
      assert.match(elements[2] ?? "", /^-ERR what the transaction has met is compacted/);
    });
  });

  it("with MSETNX decides anew when its keys have changed since it looked", async () => {
    await withDoor(async ({ client, service }) => {
      service.held = true;
      client.send("MULTI\r\nINCR n\r\nMSETNX a 1 b 2\r\nMGET a b n\r\nEXEC\r\n");
      await until(() => service.readCount === 1);
      service.release();
      service.held = true;
      await until(() => service.executeCount === 1);
      const put = { kind: "put", key: Buffer.from("b"), value: Buffer.from("x") } as const;
      service.store.apply({ id: Buffer.alloc(0), commands: [{ ...put, condition: "none" }] });
      service.release();
      const replies = await client.replies(5);
      assert.equal(replies[4], array(":1\r\n", ":0\r\n", array(ABSENT, bulk("x"), bulk("1"))));
      assert.equal(service.executeCount, 2);
    });
  });

  it("with a conditional EXPIRE does not mind that the value changes meanwhile", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("SET", "n", "1", "EX", "100");
      service.held = true;
      client.send("MULTI\r\nINCR n\r\nEXPIRE n 60 NX\r\nTTL n\r\nEXEC\r\n");
      await until(() => service.readCount === 1);
      service.release();
      service.held = true;
      await until(() => service.executeCount === 2);
      const increment = { kind: "increment", key: Buffer.from("n"), by: 5n } as const;
      service.store.apply({ id: Buffer.alloc(0), commands: [increment] });
      service.release();
      const replies = await client.replies(5);
      assert.equal(replies[4], array(":7\r\n", ":0\r\n", ":100\r\n"));
      assert.equal(service.executeCount, 2);
    });
  });

  it("that many begin at once with INCR and EXPIRE NX counts all and sets the time once", async () => {
    await withDoor(async ({ client, port }) => {
      const others = await Promise.all(
        Array.from({ length: 20 }, async () => RespClient.connect(port)),
      );
      const work = "MULTI\r\nINCR n\r\nEXPIRE n 60 NX\r\nEXEC\r\n".repeat(5);
      for (const each of others) each.send(work);
      const replies = await Promise.all(others.map(async (each) => each.replies(20)));
      const done = replies.flatMap((each) => [3, 7, 11, 15, 19].map((i) => each[i] ?? ""));
      assert.equal(done.filter((reply) => elementsOf(reply)[1] === ":1\r\n").length, 1);
      assert.equal(await client.command("GET", "n"), bulk("100"));
      for (const each of others) each.close();
    });
  });

  it("with MSETNX on what was watched is null, not tried again", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("WATCH", "a", "b");
      service.held = true;
      client.send("MULTI\r\nMSETNX a 1 b 2\r\nEXEC\r\n");
      await until(() => service.readCount === 2);
      service.release();
      service.held = true;
      await until(() => service.executeCount === 1);
      const put = { kind: "put", key: Buffer.from("b"), value: Buffer.from("x") } as const;
      service.store.apply({ id: Buffer.alloc(0), commands: [{ ...put, condition: "none" }] });
      service.release();
      assert.equal((await client.replies(3))[2], NOTHING);
      assert.equal(service.executeCount, 1);
    });
  });

  it("is forgotten with its connection", async () => {
    await withDoor(async ({ client, port, service, door }) => {
      const other = await RespClient.connect(port);
      other.send("WATCH k\r\nMULTI\r\nSET k 1\r\n");
      await other.replies(3);
      other.close();
      await until(() => door.connectionCount === 1);
      assert.equal(service.executeCount, 0);
      assert.equal(await client.command("EXEC"), "-ERR EXEC without MULTI\r\n");
    });
  });

  it("whose connection breaks after its look is not begun", async () => {
    await withDoor(async ({ port, service, door }) => {
      const other = await RespClient.connect(port);
      service.held = true;
      other.send("MULTI\r\nMSETNX k 1\r\nEXEC\r\n");
      await until(() => service.readCount === 1);
      other.reset();
      await until(() => door.connectionCount === 1);
      service.release();
      await turns(5);
      assert.equal(service.executeCount, 0);
    });
  });

  it("gives back what it kept when its connection goes, or quits in the midst of it", async () => {
    await withDoor(
      async ({ client, port, door }) => {
        const set = encodeCommand(["SET", "k", Buffer.alloc(8000)]);
        for (const quits of [false, true]) {
          const other = await RespClient.connect(port);
          other.send("WATCH k\r\nMULTI\r\n");
          other.send(set);
          assert.deepEqual(await other.replies(3), [OK, OK, QUEUED]);
          await client.command("MULTI");
          client.send(set);
          assert.match(await client.reply(), /^-BUSY/);
          assert.equal(await client.command("EXEC"), ABORTED);
          if (quits) assert.equal(await other.command("QUIT"), OK);
          other.close();
          await until(() => door.connectionCount === 1);
          await client.command("MULTI");
          client.send(set);
          assert.equal(await client.reply(), QUEUED);
          assert.equal(await client.command("EXEC"), array(OK));
        }
      },
      { respOptions: { heldSizeMax: 10_000 } },
    );
  });

  it("may change the protocol in the midst of its reply", async () => {
    await withDoor(async ({ client }) => {
      client.send(
        "MULTI\r\nGET x\r\nSET y 1\r\nHELLO 3\r\nGET x\r\nEXEC\r\nWATCH y\r\nSET y 2\r\nMULTI\r\nEXEC\r\n",
      );
      const replies = await client.replies(10);
      const elements = elementsOf(replies[5] ?? "");
      assert.equal(elements[0], ABSENT);
      assert.match(elements[2] ?? "", /^%7\r\n/);
      assert.equal(elements[3], "_\r\n");
      assert.equal(replies[9], "_\r\n");
    });
  });

  it("of too many commands, or too large, is refused in words and then as a whole", async () => {
    await withDoor(async ({ client, service }) => {
      await client.command("MULTI");
      const count = 70_000;
      client.send("PING\r\n".repeat(count));
      const replies = await client.replies(count);
      assert.equal(
        replies.indexOf("-ERR the transaction is too large: more than 65536 commands\r\n"),
        65_536,
      );
      assert.equal(replies.filter((reply) => reply === QUEUED).length, count - 1);
      assert.equal(await client.command("EXEC"), ABORTED);

      await client.command("MULTI");
      const large = Buffer.alloc(1024 * 1024);
      const answers: string[] = [];
      for (const key of ["a", "b", "c", "d", "e"])
        answers.push(await client.command("SET", key, large));
      assert.deepEqual(answers.slice(0, 3), [QUEUED, QUEUED, QUEUED]);
      assert.match(answers[3] ?? "", /^-ERR the transaction is too large: more than 4194304 bytes/);
      assert.equal(answers[4], QUEUED);
      assert.equal(await client.command("EXEC"), ABORTED);
      assert.equal(service.executeCount, 0);
    });
  });

  it("fits the largest request whatever it is made of, or is refused", async () => {
    const limits = { ...DEFAULT_LIMITS, requestSizeMax: 4096 };
    await withDoor(
      async ({ client, service }) => {
        const fill: readonly (readonly string[])[] = [
          ["GET", "k"],
          ["SET", "k", "v"],
          ["SET", "k", "v", "EX", "100"],
          ["EXPIRE", "k", "100"],
          ["INCR", "n"],
          ["DEL", "a", "b", "c", "d"],
          ["MGET", "a", "b", "c", "d"],
          ["MSET", "a", "1", "b", "2"],
        ];
        for (const args of fill) {
          await client.command("MULTI");
          await client.command("SET", "x", "1");
          let size = 48 * 3 + 5;
          const cost = args.reduce((sum, arg) => sum + arg.length + 48, 0);
          for (; size + cost <= 4096; size += cost)
            assert.equal(await client.command(...args), QUEUED);
          assert.match(await client.command("EXEC"), /^\*/, args.join(" "));
        }
        const applied = service.executeCount;
        await client.command("WATCH", ...Array.from({ length: 60 }, (_, i) => `watched ${i}`));
        await client.command("MULTI");
        await client.command("SET", "x", "v".repeat(1000));
        assert.match(
          await client.command("EXEC"),
          /^-EXECABORT Transaction discarded because of: request of \d+ bytes/,
        );
        assert.equal(service.executeCount, applied);
        const many = Array.from({ length: 80 }, (_, i) => `watched ${i}`);
        assert.match(
          await client.command("WATCH", ...many),
          /^-ERR the watched keys are over the limit of 4096/,
        );
        await client.command("MULTI");
        assert.match(await client.command("EXEC"), /^-EXECABORT/);
      },
      { limits },
    );
  });
});
