/**
 * The state of one server (Raft Fig. 2) and its moves between roles (Fig. 4).
 *
 * Handlers in the other files read and change this record; only the functions
 * here change term, vote and role, so that three rules have one place each: a
 * vote dies only when the term strictly rises (§5.2); reads that a role can no
 * longer answer are refused when it ends; each change has a reason.
 */
import { assert } from "../assert.js";
import { RaftLog } from "./log.js";
import { Membership } from "./membership.js";
import { Outbox } from "./outbox.js";
import { Progress } from "./progress.js";
import { Reads } from "./reads.js";
import { LogIndex, Term } from "./types.js";
import type { Message } from "./message.js";
import type { RaftOptions } from "./options.js";
import type { Divergence, SnapshotChunk } from "./ready.js";
import type { HardState, NodeId, Role, RoleChange, RoleReason } from "./types.js";

/** Waits for a leader's word, or for its own timeout. A learner, or a node outside the configuration, never campaigns. */
interface FollowerState {
  readonly role: "follower" | "learner";
  /** known only from a leader's own AppendEntries or Heartbeat */
  readonly leader: NodeId | undefined;
}

/** Asks whether it would win, without raising its term (thesis §9.6). */
interface PreCandidateState {
  readonly role: "pre-candidate";
  readonly votes: Map<NodeId, boolean>;
}

interface CandidateState {
  readonly role: "candidate";
  readonly votes: Map<NodeId, boolean>;
  readonly disruptLeader: boolean;
  /** false until term and own vote are flushed: only then others are asked, and only then the own vote counts */
  hasAsked: boolean;
}

/** A hand-over under way (thesis §3.10). */
interface Transfer {
  readonly target: NodeId;
  ticks: number;
  /** its log is level, and it was told to campaign */
  isTold: boolean;
}

export interface LeaderState {
  readonly role: "leader";
  /** one per other member, and per member that was removed and has not heard so yet */
  readonly progress: Map<NodeId, Progress>;
  /** sizes of what was proposed in this term and is not committed, oldest first */
  readonly uncommitted: { readonly index: LogIndex; readonly size: number }[];
  uncommittedSize: number;
  heartbeatElapsed: number;
  transfer: Transfer | undefined;
  /** once somebody was told to campaign over stickiness, no lease of this term can be trusted */
  isLeaseVoid: boolean;
  /** the flushed index a tick ago, and for how many ticks it stands still with entries waiting */
  flushedBefore: LogIndex;
  flushStallTicks: number;
  /** as many voters as a read round needs, those that were quickest of all; undefined: all are asked */
  echoers: readonly NodeId[] | undefined;
  /** the first round whose confirmation tells who they are */
  echoersFrom: number;
  /** the newest read round at the last tick */
  roundAtTick: number;
}

type RoleState = FollowerState | PreCandidateState | CandidateState | LeaderState;

export interface RaftState {
  readonly id: NodeId;
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly membership: Membership;
  readonly outbox: Outbox;
  readonly reads: Reads;
  role: RoleState;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  /** the last index given out in `Ready.committed` */
  deliveredIndex: LogIndex;
  /** ticks since the leader was heard, a vote was granted or a campaign began */
  electionElapsed: number;
  /** drawn per round from [electionTicks, 2 × electionTicks) */
  electionTimeout: number;
  roleChanges: RoleChange[];
  lastChange: RoleChange;
  /** set once: the node has stopped */
  divergence: Divergence | undefined;
  /** milliseconds of a monotonic clock, as the driver last told; only for leases */
  now: number;
  /**
   * Ticks for which this node withholds its vote in any term, so that no lease it granted is broken:
   * from when it heard a leader, or was restarted. Only with leases.
   */
  withholdTicks: number;
  /** parts of a leader's snapshot, for the driver to store */
  snapshotChunks: SnapshotChunk[];
}

export function createState(options: RaftOptions): RaftState {
  const membership = new Membership(
    { id: options.id, incarnation: options.incarnation },
    options.configuration,
    options.configurationIndex,
  );
  membership.recover(options.log);
  const log = new RaftLog(options.log, options.cacheSizeMax);
  assert(options.appliedIndex >= log.firstIndex - 1, "what was compacted has been applied");
  assert(options.appliedIndex <= log.lastIndex, "what was applied is in the log or its snapshot");
  const role = passiveRole(membership);
  const leader = undefined;
  const term = options.hardState.term;
  const state: RaftState = {
    id: options.id,
    options,
    log,
    membership,
    outbox: new Outbox(options.hardState),
    reads: new Reads(options.random),
    role: { role, leader },
    commitIndex: options.appliedIndex,
    appliedIndex: options.appliedIndex,
    deliveredIndex: options.appliedIndex,
    electionElapsed: 0,
    electionTimeout: 0,
    roleChanges: [],
    lastChange: { role, term, leader, reason: "start" },
    divergence: undefined,
    now: 0,
    withholdTicks: options.leaseMs > 0 && term > 0 ? options.electionTicks : 0,
    snapshotChunks: [],
  };
  resetElectionTimer(state);
  // An entry proves that its term began, even if the crash took the record of it.
  if (log.lastTerm > term) state.outbox.setHardState({ term: log.lastTerm, vote: undefined });
  state.lastChange = { role, term: currentTerm(state), leader, reason: "start" };
  return state;
}

export function currentTerm(state: RaftState): Term {
  return state.outbox.hardState.term;
}

export function knownLeader(state: RaftState): NodeId | undefined {
  switch (state.role.role) {
    case "leader":
      return state.id;
    case "follower":
    case "learner":
      return state.role.leader;
    case "pre-candidate":
    case "candidate":
      return undefined;
  }
}

/** Queues a message; it leaves when the own term is flushed, and the log up to `flushedThrough`. */
export function send(
  state: RaftState,
  to: NodeId,
  message: Message,
  flushedThrough: LogIndex = LogIndex(0),
): void {
  assert(message.term === currentTerm(state), "a message carries the term of its sender");
  state.outbox.send(to, message, flushedThrough, state.log.flushedIndex);
}

/** Each round draws anew, so that split votes are rare and soon resolved (§5.2). */
export function resetElectionTimer(state: RaftState): void {
  const base = state.options.electionTicks;
  state.electionElapsed = 0;
  state.electionTimeout = base + Math.floor(state.options.random() * base);
}

/** Records a vote: the first of this term, or the same again. */
export function setVote(state: RaftState, vote: NodeId): void {
  const hardState = state.outbox.hardState;
  if (hardState.vote === vote) return;
  assert(hardState.vote === undefined, "a server votes once a term");
  state.outbox.setHardState({ term: hardState.term, vote });
}

/** Follows `leader` (if known) in `term`, which is the own one or a later one. */
export function becomeFollower(
  state: RaftState,
  term: Term,
  leader: NodeId | undefined,
  reason: RoleReason,
): void {
  assert(term >= currentTerm(state), "a term never falls");
  if (state.role.role === "leader") resetElectionTimer(state);
  if (term > currentTerm(state)) state.outbox.setHardState({ term, vote: undefined });
  changeRole(state, { role: passiveRole(state.membership), leader }, reason);
}

export function becomePreCandidate(state: RaftState, reason: RoleReason): void {
  assert(state.role.role !== "leader", "a leader does not campaign");
  resetElectionTimer(state);
  changeRole(state, { role: "pre-candidate", votes: new Map([[state.id, true]]) }, reason);
}

/** Raises the term and votes for itself (§5.2); `disruptLeader` as in RequestVote. */
export function becomeCandidate(
  state: RaftState,
  reason: RoleReason,
  disruptLeader: boolean,
): void {
  assert(state.role.role !== "leader", "a leader does not campaign");
  assert(state.outbox.isHardStateFlushed, "a campaign starts from a term that is flushed");
  resetElectionTimer(state);
  const hardState: HardState = { term: Term(currentTerm(state) + 1), vote: state.id };
  state.outbox.setHardState(hardState);
  changeRole(
    state,
    { role: "candidate", votes: new Map(), disruptLeader, hasAsked: false },
    reason,
  );
}

export function becomeLeader(state: RaftState): LeaderState {
  assert(state.role.role === "candidate", "only a candidate becomes leader");
  assert(state.outbox.hardState.vote === state.id, "a leader voted for itself");
  const nextIndex = LogIndex(state.log.lastIndex + 1);
  const progress = new Map<NodeId, Progress>();
  for (const member of state.membership.members) {
    if (member !== state.id) progress.set(member, new Progress(member, nextIndex));
  }
  const leader: LeaderState = {
    role: "leader",
    progress,
    uncommitted: [],
    uncommittedSize: 0,
    heartbeatElapsed: 0,
    transfer: undefined,
    isLeaseVoid: false,
    flushedBefore: LogIndex(0),
    flushStallTicks: 0,
    echoers: undefined,
    echoersFrom: state.reads.lastRound + 1,
    roundAtTick: 0,
  };
  state.withholdTicks = 0;
  changeRole(state, leader, "election-won");
  return leader;
}

/** The configuration changed: a node that gained or lost its vote is called by its right name. */
export function refreshPassiveRole(state: RaftState): void {
  const { role } = state;
  if (role.role !== "follower" && role.role !== "learner") return;
  const next = passiveRole(state.membership);
  if (next === role.role) return;
  const reason = next === "follower" ? "promoted" : lostVoteReason(state);
  changeRole(state, { role: next, leader: role.leader }, reason);
}

function passiveRole(membership: Membership): "follower" | "learner" {
  return membership.canVote ? "follower" : "learner";
}

function lostVoteReason({ membership, id }: RaftState): RoleReason {
  return membership.isGenuine(id) ? "removed" : "wiped";
}

function changeRole(state: RaftState, next: RoleState, reason: RoleReason): void {
  const term = currentTerm(state);
  const before = state.lastChange;
  const leaderBefore = knownLeader(state);
  state.role = next;
  const role: Role = next.role;
  const leader = knownLeader(state);
  if (before.role === role && before.term === term && leaderBefore === leader) return;
  // Neither reads that waited for our own quorum nor those sent to the leader of before can be answered.
  for (const message of state.reads.abandon(state.id, term)) {
    send(state, message.to, message.message);
  }
  state.lastChange = { role, term, leader, reason };
  state.roleChanges.push(state.lastChange);
}
