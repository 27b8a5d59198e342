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
import { keyText } from "./key-order.js";
import { StateHash } from "./state-hash.js";
import { FreshStateRestore, type StateRestore } from "./state-restore.js";
import { LiveStateView, type StateView } from "./state-view.js";
import { State } from "./state.js";
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

const ABSENT_DELETED: CommandResult = {
  previous: undefined,
  current: undefined,
  deletedCount: 0,
};

export class Store {
  readonly #limits: Limits;
  #state = new State();
  #viewOpen = false;

  constructor(limits: Limits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** etcd's store revision: 1 when empty. */
  get revision(): number {
    return this.#state.map.revision;
  }

  /** keys */
  get size(): number {
    return this.#state.map.size;
  }

  /** Milliseconds since 1970: the greatest time a leader put into the log. */
  get logTime(): number {
    return this.#state.clock.logTime;
  }

  /**
   * Folds one request. Total: an invalid one yields a rejection value, never a throw. Deterministic.
   *
   * @param time the leader's clock as stamped in the request's block, milliseconds since 1970;
   *   without it no time has passed
   */
  apply(request: Request, time: number = this.#state.clock.stamp): RequestResult {
    this.#state.clock.advance(time);
    const { commands } = request;
    const failed = this.#failedCondition(commands);
    if (failed !== undefined) return this.#rejected(failed.commandIndex, failed.refusal);

    const { map } = this.#state;
    const revision = map.revision + 1;
    // A request of one command refuses before it changes anything.
    map.begin(this.logTime, commands.length > 1);
    const results: CommandResult[] = [];
    let changed = false;
    for (const [commandIndex, command] of commands.entries()) {
      const result = this.#run(command, revision);
      if ("refused" in result) {
        map.takeBack();
        return this.#rejected(commandIndex, result);
      }
      changed ||= result.current !== undefined || result.deletedCount > 0;
      results.push(result);
    }
    map.end(changed);
    return { kind: "applied", revision: map.revision, results };
  }

  get(key: Uint8Array): KeyValue | undefined {
    return this.#state.map.get(keyText(key));
  }

  /** A consistent view of this moment, to be read in slices while requests go on. At most one at a time. */
  openView(): StateView {
    assert(!this.#viewOpen, "there is one view at a time");
    this.#viewOpen = true;
    return new LiveStateView(this.#state, () => {
      this.#viewOpen = false;
    });
  }

  /** Takes a whole state back; until its `finish` the present one serves. */
  beginRestore(): StateRestore {
    return new FreshStateRestore((state) => {
      this.#state = state;
    });
  }

  /** Keys in [from, end), byte order, at most `countMax` keys and about `sizeMax` bytes (at least one key). */
  range(from: Uint8Array, end: Uint8Array, countMax: number, sizeMax: number): RangePage {
    const keyValues: KeyValue[] = [];
    let size = 0;
    for (const keyValue of this.#state.map.range(keyText(from), keyText(end))) {
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
    hash.addRevision(this.revision);
    for (const keyValue of this.#state.map.range("", "")) hash.add(keyValue);
    return hash.toString();
  }

  #failedCondition(
    commands: readonly Command[],
  ): { readonly commandIndex: number; readonly refusal: Refusal } | undefined {
    for (const [commandIndex, command] of commands.entries()) {
      if (command.kind !== "put" || command.condition === "none") continue;
      const current = this.get(command.key);
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
      revision: this.revision,
      current: refusal.current,
    };
  }

  #run(command: Command, revision: number): CommandResult | Refusal {
    switch (command.kind) {
      case "put":
        return this.#put(command.key, copyOf(command.value), revision);
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
  #put(key: Uint8Array, value: Uint8Array, revision: number): CommandResult {
    const { map } = this.#state;
    const text = keyText(key);
    const previous = map.get(text);
    const current: KeyValue = {
      key: previous?.key ?? copyOf(key),
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
    };
    map.set(text, current, previous);
    return { previous, current, deletedCount: 0 };
  }

  #delete(key: Uint8Array): CommandResult {
    const { map } = this.#state;
    const text = keyText(key);
    const previous = map.get(text);
    if (previous === undefined) return ABSENT_DELETED;
    map.delete(text, previous);
    return { previous, current: undefined, deletedCount: 1 };
  }

  #deleteRange(from: Uint8Array, end: Uint8Array): CommandResult {
    const { map } = this.#state;
    // Gathered first: the map must not change while it is walked.
    const doomed = [...map.range(keyText(from), keyText(end))];
    for (const previous of doomed) map.delete(keyText(previous.key), previous);
    return { previous: undefined, current: undefined, deletedCount: doomed.length };
  }

  #increment(command: Increment, revision: number): CommandResult | Refusal {
    const previous = this.get(command.key);
    const before = previous === undefined ? 0n : parseInteger(previous.value);
    if (before === undefined) return { refused: "not-an-integer", current: previous };
    const after = before + command.by;
    if (!isInteger64(command.by) || !isInteger64(after)) {
      return { refused: "overflow", current: previous };
    }
    return this.#put(command.key, formatInteger(after), revision);
  }

  #append(key: Uint8Array, tail: Uint8Array, revision: number): CommandResult | Refusal {
    const previous = this.get(key);
    const head = previous?.value ?? NO_BYTES;
    const size = head.length + tail.length;
    if (size > this.#limits.valueSizeMax) return { refused: "value-too-large", current: previous };
    const value = new Uint8Array(size);
    value.set(head);
    value.set(tail, head.length);
    return this.#put(key, value, revision);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Bytes of the store's own, so that no chunk of a socket or file is kept alive by a small value in it. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
