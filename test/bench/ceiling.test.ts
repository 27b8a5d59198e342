/** The yardstick must be right as far as it goes, or what it says of this machine is worth nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import avro from "avsc";
import { after, before, describe, it } from "mocha";
import { LOG_NAME } from "../../bench/ceiling/ceiling-log.js";
import { CeilingTable } from "../../bench/ceiling/ceiling-table.js";
import { startCeiling } from "../../bench/systems/ceiling.js";
import { freeBasePort } from "../../bench/systems/ports.js";
import { ServerProcess } from "../../bench/systems/server-process.js";

const LEADER = path.resolve(import.meta.dirname, "../../bench/ceiling/leader.js");
const CLIENTS = 4;
const WRITES = 1250;

function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

/** A socket, and what came from it. */
class Line implements Disposable {
  readonly socket: Socket;
  #heard = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, chunk]);
    });
  }

  static async to(port: number): Promise<Line> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Line(socket);
  }

  get heard(): Buffer {
    return this.#heard;
  }

  /** Waits until so many bytes came. */
  async bytes(size: number): Promise<Buffer> {
    while (this.#heard.length < size) await once(this.socket, "data");
    return this.#heard;
  }

  async answer(question: string, size: number): Promise<string> {
    this.#heard = Buffer.alloc(0);
    this.socket.write(question);
    return (await this.bytes(size)).toString();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

describe("the ceiling", function () {
  this.timeout(1_800_000);
  let directory: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "balsa-ceiling-"));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("serves what was set, and leaves three equal logs that any Avro tool reads", async () => {
    const system = await startCeiling(directory);
    const written = new Map<string, string>();
    try {
      const port = await system.leaderPort();
      await Promise.all(
        Array.from({ length: CLIENTS }, async (_, client) => {
          using line = await Line.to(port);
          const pairs = Array.from(
            { length: WRITES },
            (_, i) => [`k-${client}-${i % 1000}`, `${i}`.padEnd(1 + (i % 200), "x")] as const,
          );
          for (const [key, value] of pairs) written.set(key, value);
          const sets = pairs.map(([key, value]) => command("SET", key, value)).join("");
          assert.equal(await line.answer(sets, 5 * WRITES), "+OK\r\n".repeat(WRITES));
        }),
      );
      using line = await Line.to(port);
      const keys = [...written.keys(), "nobody"];
      const wanted = keys.map((key) => {
        const value = written.get(key);
        return value === undefined ? "$-1\r\n" : `$${value.length}\r\n${value}\r\n`;
      });
      const gets = keys.map((key) => command("GET", key)).join("");
      assert.equal(await line.answer(gets, wanted.join("").length), wanted.join(""));
      // Answers keep their order where reads and writes are mixed.
      const mixed = command("SET", "m", "1") + command("GET", "m") + command("SET", "m", "2");
      assert.equal(await line.answer(mixed, 17), "+OK\r\n$1\r\n1\r\n+OK\r\n");
    } finally {
      await system.stop();
    }
    const files = system.logDirectories.map((each) => path.join(each, LOG_NAME));
    const logs = files.map((file) => readFileSync(file));
    assert.ok(logs.length === 3 && logs.every((log) => log.equals(logs[0] ?? Buffer.alloc(0))));
    const records = await recordsOf(files[0] ?? "");
    assert.equal(records.length, CLIENTS * WRITES + 2);
    for (const [key, value] of records) {
      assert.ok(/^k-|^m$/.test(key));
      written.set(key, value);
    }
    for (const [key, value] of new Map(records)) assert.equal(written.get(key), value);
  });

  it("answers a write only when two have flushed it, and a read after a round", async () => {
    const peerPort = await freeBasePort(1);
    const clientPort = peerPort + 1000;
    const leader = new ServerProcess({
      program: process.execPath,
      words: [LEADER, path.join(directory, "alone"), String(clientPort), String(peerPort)],
      logFile: path.join(directory, "alone.out"),
    });
    try {
      await leader.ready;
      using one = await Line.to(peerPort);
      using other = await Line.to(peerPort);
      using writer = await Line.to(clientPort);
      using reader = await Line.to(clientPort);
      writer.socket.write(command("SET", "k", "v"));
      const [block] = await Promise.all([frameOf(one, 0), frameOf(other, 0)]);
      assert.equal(block.number, 1);
      // A round that a follower answers without having flushed the block: the write is not there.
      const nothing = reader.answer(command("GET", "k"), 5);
      const ask = await frameOf(one, block.end);
      assert.deepEqual([ask.number, ask.round], [0, 1]);
      assert.equal(reader.heard.length, 0);
      ack(one, 0, 1);
      assert.equal(await nothing, "$-1\r\n");
      assert.equal(writer.heard.length, 0);
      ack(one, 1, 1);
      assert.equal((await writer.bytes(5)).toString(), "+OK\r\n");
      const something = reader.answer(command("GET", "k"), 7);
      const again = await frameOf(other, ask.end);
      assert.deepEqual([again.commit, again.round], [1, 2]);
      ack(other, 0, 2);
      assert.equal(await something, "$1\r\nv\r\n");
    } finally {
      await leader.kill();
    }
  });

  it("the table finds what was set last, however often and in whatever size", () => {
    const table = new CeilingTable();
    const wanted = new Map<string, string>();
    for (let i = 0; i < 50_000; i += 1) {
      const key = `key-${Math.imul(i, 7919) % 40_000}`;
      const value = `${i}`.repeat(1 + (i % 5));
      wanted.set(key, value);
      const bytes = Buffer.from(key + value);
      table.set(bytes, 0, key.length, key.length, value.length);
    }
    const target = Buffer.alloc(64);
    for (const [key, value] of wanted) {
      const place = table.find(Buffer.from(key), 0, key.length);
      assert.equal(table.valueSizeAt(place), value.length);
      table.copyValueAt(place, target, 0);
      assert.equal(target.toString("latin1", 0, value.length), value);
    }
    assert.equal(table.find(Buffer.from("nobody"), 0, 6), -1);
  });
});

/** Key and value of every record, in order. */
async function recordsOf(file: string): Promise<readonly (readonly [string, string])[]> {
  const records: (readonly [string, string])[] = [];
  const decoder = avro.createFileDecoder(file);
  decoder.on("data", ({ key, value }: { readonly key: Buffer; readonly value: Buffer }) => {
    records.push([key.toString(), value.toString()]);
  });
  await once(decoder, "end");
  return records;
}

interface Frame {
  readonly number: number;
  readonly commit: number;
  readonly round: number;
  readonly end: number;
}

/** What a follower heard from `start` on. */
async function frameOf(line: Line, start: number): Promise<Frame> {
  const head = await line.bytes(start + 16);
  const end = start + 16 + head.readUInt32LE(start);
  await line.bytes(end);
  return {
    number: head.readUInt32LE(start + 4),
    commit: head.readUInt32LE(start + 8),
    round: head.readUInt32LE(start + 12),
    end,
  };
}

function ack(line: Line, flushed: number, round: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(flushed, 0);
  bytes.writeUInt32LE(round, 4);
  line.socket.write(bytes);
}
