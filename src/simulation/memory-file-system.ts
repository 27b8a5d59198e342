/**
 * A disk in memory that forgets, tears and fails: FileSystem for the simulated
 * world and for crash tests. Deterministic; chance comes from the caller.
 *
 * What a crash may do, and no more (the fault model of data/README.md):
 *
 *   contents   A sector (512 bytes) written since the file's last datasync holds
 *              any of the versions it had since, the durable one included,
 *              independently of every other sector.
 *   size       Changes by truncation survive as a prefix of those since the last
 *              datasync; what was written behind one that is lost is lost too.
 *   names      Of the creations, renames and removals in a directory since its
 *              last syncDirectory any subset survives, each as a whole.
 *
 * What was synced is never touched. Directories are durable when made. A failed
 * datasync leaves the file's contents unsynced for ever, as Linux does: a later
 * one succeeds and makes nothing durable.
 *
 * It may be given a size (`limit`): then files grow only while there is room, and
 * a write that finds too little takes what there is before it fails. Overwriting
 * needs no room.
 */
import { dirname, normalize } from "node:path/posix";
import { assert } from "../assert.js";
import type { File, FileSystem, OpenMode } from "../storage/file-system.js";
import { Directory, Inode } from "./memory-disk.js";
import { syscallOf, systemError, type FailureCode, type OperationKind } from "./system-error.js";
export type { FailureCode, OperationKind } from "./system-error.js";

/** A call about to be carried out; `count` numbers them from 1. */
export interface Operation {
  readonly kind: OperationKind;
  readonly path: string;
  readonly count: number;
}

/** Decides about a call: an error's code to fail with, or undefined to let it pass. */
export type Failures = (operation: Operation) => FailureCode | undefined;

/** Thrown by every call from the chosen one on: the machine has stopped. */
export class Halted extends Error {
  override readonly name = "Halted";
}

/** What an absolute path in its one form does not hold: an empty name, "." or "..". */
const NOT_NORMAL = /^[^/]|\/(\/|\.|$)/;

function splitPath(path: string): { readonly directory: string; readonly name: string } {
  const normal = NOT_NORMAL.test(path) ? normalize(path) : path;
  const directory = normal.slice(0, normal.lastIndexOf("/")) || dirname(normal);
  return { directory, name: normal.slice(directory === "/" ? 1 : directory.length + 1) };
}

/** What an open file asks of the file system it came from. */
interface FileHost {
  /** Counts the call, fails it when that was wished for. */
  enter(kind: OperationKind, path: string, short?: () => void): void;
  defer(run: () => void): void;
  /** Bytes that files may grow by. */
  room(): number;
  /** Counts open files. */
  opened(change: 1 | -1): void;
  readonly epoch: number;
}

/** The call is counted now; it fails or takes effect when the completion is let through. */
function later(
  host: FileHost,
  enter: () => void,
  effect: () => void,
  done: (error: Error | undefined) => void,
): void {
  let failure: Error | undefined;
  try {
    enter();
  } catch (error) {
    if (error instanceof Halted || !(error instanceof Error)) throw error;
    failure = error;
  }
  host.defer(() => {
    try {
      if (failure === undefined) effect();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failure = error;
    }
    done(failure);
  });
}

class MemoryFile implements File {
  readonly path: string;
  readonly #inode: Inode;
  readonly #host: FileHost;
  readonly #epoch: number;
  readonly #writable: boolean;
  #closed = false;

  constructor(path: string, inode: Inode, host: FileHost, writable: boolean) {
    this.path = path;
    this.#inode = inode;
    this.#host = host;
    this.#epoch = host.epoch;
    this.#writable = writable;
    host.opened(1);
  }

  read(target: Uint8Array, position: number): number {
    this.#enter("read");
    return this.#inode.read(target, position);
  }

  write(source: Uint8Array, position: number): void {
    this.#enter("write", () => {
      this.#inode.write(source.subarray(0, source.length >> 1), position);
    });
    this.#assertWritable();
    this.#put(source, position);
  }

  /** Writes as much as there is room for. @throws ENOSPC when that is not all */
  #put(source: Uint8Array, position: number): void {
    const end = Math.min(position + source.length, this.#inode.size + this.#host.room());
    const fitting = Math.max(0, end - position);
    if (fitting === source.length) {
      this.#inode.write(source, position);
      return;
    }
    if (fitting > 0) this.#inode.write(source.subarray(0, fitting), position);
    throw systemError("ENOSPC", "write", this.path);
  }

  writeLater(source: Uint8Array, position: number, done: (error: Error | undefined) => void): void {
    this.#assertWritable();
    this.#later("writeLater", done, () => {
      this.#put(source, position);
    });
  }

  truncate(size: number): void {
    this.#enter("truncate");
    this.#assertWritable();
    this.#inode.truncate(size);
  }

  truncateLater(size: number, done: (error: Error | undefined) => void): void {
    this.#assertWritable();
    this.#later("truncateLater", done, () => {
      this.#inode.truncate(size);
    });
  }

  size(): number {
    this.#enter("size");
    return this.#inode.size;
  }

  datasync(): void {
    this.#enter("datasync", undefined, () => {
      this.#inode.broken = true;
    });
    this.#inode.settle(this.#inode.sequence);
  }

  datasyncLater(done: (error: Error | undefined) => void): void {
    const { sequence } = this.#inode;
    this.#later(
      "datasyncLater",
      done,
      () => {
        this.#inode.settle(sequence);
      },
      () => {
        this.#inode.broken = true;
      },
    );
  }

  close(): void {
    if (!this.#closed && this.#epoch === this.#host.epoch) this.#host.opened(-1);
    this.#closed = true;
  }

  #enter(kind: OperationKind, short?: () => void, failed?: () => void): void {
    assert(!this.#closed, "a closed file is not used");
    if (this.#epoch !== this.#host.epoch) throw systemError("EBADF", kind, this.path);
    try {
      this.#host.enter(kind, this.path, short);
    } catch (error) {
      failed?.();
      throw error;
    }
  }

  #later(
    kind: OperationKind,
    done: (error: Error | undefined) => void,
    effect: () => void,
    failed?: () => void,
  ): void {
    const enter = (): void => {
      this.#enter(kind, undefined, failed);
    };
    later(this.#host, enter, effect, done);
  }

  #assertWritable(): void {
    if (!this.#writable) throw systemError("EBADF", "write", this.path);
  }
}

export class MemoryFileSystem implements FileSystem {
  readonly #directories = new Map<string, Directory>([["/", new Directory()]]);
  readonly #deferred: (() => void)[] = [];
  #operationCount = 0;
  #failures: Failures | undefined;
  #haltAt: number | undefined;
  #sizeMax = Infinity;
  #openCount = 0;
  #epoch = 0;
  readonly #host: FileHost;

  constructor() {
    const enter = this.#enter.bind(this);
    const defer = (run: () => void): void => {
      this.#deferred.push(run);
    };
    const epoch = (): number => this.#epoch;
    this.#host = {
      enter,
      defer,
      opened: (change) => {
        this.#openCount += change;
      },
      room: () => this.#sizeMax - (this.#sizeMax === Infinity ? 0 : this.usedSize),
      get epoch() {
        return epoch();
      },
    };
  }

  /** Calls made so far. */
  get operationCount(): number {
    return this.#operationCount;
  }

  /** *Later calls whose completion waits for `pump`. */
  get deferredCount(): number {
    return this.#deferred.length;
  }

  /** Lets the oldest completion through, or all of them. @returns how many */
  pump(count = Infinity): number {
    let done = 0;
    while (done < count) {
      const run = this.#deferred.shift();
      if (run === undefined) break;
      run();
      done += 1;
    }
    return done;
  }

  /** Files that are open. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Bytes of all files. */
  get usedSize(): number {
    const inodes = new Set<Inode>();
    for (const { names } of this.#directories.values())
      for (const inode of names.values()) inodes.add(inode);
    let size = 0;
    for (const inode of inodes) size += inode.size;
    return size;
  }

  /** Files together take no more than `sizeMax` bytes from now on; Infinity: as much as they like. */
  limit(sizeMax: number): void {
    this.#sizeMax = sizeMax;
  }

  /** Asks `failures` about every call from now on; undefined: nothing fails. */
  fail(failures: Failures | undefined): void {
    this.#failures = failures;
  }

  /** The call with this number and all after it throw Halted and change nothing, until `crash`. */
  haltAt(count: number | undefined): void {
    this.#haltAt = count;
  }

  /** The power goes and comes back: open files are dead, completions never come, memory is what was on disk. */
  crash(random: () => number): void {
    this.#epoch += 1;
    this.#openCount = 0;
    this.#deferred.length = 0;
    this.#haltAt = undefined;
    const inodes = new Set<Inode>();
    for (const directory of this.#directories.values()) {
      for (const inode of directory.names.values()) inodes.add(inode);
      directory.crash(random);
      for (const inode of directory.names.values()) inodes.add(inode);
    }
    for (const inode of inodes) inode.crash(random);
  }

  /** The process is killed and the machine lives: what was written stays, synced or not. */
  kill(): void {
    this.#epoch += 1;
    this.#openCount = 0;
    this.#deferred.length = 0;
    this.#haltAt = undefined;
  }

  /** A copy of a file's contents, past every failure. */
  /** As Directory.mayLose, of one that is there. */
  mayLose(path: string, endOf: (name: string, size: number) => number): string | undefined {
    return this.#directory(path, "open", path).mayLose(endOf);
  }

  contents(path: string): Uint8Array {
    return this.#inode(path, "read").contents.slice();
  }

  /** Replaces a file's contents durably, past every failure: damage done by the medium. */
  damage(path: string, change: (contents: Uint8Array) => Uint8Array): void {
    const inode = this.#inode(path, "write");
    inode.replace(change(inode.contents.slice()));
  }

  /** Another disk with the files of this one, past every failure; all of them durable, none open. */
  copy(): MemoryFileSystem {
    const copy = new MemoryFileSystem();
    for (const [path, directory] of this.#directories)
      copy.#directories.set(path, directory.copy());
    return copy;
  }

  open(path: string, mode: OpenMode): File {
    this.#enter("open", path);
    const { directory, name } = splitPath(path);
    const parent = this.#directory(directory, "open", path);
    let inode = parent.names.get(name);
    if (mode === "create") {
      if (inode !== undefined) throw systemError("EEXIST", "open", path);
      inode = new Inode();
      parent.apply([[name, inode]]);
    }
    if (inode === undefined) throw systemError("ENOENT", "open", path);
    return new MemoryFile(path, inode, this.#host, mode !== "read");
  }

  list(directory: string): readonly string[] {
    this.#enter("list", directory);
    const path = normalize(directory);
    const names = [...this.#directory(path, "scandir", directory).names.keys()];
    for (const other of this.#directories.keys()) {
      if (other !== "/" && dirname(other) === path) names.push(splitPath(other).name);
    }
    return names.sort();
  }

  exists(path: string): boolean {
    this.#enter("exists", path);
    const { directory, name } = splitPath(path);
    if (this.#directories.has(normalize(path))) return true;
    return this.#directories.get(directory)?.names.has(name) ?? false;
  }

  makeDirectory(path: string): void {
    this.#enter("makeDirectory", path);
    for (let made = normalize(path); !this.#directories.has(made); made = dirname(made)) {
      this.#directories.set(made, new Directory());
    }
  }

  rename(from: string, to: string): void {
    this.#enter("rename", from);
    const source = splitPath(from);
    const target = splitPath(to);
    assert(source.directory === target.directory, "a file is renamed within its directory");
    const parent = this.#directory(source.directory, "rename", from);
    const inode = parent.names.get(source.name);
    if (inode === undefined) throw systemError("ENOENT", "rename", from);
    parent.apply([
      [source.name, undefined],
      [target.name, inode],
    ]);
  }

  remove(path: string): void {
    this.#enter("remove", path);
    this.#unlink(path);
  }

  #unlink(path: string): void {
    const { directory, name } = splitPath(path);
    const parent = this.#directory(directory, "unlink", path);
    if (!parent.names.has(name)) throw systemError("ENOENT", "unlink", path);
    parent.apply([[name, undefined]]);
  }

  removeLater(path: string, done: (error: Error | undefined) => void): void {
    later(
      this.#host,
      () => {
        this.#enter("removeLater", path);
      },
      () => {
        this.#unlink(path);
      },
      done,
    );
  }

  syncDirectory(directory: string): void {
    this.#enter("syncDirectory", directory);
    const found = this.#directory(normalize(directory), "fsync", directory);
    found.sync(found.sequence);
  }

  syncDirectoryLater(directory: string, done: (error: Error | undefined) => void): void {
    const found = this.#directories.get(normalize(directory));
    const sequence = found?.sequence ?? 0;
    const enter = (): void => {
      this.#enter("syncDirectory", directory);
      if (found === undefined) throw systemError("ENOENT", "open", directory);
    };
    later(this.#host, enter, () => found?.sync(sequence), done);
  }

  #enter(kind: OperationKind, path: string, short?: () => void): void {
    this.#operationCount += 1;
    if (this.#haltAt !== undefined && this.#operationCount >= this.#haltAt)
      throw new Halted(`halted at call ${this.#operationCount}`);
    const code = this.#failures?.({ kind, path, count: this.#operationCount });
    if (code === undefined) return;
    if (code === "ENOSPC") short?.();
    throw systemError(code, syscallOf(kind, code), path);
  }

  #directory(path: string, syscall: string, asked: string): Directory {
    const directory = this.#directories.get(path);
    if (directory === undefined) throw systemError("ENOENT", syscall, asked);
    return directory;
  }

  #inode(path: string, syscall: string): Inode {
    const { directory, name } = splitPath(path);
    const inode = this.#directories.get(directory)?.names.get(name);
    if (inode === undefined) throw systemError("ENOENT", syscall, path);
    return inode;
  }
}
