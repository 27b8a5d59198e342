/**
 * Assertions: our own mistakes, which stop the process (never the world's faults,
 * which are errors, and never expected outcomes, which are values).
 *
 * They stay on in production. Messages are constant text, so that a condition
 * that holds costs nothing beyond its own evaluation.
 */

/** Thrown when something that must be true is not. Never caught in `src`. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws {AssertionError} when `condition` is false; `truth` says what should have held. */
export function assert(condition: boolean, truth: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${truth}`);
}

/** For the `default` of a switch over a union: a new kind does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
