/**
 * A node put together: recovered log, core, store and driver, over a world of
 * disk, network and time that is the real one (lifecycle.ts) or a simulated one.
 * Synchronous: recovery is nothing but reading.
 */
import path from "node:path";
import { entrySealer } from "../codec/block.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { RaftOptions } from "../raft/options.js";
import { Raft } from "../raft/raft.js";
import { LogIndex, NodeId, Ticks, type Configuration, type RoleChange } from "../raft/types.js";
import type { Identity } from "../storage/data-directory.js";
import type { FileSystem } from "../storage/file-system.js";
import { HardStateFile } from "../storage/hard-state.js";
import type { RecoveryReport } from "../storage/log-storage.js";
import { SegmentedLog } from "../storage/segmented-log.js";
import { DEFAULT_LIMITS } from "../store/command.js";
import { SnapshotDirectory } from "../storage/snapshot-directory.js";
import { DEFAULT_HISTORY_POLICY, type HistoryPolicy } from "../store/due.js";
import { Store } from "../store/store.js";
import type { Transport } from "../transport/transport.js";
import type { Clock } from "./clock.js";
import { Driver } from "./driver.js";
import { Members } from "./members.js";
import { Node } from "./node.js";
import { RecoveryProgress } from "./recovery-progress.js";
import { restoreNewest } from "./restore.js";
import { Saves } from "./saves.js";
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, TICK_MS, type NodeSettings } from "./settings.js";
import type { SnapshotRule } from "./snapshot-count.js";
import { VERSION } from "./version.js";

/** What a node lives in: the two doors of law 6, and time and chance. */
export interface World {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** uniform in [0, 1) */
  readonly random: () => number;
  readonly transport: Transport;
  /** whether a fast disk may be waited for on the event loop */
  readonly flushesOnLoop: boolean;
  /** 16 bytes, never the same twice in a cluster's life */
  readonly newRequestId: () => Uint8Array;
}

export interface AssembledNode {
  readonly node: Node;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly store: Store;
  readonly log: SegmentedLog;
  readonly recovery: RecoveryReport;
  /** Begins to tick. */
  start(): void;
  /** Takes no more requests, answers those under way with what is known, seals the log. Idempotent. */
  close(): void;
}

/** Bytes of commands gathered into one block. */
const BLOCK_GATHER_SIZE_MAX = 1024 * 1024;
/** Bytes of blocks applied before peers and clients are heard again: a few milliseconds of work. */
const APPLY_SIZE_MAX = 32 * 1024;
/** Blocks on their way to a majority: one travels while the next is flushed. */
const BLOCKS_IN_FLIGHT_MAX = 4;
/** Commands applied between two snapshots; and bytes of their blocks. */
const SNAPSHOT_ENTRIES = 500_000;
const SNAPSHOT_BYTES = 128 * 1024 * 1024;
/** And of the last snapshot's rows or bytes: a row of snapshots a command at most, a start that reads as much again. */
const SNAPSHOT_STATE_PART = 1;

/**
 * @param onFailure called once when the node cannot go on; nothing was answered that is not on disk
 * @throws {DatabaseError} CORRUPTION, STORAGE_FAILED
 */
export function assembleNode(
  settings: NodeSettings,
  identity: Identity,
  world: World,
  onFailure: (error: Error) => void,
): AssembledNode {
  const { fileSystem, clock, transport } = world;
  const notice = settings.log ?? ((): void => undefined);
  const limits = settings.limits ?? DEFAULT_LIMITS;
  const hardState = HardStateFile.open(fileSystem, settings.dataDirectory);
  // Not by this node's limits: the same log must mean the same everywhere, and after every restart.
  const store = new Store(DEFAULT_LIMITS, historyPolicy(settings));
  const snapshots = openSnapshots(fileSystem, path.join(settings.dataDirectory, "snapshots"));
  const logOptions = {
    fileSystem,
    directory: path.join(settings.dataDirectory, "log"),
    clusterId: identity.clusterId,
    ...(settings.retention === undefined ? {} : { retention: settings.retention }),
    ...(settings.segmentSizeBytes === undefined
      ? {}
      : { segmentSizeBytes: settings.segmentSizeBytes }),
  };
  const restored = restoreNewest({
    ...{ directory: snapshots, store, clock, notice },
    sizeBehind: (index) => SegmentedLog.sizeBehind(logOptions, index),
  });
  const progress = new RecoveryProgress(clock, notice, "reading the log");
  const { log, report } = SegmentedLog.open({
    onProgress: (done, all) => {
      progress.tell(done, all);
    },
    ...(restored === undefined ? {} : { base: restored }),
    ...logOptions,
  });
  notice(recoveryLine(report));
  checkReach(snapshots, log.lastIndex);
  const parts = { settings, identity, world, hardState, log, snapshots, restored };
  const raft = new Raft(raftOptions(parts));
  let failed = false;
  const members = new Members(settings.cluster, transport);
  const driver = new Driver({
    id: identity.nodeId,
    raft,
    log,
    hardState,
    store,
    transport,
    clock,
    members,
    ...{ clusterId: identity.clusterId, snapshots, notice },
    snapshotRule: snapshotRule(settings),
    electionTicks: electionTicks(settings),
    blockSizeMax: BLOCK_GATHER_SIZE_MAX,
    blocksInFlightMax: BLOCKS_IN_FLIGHT_MAX,
    random: world.random,
    newRequestId: world.newRequestId,
    flushesOnLoop: world.flushesOnLoop,
    onRoleChange: (change) => {
      notice(roleLine(change));
    },
    onFailure: (error) => {
      failed = true;
      onFailure(error);
    },
  });
  const { peerAddress, clientAddress, dataDirectory } = settings;
  const saves = new Saves({
    clusterId: identity.clusterId,
    raft,
    store,
    clock,
    fileSystem,
    dataDirectory,
    notice,
    read: (deadline, done) => {
      driver.read(deadline, done);
    },
    lastApplied: () => driver.lastApplied,
  });
  const node = new Node({
    id: identity.nodeId,
    clusterId: identity.clusterId,
    raft,
    log,
    store,
    transport,
    clock,
    ...{ driver, members, saves, limits, peerAddress, clientAddress, version: VERSION, notice },
  });
  let closed = false;
  return {
    node,
    raft,
    driver,
    store,
    log,
    recovery: report,
    start: (): void => {
      clock.start(TICK_MS, (elapsed) => {
        node.onTick(elapsed);
      });
    },
    close: (): void => {
      if (closed) return;
      closed = true;
      clock.stop();
      node.close();
      // After a failed write the disk is not touched again.
      try {
        if (!failed) log.close();
      } finally {
        hardState.close();
      }
    },
  };
}

interface RecoveredParts {
  readonly settings: NodeSettings;
  readonly identity: Identity;
  readonly world: World;
  readonly hardState: HardStateFile;
  readonly log: SegmentedLog;
  readonly snapshots: SnapshotDirectory;
  readonly restored: SnapshotHead | undefined;
}

function raftOptions({
  settings,
  identity,
  world,
  hardState,
  log,
  snapshots,
  restored,
}: RecoveredParts): RaftOptions {
  return {
    id: NodeId(settings.id),
    configuration: restored?.configuration ?? foundingConfiguration(settings),
    hardState: hardState.current,
    log,
    appliedIndex: restored?.index ?? LogIndex(0),
    sealer: entrySealer(() => Math.floor(world.clock.wallTime())),
    random: world.random,
    electionTicks: electionTicks(settings),
    heartbeatTicks: ticks(settings.heartbeatMs ?? HEARTBEAT_MS),
    appendSizeMax: 4 * 1024 * 1024,
    inflightSizeMax: 16 * 1024 * 1024,
    uncommittedSizeMax: 64 * 1024 * 1024,
    applySizeMax: APPLY_SIZE_MAX,
    cacheSizeMax: 4 * 1024 * 1024,
    configurationIndex: restored?.configurationIndex ?? LogIndex(0),
    incarnation: identity.incarnationId,
    snapshots,
    snapshotChunkSizeMax: 1024 * 1024,
    leaseMs: leaseMs(settings),
  };
}

function historyPolicy({ history }: NodeSettings): HistoryPolicy {
  return history === undefined ? DEFAULT_HISTORY_POLICY : { ...DEFAULT_HISTORY_POLICY, ...history };
}

/** What an operator says is what happens. */
function snapshotRule({ snapshotEntries, snapshotBytes }: NodeSettings): SnapshotRule {
  const isGiven = snapshotEntries !== undefined || snapshotBytes !== undefined;
  return {
    entriesMax: snapshotEntries ?? SNAPSHOT_ENTRIES,
    bytesMax: snapshotBytes ?? SNAPSHOT_BYTES,
    statePart: isGiven ? 0 : SNAPSHOT_STATE_PART,
  };
}

/** Who was there at the beginning; a node that joins later learns of itself from the log. */
function foundingConfiguration({ id, cluster, join }: NodeSettings): Configuration {
  const members = [...cluster.keys()].filter((member) => join === undefined || member !== id);
  return { voters: members.toSorted().map(NodeId), learners: [] };
}

function ticks(milliseconds: number): Ticks {
  return Ticks(Math.round(milliseconds / TICK_MS));
}

function electionTicks({ electionTimeoutMs }: NodeSettings): Ticks {
  return ticks(electionTimeoutMs ?? ELECTION_TIMEOUT_MS);
}

/**
 * For how long a majority's word lets a leader answer alone: an election timeout
 * less what two clocks may drift apart in it (a tenth) and the coarseness of ticks.
 */
function leaseMs(settings: NodeSettings): number {
  if (settings.leaseReads !== true) return 0;
  const timeoutMs = settings.electionTimeoutMs ?? ELECTION_TIMEOUT_MS;
  return Math.max(0, timeoutMs * 0.9 - 2 * TICK_MS);
}

/** @throws {DatabaseError} STORAGE_FAILED */
function openSnapshots(fileSystem: FileSystem, directory: string): SnapshotDirectory {
  try {
    return new SnapshotDirectory(fileSystem, directory);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const message = `the snapshots in ${directory} cannot be used: ${text}`;
    throw new DatabaseError("STORAGE_FAILED", message, { cause });
  }
}

/**
 * What a snapshot holds was acknowledged. One that was passed over as damaged must
 * not take the end of the log with it, as it would where the log goes on from it:
 * right after it was installed or restored.
 *
 * @throws {DatabaseError} CORRUPTION
 */
function checkReach({ names }: SnapshotDirectory, lastIndex: LogIndex): void {
  const newest = names.at(-1);
  if (newest === undefined || newest.index <= lastIndex) return;
  throw new DatabaseError(
    "CORRUPTION",
    `snapshot ${newest.file} is damaged, and without it the log ends with entry ${lastIndex}: ` +
      `entries up to ${newest.index} are lost on this disk`,
  );
}

function recoveryLine(report: RecoveryReport): string {
  const found =
    `recovered ${report.entryCount} entries, ${report.byteCount} bytes ` +
    `in ${report.segmentCount} segments`;
  if (report.tornAt === undefined) return found;
  return (
    `${found}; dropped ${report.tornByteCount} bytes of a torn write at ` +
    `${report.tornAt.file} offset ${report.tornAt.offset}: nobody was told about them`
  );
}

function roleLine({ role, term, leader, reason }: RoleChange): string {
  const whom = leader === undefined ? "no leader" : `leader ${leader}`;
  return `${role} in term ${term}, ${whom} (${reason})`;
}
