/**
 * What can be asked of the state machine, and what it answers.
 *
 * A request is the unit of atomicity: all its commands or none, one revision.
 * It travels in an entry as one row a command. Everything the fold needs is in
 * here; nothing else reaches it (law 1).
 */

/** Sets a key. `condition`: on the state before the request; when it fails the whole request is rejected. */
export interface Put {
  readonly kind: "put";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly condition: PutCondition;
}
export type PutCondition = "none" | "absent" | "present";

/** Removes a key; removing an absent one changes nothing. */
export interface Delete {
  readonly kind: "delete";
  readonly key: Uint8Array;
}

/** Removes every key in [key, end); an empty `end` means "no upper bound". */
export interface DeleteRange {
  readonly kind: "deleteRange";
  readonly key: Uint8Array;
  readonly end: Uint8Array;
}

/**
 * Adds to a decimal 64-bit signed integer (an absent key counts as 0), as
 * Redis' INCRBY does. Rejected as "not-an-integer" or "overflow".
 */
export interface Increment {
  readonly kind: "increment";
  readonly key: Uint8Array;
  readonly by: bigint;
}

/** Appends bytes to a value (an absent key counts as empty). Rejected as "value-too-large" beyond the limit. */
export interface Append {
  readonly kind: "append";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type Command = Put | Delete | DeleteRange | Increment | Append;

export interface Request {
  /** 16 random bytes that name the request in the log and in OUTCOME_UNKNOWN; or empty */
  readonly id: Uint8Array;
  /** at least one */
  readonly commands: readonly Command[];
}

/** A key's current state. Revisions are etcd's. The bytes belong to the store: never write to them. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** the revision that created the key in this life; >= 2 */
  readonly createRevision: number;
  /** the revision that last changed it */
  readonly modRevision: number;
  /** 1 at creation, plus 1 per change */
  readonly version: number;
}

/** What one command did. */
export interface CommandResult {
  /** the key before the command (put, delete, increment, append); undefined when absent or for deleteRange */
  readonly previous: KeyValue | undefined;
  /** the key after the command; undefined after deletions */
  readonly current: KeyValue | undefined;
  /** keys removed; 0 for the others */
  readonly deletedCount: number;
}

export type RejectReason = "condition-failed" | "not-an-integer" | "overflow" | "value-too-large";

export type RequestResult =
  | {
      readonly kind: "applied";
      /** the store's revision after the request (unchanged when it changed no key) */
      readonly revision: number;
      /** one per command, in order */
      readonly results: readonly CommandResult[];
    }
  | {
      readonly kind: "rejected";
      readonly reason: RejectReason;
      /** which command was refused, from 0 */
      readonly commandIndex: number;
      readonly revision: number;
      /** the key's state that refused it */
      readonly current: KeyValue | undefined;
    };

/** The kind of value that `Limits` bounds; checked at the doors before anything is proposed. */
export interface Limits {
  /** bytes; default 8 KiB */
  readonly keySizeMax: number;
  /** bytes; default 1 MiB */
  readonly valueSizeMax: number;
  /** bytes of keys and values of one request together; default 4 MiB */
  readonly requestSizeMax: number;
}

export const DEFAULT_LIMITS: Limits = {
  keySizeMax: 8 * 1024,
  valueSizeMax: 1024 * 1024,
  requestSizeMax: 4 * 1024 * 1024,
};
