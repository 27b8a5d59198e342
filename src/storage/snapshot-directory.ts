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
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import type { SnapshotHead } from "../codec/snapshot.js";
import { DatabaseError } from "../errors.js";
import { LogIndex, Term, type SnapshotInfo, type SnapshotSource } from "../raft/types.js";
import type { StateRow } from "../store/state-row.js";
import type { File, FileSystem } from "./file-system.js";
import { NeedlessFiles, removeLeftovers } from "./needless-files.js";
import { shortage } from "./shortage.js";
import { SnapshotBody, SnapshotReader } from "./snapshot-file.js";
import { WriteBehind } from "./write-behind.js";

/** Snapshots kept at least: should one be damaged, the log goes back to the other. */
export const SNAPSHOTS_KEPT_MIN = 2;
const COPY_SIZE = 1024 * 1024;
/** Bytes written between two syncs: a flush of the log waits behind no more than this. */
const SYNC_SIZE = 2 * 1024 * 1024;

/** A snapshot by its name; what is in it is known when it is read. */
export interface SnapshotName {
  readonly index: LogIndex;
  readonly term: Term;
  readonly file: string;
}

type Done = (error: DatabaseError | undefined, snapshot: SnapshotInfo | undefined) => void;

export class SnapshotDirectory implements SnapshotSource {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #needless: NeedlessFiles;
  /** by index */
  #names: SnapshotName[] = [];
  #newest: SnapshotInfo | undefined;
  #receiver: SnapshotReceiver | undefined;

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
    const path = `${this.#directory}/${fileName(head.index, head.term)}.tmp`;
    const file = this.#fileSystem.open(path, "create");
    return new SnapshotWriter({
      file,
      head,
      keep: (info, done) => {
        this.#keep(file, path, info, done);
      },
      refuse: (error, done) => {
        this.#refuse(error, done);
      },
      remove: () => {
        try {
          this.#fileSystem.remove(path);
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
      if (name.endsWith(".part") && name !== file)
        this.#fileSystem.remove(`${this.#directory}/${name}`);
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
  /** All is written. */
  readonly keep: (snapshot: SnapshotInfo, done: Done) => void;
  /** It could not be. */
  readonly refuse: (error: Error, done: Done) => void;
  readonly remove: () => void;
}

/** The own state on its way to the disk, beside the event loop. */
export class SnapshotWriter {
  readonly #parts: WriterParts;
  readonly #behind: WriteBehind;
  readonly #body: SnapshotBody;
  #syncedSize = 0;
  #isBeingKept = false;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#behind = new WriteBehind(parts.file);
    this.#body = new SnapshotBody(this.#behind, parts.head);
  }

  get head(): SnapshotHead {
    return this.#parts.head;
  }

  /** @throws Node's own errors: what an earlier row has met, too */
  add(row: StateRow): void {
    this.#body.add(row);
  }

  append(rows: readonly StateRow[]): void {
    for (const row of rows) this.add(row);
  }

  /** Whether the disk keeps up: no more than it should is written and not synced, or not yet written. */
  get isReady(): boolean {
    return !this.#behind.isFull && !this.#isSyncDue;
  }

  get #isSyncDue(): boolean {
    return this.#body.size - this.#syncedSize >= SYNC_SIZE;
  }

  /** Calls `done` when it is ready again, or cannot be: when all was written, and synced if that is due. */
  whenReady(done: (error: Error | undefined) => void): void {
    this.#behind.drain((error) => {
      if (error !== undefined || !this.#isSyncDue) {
        done(error);
        return;
      }
      this.#syncedSize = this.#body.size;
      this.#parts.file.datasyncLater(done);
    });
  }

  /** All rows are there. `done` is called when the snapshot is durable and has its name. */
  finish(done: Done): void {
    this.#body.end();
    const { index, term, checksum } = this.head;
    const { size, checksum: fileChecksum } = this.#body;
    this.#behind.drain((error) => {
      if (error !== undefined) {
        this.#parts.refuse(error, done);
        return;
      }
      this.#isBeingKept = true;
      this.#parts.keep({ index, term, checksum, size, fileChecksum }, (refusal, snapshot) => {
        this.#isBeingKept = false;
        done(refusal, snapshot);
      });
    });
  }

  /** Leaves nothing. One that is written as a whole, and being synced and named, goes its way alone. */
  abort(): void {
    if (this.#isBeingKept) return;
    this.#behind.close();
    this.#parts.remove();
  }
}

/** @param syncFailure asked when the file is synced: of an earlier sync */
type Keep = (file: File, syncFailure: () => Error | undefined, done: Done) => void;

/** A leader's snapshot on its way here. */
class SnapshotReceiver {
  readonly name: string;
  readonly snapshot: SnapshotInfo;
  readonly #file: File;
  readonly #keep: Keep;
  #offset: number;
  #checksum = 0;
  #syncedOffset: number;
  #syncing = false;
  /** of a sync on the way: what was received is as good as lost */
  #syncFailure: Error | undefined;
  #closed = false;

  constructor(options: {
    readonly name: string;
    readonly snapshot: SnapshotInfo;
    readonly file: File;
    readonly keep: Keep;
  }) {
    this.name = options.name;
    this.snapshot = options.snapshot;
    this.#file = options.file;
    this.#keep = options.keep;
    this.#offset = Math.min(this.#file.size(), this.snapshot.size);
    this.#syncedOffset = this.#offset;
    this.#sumUp();
  }

  /** bytes held */
  get offset(): number {
    return this.#offset;
  }

  get isComplete(): boolean {
    return this.#offset === this.snapshot.size;
  }

  /** Takes a part that begins where the last one ended; any other is late or early, and ignored. */
  write(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#offset || offset + bytes.length > this.snapshot.size) return;
    this.#file.write(bytes, offset);
    this.#checksum = crc32(bytes, this.#checksum);
    this.#offset += bytes.length;
    if (this.#offset - this.#syncedOffset >= SYNC_SIZE) this.#syncOnTheWay();
  }

  /** Beside the event loop, so that the sync of the whole is a short one. */
  #syncOnTheWay(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    this.#syncedOffset = this.#offset;
    this.#file.datasyncLater((error) => {
      this.#syncing = false;
      this.#syncFailure ??= error;
    });
  }

  /**
   * Checks the whole, makes it durable and gives it its name.
   *
   * @returns false when it is not what was announced: it is to be sent again from its beginning
   */
  finish(done: Done): boolean {
    assert(this.isComplete, "a part is no snapshot");
    if (this.#checksum !== this.snapshot.fileChecksum) {
      this.#file.truncate(0);
      this.#offset = 0;
      this.#syncedOffset = 0;
      this.#checksum = 0;
      return false;
    }
    this.#closed = true;
    this.#keep(this.#file, () => this.#syncFailure, done);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  /** What an earlier life of the process has left. */
  #sumUp(): void {
    const bytes = new Uint8Array(Math.min(COPY_SIZE, this.#offset));
    for (let position = 0; position < this.#offset; position += bytes.length) {
      const chunk = bytes.subarray(0, Math.min(bytes.length, this.#offset - position));
      this.#file.read(chunk, position);
      this.#checksum = crc32(chunk, this.#checksum);
    }
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
