/**
 * The open segment: the one file of the log that is written to.
 *
 * Everything is written behind its last block, over zeros that are on disk, and
 * every flush leaves a record in its witness (witness.ts, which also says what
 * recovery makes of it). Invariants kept here: behind `end` there are only zeros
 * up to the witness, and what a failed write has left there is zeros again, on
 * disk, before the next one; a record's `durableEnd` never speaks of bytes that
 * were not synced before it was written.
 */
import { assert, AssertionError } from "../assert.js";
import type { File, FileSystem } from "./file-system.js";
import type { FreshFile } from "./fresh-files.js";
import { MARKER_SIZE } from "./segment.js";
import {
  WITNESS_PAGE_SIZE,
  WITNESS_SLOT_SIZE,
  TrailingZeros,
  WitnessEncoder,
  type Witness,
} from "./witness.js";

const ZEROS = new Uint8Array(64 * 1024);

/** The size of an open segment's file that has room for `contentSize` bytes of log. */
export function openFileSize(contentSize: number): number {
  return (Math.ceil(contentSize / WITNESS_PAGE_SIZE) + 1) * WITNESS_PAGE_SIZE;
}

export interface InstallOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** the open segment's name in it */
  readonly name: string;
  readonly marker: Uint8Array;
  readonly fresh: FreshFile;
  /** Writes what the segment starts with at offset 0 and says where that ends. */
  readonly fill: (file: File) => number;
}

/**
 * Makes a fresh file the open segment: its content and a witness of it are
 * durable before it has the name, which is for the caller to make durable.
 */
export function installOpenSegment(options: InstallOptions): OpenSegment {
  const { fileSystem, directory, name, fresh, marker } = options;
  const path = `${directory}/${name}`;
  const end = options.fill(fresh.file);
  const segment = new OpenSegment(path, fresh, marker, end);
  fresh.file.datasync();
  fileSystem.rename(fresh.path, path);
  return segment;
}

/**
 * Makes a fresh file the open segment behind one that is full, and syncs nothing: its
 * header is the first of what its first flush covers, and its name is for the caller
 * to make durable before. Until that flush begins its witness vouches for nothing.
 */
export function rollInto(
  fresh: FreshFile,
  { header, marker }: { readonly header: Uint8Array; readonly marker: Uint8Array },
): OpenSegment {
  const segment = new OpenSegment(fresh.path, fresh, marker, 0);
  segment.write(header);
  return segment;
}

export class OpenSegment {
  path: string;
  readonly file: File;
  readonly #fileSize: number;
  readonly #witness: WitnessEncoder;
  /** everything before it is durable */
  #durableEnd: number;
  #end: number;
  /** how far a failed write may have left bytes behind `end`; never less than it */
  #spoiledEnd: number;
  #sealed = false;
  #released = false;
  /** what is not durable yet, or, while a flush is under way, what came after it began */
  #unflushed: TrailingZeros;
  /** changes with every cut, so that a flush that began before one is known as such */
  #epoch = 0;
  #generation = 0;
  /** where the newest record that is known to be durable stands */
  #syncedSlot = 1;
  /** where the newest record stands */
  #writtenSlot = 0;
  #flushUnderWay = false;
  /** of the record whose flush has completed; undefined when the witness says so already */
  #unnotedGeneration: number | undefined;

  /** Writes the first witness; durable with the file's next datasync, which the caller does. */
  constructor(path: string, fresh: FreshFile, marker: Uint8Array, end: number) {
    assert(end <= fresh.size - WITNESS_PAGE_SIZE, "the log ends before the witness");
    this.path = path;
    this.file = fresh.file;
    this.#fileSize = fresh.size;
    this.#witness = new WitnessEncoder(fresh.size, marker);
    this.#end = end;
    this.#spoiledEnd = end;
    this.#durableEnd = end;
    this.#unflushed = new TrailingZeros(end);
    this.#writeWitness({ durableEnd: end, batchEnd: end, trailingZeros: 0 });
    this.#syncedSlot = this.#writtenSlot;
  }

  /** Behind the last block's marker. */
  get end(): number {
    return this.#end;
  }

  /** Whether everything written is durable. */
  get flushed(): boolean {
    return this.#durableEnd === this.#end;
  }

  /** Whether its first flush is done: then all that comes before it is durable too. */
  get isStarted(): boolean {
    return this.#durableEnd > 0;
  }

  /** Whether it takes no more blocks. */
  get sealed(): boolean {
    return this.#sealed;
  }

  /** Whether its file was given away or closed. */
  get isReleased(): boolean {
    return this.#released;
  }

  /** How many bytes of log fit. */
  get capacity(): number {
    return this.#fileSize - WITNESS_PAGE_SIZE;
  }

  /** Writes whole blocks with their markers behind the last one: all of them, or it fails and the log ends where it did. */
  write(bytes: Uint8Array): void {
    assert(!this.#sealed, "a sealed segment is not written to");
    assert(this.#end + bytes.length <= this.capacity, "blocks fit the open segment");
    assert(bytes.length > MARKER_SIZE, "a block has bytes");
    this.mend();
    try {
      this.file.write(bytes, this.#end);
    } catch (error) {
      this.#spoiledEnd = this.#end + bytes.length;
      this.#tryZero(this.#end, this.#spoiledEnd);
      throw error;
    }
    this.#unflushed.add(bytes);
    this.#end += bytes.length;
    this.#spoiledEnd = this.#end;
  }

  /**
   * Where a write has failed there are zeros again, and on disk: or a sector that
   * the next flush does not reach would hold bytes that no one expects there.
   */
  mend(): void {
    if (this.#spoiledEnd === this.#end) return;
    this.#zero(this.#end, this.#spoiledEnd);
    this.file.datasync();
    this.#spoiledEnd = this.#end;
  }

  flush(): void {
    if (this.flushed) return;
    this.#epoch += 1;
    this.#announceBatch();
    this.file.datasync();
    this.#syncedSlot = this.#writtenSlot;
    this.#durableEnd = this.#end;
    this.#unflushed = new TrailingZeros(this.#end);
    this.#unnotedGeneration = this.#generation;
  }

  /** At most one at a time. `done` is called at once when there is nothing to do. */
  flushLater(done: (error: Error | undefined) => void): void {
    assert(!this.#flushUnderWay, "one flush is under way at most");
    if (this.flushed) {
      done(undefined);
      return;
    }
    const end = this.#end;
    const epoch = this.#epoch;
    this.#announceBatch();
    this.#unflushed = new TrailingZeros(end);
    this.#flushUnderWay = true;
    this.file.datasyncLater((error) => {
      this.#flushUnderWay = false;
      // a flush, cut or close in between has changed what the record would speak of
      const current = error === undefined && epoch === this.#epoch;
      if (current) {
        this.#syncedSlot = this.#writtenSlot;
        this.#durableEnd = end;
        this.#unnotedGeneration = this.#generation;
      }
      done(error);
    });
  }

  /**
   * Drops everything from offset `end` on, durably. First the witness stops
   * vouching for it, then zeros are put back; if the machine stops in between,
   * what is left of it is unflushed by the witness' word.
   */
  cut(end: number): void {
    assert(end <= this.#end, "a cut is within the log");
    assert(!this.#sealed, "a sealed segment is not cut");
    if (end > this.#durableEnd) this.flush();
    const oldEnd = this.#spoiledEnd;
    this.#epoch += 1;
    for (const step of ["disown", "zero"] as const) {
      if (step === "zero") this.#zero(end, oldEnd);
      this.#writeWitness({ durableEnd: end, batchEnd: end, trailingZeros: 0 });
      this.file.datasync();
      this.#syncedSlot = this.#writtenSlot;
    }
    this.#end = end;
    this.#spoiledEnd = end;
    this.#durableEnd = end;
    this.#unflushed = new TrailingZeros(end);
  }

  /** Takes nothing more. */
  seal(): void {
    assert(this.#spoiledEnd === this.#end, "only zeros are behind the log of a sealed segment");
    this.#sealed = true;
  }

  /** Cuts the file to its log: only once its name says how long that is. For the caller to make durable. */
  cutToLog(): void {
    assert(this.#sealed, "only a sealed segment is cut to its log");
    this.file.truncate(this.#end);
  }

  /** Gives the file away; a flush under way completes without a word to the witness. */
  release(): File {
    this.#epoch += 1;
    this.#released = true;
    this.#unnotedGeneration = undefined;
    return this.file;
  }

  /** Closes the file; a flush under way completes without a word to the witness. */
  close(): void {
    this.release().close();
  }

  /** The record that goes with a flush: what it covers, should it finish. */
  #announceBatch(): void {
    const trailingZeros = this.#unflushedTrailingZeros();
    this.#writeWitness({ durableEnd: this.#durableEnd, batchEnd: this.#end, trailingZeros });
  }

  /** Of what stands between durableEnd and end. */
  #unflushedTrailingZeros(): number {
    if (this.#unflushed.start === this.#durableEnd) return this.#unflushed.count;
    // another flush is under way and began where ours does: its zeros are counted anew
    const zeros = new TrailingZeros(this.#durableEnd);
    const bytes = new Uint8Array(this.#end - this.#durableEnd);
    this.file.read(bytes, this.#durableEnd);
    zeros.add(bytes);
    return zeros.count;
  }

  /**
   * Says in the witness that all before durableEnd is durable: not at all if the
   * next flush, whose record says it too, has begun by then. Unsynced: it helps a
   * recovery that comes before the next flush, and nothing rests on it.
   */
  noteFlushed(): void {
    if (this.#unnotedGeneration !== this.#generation) return;
    this.#unnotedGeneration = undefined;
    const durableEnd = this.#durableEnd;
    try {
      this.#writeWitness({ durableEnd, batchEnd: durableEnd, trailingZeros: 0 });
    } catch (error) {
      // a disk that fails tells again at the next flush
      if (error instanceof AssertionError) throw error;
    }
  }

  /** Writes a record into the slot that does not hold the last synced one. */
  #writeWitness(witness: Omit<Witness, "generation">): void {
    this.#generation += 1;
    this.#writtenSlot = 1 - this.#syncedSlot;
    const record = this.#witness.encode({ generation: this.#generation, ...witness });
    this.file.write(record, this.capacity + this.#writtenSlot * WITNESS_SLOT_SIZE);
  }

  #zero(from: number, to: number): void {
    for (let position = from; position < to; position += ZEROS.length) {
      this.file.write(ZEROS.subarray(0, Math.min(ZEROS.length, to - position)), position);
    }
  }

  #tryZero(from: number, to: number): void {
    try {
      this.#zero(from, to);
    } catch {
      // recovery drops what is left: no flush has covered it
    }
  }
}
