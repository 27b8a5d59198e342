/**
 * Decimal text of 64-bit signed integers, as strict as Redis: an optional minus,
 * no plus, no leading zero, no space, nothing that int64 cannot hold. One number
 * has exactly one text, so that counting up and down gives back the same bytes.
 */

export const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** "-9223372036854775808" is the longest text. */
const TEXT_LENGTH_MAX = 20;

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/** The number that `text` is, or undefined when it is not the one text of an int64. */
export function parseInteger(text: Uint8Array): bigint | undefined {
  const length = text.length;
  if (length === 0 || length > TEXT_LENGTH_MAX) return undefined;
  const negative = text[0] === MINUS;
  const start = negative ? 1 : 0;
  const first = text[start] ?? 0;
  if (first === ZERO) return length === 1 ? 0n : undefined;
  let digits = "";
  for (let i = start; i < length; i++) {
    const byte = text[i] ?? 0;
    if (byte < ZERO || byte > NINE) return undefined;
    digits += String.fromCharCode(byte);
  }
  if (digits === "") return undefined;
  const number = negative ? -BigInt(digits) : BigInt(digits);
  return isInteger64(number) ? number : undefined;
}

export function isInteger64(number: bigint): boolean {
  return number >= INT64_MIN && number <= INT64_MAX;
}

/** The one text of `number`, in ASCII. */
export function formatInteger(number: bigint): Uint8Array {
  const text = number.toString();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
