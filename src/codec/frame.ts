/**
 * Frames: how messages lie in a TCP stream, for peers and for native clients.
 *
 *   frame := length u32, checksum u32, body[length]     integers big-endian
 *
 * `length` is checked against the connection's limit before anything is
 * allocated; `checksum` is CRC-32 of the body seeded with `length`.
 *
 * The reader believes a length only as far as bytes arrive: its buffer grows
 * with what was received, so that a header alone costs a hostile peer's victim
 * nothing. Every byte is copied at most three times, whatever the chunking, and
 * a frame that lies whole in one chunk is not copied at all.
 */
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import { DatabaseError } from "../errors.js";

export const FRAME_HEADER_SIZE = 8;

/** What a reader allocates for an unfinished body at first; doubled as bytes come. */
const BODY_CAPACITY_MIN = 64 * 1024;
/** What a reader keeps between frames, so that a steady stream does not allocate. */
const BODY_CAPACITY_KEPT = 1024 * 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Writes the header at the start of `head`, of a body that begins behind it and goes on in `rest`. */
export function writeFrameHeader(head: Buffer, rest: readonly Uint8Array[] = []): void {
  assert(head.length >= FRAME_HEADER_SIZE, "a frame begins with its header");
  let bodySize = head.length - FRAME_HEADER_SIZE;
  for (const { length } of rest) bodySize += length;
  head.writeUInt32BE(bodySize, 0);
  let checksum = crc32(head.subarray(FRAME_HEADER_SIZE), bodySize);
  for (const piece of rest) checksum = crc32(piece, checksum);
  head.writeUInt32BE(checksum, 4);
}

/** One frame as one buffer. */
export function encodeFrame(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_SIZE + body.length);
  frame.set(body, FRAME_HEADER_SIZE);
  writeFrameHeader(frame);
  return frame;
}

export interface FrameReaderOptions {
  /** bytes; a longer body is refused when its header is read */
  readonly bodySizeMax: number;
  /** Called once a frame, in order, from inside `push`. An exception kills the reader and leaves `push`. */
  readonly onFrame: (body: Buffer) => void;
}

/**
 * Cuts a stream into frames, whatever the chunking. A body handed to `onFrame`
 * is valid only during the call: copy what is kept.
 */
export class FrameReader {
  readonly #onFrame: (body: Buffer) => void;
  #bodySizeMax: number;
  #stopped = false;

  readonly #header: Buffer = Buffer.alloc(FRAME_HEADER_SIZE);
  /** bytes of an unfinished header */
  #headerSize = 0;

  /** The length the header told; undefined until the header is whole. */
  #length: number | undefined;
  #checksum = 0;
  #body: Buffer = NO_BYTES;
  /** bytes of an unfinished body */
  #bodySize = 0;

  constructor(options: FrameReaderOptions) {
    this.#onFrame = options.onFrame;
    this.#bodySizeMax = options.bodySizeMax;
  }

  /** bytes of an unfinished frame held back; 0 between frames */
  get pendingSize(): number {
    return this.#length === undefined ? this.#headerSize : FRAME_HEADER_SIZE + this.#bodySize;
  }

  /** The limit from the next header on, also for the rest of the chunk being pushed: a handshake's is smaller. */
  set bodySizeMax(bodySizeMax: number) {
    this.#bodySizeMax = bodySizeMax;
  }

  /** Hands out nothing more; what follows is ignored. For an owner that gives the stream up inside `onFrame`. */
  stop(): void {
    this.#stopped = true;
    this.#body = NO_BYTES;
  }

  /** @throws {DatabaseError} PROTOCOL on a length over the limit or a wrong checksum; the reader is then dead */
  push(chunk: Buffer): void {
    try {
      let offset = 0;
      while (!this.#stopped) {
        if (this.#length === undefined) offset = this.#takeHeader(chunk, offset);
        const length = this.#length;
        if (length === undefined) return;
        const available = chunk.length - offset;
        if (this.#bodySize === 0 && available >= length) {
          this.#finish(chunk.subarray(offset, offset + length));
          offset += length;
          continue;
        }
        const taken = Math.min(available, length - this.#bodySize);
        this.#gather(chunk, offset, taken, length);
        offset += taken;
        if (this.#bodySize < length) return;
        this.#finish(this.#body.subarray(0, length));
      }
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Reads on in the header; `#length` is set when it is whole. Returns the offset behind what was taken. */
  #takeHeader(chunk: Buffer, offset: number): number {
    if (this.#headerSize === 0 && chunk.length - offset >= FRAME_HEADER_SIZE) {
      this.#readHeader(chunk, offset);
      return offset + FRAME_HEADER_SIZE;
    }
    const taken = Math.min(chunk.length - offset, FRAME_HEADER_SIZE - this.#headerSize);
    chunk.copy(this.#header, this.#headerSize, offset, offset + taken);
    this.#headerSize += taken;
    if (this.#headerSize === FRAME_HEADER_SIZE) this.#readHeader(this.#header, 0);
    return offset + taken;
  }

  #readHeader(bytes: Buffer, offset: number): void {
    const length = bytes.readUInt32BE(offset);
    if (length > this.#bodySizeMax) {
      throw new DatabaseError(
        "PROTOCOL",
        `frame of ${length} bytes, where at most ${this.#bodySizeMax} are allowed`,
      );
    }
    this.#checksum = bytes.readUInt32BE(offset + 4);
    this.#length = length;
    this.#headerSize = 0;
  }

  #gather(chunk: Buffer, offset: number, size: number, length: number): void {
    const needed = this.#bodySize + size;
    if (needed > this.#body.length) {
      const doubled = Math.max(BODY_CAPACITY_MIN, 2 * this.#body.length, needed);
      const grown = Buffer.allocUnsafeSlow(Math.min(doubled, Math.max(length, needed)));
      this.#body.copy(grown, 0, 0, this.#bodySize);
      this.#body = grown;
    }
    chunk.copy(this.#body, this.#bodySize, offset, offset + size);
    this.#bodySize = needed;
  }

  #finish(body: Buffer): void {
    const length = body.length;
    if (crc32(body, length) !== this.#checksum) {
      throw new DatabaseError("PROTOCOL", `frame of ${length} bytes fails its checksum`);
    }
    this.#length = undefined;
    this.#bodySize = 0;
    this.#onFrame(body);
    if (this.#body.length > BODY_CAPACITY_KEPT) this.#body = NO_BYTES;
  }
}
