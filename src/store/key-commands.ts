/**
 * What each command does to the keys. A command refuses before it changes
 * anything; what the commands before it changed is the request's to take back.
 */
import { unreachable } from "../assert.js";
import type {
  Append,
  CommandResult,
  Expiry,
  GetRange,
  Increment,
  KeyCommand,
  KeyValue,
  Limits,
  Put,
  RejectReason,
  SetExpiry,
} from "./command.js";
import { formatInteger, isInteger64, parseInteger } from "./integer.js";
import type { State } from "./state.js";
import type { VersionedMap } from "./versioned-map.js";

/** What a command refused, and on which state of its key. */
export interface Refusal {
  readonly refused: RejectReason;
  readonly current: KeyValue | undefined;
}

/** Whether somebody waits for what a command answers; if not, only `deletedCount` of its result is told. */
export type Wanted = "result" | "nothing";

const NOTHING_DONE: CommandResult = { previous: undefined, current: undefined, deletedCount: 0 };

/** Runs one command within a request of the map (`begin`, `end`). */
export function runKeyCommand(
  state: State,
  limits: Limits,
  command: KeyCommand,
  wanted: Wanted,
): CommandResult | Refusal {
  switch (command.kind) {
    case "put":
      return put(state, command, wanted);
    case "delete":
      return deleteKey(state, command.key, wanted);
    case "deleteRange":
      return deleteRange(state, command.key, command.end);
    case "increment":
      return increment(state, command, wanted);
    case "append":
      return append(state, limits, command, wanted);
    case "setExpiry":
      return setExpiry(state, command, wanted);
    case "get":
      return wanted === "nothing" ? NOTHING_DONE : get(state, command.key);
    case "getRange":
      return wanted === "nothing" ? NOTHING_DONE : getRange(state, command);
    default:
      return unreachable(command);
  }
}

function put(state: State, { key, value, expiry }: Put, wanted: Wanted): CommandResult | Refusal {
  // The map finds the key by itself: for its own sake nobody asks what it was.
  const isAsked = wanted === "result" || expiry !== undefined;
  const previous = isAsked ? state.map.findKey(key) : 0;
  const lease = expiry === undefined ? 0 : leaseFor(state, expiry, previous);
  if (typeof lease === "object") return lease;
  return write(state, previous, key, value, lease, wanted);
}

/**
 * Makes the key's next record.
 * @param previous its current one, as the map finds it
 */
function write(
  { map }: State,
  previous: number,
  key: Uint8Array,
  value: Uint8Array,
  lease: number,
  wanted: Wanted,
): CommandResult {
  if (wanted === "nothing") {
    map.put(key, 0, key.length, value, 0, value.length, lease);
    return NOTHING_DONE;
  }
  const before = recordAt(map, previous);
  const place = map.put(key, 0, key.length, value, 0, value.length, lease);
  const current = map.records.keyValueOf(place, before?.key);
  return { previous: before, current, deletedCount: 0 };
}

function recordAt({ records }: VersionedMap, version: number): KeyValue | undefined {
  return version === 0 ? undefined : records.keyValueOf(version);
}

/** What a command finds on a key refuses it. */
function refused({ map }: State, reason: RejectReason, previous: number): Refusal {
  return { refused: reason, current: recordAt(map, previous) };
}

/** The lease a record must name; 0 for none. */
function leaseFor(state: State, expiry: Expiry, previous: number): number | Refusal {
  switch (expiry.kind) {
    case "keep":
      return leaseAt(state, previous);
    case "lease":
      if (state.leases.granted(expiry.lease) !== undefined) return expiry.lease;
      return refused(state, "lease-not-found", previous);
    case "ttl":
    case "until": {
      if (state.leases.isFull) return refused(state, "too-many", previous);
      const ttl = Math.max(ttlOf(state, expiry), 0);
      return state.leases.grantToKey(ttl, state.clock.runTime + ttl);
    }
    default:
      return unreachable(expiry);
  }
}

function leaseAt({ map }: State, version: number): number {
  return version === 0 ? 0 : map.records.leaseOf(version);
}

/** Milliseconds; not positive when the moment has passed. */
function ttlOf(state: State, expiry: Expiry & { kind: "ttl" | "until" }): number {
  return expiry.kind === "ttl" ? expiry.ttl : expiry.time - state.clock.logTime;
}

function setExpiry(
  state: State,
  { key, expiry }: SetExpiry,
  wanted: Wanted,
): CommandResult | Refusal {
  const { map } = state;
  const previous = map.findKey(key);
  if (previous === 0) return NOTHING_DONE;
  if (expiry?.kind === "until" && ttlOf(state, expiry) <= 0) return deleteKey(state, key, wanted);
  const lease = expiry === undefined ? 0 : leaseFor(state, expiry, previous);
  if (typeof lease === "object") return lease;
  if (lease !== leaseAt(state, previous)) {
    return write(state, previous, key, map.records.viewOfValue(previous), lease, wanted);
  }
  return wanted === "nothing"
    ? NOTHING_DONE
    : { previous: recordAt(map, previous), current: undefined, deletedCount: 0 };
}

function deleteKey({ map }: State, key: Uint8Array, wanted: Wanted): CommandResult {
  const record = map.findKey(key);
  if (record === 0) return NOTHING_DONE;
  const previous = wanted === "nothing" ? undefined : recordAt(map, record);
  map.delete(record);
  return { previous, current: undefined, deletedCount: 1 };
}

function deleteRange({ map }: State, from: Uint8Array, end: Uint8Array): CommandResult {
  // Gathered first: the map must not change while it is walked.
  const doomed = [...map.findRange(from, end)];
  for (const record of doomed) map.delete(record);
  return { previous: undefined, current: undefined, deletedCount: doomed.length };
}

function increment(state: State, { key, by }: Increment, wanted: Wanted): CommandResult | Refusal {
  const { records } = state.map;
  const previous = state.map.findKey(key);
  const before = previous === 0 ? 0n : parseInteger(records.viewOfValue(previous));
  if (before === undefined) return refused(state, "not-an-integer", previous);
  const after = before + by;
  if (!isInteger64(by) || !isInteger64(after)) return refused(state, "overflow", previous);
  return write(state, previous, key, formatInteger(after), leaseAt(state, previous), wanted);
}

function append(
  state: State,
  limits: Limits,
  { key, value: tail }: Append,
  wanted: Wanted,
): CommandResult | Refusal {
  const { records } = state.map;
  const previous = state.map.findKey(key);
  const headSize = previous === 0 ? 0 : records.valueSizeOf(previous);
  const size = headSize + tail.length;
  if (size > limits.valueSizeMax) return refused(state, "value-too-large", previous);
  const value = new Uint8Array(size);
  if (previous !== 0) records.copyValue(previous, value, 0);
  value.set(tail, headSize);
  return write(state, previous, key, value, leaseAt(state, previous), wanted);
}

function get({ map, leases, clock }: State, key: Uint8Array): CommandResult {
  const previous = map.get(key);
  const lease = previous?.lease === undefined ? undefined : leases.get(previous.lease);
  if (lease === undefined) return { previous, current: undefined, deletedCount: 0 };
  const { id, ttl, deadline } = lease;
  const remaining = Math.max(deadline - clock.runTime, 0);
  const detail = { kind: "lease", lease: id, ttl, remaining } as const;
  return { previous, current: undefined, deletedCount: 0, detail };
}

function getRange({ map }: State, { key, end, limit }: GetRange): CommandResult {
  const keyValues: KeyValue[] = [];
  let more = false;
  for (const record of map.findRange(key, end)) {
    more = keyValues.length >= limit;
    if (more) break;
    keyValues.push(map.records.keyValueOf(record));
  }
  return { detail: { kind: "range", keyValues, more }, ...NOTHING_DONE };
}
