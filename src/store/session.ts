/**
 * Sessions: requests that are applied exactly once (thesis §6.3).
 *
 * The owner of a session counts its requests. The first answer to each is kept
 * until the owner says that it arrived, and a request that comes again, because
 * it was retried or took two ways, gets that answer and changes nothing. A
 * request of a session that is not there is refused and never applied: its first
 * coming may have been applied before the session ended, so that refusing is the
 * only answer that cannot be wrong.
 *
 * A session ends when nothing of it was applied for its time to live. What is
 * kept is bounded: an answer of more than ANSWERS_SIZE_MAX bytes is kept without its
 * keys and values, and beyond SESSION_WINDOW answers or ANSWERS_SIZE_MAX bytes of them
 * a request is refused as "session-window". That is its answer then, for ever: a
 * second copy of it must not be applied after its owner was told that it was not.
 * Whoever goes on regardless loses the session.
 */
import { answerSize, cutAnswer } from "./answer.js";
import type { RequestResult, SessionMark } from "./command.js";
import { Deadlines, type Expiring } from "./deadlines.js";
import { keyText } from "./key-order.js";
import { Registry, type RegistryView } from "./registry.js";

/** unacknowledged answers of one session */
export const SESSION_WINDOW = 1024;
/** answers, refusals beyond the window included, before a session is closed */
const ANSWER_COUNT_MAX = 2 * SESSION_WINDOW;
/** bytes, about, of the unacknowledged answers of one session; the one that passes it is kept, cut if it does so alone */
const ANSWERS_SIZE_MAX = 4 * 1024 * 1024;
/** sessions */
const SESSION_COUNT_MAX = 100_000;

/** What of a session is in rows. */
export interface SessionState {
  readonly id: Uint8Array;
  /** milliseconds */
  readonly ttl: number;
  readonly deadline: number;
  readonly acknowledged: number;
  /** by sequence */
  readonly answers: ReadonlyMap<number, RequestResult>;
}

export interface Session extends SessionState, Expiring {
  deadline: number;
  acknowledged: number;
  readonly answers: Map<number, RequestResult>;
  answersSize: number;
}

export type SessionFault = "session-expired" | "session-acknowledged";

export class Sessions {
  readonly #sessions = new Map<string, Session>();
  /** in the order in which they were opened */
  readonly #inOrder = new Registry<Session, SessionState>(
    ({ id, ttl, deadline, acknowledged, answers }) => ({
      answers: new Map(answers),
      ...{ id, ttl, deadline, acknowledged },
    }),
  );
  readonly #deadlines = new Deadlines<Session>();
  #opened = 0;

  get size(): number {
    return this.#sessions.size;
  }

  get earliestDeadline(): number | undefined {
    return this.#deadlines.earliest;
  }

  get(id: Uint8Array): Session | undefined {
    return this.#sessions.get(keyText(id));
  }

  /** In the order in which they were opened. */
  all(): Iterable<SessionState> {
    return this.#inOrder;
  }

  /** The same, of this moment. */
  openView(): RegistryView<SessionState> {
    return this.#inOrder.openView();
  }

  /** @returns whether there is room. One that is there stays as it is, its time anew */
  open(id: Uint8Array, ttl: number, runTime: number): boolean {
    if (this.keep(id, runTime)) return true;
    if (this.#sessions.size >= SESSION_COUNT_MAX) return false;
    this.restore(new Uint8Array(id), ttl, runTime + ttl, 0);
    return true;
  }

  /** @returns whether it is there; its time starts anew */
  keep(id: Uint8Array, runTime: number): boolean {
    const session = this.get(id);
    if (session === undefined) return false;
    this.#inOrder.changing(session);
    session.deadline = Math.max(session.deadline, runTime + session.ttl);
    return true;
  }

  close(id: Uint8Array): void {
    const session = this.get(id);
    if (session === undefined) return;
    this.#sessions.delete(keyText(id));
    this.#inOrder.delete(session);
    this.#deadlines.remove(session);
  }

  /** Ends the next session whose time has run out. @returns whether there was one */
  expireNext(runTime: number): boolean {
    const session = this.#deadlines.take(runTime);
    if (session === undefined) return false;
    this.#sessions.delete(keyText(session.id));
    this.#inOrder.delete(session);
    return true;
  }

  /**
   * A request of a session has come, whose answer may be kept until the next one does.
   * @returns its first answer when it came before, what it is refused for, or the session in which it is new
   */
  receive(mark: SessionMark, runTime: number): RequestResult | SessionFault | Session {
    const session = this.get(mark.session);
    if (session === undefined) return "session-expired";
    this.keep(mark.session, runTime);
    acknowledge(session, mark.acknowledged);
    if (mark.sequence <= session.acknowledged) return "session-acknowledged";
    const answer = session.answers.get(mark.sequence);
    if (answer !== undefined) return answer;
    if (session.answers.size < ANSWER_COUNT_MAX) return session;
    this.close(mark.session);
    return "session-expired";
  }

  restore(id: Uint8Array, ttl: number, deadline: number, acknowledged: number): Session {
    this.#opened += 1;
    const session: Session = {
      id,
      order: this.#opened,
      ttl,
      deadline,
      placed: deadline,
      acknowledged,
      answers: new Map(),
      answersSize: 0,
    };
    this.#sessions.set(keyText(id), session);
    this.#inOrder.add(session);
    this.#deadlines.add(session);
    return session;
  }
}

/** Whether there are as many answers on the way as may be. */
export function isFull(session: Session): boolean {
  return session.answers.size >= SESSION_WINDOW || session.answersSize >= ANSWERS_SIZE_MAX;
}

/** Keeps the first answer to a session's request; a cut one counts as what it was. */
export function keepAnswer(session: Session, sequence: number, answer: RequestResult): void {
  const size = answerSize(answer);
  const kept = size > ANSWERS_SIZE_MAX ? cutAnswer(answer, size) : answer;
  session.answers.set(sequence, kept);
  session.answersSize += size;
}

/** Forgets the answers that have arrived. */
function acknowledge(session: Session, sequence: number): void {
  if (sequence <= session.acknowledged) return;
  session.acknowledged = sequence;
  for (const [each, answer] of session.answers) {
    if (each > sequence) continue;
    session.answers.delete(each);
    session.answersSize -= answerSize(answer);
  }
}
