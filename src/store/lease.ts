/**
 * Leases: keys that end together, and by themselves.
 *
 * A lease ends when its time has run out (counted in run time, log-clock.ts) and
 * an "expire" of the log says so; then all keys attached to it are deleted in one
 * revision. Until that entry is applied the keys are there, on every node. A key
 * is attached to one lease at most. A key with a time to live of its own has a
 * lease of its own, numbered from KEY_LEASE_MIN, which goes with it: nobody can
 * name it in a command, and lists do not show it.
 *
 * A lease is no lock by itself: its holder may have stopped and not know that it
 * ended. The key's createRevision is the fencing token to give to others.
 *
 * Invariant: a lease's keys are exactly the keys whose current record names it.
 */
import { assert } from "../assert.js";
import { Deadlines, type Expiring } from "./deadlines.js";
import { Registry, type RegistryView } from "./registry.js";

/** Leases of single keys have this number and those above it; all others lie below. */
export const KEY_LEASE_MIN: number = 2 ** 52;
/** Those of keys included. They fit a Map, and memory. */
const LEASE_COUNT_MAX = 4_000_000;

/** What of a lease is in rows. */
export interface LeaseState {
  readonly id: number;
  /** milliseconds */
  readonly ttl: number;
  readonly deadline: number;
}

export interface Lease extends LeaseState, Expiring {
  deadline: number;
  /** whether it belongs to one key, and goes with it */
  readonly ofKey: boolean;
  /** key texts */
  readonly keys: Set<string>;
}

export class Leases {
  /** by their ids */
  readonly #leases = new Registry<Lease, LeaseState>(({ id, ttl, deadline }) => ({
    ...{ id, ttl, deadline },
  }));
  readonly #deadlines = new Deadlines<Lease>();
  /** the greatest number the store picked */
  #lastId = 0;
  /** how many leases of keys there ever were */
  #keyLeaseCount = 0;
  /** Leases of keys that the request under way made. */
  #made: Lease[] = [];

  get(id: number): Lease | undefined {
    return this.#leases.get(id);
  }

  /** As `get`, but not the lease of a single key. */
  granted(id: number): Lease | undefined {
    return id < KEY_LEASE_MIN ? this.#leases.get(id) : undefined;
  }

  get lastId(): number {
    return this.#lastId;
  }

  get keyLeaseCount(): number {
    return this.#keyLeaseCount;
  }

  /** Whether there are as many as there may be. */
  get isFull(): boolean {
    return this.#leases.size >= LEASE_COUNT_MAX;
  }

  get earliestDeadline(): number | undefined {
    return this.#deadlines.earliest;
  }

  /** In the order of their ids. */
  all(): Iterable<Lease> {
    return this.#leases;
  }

  /** The same, of this moment. */
  openView(): RegistryView<LeaseState> {
    return this.#leases.openView();
  }

  /** @param id 0: the store picks one. @param deadline in run time */
  grant(id: number, ttl: number, deadline: number): Lease {
    return this.#add(id === 0 ? this.#pick() : id, ttl, deadline);
  }

  /** A lease for one key, until the request under way is done not for sure. @returns its number */
  grantToKey(ttl: number, deadline: number): number {
    this.#keyLeaseCount += 1;
    const lease = this.#add(KEY_LEASE_MIN + this.#keyLeaseCount, ttl, deadline);
    this.#made.push(lease);
    return lease.id;
  }

  #pick(): number {
    do this.#lastId += 1;
    while (this.#leases.has(this.#lastId));
    return this.#lastId;
  }

  #add(id: number, ttl: number, deadline: number): Lease {
    assert(!this.#leases.has(id), "a lease is granted once");
    const ofKey = id >= KEY_LEASE_MIN;
    const lease = {
      id,
      order: id,
      ttl,
      deadline,
      placed: deadline,
      ofKey,
      keys: new Set<string>(),
    };
    this.#leases.add(lease);
    this.#deadlines.add(lease);
    return lease;
  }

  /** Its time starts anew. */
  keep(lease: Lease, runTime: number): void {
    this.#leases.changing(lease);
    lease.deadline = Math.max(lease.deadline, runTime + lease.ttl);
  }

  remove(lease: Lease): void {
    this.#leases.delete(lease);
    this.#deadlines.remove(lease);
  }

  /** Takes out the next lease whose time has run out. */
  takeExpired(runTime: number): Lease | undefined {
    const lease = this.#deadlines.take(runTime);
    if (lease !== undefined) this.#leases.delete(lease);
    return lease;
  }

  /** A key's current record names another lease than before (undefined: none). */
  moved(text: string, before: number | undefined, after: number | undefined): void {
    if (before === after) return;
    const left = before === undefined ? undefined : this.#leases.get(before);
    if (left !== undefined) {
      left.keys.delete(text);
      if (left.ofKey) this.remove(left);
    }
    if (after === undefined) return;
    // When history is restored it names leases that have ended since.
    this.#leases.get(after)?.keys.add(text);
  }

  /** The request is done: what it made and then did not use goes. */
  end(): void {
    if (this.#made.length === 0) return;
    for (const lease of this.#made) if (lease.keys.size === 0) this.remove(lease);
    this.#made = [];
  }

  takeBack(): void {
    if (this.#made.length === 0) return;
    for (const lease of this.#made) this.remove(lease);
    this.#keyLeaseCount -= this.#made.length;
    this.#made = [];
  }

  // ---- taking a state back -------------------------------------------------

  restoreCounts(lastId: number, keyLeaseCount: number): void {
    this.#lastId = lastId;
    this.#keyLeaseCount = keyLeaseCount;
  }

  restore(id: number, ttl: number, deadline: number): void {
    this.#add(id, ttl, deadline);
  }
}
