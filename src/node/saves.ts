/**
 * Saves: snapshots that somebody asks for, to keep them elsewhere.
 *
 *   asked → a linearizable read → a view of the store → a file, a slice at a time,
 *   between the turns of the driver → read in parts by whoever asked → removed
 *
 * They are none of the node's own snapshots: no log is compacted behind them, and
 * which of those there are stays a matter of the log alone. A store has one view at
 * a time: who asks while one is written, here or of the node's own, waits for the
 * next, which all of them share (each must hold everything that was acknowledged
 * before it was asked for), and the node says so; a snapshot of its own that comes
 * due meanwhile is left out, and the node says that too.
 *
 * What the disk refuses fails the save, never the node.
 */
import { AssertionError } from "../assert.js";
import type { SavedSnapshot } from "../codec/inspection-message.js";
import { DatabaseError } from "../errors.js";
import type { FileSystem } from "../storage/file-system.js";
import type { LogBase } from "../storage/log-storage.js";
import { readSnapshots } from "../storage/offline-snapshots.js";
import { SavedSnapshotFile } from "../storage/saved-snapshot.js";
import { shortage } from "../storage/shortage.js";
import type { StateRow } from "../store/state-row.js";
import type { StateView } from "../store/state-view.js";
import type { Store } from "../store/store.js";
import type { Clock } from "./clock.js";
import type { HeldSnapshot, ReadDone, SaveDone, SnapshotService } from "./service.js";
import { Slices } from "./slices.js";
import { headAt, type HeadParts } from "./snapshots.js";
import { stoppingError } from "./stopping.js";

/** Bytes of rows in a slice at most, and between two looks at the clock; as of a snapshot of the node's own. */
const SLICE_SIZE_MAX = 1024 * 1024;
const ROWS_SIZE = 16 * 1024;
/** Milliseconds that the read before a save may take. */
const READ_MS_MAX = 5000;
/** Milliseconds without a reader after which a save is removed. */
const KEPT_MS = 60_000;

export interface SavesParts extends HeadParts {
  readonly store: Store;
  readonly fileSystem: FileSystem;
  readonly dataDirectory: string;
  readonly clock: Clock;
  /** a linearizable read */
  readonly read: (deadline: number, done: ReadDone) => void;
  readonly notice: (line: string) => void;
  /** the last entry whose effect the store holds */
  readonly lastApplied: () => LogBase;
}

interface Asker {
  readonly deadline: number;
  readonly done: SaveDone;
}

interface Writing {
  readonly view: StateView;
  readonly file: SavedSnapshotFile;
  /** those whose time is not up */
  askers: readonly Asker[];
}

interface Kept {
  readonly file: SavedSnapshotFile;
  readonly saved: SavedSnapshot;
  lastReadAt: number;
}

export class Saves implements SnapshotService {
  readonly #parts: SavesParts;
  /** for the next one */
  #askers: Asker[] = [];
  #writing: Writing | undefined;
  #kept: Kept | undefined;
  #closed = false;
  /** that somebody waits was said */
  #isWaitingTold = false;
  readonly #slices: Slices;

  constructor(parts: SavesParts) {
    this.#parts = parts;
    this.#slices = new Slices(parts.clock);
  }

  /** @throws {DatabaseError} BUSY, STORAGE_FAILED */
  held(): readonly HeldSnapshot[] {
    const { fileSystem, dataDirectory } = this.#parts;
    const snapshots = reading(() => readSnapshots(fileSystem, dataDirectory));
    return snapshots.map(({ head, endChecksum, size }) => {
      const { index, term, checksum } = head;
      return { index, term, checksum, stateChecksum: endChecksum, size };
    });
  }

  save(timeoutMs: number, done: SaveDone): void {
    const { clock, read } = this.#parts;
    const deadline = clock.now() + timeoutMs;
    if (this.#closed) {
      clock.defer(() => {
        done(stoppingError(), undefined);
      });
      return;
    }
    read(clock.now() + Math.min(timeoutMs, READ_MS_MAX), (error, store) => {
      if (store === undefined || this.#closed) {
        done(error ?? stoppingError(), undefined);
        return;
      }
      this.#askers.push({ deadline, done });
      this.#begin();
    });
  }

  /** @throws {DatabaseError} STORAGE_FAILED */
  readSaved(index: number, offset: number, sizeMax: number): Uint8Array | undefined {
    const kept = this.#kept;
    if (kept?.saved.index !== index) return undefined;
    kept.lastReadAt = this.#parts.clock.now();
    return reading(() => kept.file.read(offset, sizeMax));
  }

  /** Called with every tick. */
  look(): void {
    const kept = this.#kept;
    if (kept !== undefined && this.#parts.clock.now() - kept.lastReadAt >= KEPT_MS) this.#drop();
    this.#expire();
    // A view of the node's own snapshot may have been in the way.
    this.#begin();
  }

  /** What is being written goes on: it is there at once for whoever asks again before anything has changed. */
  #expire(): void {
    const now = this.#parts.clock.now();
    const isDue = ({ deadline }: Asker): boolean => deadline <= now;
    const writing = this.#writing;
    const due = [...(writing?.askers ?? []), ...this.#askers].filter(isDue);
    if (due.length === 0) return;
    this.#askers = this.#askers.filter((asker) => !isDue(asker));
    if (writing !== undefined) writing.askers = writing.askers.filter((asker) => !isDue(asker));
    const message = "the snapshot was not written in time: ask again, and give it longer";
    this.#tell(due, new DatabaseError("TIMEOUT", message));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const writing = this.#writing;
    this.#writing = undefined;
    writing?.view.close();
    this.#tell([...(writing?.askers ?? []), ...this.#askers.splice(0)], stoppingError());
    // What cannot be removed now is removed by the next start.
    attempt(() => writing?.file.removeAtOnce());
    const kept = this.#kept;
    this.#kept = undefined;
    attempt(() => kept?.file.removeAtOnce());
  }

  #begin(): void {
    const { store, fileSystem, dataDirectory, lastApplied, clock } = this.#parts;
    if (this.#askers.length === 0) return;
    if (this.#writing !== undefined || store.hasView) {
      if (!this.#isWaitingTold)
        this.#parts.notice("a snapshot that is to be saved waits: another one is being written");
      this.#isWaitingTold = true;
      return;
    }
    this.#isWaitingTold = false;
    const askers = this.#askers.splice(0);
    const entry = lastApplied();
    const kept = this.#kept;
    if (kept?.saved.index === entry.index) {
      kept.lastReadAt = clock.now();
      this.#answer(askers, kept.saved);
      return;
    }
    this.#drop();
    const head = headAt(this.#parts, entry);
    const failure = attempt(() => {
      const file = SavedSnapshotFile.create(fileSystem, `${dataDirectory}/snapshots`, head);
      this.#writing = { view: store.openView(), file, askers };
    });
    if (failure === undefined) this.#scheduleSlice();
    else this.#tell(askers, failure);
  }

  #scheduleSlice(): void {
    this.#slices.schedule((until) => {
      const writing = this.#writing;
      if (writing === undefined) return;
      this.#guard(writing, () => {
        this.#writeSlice(writing, until);
      });
    });
  }

  /** What the disk says no to ends the save. */
  #guard(writing: Writing, work: () => void): void {
    const failure = attempt(work);
    if (failure === undefined) return;
    this.#writing = undefined;
    writing.view.close();
    attempt(() => {
      writing.file.remove();
    });
    this.#tell(writing.askers, failure);
  }

  #writeSlice(writing: Writing, until: number): void {
    const { view, file } = writing;
    const { clock } = this.#parts;
    const add = (row: StateRow): void => {
      file.add(row);
    };
    for (let size = 0; size < SLICE_SIZE_MAX; size += ROWS_SIZE) {
      if (size > 0 && clock.now() >= until) break;
      if (!file.isReady) {
        file.whenReady(
          this.#then(writing, () => {
            this.#scheduleSlice();
          }),
        );
        return;
      }
      if (view.read(ROWS_SIZE, add)) continue;
      view.close();
      file.end(
        this.#then(writing, () => {
          this.#finish(writing);
        }),
      );
      return;
    }
    this.#scheduleSlice();
  }

  /** Goes on when the disk has answered, unless it is over. */
  #then(writing: Writing, goOn: () => void): (error: Error | undefined) => void {
    return (error) => {
      if (this.#writing !== writing) return;
      this.#guard(writing, () => {
        if (error !== undefined) throw error;
        goOn();
      });
    };
  }

  #finish({ file, askers }: Writing): void {
    this.#writing = undefined;
    const { index, term, revision } = file.head;
    const saved = { index, term, revision, size: file.size, fileChecksum: file.checksum };
    this.#kept = { file, saved, lastReadAt: this.#parts.clock.now() };
    this.#answer(askers, saved);
  }

  #answer(askers: readonly Asker[], saved: SavedSnapshot): void {
    for (const { done } of askers) done(undefined, saved);
  }

  #tell(askers: readonly Asker[], error: DatabaseError): void {
    for (const { done } of askers) done(error, undefined);
  }

  #drop(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    attempt(() => kept?.file.remove());
  }
}

/** What the disk said no to; our own mistakes pass. */
function attempt(work: () => void): DatabaseError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    const message = `the snapshot could not be written for saving: ${text}`;
    return new DatabaseError("STORAGE_FAILED", message, { cause: error });
  }
}

/** What the disk says no to is the asker's failure, never the node's. */
function reading<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof DatabaseError || error instanceof AssertionError) throw error;
    const short = shortage(error, "reading snapshots");
    if (short !== undefined) throw short;
    const text = error instanceof Error ? error.message : String(error);
    const message = `the snapshots could not be read: ${text}`;
    throw new DatabaseError("STORAGE_FAILED", message, { cause: error });
  }
}
