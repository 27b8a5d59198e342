/** Every message of the native client protocol, at random; and a form in which messages compare. */
import fc from "fast-check";
import type { ClientRequest, ClientResponse } from "../../src/codec/client-message.js";
import type { Command, KeyValue, Request, RequestResult } from "../../src/store/command.js";

const longs = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.maxSafeInteger().map((n) => Math.min(Math.abs(n), Number.MAX_SAFE_INTEGER - 1)),
);
const ids = longs.map((n) => Math.max(1, n));
const timeouts = fc.integer({ min: 1, max: 86_400_000 });
const blobs = fc.uint8Array({ maxLength: 300 });
const keyValues: fc.Arbitrary<KeyValue> = fc.record({
  key: blobs,
  value: blobs,
  createRevision: longs,
  modRevision: longs,
  version: longs,
});
const maybeKeyValues = fc.option(keyValues, { nil: undefined });
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    key: blobs,
    value: blobs,
    condition: fc.constantFrom("none" as const, "absent" as const, "present" as const),
  }),
  fc.record({ kind: fc.constant("delete" as const), key: blobs }),
  fc.record({ kind: fc.constant("deleteRange" as const), key: blobs, end: blobs }),
);
const requests: fc.Arbitrary<Request> = fc.record({
  id: fc.constantFrom(new Uint8Array(0), new Uint8Array(16).fill(7)),
  commands: fc.array(commands, { minLength: 1, maxLength: 5 }),
});
export const clientRequests: fc.Arbitrary<ClientRequest> = fc.oneof(
  fc.record({
    kind: fc.constant("execute" as const),
    id: ids,
    timeoutMs: timeouts,
    answer: fc.constantFrom("counts" as const, "previous" as const),
    request: requests,
  }),
  fc.record({ kind: fc.constant("get" as const), id: ids, timeoutMs: timeouts, key: blobs }),
  fc.record({
    kind: fc.constant("range" as const),
    id: ids,
    timeoutMs: timeouts,
    from: blobs,
    end: blobs,
    countMax: ids,
    sizeMax: ids,
  }),
  fc.record({ kind: fc.constant("status" as const), id: ids, timeoutMs: timeouts }),
  fc.record({ kind: fc.constant("info" as const), id: ids }),
  fc.record({ kind: fc.constant("readLog" as const), id: ids, from: ids, sizeMax: ids }),
  fc.record({ kind: fc.constant("checksumAt" as const), id: ids, index: longs }),
);
const results: fc.Arbitrary<RequestResult> = fc.oneof(
  fc.record({
    kind: fc.constant("applied" as const),
    revision: longs,
    results: fc.array(
      fc.record({ previous: maybeKeyValues, current: maybeKeyValues, deletedCount: longs }),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    kind: fc.constant("rejected" as const),
    reason: fc.constantFrom(
      "condition-failed" as const,
      "not-an-integer" as const,
      "overflow" as const,
      "value-too-large" as const,
    ),
    commandIndex: longs,
    revision: longs,
    current: maybeKeyValues,
  }),
);
const checksums = fc.integer({ min: 0, max: 0xffff_ffff });
const texts = fc
  .string({ unit: "binary", maxLength: 60 })
  .filter((text) => !/\p{Surrogate}/u.test(text));
export const clientResponses: fc.Arbitrary<ClientResponse> = fc.oneof(
  fc.record({ kind: fc.constant("executed" as const), id: longs, result: results }),
  fc.record({
    kind: fc.constant("got" as const),
    id: longs,
    revision: longs,
    keyValue: maybeKeyValues,
  }),
  fc.record({
    kind: fc.constant("page" as const),
    id: longs,
    revision: longs,
    keyValues: fc.array(keyValues, { maxLength: 5 }),
    more: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("statusOf" as const), id: longs, json: texts }),
  fc.record({ kind: fc.constant("infoOf" as const), id: longs, json: texts }),
  fc.record({
    kind: fc.constant("logPage" as const),
    id: longs,
    previousChecksum: checksums,
    blocks: blobs,
  }),
  fc.record({
    kind: fc.constant("checksumOf" as const),
    id: longs,
    held: fc.boolean(),
    term: longs,
    checksum: checksums,
  }),
  fc.record({
    kind: fc.constant("failed" as const),
    id: longs,
    code: fc.constantFrom("NO_LEADER" as const, "OUTCOME_UNKNOWN" as const, "PROTOCOL" as const),
    message: texts,
    outcome: fc.constantFrom("not-applied" as const, "applied" as const, "unknown" as const),
    requestId: texts,
  }),
);

/** Plain data, so that Buffer and Uint8Array compare as the bytes they are. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}
