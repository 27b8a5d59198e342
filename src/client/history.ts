/**
 * The past, read page by page: a key's changes, what differs between two revisions,
 * and what would have to be done to go back.
 */
import type { Query } from "../codec/client-query.js";
import { DatabaseError } from "../errors.js";
import type { KeyCommand, Read } from "../store/command.js";
import type { Change } from "../store/read.js";
import type { KeyRecord, OperationOptions } from "../operations.js";
import type { HistoryOptions, KeyChange, KeyDifference } from "../watch.js";
import type { Backend } from "./backend.js";
import { checkRange, type KeyRange, limitOf, PAGE_COUNT_MAX, PAGE_SIZE_MAX } from "./request.js";
import { invalid, throwIf } from "./failures.js";

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function wholeRevision(revision: number): number {
  if (!Number.isSafeInteger(revision) || revision < 1)
    throw invalid("a revision is a whole number from 1");
  return revision;
}

/** A change as a user sees it. */
export function keyChangeOf(change: Change): KeyChange {
  const { kind, key, revision, time, current, previous } = change;
  return { kind, key, revision, time, record: current, previous };
}

export async function* historyOf(
  backend: Backend,
  key: Uint8Array,
  options: HistoryOptions,
): AsyncGenerator<KeyChange, void, undefined> {
  const newestFirst = options.order !== "oldest-first";
  let left = limitOf(options.limit);
  let beyond = 0;
  while (left > 0) {
    const countMax = Math.min(left, PAGE_COUNT_MAX);
    const query = { kind: "history", key, newestFirst, beyond, countMax } as const;
    const { found } = await backend.query({ ...query, sizeMax: PAGE_SIZE_MAX }, options);
    for (const change of found.changes) {
      yield keyChangeOf(change);
      left -= 1;
      beyond = change.revision;
    }
    if (!found.more || found.changes.length === 0) return;
  }
}

/** Keys that differ between revision `from` and `to`, by the changes between: as many as changed are held. */
export async function* differences(
  backend: Backend,
  range: KeyRange,
  { from, to }: { readonly from: number; readonly to: number | undefined },
  options: OperationOptions | undefined,
): AsyncGenerator<KeyDifference, void, undefined> {
  throwIf(checkRange(range, backend.limits));
  const first = wholeRevision(from);
  if (to !== undefined && wholeRevision(to) < first)
    throw invalid("the second revision of a difference is not below the first");
  yield* await changedKeys(backend, range, first, to, options);
}

/**
 * By folding the changes after `from` up to `to`: of each key what the first one
 * found and what the last one left.
 */
async function changedKeys(
  backend: Backend,
  range: KeyRange,
  from: number,
  to: number | undefined,
  options: OperationOptions | undefined,
): Promise<readonly KeyDifference[]> {
  const current = (await backend.query({ kind: "bounds" }, options)).revision;
  const last = to ?? current;
  for (const revision of [from, last]) if (revision > current) throw future(revision, current);
  const keys = new Map<string, { key: Uint8Array; before?: KeyRecord; after?: KeyRecord }>();
  let since = from + 1;
  // What is compacted is refused by the first page, also when nothing lies between.
  let more = true;
  while (more && since <= last + 1) {
    const query: Extract<Query, { kind: "changes" }> = {
      kind: "changes",
      since,
      ...range,
      previous: true,
      countMax: PAGE_COUNT_MAX,
      sizeMax: PAGE_SIZE_MAX,
      waitMs: 0,
    };
    const { found } = await backend.query(query, options);
    for (const { key, revision, current: after, previous: before } of found.changes) {
      if (revision > last) break;
      const text = Buffer.from(key).toString("latin1");
      const known = keys.get(text) ?? { key, ...(before && { before }) };
      delete known.after;
      if (after !== undefined) known.after = after;
      keys.set(text, known);
    }
    since = found.nextRevision;
    more = found.more;
  }
  return [...keys.values()]
    .filter(({ before, after }) => before?.modRevision !== after?.modRevision)
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ key, before, after }) => ({ key, before, after }));
}

function future(asked: number, current: number): DatabaseError {
  const revisions = { asked, compacted: 0, current };
  const message = `revision ${asked} has not happened; the newest is ${current}`;
  return new DatabaseError("REVISION_FUTURE", message, { revisions });
}

/** What makes the range what it was at `revision`, if nothing in it changes after `current`. */
export async function revertCommands(
  backend: Backend,
  range: KeyRange,
  revision: number,
  options: OperationOptions | undefined,
): Promise<{
  readonly commands: readonly KeyCommand[];
  readonly reads: readonly Read[];
  readonly current: number;
}> {
  throwIf(checkRange(range, backend.limits));
  const current = (await backend.query({ kind: "bounds" }, options)).revision;
  if (revision > current) throw future(revision, current);
  const changed = await changedKeys(backend, range, revision, current, options);
  const commands = changed
    .filter(({ before, after }) => !equalValues(before, after))
    .map(({ key, before }): KeyCommand => {
      if (before === undefined) return { kind: "delete", key };
      return { kind: "put", key, value: before.value, condition: "none" };
    });
  const reads: Read[] = [{ kind: "range", key: range.from, end: range.end, revision: current }];
  return { commands, reads, current };
}

function equalValues(a: KeyRecord | undefined, b: KeyRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a.value, b.value) === 0;
}
