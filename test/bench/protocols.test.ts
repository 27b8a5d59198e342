import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { EtcdProtocol } from "../../bench/load/etcd-protocol.js";
import { InFlight } from "../../bench/load/in-flight.js";
import { NativeProtocol } from "../../bench/load/native-protocol.js";
import { NatsProtocol } from "../../bench/load/nats-protocol.js";
import { benchKey, OPERATION } from "../../bench/load/operation.js";
import { RespProtocol } from "../../bench/load/resp-protocol.js";
import type { Tally } from "../../bench/load/tally.js";
import {
  CLIENT_REQUEST_SIZE_MAX,
  type ClientRequest,
  type ClientResponse,
} from "../../src/codec/client-message.js";
import { decodeClientRequest } from "../../src/codec/client-request.js";
import { encodeClientResponseFrame } from "../../src/codec/client-response.js";
import { FrameReader } from "../../src/codec/frame.js";
import type { Command } from "../../src/store/command.js";
import { answered, begunTally, demandOf } from "./load-job.js";

const VALUE = Buffer.from("vv");
const text = (...words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

function resp(tally: Tally, waitReplicas = 0, toleratesAbsent = false): RespProtocol {
  return new RespProtocol({ value: VALUE, tally, toleratesAbsent, waitReplicas });
}

/** Feeds bytes in pieces of `size`. @returns requests completed, and what was said meanwhile */
function feed(
  protocol: Pick<RespProtocol, "receive">,
  bytes: Buffer,
  size: number,
): { completed: number; said: string } {
  let completed = 0;
  let said = "";
  for (let at = 0; at < bytes.length; at += size) {
    // The buffer is the protocol's during the call only.
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    const received = protocol.receive(chunk);
    completed += received.completed;
    said += received.reply?.toString("latin1") ?? "";
    chunk.fill(0);
  }
  return { completed, said };
}

describe("RESP under load", () => {
  it("requests are SET and GET of 14-byte keys", () => {
    const protocol = resp(begunTally());
    const set = (key: number): string => text("SET", benchKey(key), "vv");
    assert.equal(protocol.requests(2, demandOf(42), 0).toString(), set(42) + set(43));
    const get = protocol.requests(1, demandOf(44, OPERATION.get), 0);
    assert.equal(get.toString(), text("GET", benchKey(44)));
    assert.equal(protocol.inFlight, 3);
  });

  it("a transaction reads two keys and writes both, in one piece", () => {
    const bytes = resp(begunTally()).requests(1, demandOf(5, OPERATION.transaction), 0);
    const [one, other] = [benchKey(5), benchKey(77)];
    assert.equal(
      bytes.toString(),
      text("MULTI") +
        text("GET", one) +
        text("GET", other) +
        text("SET", one, "vv") +
        text("SET", other, "vv") +
        text("EXEC"),
    );
  });

  it("answers are counted whatever the chunks, and refusals are errors", () => {
    const answers = Buffer.from("+OK\r\n$3\r\n\r\nx\r\n-ERR no\r\n$-1\r\n$0\r\n\r\n");
    for (let size = 1; size <= answers.length; size += 1) {
      const tally = begunTally();
      const protocol = resp(tally);
      protocol.requests(5, demandOf(1, OPERATION.get), 0);
      assert.equal(feed(protocol, answers, size).completed, 5, `chunks of ${size}`);
      assert.equal(tally.errors, 2);
      assert.equal(tally.firstError, "ERR no");
      assert.equal(answered(tally), 3);
    }
  });

  it("an absent key is no error where keys are being inserted", () => {
    const tally = begunTally();
    const protocol = resp(tally, 0, true);
    protocol.requests(1, demandOf(1, OPERATION.get), 0);
    assert.equal(feed(protocol, Buffer.from("$-1\r\n"), 99).completed, 1);
    assert.equal(tally.errors, 0);
  });

  it("a transaction is over with EXEC's answer, good or refused", () => {
    const queued = "+OK\r\n" + "+QUEUED\r\n".repeat(4);
    const answers = Buffer.from(
      `${queued}*4\r\n$1\r\na\r\n$-1\r\n+OK\r\n+OK\r\n${queued}*-1\r\n${queued}-EXECABORT x\r\n`,
    );
    for (const size of [1, 7, 1000]) {
      const tally = begunTally();
      const protocol = resp(tally);
      protocol.requests(3, demandOf(1, OPERATION.transaction), 0);
      assert.equal(feed(protocol, answers, size).completed, 3);
      assert.equal(tally.errors, 2);
      assert.equal(answered(tally), 1);
    }
  });

  it("a read-modify-write writes when it has read, and counts once, from its beginning", () => {
    const tally = begunTally();
    const protocol = resp(tally);
    protocol.requests(1, demandOf(9, OPERATION.readModifyWrite), 1);
    const first = feed(protocol, Buffer.from("$2\r\nvv\r\n"), 99);
    assert.deepEqual(first, { completed: 0, said: text("SET", benchKey(9), "vv") });
    tally.nowMs = 8;
    assert.equal(feed(protocol, Buffer.from("+OK\r\n"), 99).completed, 1);
    assert.equal(tally.latencies().get("readModifyWrite")?.atPercentile(100), 7);
  });

  it("with WAIT writes count when enough replicas have them", () => {
    const tally = begunTally();
    const protocol = resp(tally, 1);
    const bytes = protocol.requests(2, demandOf(1), 0).toString();
    assert.ok(bytes.endsWith(text("WAIT", "1", "5000")));
    assert.equal(feed(protocol, Buffer.from("+OK\r\n+OK\r\n"), 99).completed, 0);
    assert.equal(feed(protocol, Buffer.from(":2\r\n"), 99).completed, 2);
    assert.equal(protocol.inFlight, 0);
    protocol.requests(1, demandOf(1), 0);
    assert.equal(feed(protocol, Buffer.from("+OK\r\n:0\r\n"), 99).completed, 1);
    assert.match(tally.firstError ?? "", /too few replicas/);
    assert.equal(answered(tally), 2);
  });
});

describe("the native protocol under load", () => {
  function protocolOf(tally: Tally): NativeProtocol {
    return new NativeProtocol({ value: VALUE, tally, toleratesAbsent: false, connection: 3 });
  }

  function decoded(bytes: Buffer): ClientRequest[] {
    const requests: ClientRequest[] = [];
    const reader = new FrameReader({
      bodySizeMax: CLIENT_REQUEST_SIZE_MAX,
      onFrame: (body) => requests.push(decodeClientRequest(Buffer.from(body))),
    });
    reader.push(bytes);
    return requests;
  }

  function shown(command: Command): string {
    if (command.kind !== "put") return command.kind;
    const [key, value] = [command.key, command.value].map((each) => Buffer.from(each).toString());
    return `put ${key ?? ""} ${value ?? ""} ${command.condition}`;
  }

  const key = (number: number): Uint8Array => Buffer.from(benchKey(number));

  it("its frames are the codec's own, with ids of their own", () => {
    const protocol = protocolOf(begunTally());
    const puts = decoded(protocol.requests(2, demandOf(41), 0));
    const ids = puts.map((request) => (request.kind === "execute" ? request.request.id : null));
    assert.notDeepEqual(ids[0], ids[1]);
    const keysAndValues = puts.flatMap((request) =>
      request.kind === "execute" ? request.request.commands.map(shown) : [],
    );
    assert.deepEqual(keysAndValues, [`put ${benchKey(41)} vv none`, `put ${benchKey(42)} vv none`]);
    const [get] = decoded(protocol.requests(1, demandOf(7, OPERATION.get), 0));
    assert.equal(get?.kind, "get");
    assert.deepEqual(Buffer.from(get.key), Buffer.from(key(7)));
    const [list] = decoded(protocol.requests(1, demandOf(7, OPERATION.list), 0));
    assert.equal(list?.kind, "range");
    assert.deepEqual([Buffer.from(list.from).toString(), list.countMax], [benchKey(7), 10]);
    const [transaction] = decoded(protocol.requests(1, demandOf(7, OPERATION.transaction), 0));
    assert.equal(transaction?.kind, "execute");
    assert.deepEqual(
      transaction.request.commands.map((one) => [
        one.kind,
        "key" in one ? Buffer.from(one.key).toString() : "",
      ]),
      [
        ["get", benchKey(7)],
        ["get", benchKey(77)],
        ["put", benchKey(7)],
        ["put", benchKey(77)],
      ],
    );
  });

  it("answers in any order and any chunks are counted, rejections and failures as errors", () => {
    const got = { key: key(1), value: VALUE, createRevision: 1, modRevision: 1, version: 1 };
    const result = { kind: "applied", revision: 300, results: [] } as const;
    const answersOf = (ids: readonly number[]): readonly ClientResponse[] => [
      { kind: "executed", id: ids[3] ?? 0, result },
      { kind: "got", id: ids[0] ?? 0, revision: 3, keyValue: got },
      { kind: "got", id: ids[1] ?? 0, revision: 300, keyValue: undefined },
      {
        kind: "executed",
        id: ids[4] ?? 0,
        result: {
          kind: "rejected",
          reason: "conflict",
          commandIndex: 0,
          revision: 9,
          current: undefined,
        },
      },
      {
        kind: "failed",
        id: ids[2] ?? 0,
        code: "NO_LEADER",
        message: "nobody leads",
        outcome: "not-applied",
        requestId: "",
      },
    ];
    for (const size of [1, 9, 10_000]) {
      const tally = begunTally();
      const protocol = protocolOf(tally);
      const gets = decoded(protocol.requests(3, demandOf(1, OPERATION.get), 0));
      const puts = decoded(protocol.requests(2, demandOf(1), 0));
      const ids = [...gets, ...puts].map(({ id }) => id);
      const bytes = Buffer.concat(answersOf(ids).map(encodeClientResponseFrame));
      assert.equal(feed(protocol, bytes, size).completed, 5);
      assert.equal(tally.errors, 3);
      assert.equal(answered(tally), 2);
      assert.equal(protocol.inFlight, 0);
    }
  });
});

describe("etcd under load", () => {
  function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  }

  for (const valueSize of [16, 100, 20_000]) {
    it(`a put of ${valueSize} bytes is two frames on a stream of its own`, () => {
      const value = Buffer.alloc(valueSize, "v");
      const protocol = new EtcdProtocol(value, begunTally(), "127.0.0.1:1");
      const bytes = protocol.requests(2, demandOf(7), 0);
      let offset = 0;
      const frames: { type: number; stream: number; payload: Buffer }[] = [];
      while (offset < bytes.length) {
        const length = bytes.readUIntBE(offset, 3);
        const payload = bytes.subarray(offset + 9, offset + 9 + length);
        frames.push({
          type: bytes[offset + 3] ?? -1,
          stream: bytes.readUInt32BE(offset + 5),
          payload,
        });
        offset += 9 + length;
      }
      assert.deepEqual(
        frames.map(({ type, stream }) => [type, stream]),
        [
          [1, 1],
          [0, 1],
          [1, 3],
          [0, 3],
        ],
      );
      const message = frames[1]?.payload ?? Buffer.alloc(0);
      assert.equal(message.readUInt32BE(1), message.length - 5);
      assert.equal(message.subarray(5, 7).toString("hex"), "0a0e"); // field 1, 14 bytes
      assert.equal(message.subarray(7, 21).toString(), benchKey(7));
      assert.equal(message[21], 0x12); // field 2
      assert.ok(message.subarray(22).includes(value));
      const sizes: Readonly<Record<number, string>> = { 16: "10", 100: "64", 20_000: "a09c01" };
      const size = sizes[valueSize] ?? "";
      assert.equal(message.subarray(22, 22 + size.length / 2).toString("hex"), size);
      assert.equal(message.length, 22 + size.length / 2 + valueSize);
    });
  }

  it("an answer without a message is an error, and settings and pings are answered", () => {
    const tally = begunTally();
    const protocol = new EtcdProtocol(Buffer.alloc(0), tally, "h:1");
    protocol.requests(2, demandOf(1, OPERATION.get), 0);
    const bytes = Buffer.concat([
      frame(4, 0, 0, Buffer.alloc(6)),
      frame(1, 4, 1, Buffer.of(1)),
      frame(0, 0, 1, Buffer.from("data")),
      frame(1, 5, 1, Buffer.of(1)),
      frame(6, 0, 0, Buffer.from("12345678")),
      frame(1, 5, 3, Buffer.of(1)),
    ]);
    const { completed, said } = feed(protocol, bytes, 1);
    assert.equal(completed, 2);
    assert.equal(tally.errors, 1);
    assert.equal(answered(tally), 1);
    const wanted = [frame(4, 1, 0, Buffer.alloc(0)), frame(6, 1, 0, Buffer.from("12345678"))];
    assert.equal(said, Buffer.concat(wanted).toString("latin1"));
  });
});

describe("NATS under load", () => {
  it("answers carry the number of their request; errors and absent keys are errors", () => {
    for (const size of [1, 11, 10_000]) {
      const tally = begunTally();
      const protocol = new NatsProtocol(VALUE, tally, 4);
      const inbox = /SUB (\S+)\*/.exec(protocol.preface.toString())?.[1] ?? "";
      const put = protocol.requests(2, demandOf(8), 0).toString();
      assert.ok(put.startsWith(`PUB $KV.bench.${benchKey(8)} ${inbox}00000000 2\r\nvv\r\n`));
      protocol.requests(2, demandOf(8, OPERATION.get), 0);
      const message = (number: number, body: string): string =>
        `MSG ${inbox}0000000${number} 1 ${body.length}\r\n${body}\r\n`;
      const headed = (number: number, head: string, body: string): string =>
        `HMSG ${inbox}0000000${number} 1 ${head.length} ${head.length + body.length}\r\n${head}${body}\r\n`;
      const bytes = Buffer.from(
        `INFO {}\r\nPING\r\n${message(1, '{"stream":"s","seq":2}')}${message(0, '{"error":{"code":503}}')}` +
          headed(3, "NATS/1.0\r\nNats-Sequence: 1\r\n\r\n", "vv") +
          headed(2, "NATS/1.0 404 Message Not Found\r\n\r\n", ""),
      );
      assert.deepEqual(feed(protocol, bytes, size), { completed: 4, said: "PONG\r\n" });
      assert.equal(tally.errors, 2);
      assert.equal(answered(tally), 2);
    }
  });
});

describe("requests in flight", () => {
  it("are found by number whatever the order of answers, however many there are", () => {
    const inFlight = new InFlight<number>();
    for (let number = 0; number < 5000; number += 1) {
      assert.equal(inFlight.add(number / 2, number % 7, number * 3), number);
      if (number % 3 === 0) inFlight.remove(number);
    }
    assert.equal(inFlight.oldest, 1);
    for (const number of inFlight.numbers()) {
      assert.ok(inFlight.has(number));
      assert.equal(inFlight.beganMs(number), number / 2);
      assert.equal(inFlight.operation(number), number % 7);
      assert.equal(inFlight.key(number), number * 3);
      assert.notEqual(number % 3, 0);
    }
    for (const number of [...inFlight.numbers()].toReversed()) inFlight.remove(number);
    assert.equal(inFlight.count, 0);
    assert.equal(inFlight.oldest, 5000);
    assert.equal(inFlight.has(4999), false);
    assert.equal(inFlight.has(5000), false);
  });
});
