/**
 * Snapshots: when one is taken, how the log is compacted behind it, and how one
 * that a leader sends takes the place of the state (Raft §7).
 *
 *   taking      a view of the store at an applied index → rows, a slice at a time,
 *               between the turns of the driver → file → log compacted
 *   installing  parts → file, checked and durable → rows into a state beside the
 *               one that serves, a slice at a time → both swapped in at once
 *
 * Neither is owed to anybody: what finds no room on the disk, or no descriptor, is
 * given up, and comes again when the next one is due.
 *
 * A snapshot is taken after a count of commands or bytes, counted along the log
 * and never by a clock, so that replicas take the same ones and their files are equal.
 */
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import type { SnapshotChunk } from "../raft/ready.js";
import type { Raft } from "../raft/raft.js";
import { LogIndex, type Entry, type SnapshotInfo } from "../raft/types.js";
import type { LogBase, LogStorage } from "../storage/log-storage.js";
import {
  SNAPSHOTS_KEPT_MIN,
  type SnapshotDirectory,
  type SnapshotWriter,
} from "../storage/snapshot-directory.js";
import { isShortage, shortage } from "../storage/shortage.js";
import type { SnapshotReceiver } from "../storage/snapshot-receiver.js";
import type { SnapshotReader } from "../storage/snapshot-file.js";
import type { StateRestore } from "../store/state-restore.js";
import type { StateRow } from "../store/state-row.js";
import type { StateView } from "../store/state-view.js";
import type { Extent, Store } from "../store/store.js";
import type { Clock } from "./clock.js";
import { Slices } from "./slices.js";
import { SnapshotCount, type SnapshotRule } from "./snapshot-count.js";

/** Bytes of rows in a slice at most, whatever the clock says. */
const SLICE_SIZE_MAX = 1024 * 1024;
/** Bytes of rows between two looks at the clock, and rows of a file. */
const ROWS_SIZE = 16 * 1024;
const ROWS_COUNT = 32;
/** Bytes of a half received snapshot that are read between two looks at the clock. */
const READ_SIZE = 128 * 1024;
/** Snapshots' worth of log that is kept at most for a living follower that is behind. */
const LAG_SNAPSHOTS_MAX = 4;

export interface SnapshotsParts {
  readonly clusterId: string;
  readonly raft: Raft;
  readonly log: LogStorage;
  readonly store: Store;
  readonly directory: SnapshotDirectory;
  readonly clock: Clock;
  readonly rule: SnapshotRule;
  /** The state is now that after entry `head.index`. */
  readonly onInstalled: (head: SnapshotHead) => void;
  /** There is something to send or to apply. */
  readonly wake: () => void;
  readonly fail: (error: DatabaseError) => void;
  readonly notice: (line: string) => void;
}

/** What a snapshot's head is made of. */
export interface HeadParts {
  readonly clusterId: string;
  readonly raft: Pick<Raft, "configurationAt">;
  readonly store: Store;
}

/** The head of a snapshot of the state as it is, which is that after `entry`. */
export function headAt(
  { clusterId, raft, store }: HeadParts,
  { index, term, checksum }: LogBase,
): SnapshotHead {
  const inForce = raft.configurationAt(index);
  return {
    clusterId,
    index,
    term,
    checksum,
    revision: store.revision,
    time: store.logTime,
    configuration: inForce.configuration,
    configurationIndex: inForce.index,
  };
}

interface Taking {
  readonly view: StateView;
  readonly writer: SnapshotWriter;
  readonly add: (row: StateRow) => void;
  /** "written": every row is there, and the log on this disk does not reach it yet */
  stage: "writing" | "written" | "syncing";
}

interface Installing {
  readonly snapshot: SnapshotInfo;
  /** undefined until the file is whole and durable */
  reader: SnapshotReader | undefined;
  restore: StateRestore | undefined;
}

export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #since: SnapshotCount;
  #taking: Taking | undefined;
  #installing: Installing | undefined;
  /** has what an earlier life received, and is reading it */
  #resuming: SnapshotReceiver | undefined;
  /** the last part that came found no room, and that was said */
  #isReceivingShort = false;
  #closed = false;
  readonly #slices: Slices;

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
    this.#since = new SnapshotCount(parts.rule, parts.store.extent);
    this.#slices = new Slices(parts.clock);
  }

  /** Whether one is being written, or waits for the disk. */
  get isUnderWay(): boolean {
    return this.#taking !== undefined;
  }

  /** An entry of `commandCount` commands was applied. Call in log order, right behind it. */
  onApplied(entry: Entry, commandCount: number): void {
    // Counted anew whether or not there is time for one now: where snapshots stand depends on the log alone.
    if (this.#since.add(commandCount, entry.block.length, this.#extent) === "early") return;
    if (this.#taking !== undefined || this.#installing !== undefined) return;
    // One that somebody saves elsewhere holds the store's only view.
    if (this.#parts.store.hasView)
      this.#parts.notice(`no snapshot of entry ${entry.index} is taken: one is being saved`);
    else this.#take(entry);
  }

  readonly #extent = (): Extent => this.#parts.store.extent;

  /** Called with every tick. */
  look(): void {
    const taking = this.#taking;
    if (taking?.stage === "written") {
      this.#guard(() => {
        this.#finish(taking);
      }, this.#giveUpTaking);
    }
  }

  /** Parts of a leader's snapshot. */
  onChunks(chunks: readonly SnapshotChunk[]): void {
    for (const chunk of chunks) {
      this.#guard(() => {
        this.#onChunk(chunk);
      }, this.#onReceivingShort);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abortTaking();
    this.#giveUpInstalling();
    this.#parts.directory.close();
  }

  // ---- taking ---------------------------------------------------------------

  #take(entry: Entry): void {
    const { store, directory } = this.#parts;
    const head = headAt(this.#parts, entry);
    const { index } = head;
    // The view is of this moment; the file waits for the next slice.
    const view = store.openView();
    this.#guard(
      () => {
        const writer = directory.begin(head);
        const add = (row: StateRow): void => {
          writer.add(row);
        };
        this.#taking = { view, writer, add, stage: "writing" };
        this.#scheduleSlice();
      },
      (error) => {
        view.close();
        this.#parts.notice(`no snapshot of entry ${index} is taken: ${error.message}`);
      },
    );
  }

  readonly #giveUpTaking = (error: DatabaseError): void => {
    const taking = this.#taking;
    this.#abortTaking();
    if (taking !== undefined) this.#onGivenUp(taking, error);
  };

  #onGivenUp({ writer }: Taking, error: DatabaseError): void {
    this.#parts.notice(`the snapshot of entry ${writer.head.index} is given up: ${error.message}`);
  }

  #writeSlice(taking: Taking, until: number): void {
    const { clock } = this.#parts;
    for (let size = 0; size < SLICE_SIZE_MAX; size += ROWS_SIZE) {
      if (!taking.writer.isReady) {
        this.#waitForDisk(taking);
        return;
      }
      if (!taking.view.read(ROWS_SIZE, taking.add)) {
        taking.stage = "written";
        taking.view.close();
        this.#finish(taking);
        return;
      }
      if (clock.now() >= until) break;
    }
    this.#scheduleSlice();
  }

  /** What there is goes to the disk; the next slice waits for it. */
  #waitForDisk(taking: Taking): void {
    taking.writer.whenReady((error) => {
      if (this.#closed || this.#taking !== taking) return;
      this.#guard(() => {
        if (error !== undefined) throw error;
        this.#scheduleSlice();
      }, this.#giveUpTaking);
    });
  }

  #finish(taking: Taking): void {
    // What is in a snapshot is in the log on this very disk too: a crash must not find a log that ends before it.
    if (this.#parts.raft.flushedIndex < taking.writer.head.index) return;
    taking.writer.finish((error, snapshot) => {
      if (this.#taking === taking) this.#taking = undefined;
      if (this.#closed) return;
      if (snapshot !== undefined) {
        this.#onTaken(snapshot);
      } else if (isShortage(error)) {
        taking.writer.abort();
        this.#onGivenUp(taking, error);
      } else if (error !== undefined) {
        this.#parts.fail(error);
      }
    });
    taking.stage = "syncing";
  }

  #onTaken(snapshot: SnapshotInfo): void {
    const { notice } = this.#parts;
    notice(`snapshot of entry ${snapshot.index} taken, ${snapshot.size} bytes`);
    this.#guard(
      () => {
        this.#compact();
      },
      (error) => {
        notice(`the log is compacted later: ${error.message}`);
      },
    );
  }

  /** The log goes back to the older of the snapshots that are kept, and to what a living follower still needs. */
  #compact(): void {
    const { raft, log, directory } = this.#parts;
    directory.prune(SNAPSHOTS_KEPT_MIN, (index) => raft.isSnapshotInUse(index));
    const kept = directory.names.slice(-SNAPSHOTS_KEPT_MIN);
    const [older, newer] = [kept[0], kept.at(-1)];
    if (older === undefined || newer === undefined || older === newer) return;
    const span = (newer.index - older.index) * LAG_SNAPSHOTS_MAX;
    const needed = Math.max(raft.neededIndex, older.index - span);
    log.compactTo(LogIndex(Math.max(0, Math.min(older.index, needed))));
  }

  #abortTaking(): void {
    const taking = this.#taking;
    if (taking === undefined) return;
    this.#taking = undefined;
    taking.view.close();
    taking.writer.abort();
  }

  // ---- installing -------------------------------------------------------------

  #onChunk({ snapshot, offset, data }: SnapshotChunk): void {
    const { raft, directory } = this.#parts;
    const installing = this.#installing;
    if (installing !== undefined) {
      // It is here as a whole, or another one is: either way nothing more is needed now.
      const isSame = isSameSnapshot(installing.snapshot, snapshot);
      if (isSame) raft.snapshotStored(snapshot, snapshot.size);
      return;
    }
    const receiver = directory.receive(snapshot);
    this.#resuming = receiver.isSummedUp ? undefined : receiver;
    if (this.#resuming !== undefined) {
      this.#scheduleSlice();
      return;
    }
    if (data.length > 0) {
      receiver.write(offset, data);
      this.#isReceivingShort = false;
    }
    this.#onReceived(receiver);
  }

  #onReceived(receiver: SnapshotReceiver): void {
    const { raft, wake } = this.#parts;
    if (receiver.isComplete) this.#verify(receiver);
    raft.snapshotStored(receiver.snapshot, receiver.offset);
    wake();
  }

  #resumeSlice(receiver: SnapshotReceiver, until: number): void {
    do receiver.sumUp(READ_SIZE);
    while (!receiver.isSummedUp && this.#parts.clock.now() < until);
    if (receiver.isSummedUp) {
      this.#resuming = undefined;
      this.#onReceived(receiver);
    }
    this.#scheduleSlice();
  }

  /** The leader asks again. */
  readonly #onReceivingShort = (error: DatabaseError): void => {
    this.#giveUpInstalling();
    if (!this.#isReceivingShort) this.#parts.notice(`a snapshot is not received: ${error.message}`);
    this.#isReceivingShort = true;
  };

  #giveUpInstalling(): void {
    this.#installing?.reader?.close();
    this.#installing = undefined;
  }

  #verify(receiver: SnapshotReceiver): void {
    const { snapshot } = receiver;
    const installing: Installing = { snapshot, reader: undefined, restore: undefined };
    const isWhole = receiver.finish((error) => {
      if (this.#closed) return;
      if (isShortage(error)) this.#onReceivingShort(error);
      else if (error !== undefined) this.#parts.fail(error);
      else {
        this.#guard(() => {
          this.#load(installing);
        }, this.#onReceivingShort);
      }
    });
    if (isWhole) this.#installing = installing;
    else
      this.#parts.notice(
        `a snapshot of entry ${snapshot.index} came damaged: it is asked for again`,
      );
  }

  #load(installing: Installing): void {
    const { directory, store } = this.#parts;
    const { index, term } = installing.snapshot;
    const name = directory.names.find((one) => one.index === index && one.term === term);
    if (name === undefined) {
      this.#installing = undefined;
      return;
    }
    // It takes the place of what one would have been taken of.
    this.#abortTaking();
    installing.reader = directory.open(name);
    installing.restore = store.beginRestore();
    installing.restore.expect(installing.reader.expectedRowCount());
    this.#scheduleSlice();
  }

  #restoreSlice(installing: Installing, until: number): void {
    const { reader, restore } = installing;
    if (reader === undefined || restore === undefined) return;
    const { clock } = this.#parts;
    const add = (row: StateRow): void => {
      restore.add(row);
    };
    for (let size = 0; size < SLICE_SIZE_MAX; size += ROWS_SIZE) {
      const isMore = reader.next(add, ROWS_COUNT);
      if (!isMore) {
        this.#install(installing, reader.head, restore);
        return;
      }
      if (clock.now() >= until) break;
    }
    this.#scheduleSlice();
  }

  #install({ snapshot }: Installing, head: SnapshotHead, restore: StateRestore): void {
    const { raft, log, onInstalled, notice, wake } = this.#parts;
    this.#installing = undefined;
    const verdict = raft.snapshotInstalled(head);
    if (verdict !== "not-needed") {
      restore.finish();
      if (verdict === "log-reset") log.reset(head);
      this.#since.restart(this.#parts.store.extent);
      onInstalled(head);
      notice(`snapshot of entry ${head.index} installed (${verdict})`);
    }
    raft.snapshotTaken(snapshot);
    wake();
  }

  // ---- both -------------------------------------------------------------------

  #scheduleSlice(): void {
    if (this.#closed) return;
    const isTaking = this.#installing === undefined && this.#resuming === undefined;
    this.#slices.schedule(
      (until) => {
        if (this.#closed) return;
        this.#guard(() => {
          // One that came and is not checked yet may still be put off: what is being taken goes on.
          const installing = this.#installing;
          const resuming = this.#resuming;
          if (installing?.reader !== undefined) this.#restoreSlice(installing, until);
          else if (resuming !== undefined) this.#resumeSlice(resuming, until);
          else if (this.#taking?.stage === "writing") this.#writeSlice(this.#taking, until);
        }, this.#giveUpTaking);
      },
      isTaking ? "steady" : "soon",
    );
  }

  /** What is short is put off; what the disk does wrong stops the node; our own mistakes stop the process. */
  #guard(work: () => void, putOff: (error: DatabaseError) => void): void {
    try {
      work();
    } catch (error) {
      const short = isShortage(error) ? error : shortage(error, "a snapshot");
      if (short !== undefined) putOff(short);
      else if (error instanceof DatabaseError) this.#parts.fail(error);
      else if (isSystemError(error)) {
        const message = `a snapshot could not be written or read: ${error.message}`;
        this.#parts.fail(new DatabaseError("STORAGE_FAILED", message, { cause: error }));
      } else throw error;
    }
  }
}

function isSameSnapshot(left: SnapshotInfo, right: SnapshotInfo): boolean {
  return left.index === right.index && left.fileChecksum === right.fileChecksum;
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
