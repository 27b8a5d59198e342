/**
 * Requests on their way: from the door until the log has decided about them.
 *
 * A write is in exactly one of these places:
 *
 *   queued      nobody was asked yet: provably not applied
 *   forwarded   sent to a leader that has not said where it put it
 *   placed      at a (term, index, position) of the log, here or at the leader
 *
 * What the log decides is final. The entry at `index` commits with the placed
 * term: the request was applied. It commits with another term, or a later term
 * commits below it: the request can never be applied, and goes back to the
 * queue. Only a write that is forwarded or placed when its time is up has an
 * unknown outcome.
 */
import { assert } from "../assert.js";
import { DatabaseError } from "../errors.js";
import type { LogIndex, Term } from "../raft/types.js";
import type { RequestResult } from "../store/command.js";
import { type PendingWrite, settle } from "./pending-write.js";
import { putBackInOrder } from "./write-order.js";
import { stoppingError } from "./stopping.js";

/** Writes that were taken from the queue's array before it is made anew. */
const QUEUE_DEAD_MAX = 4096;
/** Hashes are small integers, which a Map holds without more ado. */
const HASH_MASK = 0x3fffffff;
/** Bytes; a request without an id has 0. */
const REQUEST_ID_SIZE = 16;

/** Writes that were sent to a leader in one message. */
interface Forwarded {
  readonly id: number;
  readonly term: Term;
  /** in the order they were sent; holes where something is known already */
  readonly writes: (PendingWrite | undefined)[];
  openCount: number;
}

/** Where a request is found by its id. */
interface ForwardedPlace {
  readonly forwarded: Forwarded;
  readonly place: number;
  /** another one whose id has the same hash */
  next: ForwardedPlace | undefined;
}

interface Placement {
  readonly term: Term;
  /** of the first of `writes` in the entry */
  readonly position: number;
  /** one behind another; holes where nobody here waits */
  readonly writes: (PendingWrite | undefined)[];
}

export class Requests {
  /** First in, first out; a head index instead of shift(). */
  #queue: PendingWrite[] = [];
  #queueHead = 0;
  #queuedSize = 0;
  /** by this node's number for the forwarding */
  readonly #forwarded = new Map<number, Forwarded>();
  /** the same writes, by a hash of their requests' ids */
  readonly #forwardedPlaces = new Map<number, ForwardedPlace>();
  #forwardedCount = 0;
  #forwardedSize = 0;
  readonly #placed = new Map<LogIndex, Placement[]>();
  /** no deadline of a write that is not settled is before this */
  #deadlineMin = Infinity;

  get queuedSize(): number {
    return this.#queuedSize;
  }

  /** Bytes of writes that no block holds, as far as is known here: what may grow while a leader is slow, or away. */
  get unplacedSize(): number {
    return this.#queuedSize + this.#forwardedSize;
  }

  /** How many they are. */
  get unplacedCount(): number {
    return this.queuedCount + this.#forwardedCount;
  }

  get queuedCount(): number {
    return this.#queue.length - this.#queueHead;
  }

  enqueue(write: PendingWrite): void {
    this.#queue.push(write);
    this.#queuedSize += write.size;
    this.#noteDeadline(write);
  }

  #noteDeadline({ deadline }: PendingWrite): void {
    if (deadline < this.#deadlineMin) this.#deadlineMin = deadline;
  }

  /** How many writes were sent to a leader that has not said where it put them. */
  get forwardedCount(): number {
    return this.#forwardedCount;
  }

  /** Takes queued writes: at least one if there is one, then as many as stay within both bounds. */
  take(sizeMax: number, countMax: number): PendingWrite[] {
    const queue = this.#queue;
    const start = this.#queueHead;
    const end = Math.min(queue.length, start + countMax);
    let size = 0;
    let next = start;
    for (; next < end; next++) {
      const write = queue[next];
      assert(write !== undefined, "the queue is dense");
      if (next > start && size + write.size > sizeMax) break;
      size += write.size;
      if (write.orderPlace !== undefined) write.order?.take(write.orderPlace);
    }
    this.#queuedSize -= size;
    if (next === queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
      return start === 0 ? queue : queue.slice(start);
    }
    const taken = queue.slice(start, next);
    this.#queueHead = next;
    // More than half of the array is dead: one copy pays for as many steps as it removes.
    if (next > QUEUE_DEAD_MAX && 2 * next > queue.length) {
      this.#queue = queue.slice(next);
      this.#queueHead = 0;
    }
    return taken;
  }

  /** Puts writes back at the head of the queue, in their order; fails those that were overtaken (write-order.ts). */
  putBack(dead: readonly PendingWrite[]): void {
    if (dead.length === 0) return;
    const { waiting, overtaken } = putBackInOrder(dead);
    this.#putBackWaiting(waiting);
    for (const write of overtaken) settle(write, overtakenError(), undefined);
  }

  #putBackWaiting(writes: readonly PendingWrite[]): void {
    if (this.#queueHead >= writes.length) {
      this.#queueHead -= writes.length;
      writes.forEach((write, i) => (this.#queue[this.#queueHead + i] = write));
    } else {
      this.#queue = [...writes, ...this.#queue.slice(this.#queueHead)];
      this.#queueHead = 0;
    }
    for (const write of writes) {
      this.#queuedSize += write.size;
      this.#noteDeadline(write);
    }
  }

  /** @param term of the leader they were sent to, which places them in that term or not at all */
  forwarded(id: number, writes: readonly PendingWrite[], term: Term): void {
    const forwarded: Forwarded = { id, term, writes: [...writes], openCount: writes.length };
    this.#forwarded.set(id, forwarded);
    this.#forwardedCount += writes.length;
    writes.forEach((write, place) => {
      this.#forwardedSize += write.size;
      assert(write.request.id.length === REQUEST_ID_SIZE, "a forwarded request has an id");
      this.#noteDeadline(write);
      const hash = hashOf(write.request.id, 0);
      const next = this.#forwardedPlaces.get(hash);
      this.#forwardedPlaces.set(hash, { forwarded, place, next });
    });
  }

  /**
   * Forwarded writes that stand one behind another, for something is known of them
   * now; holes for those that are settled.
   */
  takeForwardedRun(id: number, first: number, count: number): (PendingWrite | undefined)[] {
    const forwarded = this.#forwarded.get(id);
    if (forwarded === undefined) return [];
    const end = Math.min(first + count, forwarded.writes.length);
    const run: (PendingWrite | undefined)[] = [];
    for (let place = first; place < end; place++) run.push(this.#takePlace(forwarded, place));
    return run;
  }

  /**
   * A forwarded write by its request's id, the 16 bytes at `offset`: the log brought
   * it before the leader's word did.
   */
  takeForwarded(bytes: Uint8Array, offset: number): PendingWrite | undefined {
    let found = this.#forwardedPlaces.get(hashOf(bytes, offset));
    for (; found !== undefined; found = found.next) {
      const id = found.forwarded.writes[found.place]?.request.id;
      if (id !== undefined && isSameId(id, bytes, offset)) {
        return this.#takePlace(found.forwarded, found.place);
      }
    }
    return undefined;
  }

  #takePlace(forwarded: Forwarded, place: number): PendingWrite | undefined {
    const write = forwarded.writes[place];
    if (write === undefined) return undefined;
    forwarded.writes[place] = undefined;
    forwarded.openCount -= 1;
    this.#forwardedCount -= 1;
    this.#forwardedSize -= write.size;
    if (forwarded.openCount === 0) this.#forwarded.delete(forwarded.id);
    this.#forgetPlace(hashOf(write.request.id, 0), forwarded, place);
    return write;
  }

  #forgetPlace(hash: number, forwarded: Forwarded, place: number): void {
    let before: ForwardedPlace | undefined;
    let found = this.#forwardedPlaces.get(hash);
    while (found !== undefined && (found.forwarded !== forwarded || found.place !== place)) {
      before = found;
      found = found.next;
    }
    assert(found !== undefined, "a forwarded write is found by its id");
    if (before !== undefined) before.next = found.next;
    else if (found.next !== undefined) this.#forwardedPlaces.set(hash, found.next);
    else this.#forwardedPlaces.delete(hash);
  }

  /** @returns all writes of one forwarding that nothing is known of */
  #takeAll(forwarded: Forwarded): PendingWrite[] {
    const { id, writes } = forwarded;
    return this.takeForwardedRun(id, 0, writes.length).filter((write) => write !== undefined);
  }

  /** Writes that stand one behind another in an entry, the first at `position`. */
  placed(index: LogIndex, term: Term, writes: (PendingWrite | undefined)[], position = 0): void {
    for (const write of writes) if (write !== undefined) this.#noteDeadline(write);
    const placements = this.#placed.get(index);
    const placement: Placement = { term, position, writes };
    if (placements === undefined) this.#placed.set(index, [placement]);
    else placements.push(placement);
  }

  /**
   * Who waits for the requests of the entry at `index` if it is of `term`, by
   * position; undefined when nobody here does.
   */
  waitingAt(index: LogIndex, term: Term): readonly (PendingWrite | undefined)[] | undefined {
    const placements = this.#placed.get(index);
    if (placements === undefined) return undefined;
    const here = placements.filter((placement) => placement.term === term);
    const [first] = here;
    // A leader's own: all of them in one piece.
    if (here.length === 1 && first?.position === 0) return first.writes;
    if (here.length === 0) return undefined;
    const end = Math.max(...here.map(({ position, writes }) => position + writes.length));
    const waiting = new Array<PendingWrite | undefined>(end).fill(undefined);
    for (const { position, writes } of here) {
      writes.forEach((write, i) => (waiting[position + i] = write));
    }
    return waiting;
  }

  /**
   * The entry at `index` was applied with these results, wanted where somebody waits.
   * @returns writes that were placed there in another term: provably not applied
   */
  applied(
    index: LogIndex,
    term: Term,
    results: readonly (RequestResult | undefined)[],
  ): PendingWrite[] {
    const placements = this.#placed.get(index);
    if (placements === undefined) return [];
    this.#placed.delete(index);
    const dead: PendingWrite[] = [];
    for (const placement of placements) {
      placement.writes.forEach((write, i) => {
        if (write === undefined) return;
        const result = results[placement.position + i];
        if (placement.term !== term) dead.push(write);
        else if (result !== undefined) settle(write, undefined, result);
        // Its leader said so, and the entry holds fewer: nothing it said is proof.
        else settle(write, unknownOutcome(write), undefined);
      });
    }
    return dead;
  }

  /**
   * An entry of `term` was applied at `index`. Terms never fall along a log: what
   * was placed further on in an earlier term is provably not applied, and neither
   * is what was sent to a leader of an earlier term and has not been seen yet.
   */
  supersededBy(index: LogIndex, term: Term): PendingWrite[] {
    const dead: PendingWrite[] = [];
    for (const forwarded of this.#forwarded.values()) {
      // Whatever became of it there, it is not below `index`, or it would have been recognised.
      if (forwarded.term >= term) continue;
      for (const write of this.#takeAll(forwarded)) dead.push(write);
    }
    for (const [placedIndex, placements] of this.#placed) {
      if (placedIndex <= index) continue;
      const alive = placements.filter((placement) => placement.term >= term);
      if (alive.length === placements.length) continue;
      for (const placement of placements) {
        if (placement.term >= term) continue;
        for (const write of placement.writes) if (write !== undefined) dead.push(write);
      }
      if (alive.length === 0) this.#placed.delete(placedIndex);
      else this.#placed.set(placedIndex, alive);
    }
    return dead;
  }

  /**
   * A snapshot took the state to `index`: whatever was decided up to there was not
   * seen here, and what was forwarded before may be among it.
   */
  skippedTo(index: LogIndex): void {
    this.#settleForwarded();
    for (const [placedIndex, placements] of this.#placed) {
      if (placedIndex > index) continue;
      this.#placed.delete(placedIndex);
      for (const { writes } of placements) {
        for (const write of writes) {
          if (write !== undefined) settle(write, unknownOutcome(write), undefined);
        }
      }
    }
  }

  /** Nothing will be known of them here. */
  #settleForwarded(): void {
    for (const forwarded of this.#forwarded.values()) {
      for (const write of this.#takeAll(forwarded)) {
        settle(write, unknownOutcome(write), undefined);
      }
    }
  }

  /** Fails what is past its deadline: queued writes provably, the others with an unknown outcome. */
  expire(now: number, leaderKnown: boolean): void {
    // Most looks find nothing due: only then is every write looked at.
    if (now < this.#deadlineMin) return;
    this.#expireQueue(now, leaderKnown);
    let deadlineMin = Infinity;
    for (const forwarded of this.#forwarded.values()) {
      forwarded.writes.forEach((write, place) => {
        if (write === undefined) return;
        if (write.deadline > now) {
          deadlineMin = Math.min(deadlineMin, write.deadline);
          return;
        }
        this.#takePlace(forwarded, place);
        settle(write, unknownOutcome(write), undefined);
      });
    }
    for (const placements of this.#placed.values()) {
      for (const placement of placements) {
        placement.writes.forEach((write, position) => {
          if (write === undefined) return;
          if (write.deadline > now) {
            deadlineMin = Math.min(deadlineMin, write.deadline);
            return;
          }
          placement.writes[position] = undefined;
          settle(write, unknownOutcome(write), undefined);
        });
      }
    }
    // Whoever was told may have asked anew.
    for (let i = this.#queueHead; i < this.#queue.length; i++) {
      deadlineMin = Math.min(deadlineMin, this.#queue[i]?.deadline ?? Infinity);
    }
    this.#deadlineMin = deadlineMin;
  }

  #expireQueue(now: number, leaderKnown: boolean): void {
    const queued = this.#queue.slice(this.#queueHead);
    if (!queued.some((write) => write.deadline <= now)) return;
    this.#queue = [];
    this.#queueHead = 0;
    this.#queuedSize = 0;
    const due: PendingWrite[] = [];
    for (const write of queued) {
      if (write.deadline > now) this.enqueue(write);
      else due.push(write);
    }
    // Whoever is told may write at once, and comes behind all who wait already.
    for (const write of due) settle(write, notApplied(leaderKnown), undefined);
  }

  /** The node is going down: queued writes were never sent; the others may live on. */
  close(): void {
    for (const write of this.take(Infinity, Infinity)) {
      settle(write, stoppingError(), undefined);
    }
    this.#settleForwarded();
    for (const placements of this.#placed.values()) {
      for (const { writes } of placements) {
        for (const write of writes) {
          if (write !== undefined) settle(write, unknownOutcome(write), undefined);
        }
      }
    }
    this.#placed.clear();
  }

  /** Whether more than `count` writes are neither queued nor settled. */
  hasMoreOpenThan(count: number): boolean {
    let open = this.#forwardedCount;
    for (const placements of this.#placed.values()) {
      for (const { writes } of placements) open += writes.length;
      if (open > count) return true;
    }
    return open > count;
  }
}

/** Of the 16 bytes at `offset`; the last ones are those that count up. */
function hashOf(bytes: Uint8Array, offset: number): number {
  let hash = 0;
  for (let i = offset + 6; i < offset + REQUEST_ID_SIZE; i++) {
    hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) & HASH_MASK;
  }
  return hash;
}

function isSameId(id: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < REQUEST_ID_SIZE; i++) if (id[i] !== bytes[offset + i]) return false;
  return true;
}

function unknownOutcome(write: PendingWrite): DatabaseError {
  const requestId = Buffer.from(write.request.id).toString("hex");
  const name = requestId === "" ? "the request carries no id" : `request ${requestId}`;
  return new DatabaseError(
    "OUTCOME_UNKNOWN",
    `no majority answered in time: the write may or may not be applied (${name})`,
    { requestId: requestId === "" ? undefined : requestId },
  );
}

function overtakenError(): DatabaseError {
  return new DatabaseError(
    "BUSY",
    "the leader changed, and a later request of this connection went first: this one was not applied, try again",
  );
}

function notApplied(leaderKnown: boolean): DatabaseError {
  return leaderKnown
    ? new DatabaseError("BUSY", "the leader has too much waiting: nothing was applied, try again")
    : new DatabaseError("NO_LEADER", "no leader is known: nothing was applied, try again");
}
