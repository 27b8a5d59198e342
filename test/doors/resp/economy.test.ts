/**
 * What a request may cost, in what does not depend on the machine: writes to the
 * socket, and memory.
 */
import assert from "node:assert/strict";
import { Socket } from "node:net";
import { describe, it } from "mocha";
import {
  ClientConnection,
  DEFAULT_CONNECTION_LIMITS,
} from "../../../src/doors/client-connection.js";
import type { ConnectionHandler } from "../../../src/doors/client-connection.js";
import { OutputArena } from "../../../src/doors/output.js";
import { RespDoor } from "../../../src/doors/resp/resp-door.js";
import type { ExecuteDone, ReadDone } from "../../../src/node/service.js";
import type { PlainPut } from "../../../src/node/plain-put.js";
import { settle } from "../../../src/node/pending-write.js";
import { SingleNodeService } from "../single-node-service.js";
import { encodeCommand } from "./resp-client.js";

/** Takes everything at once. */
class TakingSocket extends Socket {
  writeCount = 0;
  size = 0;

  override write(bytes: string | Uint8Array): boolean {
    this.writeCount++;
    this.size += bytes.length;
    return true;
  }
}

/** Answers when it is told to, all at once, as a node's turn does. */
class TurningService extends SingleNodeService {
  #answers: (() => void)[] = [];
  #puts: PlainPut[] = [];
  #reads: ReadDone[] = [];

  override execute(
    ...[request, , done]: [Parameters<SingleNodeService["execute"]>[0], number, ExecuteDone]
  ): void {
    this.#answers.push(() => {
      done(undefined, this.store.apply(request, this.time));
    });
  }

  override put(put: PlainPut): void {
    this.#puts.push(put);
  }

  override read(_timeoutMs: number, done: ReadDone): void {
    this.#reads.push(done);
  }

  turn(): void {
    const puts = this.#puts;
    this.#puts = [];
    for (const put of puts) {
      const { bytes, keyStart, keySize, valueStart, valueSize } = put;
      const { store, time } = this;
      // prettier-ignore
      const revision = store.applyPut(bytes, keyStart, keySize, valueStart, valueSize, 0, 0, time);
      settle(put, undefined, put.applied(revision));
    }
    const answers = this.#answers;
    const reads = this.#reads;
    this.#answers = [];
    this.#reads = [];
    for (const answer of answers) answer();
    for (const done of reads) done(undefined, this.store);
  }
}

class Scene {
  readonly service = new TurningService();
  readonly socket = new TakingSocket();
  readonly #arena = new OutputArena();
  readonly #handler: ConnectionHandler;
  #toFlush: ClientConnection[] = [];

  constructor() {
    const connection = new ClientConnection(1, this.socket, {
      limits: DEFAULT_CONNECTION_LIMITS,
      now: () => 0,
      arena: this.#arena,
      flushLater: (each) => this.#toFlush.push(each),
    });
    this.#handler = new RespDoor(this.service).accept(connection);
  }

  /** One chunk comes. */
  send(chunk: Buffer): void {
    this.#handler.receive(chunk);
  }

  /** The client is gone. */
  leave(): void {
    this.#handler.closed();
  }

  /** One chunk comes, and the node answers. */
  ask(chunk: Buffer): void {
    this.send(chunk);
    this.service.turn();
    const toFlush = this.#toFlush;
    this.#toFlush = [];
    for (const each of toFlush) each.flush();
    this.#arena.reset();
  }
}

const COUNT = 20;

function requests(make: (number: number) => string[]): Buffer {
  return Buffer.concat(Array.from({ length: COUNT }, (_, i) => encodeCommand(make(i))));
}

const SETS = requests((i) => ["SET", `key:${i}`, "v".repeat(100)]);
const GETS = requests((i) => ["GET", `key:${i}`]);

describe("what a RESP request costs", () => {
  for (const [name, chunk, replySize] of [
    ["SETs", SETS, 5],
    ["GETs", GETS, 108],
    ["INCRs", requests(() => ["INCR", "n"]), undefined],
    ["PINGs", requests(() => ["PING"]), 7],
  ] as const) {
    it(`is one write to the socket for ${COUNT} ${name} that came together`, () => {
      const scene = new Scene();
      scene.ask(SETS);
      const { socket } = scene;
      const [writesBefore, sizeBefore] = [socket.writeCount, socket.size];
      scene.ask(chunk);
      assert.equal(socket.writeCount - writesBefore, 1);
      if (replySize !== undefined) assert.equal(socket.size - sizeBefore, COUNT * replySize);
    });
  }

  for (const [name, chunk, costMax] of [
    ["GET", GETS, 100],
    // A few numbers of the table's are objects.
    ["SET", SETS, 160],
  ] as const) {
    it(`is next to no memory for a ${name}`, () => {
      const scene = new Scene();
      scene.ask(SETS);
      // Compiled and grown to its size, as a node is after its first second.
      for (let i = 0; i < 2000; i++) scene.ask(chunk);
      const rounds = 100;
      const costs = Array.from({ length: 15 }, () => {
        const before = process.memoryUsage().heapUsed;
        for (let i = 0; i < rounds; i++) scene.ask(chunk);
        return (process.memoryUsage().heapUsed - before) / (rounds * COUNT);
      });
      // A collection in between makes a cost negative: the middle one is what it is.
      const cost = costs.toSorted((a, b) => a - b)[Math.floor(costs.length / 2)] ?? Infinity;
      assert.ok(cost < costMax, `${cost.toFixed(0)} bytes a ${name}`);
    });
  }

  it("is no SET's bytes when its client has gone before it is applied", () => {
    const scene = new Scene();
    scene.send(SETS);
    scene.leave();
    scene.service.turn();
    const value = Buffer.alloc(100, "v");
    for (let i = 0; i < COUNT; i++) {
      assert.deepEqual(
        Buffer.from(scene.service.store.get(Buffer.from(`key:${i}`))?.value ?? []),
        value,
      );
    }
  });
});
