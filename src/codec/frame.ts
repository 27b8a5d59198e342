/**
 * Frames: how messages lie in a TCP stream, for peers and for native clients.
 *
 *   frame := length u32, checksum u32, body[length]     integers big-endian
 *
 * `length` is checked against the connection's limit before anything is
 * allocated; `checksum` is CRC-32 of the body seeded with `length`.
 */

export const FRAME_HEADER_SIZE = 8;

/** Writes `body`'s header to `target` at `offset`; the body lies right behind it. */
export declare function writeFrameHeader(target: Buffer, offset: number, bodySize: number): void;

/** One frame as one buffer. */
export declare function encodeFrame(body: Uint8Array): Buffer;

/**
 * Cuts a stream into frames, whatever the chunking. A body handed to `onFrame`
 * is valid only during the call unless `copy` bodies are asked for.
 */
export declare class FrameReader {
  constructor(options: { readonly bodySizeMax: number; readonly onFrame: (body: Buffer) => void });
  /** @throws {DatabaseError} PROTOCOL on a length over the limit or a wrong checksum; the reader is then dead */
  push(chunk: Buffer): void;
  /** bytes of an unfinished frame held back; 0 between frames */
  get pendingSize(): number;
}
