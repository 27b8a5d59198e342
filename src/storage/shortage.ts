/**
 * Shortages: what the world refuses now and may grant later. A full disk, a used-up
 * quota and too many open files change nothing that is on the disk, so whoever
 * meets one may try again; any other failure ends the log's life.
 *
 * Only of calls that either happen or do not: a failed sync is never a shortage,
 * whatever its code says, for what it has left behind is not known.
 */
import { DatabaseError } from "../errors.js";

/** BUSY: too many files are open. */
type ShortageCode = "DISK_FULL" | "BUSY";

const SHORTAGES: ReadonlyMap<string, ShortageCode> = new Map([
  ["ENOSPC", "DISK_FULL"],
  ["EDQUOT", "DISK_FULL"],
  ["EMFILE", "BUSY"],
  ["ENFILE", "BUSY"],
]);

const HARMLESS_CALLS: ReadonlySet<string> = new Set(["open", "write", "rename", "scandir"]);

function shortageCode(error: unknown): ShortageCode | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
  const { code, syscall } = error;
  if (typeof code !== "string" || typeof syscall !== "string") return undefined;
  return HARMLESS_CALLS.has(syscall) ? SHORTAGES.get(code) : undefined;
}

/** The error for a shortage, saying what waits for its end; undefined when `error` is none. */
export function shortage(error: unknown, doing: string): DatabaseError | undefined {
  const code = shortageCode(error);
  if (code === undefined || !(error instanceof Error)) return undefined;
  return new DatabaseError(code, `${doing} is put off: ${error.message}`, { cause: error });
}

/** Something was put off, and may be tried again as it is. */
export type Shortage = DatabaseError & { readonly code: ShortageCode };

export function isShortage(error: unknown): error is Shortage {
  return error instanceof DatabaseError && (error.code === "DISK_FULL" || error.code === "BUSY");
}
