/**
 * The real disk behind FileSystem: node:fs, synchronous but for the *Later calls.
 *
 * Traps closed here: a write may be short without an error (a full disk gives
 * some bytes and complains only at the next call), so writes loop until all is
 * written or nothing moves; a descriptor is not closed while the thread pool
 * still works on it, or its number could name another file by then.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncate,
  ftruncateSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlink,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { assert } from "../assert.js";
import type { File, FileSystem, OpenMode } from "./file-system.js";

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  "read-write": constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

/** The disk took nothing and named no error. */
function noProgress(path: string): Error {
  return Object.assign(new Error(`EIO: the disk takes no more bytes, write '${path}'`), {
    code: "EIO",
    syscall: "write",
    path,
  });
}

class NodeFile implements File {
  readonly path: string;
  readonly #descriptor: number;
  /** *Later calls under way */
  #underWay = 0;
  #closed = false;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  read(target: Uint8Array, position: number): number {
    this.#assertOpen();
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#descriptor, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(source: Uint8Array, position: number): void {
    this.#assertOpen();
    let done = 0;
    while (done < source.length) {
      const count = writeSync(
        this.#descriptor,
        source,
        done,
        source.length - done,
        position + done,
      );
      if (count === 0) throw noProgress(this.path);
      done += count;
    }
  }

  writeLater(source: Uint8Array, position: number, done: (error: Error | undefined) => void): void {
    this.#assertOpen();
    this.#underWay += 1;
    const writeFrom = (from: number): void => {
      write(
        this.#descriptor,
        source,
        from,
        source.length - from,
        position + from,
        (error, count) => {
          if (error !== null) this.#finish(done, error);
          else if (from + count >= source.length) this.#finish(done, undefined);
          else if (count === 0) this.#finish(done, noProgress(this.path));
          else writeFrom(from + count);
        },
      );
    };
    writeFrom(0);
  }

  truncate(size: number): void {
    this.#assertOpen();
    ftruncateSync(this.#descriptor, size);
  }

  size(): number {
    this.#assertOpen();
    return fstatSync(this.#descriptor).size;
  }

  datasync(): void {
    this.#assertOpen();
    fdatasyncSync(this.#descriptor);
  }

  truncateLater(size: number, done: (error: Error | undefined) => void): void {
    this.#assertOpen();
    this.#underWay += 1;
    ftruncate(this.#descriptor, size, (error) => {
      this.#finish(done, error ?? undefined);
    });
  }

  datasyncLater(done: (error: Error | undefined) => void): void {
    this.#assertOpen();
    this.#underWay += 1;
    fdatasync(this.#descriptor, (error) => {
      this.#finish(done, error ?? undefined);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) closeSync(this.#descriptor);
  }

  #finish(done: (error: Error | undefined) => void, error: Error | undefined): void {
    this.#underWay -= 1;
    if (this.#closed && this.#underWay === 0) closeSync(this.#descriptor);
    done(error);
  }

  #assertOpen(): void {
    assert(!this.#closed, "a closed file is not used");
  }
}

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, DIRECTORY_FLAGS);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The machine's own file system. Stateless: every instance is the same door. */
export class NodeFileSystem implements FileSystem {
  open(path: string, mode: OpenMode): File {
    return new NodeFile(path, openSync(path, OPEN_FLAGS[mode], 0o644));
  }

  list(directory: string): readonly string[] {
    return readdirSync(directory).sort();
  }

  exists(path: string): boolean {
    return existsSync(path);
  }

  makeDirectory(path: string): void {
    makeWithParents(resolve(path));
  }

  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  remove(path: string): void {
    unlinkSync(path);
  }

  removeLater(path: string, done: (error: Error | undefined) => void): void {
    unlink(path, (error) => {
      done(error ?? undefined);
    });
  }

  syncDirectory(directory: string): void {
    syncDirectory(directory);
  }

  syncDirectoryLater(directory: string, done: (error: Error | undefined) => void): void {
    open(directory, DIRECTORY_FLAGS, (openError, descriptor) => {
      if (openError !== null) {
        done(openError);
        return;
      }
      fsync(descriptor, (error) => {
        closeSync(descriptor);
        done(error ?? undefined);
      });
    });
  }
}

/**
 * Makes a directory and what is missing above it, each durably. Not by Node's own
 * `recursive`, which never returns below a directory that says it cannot hold one
 * (mkdir /proc/x: ENOENT though /proc is there).
 */
function makeWithParents(path: string): void {
  if (existsSync(path)) {
    requireDirectory(path);
    return;
  }
  const parent = dirname(path);
  if (parent !== path) makeWithParents(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // Another process made it in between, and may not have synced it yet.
    requireDirectory(path);
  }
  // A directory just made is an entry in its parent, which must survive too.
  syncDirectory(parent);
}

function requireDirectory(path: string): void {
  if (statSync(path).isDirectory()) return;
  const message = `ENOTDIR: not a directory, mkdir '${path}'`;
  throw Object.assign(new Error(message), { code: "ENOTDIR" });
}
