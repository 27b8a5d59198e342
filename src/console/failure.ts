/**
 * Failures as the console shows them: one line and what to do about it for a
 * person, one object for a script, and an exit code that is part of the contract.
 *
 * Law 4 reaches out to here: exit code 5 is a proof that nothing was applied,
 * exit code 6 says that nobody can know, and names the request to look for.
 */
import { stripVTControlCharacters } from "node:util";
import {
  DatabaseError,
  type ErrorCode,
  type KeyConflict,
  type Outcome,
  type RevisionBounds,
} from "../errors.js";
import { bytesField } from "./text.js";

/** What a process says of itself when it ends. Numbers are stable. */
export const EXIT = {
  success: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  conditionFailed: 4,
  unavailable: 5,
  outcomeUnknown: 6,
  corruption: 8,
  unhealthy: 9,
  directoryInUse: 10,
  /** SIGINT, where it is taken for an answer */
  interrupted: 130,
} as const;

const EXIT_BY_CODE: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: EXIT.usage,
  KEY_TOO_LARGE: EXIT.usage,
  VALUE_TOO_LARGE: EXIT.usage,
  REQUEST_TOO_LARGE: EXIT.usage,
  CONDITION_FAILED: EXIT.conditionFailed,
  CONFLICT: EXIT.conditionFailed,
  TRANSACTION_GONE: EXIT.notFound,
  LEASE_GONE: EXIT.notFound,
  SESSION_GONE: EXIT.unavailable,
  CHANGE_REFUSED: EXIT.conditionFailed,
  REVISION_COMPACTED: EXIT.notFound,
  REVISION_FUTURE: EXIT.notFound,
  NO_LEADER: EXIT.unavailable,
  UNAVAILABLE: EXIT.unavailable,
  BUSY: EXIT.unavailable,
  TIMEOUT: EXIT.unavailable,
  OUTCOME_UNKNOWN: EXIT.outcomeUnknown,
  CLOSED: EXIT.unexpected,
  ABORTED: EXIT.unexpected,
  CORRUPTION: EXIT.corruption,
  DIVERGENCE: EXIT.unhealthy,
  DIRECTORY_IN_USE: EXIT.directoryInUse,
  WRONG_DIRECTORY: EXIT.usage,
  PROTOCOL: EXIT.unexpected,
  DISK_FULL: EXIT.unavailable,
  STORAGE_FAILED: EXIT.unexpected,
  ADDRESS_UNAVAILABLE: EXIT.unexpected,
  CODEC_FAILED: EXIT.unexpected,
};

const TRY_BY_CODE: Readonly<Partial<Record<ErrorCode, string>>> = {
  KEY_TOO_LARGE: "a shorter key; what is long belongs into the value",
  VALUE_TOO_LARGE: "split the value over several keys, or keep it elsewhere and a reference here",
  REQUEST_TOO_LARGE: "fewer operations in one request",
  CONDITION_FAILED: "read the key with `balsa kv get`, then decide again",
  CONFLICT: "begin anew: read again what changed, then decide again; nothing was applied",
  TRANSACTION_GONE: "balsa tx status ID says what became of it; balsa tx begin begins another",
  LEASE_GONE: "balsa lease list, for the leases there are",
  REVISION_COMPACTED:
    "a newer revision; nodes keep more with --history-changes, --history-bytes, --history-age",
  REVISION_FUTURE: "balsa kv get --json or balsa cluster status show how far the revisions are",
  CHANGE_REFUSED: "balsa cluster status, to see who is a member, alive and how far behind",
  NO_LEADER: "balsa cluster status (a majority of the nodes must be up); nothing was applied",
  UNAVAILABLE: "check --endpoints, or start a cluster here with `balsa dev`; nothing was applied",
  BUSY: "the same command again in a moment; nothing was applied",
  TIMEOUT: "the same command again, with a longer --timeout; nothing was applied",
  CORRUPTION: "balsa log verify DIR; then restore this node from a healthy one",
  DIVERGENCE: "balsa log compare, to see where the replicas part",
  DIRECTORY_IN_USE: "stop the process that owns the directory, or give another --data",
  WRONG_DIRECTORY:
    "give the node its own --data directory, and the same --cluster as ever; " +
    "one that holds no entry yet (balsa log verify DIR says so) may be removed",
  DISK_FULL: "make room on the node's disk: it goes on by itself; nothing was applied",
  STORAGE_FAILED: "check the disk, its free space and the directory's permissions",
  ADDRESS_UNAVAILABLE: "free the port, or choose another --peer or --client address",
};

/** What the machine says no to, outside of a node. */
const TRY_BY_SYSTEM_CODE: Readonly<Record<string, string>> = {
  ENOENT: "another path, or make its directory first",
  ENOTDIR: "another path: a part of this one is no directory",
  EISDIR: "another path: this one is a directory",
  EACCES: "another path, or one that this user may use",
  EPERM: "another path, or one that this user may use",
  EROFS: "another path: this file system cannot be written to",
  ENOSPC: "make room on the disk, or give another path",
};

/** What oclif puts above a list of what is wrong. */
const HEADING = /^The following errors? occurred:$/;

/** A failure as it is told, whatever it began as. */
export interface Failure {
  /** an ErrorCode, or NOT_FOUND, or UNEXPECTED, or a system error's own (ENOENT) */
  readonly code: string;
  /** one line */
  readonly message: string;
  readonly exitCode: number;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly requestId: string | undefined;
  readonly tryThis: string | undefined;
  /** of a transaction that conflicts */
  readonly conflicts?: readonly KeyConflict[] | undefined;
  /** of a revision that cannot be read */
  readonly revisions?: RevisionBounds | undefined;
  /** for BALSA_DEBUG=1 */
  readonly stack: string | undefined;
}

export interface CommandErrorOptions extends ErrorOptions {
  readonly tryThis?: string;
  readonly outcome?: Outcome;
  readonly requestId?: string | undefined;
  readonly retryable?: boolean;
}

/** A failure that a command itself decides on. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: string;
  readonly exitCode: number;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly requestId: string | undefined;
  readonly tryThis: string | undefined;

  constructor(code: string, exitCode: number, message: string, options: CommandErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = exitCode;
    this.outcome = options.outcome ?? "not-applied";
    this.retryable = options.retryable ?? false;
    this.requestId = options.requestId;
    this.tryThis = options.tryThis;
  }
}

/** A flag or an argument is wrong: what, why, and what to do. */
export function usageError(message: string, tryThis: string): CommandError {
  return new CommandError("INVALID_ARGUMENT", EXIT.usage, message, { tryThis });
}

/** The exit code of an error with a code. What is unknown is 6, however it came about. */
export function exitCodeOf(error: DatabaseError): number {
  return error.outcome === "unknown" ? EXIT.outcomeUnknown : EXIT_BY_CODE[error.code];
}

/** Whatever was thrown, as it will be told. `commandLine` is the command alone, for `--help`. */
export function failureOf(error: unknown, commandLine: string): Failure {
  if (error instanceof CommandError) {
    const { code, message, exitCode, retryable, outcome, requestId, tryThis, stack } = error;
    return {
      code,
      message: oneLine(message),
      exitCode,
      retryable,
      outcome,
      requestId,
      tryThis,
      stack,
    };
  }
  if (error instanceof DatabaseError) return ofDatabaseError(error, commandLine);
  if (error instanceof Error) {
    const usageExit = oclifExit(error);
    if (usageExit !== undefined) return ofUsage(error, usageExit, commandLine);
    return ofUnexpected(error);
  }
  return ofUnexpected(new Error(String(error)));
}

function ofDatabaseError(error: DatabaseError, commandLine: string): Failure {
  const unknown = error.outcome === "unknown";
  const request = error.requestId === undefined ? "" : ` ${error.requestId}`;
  return {
    code: error.code,
    message: oneLine(error.message),
    exitCode: exitCodeOf(error),
    retryable: error.retryable,
    outcome: error.outcome,
    requestId: error.requestId,
    conflicts: error.conflicts,
    revisions: error.revisions,
    tryThis: unknown
      ? `find out whether it was applied: balsa kv outcome${request}, or read the key`
      : (TRY_BY_CODE[error.code] ?? helpFor(error.code, commandLine)),
    stack: error.stack,
  };
}

function helpFor(code: ErrorCode, commandLine: string): string | undefined {
  return code === "INVALID_ARGUMENT" ? `${commandLine} --help` : undefined;
}

/** oclif's own errors (unknown flag, missing argument, unknown command) carry the code to exit with. */
function oclifExit(error: Error): number | undefined {
  if (!("oclif" in error) || typeof error.oclif !== "object" || error.oclif === null) {
    return undefined;
  }
  if (!("exit" in error.oclif)) return undefined;
  return typeof error.oclif.exit === "number" ? error.oclif.exit : undefined;
}

function ofUsage(error: Error, exitCode: number, commandLine: string): Failure {
  const lines = stripVTControlCharacters(error.message)
    .split("\n")
    .map((line) => line.trim().replaceAll(/\s+/g, " "))
    .filter((line) => line !== "" && line !== "See more help with --help");
  // What it says above its list says nothing.
  const told = lines.length > 1 ? lines.filter((line) => !HEADING.test(line)) : lines;
  const [first = "wrong usage", ...rest] = told;
  return {
    code: "INVALID_ARGUMENT",
    message: inOurWords(rest.length === 0 ? first : `${first} ${rest.join("; ")}`),
    exitCode,
    retryable: false,
    outcome: "not-applied",
    requestId: undefined,
    tryThis: `${commandLine} --help`,
    stack: undefined,
  };
}

/** oclif names commands by colons, flags without dashes, and what it did instead of what is wrong. */
function inOurWords(message: string): string {
  return message
    .replace(
      /^command (\S+) not found$/,
      (_, id: string) => `there is no command "${id.replaceAll(":", " ")}"`,
    )
    .replace(/\bMissing required flag (?=\w)/g, "Missing required flag --")
    .replace(/^Parsing (--\S+) Expected /, "$1: expected ");
}

function ofUnexpected(error: Error): Failure {
  const code = "code" in error && typeof error.code === "string" ? error.code : "UNEXPECTED";
  return {
    code,
    message: oneLine(error.message === "" ? error.name : error.message),
    exitCode: EXIT.unexpected,
    retryable: false,
    outcome: "unknown",
    requestId: undefined,
    tryThis:
      code === "UNEXPECTED"
        ? "BALSA_DEBUG=1 in front of the command, for the stack"
        : TRY_BY_SYSTEM_CODE[code],
    stack: error.stack,
  };
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, " ").trim();
}

/** The failure as the contract's JSON. */
export function failureJson(failure: Failure): {
  readonly error: Readonly<Record<string, unknown>>;
} {
  const { code, message, exitCode, retryable, outcome, requestId, tryThis } = failure;
  const { conflicts, revisions } = failure;
  return {
    error: {
      code,
      message,
      exitCode,
      retryable,
      outcome,
      ...(requestId === undefined ? {} : { requestId }),
      ...(conflicts === undefined ? {} : { conflicts: conflicts.map(conflictJson) }),
      ...(revisions === undefined ? {} : { revisions }),
      ...(tryThis === undefined ? {} : { tryThis }),
    },
  };
}

function conflictJson(conflict: KeyConflict): Readonly<Record<string, unknown>> {
  const { key, readRevision, currentRevision } = conflict;
  return { ...bytesField("key", key), readRevision, currentRevision };
}

/** The failure as lines for a person, without the last line's end. */
export function failureText(failure: Failure): string {
  const lines = [`Error: ${failure.message}`];
  const { requestId, outcome } = failure;
  if (requestId !== undefined && outcome === "unknown") lines.push(`Request: ${requestId}`);
  if (failure.tryThis !== undefined) lines.push(`Try this: ${failure.tryThis}`);
  return lines.join("\n");
}
