/**
 * The properties that must hold whatever happens (Raft Fig. 3, and more).
 *
 * An observer outside the servers, with a memory that no crash takes. It looks
 * at each Ready before any of it leaves the server: work per Ready follows what
 * changed, never the length of the log. It trusts the disks' own books for what
 * is durable, not the servers' beliefs.
 */
import { quorumSize } from "../../src/raft/quorum.js";
import { describeMessage } from "./describe.js";
import { checkConfiguration, checkLeaderCounts, countedDisks } from "./membership-properties.js";
import { foldEntry } from "./snapshot-shelf.js";
import { must } from "./violation.js";
import type { Envelope } from "../../src/raft/message.js";
import type { RaftStatus, Ready, SnapshotVerdict } from "../../src/raft/ready.js";
import type { Configuration, Entry, LogIndex, NodeId, Term } from "../../src/raft/types.js";
import type { SimulatedNode } from "./cluster.js";
import type { State } from "./snapshot-shelf.js";

interface Observed {
  readonly node: SimulatedNode;
  term: number;
  role: string;
  commitIndex: number;
  appliedIndex: number;
  /** contexts that wait for an answer, with what they must at least see */
  readonly reads: Map<number, number>;
}

export class Properties {
  readonly #founding: Configuration;
  readonly #nodes = new Map<NodeId, Observed>();
  readonly #leaderOf = new Map<number, NodeId>();
  /** by node, incarnation and term */
  readonly #votes = new Map<string, NodeId>();
  /** (index, term) → checksum, and the checksum of what came before */
  readonly #entries = new Map<string, { readonly checksum: number; readonly previous: number }>();
  readonly #committed: Entry[] = [];
  /** the term of the leader that committed each of them */
  readonly #committedIn: number[] = [];
  /** the state after each committed entry */
  readonly #folds: number[] = [];
  /** checksums of the snapshots of an index */
  readonly #snapshots = new Map<number, number>();
  /** what was looked at, so that a check that sees nothing is noticed */
  readonly counts = {
    ...{ leaders: 0, commits: 0, reads: 0, votes: 0, truncations: 0, refusedReads: 0 },
    ...{ soloReads: 0, configurations: 0, snapshots: 0, resets: 0, kept: 0, wipes: 0 },
  };

  constructor(founding: Configuration) {
    this.#founding = founding;
  }

  get committedIndex(): number {
    return this.#committed.length;
  }

  onStart(node: SimulatedNode): void {
    const state = node.shelf.newestState;
    if (state !== undefined) this.#checkState(node.id, state);
    this.#nodes.set(node.id, {
      ...{ node, term: node.disk.durableHardState.term, role: "start", reads: new Map() },
      ...{ commitIndex: state?.index ?? 0, appliedIndex: state?.index ?? 0 },
    });
  }

  onWiped(node: SimulatedNode): void {
    this.counts.wipes += 1;
    this.onStart(node);
  }

  onReadRequest({ id }: SimulatedNode, context: number): void {
    this.#node(id).reads.set(context, this.#committed.length);
  }

  /** A leader that could ask others was asked; if it has answered already, it asked nobody. */
  onReadAsked({ id }: SimulatedNode, context: number): void {
    if (!this.#node(id).reads.has(context)) this.counts.soloReads += 1;
  }

  /** A snapshot was taken: of a committed state, and the same file on every node. */
  onSnapshot(node: SimulatedNode): void {
    const { newest, newestState } = node.shelf;
    if (newest === undefined || newestState === undefined) return;
    this.counts.snapshots += 1;
    this.#checkState(node.id, newestState);
    const known = this.#snapshots.get(newest.index) ?? newest.fileChecksum;
    must(
      known === newest.fileChecksum,
      "equal states have equal snapshots",
      () => `${node.id} at ${newest.index}`,
    );
    this.#snapshots.set(newest.index, known);
  }

  /** Called before the log follows. */
  onInstalled(node: SimulatedNode, state: State, verdict: SnapshotVerdict): void {
    if (verdict === "not-needed") return;
    const { id, disk } = node;
    const isHeld = disk.checksum(state.index) === state.checksum;
    must(
      isHeld === (verdict === "log-kept"),
      "a log that holds the snapshot's last entry keeps what follows, and no other does",
      () => `${id} at ${state.index}: ${verdict}`,
    );
    this.counts[isHeld ? "kept" : "resets"] += 1;
    this.#checkState(id, state);
    const observed = this.#node(id);
    must(
      state.index > observed.commitIndex,
      "what is committed stays",
      () => `${id} installs ${state.index} over ${observed.commitIndex}`,
    );
    observed.commitIndex = state.index;
    observed.appliedIndex = state.index;
  }

  /** State Machine Safety across snapshots: a state is that of what was committed, with its members. */
  #checkState(id: NodeId, state: State): void {
    const { index } = state;
    must(
      this.#folds[index - 1] === state.fold,
      "a snapshot is of what was committed (State Machine Safety)",
      () => `${id} at ${index}`,
    );
    const last = this.#committed.findLast(
      (entry) => entry.kind === "configuration" && entry.index <= index,
    );
    const inForce = last?.kind === "configuration" ? last.configuration : this.#founding;
    must(
      JSON.stringify(inForce) === JSON.stringify(state.configuration),
      "a snapshot carries the configuration in force",
      () => `${id} at ${index}: ${JSON.stringify(state.configuration)}`,
    );
  }

  /** Called with each Ready, after the disk has taken it in and before anything leaves. */
  onReady(subject: SimulatedNode, ready: Ready, status: RaftStatus): void {
    const { id } = subject;
    const node = this.#node(id);
    must(
      status.term >= node.term,
      "a term never falls",
      () => `${id}: ${node.term} → ${status.term}`,
    );
    this.#checkLog(id, node, ready, status);
    // A leader that commits its own removal leads no longer when it says so.
    const isCounting =
      status.role === "leader" || (node.role === "leader" && node.term === status.term);
    node.term = status.term;
    node.role = status.role;
    for (const change of ready.roleChanges) {
      if (change.role === "leader") this.#checkElection(id, node, change.term);
    }
    this.#checkCommit(id, node, status, isCounting);
    if (status.role === "leader") {
      this.#checkMatches(id, node, status);
      checkLeaderCounts(subject, status);
    }
    for (const envelope of ready.messages) this.#checkMessage(id, node, envelope);
    for (const entry of ready.committed) this.#checkApply(id, node, entry);
    for (const { context, index } of ready.reads) this.#checkRead(id, node, context, index);
    for (const context of ready.refusedReads) {
      this.counts.refusedReads += 1;
      must(node.reads.delete(context), "a read is answered once", () => `${id}: ${context}`);
    }
    must(ready.divergence === undefined, "honest logs never diverge", () =>
      JSON.stringify(ready.divergence),
    );
  }

  /** Log Matching: one entry per index and term, and equal entries have equal predecessors. */
  #checkLog(id: NodeId, node: Observed, ready: Ready, status: RaftStatus): void {
    const { truncateFrom } = ready;
    if (truncateFrom !== undefined) {
      this.counts.truncations += 1;
      const wasLeader = node.role === "leader" && node.term === status.term;
      must(
        !wasLeader,
        "a leader only appends (Leader Append-Only)",
        () => `${id} from ${truncateFrom}`,
      );
      must(
        truncateFrom > node.commitIndex,
        "what is committed stays",
        () => `${id} from ${truncateFrom}`,
      );
    }
    const { disk } = node.node;
    for (const entry of ready.entries) {
      if (entry.kind === "configuration") this.counts.configurations += 1;
      checkConfiguration(node.node, entry, status);
      const previous = disk.checksum((entry.index - 1) as LogIndex);
      const key = `${entry.index}/${entry.term}`;
      const known = this.#entries.get(key);
      if (known === undefined) {
        this.#entries.set(key, { checksum: entry.checksum, previous });
        continue;
      }
      must(
        known.checksum === entry.checksum,
        "same index and term, same entry (Log Matching)",
        () => `${id} ${key}`,
      );
      must(
        known.previous === previous,
        "same entry, same prefix (Log Matching)",
        () => `${id} ${key}`,
      );
    }
  }

  #checkElection(id: NodeId, { node }: Observed, term: Term): void {
    this.counts.leaders += 1;
    const other = this.#leaderOf.get(term);
    must(
      other === undefined,
      "at most one leader a term (Election Safety)",
      () => `${id} and ${String(other)} in ${term}`,
    );
    this.#leaderOf.set(term, id);
    const { configuration } = node.disk.configurationAt(node.disk.lastIndex);
    const votes = configuration.voters.filter((voter) => this.#hasVote(configuration, voter, term));
    must(
      votes.length >= quorumSize(configuration.voters.length),
      "a leader has the votes of a majority of voters",
      () => `${id} in ${term} by ${votes.join(" ")} of ${configuration.voters.join(" ")}`,
    );
    // Whoever counts its votes late may find that later terms have gone on without it.
    const last = this.#committed[this.#committedIn.findLastIndex((one) => one < term)];
    must(
      last === undefined || node.disk.checksum(last.index) === last.checksum,
      "a leader holds all that was committed before its term (Leader Completeness)",
      () => `${id} in ${term} lacks ${String(last?.index)}`,
    );
  }

  /** Whether a voter, in a life that counts, voted for the leader of `term`. */
  #hasVote(configuration: Configuration, voter: NodeId, term: Term): boolean {
    const id = this.#leaderOf.get(term);
    return countedDisks(configuration, this.#node(voter).node).some(({ incarnation, disk }) => {
      const { vote, term: votedIn } = disk.durableHardState;
      if (voter === id) return vote === id && votedIn === term;
      return this.#votes.get(`${voter}/${incarnation}/${term}`) === id;
    });
  }

  /** What becomes committed first becomes so at a leader, by counting an entry of its term that a majority has flushed. */
  #checkCommit(id: NodeId, node: Observed, status: RaftStatus, isCounting: boolean): void {
    const { disk } = node.node;
    must(
      status.commitIndex >= node.commitIndex,
      "a commit index never falls",
      () => `${id}: ${node.commitIndex} → ${status.commitIndex}`,
    );
    for (let index = node.commitIndex + 1; index <= status.commitIndex; index += 1) {
      const entry = disk.at(index);
      must(entry !== undefined, "what is committed is in the log", () => `${id} ${index}`);
      const committed = this.#committed[index - 1];
      if (committed === undefined) {
        must(isCounting, "the leader commits first", () => `${id} ${index} as ${status.role}`);
        this.#checkFirstCommit(node, entry, status.term);
      } else {
        must(
          committed.checksum === entry.checksum,
          "one entry is committed at an index (State Machine Safety)",
          () => `${id} ${index}`,
        );
      }
    }
    if (isCounting && status.commitIndex > node.commitIndex) {
      must(
        disk.term(status.commitIndex) === status.term,
        "only entries of the own term are committed by counting (Fig. 8)",
        () => `${id} ${status.commitIndex}`,
      );
    }
    node.commitIndex = status.commitIndex;
  }

  #checkFirstCommit({ node }: Observed, entry: Entry, term: Term): void {
    const { index, checksum } = entry;
    this.counts.commits += 1;
    const { configuration } = node.disk.configurationAt(node.disk.lastIndex);
    const holders = configuration.voters.filter((voter) =>
      countedDisks(configuration, this.#node(voter).node).some(
        ({ disk }) => disk.durableChecksum(index) === checksum,
      ),
    );
    must(
      holders.length >= quorumSize(configuration.voters.length),
      "committed only when flushed on a majority",
      () => `${index} on ${holders.join(" ")} of ${configuration.voters.join(" ")}`,
    );
    this.#committed.push(entry);
    this.#committedIn.push(term);
    this.#folds.push(foldEntry(this.#folds.at(-1) ?? 0, entry));
  }

  #checkMatches(id: NodeId, { node }: Observed, status: RaftStatus): void {
    for (const { id: peer, matchIndex } of status.peers) {
      if (matchIndex === 0 || matchIndex < node.disk.base.index) continue;
      const { incarnation, disk, former } = this.#node(peer).node;
      const life = node.told.get(peer) ?? incarnation;
      const meant =
        life === incarnation ? disk : former.find((one) => one.incarnation === life)?.disk;
      if (meant === undefined || matchIndex < meant.base.index) continue;
      // It follows a later leader, who may have truncated what it confirmed to this one.
      if (meant.durableHardState.term > status.term) continue;
      must(
        meant.durableChecksum(matchIndex) === node.disk.checksum(matchIndex),
        "a match is flushed on the follower",
        () => `${id} of ${peer} at ${matchIndex}`,
      );
    }
  }

  #checkMessage(id: NodeId, { node }: Observed, envelope: Envelope): void {
    const { message, to } = envelope;
    const { disk } = node;
    const { term, vote } = disk.durableHardState;
    const isAsked =
      message.kind === "preVote" || (message.kind === "preVoteResult" && message.granted);
    const describe = (): string => `${id} → ${to} ${describeMessage(message)}`;
    if (!isAsked) must(message.term <= term, "a term is told once it is flushed", describe);
    switch (message.kind) {
      case "requestVote":
        this.#checkVote(node, message.term, id);
        must(
          message.lastLogIndex <= disk.durableLastIndex,
          "a candidate quotes its flushed log",
          describe,
        );
        must(
          disk.durableTerm(message.lastLogIndex) === message.lastLogTerm,
          "a candidate quotes its flushed log",
          describe,
        );
        return;
      case "requestVoteResult":
        if (!message.granted) return;
        must(term > message.term || vote === to, "a vote is told once it is flushed", describe);
        this.#checkVote(node, message.term, to);
        return;
      case "appendEntriesResult":
        if (!message.success || message.matchIndex <= disk.base.index) return;
        must(
          disk.durableChecksum(message.matchIndex) === disk.checksum(message.matchIndex),
          "an append is acknowledged once it is flushed",
          describe,
        );
        return;
      case "installSnapshotResult":
        if (!message.isInstalled) return;
        must(
          disk.durableLastIndex >= message.index,
          "a snapshot is acknowledged once it is in place",
          describe,
        );
        return;
      case "appendEntries":
      case "heartbeat":
      case "installSnapshot":
      case "timeoutNow":
        must(
          this.#leaderOf.get(message.term) === id,
          "only the leader of a term speaks as one",
          describe,
        );
        return;
      default:
    }
  }

  #checkVote({ id, incarnation }: SimulatedNode, term: Term, candidate: NodeId): void {
    this.counts.votes += 1;
    const key = `${id}/${incarnation}/${term}`;
    const before = this.#votes.get(key);
    must(
      before === undefined || before === candidate,
      "one vote a term, across restarts",
      () => `${id} in ${term}: ${String(before)} and ${candidate}`,
    );
    this.#votes.set(key, candidate);
  }

  #checkApply(id: NodeId, node: Observed, entry: Entry): void {
    must(
      entry.index === node.appliedIndex + 1,
      "entries are applied in order",
      () => `${id}: ${node.appliedIndex} then ${entry.index}`,
    );
    must(
      this.#committed[entry.index - 1]?.checksum === entry.checksum,
      "all apply the same (State Machine Safety)",
      () => `${id} ${entry.index}`,
    );
    node.appliedIndex = entry.index;
  }

  #checkRead(id: NodeId, node: Observed, context: number, index: LogIndex): void {
    this.counts.reads += 1;
    const floor = node.reads.get(context);
    must(floor !== undefined, "a read is answered once", () => `${id}: ${context}`);
    node.reads.delete(context);
    must(
      index >= floor,
      "a read sees all that was committed before it",
      () => `${id}: ${index} < ${floor}`,
    );
  }

  #node(id: NodeId): Observed {
    const node = this.#nodes.get(id);
    must(node !== undefined, "a node is known to the observer", () => id);
    return node;
  }
}
