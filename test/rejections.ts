/** Failures as users of the library meet them. */
import assert from "node:assert/strict";
import { DatabaseError, type ErrorCode, type Outcome } from "../src/errors.js";

/** Asserts that `promise` fails as a DatabaseError of this code and outcome. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: ErrorCode,
  outcome: Outcome = "not-applied",
): Promise<DatabaseError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DatabaseError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code, error.message);
  assert.equal(error.outcome, outcome, error.message);
  return error;
}
