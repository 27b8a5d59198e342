/**
 * A consistent view of the state, read in slices while the store goes on changing.
 *
 * Keys and changes are read where they are: the map is versioned, and a pinned
 * compaction keeps what the view still has to read. Everything else is small and
 * is copied when the view is opened.
 */
import type { KeyValue } from "./command.js";
import { isTombstone } from "./history.js";
import { keyText } from "./key-order.js";
import type { StateRow, StateRowKind } from "./state-row.js";
import type { State } from "./state.js";

export interface StateView {
  /** The next rows, about `sizeMax` bytes and at least one; none when all were read. */
  next(sizeMax: number): readonly StateRow[];
  /** Idempotent; frees what the view keeps. */
  close(): void;
}

const NO_BYTES = new Uint8Array(0);
/** What a row costs beside its bytes. */
const ROW_OVERHEAD_SIZE = 32;

/** A row of `kind` with some fields; the others are empty or 0. */
export function stateRow(kind: StateRowKind, fields: Partial<Omit<StateRow, "kind">>): StateRow {
  return {
    kind,
    key: fields.key ?? NO_BYTES,
    value: fields.value ?? NO_BYTES,
    id: fields.id ?? NO_BYTES,
    createRevision: fields.createRevision ?? 0,
    modRevision: fields.modRevision ?? 0,
    version: fields.version ?? 0,
    lease: fields.lease ?? 0,
    time: fields.time ?? 0,
  };
}

export class LiveStateView implements StateView {
  readonly #rows: Iterator<StateRow, undefined>;
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
    const rows: StateRow[] = [];
    let size = 0;
    while (this.#open && (rows.length === 0 || size < sizeMax)) {
      const { value: row } = this.#rows.next();
      if (row === undefined) break;
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

/** Takes now what changes in place; the rest is read as it is asked for. */
function rowsOf(state: State): Iterator<StateRow, undefined> {
  const { map, clock } = state;
  const { revision, compactedRevision } = map;
  const { history } = map;
  const head = [
    /** createRevision: the compacted revision; modRevision: the revision; time: log time */
    stateRow("store", {
      createRevision: compactedRevision,
      modRevision: revision,
      time: clock.logTime,
    }),
    /** createRevision: time of the compacted revision; modRevision: run time; time: the last stamp */
    stateRow("clock", {
      createRevision: history.times.timeOf(compactedRevision),
      modRevision: clock.runTime,
      time: clock.stamp,
    }),
  ];
  const changeCount = history.count - history.placeAfter(compactedRevision);
  const firstChange = history.placeAfter(compactedRevision);
  return (function* (): Generator<StateRow, undefined> {
    yield* head;
    yield* keyRows(map, compactedRevision);
    for (let place = firstChange; place < firstChange + changeCount; place++) {
      const change = history.change(place);
      if (change === undefined) break;
      yield recordRow(
        isTombstone(change) ? "delete" : "put",
        change,
        history.times.timeOf(change.modRevision),
      );
    }
    return undefined;
  })();
}

/** The keys at a pinned revision. The map may change between two rows: each search starts anew. */
function* keyRows(map: State["map"], revision: number): Generator<StateRow, undefined> {
  let from = "";
  for (;;) {
    const page: KeyValue[] = [];
    for (const record of map.rangeAt(from, "", revision)) {
      page.push(record);
      if (page.length === PAGE_COUNT) break;
    }
    for (const record of page) yield recordRow("key", record, 0);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_COUNT) return undefined;
    from = `${keyText(last.key)}\0`;
  }
}

/** Records found in one go. */
const PAGE_COUNT = 256;

/** The fields by their names; `time` is when a change came to be. */
function recordRow(kind: StateRowKind, record: KeyValue, time: number): StateRow {
  const { key, value, createRevision, modRevision, version } = record;
  return stateRow(kind, { key, value, createRevision, modRevision, version, time });
}
