/**
 * Raft: the table of contents. See ready.ts for the contract.
 *
 * Each input changes the state (state.ts) through the file of its idea; `ready`
 * gathers what follows from all of them. Pure and synchronous: no clock, chance
 * or I/O but what comes in as input, so that term, vote, role and log change in
 * one place at a time (hashicorp/raft#695).
 *
 *   receive.ts      who is heard
 *   election.ts     who leads             §5.2, §5.4.1, thesis §9.6
 *   heartbeat.ts    who lives             §5.2, thesis §6.2
 *   replication.ts  what is in the log    §5.3, §5.4.2
 *   read-index.ts   what a read may see   §8, thesis §6.4
 *   membership.ts, membership-change.ts   who takes part          §6, thesis §4
 *   transfer.ts                           handing over            thesis §3.10
 *   install-snapshot.ts                   what was compacted      §7
 */
import { assert } from "../assert.js";
import { askForVotes, tickElection } from "./election.js";
import { announceCommit, beat, sendHeartbeat, tickLeader } from "./heartbeat.js";
import {
  announceInstalled,
  canSendSnapshot,
  onSnapshotInstalled,
  onSnapshotStored,
  sendSnapshots,
} from "./install-snapshot.js";
import { assertInvariants } from "./invariants.js";
import { onIncarnation, proposeChange } from "./membership-change.js";
import { assertOptions } from "./options.js";
import { advanceReads, canAdvanceReads, confirmReads, tickReads } from "./read-index.js";
import { onLogMoved, receive } from "./receive.js";
import { advanceCommit, canSendAppend, isLeaving, propose, sendAppends } from "./replication.js";
import { createState, currentTerm, knownLeader } from "./state.js";
import { handOver, transferLeadership } from "./transfer.js";
import { LogIndex, Ticks } from "./types.js";
import type { Message } from "./message.js";
import type { RaftOptions } from "./options.js";
import type {
  ChangeResult,
  InstalledSnapshot,
  MembershipChange,
  ProposeResult,
  RaftStatus,
  Ready,
  SnapshotVerdict,
  TransferResult,
} from "./ready.js";
import type { RaftState } from "./state.js";
import type {
  Configuration,
  Entry,
  EntryPosition,
  NodeId,
  Role,
  SnapshotInfo,
  Term,
} from "./types.js";

export class Raft {
  readonly #state: RaftState;
  #persistId = 0;
  #persistedId = 0;
  #isStopTold = false;

  constructor(options: RaftOptions) {
    assertOptions(options);
    this.#state = createState(Object.freeze(Object.assign({}, options)));
  }

  /** One period of the driver's timer. */
  tick(): void {
    const state = this.#state;
    if (this.#isStopped) return;
    tickReads(state);
    if (state.role.role === "leader") tickLeader(state, state.role);
    else tickElection(state);
  }

  /** A message from a peer. */
  step(message: Message): void {
    if (!this.#isStopped) receive(this.#state, message);
  }

  /** The connection to a peer was lost: pipelined appends are gone, probe it again. */
  peerUnreachable(peer: NodeId): void {
    const { role, reads } = this.#state;
    if (role.role === "leader") {
      role.progress.get(peer)?.onUnreachable();
      // A read round may wait for it alone.
      if (role.echoers?.includes(peer) === true) beat(this.#state, role);
    } else if (knownLeader(this.#state) === peer) reads.refuseForwarded();
  }

  /** A connection to a peer has come about: whoever was away hears at once who leads, and what is committed. */
  peerReachable(peer: NodeId): void {
    const { role } = this.#state;
    if (this.#isStopped || role.role !== "leader") return;
    const progress = role.progress.get(peer);
    if (progress !== undefined) sendHeartbeat(this.#state, progress);
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

  /** Adds, promotes or removes a member; in force at once, done when the entry is committed. */
  proposeChange(change: MembershipChange): ChangeResult {
    if (this.#isStopped) return { kind: "not-leader", leader: undefined };
    return proposeChange(this.#state, change);
  }

  /** Hands leadership to `target`, or to whoever is nearest; over after one election timeout, either way. */
  transferLeadership(target?: NodeId): TransferResult {
    if (this.#isStopped) return { kind: "not-leader", leader: undefined };
    return transferLeadership(this.#state, target);
  }

  /** A peer has said which incarnation it is of (32 hex digits); before any message of that life is stepped. */
  peerIncarnation(peer: NodeId, incarnation: string): void {
    if (!this.#isStopped) onIncarnation(this.#state, peer, incarnation);
  }

  /** The driver's monotonic clock, milliseconds; told before each tick, step and read. Only leases look at it. */
  advanceClock(now: number): void {
    if (now > this.#state.now) this.#state.now = now;
  }

  /**
   * The process stood still for so many ticks, at least an election timeout: a
   * leader's leases are void. After the longest timeout that anybody may have drawn
   * it hands over rather than go on as if nothing had happened; before, whoever
   * waited long enough has campaigned, and a busy machine must not lose its leader
   * for a pause that nobody noticed.
   */
  stalled(ticks: number): void {
    const state = this.#state;
    state.reads.voidLease();
    if (this.#isStopped || state.role.role !== "leader") return;
    if (ticks < 2 * state.options.electionTicks) return;
    handOver(state, state.role, "loop-stall");
  }

  /** The disk holds `offset` bytes of a snapshot that a leader is sending. */
  snapshotStored(snapshot: SnapshotInfo, offset: number): void {
    if (!this.#isStopped) onSnapshotStored(this.#state, snapshot, offset);
  }

  /**
   * A snapshot is verified and on disk. Unless the verdict is "not-needed", the
   * caller makes the state machine and the log follow it before anything else,
   * then calls `snapshotTaken`.
   */
  snapshotInstalled(snapshot: InstalledSnapshot): SnapshotVerdict {
    if (this.#isStopped) return "not-needed";
    return onSnapshotInstalled(this.#state, snapshot);
  }

  /** The leader may know that this snapshot is in place. */
  snapshotTaken(snapshot: SnapshotInfo): void {
    if (!this.#isStopped) announceInstalled(this.#state, snapshot);
  }

  /**
   * Whom this node must be able to reach: members; while a change is not committed
   * also those it removes, for one of them may be the leader that commits it; the
   * leader; and on a leader those that were removed and have not heard so.
   */
  get contacts(): readonly NodeId[] {
    const { membership, role, id, commitIndex } = this.#state;
    let ids = membership.others;
    const add = (other: NodeId | undefined): void => {
      if (other !== undefined && other !== id && !ids.includes(other)) ids = [...ids, other];
    };
    if (membership.index > commitIndex) membership.membersAt(commitIndex).forEach(add);
    add(knownLeader(this.#state));
    if (role.role === "leader") for (const peer of role.progress.keys()) add(peer);
    return ids;
  }

  /** The configuration in force at `index`, and the entry that brought it: what a snapshot there carries. */
  configurationAt(index: LogIndex): {
    readonly index: LogIndex;
    readonly configuration: Configuration;
  } {
    return this.#state.membership.at(index);
  }

  /** Whether this server was removed for good: what it is asked, another one has to do. */
  get isRemoved(): boolean {
    const { membership, id, commitIndex } = this.#state;
    return !membership.isMember(id) && membership.isGone(id, commitIndex);
  }

  /** Whether proposals wait because leadership is being handed over. */
  get isTransferring(): boolean {
    const { role } = this.#state;
    return role.role === "leader" && isLeaving(this.#state, role);
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
    state.log.persisted(persistId, state.deliveredIndex);
    state.outbox.persisted(persistId, state.log.flushedIndex);
    askForVotes(state);
    if (state.role.role === "leader") advanceCommit(state, state.role);
    onLogMoved(state);
  }

  /**
   * The disk has no room for the entries from `from` on that Readies have asked to
   * persist, nor, unless `isTruncated`, to drop its own log from there. Nobody is
   * told of them by this node; they come again after `resumeWriting`.
   */
  notWritten(from: LogIndex, isTruncated: boolean): void {
    this.#state.log.hold(from, isTruncated);
  }

  /** Whether entries wait for room on the disk. */
  get isWritingHeld(): boolean {
    return this.#state.log.isHeld;
  }

  /** There may be room now. */
  resumeWriting(): void {
    this.#state.log.resume();
  }

  /** What stands at `index`, which may have found no room on the disk yet; undefined when it is not held. */
  entryAt(index: LogIndex): { readonly term: Term; readonly checksum: number } | undefined {
    const { log } = this.#state;
    if (!log.holds(index)) return undefined;
    return { term: log.term(index), checksum: log.checksum(index) };
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
      state.snapshotChunks.length > 0 ||
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
    if (state.role.role === "leader") {
      sendAppends(state, state.role);
      sendSnapshots(state, state.role);
    }
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
      snapshotChunks: this.#takeSnapshotChunks(),
      divergence: undefined,
    };
  }

  /**
   * Messages that what was persisted since the last Ready has set free: they need not
   * wait for the next one. What `ready` would make them say is no part of them.
   */
  takeReleased(): Ready["messages"] {
    return this.#isStopped ? [] : this.#state.outbox.takeReleased();
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
      transferTarget: role.role === "leader" ? role.transfer?.target : undefined,
    };
  }

  get role(): Role {
    return this.#state.role.role;
  }

  /** Who leads as far as this node knows; itself included. */
  get leader(): NodeId | undefined {
    return knownLeader(this.#state);
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  /** The last entry that is on the own disk. */
  get flushedIndex(): LogIndex {
    return this.#state.log.flushedIndex;
  }

  /** Up to here every living follower has this leader's log, or is being sent a snapshot; others need nothing. */
  get neededIndex(): LogIndex {
    const { role, commitIndex, options } = this.#state;
    let needed: number = commitIndex;
    if (role.role !== "leader") return LogIndex(needed);
    for (const progress of role.progress.values()) {
      if (progress.ticksSinceContact >= options.electionTicks) continue;
      needed = Math.min(needed, progress.snapshot?.index ?? progress.matchIndex);
    }
    return LogIndex(needed);
  }

  /** Whether the snapshot of entry `index` is being sent to somebody. */
  isSnapshotInUse(index: LogIndex): boolean {
    const { role } = this.#state;
    if (role.role !== "leader") return false;
    return [...role.progress.values()].some(({ snapshot }) => snapshot?.index === index);
  }

  get term(): Term {
    return currentTerm(this.#state);
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
      if (canSendAppend(state, progress) || canSendSnapshot(state, progress)) return true;
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

  #takeSnapshotChunks(): Ready["snapshotChunks"] {
    const { snapshotChunks } = this.#state;
    this.#state.snapshotChunks = [];
    return snapshotChunks;
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
      snapshotChunks: [],
      divergence,
    };
  }
}
