/**
 * A redis client of a simulated cluster: it speaks RESP through the real door, over
 * a connection that it keeps for a while, and sends many commands before the first
 * reply. What it does is written as a generator: each step yields commands that are
 * sent together and goes on with the replies, fewer when the connection was lost.
 */
import type { ConnectionHandler } from "../doors/door.js";
import { RespDoor, type RespSink } from "../doors/resp/resp-door.js";
import type { AssembledNode } from "../node/assembly.js";
import type { ScriptWorld } from "./client-script.js";
import { ClientSocket } from "./client-socket.js";
import { TIMEOUT_MS, waitFor } from "./patience.js";
import { ReplyReader, type Reply } from "./resp-reply.js";

/** Name and arguments. */
export type Command = readonly string[];
export type RespScript = Generator<readonly Command[], void, readonly Reply[]>;

/** What a client knows of a command from its reply. */
export type Told =
  | { readonly kind: "answered"; readonly reply: Reply }
  /** proven to have had no effect */
  | { readonly kind: "void" }
  /** there may have been an effect, or may yet be */
  | { readonly kind: "unknown" };

/** After so many scripts a client changes to another node. */
const LEAVE_PROBABILITY = 0.15;
/** Codes of errors that say: not applied. */
const VOID_ERRORS = ["CLUSTERDOWN ", "BUSY ", "MISCONF ", "EXECABORT "];

/** @param reply absent: the connection was lost. @throws {Error} on what no client may be told */
export function toldBy(reply: Reply | undefined): Told {
  if (reply === undefined) return { kind: "unknown" };
  if (reply.kind !== "error") return { kind: "answered", reply };
  const { text } = reply;
  if (text.startsWith("UNKNOWN ")) return { kind: "unknown" };
  if (VOID_ERRORS.some((code) => text.startsWith(code))) return { kind: "void" };
  if (text.startsWith("ERR value is not an integer")) return { kind: "answered", reply };
  throw new Error(`resp: a client was told ${text}`);
}

/** Of each process its door, as long as that lives. */
const doors = new WeakMap<AssembledNode, RespDoor>();

function accept(parts: AssembledNode, sink: RespSink): ConnectionHandler {
  let door = doors.get(parts);
  if (door === undefined) {
    door = new RespDoor(parts.node, { timeoutMs: TIMEOUT_MS });
    doors.set(parts, door);
  }
  return door.accept(sink);
}

export class RespClient {
  readonly #world: ScriptWorld;
  readonly #next: (connection: number) => RespScript;
  #socket: ClientSocket | undefined;
  #reader = new ReplyReader();
  #replies: Reply[] = [];
  /** counts the connections it had */
  #connection = 0;
  /** what it waits for: how many replies, and what is done with them */
  #awaited: { readonly count: number; readonly goOn: () => void } | undefined;
  #stopped = false;

  /** @param next what to do next on the connection of that number */
  constructor(world: ScriptWorld, next: (connection: number) => RespScript) {
    this.#world = world;
    this.#next = next;
  }

  start(): void {
    const { scheduler, random, thinkMsMax } = this.#world;
    scheduler.after(random.next() * thinkMsMax, () => {
      if (this.#stopped) return;
      if (this.#isConnected()) this.#goOn(this.#next(this.#connection), []);
      else this.start();
    });
  }

  /** What it is doing is left as it is. */
  stop(): void {
    this.#stopped = true;
  }

  #goOn(script: RespScript, replies: readonly Reply[]): void {
    const step = script.next(replies);
    if (step.done !== true) {
      this.#ask(script, step.value);
      return;
    }
    if (this.#world.random.chance(LEAVE_PROBABILITY)) this.#drop();
    this.start();
  }

  #ask(script: RespScript, commands: readonly Command[]): void {
    const { scheduler } = this.#world;
    const socket = this.#socket;
    let waiting = true;
    const goOn = (): void => {
      if (!waiting) return;
      waiting = false;
      this.#awaited = undefined;
      const replies = this.#replies.splice(0);
      if (replies.length < commands.length) this.#drop();
      this.#goOn(script, replies);
    };
    this.#awaited = { count: commands.length, goOn };
    if (socket?.isOpen !== true) {
      scheduler.after(0, goOn);
      return;
    }
    // One command after another has a deadline of its own: as long as replies come it waits.
    const waitOn = (repliedCount: number): void => {
      waitFor(scheduler, socket.node, "a command to its RESP door", () => {
        if (!waiting) return false;
        const { length } = this.#replies;
        if (length > repliedCount && socket.isOpen) {
          waitOn(length);
          return false;
        }
        goOn();
        return true;
      });
    };
    waitOn(0);
    socket.send(Buffer.from(commands.map(encode).join(""), "latin1"));
  }

  #onBytes(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (let reply = this.#reader.next(); reply !== undefined; reply = this.#reader.next()) {
      this.#replies.push(reply);
    }
    if (this.#replies.length > (this.#awaited?.count ?? 0)) {
      throw new Error(`resp: a reply to nothing: ${JSON.stringify(this.#replies.at(-1))}`);
    }
    if (this.#replies.length === this.#awaited?.count) this.#awaited.goOn();
  }

  /** Whether there is a connection, perhaps to a node that will not answer. */
  #isConnected(): boolean {
    const { scheduler, nodes, random } = this.#world;
    if (this.#socket?.isOpen === true) return true;
    this.#drop();
    const node = random.pick(nodes);
    // A stopped process takes connections too: they wait in its sockets.
    if (!node.isUp || (node.isPaused && !random.chance(0.3))) return false;
    this.#connection += 1;
    this.#socket = new ClientSocket({
      scheduler,
      random,
      node,
      accept,
      onBytes: (chunk) => {
        this.#onBytes(chunk);
      },
      onEnd: () => {
        this.#drop();
        this.#awaited?.goOn();
      },
    });
    return true;
  }

  #drop(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#reader = new ReplyReader();
    this.#replies = [];
  }
}

function encode(command: Command): string {
  return `*${command.length}\r\n${command.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}
