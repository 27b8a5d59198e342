/** How long a key shall live, as SET, GETEX and their like say it. */
import type { Expiry } from "../../store/command.js";
import { parseInteger } from "../../store/integer.js";
import { NOT_AN_INTEGER } from "./command.js";
import { latin1 } from "./reply.js";

const EXPIRY_OPTIONS = ["EX", "PX", "EXAT", "PXAT"] as const;
export type ExpiryOption = (typeof EXPIRY_OPTIONS)[number];

export interface ExpiryArgument {
  readonly option: ExpiryOption;
  readonly value: Buffer;
}

/** Milliseconds, of a time to live and since 1970 (the year 2255): the store's limit. Redis goes on to 2^63. */
export const EXPIRY_MAX = 9_000_000_000_000n;

/**
 * The expiry among a command's options at `at`, with the value behind it; undefined
 * when there is none, or when it does not go with `earlier`. The same again is
 * another value for it, as in Redis.
 */
export function expiryArgument(
  options: readonly Buffer[],
  at: number,
  earlier: ExpiryArgument | undefined,
): ExpiryArgument | undefined {
  const text = latin1(options[at] ?? Buffer.alloc(0)).toUpperCase();
  const option = EXPIRY_OPTIONS.find((each) => each === text);
  const value = options[at + 1];
  if (option === undefined || value === undefined) return undefined;
  return earlier === undefined || earlier.option === option ? { option, value } : undefined;
}

/** @param name of the command, lower case */
export function invalidExpiry(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** The expiry, or the error's text. @param name of the command, lower case */
export function expiryOf({ option, value }: ExpiryArgument, name: string): Expiry | string {
  const number = parseInteger(value);
  if (number === undefined) return NOT_AN_INTEGER;
  const milliseconds = option === "EX" || option === "EXAT" ? number * 1000n : number;
  if (milliseconds <= 0n || milliseconds > EXPIRY_MAX) return invalidExpiry(name);
  return option === "EX" || option === "PX"
    ? { kind: "ttl", ttl: Number(milliseconds) }
    : { kind: "until", time: Number(milliseconds) };
}
