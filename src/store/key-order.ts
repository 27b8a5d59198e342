/**
 * Keys as strings, one code unit a byte (latin-1): JavaScript compares strings by
 * code unit, so their order is the byte order of the keys, and a Map can hold them.
 */

/** Bytes given to one call of fromCharCode: far below any engine's limit on arguments. */
const CHUNK_SIZE = 4096;

/** Reads `bytes` as latin-1. */
export function keyText(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK_SIZE) return codeUnits(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
    text += codeUnits(bytes.subarray(at, at + CHUNK_SIZE));
  }
  return text;
}

function codeUnits(bytes: Uint8Array): string {
  // apply takes any array-like; its type knows number[] only
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** The bytes that `text` was read from. */
export function textBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The end of the range of all keys that start with `prefix`; empty when there is none (prefix empty or all 0xff). */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  const end = new Uint8Array(length);
  end.set(prefix.subarray(0, length));
  if (length > 0) end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}
