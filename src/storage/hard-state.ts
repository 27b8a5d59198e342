/**
 * Term and vote on disk: two alternating checksummed copies, the newer one wins.
 *
 *   data/<id>/hard-state-1, hard-state-2
 *   copy := magic "BLSH", version u16, reserved u16, generation u64, term u64,
 *           voteLength u16, vote[64] (zero padded), crc32 u32      big-endian
 *
 * Odd generations stand in copy 1, even ones in copy 2. A copy is overwritten
 * only while the other one is good, so that a torn write leaves the state before
 * it.
 *
 * A write makes two generations of the same state, one in each copy, each synced
 * before the next. So between writes both copies say the same, and one that is
 * damaged at rest costs nothing: with a single generation a write, damage to the
 * newer copy would look like a torn write, the older one would win, and the node
 * might vote twice in a term.
 *
 *   | copy A             | copy B             | what happened                    | state  |
 *   |--------------------|--------------------|----------------------------------|--------|
 *   | good, generation g | good, g - 1        | nothing, or a stop between the two | A's  |
 *   | good               | bad or missing     | a torn write, or damage          | A's    |
 *   | bad                | bad                | damage                           | refuse |
 *   | missing            | missing, no log    | a new directory                  | term 0 |
 *   | missing            | missing, a log     | files were lost                  | refuse |
 */
import { crc32 } from "node:zlib";
import { assert, AssertionError } from "../assert.js";
import { DatabaseError } from "../errors.js";
import { isNodeId, Term } from "../raft/types.js";
import type { HardState } from "../raft/types.js";
import type { File, FileSystem } from "./file-system.js";
import { listSegments } from "./recovery.js";

const COPY_SIZE = 94;
const CHECKSUM_OFFSET = COPY_SIZE - 4;
const VOTE_OFFSET = 26;
const VOTE_SIZE = 64;
const MAGIC = 0x424c5348;
const VERSION = 1;

interface Copy {
  readonly generation: number;
  readonly hardState: HardState;
}

/** Term 0, no vote: before the first election. */
const BEGINNING: Copy = { generation: 0, hardState: { term: Term(0), vote: undefined } };

export class HardStateFile {
  readonly #directory: string;
  /** copy 1 and copy 2 */
  readonly #files: readonly [File, File];
  #newest: Copy;
  #failure: DatabaseError | undefined;

  private constructor(directory: string, files: readonly [File, File], newest: Copy) {
    this.#directory = directory;
    this.#files = files;
    this.#newest = newest;
  }

  /**
   * Reads the newest good copy; makes both when there is none and the directory is new.
   * @throws {DatabaseError} CORRUPTION when no copy is good though files exist, or when there is none beside a log;
   *   STORAGE_FAILED when the disk fails
   */
  static open(fileSystem: FileSystem, directory: string): HardStateFile {
    try {
      const newest = findNewest(fileSystem, directory);
      const first = fileSystem.open(copyPath(directory, 0), "read-write");
      const second = fileSystem.open(copyPath(directory, 1), "read-write");
      const file = new HardStateFile(directory, [first, second], newest);
      // Written anew, both: what was read may come from memory that a failed
      // sync never brought to the disk, and one copy may be torn or damaged.
      file.#writeTwice(newest.hardState);
      return file;
    } catch (error) {
      throw storageFailure(error, `opening the hard state in ${directory}`);
    }
  }

  get current(): HardState {
    return this.#newest.hardState;
  }

  /** Durable when it returns. @throws {DatabaseError} STORAGE_FAILED, and so does every later call */
  write(hardState: HardState): void {
    if (this.#failure !== undefined) throw this.#failure;
    const { term, vote } = this.current;
    assert(hardState.term >= term, "a term never decreases");
    const keptVote = hardState.term > term || vote === undefined || hardState.vote === vote;
    assert(keptVote, "a vote is never taken back or changed within its term");
    try {
      this.#writeTwice(hardState);
    } catch (error) {
      this.#failure = storageFailure(error, `writing the hard state in ${this.#directory}`);
      throw this.#failure;
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #writeTwice(hardState: HardState): void {
    for (let times = 0; times < 2; times++) {
      const generation = this.#newest.generation + 1;
      const file = this.#files[copyOf(generation)];
      file.write(encodeCopy({ generation, hardState }), 0);
      file.datasync();
      this.#newest = { generation, hardState };
    }
  }
}

/** One of the two copies, for the offline tools. */
export interface HardStateCopy {
  readonly file: string;
  readonly isMissing: boolean;
  /** undefined when the copy is missing or damaged */
  readonly hardState: HardState | undefined;
}

/** Both copies as they are, without a change. @throws Node's own errors */
export function readHardStateCopies(
  fileSystem: FileSystem,
  directory: string,
): readonly [HardStateCopy, HardStateCopy] {
  const copyOn = (which: 0 | 1): HardStateCopy => {
    const file = copyPath(directory, which);
    if (!fileSystem.exists(file)) return { file, isMissing: true, hardState: undefined };
    const copy = readCopy(fileSystem, file);
    const isInPlace = copy !== undefined && copyOf(copy.generation) === which;
    return { file, isMissing: false, hardState: isInPlace ? copy.hardState : undefined };
  };
  return [copyOn(0), copyOn(1)];
}

/** Which copy a generation stands in, from 0. */
function copyOf(generation: number): 0 | 1 {
  return generation % 2 === 1 ? 0 : 1;
}

function copyPath(directory: string, which: 0 | 1): string {
  return `${directory}/hard-state-${which + 1}`;
}

/** The newest good copy; makes what is missing, so that both files exist on return. */
function findNewest(fileSystem: FileSystem, directory: string): Copy {
  let newest = BEGINNING;
  let damagedCount = 0;
  const missing: (0 | 1)[] = [];
  for (const which of [0, 1] as const) {
    const path = copyPath(directory, which);
    if (!fileSystem.exists(path)) {
      missing.push(which);
      continue;
    }
    const copy = readCopy(fileSystem, path);
    if (copy === undefined || copyOf(copy.generation) !== which) damagedCount += 1;
    else if (copy.generation > newest.generation) newest = copy;
  }
  if (newest === BEGINNING && damagedCount > 0)
    throw new DatabaseError("CORRUPTION", `no copy of the hard state in ${directory} is good`);
  if (newest === BEGINNING && hasLog(fileSystem, `${directory}/log`))
    throw new DatabaseError("CORRUPTION", `${directory} holds a log but no hard state`);
  for (const which of missing) {
    const next = newest.generation + 1;
    const generation = copyOf(next) === which ? next : next + 1;
    newest = { generation, hardState: newest.hardState };
    makeCopy(fileSystem, directory, which, newest);
  }
  return newest;
}

function hasLog(fileSystem: FileSystem, directory: string): boolean {
  return fileSystem.exists(directory) && listSegments(fileSystem, directory).length > 0;
}

/** A copy appears whole or not at all. */
function makeCopy(fileSystem: FileSystem, directory: string, which: 0 | 1, copy: Copy): void {
  const path = copyPath(directory, which);
  const temporary = `${path}.tmp`;
  if (fileSystem.exists(temporary)) fileSystem.remove(temporary);
  const file = fileSystem.open(temporary, "create");
  try {
    file.write(encodeCopy(copy), 0);
    file.datasync();
  } finally {
    file.close();
  }
  fileSystem.rename(temporary, path);
  fileSystem.syncDirectory(directory);
}

function encodeCopy({ generation, hardState }: Copy): Uint8Array {
  const bytes = new Uint8Array(COPY_SIZE);
  const view = new DataView(bytes.buffer);
  const vote = new TextEncoder().encode(hardState.vote ?? "");
  assert(vote.length <= VOTE_SIZE, "a vote fits its field");
  view.setUint32(0, MAGIC);
  view.setUint16(4, VERSION);
  view.setBigUint64(8, BigInt(generation));
  view.setBigUint64(16, BigInt(hardState.term));
  view.setUint16(24, vote.length);
  bytes.set(vote, VOTE_OFFSET);
  view.setUint32(CHECKSUM_OFFSET, crc32(bytes.subarray(0, CHECKSUM_OFFSET)));
  return bytes;
}

/** undefined when the file holds anything but one good copy. */
function readCopy(fileSystem: FileSystem, path: string): Copy | undefined {
  const file = fileSystem.open(path, "read");
  const bytes = new Uint8Array(COPY_SIZE + 1);
  let size;
  try {
    size = file.read(bytes, 0);
  } finally {
    file.close();
  }
  const view = new DataView(bytes.buffer, 0, COPY_SIZE);
  if (size !== COPY_SIZE || view.getUint32(0) !== MAGIC || view.getUint16(4) !== VERSION)
    return undefined;
  if (view.getUint32(CHECKSUM_OFFSET) !== crc32(bytes.subarray(0, CHECKSUM_OFFSET)))
    return undefined;
  const generation = Number(view.getBigUint64(8));
  const term = Number(view.getBigUint64(16));
  const vote = Buffer.from(bytes.subarray(VOTE_OFFSET, VOTE_OFFSET + view.getUint16(24)));
  const name = vote.toString("latin1");
  if (!Number.isSafeInteger(generation) || generation < 1 || !Number.isSafeInteger(term))
    return undefined;
  if (name === "") return { generation, hardState: { term: Term(term), vote: undefined } };
  return isNodeId(name) ? { generation, hardState: { term: Term(term), vote: name } } : undefined;
}

/** Assertions and our own errors pass; what the world did is named. */
function storageFailure(error: unknown, doing: string): DatabaseError {
  if (error instanceof AssertionError) throw error;
  if (error instanceof DatabaseError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new DatabaseError("STORAGE_FAILED", `${doing} failed: ${text}`, { cause: error });
}
