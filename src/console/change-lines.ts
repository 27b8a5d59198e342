/**
 * Changes as `kv history`, `kv watch` and `kv diff` print them. CONTRACT: in JSON an
 * object a change, `{"revision","type","key","value"}`; `time` is beside it.
 */
import type { KeyChange, KeyDifference } from "../watch.js";
import { bytesField, printable } from "./text.js";

/** Characters of a key or value that a line for people shows. */
const SHOWN_LENGTH = 80;

export function changeJson(change: KeyChange): Readonly<Record<string, unknown>> {
  const { kind, key, revision, time, record, previous } = change;
  return {
    revision,
    type: kind,
    ...bytesField("key", key),
    ...(record && bytesField("value", record.value)),
    ...(record && { createRevision: record.createRevision, version: record.version }),
    time: new Date(time).toISOString(),
    ...(previous && { previous: bytesField("value", previous.value) }),
  };
}

/** revision, time, what was done, key, value: columns that a tab separates. */
export function changeLine(change: KeyChange): string {
  const { kind, key, revision, time, record } = change;
  const columns = [
    String(revision),
    new Date(time).toISOString(),
    kind,
    printable(key, SHOWN_LENGTH),
  ];
  if (record !== undefined) columns.push(printable(record.value, SHOWN_LENGTH));
  return columns.join("\t");
}

export function differenceJson({
  key,
  before,
  after,
}: KeyDifference): Readonly<Record<string, unknown>> {
  const side = (record: KeyDifference["before"]): unknown =>
    record === undefined
      ? null
      : { ...bytesField("value", record.value), modRevision: record.modRevision };
  return { ...bytesField("key", key), before: side(before), after: side(after) };
}

/** `+ key  value`, `- key  value`, and both for what changed. */
export function differenceLines({ key, before, after }: KeyDifference): readonly string[] {
  const line = (sign: string, record: KeyDifference["before"]): readonly string[] =>
    record === undefined
      ? []
      : [`${sign} ${printable(key, SHOWN_LENGTH)}\t${printable(record.value, SHOWN_LENGTH)}`];
  return [...line("-", before), ...line("+", after)];
}
