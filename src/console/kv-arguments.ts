/** The KEY and VALUE arguments, the same in every command; oclif must not read stdin for any of them. */
import { string } from "@oclif/core/args";
import { usageError } from "./failure.js";

export const keyArgument = string({
  description: "the key, UTF-8",
  required: true,
  ignoreStdin: true,
});

/** @throws {CommandError} usage, for a key without bytes */
export function checkKey(key: string): string {
  if (key === "")
    throw usageError("KEY is empty: a key has at least one byte", "balsa kv put greeting hello");
  return key;
}
