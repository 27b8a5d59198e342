/**
 * The RESP door: what redis clients speak, served over a node.
 *
 * Anything printable is RESP: a client of the native protocol begins with a zero
 * byte, and one who types at the port types letters.
 */
import type { NodeService } from "../../node/service.js";
import type { ClientConnection, ConnectionHandler, InputState, ProtocolHandler } from "../door.js";
import { Lookups } from "../../store/lookups.js";
import { ReadTurns } from "../read-turns.js";
import type { CommandContext, Plan } from "./command.js";
import { COMMAND_TABLE, planCommand } from "./command-table.js";
import { HeldSize } from "./held-size.js";
import { RequestParser } from "./parser.js";
import { Pipeline } from "./pipeline.js";
import { ReplyWriter } from "./reply.js";
import { ScanCursors } from "./scan-cursors.js";
import { Session } from "./session.js";
import { TransactionQueue } from "./transaction-queue.js";

export interface RespDoorOptions {
  /** of a read or write, milliseconds; default 5000 */
  readonly timeoutMs?: number;
  /** bytes that all connections together may keep in transactions; default 256 MiB */
  readonly heldSizeMax?: number;
}

/** What a session needs of its connection. */
export type RespSink = Pick<
  ClientConnection,
  | "id"
  | "remoteAddress"
  | "localAddress"
  | "bytes"
  | "reserve"
  | "write"
  | "writeLatin1"
  | "mustPause"
  | "pauseReading"
  | "resumeReading"
  | "end"
>;

const TIMEOUT_MS_DEFAULT = 5000;
const HELD_SIZE_MAX_DEFAULT = 256 * 1024 * 1024;
/** What a bulk may have beyond the largest value, so that a little too much is told in words. */
const BULK_SLACK_SIZE = 1024;
/** What a request may have beyond the largest, for the same reason and for its words. */
const REQUEST_SLACK_SIZE = 64 * 1024;
/** Commands of one connection that are not answered yet; beyond it the client is not read from. */
const PIPELINE_COUNT_MAX = 4096;
/** The same in bytes that they hold. */
const PIPELINE_SIZE_MAX = 8 * 1024 * 1024;
const FIRST_PRINTABLE = 0x20;
const DELETE = 0x7f;
const LINE_ENDS: readonly number[] = [0x0a, 0x0d];

export class RespDoor implements ProtocolHandler {
  readonly name = "RESP";
  readonly #context: CommandContext;
  readonly #timeoutMs: number;
  readonly #sessions = new Set<Session>();
  readonly #lookups = new Lookups();

  constructor(service: NodeService, options: RespDoorOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
    this.#context = {
      service,
      cursors: new ScanCursors(),
      turns: new ReadTurns(service),
      held: new HeldSize(options.heldSizeMax ?? HELD_SIZE_MAX_DEFAULT),
      sessions: () => this.#sessions,
      table: COMMAND_TABLE,
    };
  }

  matches(head: Uint8Array): "yes" | "no" {
    const first = head[0] ?? 0;
    const printable = first >= FIRST_PRINTABLE && first < DELETE;
    return printable || LINE_ENDS.includes(first) ? "yes" : "no";
  }

  accept(connection: RespSink): ConnectionHandler {
    const session = new Session({
      id: connection.id,
      remoteAddress: connection.remoteAddress,
      localAddress: connection.localAddress,
      now: () => this.#context.service.now(),
    });
    this.#sessions.add(session);
    return new RespConnection(connection, session, {
      context: this.#context,
      lookups: this.#lookups,
      timeoutMs: this.#timeoutMs,
      onClosed: () => {
        this.#sessions.delete(session);
      },
    });
  }
}

interface RespConnectionOptions {
  readonly context: CommandContext;
  readonly lookups: Lookups;
  readonly timeoutMs: number;
  readonly onClosed: () => void;
}

/** One client: bytes to requests, requests to the pipeline, as many as it takes. */
class RespConnection implements ConnectionHandler {
  readonly #connection: RespSink;
  readonly #session: Session;
  readonly #options: RespConnectionOptions;
  readonly #parser: RequestParser;
  readonly #pipeline: Pipeline;
  readonly #transaction: TransactionQueue;
  /** The pipeline is full: requests wait in the parser, and the client in its socket. */
  #held = false;
  #inputEnded = false;
  #requestCount = 0;

  constructor(connection: RespSink, session: Session, options: RespConnectionOptions) {
    this.#connection = connection;
    this.#session = session;
    this.#options = options;
    const { service, turns } = options.context;
    this.#parser = new RequestParser({
      bulkSizeMax: service.limits.valueSizeMax + BULK_SLACK_SIZE,
      requestSizeMax: service.limits.requestSizeMax + REQUEST_SLACK_SIZE,
    });
    this.#transaction = new TransactionQueue(options.context);
    this.#pipeline = new Pipeline({
      service,
      turns,
      lookups: options.lookups,
      session,
      reply: new ReplyWriter(connection),
      timeoutMs: options.timeoutMs,
      mustPause: () => connection.mustPause(),
      onLast: () => {
        connection.end();
      },
      onProgress: () => {
        this.#onProgress();
      },
    });
  }

  receive(chunk: Buffer): InputState {
    // Behind QUIT or a fault nothing is heard.
    if (this.#pipeline.sealed) return "idle";
    this.#parser.push(chunk);
    const countBefore = this.#requestCount;
    if (!this.#held) this.#takeRequests();
    if (!this.#parser.partial) return "idle";
    return this.#requestCount > countBefore ? "begun" : "partial";
  }

  inputEnded(): void {
    this.#inputEnded = true;
    if (!this.#held) this.#endOfInput();
  }

  goodbye(): void {
    this.inputEnded();
  }

  drained(): void {
    this.#pipeline.goOn();
  }

  closed(): void {
    this.#pipeline.stop();
    this.#transaction.forget();
    this.#options.onClosed();
  }

  /**
   * Takes what requests there are; holds the client when the pipeline is full of
   * unanswered ones. Whether all were taken.
   */
  #takeRequests(): boolean {
    do {
      this.#held = this.#enqueueRequests() === "full";
      this.#pipeline.advance();
      // What needed no node is answered already, and has made room.
    } while (this.#held && this.#isHalfEmpty());
    if (this.#held) this.#connection.pauseReading();
    return !this.#held;
  }

  #enqueueRequests(): "full" | "all" {
    while (!this.#pipeline.sealed) {
      if (this.#isFull()) return "full";
      const plain = this.#transaction.open ? undefined : this.#parser.nextPlain();
      if (plain !== undefined) {
        this.#session.lastCommand = plain;
        this.#requestCount++;
        this.#pipeline.enqueuePlain(plain, this.#parser);
        continue;
      }
      const step = this.#parser.next();
      if (step.kind === "more") break;
      if (step.kind === "fault") {
        this.#pipeline.enqueue(faultPlan(step.reason), 0);
        break;
      }
      const { name, plan } = planCommand(step.args, this.#options.context, this.#transaction);
      this.#session.lastCommand = name;
      this.#requestCount++;
      this.#pipeline.enqueue(plan, step.size);
    }
    return "all";
  }

  /** Replies went out: there may be room for more requests. */
  #onProgress(): void {
    if (!this.#held || !this.#isHalfEmpty()) return;
    if (!this.#takeRequests()) return;
    this.#connection.resumeReading(this.#parser.partial ? "begun" : "idle");
    if (this.#inputEnded) this.#endOfInput();
  }

  /** Nothing more will come: the connection ends behind the last reply. */
  #endOfInput(): void {
    this.#pipeline.enqueue({ kind: "last", run: () => undefined }, 0);
    this.#pipeline.advance();
  }

  #isFull(): boolean {
    return this.#pipeline.count >= PIPELINE_COUNT_MAX || this.#pipeline.size >= PIPELINE_SIZE_MAX;
  }

  #isHalfEmpty(): boolean {
    return (
      this.#pipeline.count <= PIPELINE_COUNT_MAX / 2 && this.#pipeline.size <= PIPELINE_SIZE_MAX / 2
    );
  }
}

function faultPlan(reason: string): Plan {
  return {
    kind: "last",
    run: (reply) => {
      reply.error(`ERR Protocol error: ${reason}`);
    },
  };
}
