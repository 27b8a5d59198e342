/**
 * The native protocol at the client port: a node's service, one frame a request
 * and one frame an answer (codec/client-message.ts).
 *
 * Every request is answered exactly once, in the order in which answers are
 * ready, not in that of the requests. What a client can make this node hold is
 * bounded: requests in flight by number and by bytes (beyond that BUSY, and
 * nothing was applied), answers by what it takes. Bytes that are no request are
 * answered once with PROTOCOL and the id 0, and the connection is closed.
 *
 * A client that disappears takes nothing back: what it asked for runs to its end,
 * and the answer is dropped.
 */
import { assert, unreachable } from "../../assert.js";
import { checkKey, checkRange, PAGE_COUNT_MAX, PAGE_SIZE_MAX } from "../../client/request.js";
import { invalid } from "../../client/failures.js";
import { type Answered, type QuestionService, runQuery } from "../../client/query.js";
import {
  CLIENT_PREAMBLE,
  CLIENT_REQUEST_SIZE_MAX,
  CLIENT_RESPONSE_SIZE_MAX,
  type ClientRequest,
  type ClientResponse,
} from "../../codec/client-message.js";
import { decodeClientRequest } from "../../codec/client-request.js";
import { encodeClientResponseFrame } from "../../codec/client-response.js";
import { FrameReader } from "../../codec/frame.js";
import { DatabaseError } from "../../errors.js";
import type { ExecuteDone, NodeService } from "../../node/service.js";
import { LogIndex } from "../../raft/types.js";
import { answerSize } from "../../store/answer.js";
import type { RequestResult } from "../../store/command.js";
import { checkRequest } from "../../store/limits.js";
import type { ClientConnection, ConnectionHandler, InputState, ProtocolHandler } from "../door.js";
import { ReadTurns } from "../read-turns.js";
import {
  isLonePut,
  told,
  toldOfPut,
  bounded,
  errorOf,
  busy,
  untaken,
  noLongerTold,
  tooMuchToTell,
  tooMuchFound,
  untold,
} from "./answers.js";

/** What one connection may have waiting. */
export interface NativeDoorLimits {
  /** requests in flight; one more is answered BUSY */
  readonly inFlightMax: number;
  /** bytes of requests in flight, likewise */
  readonly inFlightSizeMax: number;
  /** bytes of answers that the client has not shown to take; a read beyond is answered BUSY */
  readonly untakenSizeMax: number;
}

const DEFAULT_NATIVE_DOOR_LIMITS: NativeDoorLimits = {
  inFlightMax: 4096,
  inFlightSizeMax: 32 * 1024 * 1024,
  untakenSizeMax: 16 * 1024 * 1024,
};

/** bytes; a page of the log holds no more, unless one entry does */
const LOG_PAGE_SIZE_MAX = 1024 * 1024;
/** bytes; a part of a saved snapshot holds no more */
const SAVED_PART_SIZE_MAX = 1024 * 1024;
/** Bytes of the preamble that name the protocol; its version and a line feed follow. */
const NAME_SIZE = 6;
const GONE = new DatabaseError("CLOSED", "the client has gone");
/** Answers to writes may wait untaken up to this many times `untakenSizeMax`. */
const UNTAKEN_WRITES_FACTOR = 3;

/** The protocol, for the client door. */
export function nativeProtocol(
  service: NodeService,
  limits: Partial<NativeDoorLimits> = {},
): ProtocolHandler {
  const all = { ...DEFAULT_NATIVE_DOOR_LIMITS, ...limits };
  const turns = new ReadTurns(service);
  return {
    name: "native",
    matches: matchesPreamble,
    accept: (connection) => new NativeSession(service, connection, all, turns),
  };
}

/** What a session needs of its connection. */
export type NativeSink = Pick<ClientConnection, "closed" | "write" | "end">;

/** One client's session, wherever its bytes come from and go to. */
export function nativeSession(service: NodeService, connection: NativeSink): ConnectionHandler {
  const turns = new ReadTurns(service);
  return new NativeSession(service, connection, DEFAULT_NATIVE_DOOR_LIMITS, turns);
}

/** Any version matches here, so that another one is told so in words it understands. */
function matchesPreamble(head: Uint8Array): "yes" | "no" | "more" {
  const size = Math.min(head.length, NAME_SIZE);
  for (let i = 0; i < size; i += 1) if (head[i] !== CLIENT_PREAMBLE[i]) return "no";
  return size === NAME_SIZE ? "yes" : "more";
}

/** One client, from its preamble to its end. */
class NativeSession implements ConnectionHandler {
  readonly #service: NodeService;
  readonly #connection: NativeSink;
  readonly #limits: NativeDoorLimits;
  /** The service, for reads beyond a single key: in turn with those of other clients. */
  readonly #questions: QuestionService;
  readonly #frames: FrameReader;
  #preambleSize = 0;
  #inFlight = 0;
  #inFlightSize = 0;
  /**
   * Bytes answered since the client was last heard. It is not read from while
   * much is unsent, so whoever is heard has taken what was written before.
   */
  #untakenSize = 0;
  /** questions that wait for changes: how to give each up */
  readonly #waits = new Set<() => void>();
  #goingDown = false;
  #inputEnded = false;
  /** whether what is unfinished was begun in the bytes that came last */
  #frameEnded = false;

  constructor(
    service: NodeService,
    connection: NativeSink,
    limits: NativeDoorLimits,
    turns: ReadTurns,
  ) {
    this.#service = service;
    this.#connection = connection;
    this.#limits = limits;
    this.#questions = {
      read: (timeoutMs, done) => {
        turns.read(timeoutMs, (error, store) => {
          // For who has gone nothing is looked up.
          if (connection.closed) done(GONE, undefined);
          else done(error, store);
        });
      },
      whenChanged: (...asked) => turns.whenChanged(...asked),
      wallTime: () => service.wallTime(),
      now: () => service.now(),
    };
    this.#frames = new FrameReader({
      bodySizeMax: CLIENT_REQUEST_SIZE_MAX,
      onFrame: (body) => {
        this.#onFrame(body);
      },
    });
  }

  receive(chunk: Buffer): InputState {
    this.#untakenSize = 0;
    this.#frameEnded = this.#frames.pendingSize === 0;
    try {
      const rest = this.#takePreamble(chunk);
      if (rest.length > 0) this.#frames.push(rest);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.#refuse(error);
      return "idle";
    }
    if (this.#preambleSize < CLIENT_PREAMBLE.length) return "partial";
    if (this.#frames.pendingSize === 0) return "idle";
    return this.#frameEnded ? "begun" : "partial";
  }

  inputEnded(): void {
    this.#inputEnded = true;
    this.#giveUpWaits();
    this.#endWhenAnswered();
  }

  goodbye(): void {
    this.#goingDown = true;
    this.#answer({ kind: "goodbye", id: 0 });
    // They would hold up the end, and can wait at another node.
    this.#giveUpWaits();
  }

  closed(): void {
    this.#frames.stop();
    this.#giveUpWaits();
  }

  /** Returns what of `chunk` lies behind the preamble. */
  #takePreamble(chunk: Buffer): Buffer {
    let taken = 0;
    while (this.#preambleSize < CLIENT_PREAMBLE.length && taken < chunk.length) {
      if (chunk[taken] !== CLIENT_PREAMBLE[this.#preambleSize])
        throw new DatabaseError(
          "PROTOCOL",
          `this node speaks version ${CLIENT_PREAMBLE[NAME_SIZE] ?? 0} of the native client protocol, and no other`,
        );
      this.#preambleSize += 1;
      taken += 1;
    }
    return chunk.subarray(taken);
  }

  #onFrame(body: Buffer): void {
    this.#frameEnded = true;
    const request = decodeClientRequest(body);
    const full =
      this.#inFlight >= this.#limits.inFlightMax ||
      this.#inFlightSize + body.length > this.#limits.inFlightSizeMax;
    if (full) this.#fail(request.id, busy("too many requests are in flight on this connection"));
    else this.#serve(request, body.length);
  }

  #serve(request: ClientRequest, size: number): void {
    switch (request.kind) {
      case "execute":
        this.#execute(request, size);
        break;
      case "get":
        this.#get(request, size);
        break;
      case "range":
        this.#range(request, size);
        break;
      case "administer":
        this.#administer(request, size);
        break;
      case "query":
        this.#query(request, size);
        break;
      case "status":
        this.#status(request, size);
        break;
      case "info":
        this.#inspect(request.id, () => this.#infoOf(request.id));
        break;
      case "readLog":
        this.#inspect(request.id, () => this.#logPage(request));
        break;
      case "checksumAt":
        this.#inspect(request.id, () => this.#checksumOf(request));
        break;
      case "snapshots":
        this.#inspect(request.id, () => this.#snapshotsOf(request.id));
        break;
      case "saveSnapshot":
        this.#saveSnapshot(request, size);
        break;
      case "readSaved":
        this.#inspect(request.id, () => this.#savedPart(request));
        break;
      default:
        unreachable(request);
    }
  }

  #execute(message: RequestOf<"execute">, size: number): void {
    const { id, request, answer } = message;
    const requestId = Buffer.from(request.id).toString("hex");
    const wrong =
      answer === "previous" && request.commands.length > 1
        ? invalid("previous keys are told for a request of one command only")
        : checkRequest(request, this.#service.limits);
    if (wrong !== undefined) {
      this.#fail(id, wrong, requestId);
      return;
    }
    this.#begin(size);
    // What is told of a put is the same whatever was there.
    const isPlain = answer === "counts" && isLonePut(request);
    const done: ExecuteDone = (error, result) => {
      if (result === undefined) this.#fail(id, errorOf(error), requestId);
      else if (this.#untakenSize >= UNTAKEN_WRITES_FACTOR * this.#limits.untakenSizeMax)
        this.#fail(id, untold(result), requestId);
      else if (answer === "whole") this.#answerWhole(id, result, requestId);
      else if (isPlain) this.#answer({ kind: "executed", id, result: toldOfPut(result) });
      else this.#answer({ kind: "executed", id, result: told(result, answer === "previous") });
      this.#finish(size);
    };
    this.#service.execute(request, message.timeoutMs, done, isPlain ? "revision" : "result");
  }

  #get({ id, key, timeoutMs }: RequestOf<"get">, size: number): void {
    const wrong = checkKey(key, this.#service.limits);
    if (wrong !== undefined) {
      this.#fail(id, wrong);
      return;
    }
    this.#begin(size);
    this.#service.read(timeoutMs, (error, store) => {
      if (store === undefined) this.#fail(id, errorOf(error));
      else if (this.#untaken()) this.#fail(id, untaken());
      else this.#answer({ kind: "got", id, revision: store.revision, keyValue: store.get(key) });
      this.#finish(size);
    });
  }

  #range(request: RequestOf<"range">, size: number): void {
    const { id, from, end } = request;
    const wrong = checkRange(request, this.#service.limits);
    if (wrong !== undefined) {
      this.#fail(id, wrong);
      return;
    }
    const countMax = Math.min(request.countMax, PAGE_COUNT_MAX);
    const sizeMax = Math.min(request.sizeMax, PAGE_SIZE_MAX);
    this.#begin(size);
    this.#questions.read(request.timeoutMs, (error, store) => {
      if (store === undefined) {
        this.#fail(id, errorOf(error));
      } else if (this.#untaken()) {
        this.#fail(id, untaken());
      } else {
        const { keyValues, more } = store.range(from, end, countMax, sizeMax);
        this.#answer({ kind: "page", id, revision: store.revision, keyValues, more });
      }
      this.#finish(size);
    });
  }

  #answerWhole(id: number, result: RequestResult, requestId: string): void {
    if (result.kind === "applied" && result.cutSize !== undefined)
      this.#fail(id, noLongerTold(), requestId);
    else if (answerSize(result) > CLIENT_RESPONSE_SIZE_MAX)
      this.#fail(id, tooMuchToTell(), requestId);
    else this.#answer({ kind: "answered", id, result });
  }

  #query({ id, timeoutMs, query }: RequestOf<"query">, size: number): void {
    this.#begin(size);
    const finish = (): void => {
      this.#waits.delete(giveUpWait);
      this.#finish(size);
    };
    const giveUp = runQuery(this.#questions, bounded(query), timeoutMs, (error, answered) => {
      if (answered === undefined) this.#fail(id, errorOf(error));
      else if (this.#untaken()) this.#fail(id, untaken());
      else this.#answerFound(id, answered);
      finish();
    });
    const giveUpWait = (): void => {
      giveUp();
      this.#fail(id, new DatabaseError("UNAVAILABLE", "the node is going down"));
      finish();
    };
    if (query.kind !== "changes" || query.waitMs === 0) return;
    this.#waits.add(giveUpWait);
    if (this.#goingDown || this.#inputEnded) giveUpWait();
  }

  #answerFound(id: number, answered: Answered): void {
    const response = { kind: "found", id, ...answered } as const;
    const frame = encodeClientResponseFrame(response);
    if (frame.length > CLIENT_RESPONSE_SIZE_MAX) this.#fail(id, tooMuchFound());
    else this.#write(frame);
  }

  #giveUpWaits(): void {
    for (const giveUp of [...this.#waits]) giveUp();
  }

  #administer({ id, timeoutMs, action }: RequestOf<"administer">, size: number): void {
    this.#begin(size);
    this.#service.administer(action, timeoutMs, (error, result) => {
      if (result === undefined) this.#fail(id, errorOf(error));
      else this.#answer({ kind: "administered", id, index: result.index });
      this.#finish(size);
    });
  }

  #status({ id, timeoutMs }: RequestOf<"status">, size: number): void {
    this.#begin(size);
    this.#service.status(timeoutMs, (error, status) => {
      if (status === undefined) this.#fail(id, errorOf(error));
      else this.#answer({ kind: "statusOf", id, json: JSON.stringify(status) });
      this.#finish(size);
    });
  }

  /** Answers from this node alone, at once. */
  #inspect(id: number, look: () => ClientResponse): void {
    try {
      this.#answer(look());
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.#fail(id, error);
    }
  }

  #infoOf(id: number): ClientResponse {
    return { kind: "infoOf", id, json: JSON.stringify(this.#service.info()) };
  }

  #logPage({ id, from, sizeMax }: RequestOf<"readLog">): ClientResponse {
    if (this.#untaken()) throw untaken();
    const entries = this.#service.readLog(LogIndex(from), Math.min(sizeMax, LOG_PAGE_SIZE_MAX));
    // With the checksum before it, the reader can check the first block too.
    const first = entries[0]?.index ?? from;
    const before = first === 1 ? { checksum: 0 } : this.#service.checksumAt(LogIndex(first - 1));
    assert(entries.length === 0 || before !== undefined, "a log tells what it chains to");
    const blocks = Buffer.concat(entries.map(({ block }) => block));
    return { kind: "logPage", id, previousChecksum: before?.checksum ?? 0, blocks };
  }

  #checksumOf({ id, index }: RequestOf<"checksumAt">): ClientResponse {
    const at = this.#service.checksumAt(LogIndex(index));
    const held = at !== undefined;
    return { kind: "checksumOf", id, held, term: at?.term ?? 0, checksum: at?.checksum ?? 0 };
  }

  #snapshotsOf(id: number): ClientResponse {
    const json = JSON.stringify(this.#service.snapshots.held());
    return { kind: "snapshotsOf", id, json };
  }

  #saveSnapshot({ id, timeoutMs }: RequestOf<"saveSnapshot">, size: number): void {
    this.#begin(size);
    this.#service.snapshots.save(timeoutMs, (error, saved) => {
      if (saved === undefined) this.#fail(id, errorOf(error));
      else this.#answer({ kind: "savedAs", id, saved });
      this.#finish(size);
    });
  }

  #savedPart({ id, index, offset, sizeMax }: RequestOf<"readSaved">): ClientResponse {
    if (this.#untaken()) throw untaken();
    const size = Math.min(sizeMax, SAVED_PART_SIZE_MAX);
    const bytes = this.#service.snapshots.readSaved(index, offset, size);
    if (bytes === undefined)
      throw new DatabaseError("INVALID_ARGUMENT", `no snapshot of entry ${index} is kept here`);
    return { kind: "savedPart", id, bytes };
  }

  #begin(size: number): void {
    this.#inFlight += 1;
    this.#inFlightSize += size;
  }

  /** The request is answered. */
  #finish(size: number): void {
    this.#inFlight -= 1;
    this.#inFlightSize -= size;
    assert(this.#inFlight >= 0, "a request is answered once");
    this.#endWhenAnswered();
  }

  #untaken(): boolean {
    return this.#untakenSize >= this.#limits.untakenSizeMax;
  }

  #answer(response: ClientResponse): void {
    if (this.#connection.closed) return;
    this.#write(encodeClientResponseFrame(response));
  }

  #write(frame: Buffer): void {
    if (this.#connection.closed) return;
    this.#untakenSize += frame.length;
    this.#connection.write(frame);
  }

  #fail(id: number, error: DatabaseError, requestId = ""): void {
    const { code, message, outcome } = error;
    this.#answer({
      kind: "failed",
      id,
      // To a client "closed" is what itself did; this node merely stops.
      code: code === "CLOSED" ? "UNAVAILABLE" : code,
      message,
      outcome,
      requestId: error.requestId ?? requestId,
      ...(error.revisions && { revisions: error.revisions }),
    });
  }

  /** The connection breaks the rules: says so once, and closes it. */
  #refuse(error: DatabaseError): void {
    this.#frames.stop();
    this.#fail(0, error);
    this.#connection.end();
  }

  #endWhenAnswered(): void {
    if (this.#inputEnded && this.#inFlight === 0) this.#connection.end();
  }
}

type RequestOf<Kind extends ClientRequest["kind"]> = Extract<ClientRequest, { kind: Kind }>;
