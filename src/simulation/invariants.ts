/**
 * What must hold after every step of a simulated cluster (Raft Fig. 3 and what a
 * user is promised). Ghost state outside the nodes remembers what they may forget.
 *
 * Each check looks only at what the node that stepped has changed.
 */
import type { PeerMessage } from "../codec/peer-message.js";
import type { AssembledNode } from "../node/assembly.js";
import type { Raft } from "../raft/raft.js";
import { LogIndex, type NodeId } from "../raft/types.js";
import type { SimulatedNode } from "./simulated-node.js";

export type InvariantName =
  | "election-safety"
  | "leader-completeness"
  | "state-machine-safety"
  | "committed-on-a-majority"
  | "flushed-on-the-disk"
  | "commit-monotonic"
  | "applied-monotonic"
  | "term-monotonic"
  | "vote-kept"
  | "log-matching";

class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly invariant: InvariantName;

  constructor(invariant: InvariantName, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

interface Known {
  life: number;
  term: number;
  /** whom it has told others that it votes for, at last */
  vote: { readonly term: number; readonly candidate: NodeId } | undefined;
  role: string;
  commitIndex: number;
  appliedIndex: number;
  flushedIndex: number;
  /** checksum by index of everything this node has flushed, dead or alive */
  flushed: number[];
  /** the same of a disk that is gone */
  lost: readonly number[];
}

export class Invariants {
  readonly #known = new Map<NodeId, Known>();
  readonly #leaderOf = new Map<number, NodeId>();
  /** checksum by index; the one history */
  readonly #committed: number[] = [0];
  /** by index, in which term it was committed; never falls */
  readonly #committedIn: number[] = [0];

  readonly #onCommitted: (index: number, checksum: number) => void;

  /** @param onCommitted told of each entry once, in their order */
  constructor(
    nodes: readonly SimulatedNode[],
    onCommitted: (index: number, checksum: number) => void,
  ) {
    this.#onCommitted = onCommitted;
    for (const { id } of nodes) {
      this.#known.set(id, {
        life: 0,
        term: 0,
        vote: undefined,
        role: "follower",
        commitIndex: 0,
        appliedIndex: 0,
        ...{ flushedIndex: 0, flushed: [0], lost: [] },
      });
    }
  }

  get committedIndex(): number {
    return this.#committed.length - 1;
  }

  get electionCount(): number {
    return this.#leaderOf.size;
  }

  /** @throws {InvariantViolation} */
  check(node: SimulatedNode): void {
    const { parts } = node;
    const known = this.#known.get(node.id);
    if (parts === undefined || known === undefined) return;
    const { raft } = parts;
    const { term, role, appliedIndex, commitIndex } = raft;
    if (known.life !== node.life) {
      known.life = node.life;
      known.commitIndex = 0;
      known.appliedIndex = 0;
      known.flushedIndex = 0;
      known.role = "follower";
      this.#checkKept(node.id, raft, known);
    }
    if (term < known.term) {
      throw new InvariantViolation(
        "term-monotonic",
        `${node.id} went from term ${known.term} to ${term}`,
      );
    }
    known.term = term;
    if (raft.flushedIndex > known.flushedIndex) checkFlushed(node, parts);
    this.#noteFlushed(parts, known, raft.flushedIndex);
    if (role === "leader" && known.role !== "leader") this.#checkElection(node.id, term, parts);
    known.role = role;
    if (appliedIndex < known.appliedIndex || appliedIndex > commitIndex) {
      throw new InvariantViolation(
        "applied-monotonic",
        `${node.id} applied ${known.appliedIndex}, then ${appliedIndex}, of ${commitIndex} committed`,
      );
    }
    if (commitIndex < known.commitIndex) {
      throw new InvariantViolation(
        "commit-monotonic",
        `${node.id} went back from ${known.commitIndex} to ${commitIndex}`,
      );
    }
    known.commitIndex = commitIndex;
    for (let index = known.appliedIndex + 1; index <= appliedIndex; index += 1) {
      this.#checkCommitted(node.id, parts, index);
    }
    known.appliedIndex = appliedIndex;
  }

  #noteFlushed(parts: AssembledNode, known: Known, flushedIndex: LogIndex): void {
    const top = known.flushed.length - 1;
    if (flushedIndex < known.flushedIndex) known.flushed.length = flushedIndex + 1;
    known.flushedIndex = flushedIndex;
    // Checksums are chained: with the last one all agree. So they do in nearly every step.
    if (flushedIndex === top && known.flushed[top] === this.#checksum(parts, top)) return;
    // A suffix that was replaced has other checksums: walk back to where they agree.
    let agreed = Math.min(flushedIndex, known.flushed.length - 1);
    while (agreed > 0 && known.flushed[agreed] !== this.#checksum(parts, agreed)) agreed -= 1;
    known.flushed.length = agreed + 1;
    for (let index = agreed + 1; index <= flushedIndex; index += 1) {
      known.flushed.push(this.#checksum(parts, index) ?? 0);
    }
  }

  /** What a snapshot holds is committed, and so the one history. */
  #checksum({ log }: AssembledNode, index: number): number | undefined {
    return index < log.firstIndex - 1 ? this.#committed[index] : log.checksum(LogIndex(index));
  }

  /** The disk of a node is gone, and with it what it held. */
  onWiped(id: NodeId): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    // What it had confirmed may yet be counted by a leader that has not heard of it.
    const { flushed: lost } = known;
    Object.assign(known, { term: 0, vote: undefined, flushedIndex: 0, flushed: [0], lost });
  }

  /** A node tells another. @throws {InvariantViolation} when it votes twice in a term */
  onSent(from: NodeId, to: NodeId, message: PeerMessage): void {
    if (message.kind === "requestVote") this.#onVote(from, message.term, from);
    else if (message.kind === "requestVoteResult" && message.granted)
      this.#onVote(from, message.term, to);
  }

  #onVote(id: NodeId, term: number, candidate: NodeId): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const { vote } = known;
    if (vote?.term === term && vote.candidate !== candidate) {
      throw new InvariantViolation(
        "vote-kept",
        `${id} votes for ${candidate} in term ${term}, and has voted for ${vote.candidate}`,
      );
    }
    known.vote = { term, candidate };
  }

  /** Whoever begins anew knows what it had told others of its vote. */
  #checkKept(id: NodeId, raft: Raft, { vote }: Known): void {
    if (vote === undefined) return;
    const { term, vote: kept } = raft.status();
    if (term > vote.term || (term === vote.term && kept === vote.candidate)) return;
    throw new InvariantViolation(
      "vote-kept",
      `${id} begins in term ${term} with a vote for ${kept ?? "nobody"}, and has voted for ` +
        `${vote.candidate} in term ${vote.term}`,
    );
  }

  #checkElection(id: NodeId, term: number, parts: AssembledNode): void {
    const other = this.#leaderOf.get(term);
    if (other !== undefined && other !== id) {
      throw new InvariantViolation("election-safety", `${other} and ${id} lead term ${term}`);
    }
    this.#leaderOf.set(term, id);
    // Whoever was elected long ago and hears of it only now owes nothing that came later (Fig. 3).
    const last = this.#committedIn.findLastIndex((committedIn) => committedIn < term);
    const { raft } = parts;
    if (raft.lastIndex < last || this.#inCore(parts, last) !== this.#committed[last]) {
      throw new InvariantViolation(
        "leader-completeness",
        `${id} leads term ${term} without the committed entry ${last} (its last is ${raft.lastIndex})`,
      );
    }
  }

  #checkCommitted(id: NodeId, parts: AssembledNode, index: number): void {
    const checksum = this.#inCore(parts, index);
    const before = this.#committed[index];
    if (checksum === undefined) {
      throw new InvariantViolation(
        "state-machine-safety",
        `${id} has a snapshot of entry ${index}, which nobody has committed`,
      );
    }
    if (before === undefined) {
      this.#checkMajority(parts, index, checksum);
      this.#committed.push(checksum);
      this.#onCommitted(index, checksum);
      this.#committedIn.push(Math.max(parts.raft.term, this.#committedIn.at(-1) ?? 0));
    } else if (before !== checksum) {
      throw new InvariantViolation(
        "state-machine-safety",
        `${id} committed another entry at ${index} than was committed before`,
      );
    }
  }

  /** As the core has it: a disk without room may have another entry there still, or none. */
  #inCore({ raft, log }: AssembledNode, index: number): number | undefined {
    if (index < log.firstIndex - 1) return this.#committed[index];
    return raft.entryAt(LogIndex(index))?.checksum;
  }

  /** A majority of what was in force when it was committed, or is now: a change may follow in the same step. */
  #checkMajority({ raft }: AssembledNode, index: number, checksum: number): void {
    const inForce = [raft.configurationAt(raft.commitIndex).configuration, raft.configuration];
    const holders = (voters: readonly NodeId[]): number =>
      voters.filter((id) => {
        const known = this.#known.get(id);
        return known?.flushed[index] === checksum || known?.lost[index] === checksum;
      }).length;
    if (inForce.some(({ voters }) => holders(voters) * 2 > voters.length)) return;
    const { voters } = raft.configuration;
    throw new InvariantViolation(
      "committed-on-a-majority",
      `${raft.status().id} committed ${index} while ${holders(voters)} of ${voters.length} have it on disk`,
    );
  }

  /** At rest: every log is the one history, every state machine in the same state. @throws {InvariantViolation} */
  checkEqual(nodes: readonly SimulatedNode[]): void {
    const states = nodes.map(({ id, parts }) => {
      if (parts === undefined)
        throw new InvariantViolation("log-matching", `${id} is dead at rest`);
      const { log, store } = parts;
      const last = log.lastIndex;
      return {
        id,
        last,
        checksum: log.checksum(last),
        configuration: JSON.stringify(parts.raft.configuration),
        state: store.stateHash(),
        revision: store.revision,
      };
    });
    const [first] = states;
    if (first === undefined) return;
    for (const state of states) {
      const equal =
        state.last === first.last &&
        state.checksum === first.checksum &&
        state.configuration === first.configuration &&
        state.state === first.state &&
        state.revision === first.revision;
      if (!equal) {
        throw new InvariantViolation(
          "log-matching",
          `replicas differ at rest: ${JSON.stringify(first)} and ${JSON.stringify(state)}`,
        );
      }
    }
  }
}

/** What a node calls flushed is so by its disk's own book; looked up when nothing was written since. */
function checkFlushed(node: SimulatedNode, { raft, log }: AssembledNode): void {
  const { flushedIndex } = raft;
  if (flushedIndex !== log.lastIndex) return;
  const name = node.mayLoseLog(flushedIndex);
  if (name === undefined) return;
  throw new InvariantViolation(
    "flushed-on-the-disk",
    `${node.id} calls entry ${flushedIndex} flushed, and the power might take it from ${name}`,
  );
}
