/**
 * Etcd's transaction: conditions on what keys are, and what to do when they hold or do
 * not, in one request.
 */
import type { BatchOperation, Bytes, KeyRecord, Range } from "./operations.js";

/**
 * A condition on what a key is, as etcd's. The numbers of an absent key are 0; a
 * comparison of an absent key's value never holds, "!=" neither.
 */
export type Condition =
  | {
      readonly target: "version" | "createRevision" | "modRevision" | "lease";
      readonly relation: Relation;
      readonly key: Bytes;
      readonly number: number;
    }
  | {
      readonly target: "value";
      readonly relation: Relation;
      readonly key: Bytes;
      readonly value: Bytes;
    };
/** How a condition compares what the key has (left) with what is given (right). */
export type Relation = "=" | "!=" | "<" | ">";

/** What a decision may do: operations of a batch, and reads among them. */
export type DecisionOperation =
  | BatchOperation
  | { readonly kind: "deleteRange"; readonly range: Range }
  | { readonly kind: "get"; readonly key: Bytes }
  /** `limit`: 1 to 1000, default 1000 */
  | { readonly kind: "list"; readonly range: Range; readonly limit?: number };

/** etcd's transaction: what to look at, and what to do then. */
export interface Decision {
  /** all must hold; at least one: without conditions it is a batch */
  readonly when: readonly Condition[];
  /** at least one */
  readonly then: readonly DecisionOperation[];
  /** otherwise; left out: nothing is done */
  readonly otherwise?: readonly DecisionOperation[];
}

/** Which branch was done, and what it did. */
export interface DecisionResult {
  readonly revision: number;
  /** whether all conditions held: `then` was done, and not `otherwise` */
  readonly succeeded: boolean;
  /** one for each operation that was done, in order */
  readonly results: readonly DecisionOperationResult[];
}

/** What one operation of a decision did or found. */
export interface DecisionOperationResult {
  /** the key before it, or what `get` found */
  readonly previous: KeyRecord | undefined;
  /** keys removed */
  readonly deleted: number;
  /** what `list` found; else empty */
  readonly records: readonly KeyRecord[];
  /** whether keys beyond the limit follow */
  readonly more: boolean;
}
