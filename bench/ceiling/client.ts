/**
 * A client of the ceiling's leader: SET and GET in RESP, answered in their order.
 *
 * Requests that came together are one run, which waits for one block or for one
 * round; when it is due, everything that is due is answered in one write.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { CeilingTable } from "./ceiling-table.js";

/** Consecutive requests of one kind that wait for the same. */
interface Run {
  readonly isRead: boolean;
  /** of the block, or of the round */
  readonly number: number;
  count: number;
}

/** What the requests of a client are given to. */
export interface Front {
  /** @returns the number of the block that it is in */
  set(from: Buffer, keyAt: number, keySize: number, valueAt: number, valueSize: number): number;
  /** @returns the number of the round that answers it */
  round(): number;
}

/** What is done by now. */
export interface Done {
  /** blocks up to it are applied, rounds up to it confirmed */
  readonly block: number;
  readonly round: number;
}

const ASTERISK = 0x2a;
const DOLLAR = 0x24;
const CARRIAGE_RETURN = 0x0d;
const ZERO = 0x30;
const SET = 0x53;
const GET = 0x47;
const NAME_SIZE = 3;
const OK = Buffer.from("+OK\r\n");
const OKS = Buffer.alloc(1024 * OK.length, OK);
const NOTHING = Buffer.alloc(0);
const NIL = Buffer.from("$-1\r\n");
const BULK_HEAD_MAX = 16;
/** A key's size in front of it. */
const KEY_HEAD_SIZE = 2;

export class Client {
  readonly #socket: Socket;
  readonly #front: Front;
  readonly #runs: Run[] = [];
  #rest: Buffer | undefined;
  /** whether `#rest` is a write that waits for reads before it */
  #isHeld = false;
  /** of the reads that wait: sizes and bytes */
  #keys = Buffer.allocUnsafeSlow(256);
  #keysStart = 0;
  #keysEnd = 0;
  /** a number that was read, and where it ended */
  #number = 0;
  #at = 0;

  constructor(socket: Socket, front: Front) {
    this.#socket = socket;
    this.#front = front;
  }

  get isWaiting(): boolean {
    return this.#runs.length > 0;
  }

  /** Takes bytes that are valid during the call. */
  receive(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let whole = 0;
    this.#isHeld = false;
    while (this.#takeRequest(bytes, whole)) whole = this.#at;
    this.#rest = whole === bytes.length ? undefined : Buffer.from(bytes.subarray(whole));
  }

  /** Whether a whole request was there, which ends at `#at`. @throws {Error} when it is none of ours */
  #takeRequest(bytes: Buffer, start: number): boolean {
    if (!this.#readNumber(bytes, start, ASTERISK)) return false;
    const words = this.#number;
    if (!this.#readNumber(bytes, this.#at, DOLLAR)) return false;
    const name = bytes[this.#at];
    const isSet = words === 3 && name === SET;
    if (this.#number !== NAME_SIZE || (!isSet && (words !== 2 || name !== GET))) {
      throw new Error("the ceiling knows SET key value and GET key");
    }
    if (!this.#readNumber(bytes, this.#at + NAME_SIZE + 2, DOLLAR)) return false;
    const keyAt = this.#at;
    const keySize = this.#number;
    const keyEnd = keyAt + keySize + 2;
    if (!isSet) {
      if (keyEnd > bytes.length) return false;
      this.#keepKey(bytes, keyAt, keySize);
      this.#await(true, this.#front.round());
      this.#at = keyEnd;
      return true;
    }
    if (!this.#readNumber(bytes, keyEnd, DOLLAR)) return false;
    const end = this.#at + this.#number + 2;
    if (end > bytes.length) return false;
    // It would be applied before a read that was asked for earlier is answered.
    this.#isHeld = this.#runs.some(({ isRead }) => isRead);
    if (this.#isHeld) return false;
    this.#await(false, this.#front.set(bytes, keyAt, keySize, this.#at, this.#number));
    this.#at = end;
    return true;
  }

  /** Reads `<kind>digits\r\n`; whether it is whole. */
  #readNumber(bytes: Buffer, start: number, kind: number): boolean {
    if (start >= bytes.length) return false;
    if (bytes[start] !== kind) throw new Error("this is not RESP");
    let number = 0;
    for (let at = start + 1; at + 1 < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte === CARRIAGE_RETURN) {
        this.#number = number;
        this.#at = at + 2;
        return true;
      }
      number = 10 * number + byte - ZERO;
    }
    return false;
  }

  #await(isRead: boolean, number: number): void {
    const last = this.#runs[this.#runs.length - 1];
    if (last?.isRead === isRead && last.number === number) last.count += 1;
    else this.#runs.push({ isRead, number, count: 1 });
  }

  #keepKey(bytes: Buffer, keyAt: number, keySize: number): void {
    const size = KEY_HEAD_SIZE + keySize;
    if (this.#keysEnd + size > this.#keys.length) {
      const grown = Buffer.allocUnsafeSlow(2 * this.#keys.length + size);
      this.#keys.copy(grown, 0, this.#keysStart, this.#keysEnd);
      this.#keys = grown;
      this.#keysEnd -= this.#keysStart;
      this.#keysStart = 0;
    }
    const keys = this.#keys;
    keys[this.#keysEnd] = keySize & 0xff;
    keys[this.#keysEnd + 1] = keySize >>> 8;
    const target = this.#keysEnd + KEY_HEAD_SIZE;
    for (let at = 0; at < keySize; at += 1) keys[target + at] = bytes[keyAt + at] ?? 0;
    this.#keysEnd += size;
  }

  /** Answers what is due, in one write. */
  answer(done: Done, table: CeilingTable): void {
    const runs = this.#runs;
    let due = 0;
    for (const { isRead, number } of runs) {
      if (number > (isRead ? done.round : done.block)) break;
      due += 1;
    }
    if (due === 0) return;
    const [first] = runs;
    const onlyOks = due === 1 && first?.isRead === false && first.count <= OKS.length / OK.length;
    this.#socket.write(
      onlyOks ? OKS.subarray(0, first.count * OK.length) : this.#answers(runs, due, table),
    );
    if (due === runs.length) runs.length = 0;
    else runs.splice(0, due);
    if (this.#isHeld) this.receive(NOTHING);
  }

  #answers(runs: readonly Run[], due: number, table: CeilingTable): Buffer {
    let bytes = Buffer.allocUnsafe(2048);
    let end = 0;
    const reserve = (size: number): void => {
      if (end + size <= bytes.length) return;
      const grown = Buffer.allocUnsafeSlow(2 * bytes.length + size);
      bytes.copy(grown, 0, 0, end);
      bytes = grown;
    };
    for (let at = 0; at < due; at += 1) {
      const { isRead, count } = runs[at] ?? { isRead: false, count: 0 };
      for (let answered = 0; answered < count; answered += 1) {
        const place = isRead ? this.#findNext(table) : -1;
        const size = place < 0 ? OK.length : table.valueSizeAt(place);
        reserve(size + BULK_HEAD_MAX);
        if (place < 0) end += (isRead ? NIL : OK).copy(bytes, end);
        else {
          end = writeBulkHead(bytes, end, size);
          table.copyValueAt(place, bytes, end);
          bytes[end + size] = 0x0d;
          bytes[end + size + 1] = 0x0a;
          end += size + 2;
        }
      }
    }
    return bytes.subarray(0, end);
  }

  #findNext(table: CeilingTable): number {
    const keys = this.#keys;
    const size = (keys[this.#keysStart] ?? 0) + 256 * (keys[this.#keysStart + 1] ?? 0);
    const place = table.find(keys, this.#keysStart + KEY_HEAD_SIZE, size);
    this.#keysStart += KEY_HEAD_SIZE + size;
    if (this.#keysStart === this.#keysEnd) this.#keysStart = this.#keysEnd = 0;
    return place;
  }
}

/** `$size\r\n` @returns where it ends */
function writeBulkHead(bytes: Buffer, offset: number, size: number): number {
  let digits = 1;
  for (let limit = 10; size >= limit; limit *= 10) digits += 1;
  bytes[offset] = DOLLAR;
  let rest = size;
  for (let at = offset + digits; at > offset; at -= 1) {
    bytes[at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  bytes[offset + digits + 1] = 0x0d;
  bytes[offset + digits + 2] = 0x0a;
  return offset + digits + 3;
}
