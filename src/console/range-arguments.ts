/** What commands over many keys take: a prefix, or one key, and a revision. */
import { string } from "@oclif/core/args";
import { boolean, integer, string as text } from "@oclif/core/flags";
import type { Range } from "../operations.js";
import { usageError } from "./failure.js";

export const prefixArgument = string({
  description: "only keys that begin with this",
  required: false,
  ignoreStdin: true,
});

export const keyFlag = boolean({ description: "PREFIX is one whole key, not a prefix" });

export const revisionFlag = integer({
  description: "as it was at this revision",
  min: 1,
  helpValue: "N",
});

export const atFlag = text({
  description:
    "as it was at this time, by the log: 2026-11-21T10:00:00Z, or milliseconds since 1970",
  helpValue: "TIME",
  exclusive: ["revision"],
});

/** @throws {CommandError} usage, for a whole key that is missing */
export function rangeOf(prefix: string | undefined, isKey: boolean): Range {
  if (!isKey) return { prefix: prefix ?? "" };
  if (prefix === undefined || prefix === "")
    throw usageError("--key needs the key", "balsa kv watch --key greeting");
  return { from: prefix, to: `${prefix}\0` };
}

/** @throws {CommandError} usage, for what is no time */
export function timeOf(given: string, flag: string): Date {
  const time = new Date(/^\d+$/.test(given) ? Number(given) : given);
  if (!Number.isNaN(time.getTime())) return time;
  throw usageError(
    `${flag} "${given}" is no time`,
    `${flag} 2026-11-21T10:00:00Z, or milliseconds since 1970`,
  );
}
