/**
 * The snapshots of a node, and what is on its way to become one.
 *
 *   <data>/snapshots/00000000000000004711-00000000000000000003.avro     index, term
 *   <data>/snapshots/….tmp                                             being written, or removed
 *   <data>/snapshots/….<size>-<checksum>.part                          being received
 *
 * How a snapshot comes to be, each step durable before the next: written under a
 * temporary name, beside the event loop, with a datasync every few mebibytes and one
 * at the end; renamed; directory synced. So a
 * name that ends in `.avro` is a whole snapshot. A part that a leader sent outlives
 * a restart, and is checked as a whole before it gets its name.
 */
import { assert } from "../assert.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, Term, type SnapshotInfo, type SnapshotSource } from "../raft/types.js";
import type { StateRow } from "../store/state-row.js";
import type { File, FileSystem } from "./file-system.js";
import { NeedlessFiles, removeLeftovers } from "./needless-files.js";
import { shortage } from "./shortage.js";
import { SnapshotReader } from "./snapshot-file.js";
import { SnapshotReceiver, type Done } from "./snapshot-receiver.js";
import { newStreamMemory, SnapshotStream, type StreamMemory } from "./snapshot-stream.js";

/** Snapshots kept at least: should one be damaged, the log goes back to the other. */
export const SNAPSHOTS_KEPT_MIN = 2;

/** A snapshot by its name; what is in it is known when it is read. */
export interface SnapshotName {
  readonly index: LogIndex;
  readonly term: Term;
  readonly file: string;
}

export class SnapshotDirectory implements SnapshotSource {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #needless: NeedlessFiles;
  /** by index */
  #names: SnapshotName[] = [];
  #newest: SnapshotInfo | undefined;
  #receiver: SnapshotReceiver | undefined;
  /** for the next one that is written; undefined before the first, and while one is */
  #memory: StreamMemory | undefined;

  /** Makes the directory, removes what was being written, lists what there is. @throws Node's own errors */
  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    fileSystem.makeDirectory(directory);
    this.#needless = new NeedlessFiles(fileSystem, directory);
    removeLeftovers(fileSystem, directory);
    for (const name of fileSystem.list(directory)) {
      const parsed = parseName(name);
      if (parsed !== undefined) this.#names.push(parsed);
    }
    // A killed process may have renamed without syncing; what is read now must be what a power cut leaves.
    fileSystem.syncDirectory(directory);
  }

  /** Oldest first. */
  get names(): readonly SnapshotName[] {
    return this.#names;
  }

  /** The newest that is known to be whole: taken, received or read to its end in this life. */
  get newest(): SnapshotInfo | undefined {
    return this.#newest;
  }

  /** A reader of every byte. @throws {DatabaseError} CORRUPTION */
  open(name: SnapshotName): SnapshotReader {
    const file = this.#fileSystem.open(`${this.#directory}/${name.file}`, "read");
    try {
      return new SnapshotReader(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** `reader` has read this snapshot to its end: it is whole, and may be sent to others. */
  noteWhole(reader: SnapshotReader): SnapshotInfo {
    const { index, term, checksum } = reader.head;
    const { size, checksum: fileChecksum } = reader;
    return this.#noteNewest({ index, term, checksum, size, fileChecksum });
  }

  /** @throws {DatabaseError} STORAGE_FAILED */
  read(snapshot: SnapshotInfo, offset: number, sizeMax: number): Uint8Array | undefined {
    const name = this.#names.find(({ index, term }) => isOf(snapshot, index, term));
    if (name === undefined) return undefined;
    try {
      return this.#readFrom(name, snapshot, offset, sizeMax);
    } catch (error) {
      // Too many open files: as good as not held, for now.
      if (shortage(error, "") !== undefined) return undefined;
      throw failure("reading", this.#directory, error);
    }
  }

  #readFrom(
    name: SnapshotName,
    snapshot: SnapshotInfo,
    offset: number,
    sizeMax: number,
  ): Uint8Array | undefined {
    const file = this.#fileSystem.open(`${this.#directory}/${name.file}`, "read");
    try {
      if (file.size() !== snapshot.size) return undefined;
      const bytes = new Uint8Array(Math.max(0, Math.min(sizeMax, snapshot.size - offset)));
      return bytes.subarray(0, file.read(bytes, offset));
    } finally {
      file.close();
    }
  }

  /** Begins to write one of the own state. At most one at a time. @throws Node's own errors */
  begin(head: SnapshotHead): SnapshotWriter {
    const name = `${fileName(head.index, head.term)}.tmp`;
    const path = `${this.#directory}/${name}`;
    const file = this.#fileSystem.open(path, "create");
    const memory = this.#memory ?? newStreamMemory();
    this.#memory = undefined;
    return new SnapshotWriter({
      file,
      head,
      memory,
      giveBack: () => {
        this.#memory = memory;
      },
      keep: (info, done) => {
        this.#keep(file, path, info, done);
      },
      refuse: (error, done) => {
        this.#refuse(error, done);
      },
      remove: () => {
        try {
          this.#needless.discard(name);
        } catch {
          // what remains is only space, and goes with the next start
        }
      },
    });
  }

  /** What is received of `snapshot`: what there is of it already, or an empty beginning. */
  receive(snapshot: SnapshotInfo): SnapshotReceiver {
    const file = partName(snapshot);
    if (this.#receiver?.name === file) return this.#receiver;
    this.#closeReceiver();
    const path = `${this.#directory}/${file}`;
    for (const name of this.#fileSystem.list(this.#directory)) {
      // Another one is of no use any more.
      if (name.endsWith(".part") && name !== file) this.#needless.discard(name);
    }
    const held = this.#fileSystem.exists(path);
    this.#receiver = new SnapshotReceiver({
      name: file,
      snapshot,
      file: this.#fileSystem.open(path, held ? "read-write" : "create"),
      keep: (part, syncFailure, done) => {
        this.#receiver = undefined;
        this.#keep(part, path, snapshot, done, syncFailure);
      },
    });
    return this.#receiver;
  }

  /** Removes all but the newest `countKept`, and those that are being sent. */
  prune(countKept: number, isInUse: (index: LogIndex) => boolean): void {
    assert(countKept >= SNAPSHOTS_KEPT_MIN, "a damaged snapshot must leave another");
    const doomed = this.#names.slice(0, -countKept).filter(({ index }) => !isInUse(index));
    if (doomed.length === 0) return;
    // Not owed to anybody: what comes back after a power cut goes the next time.
    for (const { file } of doomed) this.#needless.discard(file);
    this.#names = this.#names.filter((name) => !doomed.includes(name));
  }

  /** A snapshot that turned out to be none. */
  discard(name: SnapshotName): void {
    this.#fileSystem.remove(`${this.#directory}/${name.file}`);
    this.#fileSystem.syncDirectory(this.#directory);
    this.#names = this.#names.filter((other) => other !== name);
    if (this.#newest?.index === name.index) this.#newest = undefined;
  }

  close(): void {
    this.#closeReceiver();
    this.#needless.close();
  }

  #closeReceiver(): void {
    this.#receiver?.close();
    this.#receiver = undefined;
  }

  /** Makes a written file durable, and then its name, beside the loop. On a shortage it keeps the name it has. */
  #keep(
    file: File,
    path: string,
    snapshot: SnapshotInfo,
    done: Done,
    syncFailure: () => Error | undefined = () => undefined,
  ): void {
    const name = `${this.#directory}/${fileName(snapshot.index, snapshot.term)}`;
    file.datasyncLater((error) => {
      const unnamed = errorOf(() => {
        file.close();
        const failed = error ?? syncFailure();
        if (failed !== undefined) throw failed;
        this.#fileSystem.rename(path, name);
      });
      if (unnamed !== undefined) {
        this.#refuse(unnamed, done);
        return;
      }
      this.#fileSystem.syncDirectoryLater(this.#directory, (syncError) => {
        if (syncError === undefined) {
          this.#noteNewest(snapshot);
          done(undefined, snapshot);
          return;
        }
        const unchanged = errorOf(() => {
          this.#fileSystem.rename(name, path);
        });
        this.#refuse(unchanged ?? syncError, done);
      });
    });
  }

  #refuse(cause: unknown, done: Done): void {
    const doing = `writing a snapshot in ${this.#directory}`;
    done(shortage(cause, doing) ?? failure("writing", this.#directory, cause), undefined);
  }

  #noteNewest(snapshot: SnapshotInfo): SnapshotInfo {
    const { index, term } = snapshot;
    const others = this.#names.filter((name) => name.index !== index || name.term !== term);
    this.#names = [...others, { index, term, file: fileName(index, term) }].toSorted(
      (a, b) => a.index - b.index || a.term - b.term,
    );
    if (index >= (this.#newest?.index ?? 0)) this.#newest = snapshot;
    return snapshot;
  }
}

interface WriterParts {
  readonly file: File;
  readonly head: SnapshotHead;
  readonly memory: StreamMemory;
  /** It uses its memory no more. */
  readonly giveBack: () => void;
  /** All is written. */
  readonly keep: (snapshot: SnapshotInfo, done: Done) => void;
  /** It could not be. */
  readonly refuse: (error: Error, done: Done) => void;
  readonly remove: () => void;
}

/** The own state on its way to the disk, beside the event loop. */
export class SnapshotWriter {
  readonly #parts: WriterParts;
  readonly #stream: SnapshotStream;
  #isBeingKept = false;
  #hasMemory = true;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#stream = new SnapshotStream(parts.file, parts.head, parts.memory);
  }

  get head(): SnapshotHead {
    return this.#parts.head;
  }

  /** @throws Node's own errors: what an earlier row has met, too */
  add(row: StateRow): void {
    this.#stream.add(row);
  }

  append(rows: readonly StateRow[]): void {
    for (const row of rows) this.add(row);
  }

  /** Whether the disk keeps up: no more than it should is written and not synced, or not yet written. */
  get isReady(): boolean {
    return this.#stream.isReady;
  }

  /** Calls `done` when it is ready again, or cannot be: when all was written, and synced if that is due. */
  whenReady(done: (error: Error | undefined) => void): void {
    this.#stream.whenReady(done);
  }

  /** All rows are there. `done` is called when the snapshot is durable and has its name. */
  finish(done: Done): void {
    this.#stream.end((error) => {
      if (error !== undefined) {
        this.#parts.refuse(error, done);
        return;
      }
      const { index, term, checksum } = this.head;
      const { size, checksum: fileChecksum } = this.#stream;
      this.#isBeingKept = true;
      this.#giveBack();
      this.#parts.keep({ index, term, checksum, size, fileChecksum }, (refusal, snapshot) => {
        this.#isBeingKept = false;
        done(refusal, snapshot);
      });
    });
  }

  /** Leaves nothing. One that is written as a whole, and being synced and named, goes its way alone. */
  abort(): void {
    if (this.#isBeingKept) return;
    if (this.#stream.isIdle) this.#giveBack();
    this.#stream.close();
    this.#parts.remove();
  }

  #giveBack(): void {
    if (this.#hasMemory) this.#parts.giveBack();
    this.#hasMemory = false;
  }
}

function errorOf(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

function isOf(snapshot: SnapshotInfo, index: LogIndex, term: Term): boolean {
  return snapshot.index === index && snapshot.term === term;
}

function fileName(index: LogIndex, term: Term): string {
  return `${digits(index)}-${digits(term)}.avro`;
}

function partName({ index, term, size, fileChecksum }: SnapshotInfo): string {
  const checksum = fileChecksum.toString(16).padStart(8, "0");
  return `${digits(index)}-${digits(term)}.${size}-${checksum}.part`;
}

function digits(number: number): string {
  return String(number).padStart(20, "0");
}

function parseName(file: string): SnapshotName | undefined {
  const match = /^([0-9]{20})-([0-9]{20})\.avro$/.exec(file);
  const [index, term] = [Number(match?.[1]), Number(match?.[2])];
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) return undefined;
  return { index: LogIndex(index), term: Term(term), file };
}

function failure(doing: string, directory: string, cause: unknown): DatabaseError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = `${doing} a snapshot in ${directory} failed: ${text}`;
  return new DatabaseError("STORAGE_FAILED", message, { cause });
}
