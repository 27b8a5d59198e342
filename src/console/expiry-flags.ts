/** How long a key lives, as flags. */
import { integer, string } from "@oclif/core/flags";
import type { ExpiryOptions } from "../lease.js";
import { parseAge } from "./duration.js";

export const expiryFlags = {
  ttl: string({ description: "the key ends after this time", helpValue: "30s" }),
  lease: integer({
    description: "the key ends with this lease",
    min: 1,
    helpValue: "ID",
    exclusive: ["ttl"],
  }),
};

/** @throws {CommandError} usage */
export function expiryOf(flags: {
  readonly ttl: string | undefined;
  readonly lease: number | undefined;
}): ExpiryOptions {
  if (flags.ttl !== undefined) return { ttlMs: parseAge(flags.ttl, "--ttl") };
  return flags.lease === undefined ? {} : { lease: flags.lease };
}
