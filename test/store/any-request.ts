/** Requests at random, over few keys so that they meet; with bytes at the ends of the order. */
import fc from "fast-check";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import type {
  Command,
  Compare,
  Expiry,
  KeyCommand,
  Read,
  Request,
  SessionMark,
  StagedCommand,
  StagedRead,
} from "../../src/store/command.js";

export const LIMITS = { ...DEFAULT_LIMITS, valueSizeMax: 24 };
const NO_BYTES = new Uint8Array(0);

export const anyKey = fc.constantFrom(
  ...["a", "b", "aa", "a\u0000", "\u0000", "\u00ff", "\u00ff\u00ff", "n", "m"].map(
    (text) => new Uint8Array(Buffer.from(text, "latin1")),
  ),
);
const anyValue = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc
    .oneof(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.bigInt({ min: -9n, max: 9n }))
    .map((number) => new Uint8Array(Buffer.from(number.toString()))),
);
/** fast-check's records have no prototype at times; what is decoded has one. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const anyCommand: fc.Arbitrary<KeyCommand> = fc.oneof(
  record({
    kind: fc.constant("put" as const),
    key: anyKey,
    value: anyValue,
    condition: fc.constantFrom(
      "none" as const,
      "none" as const,
      "absent" as const,
      "present" as const,
    ),
  }),
  record({ kind: fc.constant("delete" as const), key: anyKey }),
  record({
    kind: fc.constant("deleteRange" as const),
    key: fc.oneof(anyKey, fc.constant(NO_BYTES)),
    end: fc.oneof(anyKey, fc.constant(NO_BYTES)),
  }),
  record({
    kind: fc.constant("increment" as const),
    key: anyKey,
    by: fc.oneof(
      fc.bigInt({ min: -3n, max: 3n }),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
    ),
  }),
  record({ kind: fc.constant("append" as const), key: anyKey, value: anyValue }),
);
export const anyRequest: fc.Arbitrary<Request> = record({
  id: fc.constant(NO_BYTES),
  commands: fc.array(anyCommand, { minLength: 1, maxLength: 5 }),
});

/** Everything that can be asked, with leases, sessions and transactions that meet. */
function id(number: number): Uint8Array {
  return new Uint8Array(16).fill(number);
}
const anySession = fc.constantFrom(id(1), id(2));
const anyTransaction = fc.constantFrom(...[11, 12, 13, 14, 15].map(id));
const anyEnd = fc.oneof(anyKey, fc.constant(NO_BYTES));
const anyLease = fc.constantFrom(1, 2, 3, 7);
const anyTtl = fc.constantFrom(1, 900, 5_000, 30_000);
const anyRevision = fc.integer({ min: 0, max: 40 });

const anyExpiry: fc.Arbitrary<Expiry> = fc.oneof(
  record({ kind: fc.constant("lease" as const), lease: anyLease }),
  record({ kind: fc.constant("ttl" as const), ttl: anyTtl }),
  record({
    kind: fc.constant("until" as const),
    time: fc.integer({ min: 990_000, max: 1_200_000 }),
  }),
  fc.constant({ kind: "keep" as const }),
);

const anyKeyCommand: fc.Arbitrary<KeyCommand> = fc.oneof(
  { weight: 6, arbitrary: anyCommand },
  {
    weight: 2,
    arbitrary: fc.tuple(anyKey, anyValue, anyExpiry).map(([key, value, expiry]): KeyCommand => ({
      kind: "put",
      key,
      value,
      condition: "none",
      expiry,
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyKey, fc.option(anyExpiry, { nil: undefined }))
      .map(([key, expiry]): KeyCommand =>
        expiry === undefined ? { kind: "setExpiry", key } : { kind: "setExpiry", key, expiry },
      ),
  },
  { weight: 1, arbitrary: anyKey.map((key): KeyCommand => ({ kind: "get", key })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyKey, anyEnd, fc.integer({ min: 1, max: 4 }))
      .map(([key, end, limit]): KeyCommand => ({ kind: "getRange", key, end, limit })),
  },
);

const anyCompare: fc.Arbitrary<Compare> = fc.oneof(
  record({
    target: fc.constantFrom("version", "createRevision", "modRevision", "lease"),
    relation: fc.constantFrom("=", "!=", "<", ">"),
    key: anyKey,
    number: fc.integer({ min: 0, max: 8 }),
  }),
  record({
    target: fc.constant("value" as const),
    relation: fc.constantFrom("=", "!=", "<", ">"),
    key: anyKey,
    value: anyValue,
  }),
);

const anyRead: fc.Arbitrary<Read> = fc.oneof(
  record({ kind: fc.constant("key" as const), key: anyKey, revision: anyRevision }),
  record({ kind: fc.constant("range" as const), key: anyKey, end: anyEnd, revision: anyRevision }),
);

const anyStaged = fc.oneof(
  fc
    .tuple(anyKey, anyValue, fc.option(anyExpiry, { nil: undefined, freq: 3 }))
    .map(([key, value, expiry]): StagedCommand => {
      const put = { kind: "put" as const, key, value, condition: "none" as const };
      return expiry === undefined ? put : { ...put, expiry };
    }),
  anyKey.map((key): StagedCommand => ({ kind: "delete", key })),
  fc.tuple(anyKey, anyEnd).map(([key, end]): StagedCommand => ({ kind: "deleteRange", key, end })),
);

const anyStagedRead = fc.oneof(
  anyKey.map((key): StagedRead => ({ key })),
  fc.tuple(anyKey, anyEnd).map(([key, end]): StagedRead => ({ key, end })),
);

const anyName = fc.constantFrom(new Uint8Array([115]), new Uint8Array([116]));

const leaseCommand: fc.Arbitrary<Command> = fc.oneof(
  record({
    kind: fc.constant("grantLease" as const),
    lease: fc.constantFrom(0, 1, 2),
    ttl: anyTtl,
  }),
  record({ kind: fc.constantFrom("keepLease" as const, "revokeLease" as const), lease: anyLease }),
);
const sessionCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: record({
      kind: fc.constant("openSession" as const),
      session: anySession,
      ttl: anyTtl,
    }),
  },
  {
    weight: 1,
    arbitrary: record({
      kind: fc.constantFrom("keepSession" as const, "closeSession" as const),
      session: anySession,
    }),
  },
);
const stageCommand = record({
  kind: fc.constant("stage" as const),
  transaction: anyTransaction,
  commands: fc.array(anyStaged, { maxLength: 3 }),
  reads: fc.array(anyStagedRead, { maxLength: 3 }),
});
const transactionCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: record({
      kind: fc.constant("begin" as const),
      transaction: anyTransaction,
      isolation: fc.constantFrom("serializable", "snapshot"),
      idle: fc.constantFrom(900, 30_000),
    }),
  },
  { weight: 4, arbitrary: stageCommand },
  {
    weight: 2,
    arbitrary: record({
      kind: fc.constantFrom("savepoint" as const, "savepoint" as const, "rollbackTo" as const),
      transaction: anyTransaction,
      name: anyName,
    }),
  },
  {
    weight: 2,
    arbitrary: record({
      kind: fc.constantFrom("commit" as const, "commit" as const, "rollback" as const),
      transaction: anyTransaction,
    }),
  },
);

const anyControl: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: leaseCommand },
  { weight: 1, arbitrary: sessionCommand },
  { weight: 6, arbitrary: transactionCommand },
  {
    weight: 1,
    arbitrary: record({ kind: fc.constant("compact" as const), revision: anyRevision }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "expire" as const }) },
);

const anyMark: fc.Arbitrary<SessionMark> = fc
  .tuple(anySession, fc.integer({ min: 1, max: 6 }), fc.nat({ max: 5 }))
  .map(([session, sequence, behind]) => ({
    session,
    sequence,
    acknowledged: Math.max(0, sequence - 1 - behind),
  }));

const keyCommands = fc.array(anyKeyCommand, { minLength: 1, maxLength: 4 });

/** Any request, each of its parts perhaps. */
export const anyWholeRequest: fc.Arbitrary<Request> = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: keyCommands },
      { weight: 3, arbitrary: anyControl.map((command) => [command]) },
    ),
    fc.option(anyMark, { nil: undefined, freq: 4 }),
    fc.option(fc.array(anyCompare, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 4 }),
    fc.option(keyCommands, { nil: undefined, freq: 3 }),
    fc.option(fc.array(anyRead, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 6 }),
    fc.tuple(fc.boolean(), fc.boolean(), fc.constantFrom(id(201), id(202), NO_BYTES)),
  )
  .map(([commands, session, compares, otherwise, reads, [each, plain, requestId]]) => {
    const alone = commands.some(({ kind }) => !(kind in KEY_KINDS));
    return {
      id: requestId,
      commands,
      ...(session === undefined ? {} : { session }),
      ...(each && !alone ? { mode: "each" as const } : {}),
      ...(reads === undefined || alone || plain ? {} : { reads }),
      ...(compares === undefined || alone ? {} : { compares }),
      ...(compares === undefined || otherwise === undefined || alone ? {} : { otherwise }),
    };
  });

const KEY_KINDS = {
  put: 1,
  delete: 1,
  deleteRange: 1,
  increment: 1,
  append: 1,
  setExpiry: 1,
  get: 1,
  getRange: 1,
};
