/**
 * Snapshot install: for a follower whose next entry was compacted (Raft §7, Fig. 13).
 *
 * The leader sends the bytes of its newest snapshot in parts, one at a time, each
 * from where the follower says it is. So a transfer goes on after a lost message,
 * a lost connection or a restart of either side, and, because equal states have
 * equal snapshots, under another leader. The follower's driver stores the parts,
 * verifies the whole, makes it durable and loads it; only then the core is told
 * (`snapshotInstalled`), which decides what becomes of the log: a log that holds
 * the snapshot's last entry keeps what follows it, for it may have been
 * acknowledged (rule 6); any other starts anew behind the snapshot (rule 7).
 *
 * Invariant kept here: what is committed never falls.
 */
import { followLeader } from "./replication.js";
import { becomeFollower, currentTerm, knownLeader, refreshPassiveRole, send } from "./state.js";
import { LogIndex } from "./types.js";
import type { InstallSnapshot, InstallSnapshotResult } from "./message.js";
import type { Progress } from "./progress.js";
import type { InstalledSnapshot, SnapshotVerdict } from "./ready.js";
import type { LeaderState, RaftState } from "./state.js";
import type { SnapshotInfo } from "./types.js";

const NOTHING = new Uint8Array(0);

// The leader's side.

/** Whether this follower needs a snapshot, or the next part of one, now. */
export function canSendSnapshot(state: RaftState, progress: Progress): boolean {
  if (progress.state === "snapshot") return progress.canSendChunk;
  return progress.nextIndex < state.log.firstIndex && state.options.snapshots.newest !== undefined;
}

/** Sends the next part to every follower that waits for one. */
export function sendSnapshots(state: RaftState, leader: LeaderState): void {
  for (const progress of leader.progress.values()) {
    if (canSendSnapshot(state, progress)) sendChunk(state, progress);
  }
}

function sendChunk(state: RaftState, progress: Progress): void {
  const { snapshots, snapshotChunkSizeMax } = state.options;
  if (progress.snapshot === undefined) {
    const { newest } = snapshots;
    if (newest === undefined) return;
    progress.becomeSnapshot(newest);
  }
  const { snapshot, snapshotOffset } = progress;
  if (snapshot === undefined) return;
  // At first it is asked how far it is: it may hold most of this very file.
  const data =
    snapshotOffset === undefined
      ? NOTHING
      : snapshots.read(snapshot, snapshotOffset, snapshotChunkSizeMax);
  if (data === undefined) {
    // No longer held: the newest one is.
    progress.becomeProbe(progress.nextIndex);
    return;
  }
  send(state, progress.id, {
    kind: "installSnapshot",
    from: state.id,
    term: currentTerm(state),
    snapshot,
    offset: snapshotOffset ?? 0,
    data,
  });
  progress.onChunkSent();
}

export function onInstallSnapshotResult(state: RaftState, message: InstallSnapshotResult): void {
  const term = currentTerm(state);
  if (message.term > term) {
    becomeFollower(state, message.term, undefined, "higher-term");
    return;
  }
  const { role } = state;
  if (message.term < term || role.role !== "leader") return;
  const progress = role.progress.get(message.from);
  if (progress === undefined) return;
  progress.onContact();
  const { snapshot } = progress;
  if (snapshot?.index !== message.index || message.offset > snapshot.size) return;
  if (snapshot.fileChecksum !== message.fileChecksum) return;
  if (message.isInstalled) progress.onMatch(message.index);
  else progress.onSnapshotOffset(message.offset);
}

// The follower's side.

export function onInstallSnapshot(state: RaftState, message: InstallSnapshot): void {
  const { snapshot } = message;
  if (message.term < currentTerm(state)) {
    // The result's term is what matters: it ends the sender's reign.
    send(state, message.from, result(state, snapshot, 0, false));
    return;
  }
  if (snapshot.index < 1 || snapshot.term > message.term) return;
  if (!followLeader(state, message)) return;
  if (snapshot.index <= state.commitIndex) {
    send(state, message.from, result(state, snapshot, snapshot.size, true), snapshot.index);
    return;
  }
  const { offset, data } = message;
  state.snapshotChunks.push({ snapshot, offset, data });
}

/** The driver holds `offset` bytes of this snapshot. */
export function onSnapshotStored(state: RaftState, snapshot: SnapshotInfo, offset: number): void {
  const leader = knownLeader(state);
  if (leader === undefined || leader === state.id) return;
  send(state, leader, result(state, snapshot, offset, false));
}

/** The snapshot is verified, on disk, and about to take the place of the state. */
export function onSnapshotInstalled(
  state: RaftState,
  snapshot: InstalledSnapshot,
): SnapshotVerdict {
  const { log } = state;
  const { index, term, checksum } = snapshot;
  // A leader has all that is committed; a snapshot that was under way before is old.
  if (index <= state.commitIndex || state.role.role === "leader") return "not-needed";
  const isHeld = log.holds(index) && log.term(index) === term && log.checksum(index) === checksum;
  if (!isHeld) {
    log.reset(snapshot);
    state.membership.reset(snapshot.configuration, snapshot.configurationIndex);
    refreshPassiveRole(state);
  }
  state.commitIndex = index;
  state.deliveredIndex = index;
  state.appliedIndex = index;
  return isHeld ? "log-kept" : "log-reset";
}

/** Tells the leader, once the state has taken its place. */
export function announceInstalled(state: RaftState, snapshot: SnapshotInfo): void {
  const leader = knownLeader(state);
  if (leader === undefined || leader === state.id) return;
  send(state, leader, result(state, snapshot, snapshot.size, true), LogIndex(snapshot.index));
}

function result(
  state: RaftState,
  snapshot: SnapshotInfo,
  offset: number,
  isInstalled: boolean,
): InstallSnapshotResult {
  return {
    kind: "installSnapshotResult",
    from: state.id,
    term: currentTerm(state),
    index: snapshot.index,
    fileChecksum: snapshot.fileChecksum,
    offset,
    isInstalled,
  };
}
