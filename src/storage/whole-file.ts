/**
 * A file that is there as a whole or not at all: written under a temporary name,
 * made durable, and only then given its own. For what the tools leave behind.
 *
 *   <directory>/.<name>.<process id>.tmp     removed by the next who makes a file of
 *                                            that name when its process is gone
 */
import { basename, dirname, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { DatabaseError } from "../errors.js";
import type { File, FileSystem } from "./file-system.js";
import { NodeFileSystem } from "./node-file-system.js";

export class WholeFile {
  /** where its bytes are until it is finished */
  readonly temporary: string;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #file: File;
  #size = 0;
  #checksum = 0;

  private constructor(fileSystem: FileSystem, path: string, temporary: string) {
    this.temporary = temporary;
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#file = fileSystem.open(temporary, "create");
  }

  /**
   * @param replaces whether a file of that name may be replaced
   * @throws {DatabaseError} INVALID_ARGUMENT when it is there and may not; Node's own errors
   */
  static create(
    path: string,
    replaces: boolean,
    fileSystem: FileSystem = new NodeFileSystem(),
  ): WholeFile {
    const target = resolve(path);
    if (!replaces && fileSystem.exists(target))
      throw new DatabaseError("INVALID_ARGUMENT", `${path} is there already`);
    const directory = dirname(target);
    removeAbandoned(directory, basename(target), fileSystem);
    const temporary = `${directory}/.${basename(target)}.${process.pid}.tmp`;
    return new WholeFile(fileSystem, target, temporary);
  }

  /** bytes so far */
  get size(): number {
    return this.#size;
  }

  /** CRC-32 of the bytes so far */
  get checksum(): number {
    return this.#checksum;
  }

  write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#size);
    this.#checksum = crc32(bytes, this.#checksum);
    this.#size += bytes.length;
  }

  /** Begins anew. */
  restart(): void {
    this.#file.truncate(0);
    this.#size = 0;
    this.#checksum = 0;
  }

  /** Makes it durable and gives it its name. */
  finish(): void {
    this.#file.datasync();
    this.#file.close();
    this.#fileSystem.rename(this.temporary, this.#path);
    this.#fileSystem.syncDirectory(dirname(this.#path));
  }

  /** Nothing is left of it. Idempotent, and nothing once it is finished. */
  abort(): void {
    this.#file.close();
    if (this.#fileSystem.exists(this.temporary)) this.#fileSystem.remove(this.temporary);
  }
}

/** Removes what processes have left that ended before their file was whole. */
function removeAbandoned(directory: string, name: string, fileSystem: FileSystem): void {
  for (const other of fileSystem.list(directory)) {
    const isOurs = other.startsWith(`.${name}.`) && other.endsWith(".tmp");
    const owner = isOurs ? other.slice(name.length + 2, -".tmp".length) : "";
    if (!/^[1-9]\d*$/.test(owner)) continue;
    const processId = Number(owner);
    if (processId !== process.pid && isAlive(processId)) continue;
    fileSystem.remove(`${directory}/${other}`);
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // EPERM: it is another user's
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
