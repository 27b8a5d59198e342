import assert from "node:assert/strict";
import { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, it } from "mocha";
import { readBlocks } from "../../src/client/inspection.js";
import {
  CLIENT_PREAMBLE,
  CLIENT_REQUEST_SIZE_MAX,
  type ClientRequest,
  type ClientResponse,
} from "../../src/codec/client-message.js";
import { encodeClientRequestFrame } from "../../src/codec/client-request.js";
import { encodeFrame, FRAME_HEADER_SIZE } from "../../src/codec/frame.js";
import { OutputArena } from "../../src/doors/output.js";
import { ClientConnection, DEFAULT_CONNECTION_LIMITS } from "../../src/doors/client-connection.js";
import { ClientDoor } from "../../src/doors/door.js";
import { type NativeDoorLimits, nativeProtocol } from "../../src/doors/native/native-door.js";
import type { Command, Request } from "../../src/store/command.js";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import { contentOf, SingleNodeService } from "../client/single-node-service.js";
import { RawClient } from "./native-raw-client.js";
import { until } from "./resp/serve.js";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const NO_BYTES = new Uint8Array(0);

function put(key: string, value: string | Uint8Array): Command {
  const bytes = typeof value === "string" ? bytesOf(value) : value;
  return { kind: "put", key: bytesOf(key), value: bytes, condition: "none" };
}
function request(...commands: readonly Command[]): Request {
  return { id: new Uint8Array(16).fill(0xab), commands };
}
function execute(
  id: number,
  commands: readonly Command[],
  answer: "counts" | "previous" = "counts",
): ClientRequest {
  return { kind: "execute", id, timeoutMs: 1000, answer, request: request(...commands) };
}
function get(id: number, key: string): ClientRequest {
  return { kind: "get", id, timeoutMs: 1000, key: bytesOf(key) };
}
function range(
  id: number,
  more: Partial<Extract<ClientRequest, { kind: "range" }>> = {},
): ClientRequest {
  const all = { from: NO_BYTES, end: NO_BYTES, countMax: 1000, sizeMax: 1 << 20 };
  return { kind: "range", id, timeoutMs: 1000, ...all, ...more };
}

/** The door with one service behind it, and its clients; all gone after each test. */
class Scene {
  readonly service = new SingleNodeService();
  readonly #clients: RawClient[] = [];
  #door: ClientDoor | undefined;

  async open(limits: Partial<NativeDoorLimits> = {}): Promise<void> {
    const protocols = [nativeProtocol(this.service, limits)];
    this.#door = await ClientDoor.listen({ host: "127.0.0.1", port: 0, protocols });
  }

  get door(): ClientDoor {
    assert.ok(this.#door !== undefined);
    return this.#door;
  }

  client(): RawClient {
    const client = new RawClient(this.door.port);
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    this.service.stop();
    await this.#door?.close();
  }
}

describe("doors: the native protocol", () => {
  let scene: Scene;
  beforeEach(() => {
    scene = new Scene();
  });
  afterEach(async () => {
    await scene.close();
  });

  it("tells its preamble from the first bytes", () => {
    const protocol = nativeProtocol(scene.service);
    const cases: readonly (readonly [Uint8Array, "yes" | "no" | "more"])[] = [
      [CLIENT_PREAMBLE, "yes"],
      [CLIENT_PREAMBLE.subarray(0, 1), "more"],
      [CLIENT_PREAMBLE.subarray(0, 5), "more"],
      [CLIENT_PREAMBLE.subarray(0, 6), "yes"],
      [bytesOf("\0BALSB"), "no"],
      [bytesOf("*1\r\n$4\r\nPING\r\n"), "no"],
      [bytesOf("GET / HTTP/1.1\r\n"), "no"],
      [bytesOf("\0\0"), "no"],
    ];
    for (const [head, want] of cases)
      assert.equal(protocol.matches(head), want, Buffer.from(head).toString("latin1"));
  });

  it("answers every kind of request once", async () => {
    await scene.open();
    const client = scene.client();
    client.begin(
      execute(1, [put("k", "v")], "previous"),
      get(2, "k"),
      range(3),
      { kind: "status", id: 4, timeoutMs: 1000 },
      { kind: "info", id: 5 },
      { kind: "readLog", id: 6, from: 1, sizeMax: 1000 },
      { kind: "checksumAt", id: 7, index: 1 },
      { kind: "checksumAt", id: 8, index: 1000 },
      { kind: "snapshots", id: 9 },
      { kind: "saveSnapshot", id: 10, timeoutMs: 1000 },
      { kind: "readSaved", id: 11, index: 1, offset: 0, sizeMax: 1 },
    );
    const answers = await client.answers(11);
    const kinds = new Map(answers.map(({ id, kind }) => [id, kind]));
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((id) => kinds.get(id)),
      ["executed", "got", "page", "statusOf", "infoOf", "logPage", "checksumOf", "checksumOf"],
    );
    assert.deepEqual(
      [9, 10, 11].map((id) => kinds.get(id)),
      ["snapshotsOf", "savedAs", "savedPart"],
    );
    client.socket.end();
    await client.ended;
    assert.equal(client.responses.length, 11);
  });

  it("a client that gets on with its requests is never taken for a stalled one", async () => {
    await scene.open();
    const states: string[] = [];
    const handler = nativeProtocol(scene.service).accept(silentConnection());
    const frame = encodeClientRequestFrame({ kind: "info", id: 1 });
    const half = frame.length >> 1;
    for (const bytes of [
      CLIENT_PREAMBLE.subarray(0, 7),
      CLIENT_PREAMBLE.subarray(7),
      frame.subarray(0, 3),
      frame.subarray(3, half),
      Buffer.concat([frame.subarray(half), frame.subarray(0, half)]),
      frame.subarray(half),
    ])
      states.push(handler.receive(Buffer.from(bytes)));
    assert.deepEqual(states, ["partial", "idle", "begun", "partial", "begun", "idle"]);
  });

  it("takes the preamble and a request byte by byte", async () => {
    await scene.open();
    const client = scene.client();
    const bytes = Buffer.concat([
      CLIENT_PREAMBLE,
      encodeClientRequestFrame({ kind: "info", id: 1 }),
    ]);
    for (const byte of bytes) client.send(Uint8Array.of(byte));
    const [answer] = await client.answers(1);
    assert.equal(answer?.kind, "infoOf");
  });

  it("answers in the order in which answers are ready", async () => {
    await scene.open();
    scene.service.mood = "holding";
    const client = scene.client();
    client.begin(get(1, "a"), get(2, "b"), get(3, "c"));
    await scene.service.arrived(3);
    scene.service.release(true);
    assert.deepEqual(
      (await client.answers(3)).map(({ id }) => id),
      [3, 2, 1],
    );
  });

  it("a client that has said all it has to say still gets its answers, then the end", async () => {
    await scene.open();
    scene.service.mood = "holding";
    const client = scene.client();
    client.begin(get(1, "a"), execute(2, [put("k", "v")]));
    client.socket.end();
    await scene.service.arrived(2);
    scene.service.release();
    await client.ended;
    assert.deepEqual(
      client.responses.map(({ kind }) => kind),
      ["got", "executed"],
    );
  });

  it("a client that disappears leaves nothing behind", async () => {
    await scene.open();
    scene.service.mood = "holding";
    const client = scene.client();
    client.begin(execute(1, [put("k", "v")]), get(2, "k"));
    await scene.service.arrived(2);
    const other = scene.client();
    client.socket.resetAndDestroy();
    await client.ended;
    other.begin({ kind: "info", id: 1 });
    await other.answers(1);
    // The other one is there: when one is left, the door has seen the end of the first.
    await until(() => scene.door.connectionCount === 1);
    scene.service.release();
    assert.equal(scene.service.waitingCount, 0);
    assert.deepEqual(contentOf(scene.service.store), { k: "v" });
  });

  describe("requests that may not be", () => {
    const long = "k".repeat(DEFAULT_LIMITS.keySizeMax + 1);
    const longer = bytesOf(`${long}k`);
    const refused: readonly {
      readonly name: string;
      readonly ask: ClientRequest;
      readonly code: string;
    }[] = [
      { name: "an empty key", ask: get(1, ""), code: "INVALID_ARGUMENT" },
      { name: "a key too large", ask: get(1, long), code: "KEY_TOO_LARGE" },
      { name: "a first key too large", ask: range(1, { from: longer }), code: "KEY_TOO_LARGE" },
      { name: "a last key too large", ask: range(1, { end: longer }), code: "KEY_TOO_LARGE" },
      { name: "an empty key to write", ask: execute(1, [put("", "v")]), code: "INVALID_ARGUMENT" },
      {
        name: "a key too large to write",
        ask: execute(1, [put(long, "v")]),
        code: "KEY_TOO_LARGE",
      },
      {
        name: "a value too large",
        ask: execute(1, [put("k", new Uint8Array(DEFAULT_LIMITS.valueSizeMax + 1))]),
        code: "VALUE_TOO_LARGE",
      },
      {
        name: "a request too large",
        ask: execute(
          1,
          Array.from({ length: 5 }, (_, i) => put(`k${i}`, new Uint8Array(1 << 20))),
        ),
        code: "REQUEST_TOO_LARGE",
      },
      {
        name: "the previous keys of two commands",
        ask: execute(1, [put("a", "1"), put("b", "2")], "previous"),
        code: "INVALID_ARGUMENT",
      },
    ];
    for (const { name, ask, code } of refused) {
      it(`${name} is ${code}, and the connection stays`, async () => {
        await scene.open();
        const client = scene.client();
        client.begin(ask, { kind: "info", id: 2 });
        const [failed, info] = (await client.answers(2)).toSorted((a, b) => a.id - b.id);
        assert.ok(failed?.kind === "failed");
        assert.equal(failed.code, code);
        assert.equal(failed.outcome, "not-applied");
        assert.equal(info?.kind, "infoOf");
        assert.equal(scene.service.arrivedCount, 0);
      });
    }
  });

  describe("a connection that breaks the rules is told so once, and closed", () => {
    const info = encodeClientRequestFrame({ kind: "info", id: 9 });
    const wrongChecksum = Buffer.from(info);
    wrongChecksum.writeUInt8((wrongChecksum[4] ?? 0) ^ 1, 4);
    const oversized = Buffer.alloc(FRAME_HEADER_SIZE);
    oversized.writeUInt32BE(CLIENT_REQUEST_SIZE_MAX + 1, 0);
    const violations: readonly { readonly name: string; readonly bytes: readonly Uint8Array[] }[] =
      [
        { name: "another version", bytes: [bytesOf("\0BALSA\x01\n"), info] },
        { name: "no line feed", bytes: [bytesOf("\0BALSA\x02\r"), info] },
        { name: "a wrong checksum", bytes: [CLIENT_PREAMBLE, wrongChecksum] },
        { name: "a length over the limit", bytes: [CLIENT_PREAMBLE, oversized] },
        { name: "text", bytes: [CLIENT_PREAMBLE, bytesOf("SET key value\r\n")] },
        { name: "an empty frame", bytes: [CLIENT_PREAMBLE, encodeFrame(NO_BYTES)] },
        { name: "an unknown kind", bytes: [CLIENT_PREAMBLE, encodeFrame(Uint8Array.of(99, 2))] },
        { name: "the id 0", bytes: [CLIENT_PREAMBLE, encodeFrame(Uint8Array.of(5, 0))] },
        {
          name: "bytes behind a request",
          bytes: [CLIENT_PREAMBLE, encodeFrame(Uint8Array.of(5, 2, 0))],
        },
      ];
    for (const { name, bytes } of violations) {
      it(name, async () => {
        await scene.open();
        const client = scene.client();
        client.send(...bytes, info);
        await client.ended;
        const [failed, ...more] = client.responses;
        assert.ok(failed?.kind === "failed");
        assert.equal(failed.id, 0);
        assert.equal(failed.code, "PROTOCOL");
        assert.deepEqual(more, []);
      });
    }

    it("what it had asked before is answered before", async () => {
      await scene.open();
      const client = scene.client();
      client.begin({ kind: "info", id: 1 });
      client.send(encodeFrame(Uint8Array.of(99)));
      await client.ended;
      assert.deepEqual(
        client.responses.map(({ kind, id }) => [kind, id]),
        [
          ["infoOf", 1],
          ["failed", 0],
        ],
      );
    });

    it("bytes at random do no harm to others", async () => {
      await scene.open();
      const garbage = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 200 }), {
        seed: 7,
        numRuns: 100,
      });
      await Promise.all(
        garbage.map(async (bytes, i) => {
          const client = scene.client();
          client.send(CLIENT_PREAMBLE, i % 2 === 0 ? bytes : encodeFrame(bytes));
          client.socket.end();
          await client.ended;
          for (const { kind } of client.responses) assert.equal(kind, "failed");
        }),
      );
      const good = scene.client();
      good.begin(execute(1, [put("k", "v")]));
      assert.equal((await good.answers(1))[0]?.kind, "executed");
    });
  });

  describe("what one connection may have waiting is bounded", () => {
    it("requests in flight by number: one more is BUSY", async () => {
      await scene.open({ inFlightMax: 2 });
      scene.service.mood = "holding";
      const client = scene.client();
      client.begin(get(1, "a"), get(2, "b"), get(3, "c"), { kind: "info", id: 4 });
      const answers = await client.answers(1);
      const failed = answers[0];
      assert.ok(failed?.kind === "failed");
      assert.deepEqual([failed.id, failed.code, failed.outcome], [3, "BUSY", "not-applied"]);
      scene.service.release();
      await client.answers(3);
      client.ask(get(5, "a"));
      assert.deepEqual((await client.answers(4)).at(-1)?.kind, "got");
    });

    it("requests in flight by bytes", async () => {
      await scene.open({ inFlightSizeMax: 1000 });
      scene.service.mood = "holding";
      const client = scene.client();
      client.begin(
        execute(1, [put("a", new Uint8Array(600))]),
        execute(2, [put("b", new Uint8Array(600))]),
      );
      const [failed] = await client.answers(1);
      assert.ok(failed?.kind === "failed");
      assert.deepEqual([failed.id, failed.code], [2, "BUSY"]);
      scene.service.release();
      await client.answers(2);
      assert.deepEqual(Object.keys(contentOf(scene.service.store)), ["a"]);
    });

    it("answers that were not taken: a read is BUSY, a write says that it was applied", async () => {
      await scene.open({ untakenSizeMax: 1000 });
      scene.service.store.apply(request(put("k", new Uint8Array(3000))));
      scene.service.mood = "holding";
      const client = scene.client();
      const refused = { ...put("k", "w"), condition: "absent" } as const;
      const writes = [execute(3, [put("k", "v")], "previous"), execute(4, [refused])];
      client.begin(get(1, "k"), get(2, "k"), ...writes);
      await scene.service.arrived(4);
      scene.service.release();
      const answers = new Map((await client.answers(4)).map((answer) => [answer.id, answer]));
      assert.equal(answers.get(1)?.kind, "got");
      const failures = [2, 3, 4].map((id) => {
        const answer = answers.get(id);
        return answer?.kind === "failed" ? [answer.code, answer.outcome] : [];
      });
      // What was applied has no code that says: send it again.
      assert.deepEqual(failures, [
        ["BUSY", "not-applied"],
        ["PROTOCOL", "applied"],
        ["BUSY", "not-applied"],
      ]);
      assert.deepEqual(contentOf(scene.service.store), { k: "v" });
    });

    it("what a write reads: too much is not told, but that it was applied", async () => {
      await scene.open();
      const keys = Array.from({ length: 40 }, (_, i) => `big${i}`);
      for (const key of keys) scene.service.store.apply(request(put(key, new Uint8Array(1 << 20))));
      const all = request(...keys.map((key): Command => ({ kind: "get", key: bytesOf(key) })));
      const client = scene.client();
      client.begin({ kind: "execute", id: 1, timeoutMs: 1000, answer: "whole", request: all });
      const [answer] = await client.answers(1);
      assert.ok(answer?.kind === "failed");
      assert.deepEqual([answer.code, answer.outcome], ["PROTOCOL", "applied"]);
    });

    it("a page by number and bytes, whatever is asked for", async () => {
      await scene.open();
      const { store } = scene.service;
      for (let i = 0; i < 1500; i += 1) store.apply(request(put(`k${1000 + i}`, "v")));
      const huge = { countMax: 2 ** 50, sizeMax: 2 ** 50 };
      const client = scene.client();
      client.begin(range(1, huge));
      const page = (await client.answers(1))[0];
      assert.ok(page?.kind === "page");
      assert.deepEqual([page.keyValues.length, page.more], [1000, true]);
      for (let i = 0; i < 4; i += 1)
        store.apply(request(put(`big${i}`, new Uint8Array(DEFAULT_LIMITS.valueSizeMax))));
      client.ask(range(2, huge));
      const big = (await client.answers(2))[1];
      assert.ok(big?.kind === "page");
      assert.deepEqual([big.keyValues.length, big.more], [1, true]);
    });

    it("a part of a saved snapshot by bytes; one that is not kept is refused", async () => {
      scene.service.savedBytes = new Uint8Array(2_500_000).fill(7);
      await scene.open();
      const client = scene.client();
      const [index, sizeMax] = [1, 2 ** 50];
      client.begin(
        { kind: "readSaved", id: 1, index, offset: 0, sizeMax },
        { kind: "readSaved", id: 2, index, offset: 2_400_000, sizeMax },
        { kind: "readSaved", id: 3, index, offset: 2_500_000, sizeMax },
        { kind: "readSaved", id: 4, index: 2, offset: 0, sizeMax },
      );
      const told = (await client.answers(4)).map((answer) => {
        if (answer.kind === "savedPart") return answer.bytes.length;
        return answer.kind === "failed" ? answer.code : answer.kind;
      });
      assert.deepEqual(told, [1024 * 1024, 100_000, 0, "INVALID_ARGUMENT"]);
    });

    it("a page of the log by bytes, one entry at least", async () => {
      await scene.open();
      const client = scene.client();
      client.begin(
        ...Array.from({ length: 4 }, (_, i) =>
          execute(1 + i, [put(`k${i}`, new Uint8Array(600_000))]),
        ),
      );
      await client.answers(4);
      client.ask(
        { kind: "readLog", id: 5, from: 1, sizeMax: 2 ** 50 },
        { kind: "readLog", id: 6, from: 3, sizeMax: 1 },
        { kind: "readLog", id: 7, from: 6, sizeMax: 1000 },
      );
      const pages = (await client.answers(7)).slice(4).map(indexesOf);
      assert.deepEqual(pages, [[1, 2], [3], []]);
    });
  });

  const refusals: readonly {
    readonly name: string;
    readonly before: (service: SingleNodeService) => void;
    readonly code: string;
    readonly readCode?: string;
    readonly outcome: string;
  }[] = [
    {
      name: "no leader",
      before: (service) => {
        service.mood = "leaderless";
      },
      code: "NO_LEADER",
      outcome: "not-applied",
    },
    {
      name: "a node that stops: it is not the client who closed",
      before: (service) => {
        service.stop();
      },
      code: "UNAVAILABLE",
      outcome: "not-applied",
    },
    {
      name: "an outcome that is unknown",
      before: (service) => {
        service.mood = "stalled";
      },
      code: "OUTCOME_UNKNOWN",
      readCode: "TIMEOUT",
      outcome: "unknown",
    },
  ];
  for (const { name, before, code, readCode, outcome } of refusals) {
    it(`passes on ${name}`, async () => {
      await scene.open();
      before(scene.service);
      const client = scene.client();
      client.begin(
        { ...execute(1, [put("k", "v")]), timeoutMs: 20 } as ClientRequest,
        {
          ...get(2, "k"),
          timeoutMs: 20,
        } as ClientRequest,
      );
      const answers = (await client.answers(2)).toSorted((a, b) => a.id - b.id);
      const [write, read] = answers;
      assert.ok(write?.kind === "failed");
      assert.deepEqual(
        [write.code, write.outcome, write.requestId],
        [code, outcome, "ab".repeat(16)],
      );
      assert.ok(read?.kind === "failed");
      assert.deepEqual([read.code, read.outcome], [readCode ?? code, "not-applied"]);
    });
  }
});

/** A connection whose door is not there: what is written to it goes nowhere. */
function silentConnection(): ClientConnection {
  const host = {
    limits: DEFAULT_CONNECTION_LIMITS,
    now: () => 0,
    arena: new OutputArena(),
    flushLater: () => undefined,
  };
  return new ClientConnection(1, new Socket(), host);
}

function indexesOf(answer: ClientResponse): readonly number[] {
  assert.ok(answer.kind === "logPage");
  return readBlocks(answer.blocks, answer.previousChecksum).map(({ index }) => index);
}
