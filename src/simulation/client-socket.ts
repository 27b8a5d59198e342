/**
 * A connection of a simulated client to a node's door: bytes both ways, in order,
 * in pieces, each after a while. A node that dies takes its connections with it.
 *
 * What a door writes in one turn leaves together, as from the real one. Back-pressure
 * is not simulated: clients here take what they are told, and ask for little at once.
 */
import { assert } from "../assert.js";
import type { ConnectionHandler } from "../doors/door.js";
import type { NativeSink } from "../doors/native/native-door.js";
import type { RespSink } from "../doors/resp/resp-door.js";
import type { AssembledNode } from "../node/assembly.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import type { SimulatedNode } from "./simulated-node.js";

/** Milliseconds that bytes are on their way, at most. */
const DELAY_MS_MAX = 1;
/** Of what is sent so much comes in two pieces. */
const SPLIT_PROBABILITY = 0.2;

const NO_BYTES = Buffer.alloc(0);

/** What either door needs of a connection. */
export type DoorSink = RespSink & NativeSink;

export interface SocketOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomStream;
  /** up */
  readonly node: SimulatedNode;
  /** the door's handler of this connection */
  readonly accept: (parts: AssembledNode, sink: DoorSink) => ConnectionHandler;
  /** the client's */
  readonly onBytes: (chunk: Buffer) => void;
  /** the door has closed it; not called after `close` */
  readonly onEnd: () => void;
}

export class ClientSocket {
  readonly #options: SocketOptions;
  readonly #life: number;
  #handler: ConnectionHandler | undefined;
  /** written by the door, not yet on its way */
  #written: Buffer[] = [];
  #isClosed = false;
  #hasEnded = false;
  /** nothing arrives before what was sent earlier */
  #lastArrival = 0;

  constructor(options: SocketOptions) {
    this.#options = options;
    const { node } = options;
    this.#life = node.life;
  }

  get node(): SimulatedNode {
    return this.#options.node;
  }

  /** Whether the node lives that it was opened to, and nobody has closed it. */
  get isOpen(): boolean {
    const { node } = this.#options;
    return !this.#isClosed && !this.#hasEnded && node.isUp && node.life === this.#life;
  }

  send(bytes: Buffer): void {
    const { random } = this.#options;
    const cut = random.chance(SPLIT_PROBABILITY) ? random.integer(0, bytes.length) : 0;
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (piece.length > 0) this.#arriveLater(piece);
    }
  }

  /** The client goes; what is on its way to it is lost. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inNode(() => {
      this.#handler?.closed();
    });
  }

  #arriveLater(piece: Buffer): void {
    const { scheduler, random } = this.#options;
    const arrival = Math.max(this.#lastArrival, scheduler.now + random.next() * DELAY_MS_MAX);
    this.#lastArrival = arrival;
    scheduler.after(arrival - scheduler.now, () => {
      this.#inNode(() => {
        if (this.#isClosed || this.#hasEnded) return;
        this.#accepted().receive(piece);
      });
    });
  }

  /** In the process at the other end, if that still lives. */
  #inNode(task: () => void): void {
    this.#options.node.run(this.#life, task);
  }

  #accepted(): ConnectionHandler {
    if (this.#handler !== undefined) return this.#handler;
    const { node, accept } = this.#options;
    assert(node.parts !== undefined, "a node that runs a task is up");
    this.#handler = accept(node.parts, this.#sink());
    return this.#handler;
  }

  #sink(): DoorSink {
    const isEnded = (): boolean => this.#isClosed || this.#hasEnded;
    let room = NO_BYTES;
    return {
      get closed() {
        return isEnded();
      },
      get bytes() {
        return room;
      },
      reserve: (size) => {
        room = Buffer.alloc(size);
        this.#write(room);
        return 0;
      },
      id: 1,
      remoteAddress: "client",
      localAddress: this.#options.node.id,
      write: (bytes) => {
        this.#write(Buffer.from(bytes));
      },
      writeLatin1: (text) => {
        this.#write(Buffer.from(text, "latin1"));
      },
      end: () => {
        this.#deliverLater(() => {
          this.#hasEnded = true;
          this.#options.onEnd();
        });
      },
      mustPause: () => false,
      pauseReading: () => {
        assert(false, "clients here ask for little at once");
      },
      resumeReading: () => undefined,
    };
  }

  #write(bytes: Buffer): void {
    this.#written.push(bytes);
    if (this.#written.length > 1) return;
    this.#deliverLater(() => {
      const chunk = Buffer.concat(this.#written);
      this.#written = [];
      this.#options.node.answers(chunk);
      this.#options.onBytes(chunk);
    });
  }

  /** What was written before a node's death is on its way all the same. */
  #deliverLater(deliver: () => void): void {
    const { scheduler, random } = this.#options;
    scheduler.after(random.next() * DELAY_MS_MAX, () => {
      if (!this.#isClosed && !this.#hasEnded) deliver();
    });
  }
}
