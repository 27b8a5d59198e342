/**
 * Linearizable reads on their way (thesis §6.4): waiting for a read index, then
 * for the state machine to reach it.
 *
 * All reads of one turn share one context. A context that was refused or lost is
 * never used again: its reads ask anew under a fresh one, until their deadline.
 */
import { assert } from "../assert.js";
import { DatabaseError } from "../errors.js";
import type { LogIndex } from "../raft/types.js";
import type { ReadDone, StoreView } from "./service.js";

interface PendingRead {
  readonly deadline: number;
  readonly done: ReadDone;
}

interface Round {
  readonly reads: PendingRead[];
  readonly askedAt: number;
}

interface IndexedReads {
  readonly index: LogIndex;
  readonly reads: readonly PendingRead[];
}

export class Reads {
  #waiting: PendingRead[] = [];
  #nextContext = 1;
  /** by context, in the order of asking */
  readonly #asked = new Map<number, Round>();
  /** read index known, not applied yet; in no order */
  #indexed: IndexedReads[] = [];

  get waitingCount(): number {
    return this.#waiting.length;
  }

  add(deadline: number, done: ReadDone): void {
    this.#waiting.push({ deadline, done });
  }

  /** Moves all waiting reads under a fresh context; undefined when none wait. */
  ask(now: number): number | undefined {
    if (this.#waiting.length === 0) return undefined;
    const context = this.#nextContext;
    this.#nextContext += 1;
    this.#asked.set(context, { reads: this.#waiting, askedAt: now });
    this.#waiting = [];
    return context;
  }

  /** The core gave up on a context: its reads wait again. */
  refused(context: number): void {
    const round = this.#asked.get(context);
    if (round === undefined) return;
    this.#asked.delete(context);
    this.#waiting.push(...round.reads);
  }

  /** Contexts asked before `before` without an answer: lost on the way. Their reads wait again. */
  giveUpOlderThan(before: number): void {
    for (const [context, round] of this.#asked) {
      if (round.askedAt < before) this.refused(context);
    }
  }

  /** The core vouches that everything acknowledged before the asking is within `index`. */
  granted(context: number, index: LogIndex): void {
    const round = this.#asked.get(context);
    if (round === undefined) return;
    this.#asked.delete(context);
    this.#indexed.push({ index, reads: round.reads });
  }

  /** Serves every read whose index is applied. */
  serve(appliedIndex: LogIndex, store: StoreView): void {
    if (this.#indexed.length === 0) return;
    const later: IndexedReads[] = [];
    const due: PendingRead[] = [];
    for (const group of this.#indexed) {
      if (group.index <= appliedIndex) due.push(...group.reads);
      else later.push(group);
    }
    this.#indexed = later;
    for (const read of due) read.done(undefined, store);
  }

  /** Fails what is past its deadline; a read has no effect to be unsure of. */
  expire(now: number, leaderKnown: boolean): void {
    if (this.#waiting.length + this.#asked.size + this.#indexed.length === 0) return;
    const error = leaderKnown
      ? new DatabaseError("TIMEOUT", "the read was not confirmed by a majority in time")
      : new DatabaseError("NO_LEADER", "no leader is known: try again");
    const isDue = (read: PendingRead): boolean => read.deadline <= now;
    const due: PendingRead[] = this.#waiting.filter(isDue);
    if (due.length > 0) this.#waiting = this.#waiting.filter((read) => !isDue(read));
    for (const [context, round] of this.#asked) {
      if (!round.reads.some(isDue)) continue;
      due.push(...round.reads.filter(isDue));
      const rest = round.reads.filter((read) => !isDue(read));
      if (rest.length === 0) this.#asked.delete(context);
      else this.#asked.set(context, { reads: rest, askedAt: round.askedAt });
    }
    if (this.#indexed.some((group) => group.reads.some(isDue))) {
      due.push(...this.#indexed.flatMap((group) => group.reads.filter(isDue)));
      this.#indexed = this.#indexed
        .map((group) => ({ ...group, reads: group.reads.filter((read) => !isDue(read)) }))
        .filter((group) => group.reads.length > 0);
    }
    for (const read of due) read.done(error, undefined);
  }

  close(): void {
    const error = new DatabaseError("CLOSED", "the node is stopping");
    const all = [
      ...this.#waiting,
      ...[...this.#asked.values()].flatMap((round) => round.reads),
      ...this.#indexed.flatMap((group) => group.reads),
    ];
    this.#waiting = [];
    this.#asked.clear();
    this.#indexed = [];
    for (const read of all) read.done(error, undefined);
    assert(this.#waiting.length === 0, "a closing node takes no reads");
  }
}
