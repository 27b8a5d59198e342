/**
 * The bytes of the ceiling: a log that is one Avro object container file, and what
 * the leader and a follower say to each other.
 *
 *   file    := header block* zeros              read by any Avro tool once the zeros are cut off
 *   block   := count long, size long, record[count], marker[16]
 *   record  := key bytes, value bytes
 *   frame   := size u32, number u32, commit u32, round u32, block[size]     leader to follower
 *   ack     := flushed u32, round u32                                      follower to leader
 *
 * A frame without a block has number 0 and asks who hears it to tell the round back:
 * that is the whole of a ReadIndex. A block lies where its records were written, with
 * its counts and the frame's head put in front of them: it is never copied.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assert } from "../../src/assert.js";
import type { CeilingTable } from "./ceiling-table.js";

export const FRAME_HEADER_SIZE = 16;
export const ACK_SIZE = 8;

const MARKER_SIZE = 16;
/** A long of Avro below 2^31 is this long at most. */
const LONG_SIZE_MAX = 5;
const RECORDS_START = FRAME_HEADER_SIZE + 2 * LONG_SIZE_MAX;
const BATCH_SIZE = 512 * 1024;

const SCHEMA = JSON.stringify({
  type: "record",
  name: "Put",
  fields: [
    { name: "key", type: "bytes" },
    { name: "value", type: "bytes" },
  ],
});
const MARKER = createHash("md5").update(SCHEMA).digest();
assert(MARKER.length === MARKER_SIZE, "a digest of MD5 is as long as a marker of Avro");

/** What every log begins with. */
export const FILE_HEADER = Buffer.concat([
  Buffer.from("Obj\u0001\u0004", "latin1"), // two entries in one piece of the map
  avroBytes("avro.schema"),
  avroBytes(SCHEMA),
  avroBytes("avro.codec"),
  avroBytes("null"),
  Buffer.of(0),
  MARKER,
]);

function avroBytes(text: string): Buffer {
  const size = Buffer.alloc(LONG_SIZE_MAX);
  const end = writeLong(size, 0, text.length);
  return Buffer.concat([size.subarray(0, end), Buffer.from(text)]);
}

/** @returns where it ends */
function writeLong(bytes: Buffer, offset: number, value: number): number {
  let rest = value * 2;
  let at = offset;
  for (; rest > 0x7f; rest >>>= 7) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}

function longSize(value: number): number {
  return value < 64 ? 1 : value < 8192 ? 2 : value < 1_048_576 ? 3 : value < 134_217_728 ? 4 : 5;
}

/** What is written in one turn of the leader's loop: records, then a block around them. */
export class Batch {
  readonly bytes = Buffer.allocUnsafeSlow(BATCH_SIZE);
  number = 0;
  count = 0;
  /** of the block, once it is sealed */
  start = 0;
  end = RECORDS_START;

  /** Whether there was room. */
  tryAdd(
    from: Buffer,
    keyAt: number,
    keySize: number,
    valueAt: number,
    valueSize: number,
  ): boolean {
    const size = 2 * LONG_SIZE_MAX + keySize + valueSize;
    if (this.end + size + MARKER_SIZE > BATCH_SIZE) return false;
    const { bytes } = this;
    let end = writeLong(bytes, this.end, keySize);
    for (let at = keyAt; at < keyAt + keySize; at += 1) bytes[end++] = from[at] ?? 0;
    end = writeLong(bytes, end, valueSize);
    from.copy(bytes, end, valueAt, valueAt + valueSize);
    this.end = end + valueSize;
    this.count += 1;
    return true;
  }

  /** Makes it a block in a frame. @returns the frame */
  seal(number: number, commit: number, round: number): Buffer {
    const { bytes } = this;
    const size = this.end - RECORDS_START;
    MARKER.copy(bytes, this.end);
    this.end += MARKER_SIZE;
    this.start = RECORDS_START - longSize(size) - longSize(this.count);
    writeLong(bytes, writeLong(bytes, this.start, this.count), size);
    this.number = number;
    const frame = bytes.subarray(this.start - FRAME_HEADER_SIZE, this.end);
    writeFrameHeader(frame, this.end - this.start, number, commit, round);
    return frame;
  }

  clear(): void {
    this.count = 0;
    this.end = RECORDS_START;
  }
}

export function writeFrameHeader(
  bytes: Buffer,
  size: number,
  number: number,
  commit: number,
  round: number,
): void {
  bytes.writeUInt32LE(size, 0);
  bytes.writeUInt32LE(number, 4);
  bytes.writeUInt32LE(commit, 8);
  bytes.writeUInt32LE(round, 12);
}

/** Sets what a block's records say. */
export function applyBlock(table: CeilingTable, bytes: Buffer, start: number, end: number): void {
  let at = start;
  const long = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 1;
    }
  };
  long(); // count
  long(); // size
  const recordsEnd = end - MARKER_SIZE;
  while (at < recordsEnd) {
    const keySize = long();
    const keyAt = at;
    at += keySize;
    const valueSize = long();
    table.set(bytes, keyAt, keySize, at, valueSize);
    at += valueSize;
  }
  assert(at === recordsEnd, "a block ends with its last record");
}
