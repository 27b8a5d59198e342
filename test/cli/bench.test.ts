import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { runClosedLoop } from "../../bench/closed-loop.js";
import { median } from "../../bench/environment.js";
import { EtcdProtocol } from "../../bench/etcd-protocol.js";
import { Latencies } from "../../bench/latencies.js";
import { benchKey } from "../../bench/operation.js";
import { Stopwatch } from "../../bench/pipeline.js";
import { RespProtocol } from "../../bench/resp-protocol.js";

function counting(): { readonly latencies: Latencies; readonly stopwatch: Stopwatch } {
  const latencies = new Latencies();
  const stopwatch = new Stopwatch(latencies);
  stopwatch.startMs = 0;
  stopwatch.nowMs = 1;
  return { latencies, stopwatch };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

describe("the load clients", () => {
  it("RESP requests are SET and GET of 14-byte keys", () => {
    const { stopwatch } = counting();
    let next = 41;
    const keys = (): number => (next += 1);
    const write = new RespProtocol("write", Buffer.from("vv"), stopwatch);
    const one = (key: number): string =>
      `*3\r\n$3\r\nSET\r\n$14\r\n${benchKey(key)}\r\n$2\r\nvv\r\n`;
    assert.equal(write.requests(2, keys).toString(), one(42) + one(43));
    const read = new RespProtocol("read", Buffer.from("vv"), stopwatch);
    assert.equal(
      read.requests(1, keys).toString(),
      `*2\r\n$3\r\nGET\r\n$14\r\n${benchKey(44)}\r\n`,
    );
  });

  it("RESP answers are counted whatever the chunks, and refusals are errors", () => {
    const answers = Buffer.from("+OK\r\n$3\r\n\r\nx\r\n-ERR no\r\n$-1\r\n$0\r\n\r\n");
    for (let size = 1; size <= answers.length; size += 1) {
      const { latencies, stopwatch } = counting();
      const protocol = new RespProtocol("read", Buffer.alloc(0), stopwatch);
      protocol.requests(5, () => 1);
      let completed = 0;
      for (let at = 0; at < answers.length; at += size) {
        completed += protocol.receive(answers.subarray(at, at + size)).completed;
      }
      assert.equal(completed, 5, `chunks of ${size}`);
      assert.equal(protocol.errors, 2);
      assert.equal(latencies.count, 5);
    }
  });

  it("etcd requests are two frames on a stream of their own, with the key in the message", () => {
    const { stopwatch } = counting();
    const protocol = new EtcdProtocol("write", Buffer.alloc(100, "v"), stopwatch, "127.0.0.1:1");
    const bytes = protocol.requests(2, () => 7);
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
    assert.equal(message.subarray(21, 23).toString("hex"), "1264"); // field 2, 100 bytes
  });

  it("an etcd answer without a message is an error, and settings and pings are answered", () => {
    const { latencies, stopwatch } = counting();
    const protocol = new EtcdProtocol("read", Buffer.alloc(0), stopwatch, "h:1");
    protocol.requests(2, () => 1);
    const good = [
      frame(1, 4, 1, Buffer.of(1)),
      frame(0, 0, 1, Buffer.from("data")),
      frame(1, 5, 1, Buffer.of(1)),
    ];
    const bytes = Buffer.concat([
      frame(4, 0, 0, Buffer.alloc(6)),
      ...good,
      frame(6, 0, 0, Buffer.from("12345678")),
      frame(1, 5, 3, Buffer.of(1)),
    ]);
    let completed = 0;
    const replies: Buffer[] = [];
    for (const byte of bytes) {
      const received = protocol.receive(Buffer.of(byte));
      completed += received.completed;
      if (received.reply !== undefined) replies.push(received.reply);
    }
    assert.equal(completed, 2);
    assert.equal(protocol.errors, 1);
    assert.equal(latencies.count, 2);
    assert.deepEqual(
      Buffer.concat(replies),
      Buffer.concat([frame(4, 1, 0, Buffer.alloc(0)), frame(6, 1, 0, Buffer.from("12345678"))]),
    );
  });
});

describe("the closed loop", () => {
  it("keeps as many requests in flight as it has clients, and counts failures apart", async () => {
    let underWay = 0;
    let underWayMax = 0;
    const result = await runClosedLoop({
      clients: 4,
      warmUpSeconds: 0,
      seconds: 0.1,
      operation: async (client) => {
        underWay += 1;
        underWayMax = Math.max(underWayMax, underWay);
        await new Promise(setImmediate);
        underWay -= 1;
        if (client === 3) throw new Error("refused");
      },
    });
    assert.equal(underWayMax, 4);
    assert.equal(underWay, 0);
    assert.ok(result.operations > 0);
    assert.ok(result.errors > 0);
    assert.match(String(result.firstError), /refused/);
  });

  const medians: readonly { values: readonly number[]; want: number }[] = [
    { values: [3], want: 3 },
    { values: [3, 1], want: 2 },
    { values: [9, 1, 2], want: 2 },
  ];
  for (const { values, want } of medians) {
    it(`the median of ${values.join(", ")} is ${want}`, () => {
      assert.equal(median(values), want);
    });
  }
});
