/** A client that is slow or stands still, by a clock of the test's own. */
import assert from "node:assert/strict";
import { Socket } from "node:net";
import { describe, it } from "mocha";
import { ClientConnection, DEFAULT_CONNECTION_LIMITS } from "../../src/doors/client-connection.js";
import { OutputArena } from "../../src/doors/output.js";
import { RespDoor } from "../../src/doors/resp/resp-door.js";
import { SingleNodeService } from "./single-node-service.js";

const { stallTimeoutMs } = DEFAULT_CONNECTION_LIMITS;

/** Says nothing of what it is given. */
class MuteSocket extends Socket {
  override write(): boolean {
    return true;
  }
}

class Scene {
  readonly socket = new MuteSocket();
  time = 0;
  readonly #connection: ClientConnection;

  constructor() {
    this.#connection = new ClientConnection(1, this.socket, {
      limits: DEFAULT_CONNECTION_LIMITS,
      now: () => this.time,
      arena: new OutputArena(),
      flushLater: (connection) => {
        connection.flush();
      },
    });
    this.#connection.attach(new RespDoor(new SingleNodeService()).accept(this.#connection));
  }

  say(text: string): void {
    this.#connection.onBytes(Buffer.from(text));
  }

  /** The door looks after it. @returns whether it may stay */
  look(): boolean {
    this.#connection.cutOffIfStalled(this.time);
    return !this.socket.destroyed;
  }
}

describe("a client's connection", () => {
  it("stays while every piece ends in the middle of a request, but goes on", () => {
    const scene = new Scene();
    scene.say("PI");
    for (let i = 0; i < 20; i++) {
      scene.time += stallTimeoutMs - 1;
      assert.ok(scene.look(), `piece ${i}`);
      scene.say("NG\r\nPI");
    }
    scene.time += stallTimeoutMs;
    assert.ok(!scene.look(), "and goes when it does not go on");
  });

  it("stays while nothing is begun, for as long as it likes", () => {
    const scene = new Scene();
    scene.say("PING\r\n");
    scene.time += 1000 * stallTimeoutMs;
    assert.ok(scene.look());
  });

  it("goes when a request drips in, and stays when it comes in pieces worth it", () => {
    for (const { piece, stays } of [
      { piece: 1, stays: false },
      { piece: DEFAULT_CONNECTION_LIMITS.progressSize, stays: true },
    ]) {
      const scene = new Scene();
      scene.say("*2\r\n$3\r\nGET\r\n$1000000\r\n");
      for (let i = 0; i < 4; i++) {
        scene.time += stallTimeoutMs / 2;
        scene.say("x".repeat(piece));
        scene.look();
      }
      assert.equal(!scene.socket.destroyed, stays, `${piece} bytes at a time`);
    }
  });
});
