/**
 * What the world does wrong in one operation of the log ends the log's life: a
 * write or sync that failed is never tried again (fsyncgate). Two things do not: a
 * shortage, which passes (shortage.ts), and damage found by reading.
 */
import { AssertionError } from "../assert.js";
import { DatabaseError } from "../errors.js";
import { shortage } from "./shortage.js";

export class LogGuard {
  readonly #directory: string;
  #failure: DatabaseError | undefined;
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What ended the log's life. */
  get failure(): DatabaseError | undefined {
    return this.#failure;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs one operation. @throws {DatabaseError} */
  run<T>(doing: string, operation: () => T): T {
    if (this.#closed) throw new DatabaseError("CLOSED", "the log is closed");
    if (this.#failure !== undefined) throw this.#failed(this.#failure);
    try {
      return operation();
    } catch (error) {
      if (error instanceof DatabaseError || error instanceof AssertionError) throw error;
      throw this.refuse(doing, error);
    }
  }

  /** What an operation is refused with that the world has failed; its life ends unless that is a shortage. */
  refuse(doing: string, error: unknown): DatabaseError {
    return shortage(error, `${doing} the log in ${this.#directory}`) ?? this.fail(doing, error);
  }

  /** Ends the log's life. @returns why it ended */
  fail(doing: string, cause: unknown): DatabaseError {
    const text = cause instanceof Error ? cause.message : String(cause);
    const message = `${doing} the log in ${this.#directory} failed: ${text}`;
    this.#failure ??= new DatabaseError("STORAGE_FAILED", message, { cause, outcome: "unknown" });
    return this.#failure;
  }

  close(): void {
    this.#closed = true;
  }

  #failed(cause: DatabaseError): DatabaseError {
    const message = `the log in ${this.#directory} is out of use since an earlier failure: ${cause.message}`;
    return new DatabaseError("STORAGE_FAILED", message, { cause, outcome: "unknown" });
  }
}
