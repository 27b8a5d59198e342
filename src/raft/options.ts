/** What a Raft core is made with. Frozen after construction. */
import { assert } from "../assert.js";
import type {
  Configuration,
  EntrySealer,
  HardState,
  LogIndex,
  LogReader,
  NodeId,
  SnapshotSource,
  Ticks,
} from "./types.js";

export interface RaftOptions {
  readonly id: NodeId;
  /** the configuration before the first configuration entry of the log */
  readonly configuration: Configuration;
  /** the index of the entry that brought it, when it comes from a snapshot; else 0 */
  readonly configurationIndex: LogIndex;
  /** which life of its data directory this node is in (hex); empty: never compared (docs/decisions/0005) */
  readonly incarnation: string;
  /** as read back from disk; term 0 and no vote at first start */
  readonly hardState: HardState;
  /** the recovered log; everything in it is flushed */
  readonly log: LogReader;
  /** what is already applied (a snapshot's index); 0 without one */
  readonly appliedIndex: LogIndex;
  readonly sealer: EntrySealer;
  /** uniform in [0, 1); the only source of chance (election timeouts) */
  readonly random: () => number;
  /** the base: a timeout is drawn per round from [base, 2 × base) */
  readonly electionTicks: Ticks;
  /** at most a third of electionTicks */
  readonly heartbeatTicks: Ticks;
  /** bytes of blocks in one AppendEntries (one entry always fits) */
  readonly appendSizeMax: number;
  /** bytes of blocks sent to one follower and not yet acknowledged */
  readonly inflightSizeMax: number;
  /** bytes of blocks proposed and not yet committed; beyond it `propose` answers "busy" */
  readonly uncommittedSizeMax: number;
  /** bytes of blocks committed in one Ready: what is applied before others have their turn */
  readonly applySizeMax: number;
  /** bytes of blocks kept in memory behind the tail, for followers and for apply */
  readonly cacheSizeMax: number;
  /** what is sent to a follower whose next entry was compacted */
  readonly snapshots: SnapshotSource;
  /** bytes of a snapshot sent in one message */
  readonly snapshotChunkSizeMax: number;
  /**
   * Milliseconds for which a majority's word lets a leader answer reads alone; 0: never.
   * The same on every node. Must stay below the election timeout by more than clocks
   * drift in it (thesis §6.4.1).
   */
  readonly leaseMs: number;
}

/** @throws {AssertionError} when options contradict each other */
export function assertOptions(options: RaftOptions): void {
  assert(options.electionTicks >= 3, "an election timeout is at least three ticks");
  assert(options.heartbeatTicks >= 1, "a heartbeat interval is at least one tick");
  assert(
    options.heartbeatTicks * 3 <= options.electionTicks,
    "a heartbeat interval is at most a third of the election timeout",
  );
  assert(options.configuration.voters.length >= 1, "a configuration has a voter");
  assert(options.inflightSizeMax >= options.appendSizeMax, "one append fits in the window");
}
