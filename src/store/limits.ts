/**
 * The limits of a request, checked once, before anything is proposed. The fold
 * itself never refuses by them (but for Append, whose size only it can know):
 * what a majority has in its log must be applied whatever a node is told today.
 */
import { DatabaseError } from "../errors.js";
import type { Command, Limits, Request } from "./command.js";

/**
 * Bytes a command costs in a block beside its key and value (an Avro row; its
 * integers at their longest, its request id). Counted, so that a million tiny
 * commands cannot make a block larger than a block may be.
 */
export const COMMAND_OVERHEAD_SIZE = 48;

/** Digits of the longest int64, an increment's amount in the log. */
const INCREMENT_SIZE = 20;

/** What is wrong with `request`, or undefined when it may be proposed. */
export function checkRequest(request: Request, limits: Limits): DatabaseError | undefined {
  if (request.commands.length === 0) {
    return new DatabaseError("INVALID_ARGUMENT", "a request needs at least one command");
  }
  if (request.id.length !== 0 && request.id.length !== 16) {
    return new DatabaseError(
      "INVALID_ARGUMENT",
      `a request id has 16 bytes or none, not ${request.id.length}`,
    );
  }
  let size = 0;
  for (const command of request.commands) {
    const error = checkCommand(command, limits);
    if (error !== undefined) return error;
    size += COMMAND_OVERHEAD_SIZE + command.key.length + operandSize(command);
  }
  // One command is bounded by its key and value already.
  if (request.commands.length > 1 && size > limits.requestSizeMax) {
    return new DatabaseError(
      "REQUEST_TOO_LARGE",
      `request of ${size} bytes (${request.commands.length} commands, ${COMMAND_OVERHEAD_SIZE} bytes each counted beside keys and values) is over the limit of ${limits.requestSizeMax} bytes`,
    );
  }
  return undefined;
}

function checkCommand(command: Command, limits: Limits): DatabaseError | undefined {
  // A range may start at the very beginning.
  if (command.key.length === 0 && command.kind !== "deleteRange") {
    return new DatabaseError("INVALID_ARGUMENT", "key is empty");
  }
  const keySize = Math.max(
    command.key.length,
    command.kind === "deleteRange" ? command.end.length : 0,
  );
  if (keySize > limits.keySizeMax) return keyTooLarge(keySize, limits);
  if (command.kind !== "put" && command.kind !== "append") return undefined;
  if (command.value.length > limits.valueSizeMax) {
    return new DatabaseError(
      "VALUE_TOO_LARGE",
      `value of ${command.value.length} bytes is over the limit of ${limits.valueSizeMax} bytes`,
    );
  }
  return undefined;
}

function keyTooLarge(size: number, limits: Limits): DatabaseError {
  return new DatabaseError(
    "KEY_TOO_LARGE",
    `key of ${size} bytes is over the limit of ${limits.keySizeMax} bytes`,
  );
}

function operandSize(command: Command): number {
  switch (command.kind) {
    case "put":
    case "append":
      return command.value.length;
    case "deleteRange":
      return command.end.length;
    case "increment":
      return INCREMENT_SIZE;
    case "delete":
      return 0;
  }
}
