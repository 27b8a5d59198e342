/**
 * Those who wait for a change within a range of keys: watches, between one page of
 * changes and the next. What changed is looked at once for all of them, and leads to
 * those it concerns by its key: to the ranges that are a prefix or a single key by
 * look-ups, one for each length of prefix there is, and one by one to the others.
 *
 * Whoever is told, that there was a change or none in time, is told too up to where
 * all was looked at, and need not look at that again: what others change meanwhile
 * may be compacted, and is no loss to who waited.
 */
import { DatabaseError } from "../errors.js";
import { keyText, prefixEnd } from "../store/key-order.js";
import type { ChangeDone, KeyRange, StoreView } from "./service.js";
import { stoppingError } from "./stopping.js";

interface Waiter {
  readonly range: KeyRange;
  /** changes before this revision are none of its business */
  readonly since: number;
  /** by Clock.now */
  readonly deadline: number;
  readonly done: ChangeDone;
}

/** Waiters by a text, several of them each. */
class Shelf {
  readonly #waiters = new Map<string, Set<Waiter>>();

  at(text: string): Iterable<Waiter> {
    return this.#waiters.get(text) ?? [];
  }

  /** @returns whether they are the first there */
  add(text: string, waiter: Waiter): boolean {
    const waiters = this.#waiters.get(text);
    waiters?.add(waiter);
    if (waiters === undefined) this.#waiters.set(text, new Set([waiter]));
    return waiters === undefined;
  }

  /** @returns whether nobody is left there */
  delete(text: string, waiter: Waiter): boolean {
    const waiters = this.#waiters.get(text);
    if (waiters?.delete(waiter) !== true || waiters.size > 0) return false;
    return this.#waiters.delete(text);
  }
}

export class ChangeWaits {
  readonly #all = new Set<Waiter>();
  /** of single keys */
  readonly #keys = new Shelf();
  readonly #prefixes = new Shelf();
  /** how many prefixes there are of each length */
  readonly #prefixLengths = new Map<number, number>();
  readonly #others = new Set<Waiter>();
  /** what this revision and those before it changed was looked at, while anybody waits */
  #seen = 0;

  /**
   * @param since beyond `revision`, the store's
   * @returns how to give up: `done` is not called any more
   */
  add(
    range: KeyRange,
    since: number,
    revision: number,
    deadline: number,
    done: ChangeDone,
  ): () => void {
    if (this.#all.size === 0) this.#seen = revision;
    const waiter = { range, since, deadline, done };
    this.#put(waiter);
    return () => {
      this.#remove(waiter);
    };
  }

  /** Tells everybody in whose range something has changed. */
  serve(store: StoreView): void {
    if (this.#all.size === 0 || store.revision <= this.#seen) return;
    const due = this.#touched(store);
    this.#seen = store.revision;
    for (const waiter of due.keys()) this.#remove(waiter);
    for (const [{ done }, since] of due) done(undefined, store, since);
  }

  /** Tells everybody who is past the deadline that there was nothing. */
  expire(now: number): void {
    for (const waiter of [...this.#all]) {
      if (waiter.deadline > now) continue;
      this.#remove(waiter);
      const error = new DatabaseError("TIMEOUT", "nothing changed in time");
      waiter.done(error, undefined, this.#unseenBy(waiter));
    }
  }

  close(): void {
    for (const waiter of [...this.#all]) {
      this.#remove(waiter);
      const error = stoppingError();
      waiter.done(error, undefined, waiter.since);
    }
  }

  /** Whom the changes since the last look concern, each with the first revision that does. */
  #touched(store: StoreView): ReadonlyMap<Waiter, number> {
    const due = new Map<Waiter, number>();
    try {
      store.eachChangedKey(this.#seen + 1, (key, revision) => {
        for (const waiter of this.#concernedBy(key)) {
          if (revision >= waiter.since && !due.has(waiter)) due.set(waiter, revision);
        }
        return due.size < this.#all.size;
      });
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      // Compacted before it was looked at: each finds out what that means to it.
      for (const waiter of this.#all) due.set(waiter, this.#unseenBy(waiter));
    }
    return due;
  }

  *#concernedBy(key: Uint8Array): Iterable<Waiter> {
    const text = keyText(key);
    yield* this.#keys.at(text);
    for (const length of this.#prefixLengths.keys()) {
      if (length <= text.length) yield* this.#prefixes.at(text.slice(0, length));
    }
    for (const waiter of this.#others) if (isWithin(key, waiter.range)) yield waiter;
  }

  #unseenBy({ since }: Waiter): number {
    return Math.max(since, this.#seen + 1);
  }

  #put(waiter: Waiter): void {
    this.#all.add(waiter);
    const { range } = waiter;
    const text = keyText(range.from);
    if (isSingleKey(range)) this.#keys.add(text, waiter);
    else if (!isPrefix(range)) this.#others.add(waiter);
    else if (this.#prefixes.add(text, waiter)) this.#countPrefix(text.length, 1);
  }

  #remove(waiter: Waiter): void {
    if (!this.#all.delete(waiter)) return;
    const { range } = waiter;
    const text = keyText(range.from);
    if (isSingleKey(range)) this.#keys.delete(text, waiter);
    else if (!isPrefix(range)) this.#others.delete(waiter);
    else if (this.#prefixes.delete(text, waiter)) this.#countPrefix(text.length, -1);
  }

  #countPrefix(length: number, by: 1 | -1): void {
    const count = (this.#prefixLengths.get(length) ?? 0) + by;
    if (count === 0) this.#prefixLengths.delete(length);
    else this.#prefixLengths.set(length, count);
  }
}

/** A key and the first one behind it. */
function isSingleKey({ from, end }: KeyRange): boolean {
  return end.length === from.length + 1 && end.at(-1) === 0 && startsWith(end, from);
}

function isPrefix({ from, end }: KeyRange): boolean {
  const wanted = prefixEnd(from);
  return wanted.length === end.length && startsWith(end, wanted);
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return beginning.every((byte, at) => byte === bytes[at]);
}

function isWithin(key: Uint8Array, { from, end }: KeyRange): boolean {
  return Buffer.compare(key, from) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0);
}
