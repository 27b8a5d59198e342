/**
 * A RESP door whose node answers a turn at a time and whose socket takes all it is
 * given, to count what a request costs.
 */
import { Socket } from "node:net";
import {
  ClientConnection,
  DEFAULT_CONNECTION_LIMITS,
} from "../../../src/doors/client-connection.js";
import type { ConnectionHandler } from "../../../src/doors/client-connection.js";
import { OutputArena } from "../../../src/doors/output.js";
import { RespDoor } from "../../../src/doors/resp/resp-door.js";
import { settle } from "../../../src/node/pending-write.js";
import type { PlainPut } from "../../../src/node/plain-put.js";
import type { ExecuteDone, ReadDone } from "../../../src/node/service.js";
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

export class TurningScene {
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

/** requests that come together */
export const COUNT = 20;

export function requests(make: (number: number) => string[]): Buffer {
  return Buffer.concat(Array.from({ length: COUNT }, (_, i) => encodeCommand(make(i))));
}

export const SETS = requests((i) => ["SET", `key:${i}`, "v".repeat(100)]);
export const GETS = requests((i) => ["GET", `key:${i}`]);
