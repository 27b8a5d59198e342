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
import type { Divergence } from "./ready.js";
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

export interface LeaderState {
  readonly role: "leader";
  /** one per other member */
  readonly progress: ReadonlyMap<NodeId, Progress>;
  /** sizes of what was proposed in this term and is not committed, oldest first */
  readonly uncommitted: { readonly index: LogIndex; readonly size: number }[];
  uncommittedSize: number;
  heartbeatElapsed: number;
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
}

export function createState(options: RaftOptions): RaftState {
  const membership = new Membership(options.configuration);
  membership.recover(options.log);
  const log = new RaftLog(options.log, options.cacheSizeMax);
  assert(options.appliedIndex >= log.firstIndex - 1, "what was compacted has been applied");
  assert(options.appliedIndex <= log.lastIndex, "what was applied is in the log or its snapshot");
  const role = passiveRole(membership, options.id);
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
  changeRole(state, { role: passiveRole(state.membership, state.id), leader }, reason);
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
  };
  changeRole(state, leader, "election-won");
  return leader;
}

/** The configuration changed: a node that gained or lost its vote is called by its right name. */
export function refreshPassiveRole(state: RaftState): void {
  const { role } = state;
  if (role.role !== "follower" && role.role !== "learner") return;
  const next = passiveRole(state.membership, state.id);
  if (next === role.role) return;
  const reason = next === "follower" ? "promoted" : "removed";
  changeRole(state, { role: next, leader: role.leader }, reason);
}

function passiveRole(membership: Membership, id: NodeId): "follower" | "learner" {
  return membership.isVoter(id) ? "follower" : "learner";
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
