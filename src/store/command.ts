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
  /** how long the key lives; absent: until it is deleted, whatever was set before */
  readonly expiry?: Expiry;
}
export type PutCondition = "none" | "absent" | "present";

/** What ends a key's life by itself. */
export type Expiry =
  /** the end of a lease; an unknown one is refused as "lease-not-found" */
  | { readonly kind: "lease"; readonly lease: number }
  /** so many milliseconds from now, at least 1 */
  | { readonly kind: "ttl"; readonly ttl: number }
  /** a moment, milliseconds since 1970; one that has passed ends it at once */
  | { readonly kind: "until"; readonly time: number }
  /** whatever it was before */
  | { readonly kind: "keep" };

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
 * Redis' INCRBY does. Keeps the expiry. Rejected as "not-an-integer" or "overflow".
 */
export interface Increment {
  readonly kind: "increment";
  readonly key: Uint8Array;
  readonly by: bigint;
}

/**
 * Appends bytes to a value (an absent key counts as empty). Keeps the expiry.
 * Rejected as "value-too-large" beyond the limit.
 */
export interface Append {
  readonly kind: "append";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Changes how long a key lives, not its value; `expiry` absent: for ever. An absent
 * key stays absent, one that has no expiry to lose is left alone; "until" a moment
 * that has passed deletes it.
 */
export interface SetExpiry {
  readonly kind: "setExpiry";
  readonly key: Uint8Array;
  readonly expiry?: Expiry;
}

/** Reads a key between the changes of a request: `previous` in its result, and a "lease" detail when it has one. */
export interface Get {
  readonly kind: "get";
  readonly key: Uint8Array;
}

/** Reads [key, end) between the changes of a request, at most `limit` keys (1 to 1000): a "range" detail. */
export interface GetRange {
  readonly kind: "getRange";
  readonly key: Uint8Array;
  readonly end: Uint8Array;
  readonly limit: number;
}

/** What works on keys; a request may hold many. */
export type KeyCommand =
  Put | Delete | DeleteRange | Increment | Append | SetExpiry | Get | GetRange;

/** Everything else: alone in its request. Said in the file of its idea. */
export type ControlCommand = LeaseCommand | SessionCommand | TransactionCommand | UpkeepCommand;

export type LeaseCommand =
  /** `lease` 0: the store picks a number. `ttl` in milliseconds, at least 1. "lease-exists" */
  | { readonly kind: "grantLease"; readonly lease: number; readonly ttl: number }
  /** its time starts anew. "lease-not-found" */
  | { readonly kind: "keepLease"; readonly lease: number }
  /** it ends, and all keys attached to it are deleted. "lease-not-found" */
  | { readonly kind: "revokeLease"; readonly lease: number };

export type SessionCommand =
  /** `session`: 16 bytes that its owner chose at random; opened again it stays as it is. `ttl` in milliseconds */
  | { readonly kind: "openSession"; readonly session: Uint8Array; readonly ttl: number }
  /** its time starts anew, as with every request of it. "session-expired" */
  | { readonly kind: "keepSession"; readonly session: Uint8Array }
  | { readonly kind: "closeSession"; readonly session: Uint8Array };

export type Isolation =
  /** what was read, keys and ranges, must be unchanged at the commit */
  | "serializable"
  /** what is written must be unchanged at the commit: the first to commit wins */
  | "snapshot";

/** What may be staged: what does not depend on what it finds. */
export type StagedCommand = Put | Delete | DeleteRange;

export type TransactionCommand =
  /**
   * `transaction`: 16 bytes that its owner chose at random; begun again it stays as it is.
   * It expires when nothing was done to it for `idle` milliseconds.
   */
  | {
      readonly kind: "begin";
      readonly transaction: Uint8Array;
      readonly isolation: Isolation;
      readonly idle: number;
    }
  /** Adds commands and what was read at the transaction's read revision; either may be empty. */
  | {
      readonly kind: "stage";
      readonly transaction: Uint8Array;
      readonly commands: readonly StagedCommand[];
      readonly reads: readonly StagedRead[];
    }
  /** a name that is used again moves */
  | { readonly kind: "savepoint"; readonly transaction: Uint8Array; readonly name: Uint8Array }
  /** what was staged after it is dropped (what was read stays); "savepoint-unknown" */
  | { readonly kind: "rollbackTo"; readonly transaction: Uint8Array; readonly name: Uint8Array }
  /** asked again it answers the same; "conflict" ends the transaction too */
  | { readonly kind: "commit"; readonly transaction: Uint8Array }
  | { readonly kind: "rollback"; readonly transaction: Uint8Array };

/** A key (`end` absent) or a range that a transaction has read. */
export interface StagedRead {
  readonly key: Uint8Array;
  readonly end?: Uint8Array;
}

export type UpkeepCommand =
  /** history before `revision` is forgotten: reads below it are refused */
  | { readonly kind: "compact"; readonly revision: number }
  /** ends what has run out by the log's time; with nothing due, a checkpoint of that time */
  | { readonly kind: "expire" };

export type Command = KeyCommand | ControlCommand;

const KEY_COMMANDS: Readonly<Record<KeyCommand["kind"], true>> = {
  put: true,
  delete: true,
  deleteRange: true,
  increment: true,
  append: true,
  setExpiry: true,
  get: true,
  getRange: true,
};

export function isKeyCommand(command: Command): command is KeyCommand {
  return command.kind in KEY_COMMANDS;
}

export type CompareRelation = "=" | "!=" | "<" | ">";

/**
 * A condition on the state before the request, as etcd's. An absent key has the
 * numbers 0; every comparison of an absent key's value is false, "!=" too.
 */
export type Compare =
  | {
      readonly target: "version" | "createRevision" | "modRevision" | "lease";
      readonly relation: CompareRelation;
      readonly key: Uint8Array;
      readonly number: number;
    }
  | {
      readonly target: "value";
      readonly relation: CompareRelation;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
    };

/** What the writer of a request has read, and where: unchanged when it is applied, or the request is a "conflict". */
export type Read =
  /** `revision`: the modRevision seen, 0 for an absent key */
  | { readonly kind: "key"; readonly key: Uint8Array; readonly revision: number }
  /** `revision`: the store's revision that was read at; no key in [key, end) may have changed after it */
  | {
      readonly kind: "range";
      readonly key: Uint8Array;
      readonly end: Uint8Array;
      readonly revision: number;
    };

/** Makes a request exactly once: applied again it changes nothing and gives its first answer. */
export interface SessionMark {
  /** 16 bytes */
  readonly session: Uint8Array;
  /** from 1; the session's own count of requests */
  readonly sequence: number;
  /** all answers up to this sequence have arrived; below `sequence`. What is at or below it is never applied again */
  readonly acknowledged: number;
}

export interface Request {
  /** 16 random bytes that name the request in the log and in OUTCOME_UNKNOWN; or empty */
  readonly id: Uint8Array;
  /** at least one; a control command stands alone */
  readonly commands: readonly Command[];
  readonly session?: SessionMark;
  /** checked first: "conflict" */
  readonly reads?: readonly Read[];
  /** all hold: `commands` run; else `otherwise` does, or the request is rejected as "condition-failed" */
  readonly compares?: readonly Compare[];
  /** only with compares */
  readonly otherwise?: readonly KeyCommand[];
  /**
   * "each": what one command refuses is said in its result, and the others go on
   * (Redis' EXEC). Otherwise all or none.
   */
  readonly mode?: "each";
}

/** A key's current state. Revisions are etcd's. The bytes belong to the store: never write to them. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** the revision that created the key in this life; >= 2. A fencing token: it never repeats */
  readonly createRevision: number;
  /** the revision that last changed it */
  readonly modRevision: number;
  /** 1 at creation, plus 1 per change */
  readonly version: number;
  /** the lease it ends with; absent when it has none */
  readonly lease?: number;
}

/** What one command did. */
export interface CommandResult {
  /** the key before the command (put, delete, increment, append, setExpiry, get); undefined when absent or for others */
  readonly previous: KeyValue | undefined;
  /** the key after the command; undefined after deletions */
  readonly current: KeyValue | undefined;
  /** keys removed; 0 for the others */
  readonly deletedCount: number;
  /** what else some commands answer */
  readonly detail?: ResultDetail;
}

export type ResultDetail =
  | {
      readonly kind: "range";
      readonly keyValues: readonly KeyValue[];
      /** whether keys beyond the limit follow */
      readonly more: boolean;
    }
  | LeaseDetail
  | TransactionDetail
  /** of a request with `mode` "each" */
  | { readonly kind: "refused"; readonly reason: RejectReason };

/** A lease as it is now. */
export interface LeaseDetail {
  readonly kind: "lease";
  readonly lease: number;
  /** milliseconds */
  readonly ttl: number;
  /** milliseconds; 0 when it ended */
  readonly remaining: number;
}

export type TransactionStatus = "open" | "committed" | "conflict" | "rolled-back" | "expired";

export interface TransactionDetail {
  readonly kind: "transaction";
  readonly transaction: Uint8Array;
  readonly status: TransactionStatus;
  readonly isolation: Isolation;
  readonly readRevision: number;
  /** of the commit; 0 otherwise */
  readonly revision: number;
}

/** Stable, and numbered by their place on the wire: never reorder, only append. */
export const REJECT_REASONS = [
  "condition-failed",
  "not-an-integer",
  "overflow",
  "value-too-large",
  /** something that was read has changed: `conflicts` */
  "conflict",
  "lease-not-found",
  "lease-exists",
  /** the session is unknown: expired, closed or never opened. Not applied now; nobody knows about before */
  "session-expired",
  /** the sequence was acknowledged before: applied or refused long ago, not again */
  "session-acknowledged",
  /** more unacknowledged requests of the session than are kept */
  "session-window",
  /** never begun, or finished so long ago that it is forgotten */
  "transaction-unknown",
  /** it was committed, rolled back or expired */
  "transaction-finished",
  "transaction-too-large",
  /** what it would have to look at is compacted */
  "transaction-too-old",
  "savepoint-unknown",
  /** there are as many of these as there may be */
  "too-many",
  "revision-compacted",
  "revision-future",
  /** no client of ours sends such a request */
  "invalid",
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** One of the keys that a request was refused for. */
export interface Conflict {
  readonly key: Uint8Array;
  /** the revision that was read or compared with */
  readonly readRevision: number;
  /** the revision of its last change; 0 when it is absent and nothing more is known */
  readonly currentRevision: number;
}

/** A bare put (`barePut`) whose request has no id: its key and value where they lie. */
export interface PutInPlace {
  readonly bytes: Uint8Array;
  readonly keyStart: number;
  readonly keySize: number;
  readonly valueStart: number;
  readonly valueSize: number;
}

/** What nearly every request is: one put without condition and expiry, and nothing else. undefined: it is not. */
export function barePut(request: Request): Put | undefined {
  const { commands, session, mode, reads, compares, otherwise } = request;
  const [first] = commands;
  if (first?.kind !== "put" || commands.length > 1) return undefined;
  if (first.condition !== "none" || first.expiry !== undefined) return undefined;
  const isBare =
    session === undefined &&
    mode === undefined &&
    reads === undefined &&
    compares === undefined &&
    otherwise === undefined;
  return isBare ? first : undefined;
}

export type RequestResult =
  | {
      readonly kind: "applied";
      /** the store's revision after the request (unchanged when it changed no key) */
      readonly revision: number;
      /** one per command that ran, in order */
      readonly results: readonly CommandResult[];
      /** of a request with compares: whether they held. `false`: `otherwise` ran */
      readonly succeeded?: boolean;
      /** of a repeated answer that was too large to keep (session.ts): its bytes; of its results only `deletedCount` is left */
      readonly cutSize?: number;
    }
  | RejectedRequest;

export interface RejectedRequest {
  readonly kind: "rejected";
  readonly reason: RejectReason;
  /** which command was refused, from 0; of a failed compare, which of these */
  readonly commandIndex: number;
  readonly revision: number;
  /** the key's state that refused it */
  readonly current: KeyValue | undefined;
  /** of "conflict": what changed, at most 100 */
  readonly conflicts?: readonly Conflict[];
}

/**
 * What one request may hold: a node's own, checked at its doors before anything is proposed. An
 * append is checked by what it adds; what it makes of a value is the fold's to refuse, by the
 * default of `valueSizeMax` whatever a node's own is.
 */
export interface Limits {
  /** bytes; default 8 KiB */
  readonly keySizeMax: number;
  /** bytes; default 1 MiB */
  readonly valueSizeMax: number;
  /** bytes of keys and values of one request together; default 4 MiB */
  readonly requestSizeMax: number;
}

/** `valueSizeMax` is what the fold bounds appends by: with another one, old logs would mean something else. */
export const DEFAULT_LIMITS: Limits = {
  keySizeMax: 8 * 1024,
  valueSizeMax: 1024 * 1024,
  requestSizeMax: 4 * 1024 * 1024,
};
