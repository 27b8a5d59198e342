/** How a user says how long a key lives, as the store's Expiry. */
import type { ExpiryOptions } from "../lease.js";
import type { Expiry } from "../store/command.js";
import { invalid } from "./failures.js";

/** Undefined: until it is deleted. @throws {DatabaseError} INVALID_ARGUMENT */
export function expiryOf(options: ExpiryOptions): Expiry | undefined {
  const { ttlMs, expiresAt, lease, keepExpiry } = options;
  const given = [ttlMs, expiresAt, lease, keepExpiry === true ? true : undefined];
  if (given.filter((one) => one !== undefined).length > 1)
    throw invalid("a key ends by one of ttlMs, expiresAt, lease and keepExpiry");
  if (ttlMs !== undefined) return { kind: "ttl", ttl: durationOf(ttlMs, "ttlMs") };
  if (expiresAt !== undefined) return { kind: "until", time: momentOf(expiresAt, "expiresAt") };
  if (lease !== undefined) return { kind: "lease", lease: leaseIdOf(lease) };
  return keepExpiry === true ? { kind: "keep" } : undefined;
}

/** Milliseconds, whole, at least 1. */
export function durationOf(ms: number, name: string): number {
  if (typeof ms !== "number" || !(ms > 0) || ms > Number.MAX_SAFE_INTEGER)
    throw invalid(`${name} is a number of milliseconds above 0`);
  return Math.ceil(ms);
}

/** Milliseconds since 1970, whole. */
export function momentOf(moment: Date | number, name: string): number {
  const time = Math.floor(Number(moment));
  if (!Number.isSafeInteger(time) || time < 0)
    throw invalid(`${name} is a date, or a number of milliseconds since 1970`);
  return time;
}

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function leaseIdOf(lease: { readonly id: number } | number): number {
  const id: unknown = typeof lease === "object" ? lease.id : lease;
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 1)
    throw invalid("a lease is named by its id, a whole number above 0");
  return id;
}
