/** What the `lease` commands share. */
import type { LeaseStatus } from "../lease.js";
import { CommandError, EXIT } from "./failure.js";
import { bytesField } from "./text.js";
import { wholeNumber } from "./whole-number.js";

export const leaseArgument = wholeNumber({
  description: "the id that `lease grant` printed",
  required: true,
  ignoreStdin: true,
});

export function leaseJson(status: LeaseStatus): Readonly<Record<string, unknown>> {
  const { id, ttlMs, remainingMs, keys } = status;
  return { id, ttlMs, remainingMs, keys: keys.map((key) => bytesField("key", key)) };
}

export function noSuchLease(id: number): CommandError {
  return new CommandError(
    "LEASE_GONE",
    EXIT.notFound,
    `there is no lease ${id}: it was revoked, has run out, or was never granted`,
    {
      tryThis: "balsa lease list, for the leases there are",
    },
  );
}
