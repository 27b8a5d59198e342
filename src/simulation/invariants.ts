/**
 * What must hold after every step of a simulated cluster (Raft Fig. 3 and what a
 * user is promised). Ghost state outside the nodes remembers what they may forget.
 *
 * Each check looks only at what the node that stepped has changed.
 */
import type { AssembledNode } from "../node/assembly.js";
import { LogIndex, type NodeId } from "../raft/types.js";
import type { SimulatedNode } from "./simulated-node.js";

export type InvariantName =
  | "election-safety"
  | "leader-completeness"
  | "state-machine-safety"
  | "committed-on-a-majority"
  | "commit-monotonic"
  | "applied-monotonic"
  | "term-monotonic"
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
  role: string;
  commitIndex: number;
  appliedIndex: number;
  /** up to here the log on disk was compared with the one history */
  comparedIndex: number;
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

  constructor(nodes: readonly SimulatedNode[]) {
    for (const { id } of nodes) {
      this.#known.set(id, {
        ...{ life: 0, term: 0, role: "follower", commitIndex: 0, appliedIndex: 0 },
        ...{ comparedIndex: 0, flushedIndex: 0, flushed: [0], lost: [] },
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
    if (known.life !== node.life) {
      known.life = node.life;
      known.commitIndex = 0;
      known.appliedIndex = 0;
      known.comparedIndex = 0;
      known.flushedIndex = 0;
      known.role = "follower";
    }
    if (raft.term < known.term) {
      throw new InvariantViolation(
        "term-monotonic",
        `${node.id} went from term ${known.term} to ${raft.term}`,
      );
    }
    known.term = raft.term;
    this.#noteFlushed(parts, known, raft.flushedIndex);
    if (raft.role === "leader" && known.role !== "leader") {
      this.#checkElection(node.id, raft.term, parts);
    }
    known.role = raft.role;
    if (raft.appliedIndex < known.appliedIndex || raft.appliedIndex > raft.commitIndex) {
      throw new InvariantViolation(
        "applied-monotonic",
        `${node.id} applied ${known.appliedIndex}, then ${raft.appliedIndex}, of ${raft.commitIndex} committed`,
      );
    }
    this.#checkCommit(node.id, parts, known);
    known.appliedIndex = raft.appliedIndex;
  }

  #noteFlushed(parts: AssembledNode, known: Known, flushedIndex: LogIndex): void {
    const top = known.flushed.length - 1;
    if (flushedIndex < known.flushedIndex) known.flushed.length = flushedIndex + 1;
    known.flushedIndex = flushedIndex;
    // Checksums are chained: with the last one all agree.
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
    Object.assign(known, { term: 0, flushedIndex: 0, flushed: [0], lost: known.flushed });
  }

  #checkElection(id: NodeId, term: number, parts: AssembledNode): void {
    const other = this.#leaderOf.get(term);
    if (other !== undefined && other !== id) {
      throw new InvariantViolation("election-safety", `${other} and ${id} lead term ${term}`);
    }
    this.#leaderOf.set(term, id);
    // Whoever was elected long ago and hears of it only now owes nothing that came later (Fig. 3).
    const last = this.#committedIn.findLastIndex((committedIn) => committedIn < term);
    const has =
      parts.log.lastIndex >= last && this.#checksum(parts, last) === this.#committed[last];
    if (!has) {
      throw new InvariantViolation(
        "leader-completeness",
        `${id} leads term ${term} without the committed entry ${last} (its last is ${parts.log.lastIndex})`,
      );
    }
  }

  #checkCommit(id: NodeId, parts: AssembledNode, known: Known): void {
    const { commitIndex, appliedIndex, term } = parts.raft;
    if (commitIndex < known.commitIndex) {
      throw new InvariantViolation(
        "commit-monotonic",
        `${id} went back from ${known.commitIndex} to ${commitIndex}`,
      );
    }
    known.commitIndex = commitIndex;
    for (let index = known.appliedIndex + 1; index <= appliedIndex; index += 1) {
      if (this.#committed[index] === undefined) this.#noteCommitted(id, parts, index, term);
    }
    this.#checkApplied(id, parts, known, appliedIndex);
  }

  /** Somebody applied what nobody had applied before: a majority must have it on disk. */
  #noteCommitted(id: NodeId, parts: AssembledNode, index: number, term: number): void {
    // A disk without room has less than what the others let it apply: then theirs tell what it is.
    const checksum =
      index <= parts.log.lastIndex
        ? this.#checksum(parts, index)
        : [...this.#known.values()]
            .map(({ flushed }) => flushed[index])
            .find((held) => held !== undefined && this.#isOnMajority(parts, index, held));
    if (checksum === undefined) {
      throw new InvariantViolation(
        index <= parts.log.lastIndex ? "state-machine-safety" : "committed-on-a-majority",
        `${id} has applied entry ${index}, which nobody has committed`,
      );
    }
    if (!this.#isOnMajority(parts, index, checksum)) {
      throw new InvariantViolation(
        "committed-on-a-majority",
        `${id} committed ${index} while no majority of ${parts.raft.configuration.voters.join(" ")} has it on disk`,
      );
    }
    this.#committed.push(checksum);
    this.#committedIn.push(Math.max(term, this.#committedIn.at(-1) ?? 0));
  }

  /** What is applied here is the one history, as far as it is in the log on disk. */
  #checkApplied(id: NodeId, parts: AssembledNode, known: Known, appliedIndex: number): void {
    const last = Math.min(appliedIndex, parts.log.lastIndex);
    for (let index = known.comparedIndex + 1; index <= last; index += 1) {
      if (this.#checksum(parts, index) !== this.#committed[index]) {
        throw new InvariantViolation(
          "state-machine-safety",
          `${id} committed another entry at ${index} than was committed before`,
        );
      }
    }
    known.comparedIndex = Math.max(known.comparedIndex, last);
  }

  /** A majority of what was in force when it was committed, or is now: a change may follow in the same step. */
  #isOnMajority({ raft }: AssembledNode, index: number, checksum: number): boolean {
    const inForce = [raft.configurationAt(raft.commitIndex).configuration, raft.configuration];
    return inForce.some(({ voters }) => {
      const holders = voters.filter((id) => {
        const known = this.#known.get(id);
        return known?.flushed[index] === checksum || known?.lost[index] === checksum;
      });
      return holders.length * 2 > voters.length;
    });
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
