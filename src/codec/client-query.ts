/**
 * Questions of the native client protocol that are no plain get or range, and what
 * is found: the past, changes, leases, transactions, outcomes. In the record each
 * is one field of bytes:
 *
 *   query := kind u8, the fields of the table below in order, as store/bytes.ts has them
 *
 *   1 at           key, revision
 *   2 range        from, end, revision, countMax, sizeMax
 *   3 revisionAt   time
 *   4 bounds
 *   5 history      key, newestFirst, beyond, countMax, sizeMax
 *   6 changes      since, from, end, previous, countMax, sizeMax, waitMs
 *   7 remaining    key
 *   8 lease        lease
 *   9 leases
 *  10 transaction  transaction
 *  11 transactions
 *  12 getIn        transaction, key
 *  13 rangeIn      transaction, from, end, countMax, sizeMax
 *  14 outcome      requestId
 *
 *   found := kind u8, ...
 *
 *   1 keyValue      count (0 or 1), keyValue*
 *   2 page          more, count, keyValue*
 *   3 number        number + 1, or 0 for none
 *   4 bounds        compactedRevision, logTime
 *   5 changes       nextRevision, more, count, change*
 *   6 lease         count (0 or 1), then lease, ttl, remaining, keyCount, key*
 *   7 leases        count, lease*
 *   8 transactions  count, transaction*
 *   9 outcome       0 none | 1 rejected | 2 applied, revision
 *
 *   change      := deleted, key, revision, time, which u8 (bit 0 current, bit 1 previous), keyValue*
 *   keyValue, transaction: store/answer.ts
 *
 * Kinds are never reused.
 */
import { unreachable } from "../assert.js";
import { readKeyValue, readTransaction, writeKeyValue, writeTransaction } from "../store/answer.js";
import { ByteReader, ByteWriter, MalformedBytes } from "../store/bytes.js";
import type { KeyValue, TransactionDetail } from "../store/command.js";
import type { RequestOutcome } from "../store/outcome.js";
import type { Change } from "../store/read.js";
import type { LeaseInfo } from "../store/store.js";
import { malformed } from "./client-field.js";

export type Query =
  /** a key at a revision */
  | { readonly kind: "at"; readonly key: Uint8Array; readonly revision: number }
  /** keys of [from, end) at a revision; an empty `end`: no upper bound */
  | (RangeQuery & { readonly kind: "range"; readonly revision: number })
  /** the newest revision at a time, milliseconds since 1970 */
  | { readonly kind: "revisionAt"; readonly time: number }
  /** which revisions can be read */
  | { readonly kind: "bounds" }
  | {
      readonly kind: "history";
      readonly key: Uint8Array;
      readonly newestFirst: boolean;
      /** go on behind this revision; 0: from the beginning */
      readonly beyond: number;
      readonly countMax: number;
      readonly sizeMax: number;
    }
  /** changes of keys in [from, end) at revision `since` and after it, whole revisions */
  | (RangeQuery & {
      readonly kind: "changes";
      readonly since: number;
      /** whether each tells the key before it */
      readonly previous: boolean;
      /** milliseconds to wait for the first one; 0: the answer is linearizable */
      readonly waitMs: number;
    })
  /** milliseconds until a key ends by itself */
  | { readonly kind: "remaining"; readonly key: Uint8Array }
  | { readonly kind: "lease"; readonly lease: number }
  | { readonly kind: "leases" }
  | { readonly kind: "transaction"; readonly transaction: Uint8Array }
  /** the open ones */
  | { readonly kind: "transactions" }
  /** a key as an open transaction sees it */
  | { readonly kind: "getIn"; readonly transaction: Uint8Array; readonly key: Uint8Array }
  | (RangeQuery & { readonly kind: "rangeIn"; readonly transaction: Uint8Array })
  /** what became of a request */
  | { readonly kind: "outcome"; readonly requestId: Uint8Array };

interface RangeQuery {
  readonly from: Uint8Array;
  readonly end: Uint8Array;
  readonly countMax: number;
  readonly sizeMax: number;
}

export type Found =
  | { readonly kind: "keyValue"; readonly keyValue: KeyValue | undefined }
  | { readonly kind: "page"; readonly keyValues: readonly KeyValue[]; readonly more: boolean }
  | { readonly kind: "number"; readonly number: number | undefined }
  | { readonly kind: "bounds"; readonly compactedRevision: number; readonly logTime: number }
  | {
      readonly kind: "changes";
      readonly changes: readonly Change[];
      readonly nextRevision: number;
      readonly more: boolean;
    }
  | { readonly kind: "lease"; readonly lease: LeaseInfo | undefined }
  | { readonly kind: "leases"; readonly leases: readonly number[] }
  | { readonly kind: "transactions"; readonly transactions: readonly TransactionDetail[] }
  | { readonly kind: "outcome"; readonly outcome: RequestOutcome | undefined };

/** What is found for a question. */
export const FOUND_KIND = {
  at: "keyValue",
  range: "page",
  revisionAt: "number",
  bounds: "bounds",
  history: "changes",
  changes: "changes",
  remaining: "number",
  lease: "lease",
  leases: "leases",
  transaction: "transactions",
  transactions: "transactions",
  getIn: "keyValue",
  rangeIn: "page",
  outcome: "outcome",
} as const satisfies Record<Query["kind"], Found["kind"]>;

/** The answer that fits a question. */
export type FoundFor<Q extends Query> = Extract<Found, { kind: (typeof FOUND_KIND)[Q["kind"]] }>;

const QUERIES: readonly Query["kind"][] = [
  "at",
  "range",
  "revisionAt",
  "bounds",
  "history",
  "changes",
  "remaining",
  "lease",
  "leases",
  "transaction",
  "transactions",
  "getIn",
  "rangeIn",
  "outcome",
];
const FOUND: readonly Found["kind"][] = [
  "keyValue",
  "page",
  "number",
  "bounds",
  "changes",
  "lease",
  "leases",
  "transactions",
  "outcome",
];

const HAS_CURRENT = 1;
const HAS_PREVIOUS = 2;

export function encodeQuery(query: Query): Uint8Array {
  const writer = new ByteWriter().number(1 + QUERIES.indexOf(query.kind));
  switch (query.kind) {
    case "at":
      writer.bytes(query.key).number(query.revision);
      break;
    case "range":
      writer.bytes(query.from).bytes(query.end).number(query.revision);
      writer.number(query.countMax).number(query.sizeMax);
      break;
    case "revisionAt":
      writer.number(query.time);
      break;
    case "history":
      writer
        .bytes(query.key)
        .number(query.newestFirst ? 1 : 0)
        .number(query.beyond);
      writer.number(query.countMax).number(query.sizeMax);
      break;
    case "changes":
      writer.number(query.since).bytes(query.from).bytes(query.end);
      writer
        .number(query.previous ? 1 : 0)
        .number(query.countMax)
        .number(query.sizeMax);
      writer.number(query.waitMs);
      break;
    case "remaining":
      writer.bytes(query.key);
      break;
    case "lease":
      writer.number(query.lease);
      break;
    case "transaction":
      writer.bytes(query.transaction);
      break;
    case "getIn":
      writer.bytes(query.transaction).bytes(query.key);
      break;
    case "rangeIn":
      writer.bytes(query.transaction).bytes(query.from).bytes(query.end);
      writer.number(query.countMax).number(query.sizeMax);
      break;
    case "outcome":
      writer.bytes(query.requestId);
      break;
    case "bounds":
    case "leases":
    case "transactions":
      break;
    default:
      unreachable(query);
  }
  return writer.take();
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeQuery(bytes: Uint8Array): Query {
  return strictly(bytes, (reader) => {
    const kind = QUERIES[reader.number() - 1];
    if (kind === undefined) throw new MalformedBytes("a question is none that is known");
    return readQuery(reader, kind);
  });
}

function readQuery(reader: ByteReader, kind: Query["kind"]): Query {
  switch (kind) {
    case "at":
      return { kind, key: reader.bytes(), revision: reader.number() };
    case "range":
      return { kind, ...readBounds(reader), revision: reader.number(), ...readPageSize(reader) };
    case "revisionAt":
      return { kind, time: reader.number() };
    case "history": {
      const key = reader.bytes();
      const newestFirst = readFlag(reader);
      return { kind, key, newestFirst, beyond: reader.number(), ...readPageSize(reader) };
    }
    case "changes": {
      const since = reader.number();
      const bounds = readBounds(reader);
      const previous = readFlag(reader);
      const pageSize = readPageSize(reader);
      return { kind, since, ...bounds, previous, ...pageSize, waitMs: reader.number() };
    }
    case "remaining":
      return { kind, key: reader.bytes() };
    case "lease":
      return { kind, lease: reader.number() };
    case "transaction":
      return { kind, transaction: reader.bytes() };
    case "getIn":
      return { kind, transaction: reader.bytes(), key: reader.bytes() };
    case "rangeIn": {
      const transaction = reader.bytes();
      return { kind, transaction, ...readBounds(reader), ...readPageSize(reader) };
    }
    case "outcome":
      return { kind, requestId: reader.bytes() };
    case "bounds":
    case "leases":
    case "transactions":
      return { kind };
    default:
      return unreachable(kind);
  }
}

export function encodeFound(found: Found): Uint8Array {
  const writer = new ByteWriter().number(1 + FOUND.indexOf(found.kind));
  switch (found.kind) {
    case "keyValue":
      writer.number(found.keyValue === undefined ? 0 : 1);
      if (found.keyValue !== undefined) writeKeyValue(writer, found.keyValue);
      break;
    case "page":
      writer.number(found.more ? 1 : 0).number(found.keyValues.length);
      for (const keyValue of found.keyValues) writeKeyValue(writer, keyValue);
      break;
    case "number":
      writer.number(found.number === undefined ? 0 : found.number + 1);
      break;
    case "bounds":
      writer.number(found.compactedRevision).number(found.logTime);
      break;
    case "changes":
      writer
        .number(found.nextRevision)
        .number(found.more ? 1 : 0)
        .number(found.changes.length);
      for (const change of found.changes) writeChange(writer, change);
      break;
    case "lease":
      writer.number(found.lease === undefined ? 0 : 1);
      if (found.lease !== undefined) writeLease(writer, found.lease);
      break;
    case "leases":
      writer.number(found.leases.length);
      for (const lease of found.leases) writer.number(lease);
      break;
    case "transactions":
      writer.number(found.transactions.length);
      for (const transaction of found.transactions) writeTransaction(writer, transaction);
      break;
    case "outcome": {
      const { outcome } = found;
      if (outcome?.kind === "applied") writer.number(2).number(outcome.revision);
      else writer.number(outcome === undefined ? 0 : 1);
      break;
    }
    default:
      unreachable(found);
  }
  return writer.take();
}

/** @throws {DatabaseError} PROTOCOL */
export function decodeFound(bytes: Uint8Array): Found {
  return strictly(bytes, (reader) => {
    const kind = FOUND[reader.number() - 1];
    if (kind === undefined) throw new MalformedBytes("what was found is nothing that is known");
    return readFound(reader, kind);
  });
}

function readFound(reader: ByteReader, kind: Found["kind"]): Found {
  switch (kind) {
    case "keyValue":
      return { kind, keyValue: readOptional(reader, readKeyValue) };
    case "page": {
      const more = readFlag(reader);
      return { kind, more, keyValues: readList(reader, readKeyValue) };
    }
    case "number": {
      const number = reader.number();
      return { kind, number: number === 0 ? undefined : number - 1 };
    }
    case "bounds":
      return { kind, compactedRevision: reader.number(), logTime: reader.number() };
    case "changes": {
      const nextRevision = reader.number();
      const more = readFlag(reader);
      return { kind, nextRevision, more, changes: readList(reader, readChange) };
    }
    case "lease":
      return { kind, lease: readOptional(reader, readLease) };
    case "leases":
      return { kind, leases: readList(reader, (list) => list.number()) };
    case "transactions":
      return { kind, transactions: readList(reader, readTransaction) };
    case "outcome": {
      const tag = reader.number();
      if (tag > 2) throw new MalformedBytes("an outcome is none that is known");
      if (tag === 2) return { kind, outcome: { kind: "applied", revision: reader.number() } };
      return { kind, outcome: tag === 0 ? undefined : { kind: "rejected" } };
    }
    default:
      return unreachable(kind);
  }
}

function writeChange(writer: ByteWriter, change: Change): void {
  const { kind, key, revision, time, current, previous } = change;
  writer
    .number(kind === "delete" ? 1 : 0)
    .bytes(key)
    .number(revision)
    .number(time);
  writer.number(
    (current === undefined ? 0 : HAS_CURRENT) | (previous === undefined ? 0 : HAS_PREVIOUS),
  );
  if (current !== undefined) writeKeyValue(writer, current);
  if (previous !== undefined) writeKeyValue(writer, previous);
}

function readChange(reader: ByteReader): Change {
  const kind = readFlag(reader) ? "delete" : "put";
  const key = reader.bytes();
  const revision = reader.number();
  const time = reader.number();
  const which = reader.number();
  if (which > (HAS_CURRENT | HAS_PREVIOUS)) throw new MalformedBytes("a change has unknown bits");
  const current = (which & HAS_CURRENT) === 0 ? undefined : readKeyValue(reader);
  const previous = (which & HAS_PREVIOUS) === 0 ? undefined : readKeyValue(reader);
  return { kind, key, revision, time, current, previous };
}

function writeLease(writer: ByteWriter, { lease, ttl, remaining, keys }: LeaseInfo): void {
  writer.number(lease).number(ttl).number(remaining).number(keys.length);
  for (const key of keys) writer.bytes(key);
}

function readLease(reader: ByteReader): LeaseInfo {
  const lease = reader.number();
  const ttl = reader.number();
  const remaining = reader.number();
  return { kind: "lease", lease, ttl, remaining, keys: readList(reader, (list) => list.bytes()) };
}

function readBounds(reader: ByteReader): { from: Uint8Array; end: Uint8Array } {
  return { from: reader.bytes(), end: reader.bytes() };
}

function readPageSize(reader: ByteReader): { countMax: number; sizeMax: number } {
  const countMax = reader.number();
  const sizeMax = reader.number();
  if (countMax === 0 || sizeMax === 0) throw new MalformedBytes("a page has no room");
  return { countMax, sizeMax };
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.number();
  if (flag > 1) throw new MalformedBytes("a flag is neither 0 nor 1");
  return flag === 1;
}

function readOptional<T>(reader: ByteReader, read: (reader: ByteReader) => T): T | undefined {
  return readFlag(reader) ? read(reader) : undefined;
}

/** A count says nothing about memory: each one must be there before the next is read. */
function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): readonly T[] {
  const list: T[] = [];
  for (let count = reader.number(); count > 0; count -= 1) list.push(read(reader));
  return list;
}

/** Reads all of `bytes`, or fails as everything of the protocol does. */
export function strictly<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader(bytes);
  try {
    const value = read(reader);
    if (!reader.done) throw new MalformedBytes("bytes follow");
    return value;
  } catch (error) {
    if (error instanceof MalformedBytes) throw malformed(error.message, error);
    throw error;
  }
}
