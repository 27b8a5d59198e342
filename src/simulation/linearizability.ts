/**
 * Is a history linearizable? Wing and Gong's search (1993) with Lowe's
 * memoisation (2017): try every order of operations that respects real time, and
 * never the same (set of operations done, state) twice. Two rules keep the search
 * short: what changes nothing and fits comes first, and what may never have
 * happened stands only where the next operation needs it.
 *
 * A history of many keys is checked key by key: linearizability is local
 * (Herlihy and Wing 1990).
 */
import { assert } from "../assert.js";

/** An operation as its client saw it. */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** undefined: the client never learned (cut off, timed out); it may have happened at any later time, or never */
  readonly output: Output | undefined;
  readonly invokedAt: number;
  /** Infinity when the output is unknown */
  readonly returnedAt: number;
}

/** What a single copy of the object would do. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /**
   * Every operation is tried on a state.
   * @returns the state after it, or undefined when `output` contradicts the state
   */
  readonly apply: (state: State, input: Input, output: Output | undefined) => State | undefined;
  /** equal states have equal names */
  readonly nameOf: (state: State) => string;
}

export type Verdict<Input, Output> =
  | { readonly kind: "linearizable" }
  /** `stuckAt`: the operation whose return no order explains, in the longest order found */
  | { readonly kind: "violation"; readonly stuckAt: Operation<Input, Output> }
  /** gave up after `statesMax` states */
  | { readonly kind: "undecided" };

interface Event {
  readonly operation: number;
  readonly isCall: boolean;
  /** links of the list of events not yet explained */
  before: Event | undefined;
  after: Event | undefined;
  /** a call's return */
  match: Event | undefined;
}

/** A decision of the search, and what else could have been decided. */
interface Frame<State> {
  /** before the decision */
  readonly state: State;
  readonly choices: readonly Event[];
  /** of the next choice to try; the one before it is the one that stands */
  at: number;
}

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  statesMax = 1_000_000,
): Verdict<Input, Output> {
  const head = eventList(history);
  const done = new DoneSet(history.length);
  const seen = new Seen();
  const stack: Frame<State>[] = [];
  let unexplained = history.filter(({ output }) => output !== undefined).length;
  let state = model.initial;
  /** what the state was before the last operation, when nobody knows whether that happened */
  let idle: { readonly state: State } | undefined;
  let deepest = -1;
  let stuckAt = 0;
  const isKnown = (call: Event): boolean =>
    operationAt(history, call.operation).output !== undefined;
  const after = (call: Event): State | undefined => {
    const { input, output } = operationAt(history, call.operation);
    return model.apply(state, input, output);
  };
  // What nobody has the answer of need not have happened.
  while (unexplained > 0) {
    let choices = choicesOf(head, history, state, after);
    if (idle !== undefined) choices = choices.filter(isServedBy(model, history, idle, state));
    else if (choices.length > 1 && !seen.add(done, model.nameOf(state))) choices = [];
    if (seen.size > statesMax) return { kind: "undecided" };
    if (choices.length === 0 && stack.length > deepest) {
      deepest = stack.length;
      stuckAt = firstReturn(head).operation;
    }
    let frame: Frame<State> = { state, choices, at: 0 };
    while (frame.at === frame.choices.length) {
      // Nothing leads on from here: go back on the last decision.
      const last = stack.pop();
      if (last === undefined) {
        return { kind: "violation", stuckAt: operationAt(history, stuckAt) };
      }
      const call = eventAt(last.choices, last.at - 1);
      done.flip(call.operation);
      unlift(call);
      if (isKnown(call)) unexplained += 1;
      frame = last;
    }
    const call = eventAt(frame.choices, frame.at);
    frame.at += 1;
    stack.push(frame);
    state = frame.state;
    const next = after(call);
    assert(next !== undefined, "a choice is possible");
    idle = isKnown(call) ? undefined : { state };
    state = next;
    done.flip(call.operation);
    lift(call);
    if (isKnown(call)) unexplained -= 1;
  }
  return { kind: "linearizable" };
}

/**
 * What may come next in an order: whatever was called before the first return.
 *
 * Something that changes nothing and fits (a read) may always come first, and
 * leaves no choice. What has an answer is tried before what has none, and the
 * sooner it returned the sooner.
 */
function choicesOf<State, Input, Output>(
  head: Event,
  history: readonly Operation<Input, Output>[],
  state: State,
  after: (call: Event) => State | undefined,
): readonly Event[] {
  const choices: Event[] = [];
  for (let event = head.after; event?.isCall === true; event = event.after) {
    const next = after(event);
    if (next === undefined) continue;
    if (next === state && operationAt(history, event.operation).output !== undefined)
      return [event];
    choices.push(event);
  }
  if (choices.length < 2) return choices;
  const returnedAt = (event: Event): number => operationAt(history, event.operation).returnedAt;
  return choices.sort((a, b) => compare(returnedAt(a), returnedAt(b)));
}

/**
 * Something that nobody has the answer of is put into an order only where the
 * next one needs it: where that one would not fit, or would lead elsewhere, had
 * it not happened. In all other places it may as well be left out.
 */
function isServedBy<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  without: { readonly state: State },
  state: State,
): (call: Event) => boolean {
  return (call) => {
    const { input, output } = operationAt(history, call.operation);
    const other = model.apply(without.state, input, output);
    const next = model.apply(state, input, output);
    if (other === undefined || next === undefined) return other !== next;
    return model.nameOf(other) !== model.nameOf(next);
  };
}

/** Infinite ones are equal. */
function compare(a: number, b: number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function firstReturn(head: Event): Event {
  let event = head.after;
  while (event?.isCall === true) event = event.after;
  assert(event !== undefined, "every call in the list has its return behind it");
  return event;
}

function eventAt(events: readonly Event[], at: number): Event {
  const event = events[at];
  assert(event !== undefined, "the decision was among the choices");
  return event;
}

/** Calls and returns in the order of time; at equal times calls come first, so that they overlap. */
function eventList<Input, Output>(history: readonly Operation<Input, Output>[]): Event {
  const timed = history.flatMap((operation, index) => {
    const back: Event = link(index, false);
    const call = link(index, true, back);
    return [
      { time: operation.invokedAt, event: call },
      { time: operation.returnedAt, event: back },
    ];
  });
  timed.sort((a, b) => {
    if (a.time !== b.time) return a.time < b.time ? -1 : 1;
    if (a.event.isCall !== b.event.isCall) return a.event.isCall ? -1 : 1;
    return a.event.operation - b.event.operation;
  });
  const head = link(-1, false);
  let last = head;
  for (const { event } of timed) {
    last.after = event;
    event.before = last;
    last = event;
  }
  return head;
}

function link(operation: number, isCall: boolean, match?: Event): Event {
  return { operation, isCall, before: undefined, after: undefined, match };
}

function lift(call: Event): void {
  for (const event of [call, call.match]) {
    assert(event?.before !== undefined, "an event in the list has one before it");
    event.before.after = event.after;
    if (event.after !== undefined) event.after.before = event.before;
  }
}

function unlift(call: Event): void {
  for (const event of [call.match, call]) {
    assert(event?.before !== undefined, "a lifted event remembers its place");
    event.before.after = event;
    if (event.after !== undefined) event.after.before = event;
  }
}

function operationAt<Input, Output>(
  history: readonly Operation<Input, Output>[],
  index: number,
): Operation<Input, Output> {
  const operation = history[index];
  assert(operation !== undefined, "an event belongs to an operation");
  return operation;
}

/** A set of operations, with a hash that follows it. */
class DoneSet {
  readonly #words: Uint32Array;
  hash = 0;

  constructor(count: number) {
    this.#words = new Uint32Array(Math.ceil(count / 32));
  }

  /** Takes an operation in, or out again. */
  flip(operation: number): void {
    const word = operation >> 5;
    this.#words[word] = (this.#words[word] ?? 0) ^ (1 << (operation & 31));
    this.hash ^= scatter(operation);
  }

  /** What is done is a beginning without holes and a little around its end: only that is copied. */
  copy(): { readonly from: number; readonly words: Uint32Array } {
    const words = this.#words;
    let from = 0;
    while (from < words.length && words[from] === 0xffff_ffff) from += 1;
    let to = words.length;
    while (to > from && words[to - 1] === 0) to -= 1;
    return { from, words: words.slice(from, to) };
  }
}

interface SeenSet {
  readonly from: number;
  readonly words: Uint32Array;
  readonly state: number;
  /** of the same hash, seen before this one */
  readonly next: SeenSet | undefined;
}

/** Pairs of (operations done, state). Found by hash, told apart exactly. */
class Seen {
  readonly #byHash = new Map<number, SeenSet>();
  readonly #states = new Map<string, number>();
  size = 0;

  /** @returns whether the pair is new */
  add(done: DoneSet, name: string): boolean {
    let state = this.#states.get(name);
    if (state === undefined) this.#states.set(name, (state = this.#states.size));
    const hash = done.hash ^ scatter(~state);
    const { from, words } = done.copy();
    const first = this.#byHash.get(hash);
    for (let set = first; set !== undefined; set = set.next) {
      if (set.state === state && set.from === from && areEqual(set.words, words)) return false;
    }
    this.#byHash.set(hash, { from, words, state, next: first });
    this.size += 1;
    return true;
  }
}

/** A number's bits spread over all 32. */
function scatter(number: number): number {
  let hash = Math.imul(number ^ 0x9e3779b1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function areEqual(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

// ---- the model of one key ---------------------------------------------------

export type RegisterInput =
  | { readonly kind: "get" }
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "delete" }
  | { readonly kind: "putIfAbsent"; readonly value: string }
  /** by one; refused where there is no number */
  | { readonly kind: "increment" };

/** What the client was told: a value read or come to (undefined when absent), or whether a condition held. */
export type RegisterOutput =
  | { readonly kind: "value"; readonly value: string | undefined }
  | { readonly kind: "done" }
  | { readonly kind: "refused" };

/** The value of a key, or undefined when it is absent. */
export interface Register {
  readonly value: string | undefined;
}

/** One key of the database, as one copy would behave. */
export const REGISTER: Model<Register, RegisterInput, RegisterOutput> = {
  initial: { value: undefined },
  apply: (state, input, output) => {
    switch (input.kind) {
      case "get":
        if (output?.kind === "value" && output.value !== state.value) return undefined;
        return state;
      case "put":
        return { value: input.value };
      case "delete":
        return { value: undefined };
      case "putIfAbsent": {
        const absent = state.value === undefined;
        if (output !== undefined && (output.kind === "done") !== absent) return undefined;
        return absent ? { value: input.value } : state;
      }
      case "increment": {
        const { value = "0" } = state;
        const next = /^[0-9]+$/.test(value) ? String(Number(value) + 1) : undefined;
        const told = output?.kind === "value" ? output.value : undefined;
        if (output !== undefined && told !== next) return undefined;
        return next === undefined ? state : { value: next };
      }
    }
  },
  nameOf: ({ value }) => (value === undefined ? "-" : `=${value}`),
};
