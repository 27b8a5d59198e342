/**
 * The Avro schemas of what lies on disk, and their version.
 *
 * A row is a command: flat, non-recursive, so that any Avro tool opens a sealed
 * segment as a table. What is true of a whole block (its checksum, the leader's
 * clock) stands in the block's first row and is null in the others.
 */

/** Version of the log's schema; a segment's header carries it with the schema itself. */
export const LOG_SCHEMA_VERSION = 1;

/** In `kind`'s order; never reorder, only append. */
export const ROW_KINDS = [
  "noop",
  "config",
  "put",
  "putIfAbsent",
  "putIfPresent",
  "delete",
  "deleteRange",
  "increment",
  "append",
  // parts of a request beside its commands
  "session",
  "each",
  "readKey",
  "readRange",
  "compare",
  "otherwise",
  "expiry",
  // more commands
  "setExpiry",
  "get",
  "getRange",
  "grantLease",
  "keepLease",
  "revokeLease",
  "openSession",
  "keepSession",
  "closeSession",
  "begin",
  "stage",
  "savepoint",
  "rollbackTo",
  "commit",
  "rollback",
  "compact",
  "expire",
] as const;
export type RowKind = (typeof ROW_KINDS)[number];

export const ROW_SCHEMA = {
  type: "record",
  name: "Row",
  namespace: "balsa.log",
  doc: "One command of the replicated log.",
  fields: [
    {
      name: "checksum",
      doc: "First row of a block: CRC-32 of the block, seeded with the previous block's. Bytes big-endian.",
      type: ["null", { type: "fixed", name: "Checksum", size: 4 }],
    },
    {
      name: "time",
      doc: "First row of a block: when the leader made it, milliseconds since 1970 by its clock.",
      type: ["null", { type: "long", logicalType: "timestamp-millis" }],
    },
    { name: "index", doc: "Raft log index; all rows of a block share it.", type: "long" },
    { name: "term", doc: "Raft term.", type: "long" },
    { name: "kind", type: { type: "enum", name: "Kind", symbols: ROW_KINDS } },
    {
      name: "more",
      doc: "Whether the next row belongs to the same atomic request.",
      type: "boolean",
    },
    {
      name: "request",
      doc: "Request id (16 bytes) in the first row of a request that has one; else empty.",
      type: "bytes",
    },
    { name: "key", doc: "The key; for deleteRange its first key.", type: "bytes" },
    {
      name: "value",
      doc: "put: the value; append: the bytes added; increment: the decimal text of the amount; deleteRange: the end of the range (exclusive, empty for none); config: JSON of the members; other kinds: numbers and byte strings, see request-row.ts.",
      type: "bytes",
    },
  ],
} as const;
