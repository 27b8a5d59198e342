import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "mocha";
import { ClientDoor } from "../../src/doors/door.js";
import type { ClientConnection, ProtocolHandler } from "../../src/doors/door.js";
import { RespDoor } from "../../src/doors/resp/resp-door.js";
import { DatabaseError } from "../../src/errors.js";
import { reservePort } from "../ports.js";
import { encodeCommand, RespClient } from "./resp/resp-client.js";
import { turns, until, withDoor } from "./resp/serve.js";
import { SingleNodeService } from "./single-node-service.js";

/** A protocol that begins with 0x00 "AB" and gives back what it gets. */
const ECHO: ProtocolHandler = {
  name: "echo",
  matches(head) {
    const preamble = [0, 0x41, 0x42];
    const length = Math.min(head.length, preamble.length);
    if (preamble.slice(0, length).some((byte, i) => byte !== head[i])) return "no";
    return length === preamble.length ? "yes" : "more";
  },
  accept: (connection) => ({
    receive(chunk) {
      connection.write(chunk);
      return "idle";
    },
    inputEnded() {
      connection.end();
    },
    goodbye: () => undefined,
    closed: () => undefined,
  }),
};

/** Holds a request that has begun until the next bytes, and gives those back. */
function halves(
  connection: ClientConnection,
  begun: readonly (() => void)[],
): ReturnType<ProtocolHandler["accept"]> {
  let hasBegun = false;
  return {
    ...ECHO.accept(connection),
    receive(chunk) {
      if (!hasBegun) {
        hasBegun = true;
        for (const tell of begun) process.nextTick(tell);
        return "begun";
      }
      connection.write(chunk);
      connection.end();
      return "idle";
    },
  };
}

/** A megabyte at "k". */
function putMebibyte({ store }: SingleNodeService): void {
  const value = new Uint8Array(1024 * 1024);
  const put = { kind: "put", key: Buffer.from("k"), value, condition: "none" } as const;
  store.apply({ id: new Uint8Array(0), commands: [put] });
}

describe("the client door", () => {
  it("tells protocols apart by their first bytes, even when they come one by one", async () => {
    const door = await ClientDoor.listen({
      host: "127.0.0.1",
      port: 0,
      protocols: [ECHO, new RespDoor(new SingleNodeService())],
    });
    try {
      const cases: readonly (readonly [sent: readonly string[], want: string])[] = [
        [["PING\r\n"], "+PONG\r\n"],
        [["*1\r\n$4\r\nPING\r\n"], "+PONG\r\n"],
        [["\r\nPING\r\n"], "+PONG\r\n"],
        [["\u0000AB", "xyz"], "\u0000ABxyz"],
        [["\u0000", "A", "B", "xyz"], "\u0000ABxyz"],
        [["\u0000x"], "-ERR Protocol error: the first bytes are no protocol served here\r\n"],
        [
          ["\u0016\u0003\u0001"],
          "-ERR Protocol error: the first bytes are no protocol served here\r\n",
        ],
        [["\u00ff"], "-ERR Protocol error: the first bytes are no protocol served here\r\n"],
        [["\u0000"], ""],
        [[], ""],
      ];
      for (const [sent, want] of cases) {
        const client = await RespClient.connect(door.port);
        for (const piece of sent) {
          client.send(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        client.endInput();
        assert.equal(await client.rest(), want, JSON.stringify(sent));
      }
    } finally {
      await door.close();
    }
  });

  it("gives a protocol bytes that stay as they came, whatever is read after them", async () => {
    const kept: Buffer[] = [];
    const keeper: ProtocolHandler = {
      ...ECHO,
      matches: () => "yes",
      accept: (connection) => ({
        ...ECHO.accept(connection),
        receive(chunk) {
          kept.push(chunk);
          connection.writeLatin1("+OK\r\n");
          return "idle";
        },
      }),
    };
    const door = await ClientDoor.listen({ host: "127.0.0.1", port: 0, protocols: [keeper] });
    try {
      const clients = [await RespClient.connect(door.port), await RespClient.connect(door.port)];
      const sent: Buffer[] = [];
      for (const word of ["first", "second", "third"]) {
        for (const client of clients) {
          sent.push(Buffer.from(encodeCommand([word])));
          assert.equal(await client.command(word), "+OK\r\n");
        }
      }
      assert.equal(Buffer.concat(kept).toString(), Buffer.concat(sent).toString());
    } finally {
      await door.close();
    }
  });

  it("refuses an address it cannot listen on, and says which", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.listen(0, "127.0.0.1", resolve);
    });
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    await assert.rejects(
      ClientDoor.listen({ host: "127.0.0.1", port: address.port, protocols: [ECHO] }),
      (error) =>
        error instanceof DatabaseError &&
        error.code === "ADDRESS_UNAVAILABLE" &&
        error.message.includes(`127.0.0.1:${address.port}`),
    );
    await new Promise((resolve) => taken.close(resolve));
  });

  it("closes once however often it is asked, sends what was answered, and is gone", async () => {
    const service = new SingleNodeService();
    // One that nobody else is given when it is free again.
    const port = await reservePort();
    const protocols = [new RespDoor(service)];
    const door = await ClientDoor.listen({ host: "127.0.0.1", port, protocols });
    const client = await RespClient.connect(port);
    const silent = await RespClient.connect(port);
    assert.equal(await client.command("PING"), "+PONG\r\n");
    const closing = door.close();
    assert.equal(door.close(), closing);
    await closing;
    assert.equal(await client.rest(), "");
    assert.equal(await silent.rest(), "");
    assert.equal(door.connectionCount, 0);
    await assert.rejects(RespClient.connect(port));
  });

  it("closes although a client takes none of its replies", async () => {
    const service = new SingleNodeService();
    const door = await ClientDoor.listen({
      host: "127.0.0.1",
      port: 0,
      protocols: [new RespDoor(service)],
    });
    const client = await RespClient.connect(door.port);
    await client.command("SET", "k", Buffer.alloc(1024 * 1024));
    client.stopReading();
    client.send(encodeCommand(["GET", "k"]).toString("latin1").repeat(20));
    while (service.readCount < 1) await new Promise((resolve) => setImmediate(resolve));
    await door.close();
    assert.equal(door.connectionCount, 0);
    client.close();
  });

  it("refuses more connections than it may have, and takes new ones when others have gone", async () => {
    await withDoor(
      async ({ port, client, door }) => {
        const second = await RespClient.connect(port);
        assert.equal(await second.command("PING"), "+PONG\r\n");
        const third = await RespClient.connect(port);
        assert.equal(await third.rest(), "-ERR max number of clients reached\r\n");
        second.close();
        while (door.connectionCount > 1) await new Promise((resolve) => setImmediate(resolve));
        const fourth = await RespClient.connect(port);
        assert.equal(await fourth.command("PING"), "+PONG\r\n");
        assert.equal(await client.command("PING"), "+PONG\r\n");
        fourth.close();
      },
      { connectionLimits: { connectionsMax: 2 } },
    );
  });

  it("cuts off a client that does not finish what it began, and no other", async () => {
    await withDoor(
      async ({ port, client }) => {
        assert.equal(await client.command("PING"), "+PONG\r\n");
        const begun = await RespClient.connect(port);
        begun.send("*2\r\n$3\r\nGET\r\n$1");
        assert.equal(await begun.rest(), "");
        // The idle one, as old, is still served.
        assert.equal(await client.command("PING"), "+PONG\r\n");
      },
      { connectionLimits: { stallTimeoutMs: 40 } },
    );
  });

  it("cuts off a client that drips bytes without ever finishing", async () => {
    await withDoor(
      async ({ port }) => {
        const dripping = await RespClient.connect(port);
        dripping.send("*1\r\n$100\r\n");
        const drip = setInterval(() => {
          dripping.send("x");
        }, 5);
        try {
          assert.equal(await dripping.rest(), "");
        } finally {
          clearInterval(drip);
        }
      },
      { connectionLimits: { stallTimeoutMs: 60 } },
    );
  });

  it("keeps a client that went on while nobody here looked", async () => {
    const begun: (() => void)[] = [];
    const door = await ClientDoor.listen({
      host: "127.0.0.1",
      port: 0,
      protocols: [{ ...ECHO, accept: (connection) => halves(connection, begun) }],
      limits: { stallTimeoutMs: 100 },
    });
    try {
      const client = await RespClient.connect(door.port);
      // In the turn in which the door has read the beginning, so that nobody looks before.
      begun.push(() => {
        client.send("the end");
        // This whole process stands still for longer than a client may.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      });
      client.send("\u0000AB");
      assert.equal(await client.rest(), "the end");
    } finally {
      await door.close();
    }
  });

  it("cuts off a client that asks and does not take the replies", async () => {
    await withDoor(
      async ({ client, door, port, service }) => {
        putMebibyte(service);
        const greedy = await RespClient.connect(port);
        greedy.stopReading();
        greedy.send(encodeCommand(["GET", "k"]).toString("latin1").repeat(20));
        while (door.connectionCount > 1) await new Promise((resolve) => setTimeout(resolve, 5));
        greedy.close();
        assert.equal(await client.command("PING"), "+PONG\r\n");
      },
      { connectionLimits: { stallTimeoutMs: 100 } },
    );
  });

  it("does not read from a client whose replies wait, and goes on when they are taken", async () => {
    await withDoor(
      async ({ client, service }) => {
        await client.command("SET", "k", Buffer.alloc(1024 * 1024));
        client.stopReading();
        const get = encodeCommand(["GET", "k"]).toString("latin1");
        // Each in a chunk of its own, so that the door can stop between them.
        for (let i = 0; i < 30; i++) {
          client.send(get);
          await turns(5);
        }
        assert.ok(service.readCount < 30, `${service.readCount} of 30 reads were served`);
        client.continueReading();
        for (let i = 0; i < 30; i++) assert.equal((await client.reply()).length, 1024 * 1024 + 12);
      },
      { connectionLimits: { unsentPauseSize: 256 * 1024 } },
    );
  });

  it("serves a pipeline of more replies than may wait, as fast as they are taken", async () => {
    await withDoor(
      async ({ client, service }) => {
        const size = 512 * 1024;
        await client.command("SET", "k", Buffer.alloc(size));
        client.stopReading();
        const [get, mget, scan] = [["GET", "k"], ["MGET", "k"], ["DBSIZE"]].map(encodeCommand);
        assert.ok(get !== undefined && mget !== undefined && scan !== undefined);
        const exec = Buffer.from("MULTI\r\nDBSIZE\r\nGET k\r\nEXEC\r\n");
        const set = Buffer.from("SET j v\r\n");
        client.send(
          Buffer.concat(Array.from({ length: 20 }, () => [get, mget, scan, set, exec, get]).flat()),
        );
        await until(() => service.readCount >= 2);
        await turns(100);
        client.continueReading();
        for (let i = 0; i < 20; i++) {
          const sizes = (await client.replies(9)).map(({ length }) => length);
          assert.deepEqual(
            sizes.map((each) => Math.floor(each / size)),
            [1, 1, 0, 0, 0, 0, 0, 1, 1],
          );
        }
      },
      { connectionLimits: { unsentSizeMax: 8 * 1024 * 1024, unsentPauseSize: 1024 * 1024 } },
    );
  });

  it("cuts off a client for which too much waits", async () => {
    await withDoor(
      async ({ client, port }) => {
        await client.command("SET", "k", Buffer.alloc(1024 * 1024));
        const greedy = await RespClient.connect(port);
        const keys = Array.from({ length: 30 }, () => "k");
        greedy.send(encodeCommand(["MGET", ...keys]));
        const received = await greedy.rest();
        assert.ok(received.length < 30 * 1024 * 1024);
        assert.equal(await client.command("PING"), "+PONG\r\n");
      },
      { connectionLimits: { unsentSizeMax: 8 * 1024 * 1024 } },
    );
  });

  it("sends the replies of one turn together", async () => {
    await withDoor(async ({ client, service }) => {
      // One reply a write would come in as many pieces; the kernel may join them, never split so small a one.
      service.held = true;
      client.send("SET a 1\r\nINCR a\r\nINCR a\r\n");
      while (service.executeCount < 3) await new Promise((resolve) => setImmediate(resolve));
      service.release();
      assert.deepEqual(await client.replies(3), ["+OK\r\n", ":2\r\n", ":3\r\n"]);
    });
  });
});
