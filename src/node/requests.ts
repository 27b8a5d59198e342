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
import type { LogIndex, NodeId, Term } from "../raft/types.js";
import type { Request, RequestResult } from "../store/command.js";
import type { ExecuteDone, Needs } from "./service.js";

/** Bytes; a request without an id has 0. */
const REQUEST_ID_SIZE = 16;

/** A write and whoever waits for it. */
export interface PendingWrite {
  readonly request: Request;
  /** bytes of keys and values, for the bounds */
  readonly size: number;
  /** by Clock.now */
  readonly deadline: number;
  /** of the result; what a relayed write needs is its own node's affair */
  readonly needs: Needs;
  /** a client's request forwarded by a peer has no `done`: the peer watches the log itself */
  done: ExecuteDone | undefined;
}

interface Forwarded {
  readonly write: PendingWrite;
  readonly term: Term;
}

interface Placement {
  readonly term: Term;
  /** by position in the entry; holes where nobody here waits */
  readonly writes: (PendingWrite | undefined)[];
}

export class Requests {
  /** First in, first out; a head index instead of shift(). */
  #queue: PendingWrite[] = [];
  #queueHead = 0;
  #queuedSize = 0;
  /** by this node's number for the forwarding */
  readonly #forwarded = new Map<number, Forwarded>();
  /** the same, by request id as latin1 text */
  readonly #forwardIds = new Map<string, number>();
  readonly #placed = new Map<LogIndex, Placement[]>();

  get queuedSize(): number {
    return this.#queuedSize;
  }

  get queuedCount(): number {
    return this.#queue.length - this.#queueHead;
  }

  enqueue(write: PendingWrite): void {
    this.#queue.push(write);
    this.#queuedSize += write.size;
  }

  /** Takes queued writes: at least one if there is one, then as many as stay within both bounds. */
  take(sizeMax: number, countMax: number): PendingWrite[] {
    const taken: PendingWrite[] = [];
    let size = 0;
    while (this.#queueHead < this.#queue.length && taken.length < countMax) {
      const write = this.#queue[this.#queueHead];
      assert(write !== undefined, "the queue is dense");
      if (taken.length > 0 && size + write.size > sizeMax) break;
      taken.push(write);
      size += write.size;
      this.#queueHead += 1;
    }
    this.#queuedSize -= size;
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead > 4096) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    return taken;
  }

  /** Puts writes back at the head of the queue, in their order. */
  putBack(writes: readonly PendingWrite[]): void {
    if (writes.length === 0) return;
    this.#queue = [...writes, ...this.#queue.slice(this.#queueHead)];
    this.#queueHead = 0;
    for (const write of writes) this.#queuedSize += write.size;
  }

  /** @param term of the leader it was sent to, which places it in that term or not at all */
  forwarded(forwardId: number, write: PendingWrite, term: Term): void {
    assert(write.request.id.length === REQUEST_ID_SIZE, "a forwarded request has an id");
    this.#forwarded.set(forwardId, { write, term });
    this.#forwardIds.set(requestKey(write.request.id), forwardId);
  }

  /** A forwarded write that nothing is known of yet; undefined when it is settled. */
  takeForwardedById(forwardId: number): PendingWrite | undefined {
    const forwarded = this.#forwarded.get(forwardId);
    if (forwarded === undefined) return undefined;
    this.#forwarded.delete(forwardId);
    this.#forwardIds.delete(requestKey(forwarded.write.request.id));
    return forwarded.write;
  }

  /** The same, by its request's id: the log brought it before the leader's word did. */
  takeForwarded(requestId: Uint8Array): PendingWrite | undefined {
    if (this.#forwarded.size === 0 || requestId.length !== REQUEST_ID_SIZE) return undefined;
    const forwardId = this.#forwardIds.get(requestKey(requestId));
    return forwardId === undefined ? undefined : this.takeForwardedById(forwardId);
  }

  /** Writes that stand in one entry, by position. */
  placed(index: LogIndex, term: Term, writes: (PendingWrite | undefined)[]): void {
    const placements = this.#placed.get(index);
    const placement: Placement = { term, writes };
    if (placements === undefined) this.#placed.set(index, [placement]);
    else placements.push(placement);
  }

  /**
   * The entry at `index` was applied with these results.
   * @returns writes that were placed there in another term: provably not applied
   */
  applied(index: LogIndex, term: Term, results: readonly RequestResult[]): PendingWrite[] {
    const placements = this.#placed.get(index);
    if (placements === undefined) return [];
    this.#placed.delete(index);
    const dead: PendingWrite[] = [];
    for (const placement of placements) {
      placement.writes.forEach((write, position) => {
        if (write === undefined) return;
        if (placement.term === term) settle(write, undefined, results[position]);
        else dead.push(write);
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
    for (const [forwardId, forwarded] of this.#forwarded) {
      // Whatever became of it there, it is not below `index`, or it would have been recognised.
      if (forwarded.term >= term) continue;
      const write = this.takeForwardedById(forwardId);
      if (write !== undefined) dead.push(write);
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
    for (const [forwardId, { write }] of this.#forwarded) {
      this.takeForwardedById(forwardId);
      settle(write, unknownOutcome(write), undefined);
    }
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

  /** Fails what is past its deadline: queued writes provably, the others with an unknown outcome. */
  expire(now: number, leaderKnown: boolean): void {
    this.#expireQueue(now, leaderKnown);
    for (const [forwardId, { write }] of this.#forwarded) {
      if (write.deadline > now) continue;
      this.takeForwardedById(forwardId);
      settle(write, unknownOutcome(write), undefined);
    }
    for (const placements of this.#placed.values()) {
      for (const placement of placements) {
        placement.writes.forEach((write, position) => {
          if (write === undefined || write.deadline > now) return;
          placement.writes[position] = undefined;
          settle(write, unknownOutcome(write), undefined);
        });
      }
    }
  }

  #expireQueue(now: number, leaderKnown: boolean): void {
    const queued = this.#queue.slice(this.#queueHead);
    if (!queued.some((write) => write.deadline <= now)) return;
    this.#queue = [];
    this.#queueHead = 0;
    this.#queuedSize = 0;
    for (const write of queued) {
      if (write.deadline > now) this.enqueue(write);
      else settle(write, notApplied(leaderKnown), undefined);
    }
  }

  /** The node is going down: queued writes were never sent; the others may live on. */
  close(): void {
    for (const write of this.take(Infinity, Infinity)) {
      settle(write, new DatabaseError("CLOSED", "the node is stopping"), undefined);
    }
    for (const { write } of this.#forwarded.values()) {
      settle(write, unknownOutcome(write), undefined);
    }
    this.#forwarded.clear();
    this.#forwardIds.clear();
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
    let open = this.#forwarded.size;
    for (const placements of this.#placed.values()) {
      for (const { writes } of placements) open += writes.length;
      if (open > count) return true;
    }
    return open > count;
  }
}

/** Tells the waiter, once. */
export function settle(
  write: PendingWrite,
  error: DatabaseError | undefined,
  result: RequestResult | undefined,
): void {
  const done = write.done;
  if (done === undefined) return;
  write.done = undefined;
  assert(error !== undefined || result !== undefined, "a settled write has an outcome");
  done(error, result);
}

function requestKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
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

function notApplied(leaderKnown: boolean): DatabaseError {
  return leaderKnown
    ? new DatabaseError("BUSY", "the leader has too much waiting: nothing was applied, try again")
    : new DatabaseError("NO_LEADER", "no leader is known: nothing was applied, try again");
}

/** A write that a peer forwarded to us: the peer watches the log, we only say where we put it. */
export interface RelayedWrite extends PendingWrite {
  readonly relayedFrom: NodeId;
  readonly forwardId: number;
  /** it may be placed in this term only */
  readonly term: Term;
}

export function isRelayed(write: PendingWrite): write is RelayedWrite {
  return "relayedFrom" in write;
}
