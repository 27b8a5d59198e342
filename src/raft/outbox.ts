/**
 * Outbox: what may leave, and what waits for the disk.
 *
 * "Before responding to RPCs, a server updates its persistent state" (Raft Fig.
 * 2). Each message is queued with what it claims: the term (and vote) always,
 * and for an append result the index it says is flushed. It is released when
 * the disk has spoken of both. A pre-vote claims nothing and leaves at once.
 *
 * Invariants kept here: nothing held outlives its term, and however long the disk
 * takes and often a peer asks, a word that waits is there once.
 */
import type { Envelope, Message } from "./message.js";
import type { HardState, LogIndex, NodeId } from "./types.js";

interface Held {
  readonly envelope: Envelope;
  /** the log must be flushed up to here */
  readonly index: LogIndex;
}

interface HardStateFlush {
  readonly persistId: number;
  readonly hardState: HardState;
}

export class Outbox {
  #current: HardState;
  #flushed: HardState;
  #isChanged = false;
  readonly #flushes: HardStateFlush[] = [];
  #held: Held[] = [];
  #released: Envelope[] = [];

  /** @param hardState as on disk */
  constructor(hardState: HardState) {
    this.#current = hardState;
    this.#flushed = hardState;
  }

  get hardState(): HardState {
    return this.#current;
  }

  /** Whether term and vote are on disk as they are in memory. */
  get isHardStateFlushed(): boolean {
    return this.#flushed.term === this.#current.term && this.#flushed.vote === this.#current.vote;
  }

  get hasHardStateChange(): boolean {
    return this.#isChanged;
  }

  get hasReleased(): boolean {
    return this.#released.length > 0;
  }

  /** Term or vote changed. What was held for an earlier term is stale, and dropped. */
  setHardState(hardState: HardState): void {
    if (hardState.term > this.#current.term) this.#held = [];
    this.#current = hardState;
    this.#isChanged = true;
  }

  takeHardStateChange(persistId: number): HardState | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    this.#flushes.push({ persistId, hardState: this.#current });
    return this.#current;
  }

  /** Queues a message that claims the own term, and that the log is flushed up to `index`. */
  send(to: NodeId, message: Message, index: LogIndex, flushedIndex: LogIndex): void {
    const envelope = { to, message };
    if (this.isHardStateFlushed && index <= flushedIndex) this.#released.push(envelope);
    else this.#hold({ envelope, index });
  }

  /** Takes the place of an older one that says the same: to the same peer, of the same kind, as far flushed. */
  #hold(held: Held): void {
    const { to, message } = held.envelope;
    const older = this.#held.findLastIndex(
      ({ envelope, index }) =>
        index === held.index && envelope.to === to && envelope.message.kind === message.kind,
    );
    // Each question of a read has an answer of its own.
    if (older === -1 || message.kind === "readIndexResult") this.#held.push(held);
    else this.#held[older] = held;
  }

  /** Queues a message that claims nothing. */
  sendAtOnce(to: NodeId, message: Message): void {
    this.#released.push({ to, message });
  }

  /** Flush `persistId` and every earlier one are done, and the log is flushed up to `flushedIndex`. */
  persisted(persistId: number, flushedIndex: LogIndex): void {
    let done = 0;
    for (const flush of this.#flushes) {
      if (flush.persistId > persistId) break;
      done += 1;
      this.#flushed = flush.hardState;
    }
    this.#flushes.splice(0, done);
    if (this.#held.length === 0 || !this.isHardStateFlushed) return;
    const stillHeld: Held[] = [];
    for (const held of this.#held) {
      if (held.index <= flushedIndex) this.#released.push(held.envelope);
      else stillHeld.push(held);
    }
    this.#held = stillHeld;
  }

  takeReleased(): readonly Envelope[] {
    const released = this.#released;
    this.#released = [];
    return released;
  }

  /** Forgets everything: the node has stopped. */
  clear(): void {
    this.#held = [];
    this.#released = [];
  }
}
