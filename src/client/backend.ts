/**
 * What a Database stands on: a node of this process (embedded.ts), or a cluster
 * behind sockets (remote-database.ts). All that a user can do is made of these
 * few, in backed-database.ts, so that both mean the same.
 */
import type { AdminAction } from "../codec/admin-action.js";
import type { AnswerDetail } from "../codec/client-message.js";
import type { FoundFor, Query } from "../codec/client-query.js";
import type { SavedSnapshot } from "../codec/inspection-message.js";
import type { OperationOptions } from "../operations.js";
import type { AdminResult, ClusterStatus, HeldSnapshot, NodeInfo } from "../node/service.js";
import type { Entry, Term } from "../raft/types.js";
import type { KeyValue, Limits, Request, RequestResult } from "../store/command.js";
import type { KeyRange } from "./request.js";

/** What was found, and the store's revision where it was. */
export interface At<T> {
  readonly revision: number;
  readonly found: T;
}

export interface KeyPage {
  readonly keyValues: readonly KeyValue[];
  /** whether keys beyond the last one follow in the range */
  readonly more: boolean;
}

/** Every key and value is the receiver's own. Errors: the database's. */
export interface Backend {
  /** what may be handed over at all; a node's own limits may be lower */
  readonly limits: Limits;
  /** milliseconds that an operation may take unless it says otherwise */
  readonly timeoutMs: number;
  execute(
    request: Request,
    detail: AnswerDetail,
    options: OperationOptions | undefined,
  ): Promise<RequestResult>;
  get(key: Uint8Array, options: OperationOptions | undefined): Promise<At<KeyValue | undefined>>;
  page(
    range: KeyRange,
    countMax: number,
    options: OperationOptions | undefined,
  ): Promise<At<KeyPage>>;
  query<Q extends Query>(query: Q, options: OperationOptions | undefined): Promise<At<FoundFor<Q>>>;
  status(options: OperationOptions | undefined): Promise<ClusterStatus>;
  administer(action: AdminAction, options: OperationOptions | undefined): Promise<AdminResult>;
  info(options: OperationOptions | undefined): Promise<NodeInfo>;
  /** entries consecutive from `from`, each checked against its predecessor */
  readLog(
    from: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<readonly Entry[]>;
  checksumAt(
    index: number,
    options: OperationOptions | undefined,
  ): Promise<{ readonly term: Term; readonly checksum: number } | undefined>;
  snapshots(options: OperationOptions | undefined): Promise<readonly HeldSnapshot[]>;
  saveSnapshot(options: OperationOptions | undefined): Promise<SavedSnapshot>;
  /** at most `sizeMax` bytes from `offset` on; INVALID_ARGUMENT when it is not kept any more */
  readSaved(
    saved: SavedSnapshot,
    offset: number,
    sizeMax: number,
    options: OperationOptions | undefined,
  ): Promise<Uint8Array>;
  /** Idempotent. */
  close(): Promise<void>;
}
