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
import { stoppingError } from "./stopping.js";

/** Reads that go on together. Two rows instead of an object a read: there may be many. */
class ReadGroup {
  dones: ReadDone[] = [];
  deadlines: number[] = [];
  /** of the deadlines */
  earliest = Infinity;

  get count(): number {
    return this.dones.length;
  }

  add(deadline: number, done: ReadDone): void {
    this.dones.push(done);
    this.deadlines.push(deadline);
    if (deadline < this.earliest) this.earliest = deadline;
  }

  addAll(other: ReadGroup): void {
    other.dones.forEach((done, at) => {
      this.add(other.deadlines[at] ?? 0, done);
    });
  }

  /** Takes out what is past its deadline. */
  takeDue(now: number, due: ReadDone[]): void {
    if (this.earliest > now) return;
    const { dones, deadlines } = this;
    this.dones = [];
    this.deadlines = [];
    this.earliest = Infinity;
    dones.forEach((done, at) => {
      const deadline = deadlines[at] ?? 0;
      if (deadline <= now) due.push(done);
      else this.add(deadline, done);
    });
  }
}

interface Round {
  readonly reads: ReadGroup;
  readonly askedAt: number;
}

interface IndexedReads {
  readonly index: LogIndex;
  readonly reads: ReadGroup;
}

export class Reads {
  #waiting = new ReadGroup();
  #nextContext = 1;
  /** by context, in the order of asking */
  readonly #asked = new Map<number, Round>();
  /** read index known, not applied yet; in no order */
  #indexed: IndexedReads[] = [];

  get waitingCount(): number {
    return this.#waiting.count;
  }

  /** How many reads wait for an answer that was asked for at `since` or later. */
  askedSince(since: number): number {
    let count = 0;
    for (const { reads, askedAt } of this.#asked.values()) {
      if (askedAt >= since) count += reads.count;
    }
    return count;
  }

  add(deadline: number, done: ReadDone): void {
    this.#waiting.add(deadline, done);
  }

  /** Moves all waiting reads under a fresh context; undefined when none wait. */
  ask(now: number): number | undefined {
    if (this.#waiting.count === 0) return undefined;
    const context = this.#nextContext;
    this.#nextContext += 1;
    this.#asked.set(context, { reads: this.#waiting, askedAt: now });
    this.#waiting = new ReadGroup();
    return context;
  }

  /** The core gave up on a context: its reads wait again. */
  refused(context: number): void {
    const round = this.#asked.get(context);
    if (round === undefined) return;
    this.#asked.delete(context);
    this.#waiting.addAll(round.reads);
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
    const groups = this.#indexed;
    this.#indexed = groups.filter(({ index }) => index > appliedIndex);
    for (const { index, reads } of groups) {
      if (index > appliedIndex) continue;
      for (const done of reads.dones) done(undefined, store);
    }
  }

  /** Fails what nobody was asked for yet. */
  refuseWaiting(refusal: DatabaseError): void {
    const { dones } = this.#waiting;
    this.#waiting = new ReadGroup();
    for (const done of dones) done(refusal, undefined);
  }

  /** Fails what is past its deadline; a read has no effect to be unsure of. */
  expire(now: number, leaderKnown: boolean): void {
    const due: ReadDone[] = [];
    this.#waiting.takeDue(now, due);
    for (const [context, { reads }] of this.#asked) {
      reads.takeDue(now, due);
      if (reads.count === 0) this.#asked.delete(context);
    }
    for (const { reads } of this.#indexed) reads.takeDue(now, due);
    if (due.length === 0) return;
    const error = leaderKnown
      ? new DatabaseError("TIMEOUT", "the read was not confirmed by a majority in time")
      : new DatabaseError("NO_LEADER", "no leader is known: try again");
    for (const done of due) done(error, undefined);
  }

  close(): void {
    const error = stoppingError();
    const groups = [
      this.#waiting,
      ...[...this.#asked.values()].map(({ reads }) => reads),
      ...this.#indexed.map(({ reads }) => reads),
    ];
    this.#waiting = new ReadGroup();
    this.#asked.clear();
    this.#indexed = [];
    for (const { dones } of groups) for (const done of dones) done(error, undefined);
    assert(this.#waiting.count === 0, "a closing node takes no reads");
  }
}
