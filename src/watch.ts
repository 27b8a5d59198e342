/**
 * What changed: told as it happens (`watch`), for one key (`history`), and between
 * two revisions (`diff`).
 */
import type { KeyRecord, OperationOptions } from "./operations.js";
import type { TypedRecord } from "./keyspace.js";

/** One change of one key. Changes of one request share their revision. */
export interface KeyChange {
  readonly kind: "put" | "delete";
  readonly key: Uint8Array;
  readonly revision: number;
  /** milliseconds since 1970, by the leader that wrote it */
  readonly time: number;
  /** the key after it; undefined after a deletion */
  readonly record: KeyRecord | undefined;
  /** the key before it, where asked for; undefined when it was absent, or when that is compacted */
  readonly previous: KeyRecord | undefined;
}

/**
 * What a watch tells. Its guarantees are etcd's: in the order of revisions; never
 * twice; nothing left out; all changes of a revision together; to be taken up
 * again at `revision + 1` of any event; and `progress` says how far it has come
 * when nothing changes.
 */
export type WatchEvent =
  | {
      readonly kind: "changes";
      readonly revision: number;
      /** milliseconds since 1970, by the leader that wrote it */
      readonly time: number;
      /** at least one */
      readonly changes: readonly KeyChange[];
    }
  /** once: everything up to `revision`, which was the present when it was asked, has been told */
  | { readonly kind: "caughtUp"; readonly revision: number }
  /** only when asked for: nothing more has changed up to `revision` */
  | { readonly kind: "progress"; readonly revision: number };

/** A change of a keyspace's key. */
export interface TypedKeyChange<K, V> {
  readonly kind: "put" | "delete";
  readonly key: K;
  readonly revision: number;
  /** milliseconds since 1970, by the leader that wrote it */
  readonly time: number;
  readonly record: TypedRecord<K, V> | undefined;
  readonly previous: TypedRecord<K, V> | undefined;
}

/** What a watch of a keyspace tells. */
export type TypedWatchEvent<K, V> =
  | {
      readonly kind: "changes";
      readonly revision: number;
      readonly time: number;
      readonly changes: readonly TypedKeyChange<K, V>[];
    }
  | Exclude<WatchEvent, { readonly kind: "changes" }>;

/** How a watch begins, and what it tells. */
export interface WatchOptions {
  readonly signal?: AbortSignal;
  /** the first revision to tell of; default: the next one. REVISION_COMPACTED, REVISION_FUTURE */
  readonly from?: number;
  /** whether each change tells the key before it; default false */
  readonly previous?: boolean;
  /** milliseconds without a change after which `progress` is told, again and again; default: never */
  readonly progressMs?: number;
  /**
   * milliseconds that no node may answer before the watch fails; default 30,000.
   * The last event's revision is where to take it up again
   */
  readonly timeoutMs?: number;
}

/** How a key's changes are told. */
export interface HistoryOptions extends OperationOptions {
  /** default "newest-first" */
  readonly order?: "newest-first" | "oldest-first";
  /** at most this many changes */
  readonly limit?: number;
}

/** A key that is not the same at two revisions. */
export interface KeyDifference {
  readonly key: Uint8Array;
  /** at the first revision; undefined: absent */
  readonly before: KeyRecord | undefined;
  /** at the second */
  readonly after: KeyRecord | undefined;
}
