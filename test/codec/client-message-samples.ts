/** Every message of the native client protocol, at random; and a form in which messages compare. */
import fc from "fast-check";
import type { ClientRequest, ClientResponse } from "../../src/codec/client-message.js";
import type { Found, Query } from "../../src/codec/client-query.js";
import type {
  Command,
  KeyValue,
  Request,
  RequestResult,
  ResultDetail,
} from "../../src/store/command.js";
import type { Change } from "../../src/store/read.js";

const longs = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.maxSafeInteger().map((n) => Math.min(Math.abs(n), Number.MAX_SAFE_INTEGER - 1)),
);
const ids = longs.map((n) => Math.max(1, n));
const timeouts = fc.integer({ min: 1, max: 86_400_000 });
const blobs = fc.uint8Array({ maxLength: 300 });
const keyValues: fc.Arbitrary<KeyValue> = fc
  .record({
    key: blobs,
    value: blobs,
    createRevision: longs,
    modRevision: longs,
    version: longs,
  })
  .chain((keyValue) => longs.map((lease) => (lease === 0 ? keyValue : { ...keyValue, lease })));
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
const ranges = { from: blobs, end: blobs, countMax: ids, sizeMax: ids };
const queries: fc.Arbitrary<Query> = fc.oneof(
  fc.record({ kind: fc.constant("at" as const), key: blobs, revision: longs }),
  fc.record({ kind: fc.constant("range" as const), ...ranges, revision: longs }),
  fc.record({ kind: fc.constant("revisionAt" as const), time: longs }),
  fc.record({ kind: fc.constantFrom("bounds" as const, "leases", "transactions") }),
  fc.record({
    kind: fc.constant("history" as const),
    key: blobs,
    newestFirst: fc.boolean(),
    beyond: longs,
    countMax: ids,
    sizeMax: ids,
  }),
  fc.record({
    kind: fc.constant("changes" as const),
    ...ranges,
    since: longs,
    previous: fc.boolean(),
    waitMs: longs,
  }),
  fc.record({ kind: fc.constant("remaining" as const), key: blobs }),
  fc.record({ kind: fc.constant("lease" as const), lease: longs }),
  fc.record({ kind: fc.constant("transaction" as const), transaction: blobs }),
  fc.record({ kind: fc.constant("getIn" as const), transaction: blobs, key: blobs }),
  fc.record({ kind: fc.constant("rangeIn" as const), ...ranges, transaction: blobs }),
  fc.record({ kind: fc.constant("outcome" as const), requestId: blobs }),
);
export const clientRequests: fc.Arbitrary<ClientRequest> = fc.oneof(
  fc.record({
    kind: fc.constant("execute" as const),
    id: ids,
    timeoutMs: timeouts,
    answer: fc.constantFrom("counts" as const, "previous" as const, "whole" as const),
    request: requests,
  }),
  fc.record({
    kind: fc.constant("query" as const),
    id: ids,
    timeoutMs: timeouts,
    query: queries,
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
  fc.record({ kind: fc.constant("snapshots" as const), id: ids }),
  fc.record({ kind: fc.constant("saveSnapshot" as const), id: ids, timeoutMs: timeouts }),
  fc.record({
    kind: fc.constant("readSaved" as const),
    ...{ id: ids, index: ids, offset: longs, sizeMax: ids },
  }),
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
const transactions = fc.record({
  kind: fc.constant("transaction" as const),
  transaction: blobs,
  status: fc.constantFrom("open" as const, "committed" as const, "expired" as const),
  isolation: fc.constantFrom("serializable" as const, "snapshot" as const),
  readRevision: longs,
  revision: longs,
});
const leaseDetails = { lease: longs, ttl: longs, remaining: longs };
const details: fc.Arbitrary<ResultDetail> = fc.oneof(
  fc.record({
    kind: fc.constant("range" as const),
    keyValues: fc.array(keyValues, { maxLength: 3 }),
    more: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("lease" as const), ...leaseDetails }),
  transactions,
  fc.record({ kind: fc.constant("refused" as const), reason: fc.constant("overflow" as const) }),
);
const wholeResults: fc.Arbitrary<RequestResult> = fc.oneof(
  fc.record({
    kind: fc.constant("applied" as const),
    revision: longs,
    results: fc.array(
      fc
        .record({ previous: maybeKeyValues, current: maybeKeyValues, deletedCount: longs })
        .chain((result) =>
          fc
            .option(details, { nil: undefined })
            .map((detail) => (detail === undefined ? result : { ...result, detail })),
        ),
      { maxLength: 5 },
    ),
    succeeded: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("rejected" as const),
    reason: fc.constant("conflict" as const),
    commandIndex: longs,
    revision: longs,
    current: maybeKeyValues,
    conflicts: fc.array(fc.record({ key: blobs, readRevision: longs, currentRevision: longs }), {
      maxLength: 3,
    }),
  }),
);
const changes: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom("put" as const, "delete" as const),
  key: blobs,
  revision: longs,
  time: longs,
  current: maybeKeyValues,
  previous: maybeKeyValues,
});
const found: fc.Arbitrary<Found> = fc.oneof(
  fc.record({ kind: fc.constant("keyValue" as const), keyValue: maybeKeyValues }),
  fc.record({
    kind: fc.constant("page" as const),
    keyValues: fc.array(keyValues, { maxLength: 3 }),
    more: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("number" as const),
    number: fc.option(fc.nat(), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("bounds" as const), compactedRevision: longs, logTime: longs }),
  fc.record({
    kind: fc.constant("changes" as const),
    changes: fc.array(changes, { maxLength: 3 }),
    nextRevision: longs,
    more: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("lease" as const),
    lease: fc.option(
      fc.record({ kind: fc.constant("lease" as const), ...leaseDetails, keys: fc.array(blobs) }),
      { nil: undefined },
    ),
  }),
  fc.record({ kind: fc.constant("leases" as const), leases: fc.array(longs) }),
  fc.record({ kind: fc.constant("transactions" as const), transactions: fc.array(transactions) }),
  fc.record({
    kind: fc.constant("outcome" as const),
    outcome: fc.oneof(
      fc.constantFrom(undefined, { kind: "rejected" as const }),
      fc.record({ kind: fc.constant("applied" as const), revision: longs }),
    ),
  }),
);
export const clientResponses: fc.Arbitrary<ClientResponse> = fc.oneof(
  fc.record({ kind: fc.constant("executed" as const), id: longs, result: results }),
  fc.record({ kind: fc.constant("answered" as const), id: longs, result: wholeResults }),
  fc.record({ kind: fc.constant("found" as const), id: longs, revision: longs, found }),
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
  fc.record({ kind: fc.constant("snapshotsOf" as const), id: longs, json: texts }),
  fc.record({
    kind: fc.constant("savedAs" as const),
    id: longs,
    saved: fc.record({
      ...{ index: ids, term: longs, revision: longs, size: longs },
      fileChecksum: checksums,
    }),
  }),
  fc.record({ kind: fc.constant("savedPart" as const), id: longs, bytes: blobs }),
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
