/** What may be asked of every system: the same keys, the same values. */

/** Numbers, because one is kept for every request in flight. */
export const OPERATION = {
  put: 0,
  get: 1,
  /** from a key on, so many keys */
  list: 2,
  /** two keys read, both written, all or nothing */
  transaction: 3,
  /** a key read, then written: two round trips */
  readModifyWrite: 4,
  /** a put of a key that was not there */
  insert: 5,
} as const;
export type Operation = (typeof OPERATION)[keyof typeof OPERATION];
export type OperationName = keyof typeof OPERATION;

export const OPERATION_NAMES: readonly OperationName[] = [
  "put",
  "get",
  "list",
  "transaction",
  "readModifyWrite",
  "insert",
];

export const KEY_PREFIX = "bench:";
export const KEY_DIGITS = 8;
export const KEY_SIZE = KEY_PREFIX.length + KEY_DIGITS;
const ZERO = 0x30;

/** A number as KEY_DIGITS decimal digits, in place. */
export function writeDigits(bytes: Buffer, offset: number, number: number): void {
  let rest = number;
  for (let at = offset + KEY_DIGITS - 1; at >= offset; at -= 1) {
    const tenth = (rest / 10) | 0;
    bytes[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
}

/** The key with this number, as text. */
export function benchKey(number: number): string {
  return KEY_PREFIX + String(number).padStart(KEY_DIGITS, "0");
}
