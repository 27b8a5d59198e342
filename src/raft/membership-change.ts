/**
 * Membership changes: one server at a time (Raft §6; thesis §4.1, §4.2).
 *
 * A new member comes as a learner, catches up, and is promoted when its last
 * round of catching up took less than an election timeout (thesis §4.2.1) and
 * the majority it makes part of is alive. Majorities of two configurations that
 * differ in one voter overlap, so no joint phase is needed, if two rules hold:
 * one change at a time, and none before an entry of the leader's own term is
 * committed (the flaw found in single-server changes in 2015, raft-dev).
 *
 * A change takes effect when it is appended. A leader that removes itself leads
 * on, without counting itself, until the change is committed (thesis §4.2.2).
 * Ids are never used twice: whoever was removed stays removed.
 *
 * docs/decisions/0005 says why not joint consensus.
 */
import { assert } from "../assert.js";
import { Progress } from "./progress.js";
import { quorumSize } from "./quorum.js";
import { appendConfiguration } from "./replication.js";
import { currentTerm, knownLeader } from "./state.js";
import { LogIndex, Ticks } from "./types.js";
import type { ChangeRefusal, ChangeResult, MembershipChange } from "./ready.js";
import type { LeaderState, RaftState } from "./state.js";
import type { Configuration, MemberRecord, NodeId } from "./types.js";

/** Appends the changed configuration, or says why not. */
export function proposeChange(state: RaftState, change: MembershipChange): ChangeResult {
  const { role } = state;
  if (role.role !== "leader") return { kind: "not-leader", leader: knownLeader(state) };
  const reason =
    refusalOfTime(state, role) ??
    refusalOfConfiguration(state.membership.configuration, change) ??
    refusalOfState(state, role, change);
  if (reason !== undefined) return { kind: "refused", reason };
  return append(state, role, changed(state, change));
}

/**
 * Records which incarnations the members are of, and makes a learner of a voter
 * that came back with an empty disk. Called with every tick of a leader.
 */
export function recordIncarnations(state: RaftState, leader: LeaderState): void {
  // A founder alone has nobody to mistake it; others are waited for, so that one entry says it all.
  const { members } = state.membership;
  if (members.length === 1 || members.some((id) => isExpectedToTell(state, leader, id))) return;
  const next = withIncarnations(state);
  if (next === undefined || refusalOfTime(state, leader) !== undefined) return;
  append(state, leader, next);
}

function isExpectedToTell(state: RaftState, leader: LeaderState, id: NodeId): boolean {
  return state.membership.told(id) === undefined && hasContact(state, leader, id);
}

function append(state: RaftState, leader: LeaderState, configuration: Configuration): ChangeResult {
  const index = appendConfiguration(state, leader, configuration);
  for (const member of state.membership.members) {
    if (member === state.id || leader.progress.has(member)) continue;
    leader.progress.set(member, new Progress(member, index));
  }
  return { kind: "accepted", index, term: currentTerm(state) };
}

/** Whoever left is replicated to until it has heard so, or is gone (thesis §4.2.3: otherwise it would campaign). */
export function forgetLeavers(state: RaftState, leader: LeaderState): void {
  const { membership } = state;
  if (membership.index > state.commitIndex) return;
  for (const [id, progress] of leader.progress) {
    if (membership.isMember(id)) continue;
    // What was sent to it may be lost: its own word counts.
    const hasHeard = progress.reported.commitIndex >= membership.index;
    const isGone = progress.ticksSinceContact >= state.options.electionTicks;
    if (hasHeard || isGone) leader.progress.delete(id);
  }
}

/** Nothing may change now, whatever the change. */
function refusalOfTime(state: RaftState, leader: LeaderState): ChangeRefusal | undefined {
  if (leader.transfer !== undefined) return "transfer-under-way";
  if (state.membership.index > state.commitIndex) return "change-under-way";
  if (state.log.term(state.commitIndex) !== currentTerm(state)) return "term-not-opened";
  return undefined;
}

/** What the configuration itself forbids. */
function refusalOfConfiguration(
  { voters, learners, removed, records }: Configuration,
  change: MembershipChange,
): ChangeRefusal | undefined {
  const { id } = change;
  const isVoter = voters.includes(id);
  const isMember = isVoter || learners.includes(id);
  switch (change.kind) {
    case "add":
      if (isMember) return "already-member";
      if (removed?.includes(id) === true) return "id-was-used";
      return records?.some(({ address }) => address === change.address) === true
        ? "address-in-use"
        : undefined;
    case "promote":
      if (isVoter) return "already-voter";
      return isMember ? undefined : "not-a-member";
    case "remove":
      if (!isMember) return "not-a-member";
      return isVoter && voters.length === 1 ? "last-voter" : undefined;
  }
}

/** What the members' state forbids. */
function refusalOfState(
  state: RaftState,
  leader: LeaderState,
  change: MembershipChange,
): ChangeRefusal | undefined {
  if (change.kind === "add") return undefined;
  const { voters } = state.membership;
  if (change.kind === "promote") {
    if (!state.membership.isGenuine(change.id)) return "wiped";
    if (!hasContact(state, leader, change.id)) return "not-alive";
    if (!isAlive(state, leader, change.id)) return "not-heard-yet";
    if (leader.progress.get(change.id)?.isCaughtUp !== true) return "behind";
  } else if (!voters.includes(change.id)) {
    return undefined;
  }
  const next =
    change.kind === "promote"
      ? [...voters, change.id]
      : voters.filter((voter) => voter !== change.id);
  const quorum = quorumSize(next.length);
  if (next.filter((voter) => isAlive(state, leader, voter)).length >= quorum) return undefined;
  const hopeCount = next.filter((voter) => hasContact(state, leader, voter)).length;
  return hopeCount >= quorum ? "not-heard-yet" : "quorum-not-alive";
}

/**
 * Has answered this leader, and within the last election timeout. A new leader
 * knows nobody to be alive: a change that counts on the dead takes effect at once
 * and is never committed, by nobody, for ever.
 */
export function isAlive(state: RaftState, leader: LeaderState, id: NodeId): boolean {
  const hasAnswered = id === state.id || leader.progress.get(id)?.hasAnswered === true;
  return hasAnswered && hasContact(state, leader, id);
}

/** Not silent for an election timeout, which a new leader grants everybody, and the member that is meant. */
export function hasContact(state: RaftState, leader: LeaderState, id: NodeId): boolean {
  if (id === state.id) return true;
  const progress = leader.progress.get(id);
  return (
    progress !== undefined &&
    progress.ticksSinceContact < Ticks(state.options.electionTicks) &&
    state.membership.isGenuine(id)
  );
}

function changed(state: RaftState, change: MembershipChange): Configuration {
  const { configuration } = state.membership;
  const { voters, learners, records = [], removed = [] } = configuration;
  const { id } = change;
  const without = (ids: readonly NodeId[]): readonly NodeId[] => ids.filter((one) => one !== id);
  switch (change.kind) {
    case "add": {
      const record = { id, address: change.address, incarnation: "" };
      return {
        voters,
        learners: sorted([...learners, id]),
        ...rest([...records, record], removed),
      };
    }
    case "promote":
      return {
        voters: sorted([...voters, id]),
        learners: without(learners),
        ...rest(records, removed),
      };
    case "remove": {
      const kept = records.filter((record) => record.id !== id);
      return {
        voters: without(voters),
        learners: without(learners),
        ...rest(kept, [...removed, id]),
      };
    }
  }
}

/** The configuration with what the members have told of themselves; undefined when it says so already. */
function withIncarnations(state: RaftState): Configuration | undefined {
  const { membership } = state;
  if (!membership.isNewTold) return undefined;
  const { voters, learners, records = [], removed = [] } = membership.configuration;
  const byId = new Map(records.map((record) => [record.id, record]));
  let demoted: NodeId | undefined;
  let isNew = false;
  for (const id of membership.members) {
    const incarnation = membership.told(id);
    const record = byId.get(id);
    if (incarnation === undefined || record?.incarnation === incarnation) continue;
    const isWipedVoter = !membership.isGenuine(id) && membership.isVoter(id);
    if (isWipedVoter) {
      // One voter at a time, and never the last one, nor ourselves.
      if (demoted !== undefined || voters.length === 1 || id === state.id) continue;
      demoted = id;
    }
    byId.set(id, { id, address: record?.address ?? "", incarnation });
    isNew = true;
  }
  if (!isNew) return undefined;
  return {
    voters: voters.filter((voter) => voter !== demoted),
    learners: demoted === undefined ? learners : sorted([...learners, demoted]),
    ...rest([...byId.values()], removed),
  };
}

/** Records and removed ids in their one order; left out when empty. */
function rest(
  records: readonly MemberRecord[],
  removed: readonly NodeId[],
): Pick<Configuration, "records" | "removed"> {
  const known = records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  if (removed.length === 0) return records.length === 0 ? {} : { records: known };
  const gone = sorted(removed);
  return records.length === 0 ? { removed: gone } : { records: known, removed: gone };
}

/** By code unit, as configurations are written. */
function sorted(ids: readonly NodeId[]): readonly NodeId[] {
  const result = ids.toSorted((a, b) => (a < b ? -1 : 1));
  assert(new Set(result).size === result.length, "ids are distinct");
  return result;
}

/** A peer told which incarnation it is of. One that is not the member we counted has forgotten what it confirmed. */
export function onIncarnation(state: RaftState, peer: NodeId, incarnation: string): void {
  const before = state.membership.told(peer);
  state.membership.tell(peer, incarnation);
  const { role } = state;
  const isAnother =
    (before !== undefined && before !== incarnation) || !state.membership.isGenuine(peer);
  if (role.role !== "leader" || !isAnother || before === incarnation) return;
  const progress = role.progress.get(peer);
  if (progress === undefined) return;
  role.progress.set(peer, new Progress(peer, LogIndex(state.log.lastIndex + 1)));
}
