/**
 * Writes a file from its beginning to its end beside the event loop: two buffers in
 * turn, one gathers while the other is being written. So one write is under way at a
 * time, and begins where the one before it ended.
 *
 * Whoever writes much looks at `isFull`, and waits then. Who does not is served too:
 * what the buffers do not hold is written on the loop.
 */
import { assert } from "../assert.js";
import type { File } from "./file-system.js";

/** Bytes that are worth a write. */
const WRITE_SIZE = 256 * 1024;
/** Bytes gathered behind a write under way at most, but for one piece that is larger. */
const GATHERED_SIZE_MAX = 2 * WRITE_SIZE;
/** Bytes of each of the two buffers, which one large piece makes grow. */
export const BUFFER_SIZE: number = GATHERED_SIZE_MAX;

export class WriteBehind {
  readonly #file: File;
  #gathered: Uint8Array;
  /** the write's while one is under way */
  #other: Uint8Array;
  #size = 0;
  /** where in the file what is gathered begins */
  #position = 0;
  #isWriting = false;
  /** of a write: what follows is as good as lost */
  #failure: Error | undefined;
  #drained: ((error: Error | undefined) => void) | undefined;
  #closed = false;

  /** @param memory two of BUFFER_SIZE, for nobody else until `isIdle` */
  constructor(file: File, [gathered, other]: readonly [Uint8Array, Uint8Array]) {
    this.#file = file;
    this.#gathered = gathered;
    this.#other = other;
  }

  /** Whether no write is under way. */
  get isIdle(): boolean {
    return !this.#isWriting;
  }

  /** Enough is gathered for the next write, and one is still under way. */
  get isFull(): boolean {
    return this.#size >= WRITE_SIZE;
  }

  /** Takes a copy of what follows what it has. @throws Node's own errors, of an earlier write too */
  write(source: Uint8Array, position: number): void {
    assert(position === this.#position + this.#size, "each write begins where the last one ended");
    if (this.#failure !== undefined) throw this.#failure;
    this.#makeRoom(source.length);
    this.#gathered.set(source, this.#size);
    this.#size += source.length;
    if (this.isFull) this.#send();
  }

  /** Calls `done` when all was written, or a write has failed: at once when that is so. */
  drain(done: (error: Error | undefined) => void): void {
    assert(this.#drained === undefined, "one waits at most");
    this.#drained = done;
    this.#goOn();
  }

  /** Nothing more is begun, and nobody told; a write under way ends first. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#drained = undefined;
    this.#file.close();
  }

  #makeRoom(size: number): void {
    if (this.isFull && this.#size + size > GATHERED_SIZE_MAX) {
      this.#file.write(this.#gathered.subarray(0, this.#size), this.#position);
      this.#position += this.#size;
      this.#size = 0;
    }
    const wanted = this.#size + size;
    if (wanted <= this.#gathered.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#gathered.length));
    grown.set(this.#gathered.subarray(0, this.#size));
    this.#gathered = grown;
  }

  #send(): void {
    if (this.#isWriting || this.#size === 0) return;
    const source = this.#gathered;
    this.#file.writeLater(source.subarray(0, this.#size), this.#position, (error) => {
      this.#isWriting = false;
      this.#failure ??= error;
      if (!this.#closed) this.#goOn();
    });
    this.#isWriting = true;
    this.#gathered = this.#other;
    this.#other = source;
    this.#position += this.#size;
    this.#size = 0;
  }

  #goOn(): void {
    if (this.#failure === undefined && (this.isFull || this.#drained !== undefined)) this.#send();
    const isIdle = !this.#isWriting && this.#size === 0;
    if (!isIdle && this.#failure === undefined) return;
    const done = this.#drained;
    this.#drained = undefined;
    done?.(this.#failure);
  }
}
