/**
 * Questions to a node beyond the plain get and range: each is looked up at the
 * moment of a linearizable read. Shared by the embedded Database and the native
 * door, so that both mean the same.
 *
 * The one that waits is "changes" (a watch between two pages): it looks at what
 * this node's store has already, and when there is nothing, waits for more. When
 * it has waited in vain, a linearizable read says up to which revision there is
 * nothing, or fails: a node that nobody talks to any more does not keep a watch
 * waiting for ever.
 */
import { unreachable } from "../assert.js";
import type { Found, Query } from "../codec/client-query.js";
import { DatabaseError } from "../errors.js";
import type { NodeService, StoreView } from "../node/service.js";
import type { KeyValue } from "../store/command.js";
import type { Change } from "../store/read.js";

export interface Answered {
  /** the store's */
  readonly revision: number;
  readonly found: Found;
}
export type QueryDone = (error: DatabaseError | undefined, answered: Answered | undefined) => void;

type ChangesQuery = Extract<Query, { kind: "changes" }>;
/** What of a node is asked. */
export type QuestionService = Pick<NodeService, "read" | "whenChanged" | "wallTime" | "now">;

/**
 * Asks `service`; `done` is called once, never before `runQuery` returned. Errors:
 * those of a read, REVISION_COMPACTED, REVISION_FUTURE, TRANSACTION_GONE.
 *
 * @returns how to give up: `done` is not called any more
 */
export function runQuery(
  service: QuestionService,
  query: Query,
  timeoutMs: number,
  done: QueryDone,
): () => void {
  if (query.kind === "changes" && query.waitMs > 0) {
    return waitForChanges(service, query, timeoutMs, done);
  }
  let wanted = true;
  service.read(timeoutMs, (error, store) => {
    if (wanted) answer(error, store, (view) => lookUp(view, query, service.wallTime()), done);
  });
  return () => {
    wanted = false;
  };
}

function waitForChanges(
  service: QuestionService,
  query: ChangesQuery,
  timeoutMs: number,
  done: QueryDone,
): () => void {
  const deadline = service.now() + query.waitMs;
  let wanted = true;
  let giveUp: (() => void) | undefined;
  const confirm = (since: number): void => {
    service.read(timeoutMs, (error, store) => {
      if (wanted) answer(error, store, (view) => changesOf(view, query, since), done);
    });
  };
  const wait = (since: number): void => {
    const leftMs = deadline - service.now();
    if (leftMs <= 0) {
      confirm(since);
      return;
    }
    giveUp = service.whenChanged(query, since, leftMs, (error, store, from) => {
      if (store === undefined) {
        if (error?.code === "TIMEOUT") confirm(from);
        else done(error, undefined);
        return;
      }
      const page = attempt(() => changesOf(store, query, from));
      if (page instanceof DatabaseError) done(page, undefined);
      else if (page.changes.length > 0) done(undefined, { revision: store.revision, found: page });
      else wait(page.nextRevision);
    });
  };
  wait(query.since);
  return () => {
    wanted = false;
    giveUp?.();
  };
}

function answer(
  error: DatabaseError | undefined,
  store: StoreView | undefined,
  look: (store: StoreView) => Found,
  done: QueryDone,
): void {
  if (store === undefined) {
    done(error, undefined);
    return;
  }
  const found = attempt(() => look(store));
  if (found instanceof DatabaseError) done(found, undefined);
  else done(undefined, { revision: store.revision, found });
}

function attempt<T>(look: () => T): T | DatabaseError {
  try {
    return look();
  } catch (error) {
    if (error instanceof DatabaseError) return error;
    throw error;
  }
}

/** @param now milliseconds since 1970 */
function lookUp(store: StoreView, query: Query, now: number): Found {
  switch (query.kind) {
    case "at":
      return { kind: "keyValue", keyValue: store.at(query.key, query.revision) };
    case "range":
      return { kind: "page", ...store.rangeAt(query.from, query.end, query.revision, query) };
    case "revisionAt":
      return { kind: "number", number: store.revisionAt(query.time) };
    case "bounds": {
      const { compactedRevision, logTime } = store;
      return { kind: "bounds", compactedRevision, logTime };
    }
    case "history":
      return historyOf(store, query);
    case "changes":
      return changesOf(store, query, query.since);
    case "remaining": {
      const remaining = store.remainingOf(query.key, now);
      return { kind: "number", number: remaining === undefined ? undefined : Math.ceil(remaining) };
    }
    case "lease": {
      const lease = store.lease(query.lease, now);
      const rounded = lease && { ...lease, remaining: Math.ceil(lease.remaining) };
      return { kind: "lease", lease: rounded };
    }
    case "leases":
      return { kind: "leases", leases: store.leases() };
    case "transaction": {
      const transaction = store.transaction(query.transaction);
      const transactions = transaction === undefined ? [] : [transaction];
      return { kind: "transactions", transactions };
    }
    case "transactions":
      return { kind: "transactions", transactions: store.transactions() };
    case "getIn": {
      const keyValue = store.getIn(query.transaction, query.key);
      return { kind: "keyValue", keyValue: known(keyValue, query.transaction) };
    }
    case "rangeIn": {
      const page = store.rangeIn(query.transaction, query.from, query.end, query);
      return { kind: "page", ...known(page, query.transaction) };
    }
    case "outcome":
      return { kind: "outcome", outcome: store.outcome(query.requestId) };
    default:
      return unreachable(query);
  }
}

function historyOf(store: StoreView, query: Extract<Query, { kind: "history" }>): Found {
  const { key, newestFirst, beyond, countMax, sizeMax } = query;
  const order = newestFirst ? "newest-first" : "oldest-first";
  const options = { order, countMax, sizeMax } as const;
  const { changes, more } = store.history(key, beyond === 0 ? options : { ...options, beyond });
  return { kind: "changes", changes, nextRevision: store.revision + 1, more };
}

function changesOf(
  store: StoreView,
  query: ChangesQuery,
  since: number,
): Extract<Found, { kind: "changes" }> {
  const { from, end, previous } = query;
  const page = store.changesSince(since, query);
  const within = page.changes.filter(({ key }) => {
    const afterFrom = Buffer.compare(key, from) >= 0;
    return afterFrom && (end.length === 0 || Buffer.compare(key, end) < 0);
  });
  const changes = previous ? within : within.map(withoutPrevious);
  return { kind: "changes", changes, nextRevision: page.nextRevision, more: page.more };
}

function withoutPrevious(change: Change): Change {
  return { ...change, previous: undefined };
}

function known<T extends KeyValue | object | undefined>(
  seen: T | "unknown",
  transaction: Uint8Array,
): T {
  if (seen !== "unknown") return seen;
  const id = Buffer.from(transaction).toString("hex");
  throw new DatabaseError(
    "TRANSACTION_GONE",
    `transaction ${id} is not open: it was never begun, has ended, or was idle for too long`,
  );
}
