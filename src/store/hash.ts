/**
 * The hash of a key: HalfSipHash-1-3 (Aumasson and Bernstein's, of 32 bits) under a fixed key.
 *
 * Nothing that is visible depends on it. Its state of 128 bits makes the collisions
 * of simpler hashes, which are written down by hand, a search through 2^32 keys for
 * each; the secret that would forbid even that is chance, which the core has not.
 */
const KEY_0 = 0x2545f491;
const KEY_1 = 0x4f6cdd1d;

/** @returns an unsigned integer of 32 bits */
export function hashOf(bytes: Uint8Array, start: number, size: number): number {
  let a = KEY_0;
  let b = KEY_1;
  let c = 0x6c796765 ^ KEY_0;
  let d = 0x74656462 ^ KEY_1;
  const wordCount = size >>> 2;
  let at = start;
  for (let round = 0; round < wordCount + 4; round++) {
    let word = 0;
    if (round < wordCount) {
      word =
        (bytes[at] ?? 0) |
        ((bytes[at + 1] ?? 0) << 8) |
        ((bytes[at + 2] ?? 0) << 16) |
        ((bytes[at + 3] ?? 0) << 24);
      at += 4;
    } else if (round === wordCount) {
      word = size << 24;
      for (let shift = 0; at < start + size; at++, shift += 8) word |= (bytes[at] ?? 0) << shift;
    } else if (round === wordCount + 1) {
      c ^= 0xff;
    }
    d ^= word;
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
    a ^= word;
  }
  return (b ^ d) >>> 0;
}
