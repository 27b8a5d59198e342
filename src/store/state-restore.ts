/**
 * Takes a state back from its rows (state-row.ts), beside the state that serves;
 * `finish` puts it in its place. What no store can have written is CORRUPTION.
 */
import { DatabaseError } from "../errors.js";
import { MalformedBytes } from "./bytes.js";
import { RecordRow, STATE_ROW_KINDS, type StateRow } from "./state-row.js";
import { takeTailRow } from "./state-tail.js";
import { State } from "./state.js";

const KEY = STATE_ROW_KINDS.indexOf("key");

/**
 * At once while nobody waits, as a node starts: its end takes its time, but all of it
 * less. In slices while a state serves: no row takes long, and the end nothing.
 */
export type RestoreWay = "at-once" | "in-slices";

export interface StateRestore {
  /** Makes room, before the first key, for about so many of them. */
  expect(keyCount: number): void;
  /** @throws {DatabaseError} CORRUPTION when the row cannot stand here */
  add(row: StateRow): void;
  /** From here on the store is what was added. @throws {DatabaseError} CORRUPTION when rows are missing */
  finish(): void;
}

export class FreshStateRestore implements StateRestore {
  readonly #state = new State();
  readonly #finished: (state: State) => void;
  readonly #record = new RecordRow();
  #lastKind = -1;
  /** 0: none yet */
  #lastKey = 0;
  #lastRevision = 0;
  #lastLease = 0;
  #rowCount = 0;

  /** @param finished takes the state */
  constructor(way: RestoreWay, finished: (state: State) => void) {
    this.#finished = finished;
    if (way === "at-once") this.#state.map.restoreAtOnce();
  }

  expect(keyCount: number): void {
    this.#state.map.expect(keyCount);
  }

  add(row: StateRow): void {
    // Most rows: one of a kind that came last.
    if (row instanceof RecordRow && this.#lastKind === KEY && row.kind === "key") {
      this.#takeKey(row);
      this.#rowCount += 1;
      return;
    }
    const kind = STATE_ROW_KINDS.indexOf(row.kind);
    // Puts and deletions are one sequence.
    const inOrder = kind >= this.#lastKind || row.kind === "put";
    if (!inOrder) throw nonsense(`a row "${row.kind}" stands too late`);
    if (this.#rowCount < 2 !== kind < 2 || (kind < 2 && kind !== this.#rowCount)) {
      throw nonsense(`row ${this.#rowCount} is a "${row.kind}"`);
    }
    this.#take(row);
    this.#lastKind = kind;
    this.#rowCount += 1;
  }

  finish(): void {
    if (this.#rowCount < 2) throw nonsense("it ends before it says what it is");
    this.#state.map.restoreEnd();
    this.#finished(this.#state);
  }

  #take(row: StateRow): void {
    const { clock, map, leases } = this.#state;
    switch (row.kind) {
      case "store":
        if (row.modRevision < 1 || row.createRevision > row.modRevision) {
          throw nonsense(`revision ${row.modRevision}, compacted at ${row.createRevision}`);
        }
        this.#lastRevision = row.createRevision;
        map.restoreRevisions(row.modRevision, row.createRevision);
        clock.logTime = row.time;
        this.#lastLease = row.lease;
        return;
      case "clock":
        leases.restoreCounts(this.#lastLease, row.lease);
        clock.runTime = row.modRevision;
        clock.stamp = row.time;
        if (row.createRevision > 0)
          map.history.times.add(map.compactedRevision, row.createRevision);
        return;
      case "lease":
        if (row.lease < 1 || leases.get(row.lease) !== undefined)
          throw nonsense("a lease's number");
        leases.restore(row.lease, row.version, row.modRevision);
        return;
      case "key":
        this.#takeKey(this.#recordOf(row));
        return;
      case "put":
      case "delete":
        this.#takeChange(this.#recordOf(row));
        return;
      default:
        this.#takeTail(row);
    }
  }

  #takeTail(row: StateRow): void {
    try {
      takeTailRow(this.#state, row);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      throw nonsense(error.message);
    }
  }

  #recordOf(row: StateRow): RecordRow {
    if (row instanceof RecordRow) return row;
    this.#record.set(row);
    return this.#record;
  }

  #checkRecord({ keySize, createRevision, modRevision, version }: RecordRow): void {
    if (createRevision < 2 || modRevision < createRevision || version < 1 || keySize === 0) {
      throw nonsense("a record has no such revisions");
    }
  }

  #takeKey(row: RecordRow): void {
    const { map } = this.#state;
    const { keyBytes, keyStart, keySize } = row;
    const isBehind =
      this.#lastKey === 0 || map.records.compareKey(this.#lastKey, keyBytes, keyStart, keySize) < 0;
    if (!isBehind) throw nonsense("keys are out of order");
    this.#checkRecord(row);
    if (row.modRevision > map.compactedRevision) {
      throw nonsense("a key is younger than its place");
    }
    this.#lastKey = map.restoreKey(row);
  }

  #takeChange(row: RecordRow): void {
    const { map } = this.#state;
    const { modRevision } = row;
    const inOrder = modRevision >= this.#lastRevision && modRevision > map.compactedRevision;
    if (!inOrder || modRevision > map.revision) throw nonsense("a change is out of order");
    this.#lastRevision = modRevision;
    if (row.kind === "put") {
      this.#checkRecord(row);
      map.restorePut(row);
    } else if (!map.restoreDelete(row)) {
      throw nonsense("a key is deleted that was not there");
    }
  }
}

function nonsense(what: string): DatabaseError {
  return new DatabaseError("CORRUPTION", `a snapshot's rows make no sense: ${what}`);
}
