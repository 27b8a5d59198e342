/**
 * Exactly once, from the client's side (thesis §6.3): every write of a session
 * carries its number, so that the cluster knows it again when it comes twice. What
 * was cut off can then be sent anew, to any node, and gets its first answer.
 *
 * A session that has run out while nothing was under way is simply opened anew. A
 * write that was cut off in a session that has run out since is the one case that
 * stays unknown: nobody remembers whether it came the first time.
 */
import { randomBytes } from "node:crypto";
import { DatabaseError } from "../errors.js";
import type { Request, RequestResult, SessionMark } from "../store/command.js";
import { outcomeUnknown } from "./failures.js";
import { rejection } from "./rejection.js";
import { newRequestId, requestIdOf } from "./request-id.js";

const ID_SIZE = 16;
/**
 * Requests between the oldest without an answer and the newest: fewer than the
 * answers that the cluster keeps for a session (store/session.ts).
 */
const WINDOW = 900;

/** Sends a request and waits for its answer, so many milliseconds. */
export type Send = (request: Request, timeoutMs: number) => Promise<RequestResult>;

/** How long a write is asked for. */
export interface Patience {
  /** by `performance.now` */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** One life of the session in the cluster. */
interface Life {
  readonly id: Uint8Array;
  readonly opened: Promise<void>;
  nextSequence: number;
  /** sequences under way, oldest first */
  readonly open: Set<number>;
}

export class ClientSession {
  readonly #ttlMs: number;
  readonly #send: Send;
  #life: Life | undefined;
  /** those who wait until the window has room */
  #waiting: (() => void)[] = [];

  constructor(ttlMs: number, send: Send) {
    this.#ttlMs = ttlMs;
    this.#send = send;
  }

  /**
   * Has a request applied once, however often it must be sent.
   *
   * @param send may ask for less of the answer than a session's own requests do
   */
  async execute(request: Request, send: Send, patience: Patience): Promise<RequestResult> {
    const coming = { wasCutOff: false };
    for (;;) {
      const life = this.#living(patience.deadline);
      await life.opened;
      const mark = await this.#begin(life);
      try {
        const result = await untilAnswered({ ...request, session: mark }, send, patience, () => {
          coming.wasCutOff = true;
        });
        if (result.kind !== "rejected" || result.reason !== "session-expired") return result;
        this.#forget(life);
        if (coming.wasCutOff)
          throw outcomeUnknown(requestIdOf(request), "the session has run out since it was sent");
      } finally {
        this.#end(life, mark.sequence);
      }
    }
  }

  #living(deadline: number): Life {
    if (this.#life !== undefined) return this.#life;
    const id = new Uint8Array(randomBytes(ID_SIZE));
    const life: Life = { id, opened: this.#open(id, deadline), nextSequence: 1, open: new Set() };
    this.#life = life;
    // Whoever waits for it is told; the next write tries anew.
    life.opened.catch(() => {
      this.#forget(life);
    });
    return life;
  }

  async #open(session: Uint8Array, deadline: number): Promise<void> {
    const command = { kind: "openSession", session, ttl: this.#ttlMs } as const;
    const request: Request = { id: newRequestId(), commands: [command] };
    try {
      // Opened again it stays as it is.
      const patience = { deadline, signal: undefined };
      const result = await untilAnswered(request, this.#send, patience, () => undefined);
      if (result.kind === "rejected") throw rejection(request, result);
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.outcome !== "unknown") throw error;
      // Of the write itself nothing was sent.
      throw new DatabaseError("TIMEOUT", "no session could be opened in time", { cause: error });
    }
  }

  async #begin(life: Life): Promise<SessionMark> {
    while (life.nextSequence - oldest(life) >= WINDOW) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    const sequence = life.nextSequence;
    life.nextSequence += 1;
    life.open.add(sequence);
    return { session: life.id, sequence, acknowledged: oldest(life) - 1 };
  }

  #end(life: Life, sequence: number): void {
    life.open.delete(sequence);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #forget(life: Life): void {
    if (this.#life === life) this.#life = undefined;
  }
}

/** Sends it again and again, as it is, until there is an answer. */
async function untilAnswered(
  request: Request,
  send: Send,
  { deadline, signal }: Patience,
  onCutOff: () => void,
): Promise<RequestResult> {
  for (;;) {
    try {
      return await send(request, timeLeft(deadline));
    } catch (error) {
      const isUnknown = error instanceof DatabaseError && error.outcome === "unknown";
      if (!isUnknown || signal?.aborted === true || deadline <= performance.now()) throw error;
      onCutOff();
    }
  }
}

/** At least 1, so that the request itself says that the time is up. */
function timeLeft(deadline: number): number {
  return Math.max(1, deadline - performance.now());
}

/** The oldest sequence without an answer: all before it have arrived, or are not waited for any more. */
function oldest(life: Life): number {
  const [sequence = life.nextSequence] = life.open;
  return sequence;
}
