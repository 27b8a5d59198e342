/**
 * The replicated state machine: a versioned map of bytes, and the fold over the
 * log that makes it.
 *
 * Revisions are etcd's. The store's revision is 1 when empty; a request that
 * changes something raises it by exactly 1, whatever it changes, and all keys it
 * changes share that modRevision; a request that changes nothing (a deletion of
 * absent keys, a rejection) leaves it. A put is a change even when the value is
 * the same. A key that was deleted and comes back starts a new life:
 * createRevision anew, version 1.
 *
 * A request is atomic. The conditions of its puts are judged on the state before
 * the request, all of them before anything is done; then its commands run in
 * order, each seeing the ones before it. What a later command refuses is undone.
 *
 * Pure: the only inputs are the requests. The limits given here bound what Append
 * may grow to, which makes them part of the fold: they must be the same on every
 * node and for the whole life of a log (law 1).
 */
import type {
  Command,
  CommandResult,
  Increment,
  KeyValue,
  Limits,
  RejectReason,
  Request,
  RequestResult,
} from "./command.js";
import { DEFAULT_LIMITS } from "./command.js";
import { formatInteger, isInteger64, parseInteger } from "./integer.js";
import { MapTable } from "./map-table.js";
import { StateHash } from "./state-hash.js";
import type { Table } from "./table.js";
import { assert, unreachable } from "../assert.js";

export interface RangePage {
  readonly keyValues: readonly KeyValue[];
  /** whether keys beyond the last one follow in the range */
  readonly more: boolean;
}

/** What a command refused, and on which state of its key. */
interface Refusal {
  readonly refused: RejectReason;
  readonly current: KeyValue | undefined;
}

/** How to take back one change: the record that was under `key` before it. */
interface Undo {
  readonly key: Uint8Array;
  readonly previous: KeyValue | undefined;
}

const ABSENT_DELETED: CommandResult = {
  previous: undefined,
  current: undefined,
  deletedCount: 0,
};

export class Store {
  readonly #table: Table = new MapTable();
  readonly #limits: Limits;
  #revision = 1;
  /** Of the request under way; undefined while nothing could have to be taken back. */
  #undo: Undo[] | undefined;

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** etcd's store revision: 1 when empty. */
  get revision(): number {
    return this.#revision;
  }

  /** keys */
  get size(): number {
    return this.#table.size;
  }

  /** Folds one request. Total: an invalid one yields a rejection value, never a throw. Deterministic. */
  apply(request: Request): RequestResult {
    const { commands } = request;
    const failed = this.#failedCondition(commands);
    if (failed !== undefined) return this.#rejected(failed.commandIndex, failed.refusal);

    // A request of one command refuses before it changes anything.
    this.#undo = commands.length > 1 ? [] : undefined;
    const revision = this.#revision + 1;
    const results: CommandResult[] = [];
    let changed = false;
    for (const [commandIndex, command] of commands.entries()) {
      const result = this.#run(command, revision);
      if ("refused" in result) {
        this.#takeBack();
        return this.#rejected(commandIndex, result);
      }
      changed ||= result.current !== undefined || result.deletedCount > 0;
      results.push(result);
    }
    this.#undo = undefined;
    if (changed) this.#revision = revision;
    return { kind: "applied", revision: this.#revision, results };
  }

  get(key: Uint8Array): KeyValue | undefined {
    return this.#table.get(key);
  }

  /** Keys in [from, end), byte order, at most `countMax` keys and about `sizeMax` bytes (at least one key). */
  range(from: Uint8Array, end: Uint8Array, countMax: number, sizeMax: number): RangePage {
    const keyValues: KeyValue[] = [];
    let size = 0;
    for (const keyValue of this.#table.range(from, end)) {
      const full = keyValues.length > 0 && (keyValues.length >= countMax || size >= sizeMax);
      if (full) return { keyValues, more: true };
      keyValues.push(keyValue);
      size += keyValue.key.length + keyValue.value.length;
    }
    return { keyValues, more: false };
  }

  /** Order-independent hash of all keys, values and revisions, as hex; equal state gives equal hashes. O(n). */
  stateHash(): string {
    const hash = new StateHash();
    hash.addRevision(this.#revision);
    for (const keyValue of this.#table.range(NO_BYTES, NO_BYTES)) hash.add(keyValue);
    return hash.toString();
  }

  #failedCondition(
    commands: readonly Command[],
  ): { readonly commandIndex: number; readonly refusal: Refusal } | undefined {
    for (const [commandIndex, command] of commands.entries()) {
      if (command.kind !== "put" || command.condition === "none") continue;
      const current = this.#table.get(command.key);
      if ((current === undefined) !== (command.condition === "absent")) {
        return { commandIndex, refusal: { refused: "condition-failed", current } };
      }
    }
    return undefined;
  }

  #rejected(commandIndex: number, refusal: Refusal): RequestResult {
    return {
      kind: "rejected",
      reason: refusal.refused,
      commandIndex,
      revision: this.#revision,
      current: refusal.current,
    };
  }

  #run(command: Command, revision: number): CommandResult | Refusal {
    switch (command.kind) {
      case "put":
        return this.#put(command.key, copyOf(command.value), this.get(command.key), revision);
      case "delete":
        return this.#delete(command.key);
      case "deleteRange":
        return this.#deleteRange(command.key, command.end);
      case "increment":
        return this.#increment(command, revision);
      case "append":
        return this.#append(command.key, command.value, revision);
      default:
        return unreachable(command);
    }
  }

  /** @param value the store's own from here on */
  #put(
    key: Uint8Array,
    value: Uint8Array,
    previous: KeyValue | undefined,
    revision: number,
  ): CommandResult {
    const current: KeyValue = {
      key: previous?.key ?? copyOf(key),
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
    };
    this.#undo?.push({ key: current.key, previous });
    this.#table.set(current);
    return { previous, current, deletedCount: 0 };
  }

  #delete(key: Uint8Array): CommandResult {
    const previous = this.#table.get(key);
    if (previous === undefined) return ABSENT_DELETED;
    this.#undo?.push({ key: previous.key, previous });
    this.#table.delete(key);
    return { previous, current: undefined, deletedCount: 1 };
  }

  #deleteRange(from: Uint8Array, end: Uint8Array): CommandResult {
    const everything = from.length === 0 && end.length === 0;
    const deletedCount =
      everything && this.#undo === undefined ? this.#clear() : this.#deleteEach(from, end);
    return { previous: undefined, current: undefined, deletedCount };
  }

  #clear(): number {
    const count = this.#table.size;
    this.#table.clear();
    return count;
  }

  #deleteEach(from: Uint8Array, end: Uint8Array): number {
    // Gathered first: the table must not change while it is walked.
    const doomed = [...this.#table.range(from, end)];
    for (const previous of doomed) {
      this.#undo?.push({ key: previous.key, previous });
      this.#table.delete(previous.key);
    }
    return doomed.length;
  }

  #increment(command: Increment, revision: number): CommandResult | Refusal {
    const previous = this.#table.get(command.key);
    const before = previous === undefined ? 0n : parseInteger(previous.value);
    if (before === undefined) return { refused: "not-an-integer", current: previous };
    const after = before + command.by;
    if (!isInteger64(command.by) || !isInteger64(after)) {
      return { refused: "overflow", current: previous };
    }
    return this.#put(command.key, formatInteger(after), previous, revision);
  }

  #append(key: Uint8Array, tail: Uint8Array, revision: number): CommandResult | Refusal {
    const previous = this.#table.get(key);
    const head = previous?.value ?? NO_BYTES;
    const size = head.length + tail.length;
    if (size > this.#limits.valueSizeMax) return { refused: "value-too-large", current: previous };
    const value = new Uint8Array(size);
    value.set(head);
    value.set(tail, head.length);
    return this.#put(key, value, previous, revision);
  }

  #takeBack(): void {
    // Only a request of several commands can be refused after a change, and that one is recorded.
    for (const { key, previous } of (this.#undo ?? []).reverse()) {
      if (previous !== undefined) this.#table.set(previous);
      else assert(this.#table.delete(key), "a change that is undone was made");
    }
    this.#undo = undefined;
  }
}

const NO_BYTES = new Uint8Array(0);

/** Bytes of the store's own, so that no chunk of a socket or file is kept alive by a small value in it. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
