/**
 * Is a history linearizable? Wing and Gong's search (1993) with Lowe's
 * memoisation (2017): try every order of operations that respects real time, and
 * never the same (set of operations done, state) twice.
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

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  statesMax = 1_000_000,
): Verdict<Input, Output> {
  const head = eventList(history);
  const done = new Uint32Array(Math.ceil(history.length / 32));
  const seen = new Set<string>();
  const stack: { readonly call: Event; readonly state: State }[] = [];
  let state = model.initial;
  let event = head.after;
  let deepest = -1;
  let stuckAt = 0;
  while (head.after !== undefined) {
    assert(event !== undefined, "every call in the list has its return behind it");
    if (event.isCall) {
      const { input, output } = operationAt(history, event.operation);
      const next = model.apply(state, input, output);
      if (next !== undefined && isNew(seen, done, event.operation, model.nameOf(next))) {
        if (seen.size > statesMax) return { kind: "undecided" };
        stack.push({ call: event, state });
        state = next;
        setBit(done, event.operation);
        lift(event);
        event = head.after;
      } else {
        event = event.after;
      }
      continue;
    }
    // A return whose call is not explained yet: go back on the last decision.
    if (stack.length > deepest) {
      deepest = stack.length;
      stuckAt = event.operation;
    }
    const last = stack.pop();
    if (last === undefined) {
      return { kind: "violation", stuckAt: operationAt(history, stuckAt) };
    }
    state = last.state;
    clearBit(done, last.call.operation);
    unlift(last.call);
    event = last.call.after;
  }
  return { kind: "linearizable" };
}

/** Calls and returns in the order of time; at equal times calls come first, so that they overlap. */
function eventList<Input, Output>(history: readonly Operation<Input, Output>[]): Event {
  const timed = history.flatMap((operation, index) => {
    const back: Event = link(index, false);
    const call: Event = { ...link(index, true), match: back };
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

function link(operation: number, isCall: boolean): Event {
  return { operation, isCall, before: undefined, after: undefined, match: undefined };
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

/** Whether this set of operations (with `operation`) has not led to this state before. */
function isNew(seen: Set<string>, done: Uint32Array, operation: number, name: string): boolean {
  setBit(done, operation);
  const key = `${nameOfSet(done)}|${name}`;
  clearBit(done, operation);
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

/** What is done is a beginning without holes, and a little around its end: only that is spelled out. */
function nameOfSet(bits: Uint32Array): string {
  let low = 0;
  while (low < bits.length && bits[low] === 0xffff_ffff) low += 1;
  let high = bits.length;
  while (high > low && bits[high - 1] === 0) high -= 1;
  let name = String(low);
  for (let word = low; word < high; word += 1) name += `,${(bits[word] ?? 0).toString(36)}`;
  return name;
}

function setBit(bits: Uint32Array, index: number): void {
  bits[index >> 5] = (bits[index >> 5] ?? 0) | (1 << (index & 31));
}

function clearBit(bits: Uint32Array, index: number): void {
  bits[index >> 5] = (bits[index >> 5] ?? 0) & ~(1 << (index & 31));
}

// ---- the model of one key ---------------------------------------------------

export type RegisterInput =
  | { readonly kind: "get" }
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "delete" }
  | { readonly kind: "putIfAbsent"; readonly value: string };

/** What the client was told: a value read (undefined when absent), or whether a condition held. */
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
    }
  },
  nameOf: ({ value }) => (value === undefined ? "-" : `=${value}`),
};
