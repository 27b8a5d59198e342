/** Requests with conditions, and their answers: etcd's transactions, and the short forms of them. */
import type { Compare, KeyCommand, Request, RequestResult } from "../store/command.js";
import type {
  Condition,
  Decision,
  DecisionOperation,
  DecisionOperationResult,
  DecisionResult,
} from "../decision.js";
import type { ConditionalResult } from "../operations.js";
import { rejection } from "./rejection.js";
import { batchCommand, bytesOf, deleteRangeCommand, keyOf, rangeOf, recordOf } from "./request.js";
import { invalid } from "./failures.js";

/** Keys that one `list` of a decision may find. */
const LIST_LIMIT_MAX = 1000;

const RELATIONS: ReadonlySet<unknown> = new Set(["=", "!=", "<", ">"]);
const NUMBERS: ReadonlySet<unknown> = new Set([
  "version",
  "createRevision",
  "modRevision",
  "lease",
]);

/** @throws {DatabaseError} INVALID_ARGUMENT */
export function decisionRequest(id: Uint8Array, decision: Decision): Request {
  const { when, then, otherwise } = decision;
  if (when.length === 0) throw invalid("a decision needs at least one condition: see `batch`");
  if (then.length === 0 || otherwise?.length === 0)
    throw invalid("a branch of a decision needs at least one operation");
  const request = { id, commands: then.map(commandOf), compares: when.map(compareOf) };
  return otherwise === undefined ? request : { ...request, otherwise: otherwise.map(commandOf) };
}

function compareOf(condition: Condition): Compare {
  const { target, relation } = condition;
  if (!RELATIONS.has(relation))
    throw invalid('the relation of a condition is "=", "!=", "<" or ">"');
  const key = keyOf(condition.key);
  if (target === "value")
    return { target, relation, key, value: bytesOf(condition.value, "value") };
  if (!NUMBERS.has(target))
    throw invalid("a condition is on version, createRevision, modRevision, lease or value");
  return { target, relation, key, number: condition.number };
}

function commandOf(operation: DecisionOperation): KeyCommand {
  switch (operation.kind) {
    case "deleteRange":
      return deleteRangeCommand(operation.range);
    case "get":
      return { kind: "get", key: keyOf(operation.key) };
    case "list": {
      const { from, end } = rangeOf(operation.range);
      return { kind: "getRange", key: from, end, limit: operation.limit ?? LIST_LIMIT_MAX };
    }
    default:
      return batchCommand(operation);
  }
}

/** @throws {DatabaseError} what refused it, but not that its conditions do not hold */
export function decisionResultOf(request: Request, result: RequestResult): DecisionResult {
  const { revision } = result;
  if (result.kind === "applied") {
    const results = result.results.map(operationResultOf);
    return { revision, succeeded: result.succeeded ?? true, results };
  }
  if (result.reason === "condition-failed" && request.otherwise === undefined)
    return { revision, succeeded: false, results: [] };
  throw rejection(request, result);
}

function operationResultOf(
  result: Extract<RequestResult, { kind: "applied" }>["results"][number],
): DecisionOperationResult {
  const { previous, deletedCount: deleted, detail } = result;
  const found = detail?.kind === "range" ? detail : { keyValues: [], more: false };
  return {
    previous: recordOf(previous),
    deleted,
    records: found.keyValues.map((keyValue) => recordOf(keyValue)),
    more: found.more,
  };
}

/** @throws {DatabaseError} what refused it, but not that its condition does not hold */
export function conditionalResultOf(request: Request, result: RequestResult): ConditionalResult {
  const { revision } = result;
  if (result.kind === "applied") return { applied: true, revision };
  if (result.reason !== "condition-failed") throw rejection(request, result);
  return { applied: false, revision, current: recordOf(result.current) };
}
