/** What an open transaction sees: the state at its read revision, and its own writes over it. */
import type { KeyValue, StagedCommand } from "./command.js";
import { keyText } from "./key-order.js";
import { checkRevision } from "./read.js";
import type { Transaction } from "./transaction.js";
import type { VersionedMap } from "./versioned-map.js";

/** A key; one that the transaction wrote has the revisions 0. */
export function getIn(
  map: VersionedMap,
  { commands, readRevision }: Transaction,
  key: Uint8Array,
): KeyValue | undefined {
  checkRevision(map, readRevision);
  const text = keyText(key);
  for (let i = commands.length - 1; i >= 0; i--) {
    const command = commands[i];
    if (command !== undefined && touches(command, text)) return written(command);
  }
  return map.at(key, readRevision);
}

/** The keys in [from, end), in order. */
export function* rangeIn(
  map: VersionedMap,
  { commands, readRevision }: Transaction,
  from: Uint8Array,
  end: Uint8Array,
): IterableIterator<KeyValue> {
  checkRevision(map, readRevision);
  const range = { from: keyText(from), end: keyText(end) };
  const own = new Map<string, KeyValue | undefined>();
  const removed: StagedCommand[] = [];
  // The last command on a key decides: from the back, and the first that is met counts.
  for (const command of commands.toReversed()) {
    if (command.kind === "deleteRange") {
      removed.push(command);
      continue;
    }
    const text = keyText(command.key);
    if (own.has(text) || !isWithin(range.from, range.end, text)) continue;
    const gone = removed.some((range) => touches(range, text));
    own.set(text, gone ? undefined : written(command));
  }
  const texts = [...own.keys()].sort();
  let next = 0;
  for (const record of map.rangeAt(from, end, readRevision)) {
    const text = keyText(record.key);
    for (; next < texts.length && (texts[next] ?? "") < text; next++) {
      const before = own.get(texts[next] ?? "");
      if (before !== undefined) yield before;
    }
    if (own.has(text) || removed.some((range) => touches(range, text))) continue;
    yield record;
  }
  for (; next < texts.length; next++) {
    const behind = own.get(texts[next] ?? "");
    if (behind !== undefined) yield behind;
  }
}

function touches(command: StagedCommand, text: string): boolean {
  const from = keyText(command.key);
  if (command.kind !== "deleteRange") return from === text;
  return isWithin(from, keyText(command.end), text);
}

function isWithin(from: string, end: string, text: string): boolean {
  return text >= from && (end === "" || text < end);
}

function written(command: StagedCommand): KeyValue | undefined {
  if (command.kind !== "put") return undefined;
  const { key, value } = command;
  return { key, value, createRevision: 0, modRevision: 0, version: 0 };
}
