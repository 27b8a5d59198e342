/** What a Raft core is made with. Frozen after construction. */
import { assert } from "../assert.js";
import type {
  Configuration,
  EntrySealer,
  HardState,
  LogIndex,
  LogReader,
  NodeId,
  Ticks,
} from "./types.js";

export interface RaftOptions {
  readonly id: NodeId;
  /** the configuration before the first configuration entry of the log */
  readonly configuration: Configuration;
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
