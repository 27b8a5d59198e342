/**
 * What each command does to the keys. A command refuses before it changes
 * anything; what the commands before it changed is the request's to take back.
 */
import { unreachable } from "../assert.js";
import type {
  CommandResult,
  Expiry,
  GetRange,
  Increment,
  KeyCommand,
  KeyValue,
  Limits,
  RejectReason,
  SetExpiry,
} from "./command.js";
import { formatInteger, isInteger64, parseInteger } from "./integer.js";
import { keyText } from "./key-order.js";
import type { State } from "./state.js";

/** What a command refused, and on which state of its key. */
export interface Refusal {
  readonly refused: RejectReason;
  readonly current: KeyValue | undefined;
}

const NOTHING_DONE: CommandResult = { previous: undefined, current: undefined, deletedCount: 0 };
const NO_BYTES = new Uint8Array(0);

/** Runs one command within a request of the map (`begin`, `end`). */
export function runKeyCommand(
  state: State,
  limits: Limits,
  command: KeyCommand,
): CommandResult | Refusal {
  switch (command.kind) {
    case "put":
      return put(state, command.key, copyOf(command.value), command.expiry);
    case "delete":
      return deleteKey(state, command.key);
    case "deleteRange":
      return deleteRange(state, command.key, command.end);
    case "increment":
      return increment(state, command);
    case "append":
      return append(state, limits, command.key, command.value);
    case "setExpiry":
      return setExpiry(state, command);
    case "get":
      return get(state, command.key);
    case "getRange":
      return getRange(state, command);
    default:
      return unreachable(command);
  }
}

/** @param value the store's own from here on */
function put(
  state: State,
  key: Uint8Array,
  value: Uint8Array,
  expiry: Expiry | undefined,
): CommandResult | Refusal {
  const text = keyText(key);
  const previous = state.map.get(text);
  const lease = expiry === undefined ? undefined : leaseFor(state, expiry, previous);
  if (typeof lease === "object") return lease;
  return write(state, text, previous, key, value, lease);
}

/** Makes the key's next record. */
function write(
  state: State,
  text: string,
  previous: KeyValue | undefined,
  key: Uint8Array,
  value: Uint8Array,
  lease: number | undefined,
): CommandResult {
  const revision = state.map.revision + 1;
  const record = {
    key: previous?.key ?? copyOf(key),
    value,
    createRevision: previous?.createRevision ?? revision,
    modRevision: revision,
    version: (previous?.version ?? 0) + 1,
  };
  const current: KeyValue = lease === undefined ? record : { ...record, lease };
  state.map.set(text, current, previous);
  return { previous, current, deletedCount: 0 };
}

/** The lease a record must name; undefined for none. */
function leaseFor(
  state: State,
  expiry: Expiry,
  previous: KeyValue | undefined,
): number | undefined | Refusal {
  switch (expiry.kind) {
    case "keep":
      return previous?.lease;
    case "lease":
      if (state.leases.granted(expiry.lease) !== undefined) return expiry.lease;
      return { refused: "lease-not-found", current: previous };
    case "ttl":
    case "until": {
      if (state.leases.isFull) return { refused: "too-many", current: previous };
      const ttl = Math.max(ttlOf(state, expiry), 0);
      return state.leases.grantToKey(ttl, state.clock.runTime + ttl);
    }
    default:
      return unreachable(expiry);
  }
}

/** Milliseconds; not positive when the moment has passed. */
function ttlOf(state: State, expiry: Expiry & { kind: "ttl" | "until" }): number {
  return expiry.kind === "ttl" ? expiry.ttl : expiry.time - state.clock.logTime;
}

function setExpiry(state: State, { key, expiry }: SetExpiry): CommandResult | Refusal {
  const text = keyText(key);
  const previous = state.map.get(text);
  if (previous === undefined) return NOTHING_DONE;
  if (expiry?.kind === "until" && ttlOf(state, expiry) <= 0) return deleteKey(state, key);
  const lease = expiry === undefined ? undefined : leaseFor(state, expiry, previous);
  if (typeof lease === "object") return lease;
  if (lease === previous.lease) return { ...NOTHING_DONE, previous };
  return write(state, text, previous, key, previous.value, lease);
}

function deleteKey(state: State, key: Uint8Array): CommandResult {
  const text = keyText(key);
  const previous = state.map.get(text);
  if (previous === undefined) return NOTHING_DONE;
  state.map.delete(text, previous);
  return { previous, current: undefined, deletedCount: 1 };
}

function deleteRange({ map }: State, from: Uint8Array, end: Uint8Array): CommandResult {
  // Gathered first: the map must not change while it is walked.
  const doomed = [...map.range(keyText(from), keyText(end))];
  for (const previous of doomed) map.delete(keyText(previous.key), previous);
  return { previous: undefined, current: undefined, deletedCount: doomed.length };
}

function increment(state: State, command: Increment): CommandResult | Refusal {
  const text = keyText(command.key);
  const previous = state.map.get(text);
  const before = previous === undefined ? 0n : parseInteger(previous.value);
  if (before === undefined) return { refused: "not-an-integer", current: previous };
  const after = before + command.by;
  if (!isInteger64(command.by) || !isInteger64(after)) {
    return { refused: "overflow", current: previous };
  }
  return write(state, text, previous, command.key, formatInteger(after), previous?.lease);
}

function append(
  state: State,
  limits: Limits,
  key: Uint8Array,
  tail: Uint8Array,
): CommandResult | Refusal {
  const text = keyText(key);
  const previous = state.map.get(text);
  const head = previous?.value ?? NO_BYTES;
  const size = head.length + tail.length;
  if (size > limits.valueSizeMax) return { refused: "value-too-large", current: previous };
  const value = new Uint8Array(size);
  value.set(head);
  value.set(tail, head.length);
  return write(state, text, previous, key, value, previous?.lease);
}

function get({ map, leases, clock }: State, key: Uint8Array): CommandResult {
  const previous = map.get(keyText(key));
  const lease = previous?.lease === undefined ? undefined : leases.get(previous.lease);
  if (lease === undefined) return { ...NOTHING_DONE, previous };
  const { id, ttl, deadline } = lease;
  const remaining = Math.max(deadline - clock.runTime, 0);
  return { ...NOTHING_DONE, previous, detail: { kind: "lease", lease: id, ttl, remaining } };
}

function getRange({ map }: State, { key, end, limit }: GetRange): CommandResult {
  const keyValues: KeyValue[] = [];
  let more = false;
  for (const record of map.range(keyText(key), keyText(end))) {
    more = keyValues.length >= limit;
    if (more) break;
    keyValues.push(record);
  }
  return { ...NOTHING_DONE, detail: { kind: "range", keyValues, more } };
}

/** Bytes of the store's own, so that no chunk of a socket or file is kept alive by a small value in it. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
