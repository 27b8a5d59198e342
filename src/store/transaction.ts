/**
 * Transactions: what a client does step by step, held in the replicated state, so
 * that it survives the leader's death and goes on through any node.
 *
 * They are optimistic. A transaction reads the state as it was when it began (its
 * read revision) and stages its writes; at the commit it is validated against
 * what others have committed since:
 *
 *   serializable   every key and every range it has read is unchanged (no phantoms);
 *                  one that writes nothing needs no validation: it read one state
 *   snapshot       every key and every range it writes is unchanged (first committer wins)
 *
 * A commit that conflicts ends the transaction too. What became of it is
 * remembered for FINISHED_TTL, so that a commit whose answer was lost can be asked
 * again. A transaction with which nothing was done for its idle time expires.
 */
import type {
  Conflict,
  Isolation,
  RequestResult,
  StagedCommand,
  StagedRead,
  TransactionDetail,
  TransactionStatus,
} from "./command.js";
import { addChanged, type TextRange } from "./compare.js";
import { Deadlines, type Expiring } from "./deadlines.js";
import { keyText } from "./key-order.js";
import { Registry, type RegistryView } from "./registry.js";
import type { VersionedMap } from "./versioned-map.js";

/** staged commands of one transaction */
export const STAGED_COUNT_MAX = 10_000;
/** bytes of keys and values staged and read by one transaction */
const STAGED_SIZE_MAX = 10 * 1024 * 1024;
/** keys and ranges that one transaction reads */
export const READ_COUNT_MAX = 100_000;
/** savepoints of one transaction, of different names */
const SAVEPOINT_COUNT_MAX = 100;
/** transactions that are open together, and that are remembered as finished */
const OPEN_COUNT_MAX = 10_000;
const FINISHED_COUNT_MAX = 100_000;
/** milliseconds that a finished transaction is remembered for */
const FINISHED_TTL = 600_000;
/** bytes that a staged command or a read costs beside its key and value */
const STAGED_OVERHEAD_SIZE = 64;

/** What of an open transaction is in rows. */
export interface TransactionState {
  readonly id: Uint8Array;
  readonly isolation: Isolation;
  readonly readRevision: number;
  /** milliseconds */
  readonly idle: number;
  readonly deadline: number;
  /** never changed in place but at its end */
  readonly commands: readonly StagedCommand[];
  /** never changed in place but at its end */
  readonly reads: readonly StagedRead[];
  /** by name, as text: how many commands were staged before */
  readonly savepoints: ReadonlyMap<string, number>;
}

export interface Transaction extends TransactionState, Expiring {
  deadline: number;
  commands: StagedCommand[];
  readonly reads: StagedRead[];
  readonly readNames: Set<string>;
  readonly savepoints: Map<string, number>;
  /** bytes */
  size: number;
}

export interface FinishedTransaction extends Expiring {
  readonly id: Uint8Array;
  /** what its commit answers, or that it ended otherwise */
  readonly answer: RequestResult;
  readonly detail: TransactionDetail;
}

export class Transactions {
  readonly #open = new Map<string, Transaction>();
  /** in the order in which they were begun */
  readonly #openInOrder = new Registry<Transaction, TransactionState>(
    ({ id, isolation, readRevision, idle, deadline, commands, reads, savepoints }) => ({
      ...{ id, isolation, readRevision, idle, deadline },
      ...{ commands: commands.slice(), reads: reads.slice(), savepoints: new Map(savepoints) },
    }),
  );
  readonly #finished = new Map<string, FinishedTransaction>();
  /** in the order in which they were finished; nothing of them changes */
  readonly #finishedInOrder = new Registry<FinishedTransaction, FinishedTransaction>(
    (finished) => finished,
  );
  readonly #openDeadlines = new Deadlines<Transaction>();
  readonly #finishedDeadlines = new Deadlines<FinishedTransaction>();
  #count = 0;

  get(id: Uint8Array): Transaction | undefined {
    return this.#open.get(keyText(id));
  }

  finished(id: Uint8Array): FinishedTransaction | undefined {
    return this.#finished.get(keyText(id));
  }

  /** Open ones, in the order in which they were begun. */
  allOpen(): Iterable<Transaction> {
    return this.#openInOrder;
  }

  /** In the order in which they were finished. */
  allFinished(): Iterable<FinishedTransaction> {
    return this.#finishedInOrder;
  }

  /** The open ones of this moment. */
  openViewOfOpen(): RegistryView<TransactionState> {
    return this.#openInOrder.openView();
  }

  /** The finished ones of this moment. */
  openViewOfFinished(): RegistryView<FinishedTransaction> {
    return this.#finishedInOrder.openView();
  }

  get earliestDeadline(): number | undefined {
    const open = this.#openDeadlines.earliest;
    const finished = this.#finishedDeadlines.earliest;
    return open === undefined || finished === undefined
      ? (open ?? finished)
      : Math.min(open, finished);
  }

  /** The least read revision of those that are open; undefined when none is. */
  get readRevisionMin(): number | undefined {
    let least: number | undefined;
    for (const { readRevision } of this.#open.values()) {
      if (least === undefined || readRevision < least) least = readRevision;
    }
    return least;
  }

  get isFull(): boolean {
    return this.#open.size >= OPEN_COUNT_MAX;
  }

  begin(
    id: Uint8Array,
    isolation: Isolation,
    idle: number,
    at: { readonly revision: number; readonly runTime: number },
  ): Transaction {
    return this.restoreOpen(id, isolation, at.revision, idle, at.runTime + idle);
  }

  /** Something is done with it: its idle time starts anew. To be called before it is changed. */
  touch(transaction: Transaction, runTime: number): void {
    this.#openInOrder.changing(transaction);
    transaction.deadline = Math.max(transaction.deadline, runTime + transaction.idle);
  }

  /** It ends: as `status`, with the answer that its commit gives from now on. */
  finish(
    transaction: Transaction,
    detail: TransactionDetail,
    answer: RequestResult,
    runTime: number,
  ): void {
    this.#open.delete(keyText(transaction.id));
    this.#openInOrder.delete(transaction);
    this.#openDeadlines.remove(transaction);
    if (this.#finished.size >= FINISHED_COUNT_MAX) this.#forgetNext(Infinity);
    this.restoreFinished(detail, answer, runTime + FINISHED_TTL);
  }

  /** The next transaction that was idle for too long. */
  nextIdle(runTime: number): Transaction | undefined {
    const transaction = this.#openDeadlines.take(runTime);
    // Put back: to be finished by the caller, as any other.
    if (transaction !== undefined) this.#openDeadlines.add(transaction);
    return transaction;
  }

  /** Forgets what finished long ago. */
  forgetFinished(runTime: number): void {
    while (this.#forgetNext(runTime));
  }

  #forgetNext(runTime: number): boolean {
    const finished = this.#finishedDeadlines.take(runTime);
    if (finished === undefined) return false;
    this.#finished.delete(keyText(finished.id));
    this.#finishedInOrder.delete(finished);
    return true;
  }

  restoreOpen(
    id: Uint8Array,
    isolation: Isolation,
    readRevision: number,
    idle: number,
    deadline: number,
  ): Transaction {
    this.#count += 1;
    const transaction: Transaction = {
      id: new Uint8Array(id),
      order: this.#count,
      isolation,
      readRevision,
      idle,
      deadline,
      placed: deadline,
      commands: [],
      reads: [],
      readNames: new Set(),
      savepoints: new Map(),
      size: 0,
    };
    this.#open.set(keyText(id), transaction);
    this.#openInOrder.add(transaction);
    this.#openDeadlines.add(transaction);
    return transaction;
  }

  restoreFinished(detail: TransactionDetail, answer: RequestResult, deadline: number): void {
    this.#count += 1;
    const { transaction: id } = detail;
    const finished = { id, order: this.#count, deadline, placed: deadline, answer, detail };
    this.#finished.set(keyText(id), finished);
    this.#finishedInOrder.add(finished);
    this.#finishedDeadlines.add(finished);
  }
}

export function transactionDetail(
  transaction: Transaction,
  status: TransactionStatus,
  revision = 0,
): TransactionDetail {
  const { id, isolation, readRevision } = transaction;
  return { kind: "transaction", transaction: id, status, isolation, readRevision, revision };
}

/** Adds to a transaction. @returns whether it fits its limits; if not, nothing was added */
export function stage(
  transaction: Transaction,
  commands: readonly StagedCommand[],
  reads: readonly StagedRead[],
): boolean {
  const fresh = new Map<string, StagedRead>();
  let size = transaction.size;
  for (const command of commands) size += commandSize(command);
  for (const read of reads) {
    const name = readName(read);
    if (transaction.readNames.has(name) || fresh.has(name)) continue;
    const copy = copyOfRead(read);
    fresh.set(name, copy);
    size += readSize(copy);
  }
  const fits =
    size <= STAGED_SIZE_MAX &&
    transaction.commands.length + commands.length <= STAGED_COUNT_MAX &&
    transaction.reads.length + fresh.size <= READ_COUNT_MAX;
  if (!fits) return false;
  for (const command of commands) transaction.commands.push(copyOfCommand(command));
  for (const [name, read] of fresh) {
    transaction.readNames.add(name);
    transaction.reads.push(read);
  }
  transaction.size = size;
  return true;
}

/** @returns whether there was room */
export function setSavepoint(transaction: Transaction, name: Uint8Array): boolean {
  const { savepoints } = transaction;
  const text = keyText(name);
  if (!savepoints.has(text) && savepoints.size >= SAVEPOINT_COUNT_MAX) return false;
  savepoints.delete(text);
  savepoints.set(text, transaction.commands.length);
  return true;
}

/** Drops what was staged after a savepoint, and the savepoints set after it. @returns whether it is known */
export function rollbackTo(transaction: Transaction, name: Uint8Array): boolean {
  const { savepoints } = transaction;
  const text = keyText(name);
  const count = savepoints.get(text);
  if (count === undefined) return false;
  for (const dropped of transaction.commands.slice(count)) transaction.size -= commandSize(dropped);
  transaction.commands = transaction.commands.slice(0, count);
  let after = false;
  for (const each of [...savepoints.keys()]) {
    if (after) savepoints.delete(each);
    after ||= each === text;
  }
  return true;
}

/** What others committed meanwhile that forbids the commit; "too-old" when that cannot be known any more. */
export function conflictsOfTransaction(
  map: VersionedMap,
  transaction: Transaction,
): readonly Conflict[] | "too-old" {
  const { readRevision, commands } = transaction;
  if (commands.length === 0) return [];
  const watched: Iterable<StagedRead> =
    transaction.isolation === "serializable" ? transaction.reads : commands;
  const keys = new Map<string, Uint8Array>();
  const ranges: TextRange[] = [];
  for (const { key, end } of watched) {
    if (end === undefined) keys.set(keyText(key), key);
    else ranges.push({ from: keyText(key), end: keyText(end) });
  }
  if (keys.size === 0 && ranges.length === 0) return [];
  if (readRevision < map.compactedRevision) return "too-old";
  const conflicts: Conflict[] = [];
  addChanged(conflicts, map, { keys, ranges }, readRevision);
  return conflicts;
}

function readName({ key, end }: StagedRead): string {
  return end === undefined ? `k${keyText(key)}` : `r${key.length}:${keyText(key)}${keyText(end)}`;
}

function copyOfRead({ key, end }: StagedRead): StagedRead {
  const copy = { key: new Uint8Array(key) };
  return end === undefined ? copy : { end: new Uint8Array(end), ...copy };
}

function copyOfCommand(command: StagedCommand): StagedCommand {
  const key = new Uint8Array(command.key);
  switch (command.kind) {
    case "put":
      // eslint-disable-next-line no-restricted-syntax -- both are in it already: it keeps its shape
      return { ...command, key, value: new Uint8Array(command.value) };
    case "delete":
      return { kind: "delete", key };
    case "deleteRange":
      return { kind: "deleteRange", key, end: new Uint8Array(command.end) };
  }
}

function commandSize(command: StagedCommand): number {
  const operand =
    command.kind === "put"
      ? command.value.length
      : command.kind === "deleteRange"
        ? command.end.length
        : 0;
  return STAGED_OVERHEAD_SIZE + command.key.length + operand;
}

function readSize({ key, end }: StagedRead): number {
  return STAGED_OVERHEAD_SIZE + key.length + (end?.length ?? 0);
}
