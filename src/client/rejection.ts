/**
 * What the store refuses, as the errors of a user: nothing was applied, and why.
 */
import {
  DatabaseError,
  type DatabaseErrorOptions,
  type ErrorCode,
  type KeyConflict,
} from "../errors.js";
import {
  type CommandResult,
  isKeyCommand,
  type RejectedRequest,
  type RejectReason,
  type Request,
  type RequestResult,
} from "../store/command.js";
import { requestIdOf } from "./request-id.js";

/** Reasons whose error says no more than what it is about. */
const PLAIN: Readonly<Partial<Record<RejectReason, readonly [code: ErrorCode, message: string]>>> =
  {
    "lease-not-found": [
      "LEASE_GONE",
      "there is no such lease: it was revoked, has run out, or was never granted",
    ],
    "lease-exists": ["CONDITION_FAILED", "there is a lease with this id already"],
    "session-expired": ["SESSION_GONE", "the session has run out or was closed"],
    "session-acknowledged": ["SESSION_GONE", "the request's answer was acknowledged long ago"],
    "session-window": ["BUSY", "more requests of the session are unanswered than are kept"],
    "transaction-unknown": [
      "TRANSACTION_GONE",
      "there is no such transaction: it was never begun, or ended so long ago that it is forgotten",
    ],
    "transaction-finished": [
      "TRANSACTION_GONE",
      "the transaction has ended: committed, rolled back, or idle for too long",
    ],
    "transaction-too-large": [
      "REQUEST_TOO_LARGE",
      "the transaction holds as much as it may; nothing was added",
    ],
    "savepoint-unknown": ["INVALID_ARGUMENT", "the transaction has no such savepoint"],
    "too-many": ["BUSY", "there are as many of these open as there may be"],
    "revision-compacted": ["REVISION_COMPACTED", "the revision is compacted already"],
    "revision-future": ["REVISION_FUTURE", "the revision has not happened"],
    invalid: ["INVALID_ARGUMENT", "the request makes no sense"],
  };

/** @throws {DatabaseError} when the request was rejected: nothing was applied */
export function appliedResults(request: Request, result: RequestResult): readonly CommandResult[] {
  if (result.kind === "rejected") throw rejection(request, result);
  if (result.results.length !== request.commands.length)
    throw new DatabaseError("PROTOCOL", "the answer does not fit the request", {
      outcome: "applied",
      requestId: requestIdOf(request),
    });
  return result.results;
}

/** The error of a request that was refused. Proof: nothing was applied. */
export function rejection(request: Request, rejected: RejectedRequest): DatabaseError {
  const { reason, commandIndex, current, conflicts } = rejected;
  const key = keyText(request, rejected);
  const options: DatabaseErrorOptions = { requestId: requestIdOf(request) };
  switch (reason) {
    case "condition-failed": {
      const state =
        current === undefined
          ? "is absent"
          : `is present since revision ${current.createRevision}, last changed at ${current.modRevision}`;
      return new DatabaseError("CONDITION_FAILED", `condition failed: ${key} ${state}`, options);
    }
    case "conflict":
    case "transaction-too-old":
      return conflict(request, conflicts ?? []);
    case "value-too-large":
      return new DatabaseError("VALUE_TOO_LARGE", `${key}: the value would be too large`, options);
    case "not-an-integer":
      return new DatabaseError("INVALID_ARGUMENT", `${key} does not hold an integer`, options);
    case "overflow":
      return new DatabaseError("INVALID_ARGUMENT", `${key}: the sum leaves 64 bits`, options);
    default: {
      const [code, message] = PLAIN[reason] ?? ["CONDITION_FAILED", `refused: ${reason}`];
      const at = request.commands.length > 1 ? ` (command ${commandIndex})` : "";
      return new DatabaseError(code, `${message}${at}`, options);
    }
  }
}

function conflict(request: Request, conflicts: readonly KeyConflict[]): DatabaseError {
  const requestId = requestIdOf(request);
  const own = conflicts.map((each) => ({ ...each, key: new Uint8Array(each.key) }));
  const [first] = own;
  if (first === undefined) {
    const message =
      "conflict: what was read is compacted, so that nobody can tell whether it changed";
    return new DatabaseError("CONFLICT", message, { requestId, conflicts: [] });
  }
  const others = own.length > 1 ? `, and ${own.length - 1} more` : "";
  return new DatabaseError(
    "CONFLICT",
    `conflict: key ${describe(first.key)} was read at revision ${first.readRevision} and changed at ${first.currentRevision}${others}`,
    { requestId, conflicts: own },
  );
}

/** The key that a request was refused for. */
function keyText(request: Request, { commandIndex, current }: RejectedRequest): string {
  if (current !== undefined) return `key ${describe(current.key)}`;
  const compare = request.compares?.[commandIndex];
  if (compare !== undefined) return `key ${describe(compare.key)}`;
  const command = request.commands[commandIndex];
  return command !== undefined && isKeyCommand(command) ? `key ${describe(command.key)}` : "a key";
}

/** A key for people: JSON text when it is UTF-8, hex otherwise; cut when long. */
function describe(key: Uint8Array): string {
  const shown = Buffer.from(key.subarray(0, 64));
  const text = shown.toString("utf8");
  const more = key.length > shown.length ? "…" : "";
  const isText = more !== "" || Buffer.from(text, "utf8").equals(shown);
  return isText && !text.includes("\ufffd")
    ? JSON.stringify(text) + more
    : `0x${shown.toString("hex")}${more}`;
}
