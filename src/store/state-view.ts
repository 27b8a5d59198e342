/**
 * A consistent view of the state, read in slices while the store goes on changing.
 *
 * Keys and changes are read where they are: the map is versioned, and a pinned
 * compaction keeps what the view still has to give (pin.ts). So is everything else, of which there
 * may be much too; what of it changes meanwhile is copied first (registry.ts).
 */
import { assert } from "../assert.js";
import type { LeaseState } from "./lease.js";
import { KeyPage } from "./key-page.js";
import { LiveRow } from "./live-row.js";
import type { Pin } from "./pin.js";
import { type RecordKind, type StateRow, stateRow } from "./state-row.js";
import { type TailParts, tailRows } from "./state-tail.js";
import type { State } from "./state.js";

export interface StateView {
  /**
   * Gives the next rows to `take`, about `sizeMax` bytes of them. A row and its bytes are
   * valid during the call. There may be fewer, even none: it lets others go on when it has
   * looked at a thousand things or so that have no row, as keys that came later.
   *
   * @returns whether there may be more
   */
  read(sizeMax: number, take: (row: StateRow) => void): boolean;
  /**
   * The next rows, about `sizeMax` bytes and at least one; none when all were read. Their
   * bytes are where the store has them: who keeps a row beyond the next `next`, or beyond
   * `close`, copies it.
   */
  next(sizeMax: number): readonly StateRow[];
  /** Idempotent; frees what the view keeps. */
  close(): void;
}

/** What a row costs beside its bytes. */
const ROW_OVERHEAD_SIZE = 64;

export class LiveStateView implements StateView {
  readonly #rows: StateRows;
  /** what is to be closed with it */
  readonly #views: readonly { close(): void }[];
  readonly #map: State["map"];
  readonly #closed: () => void;
  #open = true;

  /** @param closed called once, when the view is closed */
  constructor(state: State, closed: () => void) {
    const { map, outcomes, transactions } = state;
    this.#map = map;
    this.#closed = closed;
    const pin = map.pin();
    const leases = state.leases.openView();
    const sessions = state.sessions.openView();
    const open = transactions.openViewOfOpen();
    const finished = transactions.openViewOfFinished();
    this.#views = [leases, sessions, open, finished];
    const { generations } = outcomes;
    this.#rows = new StateRows(state, { leases, sessions, open, finished, generations }, pin);
  }

  read(sizeMax: number, take: (row: StateRow) => void): boolean {
    return this.#open && this.#rows.read(sizeMax, take);
  }

  next(sizeMax: number): readonly StateRow[] {
    const rows: StateRow[] = [];
    const keep = (row: StateRow): void => {
      rows.push(row instanceof LiveRow ? row.toRow() : row);
    };
    while (rows.length === 0 && this.read(sizeMax, keep));
    return rows;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#map.unpin();
    for (const view of this.#views) view.close();
    this.#closed();
  }
}

/** Gives every row of the state to `take`, which holds it during the call only. */
export function eachRowOf(state: State, take: (row: StateRow) => void): void {
  const { sessions, transactions, outcomes } = state;
  const rows = new StateRows(state, {
    leases: state.leases.all(),
    sessions: sessions.all(),
    open: transactions.allOpen(),
    finished: transactions.allFinished(),
    generations: outcomes.generations,
  });
  while (rows.read(Infinity, take));
}

/** What of a state stands beside its keys and changes. */
interface StateParts extends TailParts {
  readonly leases: Iterable<LeaseState>;
}

/** The rows in their order, read as they are asked for. */
class StateRows {
  readonly #map: State["map"];
  /** undefined when nothing changes until all is read */
  readonly #pin: Pin | undefined;
  readonly #head: Iterator<StateRow, unknown>;
  readonly #keys: KeyPages;
  #change: number;
  /** the first of the changes whose rows the last call gave */
  #given: number;
  readonly #changesEnd: number;
  readonly #timeOf: (revision: number) => number;
  readonly #tail: Iterator<StateRow | undefined, unknown>;
  readonly #record: LiveRow;

  constructor(state: State, parts: StateParts, pin?: Pin) {
    const { map } = state;
    this.#map = map;
    this.#pin = pin;
    this.#head = leasesBehind(headRows(state), parts.leases);
    this.#keys = new KeyPages(map, pin);
    this.#change = this.#given = map.history.start;
    this.#changesEnd = map.history.end;
    this.#timeOf = map.history.times.keep();
    this.#tail = tailRows(parts);
    this.#record = new LiveRow(map.records);
  }

  /** As StateView has it. */
  read(sizeMax: number, take: (row: StateRow) => void): boolean {
    let left = sizeMax;
    this.#letGo();
    while (left > 0) {
      const { done, value } = this.#head.next();
      if (done === true) break;
      left -= give(value, take);
    }
    if (left <= 0) return true;
    if (this.#keys.findMore()) {
      for (; left > 0;) {
        const version = this.#keys.next();
        if (version === 0) break;
        left -= this.#giveRecord("key", version, 0, take);
      }
      return true;
    }
    for (; left > 0 && this.#change < this.#changesEnd; this.#change += 1) {
      left -= this.#giveChange(take);
    }
    while (left > 0) {
      const { done, value } = this.#tail.next();
      if (done === true) return false;
      if (value === undefined) return true;
      left -= give(value, take);
    }
    return true;
  }

  /** What the last call gave nobody looks at any more. */
  #letGo(): void {
    const pin = this.#pin;
    if (pin === undefined) return;
    for (; this.#given < this.#change; this.#given += 1) {
      pin.onGiven(this.#versionAt(this.#given));
    }
  }

  /** What one of the changes made of a key. */
  #versionAt(change: number): number {
    return this.#map.history.versionAt(change) || (this.#pin?.versionAt(change) ?? 0);
  }

  #giveChange(take: (row: StateRow) => void): number {
    const { records } = this.#map;
    const version = this.#versionAt(this.#change);
    assert(version !== 0, "a pinned history keeps its changes");
    const time = this.#timeOf(records.modRevisionOf(version));
    const kind = records.isTombstone(version) ? "delete" : "put";
    return this.#giveRecord(kind, version, time, take);
  }

  #giveRecord(
    kind: RecordKind,
    version: number,
    time: number,
    take: (row: StateRow) => void,
  ): number {
    const row = this.#record;
    row.show(kind, version, time);
    take(row);
    return row.keySize + row.valueSize + ROW_OVERHEAD_SIZE;
  }
}

/** @returns bytes */
function give(row: StateRow, take: (row: StateRow) => void): number {
  take(row);
  return row.key.length + row.value.length + row.id.length + ROW_OVERHEAD_SIZE;
}

/**
 * store: createRevision: the compacted revision; modRevision: the revision;
 *        lease: the greatest lease the store picked; time: log time
 * clock: createRevision: time of the compacted revision; modRevision: run time;
 *        lease: how many leases of single keys there ever were; time: the last stamp
 */
function headRows({ map, clock, leases }: State): readonly StateRow[] {
  const { revision, compactedRevision } = map;
  return [
    stateRow("store", {
      createRevision: compactedRevision,
      modRevision: revision,
      lease: leases.lastId,
      time: clock.logTime,
    }),
    stateRow("clock", {
      createRevision: map.history.times.timeOf(compactedRevision),
      modRevision: clock.runTime,
      lease: leases.keyLeaseCount,
      time: clock.stamp,
    }),
  ];
}

/** modRevision: deadline in run time; version: ttl; in the order of their ids */
function* leasesBehind(
  head: readonly StateRow[],
  leases: Iterable<LeaseState>,
): Generator<StateRow, void> {
  yield* head;
  for (const { id, ttl, deadline } of leases) {
    yield stateRow("lease", { modRevision: deadline, version: ttl, lease: id });
  }
}

const NO_BYTES = new Uint8Array(0);

/** The keys at a pinned revision. The map may change between two pages: each search starts anew. */
class KeyPages {
  readonly #map: State["map"];
  readonly #pin: Pin | undefined;
  readonly #revision: number;
  readonly #page: KeyPage;
  #at = 0;
  /** where the page behind this one begins */
  #from: Uint8Array = NO_BYTES;
  #isMore: boolean;

  constructor(map: State["map"], pin: Pin | undefined) {
    this.#map = map;
    this.#pin = pin;
    this.#page = new KeyPage(map.records);
    this.#revision = map.compactedRevision;
    // Nothing is compacted: every key came with a change that is kept.
    this.#isMore = this.#revision !== 0;
  }

  /** The next record of those that were found; 0 when there is none. */
  next(): number {
    if (this.#at === this.#page.count) return 0;
    this.#at += 1;
    return this.#page.at(this.#at - 1);
  }

  /**
   * Looks for more when all that were found were given, in an earlier call at that: their bytes are not needed.
   * @returns whether there were keys to look at
   */
  findMore(): boolean {
    const page = this.#page;
    if (this.#at < page.count) return true;
    this.#letGo();
    if (!this.#isMore) return false;
    this.#map.findPageAt(this.#from, this.#revision, page);
    this.#at = 0;
    this.#isMore = page.lastKey !== 0;
    if (this.#isMore) {
      const last = this.#map.records.viewOfKey(page.lastKey);
      // The least key behind it.
      this.#from = new Uint8Array(last.length + 1);
      this.#from.set(last);
    }
    return true;
  }

  #letGo(): void {
    const page = this.#page;
    if (this.#pin !== undefined) {
      for (let i = 0; i < page.count; i += 1) this.#pin.onGiven(page.at(i));
    }
    this.#at = page.count = 0;
  }
}
