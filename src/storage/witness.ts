/**
 * The witness: what the open segment knows of its own flushes, so that a torn
 * write is never mistaken for damage, nor damage for a torn write.
 *
 *   open segment := header (block marker)* zeros page       whole size a multiple of 4096
 *   page   := slot slot zeros                               4096 bytes
 *   slot   := record zeros                                  512 bytes: one sector, written at once
 *   record := magic "BLSW", version u16, reserved u16, generation u64, fileSize u64,
 *             durableEnd u64, batchEnd u64, trailingZeros u64, crc32 u32      big-endian
 *
 * `crc32` is seeded with that of the segment's marker. A flush writes a record
 * before its datasync (this batch reaches from `durableEnd` to `batchEnd`, and
 * the pieces that sectors hold of it end in so many zeros in all, by nature). Now
 * and then another one follows, unsynced (all up to `durableEnd` is durable). The
 * two slots take turns so that the last synced record is never being overwritten.
 *
 * The region ahead of the last block is zeros on disk. So at the first thing
 * that is not a good block (offset X, nothing good before it missing):
 *
 *   | case      | where X stands                                  | verdict |
 *   |-----------|-------------------------------------------------|---------|
 *   | blind     | no record is readable                           | corrupt |
 *   | flushed   | before durableEnd                               | corrupt |
 *   | clean     | behind batchEnd, zeros to the end               | whole   |
 *   | unflushed | behind batchEnd, no zeros                       | torn    |
 *   | unreached | in the batch, with more such zeros than written | torn    |
 *   | reached   | in the batch, with no more of them              | corrupt |
 *
 * blind: every open segment is made with a record, and only one slot is ever in
 * flight; and sealing cuts the page off only when the file has another name, which
 * says what must be in it. (Behind a segment that is open too it is torn: log-tail.ts;
 * its header is in its first batch, which begins at 0.) unflushed: had a flush of these
 * bytes been acknowledged, its record would be durable and cover them. unreached:
 * whatever version of a sector the disk kept, it is the start of what was written and
 * then the zeros from before; more zeros than were written mean that a sector came
 * late, so that the datasync did not finish, so that nobody was told. reached: the
 * batch was on disk whole, and changed afterwards.
 */
import { crc32 } from "node:zlib";
import { unreachable } from "../assert.js";

/** bytes: the part of an open segment's end that is no log */
export const WITNESS_PAGE_SIZE = 4096;
export const WITNESS_SLOT_SIZE = 512;
/** bytes: what the disk writes as one */
export const SECTOR_SIZE = 512;

const RECORD_SIZE = 52;
/** of the checksum, which covers what is before it */
const SEAL_OFFSET = 48;
const MAGIC = 0x424c5357;
const VERSION = 1;

export interface Witness {
  /** grows by one with every record */
  readonly generation: number;
  /** offset: everything before it was durable when this was written */
  readonly durableEnd: number;
  /** offset: the end of the batch that this record was written with; durableEnd when there was none */
  readonly batchEnd: number;
  /** zeros at the end of each sector's piece of [durableEnd, batchEnd), in all */
  readonly trailingZeros: number;
}

/** Encodes the records of one segment into one buffer. */
export class WitnessEncoder {
  readonly #bytes = new Uint8Array(RECORD_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #sealed = this.#bytes.subarray(0, SEAL_OFFSET);
  readonly #seed: number;

  constructor(fileSize: number, marker: Uint8Array) {
    this.#seed = crc32(marker);
    this.#view.setUint32(0, MAGIC);
    this.#view.setUint16(4, VERSION);
    setUint64(this.#view, 16, fileSize);
  }

  /** Valid until the next call. */
  encode(witness: Witness): Uint8Array {
    const view = this.#view;
    setUint64(view, 8, witness.generation);
    setUint64(view, 24, witness.durableEnd);
    setUint64(view, 32, witness.batchEnd);
    setUint64(view, 40, witness.trailingZeros);
    view.setUint32(SEAL_OFFSET, crc32(this.#sealed, this.#seed));
    return this.#bytes;
  }
}

/** The newest readable record of a page (the last 4096 bytes of a file of `fileSize`), or undefined. */
export function readWitness(
  page: Uint8Array,
  fileSize: number,
  marker: Uint8Array,
): Witness | undefined {
  let newest: Witness | undefined;
  for (const offset of [0, WITNESS_SLOT_SIZE]) {
    const slot = page.subarray(offset, offset + RECORD_SIZE);
    const witness = decodeRecord(slot, fileSize, marker);
    if (witness === undefined) continue;
    if (newest === undefined || witness.generation > newest.generation) newest = witness;
  }
  return newest;
}

function decodeRecord(slot: Uint8Array, fileSize: number, marker: Uint8Array): Witness | undefined {
  if (slot.length < RECORD_SIZE) return undefined;
  const view = new DataView(slot.buffer, slot.byteOffset, RECORD_SIZE);
  if (view.getUint32(0) !== MAGIC || view.getUint16(4) !== VERSION) return undefined;
  const sealed = slot.subarray(0, SEAL_OFFSET);
  if (view.getUint32(SEAL_OFFSET) !== crc32(sealed, crc32(marker))) return undefined;
  if (getUint64(view, 16) !== fileSize) return undefined;
  return {
    generation: getUint64(view, 8),
    durableEnd: getUint64(view, 24),
    batchEnd: getUint64(view, 32),
    trailingZeros: getUint64(view, 40),
  };
}

function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 4, value >>> 0);
}

function getUint64(view: DataView, offset: number): number {
  return view.getUint32(offset) * 2 ** 32 + view.getUint32(offset + 4);
}

/**
 * Counts the zeros at the end of each sector's piece of a run of bytes, as the
 * run grows. A piece is what a sector of the file holds of the run.
 */
export class TrailingZeros {
  readonly start: number;
  #end: number;
  #finished = 0;
  /** zeros at the end of the unfinished piece */
  #unfinished = 0;

  /** @param start offset in the file where the run begins */
  constructor(start: number) {
    this.start = start;
    this.#end = start;
  }

  get count(): number {
    return this.#finished + this.#unfinished;
  }

  add(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const to = Math.min(bytes.length, from + SECTOR_SIZE - (this.#end % SECTOR_SIZE));
      let last = to;
      while (last > from && bytes[last - 1] === 0) last -= 1;
      this.#unfinished = to - last + (last === from ? this.#unfinished : 0);
      this.#end += to - from;
      from = to;
      if (this.#end % SECTOR_SIZE !== 0) continue;
      this.#finished += this.#unfinished;
      this.#unfinished = 0;
    }
  }
}

/** What is known where the good blocks of an open segment end. */
export interface TailFacts {
  /** X: where the first thing stands that is not a good block */
  readonly offset: number;
  readonly witness: Witness | undefined;
  /** whether all is zero from X to the page (to the file's end without a witness) */
  readonly restIsZero: boolean;
  /** as found in [durableEnd, batchEnd) */
  readonly trailingZeros: number;
}

export type TailCase = "blind" | "flushed" | "clean" | "unflushed" | "unreached" | "reached";
export type TailVerdict = "whole" | "torn" | "corrupt";

/** The table above as data. */
export const TAIL_VERDICTS: Readonly<Record<TailCase, TailVerdict>> = {
  blind: "corrupt",
  flushed: "corrupt",
  clean: "whole",
  unflushed: "torn",
  unreached: "torn",
  reached: "corrupt",
};

/** Which row of the table holds. */
export function tailCase(facts: TailFacts): TailCase {
  const { offset, witness } = facts;
  if (witness === undefined) return "blind";
  if (offset < witness.durableEnd) return "flushed";
  if (offset >= witness.batchEnd) return facts.restIsZero ? "clean" : "unflushed";
  return facts.trailingZeros > witness.trailingZeros ? "unreached" : "reached";
}

/** Why, for a person. */
export function tailReason(which: TailCase): string {
  switch (which) {
    case "clean":
      return "nothing follows";
    case "blind":
      return "the segment's witness of its flushes is unreadable too";
    case "flushed":
      return "it was flushed";
    case "unflushed":
      return "it was never flushed";
    case "unreached":
      return "sectors of it never reached the disk";
    case "reached":
      return "all of it had reached the disk";
    default:
      return unreachable(which);
  }
}
