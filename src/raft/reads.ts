/**
 * Reads that wait: in rounds at a leader, in questions at a follower.
 *
 * The bookkeeping of ReadIndex; read-index.ts holds the algorithm. Round numbers
 * are drawn here and never reused, and contexts of callers never travel: what
 * travels is a number drawn by this incarnation of the node, so that an answer
 * to its life before a crash cannot be taken for one to this life.
 *
 * Invariant kept here: every context given in comes out exactly once, ready or
 * refused.
 */
import { assert } from "../assert.js";
import { LogIndex } from "./types.js";
import type { Envelope } from "./message.js";
import type { ReadState } from "./ready.js";
import type { NodeId, Term } from "./types.js";

/** A follower's question, waiting at the leader. */
interface RemoteRead {
  readonly from: NodeId;
  readonly context: number;
}

/** Reads that share one confirmation. */
interface Round {
  readonly round: number;
  /** the commit index when the round began */
  readonly index: LogIndex;
  readonly local: readonly number[];
  readonly remote: readonly RemoteRead[];
}

/** Reads that a follower asked its leader for in one message. */
interface Forwarded {
  readonly contexts: readonly number[];
  ticksWaiting: number;
}

/** 2^20 batches fit between two incarnations' ranges; sums stay below 2^52. */
const CONTEXT_RANGE = 2 ** 20;
const CONTEXT_RANGE_COUNT = 2 ** 32;

export class Reads {
  /** contexts asked here since the last round or forwarding */
  #local: number[] = [];
  #remote: RemoteRead[] = [];
  /** for how long the oldest of them has been waiting for the leader's first commit */
  #ticksWaiting = 0;
  #rounds: Round[] = [];
  #lastRound = 0;
  /** when the rounds that are not confirmed yet were sent; only with leases */
  #stamps: { readonly round: number; readonly sentAt: number }[] = [];
  #leaseStart = -Infinity;
  #forwarded = new Map<number, Forwarded>();
  #nextContext: number;
  #ready: ReadState[] = [];
  #refused: number[] = [];

  constructor(random: () => number) {
    this.#nextContext = Math.floor(random() * CONTEXT_RANGE_COUNT) * CONTEXT_RANGE;
  }

  /** The newest round, 0 before the first. */
  get lastRound(): number {
    return this.#lastRound;
  }

  /** The first round that waits for echoes. */
  get oldestRound(): number | undefined {
    return this.#rounds[0]?.round;
  }

  /** When the newest beat that a majority has echoed was sent, milliseconds of the driver's clock. */
  get leaseStart(): number {
    return this.#leaseStart;
  }

  /** A beat leaves at `now`: a round of its own, for the lease. */
  stampRound(now: number): void {
    this.#lastRound += 1;
    this.#stamps.push({ round: this.#lastRound, sentAt: now });
  }

  /** The process stood still: no beat sent before says anything about now. */
  voidLease(): void {
    this.#stamps = [];
    this.#leaseStart = -Infinity;
  }

  get hasWaiting(): boolean {
    return this.#local.length > 0 || this.#remote.length > 0;
  }

  /** Whether a leader waits for echoes. */
  get hasRounds(): boolean {
    return this.#rounds.length > 0 || this.#stamps.length > 0;
  }

  get hasAnswers(): boolean {
    return this.#ready.length > 0 || this.#refused.length > 0;
  }

  addLocal(context: number): void {
    this.#local.push(context);
  }

  addRemote(from: NodeId, context: number): void {
    this.#remote.push({ from, context });
  }

  refuse(contexts: readonly number[]): void {
    for (const context of contexts) this.#refused.push(context);
  }

  /** Leader: gives all waiting reads a new round, to be confirmed by a quorum from now on. */
  startRound(index: LogIndex): void {
    assert(this.hasWaiting, "a round has reads");
    this.#lastRound += 1;
    this.#rounds.push({
      round: this.#lastRound,
      index,
      local: this.#local,
      remote: this.#remote,
    });
    this.#local = [];
    this.#remote = [];
    this.#ticksWaiting = 0;
  }

  /** Leader: a majority has echoed `round`: the lease begins when that beat was sent. */
  renewLease(round: number): void {
    let stamped = 0;
    for (const { round: sent, sentAt } of this.#stamps) {
      if (sent > round) break;
      stamped += 1;
      this.#leaseStart = sentAt;
    }
    this.#stamps.splice(0, stamped);
  }

  /** Leader: rounds up to `round` may be answered. @returns the answers that followers wait for */
  confirm(id: NodeId, term: Term, round: number): Envelope[] {
    const answers: Envelope[] = [];
    let done = 0;
    for (const confirmed of this.#rounds) {
      if (confirmed.round > round) break;
      done += 1;
      const { index } = confirmed;
      for (const context of confirmed.local) this.#ready.push({ context, index });
      for (const { from, context } of confirmed.remote) {
        const kind = "readIndexResult";
        answers.push({
          to: from,
          message: { kind, from: id, term, context, granted: true, index },
        });
      }
    }
    this.#rounds.splice(0, done);
    return answers;
  }

  /** Follower: gathers all waiting reads into one question. @returns its context */
  forward(): number {
    assert(this.#local.length > 0, "a question has reads");
    const context = this.#nextContext;
    this.#nextContext += 1;
    this.#forwarded.set(context, { contexts: this.#local, ticksWaiting: 0 });
    this.#local = [];
    return context;
  }

  /** Follower: the leader answered; undefined is a refusal. Unknown contexts are late or repeated answers. */
  onAnswer(context: number, index: LogIndex | undefined): void {
    const forwarded = this.#forwarded.get(context);
    if (forwarded === undefined) return;
    this.#forwarded.delete(context);
    if (index === undefined) this.refuse(forwarded.contexts);
    else for (const read of forwarded.contexts) this.#ready.push({ context: read, index });
  }

  /**
   * Leader: one tick passed. When the first commit of its term takes `ticksMax`, as
   * with full disks, whoever waits for it asks anew: what waits is bounded by what
   * is asked in that time. @returns the refusals that followers get
   */
  tickWaiting(id: NodeId, term: Term, ticksMax: number): Envelope[] {
    this.#ticksWaiting = this.hasWaiting ? this.#ticksWaiting + 1 : 0;
    return this.#ticksWaiting < ticksMax ? [] : this.#refuseWaiting(id, term);
  }

  /** Follower: one tick passed; a question unanswered for `ticksMax` was lost. */
  tick(ticksMax: number): void {
    for (const [context, forwarded] of this.#forwarded) {
      forwarded.ticksWaiting += 1;
      if (forwarded.ticksWaiting >= ticksMax) this.onAnswer(context, undefined);
    }
  }

  /** Follower: the way to the leader broke. */
  refuseForwarded(): void {
    for (const context of this.#forwarded.keys()) this.onAnswer(context, undefined);
  }

  /** Refuses all that waits here: role, term or leader changed. @returns the refusals that followers get */
  abandon(id: NodeId, term: Term): Envelope[] {
    this.refuseForwarded();
    this.voidLease();
    const remote = this.#rounds.flatMap((round) => round.remote);
    for (const round of this.#rounds) this.refuse(round.local);
    this.#rounds = [];
    const refusals = remote.map(({ from, context }) => refusal(id, term, from, context));
    return [...refusals, ...this.#refuseWaiting(id, term)];
  }

  #refuseWaiting(id: NodeId, term: Term): Envelope[] {
    const remote = this.#remote;
    this.refuse(this.#local);
    this.#local = [];
    this.#remote = [];
    this.#ticksWaiting = 0;
    return remote.map(({ from, context }) => refusal(id, term, from, context));
  }

  takeReady(): readonly ReadState[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  takeRefused(): readonly number[] {
    const refused = this.#refused;
    this.#refused = [];
    return refused;
  }
}

/** "I am not a leader that can answer." */
export function refusal(id: NodeId, term: Term, to: NodeId, context: number): Envelope {
  const index = LogIndex(0);
  const kind = "readIndexResult";
  return { to, message: { kind, from: id, term, context, granted: false, index } };
}
