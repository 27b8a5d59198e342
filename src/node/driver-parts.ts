/** What a driver is put together from, and what it is told. */
import type { Forward, ForwardAccepted, ForwardRefused } from "../codec/peer-message.js";
import type { Message } from "../raft/message.js";
import type { Raft } from "../raft/raft.js";
import type { NodeId, RoleChange } from "../raft/types.js";
import type { HardStateFile } from "../storage/hard-state.js";
import type { LogStorage } from "../storage/log-storage.js";
import type { SnapshotDirectory } from "../storage/snapshot-directory.js";
import type { Store } from "../store/store.js";
import type { Transport } from "../transport/transport.js";
import type { Clock } from "./clock.js";
import type { Members } from "./members.js";
import type { SnapshotRule } from "./snapshot-count.js";

export interface DriverParts {
  readonly id: NodeId;
  readonly raft: Raft;
  readonly log: LogStorage;
  readonly hardState: HardStateFile;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  /** bytes of commands gathered into one block; a larger request travels alone */
  readonly blockSizeMax: number;
  /** blocks proposed and not yet applied; what comes meanwhile gathers for the next one */
  readonly blocksInFlightMax: number;
  /** a loop that stood still for so many ticks is not fit to lead */
  readonly electionTicks: number;
  /** uniform in [0, 1) */
  readonly random: () => number;
  /** whether a fast disk may be waited for on the event loop */
  readonly flushesOnLoop: boolean;
  /** 16 bytes, never the same twice in a cluster's life */
  readonly newRequestId: () => Uint8Array;
  readonly members: Members;
  readonly clusterId: string;
  readonly snapshots: SnapshotDirectory;
  readonly snapshotRule: SnapshotRule;
  readonly notice: (line: string) => void;
  readonly onRoleChange: (change: RoleChange) => void;
  /** The node cannot go on: its disk failed, or its log contradicts the leader's. Called once. */
  readonly onFailure: (error: Error) => void;
}

/** Raft's own messages, and forwarded requests. */
export type DriverMessage = Message | Forward | ForwardAccepted | ForwardRefused;
