/** What is asked of both systems: the same keys, the same values. */

export type Operation = "write" | "read";

export const KEY_PREFIX = "bench:";
export const KEY_DIGITS = 8;
const ZERO = 0x30;

/** A number as KEY_DIGITS decimal digits, in place. */
export function writeDigits(bytes: Buffer, offset: number, number: number): void {
  let rest = number;
  for (let at = offset + KEY_DIGITS - 1; at >= offset; at -= 1) {
    bytes[at] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** The key with this number, as text. */
export function benchKey(number: number): string {
  return KEY_PREFIX + String(number).padStart(KEY_DIGITS, "0");
}
