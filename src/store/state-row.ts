/**
 * State rows: the whole state as a table of flat rows, which is what a snapshot
 * holds. The store makes them (state-view.ts) and takes them back
 * (state-restore.ts); equal states give equal rows, in equal order, on every node.
 *
 * In this order:
 *
 *   store        one, first: revision, compacted revision, log time
 *   clock        one: the running time that deadlines are counted in
 *   lease*       before the keys that name them
 *   key*         the keys as they were at the compacted revision, in byte order
 *   (put|delete)*  every change after it, in order; the last of a key is its state
 *   session*, answer*, transaction*, staged*, savepoint*, read*, finished*, outcome*
 *
 * What a field means for a kind is said where the rows of that kind are made.
 */

import { assert } from "../assert.js";

/** Never reorder, only append: the numbers are in the files. */
export const STATE_ROW_KINDS = [
  "store",
  "clock",
  "lease",
  "key",
  "put",
  "delete",
  "session",
  "answer",
  "transaction",
  "staged",
  "savepoint",
  "read",
  "finished",
  "outcome",
] as const;
export type StateRowKind = (typeof STATE_ROW_KINDS)[number];

/** All numbers are safe integers, not negative. The bytes belong to the store: never write to them. */
export interface StateRow {
  readonly kind: StateRowKind;
  /** a key, or empty */
  readonly key: Uint8Array;
  /** a value, or empty */
  readonly value: Uint8Array;
  /** the id of a session, a transaction or a request, or empty */
  readonly id: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** 0 when there is none */
  readonly lease: number;
  /** milliseconds since 1970; 0 when there is none */
  readonly time: number;
}

const NO_BYTES = new Uint8Array(0);

/** A row of `kind` with some fields; the others are empty or 0. */
export function stateRow(kind: StateRowKind, fields: Partial<Omit<StateRow, "kind">>): StateRow {
  return {
    kind,
    key: fields.key ?? NO_BYTES,
    value: fields.value ?? NO_BYTES,
    id: fields.id ?? NO_BYTES,
    createRevision: fields.createRevision ?? 0,
    modRevision: fields.modRevision ?? 0,
    version: fields.version ?? 0,
    lease: fields.lease ?? 0,
    time: fields.time ?? 0,
  };
}

/** What most rows are. */
export type RecordKind = "key" | "put" | "delete";

/**
 * A row of one of the kinds that there are many of, whose bytes stand anywhere: one
 * object is filled again and again, and nothing is made of a row but what is asked for.
 */
export class RecordRow implements StateRow {
  kind: RecordKind = "key";
  keyBytes: Uint8Array = NO_BYTES;
  keyStart = 0;
  keySize = 0;
  valueBytes: Uint8Array = NO_BYTES;
  valueStart = 0;
  valueSize = 0;
  readonly id: Uint8Array = NO_BYTES;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease = 0;
  time = 0;

  /** A view. */
  get key(): Uint8Array {
    return this.keyBytes.subarray(this.keyStart, this.keyStart + this.keySize);
  }

  /** A view. */
  get value(): Uint8Array {
    return this.valueBytes.subarray(this.valueStart, this.valueStart + this.valueSize);
  }

  /** Becomes a row of one of these kinds. */
  set(row: StateRow): void {
    const { key, value } = row;
    this.kind = recordKindOf(row.kind);
    this.keyBytes = key;
    this.keyStart = 0;
    this.keySize = key.length;
    this.valueBytes = value;
    this.valueStart = 0;
    this.valueSize = value.length;
    this.createRevision = row.createRevision;
    this.modRevision = row.modRevision;
    this.version = row.version;
    this.lease = row.lease;
    this.time = row.time;
  }
}

function recordKindOf(kind: StateRowKind): RecordKind {
  assert(kind === "key" || kind === "put" || kind === "delete", "a record is a key or a change");
  return kind;
}
