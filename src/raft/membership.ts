/**
 * Membership: which configuration is in force.
 *
 * A server uses the latest configuration in its log, committed or not (§6), so a
 * configuration entry takes effect when it is appended and is undone when it is
 * truncated. membership-change.ts proposes new ones.
 *
 * A member is an id *and* an incarnation: whoever comes back under an old id
 * with an empty disk has forgotten votes and acknowledgements, and is not the
 * member that the configuration counts (docs/decisions/0005).
 */
import { assert } from "../assert.js";
import type { LogIndex } from "./types.js";
import type { Configuration, Entry, LogReader, MemberRecord, NodeId } from "./types.js";

interface Version {
  /** of its entry; a snapshot's, or 0 for the one before the log */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** This node, as the configuration may or may not know it. */
interface Self {
  readonly id: NodeId;
  /** empty: not told, and not compared */
  readonly incarnation: string;
}

export class Membership {
  readonly #self: Self;
  #base: Version;
  /** later ones, oldest first */
  #versions: Version[] = [];
  #voters: ReadonlySet<NodeId> = new Set();
  #members: readonly NodeId[] = [];
  #others: readonly NodeId[] = [];
  #records: ReadonlyMap<NodeId, MemberRecord> = new Map();
  /** incarnations as peers told them; an id without one is believed */
  readonly #told = new Map<NodeId, string>();

  /** @param index of the entry that brought `configuration`; 0 when none did */
  constructor(self: Self, configuration: Configuration, index: LogIndex) {
    this.#self = self;
    this.#base = { index, configuration };
    if (self.incarnation !== "") this.#told.set(self.id, self.incarnation);
    this.#refresh();
  }

  /** The latest configuration. */
  get configuration(): Configuration {
    return this.#latest.configuration;
  }

  /** The index of the entry that brought it; 0 when none did. */
  get index(): LogIndex {
    return this.#latest.index;
  }

  get voters(): readonly NodeId[] {
    return this.configuration.voters;
  }

  /** Voters, then learners. */
  get members(): readonly NodeId[] {
    return this.#members;
  }

  /** All members but this node, in their order; the same array as long as they are the same. */
  get others(): readonly NodeId[] {
    return this.#others;
  }

  isVoter(id: NodeId): boolean {
    return this.#voters.has(id);
  }

  isMember(id: NodeId): boolean {
    return this.#members.includes(id);
  }

  /** Whether this node is a voter, in the incarnation that is counted. */
  get canVote(): boolean {
    return this.isVoter(this.#self.id) && this.isGenuine(this.#self.id);
  }

  /**
   * Whether this node may campaign: a voter, or one whose removal is not committed
   * yet: it may be the only one that can commit it (thesis §4.2.2).
   */
  mayCampaign(commitIndex: LogIndex): boolean {
    const { id } = this.#self;
    return this.isGenuine(id) && (this.isVoter(id) || this.#at(commitIndex).voters.includes(id));
  }

  record(id: NodeId): MemberRecord | undefined {
    return this.#records.get(id);
  }

  /** The incarnation that `id` has told of itself. */
  told(id: NodeId): string | undefined {
    return this.#told.get(id);
  }

  tell(id: NodeId, incarnation: string): void {
    this.#told.set(id, incarnation);
  }

  /** Whether a member has told of another life than its record has, or has no record yet. */
  get isNewTold(): boolean {
    return this.#members.some((id) => {
      const told = this.#told.get(id);
      return told !== undefined && told !== this.#records.get(id)?.incarnation;
    });
  }

  /** Whether `id` is the life that the configuration means, as far as both are known. */
  isGenuine(id: NodeId): boolean {
    const recorded = this.#records.get(id)?.incarnation ?? "";
    const told = this.#told.get(id) ?? "";
    return recorded === "" || told === "" || recorded === told;
  }

  /** Whether `id` may be heard about elections: not when it is known to be gone, or to have lost its memory. */
  mayTakePart(id: NodeId, commitIndex: LogIndex): boolean {
    return !this.isGone(id, commitIndex) && this.isGenuine(id);
  }

  /** Whether `id` was removed, and that is committed. */
  isGone(id: NodeId, commitIndex: LogIndex): boolean {
    return this.configuration.removed?.includes(id) === true && this.index <= commitIndex;
  }

  /** @returns whether `entry` changed the configuration */
  onAppend(entry: Entry): boolean {
    if (entry.kind !== "configuration") return false;
    assert(entry.index > this.index, "configurations come in log order");
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

  /** A snapshot replaced the log: its configuration is the one in force. */
  reset(configuration: Configuration, index: LogIndex): void {
    this.#base = { index, configuration };
    this.#versions = [];
    this.#refresh();
  }

  /** The configuration in force at `index`, and the entry that brought it: what a snapshot there carries. */
  at(index: LogIndex): Version {
    const version = this.#versions.findLast((one) => one.index <= index) ?? this.#base;
    assert(version.index <= index, "a configuration is asked for where the log is still known");
    return version;
  }

  /** The members that the last configuration up to `index` names. */
  membersAt(index: LogIndex): readonly NodeId[] {
    if (this.index <= index) return this.#members;
    const { voters, learners } = this.#at(index);
    return [...voters, ...learners];
  }

  #at(index: LogIndex): Configuration {
    return (this.#versions.findLast((one) => one.index <= index) ?? this.#base).configuration;
  }

  /** Reads the configurations that the recovered log holds. */
  recover(log: LogReader): void {
    for (const index of log.configurationIndexes()) {
      // A snapshot may be later than the first entries of the log that is kept.
      if (index <= this.index) continue;
      const [entry] = log.read(index, index, 1);
      assert(entry?.kind === "configuration", "a configuration stands where the reader says");
      this.onAppend(entry);
    }
  }

  get #latest(): Version {
    return this.#versions.at(-1) ?? this.#base;
  }

  #refresh(): void {
    const { voters, learners, records } = this.configuration;
    assert(voters.length >= 1, "a configuration has a voter");
    this.#voters = new Set(voters);
    this.#members = [...voters, ...learners];
    this.#others = this.#members.filter((member) => member !== this.#self.id);
    this.#records = new Map((records ?? []).map((record) => [record.id, record]));
  }
}
