/**
 * Where the scans of a node's clients stand. A cursor is a random number that
 * names the last key it has seen; keys are walked in byte order, so that every key
 * that is there all the time is met, whatever comes and goes around it.
 *
 * The table is bounded. Going on from a cursor forgets the one before it (not the
 * cursor itself: a client may ask again after a lost reply), so that a scan holds
 * two places at most, and when there are too many the one longest untouched is
 * forgotten. A cursor that is not known is an error, never a silent restart: a
 * client sent to and fro between nodes would scan for ever.
 */
import { randomInt } from "node:crypto";

interface ScanCursorLimits {
  readonly countMax: number;
  /** bytes of the keys remembered */
  readonly sizeMax: number;
}

const DEFAULT_LIMITS: ScanCursorLimits = {
  countMax: 16_384,
  sizeMax: 16 * 1024 * 1024,
};

/** Clients read cursors as doubles too: far below 2^53. */
const CURSOR_MAX = 2 ** 48 - 1;

interface Place {
  /** the last key seen */
  readonly after: Uint8Array;
  /** the cursor that led to this one */
  readonly previous: string;
}

export class ScanCursors {
  readonly #limits: ScanCursorLimits;
  /** By cursor, the longest untouched first. */
  readonly #places = new Map<string, Place>();
  #size = 0;

  constructor(limits: ScanCursorLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** cursors remembered */
  get count(): number {
    return this.#places.size;
  }

  /** The last key seen by the scan at `cursor`; undefined when the cursor is not known. */
  find(cursor: string): Uint8Array | undefined {
    const place = this.#places.get(cursor);
    if (place === undefined) return undefined;
    this.#places.delete(cursor);
    this.#places.set(cursor, place);
    return place.after;
  }

  /**
   * Remembers that the scan at `previous` ("0" for a new one) has seen everything up
   * to `after`, which nobody may change. The cursor to go on with.
   */
  advance(previous: string, after: Uint8Array): string {
    const beforeThat = this.#places.get(previous)?.previous;
    if (beforeThat !== undefined) this.#forget(beforeThat);
    let cursor: string;
    do cursor = String(randomInt(1, CURSOR_MAX));
    while (this.#places.has(cursor));
    this.#places.set(cursor, { after, previous });
    this.#size += after.length;
    while (this.#places.size > this.#limits.countMax || this.#size > this.#limits.sizeMax) {
      const oldest = this.#places.keys().next();
      if (oldest.done === true) break;
      this.#forget(oldest.value);
    }
    return cursor;
  }

  #forget(cursor: string): void {
    const place = this.#places.get(cursor);
    if (place === undefined) return;
    this.#places.delete(cursor);
    this.#size -= place.after.length;
  }
}
