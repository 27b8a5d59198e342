/**
 * The row of a record that stands in the table: one object for as many as are looked
 * at one after another, which says where the next one stands and copies from there.
 */
import type { Records } from "./records.js";
import type { RecordKind, StateRow } from "./state-row.js";

const NO_BYTES = new Uint8Array(0);

export class LiveRow implements StateRow {
  readonly #records: Records;
  #key = 0;
  #version = 0;
  kind: RecordKind = "key";
  readonly id: Uint8Array = NO_BYTES;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease = 0;
  time = 0;
  keySize = 0;
  valueSize = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Becomes the row of a version. @param time when it came to be */
  show(kind: RecordKind, version: number, time: number): void {
    const records = this.#records;
    this.#key = records.keyOfVersion(version);
    this.#version = version;
    this.kind = kind;
    this.createRevision = records.createRevisionOf(version);
    this.modRevision = records.modRevisionOf(version);
    this.version = records.versionOf(version);
    this.lease = records.leaseOf(version);
    this.time = time;
    this.keySize = records.keySizeOf(this.#key);
    this.valueSize = records.valueSizeOf(version);
  }

  /** Its bytes where they are. */
  get key(): Uint8Array {
    return this.#records.viewOfKey(this.#key);
  }

  /** Its bytes where they are. */
  get value(): Uint8Array {
    return this.#records.viewOfValue(this.#version);
  }

  copyKey(target: Uint8Array, at: number): void {
    this.#records.copyKey(this.#key, target, at);
  }

  copyValue(target: Uint8Array, at: number): void {
    this.#records.copyValue(this.#version, target, at);
  }

  /** The same, with an object of its own; the bytes where they are. */
  toRow(): StateRow {
    const { kind, key, value, id, createRevision, modRevision, version, lease, time } = this;
    return { kind, key, value, id, createRevision, modRevision, version, lease, time };
  }
}
