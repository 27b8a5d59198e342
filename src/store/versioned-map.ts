/**
 * The versioned map: the table of current values and the history behind it.
 *
 * Revisions are etcd's. All changes between `begin` and `end` are one request's:
 * they share one revision, a key that is changed twice has one change, and
 * `takeBack` undoes all of them.
 *
 * A view pins a compaction: what it reads stays readable, while the map goes on
 * changing and even while it is compacted further; what is compacted meanwhile is
 * freed when the view is closed.
 */
import { assert } from "../assert.js";
import type { KeyValue } from "./command.js";
import { History, isTombstone, tombstone } from "./history.js";
import type { Leases } from "./lease.js";
import { MapTable } from "./map-table.js";
import type { Table } from "./table.js";

export class VersionedMap {
  readonly #table: Table = new MapTable();
  readonly history = new History();
  readonly #leases: Leases;
  #revision = 1;
  #compactedRevision = 0;
  #pinned = false;
  #logTime = 0;
  /** What keys were before the request under way; undefined while nothing could have to be taken back. */
  #before: Map<string, KeyValue | undefined> | undefined;

  /** @param leases told which keys name them */
  constructor(leases: Leases) {
    this.#leases = leases;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Reads below it are refused; 0 when nothing was compacted. */
  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  /** keys */
  get size(): number {
    return this.#table.size;
  }

  get(text: string): KeyValue | undefined {
    return this.#table.get(text);
  }

  /** What a key was at `revision`, which is not compacted. */
  at(text: string, revision: number): KeyValue | undefined {
    const current = this.#table.get(text);
    if (current !== undefined && current.modRevision <= revision) return current;
    const older = this.history.at(text, revision);
    return older === undefined || isTombstone(older) ? undefined : older;
  }

  /** The revision of a key's last change; 0 when it is absent and its deletion is compacted, or never was. */
  changedAt(text: string): number {
    const current = this.#table.get(text);
    if (current !== undefined) return current.modRevision;
    const deletedAt = this.history.at(text, Infinity)?.modRevision ?? 0;
    // A view may keep older ones on this node alone: they must not reach the fold.
    return deletedAt > this.#compactedRevision ? deletedAt : 0;
  }

  /** Keys with a record in [from, end), in order; an empty `end` means no upper bound. Not to be changed meanwhile. */
  *range(from: string, end: string): IterableIterator<KeyValue> {
    for (const text of this.#table.keys(from)) {
      if (end !== "" && text >= end) return;
      const record = this.#table.get(text);
      if (record !== undefined) yield record;
    }
  }

  /** As `range`, at `revision`, which is not compacted. */
  *rangeAt(from: string, end: string, revision: number): IterableIterator<KeyValue> {
    for (const text of merged(this.#table.keys(from), this.history.deadKeys(from))) {
      if (end !== "" && text >= end) return;
      const record = this.at(text, revision);
      if (record !== undefined) yield record;
    }
  }

  /** @param canBeRefused whether changes may have to be taken back */
  begin(logTime: number, canBeRefused: boolean): void {
    this.#logTime = logTime;
    this.#before = canBeRefused ? new Map() : undefined;
  }

  set(text: string, record: KeyValue, before: KeyValue | undefined): void {
    if (this.#before === undefined) this.#settle(text, before, record);
    else if (!this.#before.has(text)) this.#before.set(text, before);
    this.#table.set(text, record);
  }

  delete(text: string, before: KeyValue): void {
    if (this.#before === undefined) this.#settle(text, before, this.#tombstoneOf(before));
    else if (!this.#before.has(text)) this.#before.set(text, before);
    this.#table.delete(text);
  }

  /** The request is done. @param changed whether it makes a revision */
  end(changed: boolean): void {
    const touched = this.#before;
    this.#before = undefined;
    if (touched !== undefined) {
      for (const [text, before] of touched) {
        const after = this.#table.get(text);
        if (after !== undefined) this.#settle(text, before, after);
        else if (before !== undefined) this.#settle(text, before, this.#tombstoneOf(before));
      }
    }
    this.#leases.end();
    if (changed) this.#revision += 1;
  }

  /** The request is refused. */
  takeBack(): void {
    for (const [text, before] of this.#before ?? []) {
      if (before !== undefined) this.#table.set(text, before);
      else this.#table.delete(text);
    }
    this.#before = undefined;
    this.#leases.takeBack();
  }

  #settle(text: string, before: KeyValue | undefined, after: KeyValue): void {
    this.history.record(text, before, after, this.#logTime);
    this.#leases.moved(text, before?.lease, after.lease);
  }

  #tombstoneOf(record: KeyValue): KeyValue {
    return tombstone(record.key, this.#revision + 1);
  }

  /** @param revision beyond the compacted one, at most the current one */
  compact(revision: number): void {
    assert(revision > this.#compactedRevision, "a compaction moves on");
    assert(revision <= this.#revision, "what did not happen is not compacted");
    this.#compactedRevision = revision;
    if (!this.#pinned) this.#forget();
  }

  /** Keeps what is readable now readable until `unpin`. */
  pin(): void {
    assert(!this.#pinned, "there is one view at a time");
    this.#pinned = true;
  }

  unpin(): void {
    this.#pinned = false;
    this.#forget();
  }

  #forget(): void {
    this.history.compact(this.#compactedRevision, (text) => this.#table.get(text));
  }

  // ---- taking a state back -------------------------------------------------

  /** The first of a restore: an empty map that was compacted. */
  restoreRevisions(revision: number, compactedRevision: number): void {
    assert(this.#revision === 1, "a state is restored into an empty map");
    this.#revision = revision;
    this.#compactedRevision = compactedRevision;
  }

  /** A key as it was at the compacted revision. */
  restoreKey(text: string, record: KeyValue): void {
    this.#leases.moved(text, undefined, record.lease);
    this.#table.set(text, record);
  }

  /** A change after it; in order. */
  restoreChange(text: string, after: KeyValue, logTime: number): void {
    this.#logTime = logTime;
    this.#settle(text, this.#table.get(text), after);
    if (isTombstone(after)) this.#table.delete(text);
    else this.#table.set(text, after);
  }
}

/** Two ascending sequences without a common member as one. */
function* merged(
  left: IterableIterator<string>,
  right: IterableIterator<string>,
): IterableIterator<string> {
  let a = left.next();
  let b = right.next();
  while (a.done !== true || b.done !== true) {
    if (b.done === true || (a.done !== true && a.value < b.value)) {
      if (a.done === true) return;
      yield a.value;
      a = left.next();
    } else {
      yield b.value;
      b = right.next();
    }
  }
}
