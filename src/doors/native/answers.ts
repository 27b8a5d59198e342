/** What a native client is told: of a result, of a question, and why it is refused. */
import { assert } from "../../assert.js";
import { PAGE_COUNT_MAX, PAGE_SIZE_MAX } from "../../client/request.js";
import { CLIENT_RESPONSE_SIZE_MAX } from "../../codec/client-message.js";
import type { Query } from "../../codec/client-query.js";
import { DatabaseError } from "../../errors.js";
import type { CommandResult, Request, RequestResult } from "../../store/command.js";

const PUT_RESULTS: readonly CommandResult[] = [
  { previous: undefined, current: undefined, deletedCount: 0 },
];

/** One put, which is applied or refused and has no other branch; a session's may have been answered before. */
export function isLonePut({ commands, otherwise, session }: Request): boolean {
  const isPut = commands.length === 1 && commands[0]?.kind === "put";
  return isPut && otherwise === undefined && session === undefined;
}

/** What of a result the asker wants to be told. */
export function told(result: RequestResult, withPrevious: boolean): RequestResult {
  if (result.kind === "rejected") return result;
  const results = result.results.map(({ previous, deletedCount }) => ({
    previous: withPrevious ? previous : undefined,
    current: undefined,
    deletedCount,
  }));
  return { kind: "applied", revision: result.revision, results };
}

/** The same, of a lone put; the result may have come without what nobody is told. */
export function toldOfPut(result: RequestResult): RequestResult {
  if (result.kind === "rejected") return result;
  return { kind: "applied", revision: result.revision, results: PUT_RESULTS };
}

/** The question, asking for no more than a page. */
export function bounded(query: Query): Query {
  if (!("countMax" in query)) return query;
  const countMax = Math.min(query.countMax, PAGE_COUNT_MAX);
  // eslint-disable-next-line no-restricted-syntax -- both are in it already: it keeps its shape
  return { ...query, countMax, sizeMax: Math.min(query.sizeMax, PAGE_SIZE_MAX) };
}

export function errorOf(error: DatabaseError | undefined): DatabaseError {
  assert(error !== undefined, "a request ends with a result or an error");
  return error;
}

export function busy(message: string): DatabaseError {
  return new DatabaseError("BUSY", message);
}

export function untaken(): DatabaseError {
  return busy("answers wait on this connection that were not taken yet");
}

/** What was applied has a code of those that are not sent again. */
export function tooMuchToTell(): DatabaseError {
  return new DatabaseError(
    "PROTOCOL",
    `applied, but what it read is more than an answer may hold (${CLIENT_RESPONSE_SIZE_MAX} bytes)`,
    { outcome: "applied" },
  );
}

export function noLongerTold(): DatabaseError {
  return new DatabaseError(
    "REQUEST_TOO_LARGE",
    "applied when it first came, but what it read then was too large to be kept for a second answer: read it anew",
    { outcome: "applied" },
  );
}

export function tooMuchFound(): DatabaseError {
  return new DatabaseError(
    "REQUEST_TOO_LARGE",
    `what was found is more than an answer may hold (${CLIENT_RESPONSE_SIZE_MAX} bytes): ask for a smaller range; of changes, without the previous values`,
  );
}

/** What a write has come to, and no more: its answer is not told. */
export function untold(result: RequestResult): DatabaseError {
  if (result.kind === "rejected") return untaken();
  return new DatabaseError(
    "PROTOCOL",
    "applied, but its answer is not told: answers wait on this connection that were not taken yet",
    { outcome: "applied" },
  );
}
