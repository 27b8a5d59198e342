/**
 * Where `log inspect` and `log compare` read from: a data directory, whose node
 * may be running or not, or a node's own log through its client port.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RemoteDatabase } from "../client/remote-database.js";
import type { Row } from "../codec/block.js";
import type { NodeInfo } from "../node/service.js";
import type { Entry } from "../raft/types.js";
import { LogIndex } from "../raft/types.js";
import type { OfflineLog, VerifyReport } from "../storage/offline-log.js";
import { UNREACHABLE_TIMEOUT_MS } from "./address.js";
import type { LogPoint, ReplicaLog } from "./compare-logs.js";

/** A log that can be compared and read. */
export interface LogSource extends ReplicaLog {
  /** what the directory or node says of itself, for the heading */
  readonly nodeId: string;
  /** the last index known to be committed; undefined offline */
  readonly commitIndex: number | undefined;
  /** the commands of each block from `from` on, in order */
  blocks(from: number): AsyncIterable<readonly Row[]>;
}

/** Bytes of one page of a node's log. */
const PAGE_SIZE = 1024 * 1024;
const CATCH_UP_POLL_MS = 50;

/** Rows of entries; the codec is loaded when the first is there. */
async function* rowsOf(
  entries: Iterable<Entry> | AsyncIterable<Entry>,
): AsyncGenerator<readonly Row[]> {
  const { decodeRows } = await import("../codec/block.js");
  for await (const entry of entries) yield decodeRows(entry);
}

/** A data directory's log, read-only. */
export class DirectorySource implements LogSource {
  readonly commitIndex = undefined;
  readonly #log: OfflineLog;

  private constructor(log: OfflineLog) {
    this.#log = log;
  }

  /** @throws {DatabaseError} INVALID_ARGUMENT when there is no log */
  static async open(path: string): Promise<DirectorySource> {
    const { OfflineLog } = await import("../storage/offline-log.js");
    return new DirectorySource(OfflineLog.open(path));
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

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    return this.#log.checksumAt(LogIndex(index));
  }

  blocks(from: number): AsyncIterable<readonly Row[]> {
    return rowsOf(this.#entries(from));
  }

  *#entries(from: number): Generator<Entry> {
    for (const { entry } of this.#log.entries(LogIndex(from))) yield entry;
  }

  /** Reads every byte. `onProgress` gets bytes done and bytes in all. */
  verify(onProgress: (done: number, all: number) => void): VerifyReport {
    return this.#log.verify(onProgress);
  }

  close(): void {
    this.#log.close();
  }
}

/** A node's own log, as far as it was when asked. */
export class NodeSource implements LogSource {
  readonly name: string;
  readonly nodeId: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly #database: RemoteDatabase;

  private constructor(name: string, database: RemoteDatabase, info: NodeInfo) {
    this.name = name;
    this.#database = database;
    this.nodeId = info.id;
    this.firstIndex = info.firstIndex;
    this.lastIndex = info.flushedIndex;
    this.commitIndex = info.commitIndex;
  }

  static async ask(name: string, database: RemoteDatabase): Promise<NodeSource> {
    return new NodeSource(name, database, await database.info());
  }

  /** This log as it is once it has reached `index`, or when the deadline has passed. */
  async reach(index: number, deadlineMs: number): Promise<NodeSource> {
    if (this.lastIndex >= index || performance.now() >= deadlineMs) return this;
    await sleep(CATCH_UP_POLL_MS);
    const later = await NodeSource.ask(this.name, this.#database);
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

  blocks(from: number): AsyncIterable<readonly Row[]> {
    return rowsOf(this.#entries(from));
  }

  async *#entries(from: number): AsyncGenerator<Entry> {
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

/** Lends the logs of nodes, each asked alone, brought to the longest there was at the start. */
export async function withNodeLogs<T>(
  endpoints: readonly string[],
  timeoutMs: number,
  use: (sources: readonly NodeSource[], goal: number) => Promise<T>,
): Promise<T> {
  const { connect } = await import("../client/remote-database.js");
  const databases = endpoints.map((endpoint) =>
    connect({ endpoints: [endpoint], timeoutMs, unreachableTimeoutMs: UNREACHABLE_TIMEOUT_MS }),
  );
  try {
    const asked = await Promise.all(
      databases.map((database, at) => NodeSource.ask(endpoints[at] ?? "", database)),
    );
    const goal = Math.max(...asked.map(({ lastIndex }) => lastIndex));
    const deadlineMs = performance.now() + timeoutMs;
    return await use(
      await Promise.all(asked.map((source) => source.reach(goal, deadlineMs))),
      goal,
    );
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}
