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
import { outcomeUnknown, unknownSince } from "./failures.js";
import { patiently, type Patience } from "./patience.js";
import { rejection } from "./rejection.js";
import { newRequestId, requestIdOf } from "./request-id.js";

const ID_SIZE = 16;
/**
 * Requests between the oldest without an answer and the newest: fewer than the
 * answers that the cluster keeps for a session (store/session.ts).
 */
const WINDOW = 900;
/**
 * Whose time is up so shortly before that of the session's opening waits until that fails,
 * and is told why. Milliseconds.
 */
const OPEN_GRACE_MS = 50;

/** Sends a request and waits for its answer, so many milliseconds. */
export type Send = (request: Request, timeoutMs: number) => Promise<RequestResult>;

export interface SessionOptions {
  /** after so many milliseconds without a write the session ends */
  readonly ttlMs: number;
  /** milliseconds that opening it may take at least, whoever waits for it */
  readonly openTimeoutMs: number;
}

/** One life of the session in the cluster. */
interface Life {
  readonly id: Uint8Array;
  /** when it is given up that it could be opened, by `performance.now` */
  readonly openUntil: number;
  /** the cluster's refusal, when it comes to that */
  readonly opened: Promise<DatabaseError | undefined>;
  isOpen: boolean;
  nextSequence: number;
  /** sequences under way, oldest first */
  readonly open: Set<number>;
  /** those who wait until the window has room, in their order; while there is room, nobody */
  readonly waiting: Set<(mark: SessionMark) => void>;
}

export class ClientSession {
  readonly #options: SessionOptions;
  readonly #send: Send;
  #life: Life | undefined;

  constructor(options: SessionOptions, send: Send) {
    this.#options = options;
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
      const life = await this.#living(patience);
      const mark = await begin(life, patience);
      try {
        const result = await untilAnswered({ ...request, session: mark }, send, patience, () => {
          coming.wasCutOff = true;
        });
        if (result.kind !== "rejected" || result.reason !== "session-expired") return result;
        this.#forget(life);
        if (coming.wasCutOff)
          throw outcomeUnknown(requestIdOf(request), "the session has run out since it was sent");
      } finally {
        end(life, mark.sequence);
      }
    }
  }

  /**
   * The life that is open. Opening it is everybody's, and so goes on when one who waits for
   * it has no more time; when it fails, who has time left tries again.
   */
  async #living(patience: Patience): Promise<Life> {
    let failure: DatabaseError | undefined;
    const late = (): DatabaseError =>
      failure ?? new DatabaseError("TIMEOUT", "no session could be opened in time");
    for (;;) {
      const life = this.#life ?? this.#begin(patience.deadline);
      if (life.isOpen) return life;
      let refusal: DatabaseError | undefined;
      try {
        const isAsLong = patience.deadline + OPEN_GRACE_MS >= life.openUntil;
        const waiting = isAsLong ? { ...patience, deadline: life.openUntil + 1000 } : patience;
        refusal = await patiently<DatabaseError | undefined>(waiting, late, (resolve, reject) => {
          life.opened.then(resolve, reject);
          return () => undefined;
        });
      } catch (error) {
        if (!(error instanceof DatabaseError) || !mayOpenAgain(error, life, patience)) throw error;
        failure = error;
        continue;
      }
      if (refusal !== undefined) throw refusal;
    }
  }

  #begin(deadline: number): Life {
    const id = new Uint8Array(randomBytes(ID_SIZE));
    const openUntil = Math.max(deadline, performance.now() + this.#options.openTimeoutMs);
    const life: Life = {
      id,
      openUntil,
      opened: this.#open(id, openUntil),
      isOpen: false,
      nextSequence: 1,
      open: new Set(),
      waiting: new Set(),
    };
    this.#life = life;
    // Whoever waits for it is told; the next write tries anew.
    life.opened.then(
      (refusal) => {
        if (refusal === undefined) life.isOpen = true;
        else this.#forget(life);
      },
      () => {
        this.#forget(life);
      },
    );
    return life;
  }

  async #open(session: Uint8Array, deadline: number): Promise<DatabaseError | undefined> {
    const command = { kind: "openSession", session, ttl: this.#options.ttlMs } as const;
    const request: Request = { id: newRequestId(), commands: [command] };
    try {
      // Opened again it stays as it is.
      const patience = { deadline, signal: undefined };
      const result = await untilAnswered(request, this.#send, patience, () => undefined);
      return result.kind === "rejected" ? rejection(request, result) : undefined;
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.outcome !== "unknown") throw error;
      // Of the write itself nothing was sent.
      throw new DatabaseError("TIMEOUT", "no session could be opened in time", { cause: error });
    }
  }

  #forget(life: Life): void {
    if (this.#life === life) this.#life = undefined;
  }
}

/** Whether one who waited for `life` to open has another one opened. */
function mayOpenAgain(error: DatabaseError, life: Life, patience: Patience): boolean {
  const now = performance.now();
  if (!error.retryable || patience.signal?.aborted === true || patience.deadline <= now) {
    return false;
  }
  // Before its time is up: nobody can be reached, for as long as that is waited for.
  return error.code !== "UNAVAILABLE" || life.openUntil <= now;
}

/** The place of a write in its session; when the window is full, once it has room. */
async function begin(life: Life, patience: Patience): Promise<SessionMark> {
  if (hasRoom(life)) return nextMark(life);
  const late = (): DatabaseError =>
    new DatabaseError("TIMEOUT", `the ${WINDOW} writes before it were not answered in time`);
  return patiently<SessionMark>(patience, late, (resolve) => {
    life.waiting.add(resolve);
    return () => {
      life.waiting.delete(resolve);
    };
  });
}

function end(life: Life, sequence: number): void {
  life.open.delete(sequence);
  for (const resume of life.waiting) {
    if (!hasRoom(life)) return;
    life.waiting.delete(resume);
    resume(nextMark(life));
  }
}

function hasRoom(life: Life): boolean {
  return life.nextSequence - oldest(life) < WINDOW;
}

function nextMark(life: Life): SessionMark {
  const sequence = life.nextSequence;
  life.nextSequence += 1;
  life.open.add(sequence);
  return { session: life.id, sequence, acknowledged: oldest(life) - 1 };
}

/**
 * Sends it again and again, as it is, until there is an answer. That a repeat was refused or
 * never left proves nothing of what was cut off before.
 */
async function untilAnswered(
  request: Request,
  send: Send,
  { deadline, signal }: Patience,
  onCutOff: () => void,
): Promise<RequestResult> {
  let wasCutOff = false;
  for (;;) {
    try {
      return await send(request, timeLeft(deadline));
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      if (error.outcome !== "unknown") throw wasCutOff ? unknownSince(request, error) : error;
      if (signal?.aborted === true || deadline <= performance.now()) throw error;
      wasCutOff = true;
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
