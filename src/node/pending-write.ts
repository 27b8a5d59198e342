/**
 * A write on its way (requests.ts), and whoever waits for it: a client here, or a peer
 * that forwarded it.
 */
import { assert } from "../assert.js";
import type { DatabaseError } from "../errors.js";
import type { NodeId, Term } from "../raft/types.js";
import type { PutInPlace, Request, RequestResult } from "../store/command.js";
import type { ExecuteDone, Needs } from "./service.js";
import type { Ordered } from "./write-order.js";

/** A put that is used where it lies, and has room for its result. */
export interface LyingPut extends PutInPlace {
  applied(revision: number): RequestResult;
}

/** A write and whoever waits for it. */
export interface PendingWrite extends Ordered {
  readonly request: Request;
  /** the same, when it is a put that is used where it lies (plain-put.ts) */
  readonly put?: LyingPut;
  /** bytes in a block, about (store/limits.ts), for the bounds */
  readonly size: number;
  /** by Clock.now */
  readonly deadline: number;
  /** of the result; what a relayed write needs is its own node's affair */
  readonly needs: Needs;
  /** undefined once it was called, and of a relayed write: the peer watches the log itself */
  done: ExecuteDone | undefined;
  /** of a write that a peer forwarded */
  readonly relay?: Relay;
}

/** A forwarding of a peer's, and what we have to tell it. */
export interface Relay {
  readonly from: NodeId;
  /** the peer's number for it */
  readonly id: number;
  /** it may be placed in this term only */
  readonly term: Term;
  /** There was no room for this one of them in time. */
  readonly onUnplaced: (write: RelayedWrite) => void;
}

/** A write that a peer forwarded to us: we only say where we put it. */
export interface RelayedWrite extends PendingWrite {
  readonly relay: Relay;
  /** which of the forwarding's requests, from 0 */
  readonly place: number;
}

export function isRelayed(write: PendingWrite): write is RelayedWrite {
  return write.relay !== undefined;
}

/** Tells the waiter, once. */
export function settle(
  write: PendingWrite,
  error: DatabaseError | undefined,
  result: RequestResult | undefined,
): void {
  if (isRelayed(write)) {
    write.relay.onUnplaced(write);
    return;
  }
  const done = write.done;
  if (done === undefined) return;
  write.done = undefined;
  assert(error !== undefined || result !== undefined, "a settled write has an outcome");
  done(error, result);
}
