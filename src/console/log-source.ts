/**
 * Where `log inspect` and `log compare` read from: a data directory, whose node
 * may be running or not, or a node's own log through its client port.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RemoteDatabase } from "../client/remote-database.js";
import type { Entry } from "../raft/types.js";
import { LogIndex } from "../raft/types.js";
import type { OfflineLog } from "../storage/offline-log.js";
import type { LogPoint, ReplicaLog } from "./compare-logs.js";

/** A log that can be compared and read. */
export interface LogSource extends ReplicaLog {
  /** what the directory or node says of itself, for the heading */
  readonly nodeId: string;
  /** the last index known to be committed; undefined offline */
  readonly commitIndex: number | undefined;
  entries(from: number): AsyncIterable<Entry>;
}

/** Bytes of one page of a node's log. */
const PAGE_SIZE = 1024 * 1024;
const CATCH_UP_POLL_MS = 50;

export class OfflineSource implements LogSource {
  readonly #log: OfflineLog;

  constructor(log: OfflineLog) {
    this.#log = log;
  }

  get name(): string {
    return this.#log.path;
  }
  get nodeId(): string {
    return this.#log.identity?.nodeId ?? "-";
  }
  get firstIndex(): number {
    return this.#log.firstIndex;
  }
  get lastIndex(): number {
    return this.#log.lastIndex;
  }
  readonly commitIndex = undefined;

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    return this.#log.checksumAt(LogIndex(index));
  }

  async *entries(from: number): AsyncGenerator<Entry> {
    for (const { entry } of this.#log.entries(LogIndex(from))) yield entry;
  }
}

/** A node's own log, as far as it was when asked. */
export class RemoteSource implements LogSource {
  readonly name: string;
  readonly nodeId: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly #database: RemoteDatabase;

  private constructor(
    name: string,
    database: RemoteDatabase,
    info: Awaited<ReturnType<RemoteDatabase["info"]>>,
  ) {
    this.name = name;
    this.#database = database;
    this.nodeId = info.id;
    this.firstIndex = info.firstIndex;
    this.lastIndex = info.flushedIndex;
    this.commitIndex = info.commitIndex;
  }

  static async ask(name: string, database: RemoteDatabase): Promise<RemoteSource> {
    return new RemoteSource(name, database, await database.info());
  }

  /** This log as it is once it has reached `index`, or when the deadline has passed. */
  async reach(index: number, deadlineMs: number): Promise<RemoteSource> {
    if (this.lastIndex >= index || performance.now() >= deadlineMs) return this;
    await sleep(CATCH_UP_POLL_MS);
    const later = await RemoteSource.ask(this.name, this.#database);
    return later.reach(index, deadlineMs);
  }

  /** The same log, as if it ended at `index`. */
  upTo(index: number): ReplicaLog {
    const { name, firstIndex, lastIndex } = this;
    return {
      name,
      firstIndex,
      lastIndex: Math.min(lastIndex, index),
      checksumAt: (at) => this.checksumAt(at),
    };
  }

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    return this.#database.checksumAt(LogIndex(index));
  }

  async *entries(from: number): AsyncGenerator<Entry> {
    let next = Math.max(from, this.firstIndex);
    while (next <= this.lastIndex) {
      const page = await this.#database.readLog(LogIndex(next), PAGE_SIZE);
      if (page.length === 0) return;
      for (const entry of page) {
        if (entry.index > this.lastIndex) return;
        yield entry;
        next = entry.index + 1;
      }
    }
  }
}
