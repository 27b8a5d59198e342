/**
 * What a shell holds between two lines: the connection, the transaction it is in,
 * and where its answers go.
 */
import type { Database } from "../database.js";
import { DatabaseError } from "../errors.js";
import type { Transaction } from "../transaction.js";
import { usageError } from "./failure.js";
import type { Output } from "./output.js";
import { printable } from "./text.js";

/** Digits of a transaction's id that the prompt shows. */
const SHOWN_DIGITS = 4;
/** Characters of a value that a terminal shows. */
const SHOWN_LENGTH = 4096;

/** A transaction that the shell is in. */
interface Held {
  readonly transaction: Transaction;
  /** whether it has written, or may have */
  hasWrites: boolean;
  /** by name: whether it had written by then */
  readonly savepoints: Map<string, boolean>;
}

export interface ShellStateOptions {
  readonly database: Database;
  readonly output: Output;
  /** a line for a person, never on stdout */
  readonly note: (line: string) => void;
  readonly isJson: boolean;
  /** whether answers are shown on a terminal, which not every byte is good for */
  readonly isTerminal: boolean;
}

export class ShellState {
  readonly database: Database;
  readonly output: Output;
  readonly note: (line: string) => void;
  readonly isJson: boolean;
  /** whether it was told to end */
  isOver = false;
  readonly #isTerminal: boolean;
  #held: Held | undefined;

  constructor({ database, output, note, isJson, isTerminal }: ShellStateOptions) {
    this.database = database;
    this.output = output;
    this.note = note;
    this.isJson = isJson;
    this.#isTerminal = isTerminal;
  }

  /** The transaction it is in. */
  get transaction(): Transaction | undefined {
    return this.#held?.transaction;
  }

  /** Names to roll back to. */
  get savepoints(): readonly string[] {
    return [...(this.#held?.savepoints.keys() ?? [])];
  }

  /** `balsa> `, or `balsa(tx 1a2b*)> `: the star stands for writes that are not committed. */
  get prompt(): string {
    if (this.#held === undefined) return "balsa> ";
    const { transaction, hasWrites } = this.#held;
    return `balsa(tx ${transaction.id.slice(0, SHOWN_DIGITS)}${hasWrites ? "*" : ""})> `;
  }

  /** @throws {CommandError} usage, outside a transaction */
  held(command: string): Transaction {
    if (this.#held !== undefined) return this.#held.transaction;
    throw usageError(`${command}: there is no transaction`, "begin");
  }

  /** Goes on inside a transaction. @param hasWrites whether it may have written already */
  enter(transaction: Transaction, hasWrites: boolean): void {
    this.#held = { transaction, hasWrites, savepoints: new Map() };
  }

  /** Goes on outside: the transaction has ended, or is left to others. */
  leave(): void {
    this.#held = undefined;
  }

  /** Something is being written in the transaction. */
  noteWrite(): void {
    if (this.#held !== undefined) this.#held.hasWrites = true;
  }

  noteSavepoint(name: string): void {
    // A name that is used again moves: to the end, here too.
    this.#held?.savepoints.delete(name);
    this.#held?.savepoints.set(name, this.#held.hasWrites);
  }

  /** It was rolled back to a savepoint: later ones are gone. */
  noteRolledBackTo(name: string): void {
    if (this.#held === undefined) return;
    const { savepoints } = this.#held;
    // One that was made before it was resumed here is not known.
    const hadWrites = savepoints.get(name);
    if (hadWrites === undefined) return;
    this.#held.hasWrites = hadWrites;
    const names = [...savepoints.keys()];
    for (const later of names.slice(names.indexOf(name) + 1)) savepoints.delete(later);
  }

  /** JSON for a script that asked for it, a line for everybody else. */
  async answer(json: unknown, text: string): Promise<void> {
    if (this.isJson) await this.output.json(json);
    else await this.output.line(text);
  }

  /** Bytes as they are and a newline, but on a terminal without what would wreck it. */
  async writeBytes(bytes: Uint8Array): Promise<void> {
    await this.output.write(this.#isTerminal ? printable(bytes, SHOWN_LENGTH) : bytes);
  }

  /**
   * Rolls back what is open.
   * @returns the id of a transaction that was open
   */
  async close(): Promise<string | undefined> {
    const transaction = this.#held?.transaction;
    if (transaction === undefined) return undefined;
    this.#held = undefined;
    try {
      await transaction.rollback();
      this.note(`transaction ${transaction.id} was not committed: rolled back`);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.note(
        `transaction ${transaction.id} could not be rolled back: ${error.message} (balsa tx status)`,
      );
    }
    return transaction.id;
  }
}
