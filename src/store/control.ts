/**
 * What the commands do that are no work on keys by themselves: leases, sessions,
 * transactions, and the store's upkeep. Each stands alone in its request.
 */
import { unreachable } from "../assert.js";
import type {
  CommandResult,
  Conflict,
  ControlCommand,
  LeaseCommand,
  LeaseDetail,
  Limits,
  RejectedRequest,
  RejectReason,
  RequestResult,
  ResultDetail,
  SessionCommand,
  TransactionCommand,
} from "./command.js";
import { runKeyCommand } from "./key-commands.js";
import { textBytes } from "./key-order.js";
import { KEY_LEASE_MIN, type Lease } from "./lease.js";
import type { State } from "./state.js";
import {
  conflictsOfTransaction,
  rollbackTo,
  setSavepoint,
  stage,
  transactionDetail,
  type Transaction,
} from "./transaction.js";

/** leases and keys that one "expire" ends, about; the rest is due at once again */
const EXPIRED_COUNT_MAX = 10_000;

export function runControlCommand(
  state: State,
  limits: Limits,
  command: ControlCommand,
): RequestResult {
  switch (command.kind) {
    case "grantLease":
    case "keepLease":
    case "revokeLease":
      return runLeaseCommand(state, command);
    case "openSession":
    case "keepSession":
    case "closeSession":
      return runSessionCommand(state, command);
    case "begin":
    case "stage":
    case "savepoint":
    case "rollbackTo":
    case "commit":
    case "rollback":
      return runTransactionCommand(state, limits, command);
    case "compact":
      return compact(state, command.revision);
    case "expire":
      return expire(state);
    default:
      return unreachable(command);
  }
}

function applied(state: State, detail?: ResultDetail, deletedCount = 0): RequestResult {
  const result: CommandResult = { previous: undefined, current: undefined, deletedCount };
  const results = [detail === undefined ? result : { detail, ...result }];
  return { kind: "applied", revision: state.map.revision, results };
}

export function rejected(
  state: State,
  reason: RejectReason,
  commandIndex = 0,
  current?: RejectedRequest["current"],
): RejectedRequest {
  return { kind: "rejected", reason, commandIndex, revision: state.map.revision, current };
}

// ---- leases ----------------------------------------------------------------

function runLeaseCommand(state: State, command: LeaseCommand): RequestResult {
  const { leases, clock } = state;
  const lease = leases.granted(command.lease);
  if (command.kind === "grantLease") {
    if (lease !== undefined) return rejected(state, "lease-exists");
    if (command.lease >= KEY_LEASE_MIN) return rejected(state, "invalid");
    if (leases.isFull) return rejected(state, "too-many");
    const granted = leases.grant(command.lease, command.ttl, clock.runTime + command.ttl);
    return applied(state, leaseDetail(granted, command.ttl));
  }
  if (lease === undefined) return rejected(state, "lease-not-found");
  if (command.kind === "keepLease") {
    leases.keep(lease, clock.runTime);
    return applied(state, leaseDetail(lease, lease.deadline - clock.runTime));
  }
  leases.remove(lease);
  const deletedCount = deleteKeys(state, [lease]);
  return applied(state, leaseDetail(lease, 0), deletedCount);
}

export function leaseDetail({ id, ttl }: Lease, remaining: number): LeaseDetail {
  return { kind: "lease", lease: id, ttl, remaining };
}

/** Deletes the keys of leases that have ended, in one revision. @returns how many */
function deleteKeys({ map, clock }: State, ended: readonly Lease[]): number {
  map.begin(clock.logTime);
  let count = 0;
  for (const lease of ended) {
    // In the keys' order: the set's own is forgotten by a snapshot.
    for (const text of [...lease.keys].sort()) {
      const record = map.findKey(textBytes(text));
      if (record === 0) continue;
      map.delete(record);
      count += 1;
    }
  }
  map.end();
  return count;
}

// ---- sessions --------------------------------------------------------------

function runSessionCommand(state: State, command: SessionCommand): RequestResult {
  const { sessions, clock } = state;
  switch (command.kind) {
    case "openSession": {
      const opened = sessions.open(command.session, command.ttl, clock.runTime);
      return opened ? applied(state) : rejected(state, "too-many");
    }
    case "keepSession": {
      const kept = sessions.keep(command.session, clock.runTime);
      return kept ? applied(state) : rejected(state, "session-expired");
    }
    case "closeSession":
      sessions.close(command.session);
      return applied(state);
    default:
      return unreachable(command);
  }
}

// ---- transactions ----------------------------------------------------------

function runTransactionCommand(
  state: State,
  limits: Limits,
  command: TransactionCommand,
): RequestResult {
  const { transactions, clock, map } = state;
  const finished = transactions.finished(command.transaction);
  if (finished !== undefined) {
    const { status } = finished.detail;
    const same =
      (command.kind === "commit" && status !== "rolled-back") ||
      (command.kind === "rollback" && status === "rolled-back");
    return same ? finished.answer : rejected(state, "transaction-finished");
  }
  const transaction = transactions.get(command.transaction);
  if (command.kind === "begin") {
    if (transaction !== undefined) return applied(state, transactionDetail(transaction, "open"));
    if (transactions.isFull) return rejected(state, "too-many");
    const { isolation, idle } = command;
    const at = { revision: map.revision, runTime: clock.runTime };
    const begun = transactions.begin(command.transaction, isolation, idle, at);
    return applied(state, transactionDetail(begun, "open"));
  }
  if (transaction === undefined) return rejected(state, "transaction-unknown");
  transactions.touch(transaction, clock.runTime);
  switch (command.kind) {
    case "stage":
      return stage(transaction, command.commands, command.reads)
        ? applied(state, transactionDetail(transaction, "open"))
        : rejected(state, "transaction-too-large");
    case "savepoint":
      return setSavepoint(transaction, command.name)
        ? applied(state, transactionDetail(transaction, "open"))
        : rejected(state, "too-many");
    case "rollbackTo":
      return rollbackTo(transaction, command.name)
        ? applied(state, transactionDetail(transaction, "open"))
        : rejected(state, "savepoint-unknown");
    case "rollback": {
      const detail = transactionDetail(transaction, "rolled-back");
      const answer = applied(state, detail);
      transactions.finish(transaction, detail, answer, clock.runTime);
      return answer;
    }
    case "commit":
      return commitTransaction(state, limits, transaction);
    default:
      return unreachable(command);
  }
}

function commitTransaction(state: State, limits: Limits, transaction: Transaction): RequestResult {
  const { transactions, map, clock } = state;
  const conflicts = conflictsOfTransaction(map, transaction);
  if (conflicts === "too-old") return rejected(state, "transaction-too-old");
  if (conflicts.length > 0) return endInConflict(state, transaction, conflicts);
  map.begin(clock.logTime);
  for (const command of transaction.commands) {
    const result = runKeyCommand(state, limits, command, "nothing");
    if ("refused" in result) {
      map.takeBack();
      return rejected(state, result.refused);
    }
  }
  map.end();
  const detail = transactionDetail(transaction, "committed", map.revision);
  const answer = applied(state, detail);
  transactions.finish(transaction, detail, answer, clock.runTime);
  return answer;
}

function endInConflict(
  state: State,
  transaction: Transaction,
  conflicts: readonly Conflict[],
): RequestResult {
  const answer = { conflicts, ...rejected(state, "conflict") };
  const detail = transactionDetail(transaction, "conflict");
  state.transactions.finish(transaction, detail, answer, state.clock.runTime);
  return answer;
}

// ---- upkeep ----------------------------------------------------------------

function compact(state: State, revision: number): RequestResult {
  const { map } = state;
  if (revision <= map.compactedRevision) return rejected(state, "revision-compacted");
  if (revision > map.revision) return rejected(state, "revision-future");
  map.compact(revision);
  return applied(state);
}

/** Ends what has run out by now: leases with their keys, sessions, idle transactions. */
function expire(state: State): RequestResult {
  const { leases, sessions, transactions, clock } = state;
  const { runTime } = clock;
  const ended: Lease[] = [];
  let count = 0;
  while (count < EXPIRED_COUNT_MAX) {
    const lease = leases.takeExpired(runTime);
    if (lease === undefined) break;
    ended.push(lease);
    count += 1 + lease.keys.size;
  }
  const deletedCount = ended.length === 0 ? 0 : deleteKeys(state, ended);
  while (sessions.expireNext(runTime));
  for (;;) {
    const transaction = transactions.nextIdle(runTime);
    if (transaction === undefined) break;
    const answer = rejected(state, "transaction-finished");
    transactions.finish(transaction, transactionDetail(transaction, "expired"), answer, runTime);
  }
  transactions.forgetFinished(runTime);
  return applied(state, undefined, deletedCount);
}
