/**
 * Clients whose transactions append to lists and read them, in every way there is:
 *
 *   staged       begin, read, stage and commit through one node after another; in some
 *                worlds many of them look at all lists, one after another, and write nothing
 *   conditional  a read, then one request that fails if what was read has changed
 *   direct       one request that appends and reads; of a session, asked until answered
 *   look         several lists at one moment
 *
 * Their history is checked for strict serializability.
 */
import type { StoreView } from "../node/service.js";
import type { Append, Get, Read, Request, RequestResult } from "../store/command.js";
import { bytesOf, execute, read, textOf, type Outcome, type Script } from "./client-script.js";
import type { RandomStream } from "./random.js";
import { requestId } from "./simulated-node.js";
import { checkSerializable, type ListOperation, type ListTransaction } from "./serializability.js";

/** Milliseconds. */
const TRANSACTION_IDLE_MS = 5000;
const SESSION_TTL_MS = 600_000;
const ATTEMPTS_MAX = 5;

export interface Recorded {
  readonly name: string;
  outcome: ListTransaction["outcome"];
  readonly operations: ListOperation[];
  readonly invokedAt: number;
  returnedAt: number;
}

interface Session {
  readonly id: Uint8Array;
  sequence: number;
}

export class ListHistory {
  readonly #keys: readonly string[];
  readonly #transactions: Recorded[] = [];
  #moment = 0;
  #elementCount = 0;

  constructor(keyCount: number) {
    this.#keys = Array.from({ length: keyCount }, (_, i) => `l${i}`);
  }

  get committedCount(): number {
    return this.#transactions.filter(({ outcome }) => outcome === "committed").length;
  }

  /**
   * A client's scripts, by chance from `random`.
   * @param name of the client, unique
   * @param lookers chance of those staged transactions that only read; undefined: none does
   */
  client(name: string, random: RandomStream, lookers?: RandomStream): () => Script {
    let session: Session | undefined;
    const client = new ListClient(name, random, this.#keys, this);
    return () => {
      const dice = random.next();
      if (dice < 0.4) return client.staged(lookers?.chance(0.5) === true);
      if (dice < 0.6) return client.conditional();
      if (dice < 0.7) return client.direct();
      if (dice < 0.85) {
        session ??= { id: client.newId("s"), sequence: 0 };
        const used = session;
        return client.exactlyOnce(used, () => {
          session = undefined;
        });
      }
      return client.look();
    };
  }

  begin(name: string): Recorded {
    this.#moment += 1;
    const recorded: Recorded = {
      name,
      outcome: "unknown",
      operations: [],
      invokedAt: this.#moment,
      returnedAt: Infinity,
    };
    this.#transactions.push(recorded);
    return recorded;
  }

  end(recorded: Recorded, outcome: "committed" | "aborted"): void {
    this.#moment += 1;
    recorded.outcome = outcome;
    if (outcome === "committed") recorded.returnedAt = this.#moment;
  }

  /** One to three lists, each once. */
  someKeys(random: RandomStream): readonly string[] {
    const count = random.integer(1, 3);
    return [...new Set(Array.from({ length: count }, () => random.pick(this.#keys)))];
  }

  /** @returns what is to be appended: never the same twice */
  append({ operations }: Recorded, key: string): string {
    this.#elementCount += 1;
    const element = String(this.#elementCount);
    operations.push({ kind: "append", key, element });
    return element;
  }

  /** What a list held before anything that a transaction did to it. @param text as the list is stored */
  noteRead({ operations }: Recorded, key: string, text: string): void {
    operations.unshift({ kind: "read", key, elements: elementsOf(text) });
  }

  /** What all lists are at last. */
  noteLast(store: Pick<StoreView, "get">): void {
    const recorded = this.begin("the last look");
    for (const key of this.#keys) recorded.operations.push(readOf(key, store.get(bytesOf(key))));
    this.end(recorded, "committed");
  }

  /** @throws {Error} that names the transactions that no order explains */
  check(): void {
    const verdict = checkSerializable(this.#transactions);
    if (verdict.kind === "violation") throw new Error(`serializability: ${verdict.text}`);
  }
}

class ListClient {
  readonly #name: string;
  readonly #random: RandomStream;
  readonly #keys: readonly string[];
  readonly #history: ListHistory;
  #count = 0;

  constructor(name: string, random: RandomStream, keys: readonly string[], history: ListHistory) {
    this.#name = name;
    this.#random = random;
    this.#keys = keys;
    this.#history = history;
  }

  newId(kind: string): Uint8Array {
    this.#count += 1;
    return requestId(`${kind}${this.#name}/${this.#count}`);
  }

  #begin(kind: string): Recorded {
    this.#count += 1;
    return this.#history.begin(`${kind} ${this.#name}/${this.#count}`);
  }

  // ---- staged ----------------------------------------------------------------

  *staged(isLook: boolean): Script {
    const recorded = this.#begin("staged");
    const transaction = this.newId("t");
    const isolation = "serializable";
    const begin = { kind: "begin", transaction, isolation, idle: TRANSACTION_IDLE_MS } as const;
    const isStaged =
      isApplied(yield* this.#tryTo(begin)) &&
      (yield* this.#stageSome(recorded, transaction, isLook));
    if (!isStaged) {
      // Its commit was never asked for.
      this.#history.end(recorded, "aborted");
      yield* execute({ id: this.newId("r"), commands: [{ kind: "rollback", transaction }] });
      return;
    }
    const committed = yield* this.#tryTo({ kind: "commit", transaction });
    this.#conclude(recorded, committed);
  }

  /** Reads and stages, in one or two steps, perhaps with something between that is taken back. */
  *#stageSome(recorded: Recorded, transaction: Uint8Array, isLook: boolean): Script<boolean> {
    for (const key of isLook ? this.#keys : this.#history.someKeys(this.#random)) {
      const keyBytes = bytesOf(key);
      const found = yield* read((store) => store.getIn(transaction, keyBytes));
      if (found.kind !== "answered" || found.value === "unknown") return false;
      recorded.operations.push(readOf(key, found.value));
      const commands = [];
      if (!isLook && this.#random.chance(0.7)) {
        const before = found.value === undefined ? "" : textOf(found.value.value);
        const value = bytesOf(`${before}${this.#history.append(recorded, key)},`);
        commands.push({ kind: "put", key: keyBytes, value, condition: "none" } as const);
      }
      const reads = [{ key: keyBytes }];
      const staged = yield* this.#tryTo({ kind: "stage", transaction, commands, reads });
      if (!isApplied(staged)) return false;
      if (!isLook && this.#random.chance(0.2) && !(yield* this.#stageInVain(transaction)))
        return false;
    }
    return true;
  }

  /** Stages what is rolled back to a savepoint again: nobody may ever see it. */
  *#stageInVain(transaction: Uint8Array): Script<boolean> {
    const name = bytesOf("before");
    const vain = this.#begin("vain");
    this.#history.end(vain, "aborted");
    const key = this.#random.pick(this.#keys);
    const value = bytesOf(`${this.#history.append(vain, key)},`);
    const put = { kind: "put", key: bytesOf(key), value, condition: "none" } as const;
    const stage = { kind: "stage", transaction, commands: [put], reads: [] } as const;
    for (const command of [
      { kind: "savepoint", transaction, name } as const,
      stage,
      { kind: "rollbackTo", transaction, name } as const,
    ]) {
      // Asked once: what comes late must not come behind what takes it back.
      const done = yield* execute({ id: this.newId("v"), commands: [command] });
      if (!isApplied(done)) return false;
    }
    return true;
  }

  /** Asks again, through another node, what may be asked again: the answer is the same. */
  *#tryTo(command: Request["commands"][number]): Script<Outcome<RequestResult>> {
    let isUnknown = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const outcome = yield* execute({ id: this.newId("c"), commands: [command] });
      if (outcome.kind === "answered") return outcome;
      isUnknown ||= outcome.kind === "unknown";
    }
    return { kind: isUnknown ? "unknown" : "void" };
  }

  #conclude(recorded: Recorded, outcome: Outcome<RequestResult>): void {
    if (outcome.kind === "unknown") return;
    this.#history.end(recorded, isApplied(outcome) ? "committed" : "aborted");
  }

  // ---- in one request ----------------------------------------------------------

  *conditional(): Script {
    const recorded = this.#begin("conditional");
    const keys = this.#history.someKeys(this.#random);
    const found = yield* read((store) => keys.map((key) => store.get(bytesOf(key))));
    if (found.kind !== "answered") {
      this.#history.end(recorded, "aborted");
      return;
    }
    const reads: Read[] = [];
    const commands: Request["commands"][number][] = [];
    keys.forEach((key, at) => {
      const before = found.value[at];
      recorded.operations.push(readOf(key, before));
      const keyBytes = bytesOf(key);
      reads.push({ kind: "key", key: keyBytes, revision: before?.modRevision ?? 0 });
      if (at > 0 && this.#random.chance(0.3)) return;
      const text = before === undefined ? "" : textOf(before.value);
      const value = bytesOf(`${text}${this.#history.append(recorded, key)},`);
      commands.push({ kind: "put", key: keyBytes, value, condition: "none" });
    });
    const id = this.newId("o");
    this.#conclude(recorded, yield* execute({ id, reads, commands }));
  }

  *direct(): Script {
    const recorded = this.#begin("direct");
    const commands = this.#appendsAndReads(recorded);
    const done = yield* execute({ id: this.newId("d"), commands });
    noteReads(recorded, commands, done);
    this.#conclude(recorded, done);
  }

  /** Asked until it is answered; applied once. @param onLost the session is gone */
  *exactlyOnce(session: Session, onLost: () => void): Script {
    if (session.sequence === 0) {
      const opened = yield* this.#tryTo({
        kind: "openSession",
        session: session.id,
        ttl: SESSION_TTL_MS,
      });
      if (!isApplied(opened)) return;
    }
    session.sequence += 1;
    const { sequence } = session;
    const recorded = this.#begin("exactly once");
    const commands = this.#appendsAndReads(recorded);
    const mark = { session: session.id, sequence, acknowledged: sequence - 1 };
    let done: Outcome<RequestResult> = { kind: "void" };
    let isUnknown = false;
    for (let attempt = 0; attempt < 2 * ATTEMPTS_MAX; attempt += 1) {
      done = yield* execute({ id: this.newId("e"), commands, session: mark });
      if (done.kind === "answered") break;
      isUnknown ||= done.kind === "unknown";
    }
    if (!isApplied(done)) {
      // The next sequence would acknowledge this one.
      onLost();
      if (!isUnknown) this.#history.end(recorded, "aborted");
      return;
    }
    noteReads(recorded, commands, done);
    this.#conclude(recorded, done);
  }

  /** Appends to some lists and reads others, in one request. */
  #appendsAndReads(recorded: Recorded): readonly (Append | Get)[] {
    return this.#history.someKeys(this.#random).map((key, at) => {
      const keyBytes = bytesOf(key);
      if (at > 0 && this.#random.chance(0.5)) return { kind: "get", key: keyBytes } as const;
      const value = bytesOf(`${this.#history.append(recorded, key)},`);
      return { kind: "append", key: keyBytes, value } as const;
    });
  }

  *look(): Script {
    const recorded = this.#begin("look");
    const keys = this.#history.someKeys(this.#random);
    const found = yield* read((store) => keys.map((key) => readOf(key, store.get(bytesOf(key)))));
    if (found.kind === "answered") recorded.operations.push(...found.value);
    this.#history.end(recorded, found.kind === "answered" ? "committed" : "aborted");
  }
}

function isApplied(outcome: Outcome<RequestResult>): boolean {
  return outcome.kind === "answered" && outcome.value.kind === "applied";
}

/** What each command of a request found before it, if it was applied: each worked on a list of its own. */
function noteReads(
  recorded: Recorded,
  commands: readonly { readonly key: Uint8Array }[],
  done: Outcome<RequestResult>,
): void {
  if (done.kind !== "answered" || done.value.kind !== "applied") return;
  const { results } = done.value;
  const reads = commands.map(({ key }, at) => readOf(textOf(key), results[at]?.previous));
  recorded.operations.unshift(...reads);
}

function readOf(
  key: string,
  found: { readonly value: Uint8Array } | undefined,
): ListOperation & { readonly kind: "read" } {
  return {
    kind: "read",
    key,
    elements: elementsOf(found === undefined ? "" : textOf(found.value)),
  };
}

function elementsOf(text: string): readonly string[] {
  return text === "" ? [] : text.slice(0, -1).split(",");
}
