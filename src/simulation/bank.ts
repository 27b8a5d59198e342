/**
 * A bank: clients move money between accounts, and whoever looks at all of them at
 * one moment, present or past, must find as much as there was at the beginning.
 */
import type { StoreView } from "../node/service.js";
import type { Isolation, Read, Request } from "../store/command.js";
import { bytesOf, execute, read, textOf, type Script } from "./client-script.js";
import type { RandomStream } from "./random.js";
import { requestId } from "./simulated-node.js";

const OPENING_BALANCE = 100;
/** Milliseconds. */
const TRANSACTION_IDLE_MS = 2000;

export class Bank {
  readonly #accounts: readonly Uint8Array[];
  readonly #isolation: Isolation;

  constructor(accountCount: number, isolation: Isolation) {
    this.#accounts = Array.from({ length: accountCount }, (_, i) => bytesOf(`b${i}`));
    this.#isolation = isolation;
  }

  /** A client's scripts, by chance from `random`. @param name of the client, unique */
  client(name: string, random: RandomStream): () => Script {
    let count = 0;
    const newId = (): Uint8Array => {
      count += 1;
      return requestId(`${name}/${count}`);
    };
    return () => {
      const dice = random.next();
      if (dice < 0.1) return this.#open(newId);
      if (dice < 0.3) return this.#look(random);
      const from = random.integer(0, this.#accounts.length - 1);
      const to = random.integer(0, this.#accounts.length - 1);
      const move = { from, to, amount: random.integer(1, 30) };
      return dice < 0.6 ? this.#moveStaged(newId, move) : this.#moveAtOnce(newId, move);
    };
  }

  /** @throws {Error} when money was made or lost */
  noteLast(store: Pick<StoreView, "get">): void {
    this.#count((key) => store.get(key));
  }

  /** All accounts at once, once. */
  *#open(newId: () => Uint8Array): Script {
    const value = bytesOf(String(OPENING_BALANCE));
    yield* execute({
      id: newId(),
      commands: this.#accounts.map(
        (key) => ({ kind: "put", key, value, condition: "absent" }) as const,
      ),
    });
  }

  *#look(random: RandomStream): Script {
    const past = random.next();
    yield* read((store) => {
      this.#count((key) => store.get(key));
      const oldest = Math.max(1, store.compactedRevision);
      const revision = oldest + Math.floor(past * (store.revision - oldest));
      this.#count((key) => store.at(key, revision));
    });
  }

  #count(find: (key: Uint8Array) => { readonly value: Uint8Array } | undefined): void {
    const balances = this.#accounts.map((key) => {
      const found = find(key);
      return found === undefined ? undefined : Number(textOf(found.value));
    });
    if (balances.every((balance) => balance === undefined)) return;
    const sum = balances.reduce<number>((all, balance) => all + (balance ?? NaN), 0);
    const isShort = balances.some((balance) => balance === undefined || balance < 0);
    if (isShort || sum !== OPENING_BALANCE * balances.length) {
      throw new Error(`bank: the accounts hold ${balances.map(String).join(", ")}`);
    }
  }

  *#moveAtOnce(newId: () => Uint8Array, { from, to, amount }: Move): Script {
    const keys = this.#keysOf(from, to);
    const found = yield* read((store) => keys.map((key) => store.get(key)));
    if (found.kind !== "answered") return;
    const puts = putsOf(keys, found.value, amount);
    if (puts === undefined) return;
    const reads = keys.map((key, at): Read => ({
      kind: "key",
      key,
      revision: found.value[at]?.modRevision ?? 0,
    }));
    yield* execute({ id: newId(), reads, commands: puts });
  }

  *#moveStaged(newId: () => Uint8Array, { from, to, amount }: Move): Script {
    const transaction = newId();
    const ask = (command: Request["commands"][number]) =>
      execute({ id: newId(), commands: [command] });
    const isolation = this.#isolation;
    yield* ask({ kind: "begin", transaction, isolation, idle: TRANSACTION_IDLE_MS });
    const keys = this.#keysOf(from, to);
    const found = yield* read((store) => keys.map((key) => store.getIn(transaction, key)));
    if (found.kind !== "answered") return;
    const known = found.value.map((one) => (one === "unknown" ? undefined : one));
    const commands = putsOf(keys, known, amount);
    if (commands === undefined) return;
    // Both writes at once or one by one: nobody may see the difference.
    const steps = amount % 2 === 0 ? [commands] : commands.map((command) => [command]);
    const reads = keys.map((key) => ({ key }));
    for (const step of steps) {
      const staged = yield* ask({ kind: "stage", transaction, commands: step, reads });
      if (staged.kind !== "answered" || staged.value.kind !== "applied") return;
    }
    yield* ask({ kind: "commit", transaction });
  }

  #keysOf(from: number, to: number): readonly Uint8Array[] {
    const [payer, payee] = [this.#accounts[from], this.#accounts[to]];
    return payer === undefined || payee === undefined || from === to ? [] : [payer, payee];
  }
}

interface Move {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

/** What a transfer writes; undefined when there is not enough, or no account. */
function putsOf(
  [payer, payee]: readonly Uint8Array[],
  [paying, paid]: readonly ({ readonly value: Uint8Array } | undefined)[],
  amount: number,
) {
  if (payer === undefined || payee === undefined) return undefined;
  if (paying === undefined || paid === undefined) return undefined;
  const left = Number(textOf(paying.value)) - amount;
  if (left < 0) return undefined;
  const more = Number(textOf(paid.value)) + amount;
  const put = (key: Uint8Array, balance: number) =>
    ({ kind: "put", key, value: bytesOf(String(balance)), condition: "none" }) as const;
  return [put(payer, left), put(payee, more)];
}
