/**
 * Raft: the table of contents. See ready.ts for the contract.
 *
 * Each input changes the state (state.ts) through the file of its idea; `ready`
 * gathers what follows from all of them. Pure and synchronous: no clock, chance
 * or I/O but what comes in as input, so that term, vote, role and log change in
 * one place at a time (hashicorp/raft#695).
 *
 *   election.ts     who leads             §5.2, §5.4.1, thesis §9.6
 *   heartbeat.ts    who lives             §5.2, thesis §6.2
 *   replication.ts  what is in the log    §5.3, §5.4.2
 *   read-index.ts   what a read may see   §8, thesis §6.4
 *   membership.ts   who takes part        §6
 */
import { assert, unreachable } from "../assert.js";
import {
  askForVotes,
  onPreVote,
  onPreVoteResult,
  onRequestVote,
  onRequestVoteResult,
  onTimeoutNow,
  tickElection,
} from "./election.js";
import { announceCommit, onHeartbeat, onHeartbeatResult, tickLeader } from "./heartbeat.js";
import { assertInvariants } from "./invariants.js";
import { assertOptions } from "./options.js";
import {
  advanceReads,
  canAdvanceReads,
  confirmReads,
  onReadIndex,
  onReadIndexResult,
} from "./read-index.js";
import {
  advanceCommit,
  canSendAppend,
  onAppendEntries,
  onAppendEntriesResult,
  propose,
  sendAppends,
} from "./replication.js";
import { createState, currentTerm, knownLeader } from "./state.js";
import { LogIndex, Ticks } from "./types.js";
import type { Message } from "./message.js";
import type { RaftOptions } from "./options.js";
import type { ProposeResult, RaftStatus, Ready } from "./ready.js";
import type { RaftState } from "./state.js";
import type { Configuration, Entry, EntryPosition, NodeId, Role } from "./types.js";

/** Terms beyond are not believed: a term must leave room to grow. */
const TERM_MAX = 2 ** 50;

export class Raft {
  readonly #state: RaftState;
  #persistId = 0;
  #persistedId = 0;
  #isStopTold = false;

  constructor(options: RaftOptions) {
    assertOptions(options);
    this.#state = createState(Object.freeze({ ...options }));
  }

  /** One period of the driver's timer. */
  tick(): void {
    const state = this.#state;
    if (this.#isStopped) return;
    state.reads.tick(state.options.electionTicks);
    if (state.role.role === "leader") tickLeader(state, state.role);
    else tickElection(state);
  }

  /** A message from a peer. Messages of strangers (not in the configuration) are ignored. */
  step(message: Message): void {
    const state = this.#state;
    if (this.#isStopped || message.from === state.id) return;
    if (!state.membership.isMember(message.from) || message.term > TERM_MAX) return;
    switch (message.kind) {
      case "preVote":
        onPreVote(state, message);
        return;
      case "preVoteResult":
        onPreVoteResult(state, message);
        return;
      case "requestVote":
        onRequestVote(state, message);
        return;
      case "requestVoteResult":
        onRequestVoteResult(state, message);
        return;
      case "appendEntries":
        onAppendEntries(state, message);
        return;
      case "appendEntriesResult":
        onAppendEntriesResult(state, message);
        return;
      case "heartbeat":
        onHeartbeat(state, message);
        return;
      case "heartbeatResult":
        onHeartbeatResult(state, message);
        confirmReads(state);
        return;
      case "readIndex":
        onReadIndex(state, message);
        return;
      case "readIndexResult":
        onReadIndexResult(state, message);
        return;
      case "timeoutNow":
        onTimeoutNow(state, message);
        return;
      default:
        unreachable(message);
    }
  }

  /** The connection to a peer was lost: pipelined appends are gone, probe it again. */
  peerUnreachable(peer: NodeId): void {
    const { role, reads } = this.#state;
    if (role.role === "leader") role.progress.get(peer)?.onUnreachable();
    else if (knownLeader(this.#state) === peer) reads.refuseForwarded();
  }

  /** A leader appends what `seal` makes for the next position; anybody else learns who leads. */
  propose(seal: (position: EntryPosition) => Entry): ProposeResult {
    if (this.#isStopped) return { kind: "not-leader", leader: undefined };
    return propose(this.#state, seal);
  }

  /**
   * Tells `peer` at once what is committed: its client waits there for the outcome.
   * Others learn it with the next append, or at the next tick.
   */
  announceCommit(peer: NodeId): void {
    const { role } = this.#state;
    if (this.#isStopped || role.role !== "leader") return;
    const progress = role.progress.get(peer);
    if (progress !== undefined) announceCommit(this.#state, progress);
  }

  /** Asks for a linearizable read; `context` is unique for the life of the process. */
  requestRead(context: number): void {
    const { reads } = this.#state;
    if (this.#isStopped || knownLeader(this.#state) === undefined) reads.refuse([context]);
    else reads.addLocal(context);
  }

  /** All that Ready `persistId` asked to persist (and every earlier one) is flushed. */
  persisted(persistId: number): void {
    const state = this.#state;
    assert(persistId <= this.#persistId, "only what was handed out is persisted");
    if (persistId <= this.#persistedId) return;
    this.#persistedId = persistId;
    if (this.#isStopped) return;
    state.log.persisted(persistId);
    state.outbox.persisted(persistId, state.log.flushedIndex);
    askForVotes(state);
    if (state.role.role === "leader") advanceCommit(state, state.role);
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: LogIndex): void {
    const state = this.#state;
    assert(index <= state.deliveredIndex, "only what was delivered is applied");
    if (index > state.appliedIndex) state.appliedIndex = index;
  }

  /** Whether `ready()` would hold anything. */
  hasReady(): boolean {
    const state = this.#state;
    if (this.#isStopped) return !this.#isStopTold || state.reads.hasAnswers;
    return (
      state.outbox.hasReleased ||
      state.outbox.hasHardStateChange ||
      state.log.hasChange() ||
      state.commitIndex > state.deliveredIndex ||
      state.roleChanges.length > 0 ||
      state.reads.hasAnswers ||
      canAdvanceReads(state) ||
      this.#canSendAppend()
    );
  }

  /** Takes what there is to do. */
  ready(): Ready {
    const state = this.#state;
    if (this.#isStopped) return this.#stoppedReady();
    advanceReads(state);
    confirmReads(state);
    if (state.role.role === "leader") sendAppends(state, state.role);
    assertInvariants(state);
    const hasChange = state.log.hasChange() || state.outbox.hasHardStateChange;
    if (hasChange) this.#persistId += 1;
    const persistId = hasChange ? this.#persistId : 0;
    const { truncateFrom, entries } = state.log.hasChange()
      ? state.log.takeChange(persistId)
      : { truncateFrom: undefined, entries: [] };
    return {
      persistId,
      truncateFrom,
      entries,
      hardState: state.outbox.takeHardStateChange(persistId),
      messages: state.outbox.takeReleased(),
      committed: this.#takeCommitted(),
      reads: state.reads.takeReady(),
      refusedReads: state.reads.takeRefused(),
      roleChanges: this.#takeRoleChanges(),
      divergence: undefined,
    };
  }

  status(): RaftStatus {
    const state = this.#state;
    const { id, role, log } = state;
    const electionTicks = state.options.electionTicks;
    return {
      id,
      role: role.role,
      term: currentTerm(state),
      vote: state.outbox.hardState.vote,
      leader: knownLeader(state),
      lastIndex: log.lastIndex,
      flushedIndex: log.flushedIndex,
      commitIndex: state.commitIndex,
      appliedIndex: state.appliedIndex,
      reason: state.lastChange.reason,
      peers:
        role.role === "leader"
          ? [...role.progress.values()].map((progress) => progress.status(Ticks(electionTicks)))
          : [],
    };
  }

  get role(): Role {
    return this.#state.role.role;
  }

  /** Who leads as far as this node knows; itself included. */
  get leader(): NodeId | undefined {
    return knownLeader(this.#state);
  }

  /** The last entry of the log, flushed or not. */
  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  get configuration(): Configuration {
    return this.#state.membership.configuration;
  }

  get #isStopped(): boolean {
    return this.#state.divergence !== undefined;
  }

  #canSendAppend(): boolean {
    const state = this.#state;
    if (state.role.role !== "leader") return false;
    for (const progress of state.role.progress.values()) {
      if (canSendAppend(state, progress)) return true;
    }
    return false;
  }

  /** A helping at a time: after a restart the whole log is delivered again. */
  #takeCommitted(): readonly Entry[] {
    const state = this.#state;
    const { commitIndex, deliveredIndex, log, options } = state;
    if (commitIndex === deliveredIndex) return [];
    const from = LogIndex(deliveredIndex + 1);
    const committed = log.read(from, commitIndex, options.applySizeMax);
    state.deliveredIndex = LogIndex(deliveredIndex + committed.length);
    return committed;
  }

  #takeRoleChanges(): Ready["roleChanges"] {
    const { roleChanges } = this.#state;
    this.#state.roleChanges = [];
    return roleChanges;
  }

  /** The logs diverged: nothing is written, sent or applied any more. */
  #stoppedReady(): Ready {
    const state = this.#state;
    const divergence = this.#isStopTold ? undefined : state.divergence;
    this.#isStopTold = true;
    state.reads.abandon(state.id, currentTerm(state));
    return {
      persistId: 0,
      truncateFrom: undefined,
      entries: [],
      hardState: undefined,
      messages: [],
      committed: [],
      reads: [],
      refusedReads: state.reads.takeRefused(),
      roleChanges: this.#takeRoleChanges(),
      divergence,
    };
  }
}
