/** Sizes as people write them: `64MiB`, `1GiB`, `4096`. */
import { usageError } from "./failure.js";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes. @throws {CommandError} usage */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]iB|B|)$/.exec(text);
  const size = Math.floor(Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? NaN));
  if (Number.isSafeInteger(size) && size >= 1) return size;
  throw usageError(`${flag} "${text}" is no size`, `${flag} 64MiB (or a number of bytes)`);
}
