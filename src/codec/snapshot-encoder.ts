/**
 * Writes a snapshot's blocks (snapshot.ts): rows one behind another into one buffer,
 * with room before them for the block's count and size, which are known last.
 */
import { crc32 } from "node:zlib";
import { assert } from "../assert.js";
import { LiveRow } from "../store/live-row.js";
import type { StateRow } from "../store/state-row.js";
import { writeLong } from "./row.js";
import {
  SNAPSHOT_KINDS,
  SNAPSHOT_MARKER_SIZE,
  SNAPSHOT_ROW_SIZE_MAX,
  snapshotMarker,
  type SnapshotHead,
} from "./snapshot.js";

/** bytes of rows gathered into one block */
const BLOCK_SIZE: number = 64 * 1024;
/** bytes before the rows: a count and a size at their longest */
const ROOM = 20;
/** bytes of a row beside its byte strings, at most: ten numbers and a checksum */
const ROW_OVERHEAD_MAX = 104;
const END = SNAPSHOT_KINDS.length - 1;

/** Bytes of memory in which most blocks are made: a larger row takes more. */
export const BLOCK_MEMORY_SIZE: number = ROOM + 2 * BLOCK_SIZE;

/** Makes the blocks of one snapshot, each chained to the one before. */
export class SnapshotEncoder {
  readonly #marker: Uint8Array;
  #bytes: Uint8Array;
  /** behind the last row */
  #end = ROOM;
  #count = 0;
  #rowCount = 0;
  #checksum = 0;
  readonly #head = new Uint8Array(ROOM);

  /** @param memory of BLOCK_MEMORY_SIZE, for nobody else as long as blocks are made */
  constructor(head: SnapshotHead, memory: Uint8Array) {
    this.#marker = snapshotMarker(head);
    this.#bytes = memory;
  }

  /** @returns a whole block when enough is gathered, valid until the next call */
  add(row: StateRow): Uint8Array | undefined {
    this.#rowCount += 1;
    const kind = SNAPSHOT_KINDS.indexOf(row.kind);
    if (row instanceof LiveRow) {
      this.#begin(kind, row.keySize + row.valueSize);
      this.#long(row.keySize);
      row.copyKey(this.#bytes, this.#end);
      this.#end += row.keySize;
      this.#long(row.valueSize);
      row.copyValue(this.#bytes, this.#end);
      this.#end += row.valueSize;
      this.#long(0);
    } else {
      const { key, value, id } = row;
      this.#begin(kind, key.length + value.length + id.length);
      this.#bytesField(key);
      this.#bytesField(value);
      this.#bytesField(id);
    }
    this.#long(row.createRevision);
    this.#long(row.modRevision);
    this.#long(row.version);
    this.#long(row.lease);
    this.#long(row.time);
    return this.#end - ROOM >= BLOCK_SIZE ? this.#seal() : undefined;
  }

  /** What is still gathered; undefined when that is nothing. Valid until the next call. */
  rest(): Uint8Array | undefined {
    return this.#count === 0 ? undefined : this.#seal();
  }

  /** The block that says that all is there, behind everything else. Valid until the next call. */
  end(): Uint8Array {
    this.#begin(END, 0);
    for (const number of [0, 0, 0, 0, 0, this.#rowCount, 0, 0]) this.#long(number);
    return this.#seal();
  }

  /** A row's union branch (only a block's first row has a checksum, which is filled in last) and its kind. */
  #begin(kind: number, bytesSize: number): void {
    assert(bytesSize + ROW_OVERHEAD_MAX <= SNAPSHOT_ROW_SIZE_MAX, "a row fits its bound");
    this.#reserve(bytesSize + ROW_OVERHEAD_MAX);
    const isFirst = this.#count === 0;
    this.#bytes[this.#end] = isFirst ? 2 : 0;
    this.#end += isFirst ? 5 : 1;
    this.#long(kind);
    this.#count += 1;
  }

  #bytesField(source: Uint8Array): void {
    this.#long(source.length);
    this.#bytes.set(source, this.#end);
    this.#end += source.length;
  }

  #long(value: number): void {
    if (value >= 0 && value < 2 ** 30 && Number.isInteger(value)) {
      const bytes = this.#bytes;
      let rest = value << 1;
      while (rest >= 0x80) {
        bytes[this.#end++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      bytes[this.#end++] = rest;
    } else {
      this.#end = writeLong(this.#bytes, this.#end, value);
    }
  }

  /** Room for so many bytes and a marker. */
  #reserve(size: number): void {
    const wanted = this.#end + size + SNAPSHOT_MARKER_SIZE;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * wanted);
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }

  #seal(): Uint8Array {
    const bytes = this.#bytes;
    const rows = bytes.subarray(ROOM, this.#end);
    this.#checksum = crc32(rows.subarray(5), this.#checksum);
    for (let i = 0; i < 4; i += 1) rows[1 + i] = this.#checksum >>> (24 - 8 * i);
    bytes.set(this.#marker, this.#end);
    const headSize = writeLong(this.#head, writeLong(this.#head, 0, this.#count), rows.length);
    bytes.set(this.#head.subarray(0, headSize), ROOM - headSize);
    const block = bytes.subarray(ROOM - headSize, this.#end + SNAPSHOT_MARKER_SIZE);
    this.#end = ROOM;
    this.#count = 0;
    return block;
  }
}
