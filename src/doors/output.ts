/**
 * What is to be sent to the clients of a door, between two turns: the replies of a
 * connection lie one behind another in an arena that all connections share, so
 * that they leave in one write, and that no reply is a piece of memory of its own.
 *
 *   arena    |A: +OK$3.foo..|B: +OK....|A: +OK.......|           |
 *                                        ^ #at         ^ #end, #top
 *
 * The arena's bytes are written anew when everything in it was handed to the
 * kernel. A socket that could take only some of what it was given reads on in the
 * rest: then the arena is left to it, and another one takes its place.
 */
import { assert } from "../assert.js";

/** bytes */
const ARENA_SIZE = 512 * 1024;
/** A connection that begins to answer is given so much room, to lie together though others answer too. */
const ROOM_SIZE_MIN = 256;
/** More than so many bytes get memory of their own. */
const ROOM_SIZE_MAX = 64 * 1024;
/** Longer text is copied by a call, shorter in place. */
const TEXT_SIZE_BY_HAND_MAX = 32;
const NO_BYTES = Buffer.alloc(0);

/** What a socket is given to send. */
export interface Piece {
  readonly bytes: Buffer;
  /** in the arena: not to be kept by who cannot send it at once */
  readonly isShared: boolean;
}

export class OutputArena {
  #bytes: Buffer = NO_BYTES;
  #top = 0;
  #isKept = false;

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Takes so many bytes. @returns where they begin in `bytes`, which may be others than before */
  take(size: number): number {
    if (this.#top + size > this.#bytes.length) this.#replace();
    const start = this.#top;
    this.#top += size;
    return start;
  }

  /** Takes so many bytes right behind `end` of `bytes`; false when they are taken. */
  tryExtending(bytes: Buffer, end: number, size: number): boolean {
    const isLast = bytes === this.#bytes && end === this.#top;
    if (!isLast || end + size > bytes.length) return false;
    this.#top += size;
    return true;
  }

  /** A socket goes on reading in the bytes that were taken. */
  keep(): void {
    this.#isKept = true;
  }

  /** Nothing that was taken is waited with any more: all of it is in the kernel's hands or kept. */
  reset(): void {
    if (this.#isKept) this.#replace();
    this.#top = 0;
  }

  #replace(): void {
    this.#bytes = Buffer.allocUnsafeSlow(ARENA_SIZE);
    this.#top = 0;
    this.#isKept = false;
  }
}

/** What one connection has to send. */
export class Output {
  readonly #arena: OutputArena;
  #pieces: Piece[] = [];
  /** where `reserve` makes room */
  bytes: Buffer = NO_BYTES;
  #start = 0;
  #at = 0;
  #end = 0;
  #size = 0;

  constructor(arena: OutputArena) {
    this.#arena = arena;
  }

  /** bytes to send */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds so many bytes, which the caller writes before anything else is added: into
   * `bytes`, from the offset returned on.
   */
  reserve(size: number): number {
    if (this.#at + size > this.#end) this.#makeRoom(size);
    const at = this.#at;
    this.#at += size;
    this.#size += size;
    return at;
  }

  /** Adds text of code units up to 255, each of them one byte. */
  addLatin1(text: string): void {
    const at = this.reserve(text.length);
    const { bytes } = this;
    if (text.length > TEXT_SIZE_BY_HAND_MAX) {
      bytes.write(text, at, "latin1");
      return;
    }
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }

  /** Adds bytes that nobody may change until they are sent. */
  refer(bytes: Uint8Array): void {
    this.#closePiece();
    const { buffer, byteOffset, length } = bytes;
    this.#pieces.push({ bytes: Buffer.from(buffer, byteOffset, length), isShared: false });
    this.#size += length;
  }

  /** All there is to send, in order; nothing is left. */
  take(): readonly Piece[] {
    this.#closePiece();
    const pieces = this.#pieces;
    this.drop();
    return pieces;
  }

  /** Forgets it. */
  drop(): void {
    this.#pieces = [];
    this.bytes = NO_BYTES;
    this.#start = this.#at = this.#end = 0;
    this.#size = 0;
  }

  #makeRoom(size: number): void {
    const missing = Math.max(this.#at + size - this.#end, ROOM_SIZE_MIN);
    if (this.#end > 0 && size <= ROOM_SIZE_MAX) {
      if (this.#arena.tryExtending(this.bytes, this.#end, missing)) {
        this.#end += missing;
        return;
      }
    }
    this.#closePiece();
    if (size > ROOM_SIZE_MAX) {
      this.bytes = Buffer.allocUnsafeSlow(size);
      this.#start = 0;
      this.#end = size;
    } else {
      const room = Math.max(size, ROOM_SIZE_MIN);
      this.#start = this.#arena.take(room);
      this.#end = this.#start + room;
      this.bytes = this.#arena.bytes;
    }
    this.#at = this.#start;
    assert(this.#at + size <= this.#end, "room was made");
  }

  #closePiece(): void {
    if (this.#at > this.#start) {
      const bytes = this.bytes.subarray(this.#start, this.#at);
      this.#pieces.push({ bytes, isShared: this.bytes === this.#arena.bytes });
    }
    this.#start = this.#at = this.#end = 0;
  }
}
