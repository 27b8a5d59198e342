/**
 * A consistent view of the state, read in slices while the store goes on changing.
 *
 * Keys and changes are read where they are: the map is versioned, and a pinned
 * compaction keeps what the view still has to read. Everything else is small and
 * is copied when the view is opened.
 */
import { assert } from "../assert.js";
import { type StateRow, stateRow, type StateRowKind } from "./state-row.js";
import { tailRows } from "./state-tail.js";
import type { State } from "./state.js";

export interface StateView {
  /**
   * The next rows, about `sizeMax` bytes and at least one; none when all were read. Their
   * bytes are where the store has them: who keeps a row beyond the next `next`, or beyond
   * `close`, copies it.
   */
  next(sizeMax: number): readonly StateRow[];
  /**
   * As `next`, but gives up after a while: undefined when it has looked at a thousand
   * keys or so that came later than the view reads them, and is to be asked again.
   */
  tryNext(sizeMax: number): readonly StateRow[] | undefined;
  /** Idempotent; frees what the view keeps. */
  close(): void;
}

/** Stands between two rows where whoever is in a hurry may stop. */
const PAUSE = "pause";
/** What a row costs beside its bytes. */
const ROW_OVERHEAD_SIZE = 32;

export class LiveStateView implements StateView {
  readonly #rows: Iterator<StateRow | typeof PAUSE, undefined>;
  readonly #map: State["map"];
  readonly #closed: () => void;
  #open = true;

  /** @param closed called once, when the view is closed */
  constructor(state: State, closed: () => void) {
    this.#map = state.map;
    this.#closed = closed;
    this.#map.pin();
    this.#rows = rowsOf(state);
  }

  next(sizeMax: number): readonly StateRow[] {
    for (;;) {
      const rows = this.tryNext(sizeMax);
      if (rows !== undefined) return rows;
    }
  }

  tryNext(sizeMax: number): readonly StateRow[] | undefined {
    const rows: StateRow[] = [];
    let size = 0;
    while (this.#open && (rows.length === 0 || size < sizeMax)) {
      const { value: row } = this.#rows.next();
      if (row === undefined) break;
      if (row === PAUSE) return rows.length === 0 ? undefined : rows;
      rows.push(row);
      size += row.key.length + row.value.length + row.id.length + ROW_OVERHEAD_SIZE;
    }
    return rows;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#map.unpin();
    this.#closed();
  }
}

/** The whole state's rows, at once. */
export function* allRowsOf(state: State): Generator<StateRow, undefined> {
  const rows = rowsOf(state);
  for (let row = rows.next().value; row !== undefined; row = rows.next().value) {
    if (row !== PAUSE) yield row;
  }
  return undefined;
}

/** Takes now what changes in place; the rest is read as it is asked for. */
function rowsOf(state: State): Iterator<StateRow | typeof PAUSE, undefined> {
  const { map } = state;
  const { history, compactedRevision } = map;
  const head = [...headRows(state), ...leaseRows(state)];
  const tail = tailRows(state);
  const { start, end } = history;
  return (function* (): Generator<StateRow | typeof PAUSE, undefined> {
    yield* head;
    yield* keyRows(map, compactedRevision);
    for (let number = start; number < end; number++) {
      const version = history.versionAt(number);
      assert(version !== 0, "a pinned history keeps its changes");
      const time = history.times.timeOf(map.records.modRevisionOf(version));
      const kind = map.records.isTombstone(version) ? "delete" : "put";
      yield recordRow(kind, map.records, version, time);
    }
    yield* tail;
    return undefined;
  })();
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
function leaseRows({ leases }: State): readonly StateRow[] {
  return [...leases.all()]
    .sort((a, b) => a.id - b.id)
    .map(({ id, ttl, deadline }) =>
      stateRow("lease", { modRevision: deadline, version: ttl, lease: id }),
    );
}

/** The keys at a pinned revision. The map may change between two rows: each search starts anew. */
function* keyRows(
  map: State["map"],
  revision: number,
): Generator<StateRow | typeof PAUSE, undefined> {
  // Nothing is compacted: every key came with a change that is kept.
  if (revision === 0) return undefined;
  const { records } = map;
  const found = new Uint32Array(PAGE_COUNT);
  let from: Uint8Array = NO_BYTES;
  for (;;) {
    const { count, lastKey } = map.findPageAt(from, revision, found, PAGE_KEY_COUNT);
    if (lastKey !== 0) {
      const last = records.viewOfKey(lastKey);
      // The least key behind it.
      from = new Uint8Array(last.length + 1);
      from.set(last);
    }
    for (let i = 0; i < count; i++) yield recordRow("key", records, found[i] ?? 0, 0);
    if (lastKey === 0) return undefined;
    yield PAUSE;
  }
}

/** Records found in one go. */
const PAGE_COUNT = 256;
/** Keys looked at in one go, found or not. */
const PAGE_KEY_COUNT = 1024;
const NO_BYTES = new Uint8Array(0);

/** The fields by their names, the bytes where they are; `time` is when a change came to be. */
function recordRow(
  kind: StateRowKind,
  records: State["map"]["records"],
  version: number,
  time: number,
): StateRow {
  return {
    kind,
    key: records.viewOfKey(records.keyOfVersion(version)),
    value: records.viewOfValue(version),
    id: NO_BYTES,
    createRevision: records.createRevisionOf(version),
    modRevision: records.modRevisionOf(version),
    version: records.versionOf(version),
    lease: records.leaseOf(version),
    time,
  };
}
