/**
 * Progress: how one follower stands in the leader's eyes (Raft Fig. 2,
 * nextIndex and matchIndex).
 *
 * Three states, in etcd's words. *Probe*: the leader does not know where the logs
 * meet, so it sends one message and waits for its result, or for a heartbeat's,
 * before it sends the next. *Replicate*: the logs are known to meet, so appends
 * are pipelined: nextIndex runs ahead of matchIndex by at most a window of bytes
 * (thesis §10.2.1). *Snapshot*: what it needs next was compacted, so a snapshot
 * is sent in parts, one at a time (install-snapshot.ts).
 *
 * Invariant kept here: matchIndex < nextIndex, and matchIndex never falls.
 */
import { assert } from "../assert.js";
import { LogIndex, Ticks } from "./types.js";
import type { RaftOptions } from "./options.js";
import type { NodeId, SnapshotInfo } from "./types.js";
import type { PeerStatus } from "./ready.js";

/** An append on its way: it is answered by any match at or beyond its last index. */
interface Inflight {
  readonly lastIndex: LogIndex;
  readonly size: number;
}

type TickOptions = Pick<RaftOptions, "electionTicks" | "heartbeatTicks">;

export class Progress {
  readonly id: NodeId;
  #state: "probe" | "replicate" | "snapshot" = "probe";
  #snapshot: SnapshotInfo | undefined;
  /** bytes of it the follower holds; undefined until it has said so */
  #snapshotOffset: number | undefined;
  #matchIndex = LogIndex(0);
  #nextIndex: LogIndex;
  /** probe: a message is out and nothing has come back since */
  #paused = false;
  /** probe: the message out, or the next one, repeats one that may only be slow: send no entries again */
  #repeated = false;
  /** replicate: nothing moved between two heartbeats; ask whether the appends arrived */
  #verifyDue = false;
  #matchIndexBefore = LogIndex(0);
  #inflights: Inflight[] = [];
  #inflightSize = 0;
  /** since its last answer; before the first, since it is followed */
  #ticksSinceContact = Ticks(0);
  #hasAnswered = false;
  /** ticks of this heartbeat interval, and whether one of its echoes has been counted */
  #intervalTicks = 0;
  #isEchoCounted = false;
  /** catching up goes in rounds: each ends when the follower has what the leader had at its start */
  #roundTarget: LogIndex;
  #roundTicks = 0;
  #caughtUp = false;
  /** the newest read round this follower has echoed in this term */
  readRound = 0;
  /** the commit index it was last told */
  commitIndexTold = LogIndex(0);
  /** what it could have been told at the last tick */
  commitIndexDue = LogIndex(0);
  reported = { lastIndex: LogIndex(0), commitIndex: LogIndex(0), appliedIndex: LogIndex(0) };

  constructor(id: NodeId, nextIndex: LogIndex) {
    this.id = id;
    this.#nextIndex = nextIndex;
    this.#roundTarget = LogIndex(nextIndex - 1);
  }

  get state(): "probe" | "replicate" | "snapshot" {
    return this.#state;
  }

  /** Whether the last round of catching up took less than an election timeout (thesis §4.2.1). */
  get isCaughtUp(): boolean {
    return this.#caughtUp;
  }

  get ticksSinceContact(): Ticks {
    return this.#ticksSinceContact;
  }

  /** Whether it has answered this leader at all: who has not may have been dead all along. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** A result of this term came from it. */
  onContact(): void {
    this.#ticksSinceContact = Ticks(0);
    this.#hasAnswered = true;
  }

  /** One tick of the leader. */
  tick(lastIndex: LogIndex, { electionTicks, heartbeatTicks }: TickOptions): void {
    this.#intervalTicks += 1;
    if (this.#intervalTicks >= heartbeatTicks) {
      this.#intervalTicks = 0;
      this.#isEchoCounted = false;
    }
    this.#ticksSinceContact = Ticks(this.#ticksSinceContact + 1);
    this.#roundTicks += 1;
    if (this.#matchIndex >= this.#roundTarget) {
      this.#caughtUp = this.#roundTicks <= electionTicks;
      this.#roundTarget = lastIndex;
      this.#roundTicks = 0;
    } else if (this.#roundTicks > electionTicks) {
      this.#caughtUp = false;
    }
  }

  /** The snapshot being sent; undefined in the other states. */
  get snapshot(): SnapshotInfo | undefined {
    return this.#snapshot;
  }

  /** Bytes of it the follower holds, as far as it has said. */
  get snapshotOffset(): number | undefined {
    return this.#snapshotOffset;
  }

  /** What it needs was compacted: `snapshot` is sent. */
  becomeSnapshot(snapshot: SnapshotInfo): void {
    this.becomeProbe(this.#nextIndex);
    this.#state = "snapshot";
    this.#snapshot = snapshot;
    this.#snapshotOffset = undefined;
  }

  /** Whether a part of the snapshot, or the question how far it is, may leave now. */
  get canSendChunk(): boolean {
    return this.#state === "snapshot" && !this.#paused;
  }

  onChunkSent(): void {
    this.#paused = true;
    this.#repeated = false;
  }

  /** The follower holds `offset` bytes of the snapshot. */
  onSnapshotOffset(offset: number): void {
    // Only an answer to "how far are you?" may fall back; another one is late.
    if (this.#snapshotOffset !== undefined && offset <= this.#snapshotOffset) return;
    // When it holds all and has not installed it, it is asked again later.
    this.#paused = offset === this.#snapshot?.size;
    this.#repeated = false;
    this.#snapshotOffset = offset;
  }

  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** Whether an append may leave now, given the end of the leader's log. */
  canSend(lastIndex: LogIndex, inflightSizeMax: number): boolean {
    if (this.#state === "snapshot") return false;
    if (this.#state === "probe") return !this.#paused;
    return this.#verifyDue || this.hasRoom(lastIndex, inflightSizeMax);
  }

  /** Whether the next append may carry entries. The window may be passed by one entry, never entered again until it is left. */
  hasRoom(lastIndex: LogIndex, inflightSizeMax: number): boolean {
    if (this.#nextIndex > lastIndex) return false;
    if (this.#state === "probe") return !this.#repeated;
    return this.#inflightSize < inflightSizeMax;
  }

  /** An append has left that ends at `lastIndex` and carries `size` bytes of blocks. */
  onSent(lastIndex: LogIndex, size: number): void {
    assert(lastIndex >= this.#nextIndex - 1, "an append ends where it starts or later");
    this.#verifyDue = false;
    if (this.#state === "probe") {
      this.#paused = true;
      return;
    }
    if (lastIndex < this.#nextIndex) return;
    this.#inflights.push({ lastIndex, size });
    this.#inflightSize += size;
    this.#nextIndex = LogIndex(lastIndex + 1);
  }

  /** The follower has flushed everything up to `matchIndex`, and it matches. */
  onMatch(matchIndex: LogIndex): void {
    // Late news: something newer is known already.
    if (matchIndex < this.#matchIndex) return;
    this.#matchIndex = matchIndex;
    let done = 0;
    for (const inflight of this.#inflights) {
      if (inflight.lastIndex > matchIndex) break;
      done += 1;
      this.#inflightSize -= inflight.size;
    }
    this.#inflights.splice(0, done);
    if (this.#state === "snapshot" && matchIndex < (this.#snapshot?.index ?? 0)) {
      // Late news of appends that left before; the snapshot goes on.
      this.#nextIndex = LogIndex(Math.max(this.#nextIndex, matchIndex + 1));
      return;
    }
    if (this.#state !== "replicate") {
      this.#state = "replicate";
      this.#snapshot = undefined;
      this.#snapshotOffset = undefined;
      this.#paused = false;
      this.#nextIndex = LogIndex(matchIndex + 1);
      return;
    }
    if (this.#nextIndex <= matchIndex) this.#nextIndex = LogIndex(matchIndex + 1);
  }

  /**
   * Whether the refusal of an append at `prevLogIndex` is news: it is not when
   * the follower is known to match there, nor when it answers an older probe.
   */
  isRefusalCurrent(prevLogIndex: LogIndex): boolean {
    if (prevLogIndex <= this.#matchIndex || this.#state === "snapshot") return false;
    return this.#state === "replicate" || prevLogIndex === this.#nextIndex - 1;
  }

  /** Starts over from `nextIndex` (never below the match), one message at a time. */
  becomeProbe(nextIndex: LogIndex): void {
    this.#state = "probe";
    this.#snapshot = undefined;
    this.#snapshotOffset = undefined;
    this.#nextIndex = LogIndex(Math.max(nextIndex, this.#matchIndex + 1));
    this.#paused = false;
    this.#repeated = false;
    this.#verifyDue = false;
    this.#inflights = [];
    this.#inflightSize = 0;
  }

  /** The connection was lost, and with it what was on its way. */
  onUnreachable(): void {
    if (this.#state === "replicate") this.becomeProbe(LogIndex(this.#matchIndex + 1));
    else if (this.#state === "snapshot") this.#paused = false;
  }

  /**
   * A heartbeat was answered: a probe may be repeated, a silent pipeline is questioned.
   * Read rounds are heartbeats too, thousands a second: what is on its way is given
   * the time of a heartbeat interval, so that one echo of each counts.
   */
  onHeartbeatResult(): void {
    if (this.#isEchoCounted) return;
    this.#isEchoCounted = true;
    if (this.#state === "snapshot") {
      // Twice without a word: the part was lost, or its receiver is at work. Asking is cheap.
      if (this.#paused && this.#repeated) {
        this.#snapshotOffset = undefined;
        this.#paused = false;
      }
      this.#repeated = this.#paused;
      return;
    }
    if (this.#state === "probe") {
      this.#repeated = this.#paused;
      this.#paused = false;
      return;
    }
    const isWaiting = this.#matchIndex < this.#nextIndex - 1;
    this.#verifyDue = isWaiting && this.#matchIndex === this.#matchIndexBefore;
    this.#matchIndexBefore = this.#matchIndex;
  }

  status(electionTicks: Ticks): PeerStatus {
    return {
      id: this.id,
      state: this.#state,
      matchIndex: this.#matchIndex,
      nextIndex: this.#nextIndex,
      alive: this.#hasAnswered && this.#ticksSinceContact < electionTicks,
      ticksSinceContact: this.#ticksSinceContact,
      inflightBytes: this.#inflightSize,
      caughtUp: this.#caughtUp,
      snapshotOffset: this.#snapshot === undefined ? undefined : (this.#snapshotOffset ?? 0),
      ...this.reported,
    };
  }
}
