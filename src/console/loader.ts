/**
 * Loading many keys: atomic batches, several under way at once, memory bounded
 * by them alone.
 *
 * The last record of a key wins, as its place in the input says: a batch that
 * holds a key which is still under way waits for it. A failure stops the reading
 * and waits for what is under way, so that the count of what was loaded is exact.
 */
import type { Database } from "../database.js";
import { DatabaseError, type ErrorCode } from "../errors.js";
import { CommandError, EXIT, exitCodeOf } from "./failure.js";
import { RecordError, type LoadRecord } from "./ndjson.js";
import { grouped } from "./text.js";

export interface LoadLimits {
  /** records of one batch at most */
  readonly batchCountMax: number;
  /** bytes of keys and values of one batch at most (a larger record travels alone) */
  readonly batchSizeMax: number;
  /** batches under way at once */
  readonly inFlightMax: number;
}

const LOAD_LIMITS: LoadLimits = {
  batchCountMax: 128,
  batchSizeMax: 256 * 1024,
  inFlightMax: 16,
};

/** What the loader needs of a database. */
export type LoadTarget = Pick<Database, "batch" | "put">;

/** A batch is refused for one of its records: sent one by one, the culprit shows. */
const ONE_RECORD_AT_FAULT: ReadonlySet<ErrorCode> = new Set([
  "INVALID_ARGUMENT",
  "KEY_TOO_LARGE",
  "VALUE_TOO_LARGE",
  "REQUEST_TOO_LARGE",
]);

/** Where loading stopped. */
interface LoadStop {
  readonly lineNumber: number;
  readonly error: unknown;
}

export class Loader {
  readonly #target: LoadTarget;
  readonly #limits: LoadLimits;
  readonly #onLoaded: (loadedCount: number) => void;
  readonly #underWay = new Set<Promise<void>>();
  readonly #keysUnderWay = new Set<string>();
  #batch: LoadRecord[] = [];
  #batchSize = 0;
  #loadedCount = 0;
  #stop: LoadStop | undefined;

  constructor(
    target: LoadTarget,
    onLoaded: (loadedCount: number) => void = (): void => undefined,
    limits: LoadLimits = LOAD_LIMITS,
  ) {
    this.#target = target;
    this.#onLoaded = onLoaded;
    this.#limits = limits;
  }

  /**
   * Loads every record; the number of records loaded.
   *
   * @throws {CommandError} with the line, the reason and how many were loaded
   */
  async load(records: AsyncIterable<LoadRecord>): Promise<number> {
    try {
      for await (const record of records) {
        await this.#add(record);
        if (this.#stop !== undefined) break;
      }
    } catch (error) {
      // What stands before the bad line is good, and is loaded.
      const lineNumber = error instanceof RecordError ? error.lineNumber : 0;
      await this.#send();
      this.#stop ??= { lineNumber, error };
    }
    if (this.#stop === undefined) await this.#send();
    await Promise.all(this.#underWay);
    if (this.#stop !== undefined) throw this.#failure(this.#stop);
    return this.#loadedCount;
  }

  async #add(record: LoadRecord): Promise<void> {
    const size = record.key.length + record.value.length;
    const full = this.#batchSize + size > this.#limits.batchSizeMax;
    if (this.#batch.length > 0 && full) await this.#send();
    this.#batch.push(record);
    this.#batchSize += size;
    if (this.#batch.length >= this.#limits.batchCountMax) await this.#send();
  }

  /** Sends the gathered batch when there is room for it and none of its keys is under way. */
  async #send(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchSize = 0;
    const keys = batch.map(({ key }) => Buffer.from(key).toString("latin1"));
    while (
      this.#underWay.size >= this.#limits.inFlightMax ||
      keys.some((key) => this.#keysUnderWay.has(key))
    ) {
      await Promise.race(this.#underWay);
    }
    if (this.#stop !== undefined) return;
    for (const key of keys) this.#keysUnderWay.add(key);
    const sending = this.#apply(batch).finally(() => {
      for (const key of keys) this.#keysUnderWay.delete(key);
      this.#underWay.delete(sending);
    });
    this.#underWay.add(sending);
  }

  /** Never rejects: a failure is kept as the place where loading stops. */
  async #apply(batch: readonly LoadRecord[]): Promise<void> {
    try {
      await this.#target.batch(batch.map(({ key, value }) => ({ kind: "put", key, value })));
      this.#count(batch.length);
    } catch (error) {
      if (error instanceof DatabaseError && ONE_RECORD_AT_FAULT.has(error.code)) {
        await this.#applyOneByOne(batch);
      } else {
        this.#stopAt(batch[0], error);
      }
    }
  }

  async #applyOneByOne(batch: readonly LoadRecord[]): Promise<void> {
    for (const record of batch) {
      try {
        await this.#target.put(record.key, record.value);
        this.#count(1);
      } catch (error) {
        this.#stopAt(record, error);
        return;
      }
    }
  }

  #count(loaded: number): void {
    this.#loadedCount += loaded;
    this.#onLoaded(this.#loadedCount);
  }

  /** The failure nearest to the input's beginning is the one to tell. */
  #stopAt(record: LoadRecord | undefined, error: unknown): void {
    const lineNumber = record?.lineNumber ?? 0;
    if (this.#stop === undefined || lineNumber < this.#stop.lineNumber) {
      this.#stop = { lineNumber, error };
    }
  }

  #failure({ lineNumber, error }: LoadStop): CommandError {
    const loaded = `${grouped(this.#loadedCount)} ${this.#loadedCount === 1 ? "record is" : "records are"} loaded`;
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof RecordError) {
      return new CommandError("INVALID_ARGUMENT", EXIT.usage, `${reason}; ${loaded}`, {
        cause: error,
        tryThis:
          'mend the line ({"key": …, "value": …}) and load again: loading twice does no harm',
      });
    }
    const place = lineNumber === 0 ? "" : `from line ${lineNumber} on: `;
    const message = `${place}${reason}; ${loaded}`;
    if (!(error instanceof DatabaseError)) {
      return new CommandError("UNEXPECTED", EXIT.unexpected, message, { cause: error });
    }
    return new CommandError(error.code, exitCodeOf(error), message, {
      cause: error,
      outcome: error.outcome,
      retryable: error.retryable,
      requestId: error.requestId,
      tryThis: ONE_RECORD_AT_FAULT.has(error.code)
        ? "mend or leave out the line and load again: loading twice does no harm"
        : "the same command again: loading twice does no harm",
    });
  }
}
