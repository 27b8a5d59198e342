/**
 * Membership: which configuration is in force.
 *
 * A server uses the latest configuration in its log, committed or not (§6), so a
 * configuration entry takes effect when it is appended and is undone when it is
 * truncated. Only tracking lives here; proposing a change does not.
 */
import { assert } from "../assert.js";
import { LogIndex } from "./types.js";
import type { Configuration, Entry, LogReader, NodeId } from "./types.js";

/** Bytes of blocks read at once while the recovered log is searched. */
const SCAN_SIZE_MAX = 1 << 20;

interface Version {
  /** of its entry; 0 for the one before the log */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export class Membership {
  readonly #base: Version;
  /** later ones, oldest first */
  readonly #versions: Version[] = [];
  #voters: ReadonlySet<NodeId> = new Set();
  #members: readonly NodeId[] = [];

  constructor(configuration: Configuration) {
    this.#base = { index: LogIndex(0), configuration };
    this.#refresh();
  }

  /** The latest configuration. */
  get configuration(): Configuration {
    return (this.#versions.at(-1) ?? this.#base).configuration;
  }

  get voters(): readonly NodeId[] {
    return this.configuration.voters;
  }

  /** Voters, then learners. */
  get members(): readonly NodeId[] {
    return this.#members;
  }

  isVoter(id: NodeId): boolean {
    return this.#voters.has(id);
  }

  isMember(id: NodeId): boolean {
    return this.#members.includes(id);
  }

  /** @returns whether `entry` changed the configuration */
  onAppend(entry: Entry): boolean {
    if (entry.kind !== "configuration") return false;
    assert(entry.index > (this.#versions.at(-1)?.index ?? 0), "configurations come in log order");
    this.#versions.push({ index: entry.index, configuration: entry.configuration });
    this.#refresh();
    return true;
  }

  /** The log was dropped from `from` (inclusive). @returns whether the configuration changed back */
  onTruncate(from: LogIndex): boolean {
    const countBefore = this.#versions.length;
    while ((this.#versions.at(-1)?.index ?? 0) >= from) this.#versions.pop();
    if (this.#versions.length === countBefore) return false;
    this.#refresh();
    return true;
  }

  /** Reads the configurations that the recovered log holds. */
  recover(log: LogReader): void {
    let next = log.firstIndex;
    while (next <= log.lastIndex) {
      const entries = log.read(next, log.lastIndex, SCAN_SIZE_MAX);
      assert(entries[0]?.index === next, "the reader starts where it was asked to");
      for (const entry of entries) this.onAppend(entry);
      next = LogIndex(next + entries.length);
    }
  }

  #refresh(): void {
    const { voters, learners } = this.configuration;
    assert(voters.length >= 1, "a configuration has a voter");
    this.#voters = new Set(voters);
    this.#members = [...voters, ...learners];
  }
}
