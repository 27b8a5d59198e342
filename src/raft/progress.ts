/**
 * Progress: how one follower stands in the leader's eyes (Raft Fig. 2,
 * nextIndex and matchIndex).
 *
 * Two states, in etcd's words. *Probe*: the leader does not know where the logs
 * meet, so it sends one message and waits for its result, or for a heartbeat's,
 * before it sends the next. *Replicate*: the logs are known to meet, so appends
 * are pipelined: nextIndex runs ahead of matchIndex by at most a window of bytes
 * (thesis §10.2.1).
 *
 * Invariant kept here: matchIndex < nextIndex, and matchIndex never falls.
 */
import { assert } from "../assert.js";
import { LogIndex, Ticks } from "./types.js";
import type { NodeId } from "./types.js";
import type { PeerStatus } from "./ready.js";

/** An append on its way: it is answered by any match at or beyond its last index. */
interface Inflight {
  readonly lastIndex: LogIndex;
  readonly size: number;
}

export class Progress {
  readonly id: NodeId;
  #state: "probe" | "replicate" = "probe";
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
  ticksSinceContact = Ticks(0);
  /** the newest read round this follower has echoed in this term */
  readRound = 0;
  /** the commit index it was last told */
  commitIndexTold = LogIndex(0);
  reported = { lastIndex: LogIndex(0), commitIndex: LogIndex(0), appliedIndex: LogIndex(0) };

  constructor(id: NodeId, nextIndex: LogIndex) {
    this.id = id;
    this.#nextIndex = nextIndex;
  }

  get state(): "probe" | "replicate" {
    return this.#state;
  }

  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** Whether an append may leave now, given the end of the leader's log. */
  canSend(lastIndex: LogIndex, inflightSizeMax: number): boolean {
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
    if (this.#state === "probe") {
      this.#state = "replicate";
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
    if (prevLogIndex <= this.#matchIndex) return false;
    return this.#state === "replicate" || prevLogIndex === this.#nextIndex - 1;
  }

  /** Starts over from `nextIndex` (never below the match), one message at a time. */
  becomeProbe(nextIndex: LogIndex): void {
    this.#state = "probe";
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
  }

  /** A heartbeat was answered: a probe may be repeated, a silent pipeline is questioned. */
  onHeartbeatResult(): void {
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
      alive: this.ticksSinceContact < electionTicks,
      ticksSinceContact: this.ticksSinceContact,
      inflightBytes: this.#inflightSize,
      ...this.reported,
    };
  }
}
