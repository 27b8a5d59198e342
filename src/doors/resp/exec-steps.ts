/**
 * A transaction that takes steps, alone on its connection:
 *
 *   look      when something must be known before the request is made, or nothing
 *             is written: is what was watched unchanged, and what do the commands
 *             that decide find?
 *   request   with what was watched and what was decided on as its conditions, so
 *             that it is of one moment although there was a look before it
 *   answer    from its results; reads of all keys look at the past that the request
 *             has met
 *
 * When what was decided on is not so any more it begins anew with a look, until its
 * time is over. When what was watched has changed it answers null: nothing was done.
 */
import { assert } from "../../assert.js";
import type { DatabaseError } from "../../errors.js";
import type { StoreView } from "../../node/service.js";
import { checkRequest } from "../../store/limits.js";
import type {
  Compare,
  KeyCommand,
  KeyValue,
  RejectedRequest,
  Request,
} from "../../store/command.js";
import { Store } from "../../store/store.js";
import type { CommandContext, DecidePlan, KeyView, QueueablePlan, StepsRun } from "./command.js";
import { errorText } from "./error-text.js";
import {
  answerElement,
  canBe,
  compose,
  discardedText,
  isSettled,
  withinLimits,
} from "./exec-request.js";
import type { Applied, Composition, Element, SettledPlan } from "./exec-request.js";
import { BetweenView } from "./exec-view.js";
import type { WatchSet } from "./watch-set.js";

export interface StepsOptions {
  readonly plans: readonly QueueablePlan[];
  /** undefined when nothing is */
  readonly watched: WatchSet | undefined;
  readonly context: CommandContext;
  /** "single": the reply of the one command, not an array of it */
  readonly form: "transaction" | "single";
}

/** What a look has made of a transaction. */
interface Attempt extends Composition {
  /** that what was decided on is as it was found */
  readonly compares: readonly Compare[];
}

const NO_ID = new Uint8Array(0);

/** Carries a transaction out; `run.done` is called once its reply is written. */
export function runSteps(options: StepsOptions, run: StepsRun): void {
  new Steps(options, run).begin();
}

class Steps {
  readonly #options: StepsOptions;
  readonly #run: StepsRun;
  readonly #deadline: number;

  constructor(options: StepsOptions, run: StepsRun) {
    this.#options = options;
    this.#run = run;
    this.#deadline = options.context.service.now() + run.timeoutMs;
  }

  begin(): void {
    const { plans, watched, context } = this.#options;
    if (watched?.complete === false) {
      this.#fail("EXECABORT Transaction discarded because of: a WATCH has failed");
      return;
    }
    if (plans.every(isSettled)) {
      const composition = compose(plans, context.service.limits);
      if (composition.commands.length > 0) {
        this.#request({ compares: [], ...composition });
        return;
      }
    }
    this.#look();
  }

  #look(): void {
    const { watched, context } = this.#options;
    context.service.read(this.#timeLeft(), (error, view) => {
      if (this.#run.stopped()) return;
      if (error !== undefined) {
        this.#fail(errorText(error));
        return;
      }
      assert(view !== undefined, "a read ends with an error or a view");
      if (watched?.changedIn(view) === true) {
        this.#conflict();
        return;
      }
      const attempt = this.#attempt(view);
      if (attempt.commands.length > 0) this.#request(attempt);
      else this.#answer(attempt, NOTHING_APPLIED, new BetweenView(view, view.revision));
    });
  }

  /** Decides what is to be decided, on a store of its own in which the commands before are tried. */
  #attempt(view: StoreView): Attempt {
    const { plans, context } = this.#options;
    const { service } = context;
    const now = service.wallTime();
    const deciding = plans.flatMap((plan) => decisionOf(plan) ?? []);
    const keys = deciding.flatMap(({ keys }) => keys.filter((key) => canBe(key, service.limits)));
    const trial = new Trial({ view, keys, now });
    const settled = plans.map((plan): SettledPlan => {
      const decided = decisionOf(plan)?.decide(trial, now) ?? plan;
      assert(decided.kind !== "decide", "what was decided needs no decision");
      const within = withinLimits(decided, service.limits);
      if (within.kind === "write" && deciding.length > 0) trial.apply(within.commands);
      return within;
    });
    const compares = keys.flatMap((key) => asDecidedOn(key, view.get(key)));
    return { compares, ...compose(settled, service.limits) };
  }

  #request(attempt: Attempt): void {
    const { watched, context } = this.#options;
    const { service } = context;
    const reads = watched?.reads ?? [];
    const request: Request = {
      id: NO_ID,
      commands: attempt.commands,
      mode: "each",
      ...(reads.length === 0 ? {} : { reads }),
      ...(attempt.compares.length === 0 ? {} : { compares: attempt.compares }),
    };
    const refusal = checkRequest(request, service.limits);
    if (refusal !== undefined) {
      this.#fail(discardedText(errorText(refusal)));
      return;
    }
    service.execute(request, this.#timeLeft(), (error, result) => {
      if (this.#run.stopped()) return;
      if (error !== undefined) {
        this.#fail(errorText(error));
        return;
      }
      assert(result !== undefined, "an execution ends with an error or a result");
      if (result.kind === "rejected") this.#rejected(result);
      else this.#applied(attempt, result);
    });
  }

  #rejected({ reason }: RejectedRequest): void {
    if (reason === "conflict") {
      this.#conflict();
    } else if (reason !== "condition-failed") {
      this.#fail(`ERR the transaction was refused: ${reason}`);
    } else if (this.#options.context.service.now() < this.#deadline) {
      this.#look();
    } else {
      this.#fail("BUSY the keys were changed by others again and again: nothing was applied");
    }
  }

  #applied(attempt: Attempt, result: Applied): void {
    const { service } = this.#options.context;
    if (!attempt.elements.some(isReadOfAll)) {
      this.#answer(attempt, result, undefined);
      return;
    }
    service.whenRevision(result.revision, this.#timeLeft(), (error, view) => {
      if (this.#run.stopped()) return;
      const base = changedSomething(result) ? result.revision - 1 : result.revision;
      const past = view === undefined ? undefined : new BetweenView(view, base);
      this.#answer(attempt, result, past, error);
    });
  }

  /**
   * @param past for reads that look at more than the result; undefined when there are none, or it
   *   could not be had
   */
  #answer(
    attempt: Attempt,
    result: Applied,
    past: BetweenView | undefined,
    error?: DatabaseError,
  ): void {
    const { reply } = this.#run;
    if (this.#options.form === "transaction") reply.array(attempt.elements.length);
    this.#answerFrom(0, { attempt, result, past, error });
  }

  #answerFrom(start: number, answering: Answering): void {
    const { attempt, result } = answering;
    for (let i = start; i < attempt.elements.length; i++) {
      const element = attempt.elements[i];
      assert(element !== undefined, "an element's place is among them");
      if (!this.#answerOne(element, answering)) {
        this.#lookAgain(i, answering);
        return;
      }
      const { from, count } = element;
      const commands = attempt.commands.slice(from, from + count);
      answering.past?.note(commands, result.results.slice(from, from + count));
    }
    this.#run.done();
  }

  /** False when it, or the rest of it, has to wait for another look. */
  #answerOne(element: Element, answering: Answering): boolean {
    const { attempt, result, past, error } = answering;
    const { reply, session } = this.#run;
    const { plan } = element;
    if (plan.kind !== "read" || (plan.keys !== "all" && attempt.commands.length > 0)) {
      answerElement(element, result, reply, session);
    } else if (error !== undefined) {
      reply.error(errorText(error));
    } else if (past?.readable !== true) {
      reply.error("ERR what the transaction has met is compacted: this alone could not be read");
    } else {
      return this.#options.context.turns.tryServing(() => plan.serve(reply, past, session));
    }
    return true;
  }

  #lookAgain(at: number, { attempt, result, past }: Answering): void {
    this.#options.context.turns.wait((error, view) => {
      if (this.#run.stopped()) return;
      if (view !== undefined) past?.renew(view);
      this.#answerFrom(at, { attempt, result, past, error });
    });
  }

  /** Something that was watched has changed. */
  #conflict(): void {
    this.#run.reply.nullArray();
    this.#run.done();
  }

  #fail(text: string): void {
    this.#run.reply.error(text);
    this.#run.done();
  }

  #timeLeft(): number {
    return Math.max(this.#deadline - this.#options.context.service.now(), 1);
  }
}

/** What the answers of a transaction are made of. */
interface Answering {
  readonly attempt: Attempt;
  readonly result: Applied;
  readonly past: BetweenView | undefined;
  readonly error: DatabaseError | undefined;
}

const NOTHING_APPLIED: Applied = { kind: "applied", revision: 0, results: [] };

function decisionOf(plan: QueueablePlan): DecidePlan | undefined {
  if (plan.kind === "decide") return plan;
  return plan.kind === "write" ? plan.amongOthers : undefined;
}

function isReadOfAll({ plan }: Element): boolean {
  return plan.kind === "read" && plan.keys === "all";
}

function changedSomething({ results }: Applied): boolean {
  return results.some(({ current, deletedCount }) => current !== undefined || deletedCount > 0);
}

/** A few keys as a look has found them, to try commands on. */
class Trial implements KeyView {
  readonly #store: Store;
  readonly #now: number;

  constructor(options: {
    readonly view: StoreView;
    readonly keys: readonly Buffer[];
    readonly now: number;
  }) {
    const { view, keys, now } = options;
    this.#store = new Store();
    this.#now = now;
    this.apply(keys.flatMap((key) => asFound(view, key, now)));
  }

  apply(commands: readonly KeyCommand[]): void {
    if (commands.length === 0) return;
    this.#store.apply({ id: NO_ID, commands, mode: "each" }, this.#now);
  }

  get(key: Uint8Array): KeyValue | undefined {
    return this.#store.get(key);
  }

  remainingOf(key: Uint8Array, now: number): number | undefined {
    return this.#store.remainingOf(key, now);
  }
}

/**
 * All that a decision depends on, its commands before it included: whether a key is
 * there, and what ends it. An expiry that is set anew has another lease; a value may
 * change in between.
 */
function asDecidedOn(key: Buffer, record: KeyValue | undefined): readonly Compare[] {
  const there = record === undefined ? "=" : ">";
  return [
    { key, target: "version", relation: there, number: 0 },
    { key, target: "lease", relation: "=", number: record?.lease ?? 0 },
  ];
}

function asFound(view: StoreView, key: Buffer, now: number): KeyCommand[] {
  const record = view.get(key);
  if (record === undefined) return [];
  const put = { kind: "put", key, value: record.value, condition: "none" } as const;
  const ttl = view.remainingOf(key, now);
  return [ttl === undefined ? put : { expiry: { kind: "ttl", ttl }, ...put }];
}
