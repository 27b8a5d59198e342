/**
 * The properties that must hold whatever happens (Raft Fig. 3, and more).
 *
 * An observer outside the servers, with a memory that no crash takes. It looks
 * at each Ready before any of it leaves the server: work per Ready follows what
 * changed, never the length of the log. It trusts the disks' own books for what
 * is durable, not the servers' beliefs.
 */
import { quorumSize } from "../../src/raft/quorum.js";
import type { Disk } from "./disk.js";
import type { Envelope, Message } from "../../src/raft/message.js";
import type { RaftStatus, Ready } from "../../src/raft/ready.js";
import type { Configuration, Entry, LogIndex, NodeId, Term } from "../../src/raft/types.js";

/** A property did not hold. */
export class PropertyViolation extends Error {
  override readonly name = "PropertyViolation";
}

function must(condition: boolean, truth: string, detail: () => string): asserts condition {
  if (!condition) throw new PropertyViolation(`${truth}: ${detail()}`);
}

interface Observed {
  readonly disk: Disk;
  term: number;
  role: string;
  commitIndex: number;
  appliedIndex: number;
  /** contexts that wait for an answer, with what they must at least see */
  readonly reads: Map<number, number>;
}

export class Properties {
  readonly #configuration: Configuration;
  readonly #nodes = new Map<NodeId, Observed>();
  readonly #leaderOf = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  /** (index, term) → checksum, and the checksum of what came before */
  readonly #entries = new Map<string, { readonly checksum: number; readonly previous: number }>();
  readonly #committed: Entry[] = [];
  /** what was looked at, so that a check that sees nothing is noticed */
  readonly counts = { leaders: 0, commits: 0, reads: 0, votes: 0, truncations: 0, refusedReads: 0 };

  constructor(configuration: Configuration) {
    this.#configuration = configuration;
  }

  get committedIndex(): number {
    return this.#committed.length;
  }

  onStart(id: NodeId, disk: Disk): void {
    const reads = new Map<number, number>();
    const term = disk.durableHardState.term;
    const node = { disk, term, role: "start", commitIndex: 0, appliedIndex: 0, reads };
    this.#nodes.set(id, node);
  }

  onReadRequest(id: NodeId, context: number): void {
    this.#node(id).reads.set(context, this.#committed.length);
  }

  /** Called with each Ready, after the disk has taken it in and before anything leaves. */
  onReady(id: NodeId, ready: Ready, status: RaftStatus): void {
    const node = this.#node(id);
    must(
      status.term >= node.term,
      "a term never falls",
      () => `${id}: ${node.term} → ${status.term}`,
    );
    this.#checkLog(id, node, ready, status);
    node.term = status.term;
    node.role = status.role;
    for (const change of ready.roleChanges) {
      if (change.role === "leader") this.#checkElection(id, node, change.term);
    }
    this.#checkCommit(id, node, status);
    if (status.role === "leader") this.#checkMatches(id, node, status);
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
    for (const entry of ready.entries) {
      const previous = entry.index === 1 ? 0 : (node.disk.at(entry.index - 1)?.checksum ?? -1);
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

  #checkElection(id: NodeId, node: Observed, term: Term): void {
    this.counts.leaders += 1;
    const other = this.#leaderOf.get(term);
    must(
      other === undefined,
      "at most one leader a term (Election Safety)",
      () => `${id} and ${String(other)} in ${term}`,
    );
    this.#leaderOf.set(term, id);
    const last = this.#committed.at(-1);
    if (last === undefined) return;
    const held = node.disk.at(last.index);
    must(
      held?.checksum === last.checksum,
      "a leader holds all that is committed (Leader Completeness)",
      () => `${id} in ${term} lacks ${last.index}`,
    );
  }

  /** What becomes committed first becomes so at a leader, by counting an entry of its term that a majority has flushed. */
  #checkCommit(id: NodeId, node: Observed, status: RaftStatus): void {
    must(
      status.commitIndex >= node.commitIndex,
      "a commit index never falls",
      () => `${id}: ${node.commitIndex} → ${status.commitIndex}`,
    );
    for (let index = node.commitIndex + 1; index <= status.commitIndex; index += 1) {
      const entry = node.disk.at(index);
      must(entry !== undefined, "what is committed is in the log", () => `${id} ${index}`);
      const committed = this.#committed[index - 1];
      if (committed !== undefined) {
        must(
          committed.checksum === entry.checksum,
          "one entry is committed at an index (State Machine Safety)",
          () => `${id} ${index}`,
        );
        continue;
      }
      must(
        status.role === "leader",
        "the leader commits first",
        () => `${id} ${index} as ${status.role}`,
      );
      this.counts.commits += 1;
      const holders = this.#configuration.voters.filter(
        (voter) => this.#node(voter).disk.durableAt(index)?.checksum === entry.checksum,
      );
      const quorum = quorumSize(this.#configuration.voters.length);
      must(
        holders.length >= quorum,
        "committed only when flushed on a majority",
        () => `${index} on ${holders.join(" ")}`,
      );
      this.#committed.push(entry);
    }
    if (status.role === "leader" && status.commitIndex > node.commitIndex) {
      must(
        node.disk.term(status.commitIndex) === status.term,
        "only entries of the own term are committed by counting (Fig. 8)",
        () => `${id} ${status.commitIndex}`,
      );
    }
    node.commitIndex = status.commitIndex;
  }

  #checkMatches(id: NodeId, node: Observed, status: RaftStatus): void {
    for (const peer of status.peers) {
      if (peer.matchIndex === 0) continue;
      const held = this.#node(peer.id).disk.durableAt(peer.matchIndex)?.checksum;
      must(
        held === node.disk.at(peer.matchIndex)?.checksum,
        "a match is flushed on the follower",
        () => `${id} of ${peer.id} at ${peer.matchIndex}`,
      );
    }
  }

  #checkMessage(id: NodeId, node: Observed, envelope: Envelope): void {
    const { message, to } = envelope;
    const { disk } = node;
    const { term, vote } = disk.durableHardState;
    const isAsked =
      message.kind === "preVote" || (message.kind === "preVoteResult" && message.granted);
    const describe = (): string => `${id} → ${to} ${describeMessage(message)}`;
    if (!isAsked) must(message.term <= term, "a term is told once it is flushed", describe);
    switch (message.kind) {
      case "requestVote":
        this.#checkVote(id, message.term, id);
        must(
          message.lastLogIndex <= disk.durableLastIndex,
          "a candidate quotes its flushed log",
          describe,
        );
        must(
          (disk.durableAt(message.lastLogIndex)?.term ?? 0) === message.lastLogTerm,
          "a candidate quotes its flushed log",
          describe,
        );
        return;
      case "requestVoteResult":
        if (!message.granted) return;
        must(term > message.term || vote === to, "a vote is told once it is flushed", describe);
        this.#checkVote(id, message.term, to);
        return;
      case "appendEntriesResult":
        if (!message.success || message.matchIndex === 0) return;
        must(
          disk.durableAt(message.matchIndex)?.checksum === disk.at(message.matchIndex)?.checksum,
          "an append is acknowledged once it is flushed",
          describe,
        );
        return;
      case "appendEntries":
      case "heartbeat":
        must(
          this.#leaderOf.get(message.term) === id,
          "only the leader of a term speaks as one",
          describe,
        );
        return;
      default:
    }
  }

  #checkVote(id: NodeId, term: Term, candidate: NodeId): void {
    this.counts.votes += 1;
    const key = `${id}/${term}`;
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

/** One line, for failures and scenario traces. */
export function describeMessage(message: Message): string {
  const { kind, term } = message;
  switch (message.kind) {
    case "preVote":
    case "requestVote":
      return `${kind} term ${term} last ${message.lastLogIndex}/${message.lastLogTerm}`;
    case "preVoteResult":
    case "requestVoteResult":
      return `${kind} term ${term} ${message.granted ? "granted" : "refused"}`;
    case "appendEntries":
      return `${kind} term ${term} prev ${message.prevLogIndex}/${message.prevLogTerm} entries ${message.entries.length} commit ${message.leaderCommit}`;
    case "appendEntriesResult":
      return message.success
        ? `${kind} term ${term} match ${message.matchIndex}`
        : `${kind} term ${term} refused ${message.prevLogIndex} hint ${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `${kind} term ${term} commit ${message.commitIndex} round ${message.readRound}`;
    case "heartbeatResult":
      return `${kind} term ${term} round ${message.readRound}`;
    case "readIndex":
      return `${kind} term ${term}`;
    case "readIndexResult":
      return `${kind} term ${term} ${message.granted ? `index ${message.index}` : "refused"}`;
    case "timeoutNow":
      return `${kind} term ${term}`;
    case "installSnapshot":
      return `${kind} term ${term} index ${message.snapshot.index} at ${message.offset} of ${message.snapshot.size}`;
    case "installSnapshotResult":
      return `${kind} term ${term} index ${message.index} ${message.isInstalled ? "installed" : `has ${message.offset}`}`;
  }
}
