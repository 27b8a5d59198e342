/** CONTRACT: a key as `kv get --json` and `kv list --json` print it. */
import type { KeyRecord } from "../operations.js";
import { bytesField } from "./text.js";

export function recordJson(record: KeyRecord): Readonly<Record<string, string | number>> {
  const { key, value, createRevision, modRevision, version } = record;
  return {
    ...bytesField("key", key),
    ...bytesField("value", value),
    createRevision,
    modRevision,
    version,
  };
}
