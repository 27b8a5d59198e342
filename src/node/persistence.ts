/**
 * Persistence: the driver's way to the disk. What a Ready asks to persist is written
 * and flushed, on the event loop or beside it, and the core is told when it is.
 *
 *   on the loop      when next to nobody waits for anything else, the disk is fast, no
 *                    snapshot is on its way to it, and the log has not just rolled to
 *                    another segment
 *   beside the loop  otherwise; at most one flush is under way
 *
 * What finds no room is tried again with a later Ready (full-disk.ts). A failed
 * write or flush ends the node before anything is answered.
 */
import type { DatabaseError } from "../errors.js";
import type { Raft } from "../raft/raft.js";
import type { Ready } from "../raft/ready.js";
import { LogIndex, type LogReader } from "../raft/types.js";
import type { HardStateFile } from "../storage/hard-state.js";
import type { LogStorage } from "../storage/log-storage.js";
import { isShortage, type Shortage } from "../storage/shortage.js";
import type { Clock } from "./clock.js";
import { FullDisk } from "./full-disk.js";

export interface PersistenceParts {
  readonly id: string;
  readonly raft: Pick<
    Raft,
    "role" | "persisted" | "notWritten" | "isWritingHeld" | "resumeWriting"
  >;
  readonly log: Omit<LogStorage, keyof LogReader | "compactTo" | "reset" | "close"> &
    Pick<LogStorage, "lastIndex">;
  readonly hardState: Pick<HardStateFile, "write">;
  readonly clock: Pick<Clock, "now">;
  /** whether a fast disk may be waited for on the event loop */
  readonly flushesOnLoop: boolean;
  /** whether next to nobody waits for anything but this disk */
  readonly isLone: () => boolean;
  /** whether a snapshot is being written to this disk */
  readonly isSnapshotUnderWay: () => boolean;
  /** A flush beside the loop is done: what follows from it is to be carried out. */
  readonly onFlushed: () => void;
  readonly fail: (error: Error) => void;
  readonly notice: (line: string) => void;
}

/** A flush on the event loop is fine while the disk answers within this. Milliseconds. */
const FLUSH_ON_LOOP_MS_MAX = 2;
/** A leader with few writes under way waits for a disk as fast as this. Milliseconds. */
const LONE_FLUSH_MS_MAX = 2;
/** How fast the measured flush time follows a disk that is as fast as it was, and one that has become slow. */
const FLUSH_AVERAGE_WEIGHT = 0.1;
const SLOWER_FLUSH_WEIGHT = 0.5;

export class Persistence {
  readonly #parts: PersistenceParts;
  readonly #fullDisk: FullDisk;
  /** a flush beside the loop is under way */
  #flushing = false;
  /** a flush found no room: not before the next attempt */
  #isFlushHeld = false;
  /** the newest Ready whose entries were appended but not handed to a flush */
  #unflushedPersistId = 0;
  #flushAverageMs = 0;
  #stopped = false;

  constructor(parts: PersistenceParts) {
    this.#parts = parts;
    this.#fullDisk = new FullDisk(parts.id);
  }

  /** Time of the last flushes, milliseconds, moving average; 0 before the first. */
  get flushAverageMs(): number {
    return this.#flushAverageMs;
  }

  /** Whether something waits for room on the disk. */
  get isFull(): boolean {
    return this.#fullDisk.isFull;
  }

  /** Why no write is taken; undefined when it is, or before the disk has been full for `graceMs`. */
  refusal(graceMs: number): DatabaseError | undefined {
    return this.#fullDisk.refusal(this.#parts.clock.now(), graceMs);
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** With every tick. */
  tick(): void {
    // Once a tick, not once a flush: it is a third write beside the block and its record.
    this.#parts.log.noteFlushed();
    if (!this.#fullDisk.isRetryDue(this.#parts.clock.now())) return;
    this.#isFlushHeld = false;
    this.#parts.raft.resumeWriting();
  }

  /**
   * Writes what `ready` asks for: the term is durable before any entry of it. What
   * finds no room comes again with a later Ready; until then this node has none of it.
   */
  write({ hardState, truncateFrom, entries }: Ready): void {
    const { log, raft } = this.#parts;
    if (hardState !== undefined) this.#parts.hardState.write(hardState);
    let isTruncated = truncateFrom === undefined;
    try {
      if (truncateFrom !== undefined) log.truncateSuffix(truncateFrom);
      isTruncated = true;
      if (entries.length > 0) log.append(entries);
    } catch (error) {
      if (!isShortage(error)) throw error;
      const written = LogIndex(log.lastIndex + 1);
      raft.notWritten(isTruncated ? written : (truncateFrom ?? written), isTruncated);
      this.#onShortage(error);
    }
  }

  /** Sees to it that `persisted` comes back when all of this Ready is flushed. */
  persist(ready: Pick<Ready, "persistId" | "entries">): void {
    if (ready.entries.length === 0 && this.#unflushedPersistId === 0 && !this.#flushing) {
      // Hard state and truncation are durable when their calls return.
      this.#parts.raft.persisted(ready.persistId);
      return;
    }
    this.#unflushedPersistId = ready.persistId;
    const isLeader = this.#parts.raft.role === "leader";
    if (isLeader || this.#flushing || !this.#mayFlushOnLoop(FLUSH_ON_LOOP_MS_MAX)) return;
    // A follower has nothing better to do than to wait for a fast disk.
    this.#flushOnLoop();
  }

  /** Flushes what was appended in this turn. @returns whether it is flushed already */
  flushAppended(): boolean {
    if (this.#stopped || this.#flushing || this.#unflushedPersistId === 0) return false;
    if (this.#isFlushHeld) return false;
    if (this.#parts.isLone() && this.#mayFlushOnLoop(LONE_FLUSH_MS_MAX)) return this.#flushOnLoop();
    this.#flushBesideLoop();
    return false;
  }

  /** At the end of a turn: whether what waited for room has found it. */
  lookForRoom(): void {
    if (!this.#fullDisk.isFull || this.#isFlushHeld || this.#parts.raft.isWritingHeld) return;
    this.#fullDisk.onRoom();
    this.#parts.notice("the disk has room again");
  }

  #mayFlushOnLoop(averageMsMax: number): boolean {
    if (this.#isFlushHeld || this.#parts.log.isRolling) return false;
    if (this.#parts.isSnapshotUnderWay()) return false;
    return this.#parts.flushesOnLoop && this.#flushAverageMs <= averageMsMax;
  }

  /** Without the two hand-overs to a thread and back. @returns whether it is flushed */
  #flushOnLoop(): boolean {
    const persistId = this.#unflushedPersistId;
    const startedAt = this.#parts.clock.now();
    try {
      this.#parts.log.flush();
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#holdFlush(error);
      return false;
    }
    this.#unflushedPersistId = 0;
    this.#measureFlush(startedAt);
    this.#parts.raft.persisted(persistId);
    return true;
  }

  #flushBesideLoop(): void {
    const persistId = this.#unflushedPersistId;
    this.#unflushedPersistId = 0;
    this.#flushing = true;
    const startedAt = this.#parts.clock.now();
    this.#parts.log.flushLater((error) => {
      this.#flushing = false;
      if (this.#stopped) return;
      if (isShortage(error)) {
        this.#unflushedPersistId ||= persistId;
        this.#holdFlush(error);
        return;
      }
      if (error !== undefined) {
        this.#parts.fail(error);
        return;
      }
      this.#measureFlush(startedAt);
      this.#parts.raft.persisted(persistId);
      this.#parts.onFlushed();
    });
  }

  /** Nothing was synced: the note before it found no room. */
  #holdFlush(shortage: Shortage): void {
    this.#isFlushHeld = true;
    this.#onShortage(shortage);
  }

  #onShortage(shortage: Shortage): void {
    const { clock, notice } = this.#parts;
    if (this.#fullDisk.onShortage(shortage, clock.now())) notice(shortage.message);
  }

  #measureFlush(startedAt: number): void {
    const took = this.#parts.clock.now() - startedAt;
    // One that would have held the loop for long is seldom alone.
    const weight = took > FLUSH_ON_LOOP_MS_MAX ? SLOWER_FLUSH_WEIGHT : FLUSH_AVERAGE_WEIGHT;
    this.#flushAverageMs += (took - this.#flushAverageMs) * weight;
  }
}
