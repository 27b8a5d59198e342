/**
 * Clients of a simulated cluster: each asks one node after another, one operation
 * at a time, and writes down what it was told. Their history is the evidence.
 */
import { assert } from "../assert.js";
import type { StoreView } from "../node/service.js";
import type { KeyCommand, RequestResult } from "../store/command.js";
import { bytesOf, textOf } from "./client-script.js";
import {
  checkLinearizable,
  REGISTER,
  type Operation,
  type RegisterInput,
  type RegisterOutput,
} from "./linearizability.js";
import { executeThroughDoor, getThroughDoor } from "./native-client.js";
import { TIMEOUT_MS, waitFor } from "./patience.js";
import type { RandomStream } from "./random.js";
import type { Scheduler } from "./scheduler.js";
import { requestId, type SimulatedNode } from "./simulated-node.js";

interface Recorded {
  input: RegisterInput;
  output: RegisterOutput | undefined;
  invokedAt: number;
  returnedAt: number;
  /** proven to have had no effect: no part of the history */
  isVoid: boolean;
}

export interface WorkloadOptions {
  readonly scheduler: Scheduler;
  readonly random: RandomStream;
  readonly nodes: readonly SimulatedNode[];
  readonly clientCount: number;
  readonly keyCount: number;
  readonly valueSizeMax: number;
  /** milliseconds between two operations of a client, at most */
  readonly thinkMsMax: number;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #histories = new Map<string, Recorded[]>();
  /** orders everything that happens to clients; simulated time is too coarse */
  #moment = 0;
  #valueCount = 0;
  #operationCount = 0;
  #acknowledgedCount = 0;
  #unknownCount = 0;
  #undecidedCount = 0;
  #stopped = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get operationCount(): number {
    return this.#operationCount;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  get unknownCount(): number {
    return this.#unknownCount;
  }

  /** Keys whose history was too much for the checker: neither good nor bad. */
  get undecidedCount(): number {
    return this.#undecidedCount;
  }

  start(): void {
    for (let client = 0; client < this.#options.clientCount; client += 1) this.#think(client);
  }

  stop(): void {
    this.#stopped = true;
  }

  #think(client: number): void {
    const { scheduler, random, thinkMsMax } = this.#options;
    scheduler.after(random.next() * thinkMsMax, () => {
      if (!this.#stopped) this.#act(client);
    });
  }

  #act(client: number): void {
    const { random, nodes, keyCount } = this.#options;
    const node = random.pick(nodes);
    const key = `k${random.integer(0, keyCount - 1)}`;
    const dice = random.next();
    const input = this.#chooseInput(client, dice);
    // A stopped process takes questions too: they wait in its sockets.
    const isAnswered = node.parts !== undefined && (!node.isPaused || random.chance(0.3));
    if (!isAnswered) {
      this.#think(client);
      return;
    }
    this.perform(node, client, key, input, () => {
      if (!this.#stopped) this.#think(client);
    });
  }

  #chooseInput(client: number, dice: number): RegisterInput {
    const { random, valueSizeMax } = this.#options;
    this.#valueCount += 1;
    const value = `c${client}-${this.#valueCount}`;
    const padded = value.padEnd(random.integer(0, valueSizeMax), ".");
    if (dice < 0.45) return { kind: "get" };
    if (dice < 0.85) return { kind: "put", value: padded };
    if (dice < 0.93) return { kind: "delete" };
    if (dice < 0.98) return { kind: "putIfAbsent", value: padded };
    return { kind: "increment" };
  }

  /** Does one operation and writes it down. `done` is called when the client stops waiting. */
  perform(
    node: SimulatedNode,
    client: number,
    key: string,
    input: RegisterInput,
    done: (output: RegisterOutput | undefined) => void,
  ): void {
    const record = this.record(key, input);
    let waiting = true;
    const finish = (output: RegisterOutput | undefined, isVoid: boolean): void => {
      if (!waiting) return;
      waiting = false;
      record(output, isVoid);
      done(output);
    };
    // A client whose node died, or sleeps, stops waiting by itself. A read has no effect to be unsure of.
    waitFor(this.#options.scheduler, node, `a ${input.kind} of ${key}`, () => {
      if (!waiting) return false;
      finish(undefined, input.kind === "get");
      return true;
    });
    node.run(node.life, () => {
      this.#send(node, client, key, input, finish);
    });
  }

  /**
   * Writes down that an operation begins.
   * @returns to be called once, with what the client was told, or whether it is proven to have had no effect
   */
  record(
    key: string,
    input: RegisterInput,
  ): (output: RegisterOutput | undefined, isVoid: boolean) => void {
    this.#moment += 1;
    this.#operationCount += 1;
    const recorded: Recorded = {
      input,
      output: undefined,
      invokedAt: this.#moment,
      returnedAt: Infinity,
      isVoid: false,
    };
    const history = this.#histories.get(key) ?? [];
    history.push(recorded);
    this.#histories.set(key, history);
    return (output, isVoid) => {
      this.#moment += 1;
      recorded.output = output;
      recorded.isVoid = isVoid;
      if (output !== undefined) {
        recorded.returnedAt = this.#moment;
        this.#acknowledgedCount += 1;
      } else if (!isVoid) {
        this.#unknownCount += 1;
      }
    };
  }

  #send(
    node: SimulatedNode,
    client: number,
    key: string,
    input: RegisterInput,
    finish: (output: RegisterOutput | undefined, isVoid: boolean) => void,
  ): void {
    const keyBytes = bytesOf(key);
    if (input.kind === "get") {
      getThroughDoor(node, keyBytes, TIMEOUT_MS, (error, found) => {
        if (error !== undefined) finish(undefined, true);
        else finish({ kind: "value", value: found && textOf(found.value) }, false);
      });
      return;
    }
    const id = this.#moment % 2 === 0 ? requestId(`q${client}/${this.#moment}`) : new Uint8Array();
    const command = commandOf(keyBytes, input);
    const request = { id, commands: [command] };
    executeThroughDoor(node, request, TIMEOUT_MS, (error, result) => {
      if (error !== undefined) finish(undefined, error.outcome === "not-applied");
      else finish(outputOf(input, result), false);
    });
  }

  /** What every key is at last. */
  noteLast(store: Pick<StoreView, "get">): void {
    for (const key of [...this.#histories.keys()]) {
      const found = store.get(bytesOf(key));
      this.record(key, { kind: "get" })(
        { kind: "value", value: found && textOf(found.value) },
        false,
      );
    }
  }

  /** Every key's history is linearizable. @throws {Error} that names the key and the operation that does not fit */
  check(): void {
    for (const [key, history] of this.#histories) {
      const operations: Operation<RegisterInput, RegisterOutput>[] = history.filter(
        // A read that nobody answered says nothing.
        ({ isVoid, input, output }) => !isVoid && !(input.kind === "get" && output === undefined),
      );
      const verdict = checkLinearizable(REGISTER, operations);
      if (verdict.kind === "undecided") this.#undecidedCount += 1;
      if (verdict.kind === "violation") {
        const { input, output, invokedAt } = verdict.stuckAt;
        throw new Error(
          `linearizability: no order explains ${JSON.stringify(input)} → ${JSON.stringify(output)} ` +
            `on ${key}, invoked at moment ${invokedAt}`,
        );
      }
    }
  }
}

function commandOf(key: Uint8Array, input: Exclude<RegisterInput, { kind: "get" }>): KeyCommand {
  switch (input.kind) {
    case "delete":
      return { kind: "delete", key };
    case "increment":
      return { kind: "increment", key, by: 1n };
    default: {
      const condition = input.kind === "put" ? "none" : "absent";
      return { kind: "put", key, value: bytesOf(input.value), condition };
    }
  }
}

function outputOf(input: RegisterInput, result: RequestResult | undefined): RegisterOutput {
  assert(result !== undefined, "a request without an error has a result");
  if (result.kind === "rejected") return { kind: "refused" };
  if (input.kind !== "increment") return { kind: "done" };
  const current = result.results[0]?.current;
  return { kind: "value", value: current && textOf(current.value) };
}
