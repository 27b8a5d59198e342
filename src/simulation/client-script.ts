/**
 * What a client of a simulated cluster does one step after another, through one
 * node after another, written as a generator: each step yields a question and goes
 * on with its outcome.
 *
 * ```ts
 * function* transfer(): Script {
 *   const found = yield* read((store) => store.get(key));
 *   if (found.kind === "answered") yield* execute({ id, commands });
 * }
 * ```
 */
import { DatabaseError } from "../errors.js";
import type { StoreView } from "../node/service.js";
import type { Request, RequestResult } from "../store/command.js";
import { executeThroughDoor } from "./native-client.js";
import { TIMEOUT_MS, waitFor } from "./patience.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import type { SimulatedNode } from "./simulated-node.js";

/** What a client knows after a question. */
export type Outcome<T> =
  | { readonly kind: "answered"; readonly value: T }
  /** proven to have had no effect */
  | { readonly kind: "void" }
  /** the answer was lost: there may have been an effect, or may yet be */
  | { readonly kind: "unknown" };

/** Asks a node; `answered` is called at most once. */
type Question = (node: SimulatedNode, answered: () => void) => void;

export type Script<T = void> = Generator<Question, T, void>;

/** Milliseconds between an answer and the next question, at most. */
const STEP_MS_MAX = 8;

/** Has a request applied. */
export function* execute(request: Request): Script<Outcome<RequestResult>> {
  let outcome: Outcome<RequestResult> = { kind: "unknown" };
  yield (node, answered) => {
    executeThroughDoor(node, request, TIMEOUT_MS, (error, value) => {
      if (value !== undefined) outcome = { kind: "answered", value };
      else if (error?.outcome === "not-applied") outcome = { kind: "void" };
      answered();
    });
  };
  return outcome;
}

/** Looks at the state: all that `look` sees is of one moment. */
export function* read<T>(look: (store: StoreView) => T): Script<Outcome<T>> {
  let outcome: Outcome<T> = { kind: "void" };
  yield (node, answered) => {
    node.parts?.node.read(TIMEOUT_MS, (_, store) => {
      if (store !== undefined) outcome = seen(store, look);
      answered();
    });
  };
  return outcome;
}

function seen<T>(store: StoreView, look: (store: StoreView) => T): Outcome<T> {
  try {
    return { kind: "answered", value: look(store) };
  } catch (error) {
    // What was asked for is compacted.
    if (error instanceof DatabaseError) return { kind: "void" };
    throw error;
  }
}

export interface ScriptWorld {
  readonly scheduler: Scheduler;
  readonly nodes: readonly SimulatedNode[];
  readonly random: RandomStream;
  /** milliseconds between two scripts of a client, at most */
  readonly thinkMsMax: number;
}

/** A client: one script after another, until it is told to stop. */
export class ScriptedClient {
  readonly #world: ScriptWorld;
  readonly #next: () => Script;
  #stopped = false;

  /** @param next what to do next */
  constructor(world: ScriptWorld, next: () => Script) {
    this.#world = world;
    this.#next = next;
  }

  start(): void {
    const { scheduler, random, thinkMsMax } = this.#world;
    scheduler.after(random.next() * thinkMsMax, () => {
      if (!this.#stopped) this.#goOn(this.#next());
    });
  }

  /** What it is doing is left as it is. */
  stop(): void {
    this.#stopped = true;
  }

  #goOn(script: Script): void {
    if (this.#stopped) return;
    const step = script.next();
    if (step.done === true) {
      this.start();
      return;
    }
    const { scheduler, random } = this.#world;
    const question = step.value;
    scheduler.after(random.next() * STEP_MS_MAX, () => {
      this.#ask(script, question);
    });
  }

  #ask(script: Script, question: Question): void {
    const { scheduler, nodes, random, thinkMsMax } = this.#world;
    const node = random.pick(nodes);
    if (this.#stopped) return;
    // A stopped process takes questions too: they wait in its sockets.
    if (!node.isUp || (node.isPaused && !random.chance(0.3))) {
      scheduler.after(1 + random.next() * thinkMsMax, () => {
        this.#ask(script, question);
      });
      return;
    }
    let waiting = true;
    const goOn = (): void => {
      if (!waiting) return;
      waiting = false;
      this.#goOn(script);
    };
    waitFor(scheduler, node, "a step of a script", () => {
      const wasWaiting = waiting;
      goOn();
      return wasWaiting;
    });
    node.run(node.life, () => {
      question(node, goOn);
    });
  }
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return ENCODER.encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}
