/**
 * What a view needs of what is compacted while it is open.
 *
 *   the view    the keys as they were at its compacted revision, in order; then the changes
 *               from there to its revision
 *   superseded  later than its revision               freed: nobody reads it
 *   by what is  of a change it gives                  kept until the change was given
 *   compacted   what a key was at its compacted one   kept until the key was given
 *
 * So what a view holds back is a version of each key at most that it has not given yet, and those of
 * its changes, however long it is open and however much is written meanwhile. Where a version
 * between two that stay is freed, the later one's `older` leads to the earlier one then: a key that was
 * not given is followed from its newest version down to what it was.
 *
 * A tombstone that nothing supersedes takes its key along, but not when the view may have to read
 * that: then both are graves, and stay until the view is closed.
 */
import type { PlaceSet } from "./place-set.js";
import type { Records } from "./records.js";

export interface Pinned {
  readonly compactedRevision: number;
  readonly revision: number;
  /** the numbers of the changes after the compacted revision: the first, and the next behind them */
  readonly start: number;
  readonly end: number;
}

export class Pin {
  readonly #records: Records;
  readonly #pinned: Pinned;
  /** versions that are superseded, and freed once they were given */
  readonly #waiting: PlaceSet;
  /** versions that were given, and are freed once they are superseded */
  readonly #given: PlaceSet;
  /** versions of the view's changes that the history does not have any more, by number from `start` on */
  readonly #changes: Uint32Array;

  /** @param waiting empty @param given empty */
  constructor(records: Records, waiting: PlaceSet, given: PlaceSet, pinned: Pinned) {
    this.#records = records;
    this.#waiting = waiting;
    this.#given = given;
    this.#pinned = pinned;
    this.#changes = new Uint32Array(pinned.end - pinned.start);
  }

  /** versions that are superseded and still to be given, and that wait for its end */
  get waiting(): PlaceSet {
    return this.#waiting;
  }

  /** What one of its changes made of a key, once that is compacted. */
  versionAt(number: number): number {
    return this.#changes[number - this.#pinned.start] ?? 0;
  }

  // ---- what is compacted ------------------------------------------------------

  /** A change is forgotten by the history. */
  note(number: number, version: number): void {
    const { start, end } = this.#pinned;
    if (number >= start && number < end) this.#changes[number - start] = version;
  }

  /**
   * A change to `version` is compacted. What it superseded is nobody's but the view's.
   * @param modRevision of what it superseded
   * @returns whether it stays for now; otherwise the caller frees it
   */
  tryKeep(number: number, version: number, older: number, modRevision: number): boolean {
    const { start, revision } = this.#pinned;
    // It was compacted before: what is superseded then is older than what the view reads.
    if (number < start) return false;
    if (this.#given.take(older)) return false;
    if (modRevision > revision) {
      const records = this.#records;
      records.setOlder(version, records.olderOf(older));
      return false;
    }
    this.#waiting.add(older);
    return true;
  }

  /** Whether the view may have to read the key of a change that deleted it. */
  mayRead(number: number, tombstone: number): boolean {
    if (number < this.#pinned.start) return false;
    const records = this.#records;
    const isLater = records.modRevisionOf(tombstone) > this.#pinned.revision;
    // Of the key's time there was nothing: what came after it does not hang on the tombstone any more.
    return !isLater || records.olderOf(tombstone) !== 0;
  }

  // ---- what the view has given --------------------------------------------------

  /** The row of a version was given, and nobody looks at its bytes any more. */
  onGiven(version: number): void {
    if (this.#waiting.take(version)) this.#records.arena.free(version);
    else this.#given.add(version);
  }
}
