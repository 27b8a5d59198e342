import assert from "node:assert/strict";
import type { Put } from "../../src/store/command.js";
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { afterEach, beforeEach, describe, it } from "mocha";
import { connect } from "../../src/client/remote-database.js";
import { decodeRequests } from "../../src/codec/block.js";
import { encodeClientResponseFrame } from "../../src/codec/client-response.js";
import { encodeFrame } from "../../src/codec/frame.js";
import { DatabaseError } from "../../src/errors.js";
import type { RemoteDatabase } from "../../src/client/remote-database.js";
import { rejectsWith } from "../rejections.js";
import { nobodysEndpoint, PATIENT, RemoteScene } from "./remote-scene.js";
import { contentOf } from "./single-node-service.js";

const hexOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("utf8");

async function valueOf(db: RemoteDatabase, key: string): Promise<string | undefined> {
  const record = await db.get(key);
  return record === undefined ? undefined : textOf(record.value);
}

describe("client: the remote database", () => {
  let scene: RemoteScene;
  beforeEach(() => {
    scene = new RemoteScene();
  });
  afterEach(async () => {
    await scene.close();
  });

  describe("endpoints", () => {
    const wrong: readonly (readonly string[])[] = [
      [],
      [""],
      ["localhost"],
      ["localhost:"],
      ["localhost:0"],
      ["localhost:65536"],
      ["localhost:12x"],
      [":14141"],
      ["a:1,b:2"],
      ["::1:14141"],
      ["[::zz]:1"],
      ["http://localhost:14141"],
      ["127.0.0.1:1", "two words:2"],
    ];
    for (const endpoints of wrong) {
      it(`${JSON.stringify(endpoints)} are refused, with what is expected`, () => {
        const isInvalid = (error: unknown): boolean =>
          error instanceof DatabaseError &&
          error.code === "INVALID_ARGUMENT" &&
          error.message.includes("host:port");
        assert.throws(() => connect({ endpoints }), isInvalid);
      });
    }

    it("names, IPv4 and IPv6 are taken, and nothing is sent before the first operation", async () => {
      const { gate } = await scene.node();
      const endpoints = [gate.endpoint, "localhost:14141", "[::1]:14141"];
      await connect({ endpoints }).close();
      assert.equal(gate.connectionCount, 0);
    });

    it("a timeout that is none is refused", () => {
      for (const timeoutMs of [0, -1, Number.NaN, Infinity])
        assert.throws(() => connect({ endpoints: ["a:1"], timeoutMs }), /milliseconds/);
    });
  });

  describe("finding a node", () => {
    it("the next endpoint is tried when one is down", async () => {
      const { gate } = await scene.node();
      const db = scene.client({ endpoints: [await nobodysEndpoint(), gate.endpoint] });
      await db.put("k", "v");
      assert.equal(await valueOf(db, "k"), "v");
      assert.equal(gate.connectionCount, 1);
    });

    it("an endpoint that is down and comes up is found", async () => {
      const { gate, service } = await scene.node();
      gate.refuseCount = 3;
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.put("k", "v");
      assert.equal(gate.connectionCount, 4);
      assert.equal(service.executed.length, 1);
    });

    it("when all are down, a client without patience learns it long before its deadline", async () => {
      const endpoints = [await nobodysEndpoint(), await nobodysEndpoint()];
      const db = scene.client({ endpoints, timeoutMs: 600_000, unreachableTimeoutMs: 50 });
      const put = await rejectsWith(db.put("k", "v"), "UNAVAILABLE");
      assert.equal(put.outcome, "not-applied");
      await rejectsWith(db.get("k"), "UNAVAILABLE");
    });

    it("one connection serves all that is in flight", async () => {
      const { gate } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      await Promise.all(Array.from({ length: 200 }, (_, i) => db.put(`k${i}`, "v")));
      assert.equal(gate.connectionCount, 1);
    });

    it("bytes may come in crumbs", async () => {
      const { gate } = await scene.node();
      gate.crumbSize = 3;
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.put("key", "v".repeat(1000));
      assert.equal(await valueOf(db, "key"), "v".repeat(1000));
    });
  });

  describe("pipelining", () => {
    it("requests leave in order, and answers in any order find their own", async () => {
      const { gate, service } = await scene.node();
      for (let i = 0; i < 100; i += 1)
        service.store.apply({
          id: new Uint8Array(0),
          commands: [
            {
              kind: "put",
              key: Buffer.from(`k${i}`),
              value: Buffer.from(`v${i}`),
              condition: "none",
            },
          ],
        });
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const values = Promise.all(Array.from({ length: 100 }, (_, i) => valueOf(db, `k${i}`)));
      const puts = Array.from({ length: 100 }, (_, i) => db.put(`new${i}`, "v"));
      await service.arrived(200);
      const order = service.executed.map(({ commands }) => textOf((commands[0] as Put).key));
      assert.deepEqual(
        order,
        Array.from({ length: 100 }, (_, i) => `new${i}`),
      );
      service.release(true);
      assert.deepEqual(
        await values,
        Array.from({ length: 100 }, (_, i) => `v${i}`),
      );
      const revisions = (await Promise.all(puts)).map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        revisions.toSorted((a, b) => b - a),
      );
    });

    it("more than a node takes waits here, and is not refused", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const puts = Promise.all(Array.from({ length: 3000 }, (_, i) => db.put(`k${i}`, "v")));
      await service.arrived(2048);
      assert.equal(service.waitingCount, 2048);
      service.release();
      assert.equal((await puts).length, 3000);
      assert.equal(service.executed.length, 3000);
    });

    it("many large answers come through, though not at once", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.put("large", new Uint8Array(1024 * 1024).fill(1));
      const reads = Array.from({ length: 64 }, () => db.get("large"));
      for (const record of await Promise.all(reads))
        assert.equal(record?.value.length, 1024 * 1024);
      assert.equal(gate.connectionCount, 1);
      assert.ok(service.readCount >= 64);
    });
  });

  describe("trying again", () => {
    it("NO_LEADER is tried again until there is one, with the same request id", async () => {
      const { gate, service } = await scene.node();
      service.mood = "leaderless";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const put = db.put("k", "v");
      const get = valueOf(db, "k");
      await service.arrived(6);
      service.mood = "serving";
      await put;
      await get;
      const ids = new Set(service.executed.map(({ id }) => hexOf(id)));
      assert.ok(service.executed.length >= 2);
      assert.equal(ids.size, 1);
      assert.equal((await db.get("k"))?.version, 1);
    });

    it("a node that knows no leader is left for one that does", async () => {
      const cutOff = await scene.node();
      const good = await scene.node();
      cutOff.service.mood = "leaderless";
      const db = scene.client({ endpoints: [cutOff.gate.endpoint, good.gate.endpoint] });
      await db.put("k", "v");
      assert.deepEqual(contentOf(good.service.store), { k: "v" });
      assert.deepEqual(contentOf(cutOff.service.store), {});
    });

    it("a node that stops is left for another", async () => {
      const stopping = await scene.node();
      const good = await scene.node();
      stopping.service.stop();
      const db = scene.client({ endpoints: [stopping.gate.endpoint, good.gate.endpoint] });
      await db.put("k", "v");
      assert.deepEqual(contentOf(good.service.store), { k: "v" });
    });

    it("a request that is wrong is not tried again", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.put("k", "v");
      await rejectsWith(db.put("k", "w", { only: "if-absent" }), "CONDITION_FAILED");
      assert.equal(service.executed.length, 2);
    });
  });

  describe("cut off", () => {
    it("a write that was sent is OUTCOME_UNKNOWN, names its request, and is never sent again", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const put = db.put("k", "v");
      await service.arrived(1);
      gate.cut();
      const error = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
      assert.equal(error.requestId, hexOf(service.executed[0]?.id));
      assert.equal(error.retryable, false);
      assert.ok(error.message.includes(error.requestId));
      service.release();
      assert.equal(await valueOf(db, "k"), "v");
      assert.equal(service.executed.length, 1);
    });

    it("the request id of an unknown outcome is found in the log", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const put = db.batch([{ kind: "put", key: "k", value: "v" }]);
      await service.arrived(1);
      gate.cut();
      const { requestId } = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
      service.release();
      const entries = await db.readLog(1);
      const ids = entries.flatMap((entry) =>
        entry.kind === "commands" ? decodeRequests(entry).map(({ id }) => hexOf(id)) : [],
      );
      assert.deepEqual(ids, [requestId]);
    });

    it("a read is asked again on the next connection", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const get = db.get("k");
      await service.arrived(1);
      gate.cut();
      await service.arrived(2);
      service.release();
      assert.equal(await get, undefined);
      assert.equal(gate.connectionCount, 2);
    });

    it("a read that a node leaves unanswered when it goes is asked elsewhere at once", async () => {
      const going = await scene.node();
      const good = await scene.node();
      const endpoints = [going.gate.endpoint, good.gate.endpoint];
      const db = scene.client({ endpoints, balanceReads: false });
      await db.status();
      going.service.mood = "holding";
      const read = db.get("k");
      await going.service.arrived(1);
      going.gate.inject(encodeClientResponseFrame({ kind: "goodbye", id: 0 }));
      // Its answer comes behind the goodbye.
      await db.status();
      going.gate.cut();
      assert.equal(await read, undefined);
      assert.equal(good.service.readCount, 1);
    });
  });

  describe("what is no node", () => {
    const strangers: readonly { readonly name: string; readonly answer: Buffer }[] = [
      { name: "RESP", answer: Buffer.from("-ERR unknown command '\\x00BALSA'\r\n") },
      { name: "HTTP", answer: Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n") },
      { name: "zeros", answer: Buffer.alloc(64) },
      { name: "a frame of something else", answer: encodeFrame(Buffer.from("hello")) },
    ];
    for (const { name, answer } of strangers) {
      it(`${name} is PROTOCOL at once, with what came and what is expected`, async () => {
        const endpoint = await scene.stranger((socket) => socket.write(answer));
        const db = scene.client({ endpoints: [endpoint] });
        const error = await rejectsWith(db.put("k", "v"), "PROTOCOL");
        assert.ok(error.message.includes(endpoint), error.message);
        assert.match(error.message, /client address of a node/);
      });
    }

    it("a node that has all the clients it takes is UNAVAILABLE", async () => {
      const { door } = await scene.node({ connectionsMax: 1 });
      const first = scene.client({ endpoints: [`127.0.0.1:${door.port}`] });
      await first.put("k", "v");
      const db = scene.client({ endpoints: [`127.0.0.1:${door.port}`], timeoutMs: 300 });
      // Its words may be lost with the connection; that it is no stranger is not.
      await rejectsWith(db.get("k"), "UNAVAILABLE");
    });

    it("among endpoints it is passed by", async () => {
      const endpoint = await scene.stranger((socket) => socket.write("+OK\r\n+OK\r\n"));
      const { gate } = await scene.node();
      const db = scene.client({ endpoints: [endpoint, gate.endpoint] });
      await db.put("k", "v");
    });

    it("a node that answers what nobody asked is not believed", async () => {
      const { door, gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      service.mood = "holding";
      const put = db.put("k", "v");
      await service.arrived(1);
      gate.inject(encodeFrame(Uint8Array.of(68, 0xfe, 0x7f, 0)));
      await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
      assert.ok(door.port > 0);
    });
  });

  describe("signals", () => {
    it("in the turn of the call, nothing was sent", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.status();
      const controller = new AbortController();
      const put = db.put("k", "v", { signal: controller.signal });
      controller.abort();
      await rejectsWith(put, "ABORTED");
      await db.get("k");
      assert.equal(service.executed.length, 0);
    });

    it("while no node is found, nothing was sent", async () => {
      const db = scene.client({ endpoints: [await nobodysEndpoint()] });
      const controller = new AbortController();
      const put = db.put("k", "v", { signal: controller.signal });
      setImmediate(() => {
        controller.abort();
      });
      await rejectsWith(put, "ABORTED");
    });

    it("after it was sent, a write is unknown and a read is given up", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const controller = new AbortController();
      const { signal } = controller;
      const put = db.put("k", "v", { signal });
      const get = db.get("k", { signal });
      await service.arrived(2);
      controller.abort(new Error("no longer wanted"));
      const error = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
      assert.equal(error.requestId, hexOf(service.executed[0]?.id));
      assert.match(String(error.cause), /no longer wanted/);
      await rejectsWith(get, "ABORTED");
      service.release();
      assert.equal(await valueOf(db, "k"), "v");
      assert.equal(gate.connectionCount, 1);
    });

    it("one listener serves all operations of a signal, and goes with the last", async () => {
      const { gate } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      const { signal } = new AbortController();
      const puts = Array.from({ length: 20 }, (_, i) => db.put(`k${i}`, "v", { signal }));
      assert.equal(getEventListeners(signal, "abort").length, 1);
      await Promise.all(puts);
      assert.equal(getEventListeners(signal, "abort").length, 0);
    });
  });

  describe("close", () => {
    it("ends at once: what was sent is unknown, what was not is CLOSED", async () => {
      const { gate, service } = await scene.node();
      service.mood = "holding";
      const db = scene.client({ endpoints: [gate.endpoint] });
      const sent = db.put("k", "v");
      const read = db.get("k");
      await service.arrived(2);
      const unsent = db.put("k", "w");
      const settled = Promise.all([
        rejectsWith(sent, "OUTCOME_UNKNOWN", "unknown"),
        rejectsWith(read, "CLOSED"),
        rejectsWith(unsent, "CLOSED"),
      ]);
      await db.close();
      await settled;
      assert.equal(service.executed.length, 1);
    });

    it("while dialing", async () => {
      const endpoint = await scene.stranger((socket) => socket.resume());
      const db = scene.client({ endpoints: [endpoint] });
      const put = rejectsWith(db.put("k", "v"), "CLOSED");
      await new Promise((resolve) => setImmediate(resolve));
      await db.close();
      await put;
    });

    it("a process that has closed its client ends by itself", async () => {
      const { gate } = await scene.node();
      const url = new URL("../../src/client/remote-database.js", import.meta.url).href;
      const script = `
        import { connect } from ${JSON.stringify(url)};
        const db = connect(${JSON.stringify({ ...PATIENT, endpoints: [gate.endpoint] })});
        await db.put("k", "v");
        for await (const { key } of db.list()) process.stdout.write(key);
        await db.close();
      `;
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const output = child.stdout.setEncoding("utf8").toArray();
      const [code] = (await once(child, "exit")) as [number | null];
      assert.deepEqual([code, (await output).join("")], [0, "k"]);
    });
  });

  describe("inspection", () => {
    it("info is the node's own", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      await db.put("k", "v");
      assert.deepEqual(await db.info(), JSON.parse(JSON.stringify(service.info())));
    });

    it("the log is read page by page, each entry checked against the one before", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint] });
      for (let i = 0; i < 10; i += 1) await db.put(`k${i}`, "v".repeat(100));
      const indexes: number[] = [];
      let pageCount = 0;
      for (let from = 1; ; pageCount += 1) {
        const entries = await db.readLog(from, 500);
        const last = entries.at(-1);
        if (last === undefined) break;
        indexes.push(...entries.map(({ index }) => index));
        from = last.index + 1;
      }
      assert.deepEqual(indexes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      assert.ok(pageCount > 1);
      const last = service.readLog(
        (await db.readLog(11))[0]?.index ?? service.info().firstIndex,
        1,
      )[0];
      assert.deepEqual(await db.checksumAt(11), { term: 1, checksum: last?.checksum });
      assert.equal(await db.checksumAt(12), undefined);
    });

    it("a log index that is none is refused", async () => {
      const db = scene.client({ endpoints: [await nobodysEndpoint()] });
      await rejectsWith(db.readLog(0), "INVALID_ARGUMENT");
      await rejectsWith(db.readLog(1.5), "INVALID_ARGUMENT");
      await rejectsWith(db.checksumAt(-1), "INVALID_ARGUMENT");
    });
  });
});
