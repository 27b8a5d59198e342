/**
 * How a failure travels in the native client protocol: the fields of `failed`
 * behind its id.
 *
 *   code string, message string, outcome long, requestId string,
 *   bounded boolean, asked long, compacted long, current long
 */
import type { ErrorCode, Outcome, RevisionBounds } from "../errors.js";
import {
  bytesRoom,
  type FieldReader,
  type FieldWriter,
  longsRoom,
  malformed,
  readChoice,
} from "./client-field.js";

export interface FailureFields {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: Outcome;
  /** hex, or empty */
  readonly requestId: string;
  /** of REVISION_COMPACTED and REVISION_FUTURE */
  readonly revisions?: RevisionBounds;
}

const OUTCOMES: readonly Outcome[] = ["not-applied", "applied", "unknown"];
const ERROR_CODES: Readonly<Record<ErrorCode, true>> = {
  INVALID_ARGUMENT: true,
  KEY_TOO_LARGE: true,
  VALUE_TOO_LARGE: true,
  REQUEST_TOO_LARGE: true,
  CONDITION_FAILED: true,
  CONFLICT: true,
  TRANSACTION_GONE: true,
  LEASE_GONE: true,
  SESSION_GONE: true,
  CHANGE_REFUSED: true,
  REVISION_COMPACTED: true,
  REVISION_FUTURE: true,
  NO_LEADER: true,
  UNAVAILABLE: true,
  BUSY: true,
  TIMEOUT: true,
  OUTCOME_UNKNOWN: true,
  CLOSED: true,
  ABORTED: true,
  CORRUPTION: true,
  DIVERGENCE: true,
  DIRECTORY_IN_USE: true,
  WRONG_DIRECTORY: true,
  PROTOCOL: true,
  DISK_FULL: true,
  STORAGE_FAILED: true,
  ADDRESS_UNAVAILABLE: true,
  CODEC_FAILED: true,
};

export function failureRoom({ code, message, requestId }: FailureFields): number {
  const texts = [code, message, requestId];
  return longsRoom(5) + texts.reduce((sum, text) => sum + bytesRoom(Buffer.byteLength(text)), 0);
}

export function writeFailure(writer: FieldWriter, failure: FailureFields): void {
  const { revisions } = failure;
  writer.string(failure.code);
  writer.string(failure.message);
  writer.long(OUTCOMES.indexOf(failure.outcome));
  writer.string(failure.requestId);
  writer.boolean(revisions !== undefined);
  writer.long(revisions?.asked ?? 0);
  writer.long(revisions?.compacted ?? 0);
  writer.long(revisions?.current ?? 0);
}

/** @throws {DatabaseError} PROTOCOL */
export function readFailure(reader: FieldReader): FailureFields {
  const code = reader.string();
  if (!isErrorCode(code)) throw malformed("an answer carries an unknown error code");
  const message = reader.string();
  const outcome = readChoice(reader, OUTCOMES, "an outcome");
  const requestId = reader.string();
  const bounded = reader.boolean();
  const revisions = { asked: reader.long(), compacted: reader.long(), current: reader.long() };
  if (!bounded && Object.values(revisions).some((revision) => revision !== 0))
    throw malformed("a failure without revisions names one");
  return { code, message, outcome, requestId, ...(bounded && { revisions }) };
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}
