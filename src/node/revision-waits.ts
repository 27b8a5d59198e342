/**
 * Those who wait for the store to come to a revision, or to a change within a range
 * (change-waits.ts).
 *
 * Nothing here is linearizable: it is this node's store as it is applied. Who has
 * waited in vain asks for a read, and is told by it whether the node still hears.
 */
import { DatabaseError } from "../errors.js";
import { ChangeWaits } from "./change-waits.js";
import type { ReadDone, StoreView } from "./service.js";
import { stoppingError } from "./stopping.js";

interface Waiter {
  readonly revision: number;
  /** by Clock.now */
  readonly deadline: number;
  readonly done: ReadDone;
}

export class RevisionWaits {
  readonly #waiters = new Set<Waiter>();
  readonly changes = new ChangeWaits();
  /** the least revision that somebody waits for; Infinity: nobody waits */
  #least = Infinity;

  /** @returns how to give up: `done` is not called any more */
  add(revision: number, deadline: number, done: ReadDone): () => void {
    const waiter = { revision, deadline, done };
    this.#waiters.add(waiter);
    this.#least = Math.min(this.#least, revision);
    return () => {
      this.#waiters.delete(waiter);
    };
  }

  /** Tells everybody whose revision has come. */
  serve(store: StoreView): void {
    this.changes.serve(store);
    if (store.revision < this.#least) return;
    const due = [...this.#waiters].filter(({ revision }) => revision <= store.revision);
    for (const waiter of due) this.#waiters.delete(waiter);
    this.#least = Infinity;
    for (const { revision } of this.#waiters) this.#least = Math.min(this.#least, revision);
    for (const { done } of due) done(undefined, store);
  }

  /** Fails what is past its deadline. */
  expire(now: number): void {
    this.changes.expire(now);
    for (const waiter of [...this.#waiters]) {
      if (waiter.deadline > now) continue;
      this.#waiters.delete(waiter);
      waiter.done(new DatabaseError("TIMEOUT", "nothing changed in time"), undefined);
    }
  }

  close(): void {
    this.changes.close();
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    this.#least = Infinity;
    for (const { done } of waiters) {
      done(stoppingError(), undefined);
    }
  }
}
