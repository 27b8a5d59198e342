/** A condition of a command that did not hold: exit 4, and what the key is. */
import type { ConditionalResult } from "../operations.js";
import { CommandError, EXIT } from "./failure.js";

/** @throws {CommandError} CONDITION_FAILED unless it was applied */
export function appliedRevision(result: ConditionalResult, key: string, wanted: number): number {
  if (result.applied) return result.revision;
  const is =
    result.current === undefined
      ? "is absent"
      : `was last changed at revision ${result.current.modRevision}`;
  throw new CommandError(
    "CONDITION_FAILED",
    EXIT.conditionFailed,
    `condition failed: key "${key}" ${is}, not at ${wanted}; nothing was applied`,
    { tryThis: "read the key with `balsa kv get --json`, then decide again" },
  );
}
