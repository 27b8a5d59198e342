/**
 * Where `log inspect`, `log compare` and `log export` read from: a data directory,
 * whose node may be running or not, or a node's own log through its client port.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RemoteDatabase } from "../client/remote-database.js";
import type { Row } from "../codec/block.js";
import { DatabaseError } from "../errors.js";
import type { HeldSnapshot, NodeInfo } from "../node/service.js";
import type { Configuration, Entry } from "../raft/types.js";
import { LogIndex } from "../raft/types.js";
import type { BlockPlace, OfflineLog, OfflineOptions } from "../storage/offline-log.js";
import { UNREACHABLE_TIMEOUT_MS } from "./address.js";
import type { LogPoint, ReplicaLog, SnapshotPoint } from "./compare-logs.js";

/** A log that can be compared and read. */
export interface LogSource extends ReplicaLog {
  /** what the directory or node says of itself, for the heading */
  readonly nodeId: string;
  /** undefined when a directory does not tell */
  readonly clusterId: string | undefined;
  /** everything up to here is known to be committed */
  readonly committedIndex: number;
  /** whether its node leads; false offline */
  readonly leads: boolean;
  /** the commands of each block from `from` on, in order */
  blocks(from: number): AsyncIterable<readonly Row[]>;
  /** where a block stands on disk; undefined where that is not known */
  locate(index: number): BlockPlace | undefined;
  /** The same log as it is now, when it has changed; undefined when it has not. */
  later(): Promise<LogSource | undefined>;
  /** The voters by the last configuration of this log; undefined when it names none. Reads what is behind the newest snapshot. */
  voters(): Promise<readonly string[] | undefined>;
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
  readonly leads = false;
  readonly #log: OfflineLog;
  readonly #options: OfflineOptions;
  #fingerprint = "";

  private constructor(log: OfflineLog, options: OfflineOptions) {
    this.#log = log;
    this.#options = options;
  }

  /** @throws {DatabaseError} INVALID_ARGUMENT when there is no log */
  static async open(path: string, options: OfflineOptions = {}): Promise<DirectorySource> {
    const { OfflineLog } = await import("../storage/offline-log.js");
    return new DirectorySource(OfflineLog.open(path, options), options);
  }

  get name(): string {
    return this.#log.path;
  }
  get nodeId(): string {
    return this.#log.identity?.nodeId ?? "-";
  }
  get clusterId(): string | undefined {
    return this.#log.identity?.clusterId;
  }
  get firstIndex(): number {
    return this.#log.firstIndex;
  }
  get lastIndex(): number {
    return this.#log.lastIndex;
  }
  get committedIndex(): number {
    return this.#log.committedIndex;
  }
  get boundaries(): readonly number[] {
    return this.#log.boundaries;
  }
  get snapshots(): readonly SnapshotPoint[] {
    return this.#log.snapshots.map(({ head, endChecksum }) => {
      const { index, term, checksum } = head;
      return { index, term, checksum, stateChecksum: endChecksum };
    });
  }

  async checksumAt(index: number): Promise<LogPoint | undefined> {
    return this.#log.checksumAt(LogIndex(index));
  }

  locate(index: number): BlockPlace | undefined {
    return this.#log.locate(LogIndex(index));
  }

  blocks(from: number): AsyncIterable<readonly Row[]> {
    return rowsOf(this.entries(from));
  }

  async later(): Promise<DirectorySource | undefined> {
    const { OfflineLog } = await import("../storage/offline-log.js");
    const fingerprint = OfflineLog.fingerprint(this.name, this.#options.fileSystem);
    if (fingerprint === this.#fingerprint) return undefined;
    const later = await DirectorySource.open(this.name, this.#options);
    // Taken before it was opened: what changed meanwhile is seen the next time.
    later.#fingerprint = fingerprint;
    return later;
  }

  async voters(): Promise<readonly string[] | undefined> {
    const head = this.#log.snapshots.at(-1)?.head;
    let configuration: Configuration | undefined = head?.configuration;
    for (const entry of this.entries((head?.index ?? 0) + 1)) {
      if (entry.kind === "configuration") configuration = entry.configuration;
    }
    return configuration?.voters;
  }

  *entries(from: number): Generator<Entry> {
    for (const { entry } of this.#log.entries(LogIndex(from))) yield entry;
  }

  close(): void {
    this.#log.close();
  }
}

/** A log is not what it was when it was asked: its node compacted it, or another leader's took its place. */
class LogMoved extends DatabaseError {
  constructor(name: string, index: number) {
    super("BUSY", `the log of ${name} has moved beyond entry ${index} while it was compared`);
  }
}

/** A node's own log, as far as it was when asked. */
export class NodeSource implements LogSource {
  readonly boundaries = undefined;
  readonly name: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly committedIndex: number;
  readonly leads: boolean;
  readonly snapshots: readonly SnapshotPoint[];
  readonly #database: RemoteDatabase;

  private constructor(
    name: string,
    database: RemoteDatabase,
    info: NodeInfo,
    snapshots: readonly HeldSnapshot[],
  ) {
    this.name = name;
    this.#database = database;
    this.nodeId = info.id;
    this.clusterId = info.clusterId;
    this.firstIndex = info.firstIndex;
    this.lastIndex = info.flushedIndex;
    this.committedIndex = info.commitIndex;
    this.leads = info.role === "leader";
    this.snapshots = snapshots;
  }

  static async ask(name: string, database: RemoteDatabase): Promise<NodeSource> {
    const [info, snapshots] = await Promise.all([database.info(), database.snapshots()]);
    return new NodeSource(name, database, info, snapshots);
  }

  async later(): Promise<NodeSource | undefined> {
    const later = await NodeSource.ask(this.name, this.#database);
    return later.committedIndex > this.committedIndex ? later : undefined;
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
    const { name, firstIndex, lastIndex, snapshots, boundaries } = this;
    return {
      name,
      firstIndex,
      snapshots,
      boundaries,
      lastIndex: Math.min(lastIndex, index),
      checksumAt: (at) => this.checksumAt(at),
    };
  }

  /** @throws {LogMoved} when it was held and is not any more */
  async checksumAt(index: number): Promise<LogPoint | undefined> {
    const point = await this.#database.checksumAt(LogIndex(index));
    const wasHeld = index >= this.firstIndex && index <= this.lastIndex;
    if (point === undefined && wasHeld) throw new LogMoved(this.name, index);
    return point;
  }

  locate(): undefined {
    return undefined;
  }

  blocks(from: number): AsyncIterable<readonly Row[]> {
    return rowsOf(this.#entries(from));
  }

  async voters(): Promise<undefined> {
    // What is committed is known of a node, which says more than who votes.
    return undefined;
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

/**
 * Lends the logs of nodes, each asked alone, brought to the longest there was at the start.
 *
 * @param use is done anew when a log has moved under it
 */
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
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const asked = await Promise.all(
        databases.map((database, at) => NodeSource.ask(endpoints[at] ?? "", database)),
      );
      const goal = Math.max(...asked.map(({ lastIndex }) => lastIndex));
      const sources = await Promise.all(asked.map((source) => source.reach(goal, deadlineMs)));
      try {
        return await use(sources, goal);
      } catch (error) {
        if (!(error instanceof LogMoved) || performance.now() >= deadlineMs) throw error;
      }
    }
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}
