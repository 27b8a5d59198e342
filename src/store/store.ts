/** The replicated state machine. */
import type { KeyValue, Limits, Request, RequestResult } from "./command.js";

export interface RangePage {
  readonly keyValues: readonly KeyValue[];
  /** whether keys beyond the last one follow in the range */
  readonly more: boolean;
}

export declare class Store {
  constructor(limits?: Limits);
  /** etcd's store revision: 1 when empty. */
  get revision(): number;
  /** keys */
  get size(): number;
  /** Folds one request. Total: an invalid one yields a rejection value, never a throw. Deterministic. */
  apply(request: Request): RequestResult;
  get(key: Uint8Array): KeyValue | undefined;
  /** Keys in [from, end), byte order, at most `countMax` keys and about `sizeMax` bytes (at least one key). */
  range(from: Uint8Array, end: Uint8Array, countMax: number, sizeMax: number): RangePage;
  /** Order-independent hash of all keys, values and revisions, as hex; equal state gives equal hashes. O(n). */
  stateHash(): string;
}

/** The end of the range of all keys that start with `prefix`; empty when there is none (prefix empty or all 0xff). */
export declare function prefixEnd(prefix: Uint8Array): Uint8Array;
