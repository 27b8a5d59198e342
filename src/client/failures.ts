/** The errors that the library itself raises, each in one place. */
import { DatabaseError } from "../errors.js";
import type { Request } from "../store/command.js";
import { requestIdOf } from "./request-id.js";

export function invalid(message: string): DatabaseError {
  return new DatabaseError("INVALID_ARGUMENT", message);
}

/** The error of an operation on a closed database, or of one that closing cut short. */
export function closed(): DatabaseError {
  return new DatabaseError("CLOSED", "the database is closed");
}

export function throwIf(error: DatabaseError | undefined): void {
  if (error !== undefined) throw error;
}

/** The error of an operation given up by its signal before anything was sent. */
export function aborted(signal: AbortSignal): DatabaseError {
  return new DatabaseError("ABORTED", "aborted by its signal", { cause: signal.reason });
}

/** The error of a write that was cut off, and whose repeat failed as `error` tells. */
export function unknownSince(request: Request, error: DatabaseError): DatabaseError {
  const reason = `cut off after it was sent, and not answered since (${error.message})`;
  return outcomeUnknown(requestIdOf(request), reason, error);
}

/** The error of a write whose effect nobody can tell from here. */
export function outcomeUnknown(
  requestId: string | undefined,
  reason: string,
  cause?: unknown,
): DatabaseError {
  const name = requestId === undefined ? "" : ` (request ${requestId})`;
  const message = `${reason}: the write may or may not have been applied${name}`;
  return new DatabaseError("OUTCOME_UNKNOWN", message, { requestId, cause });
}
