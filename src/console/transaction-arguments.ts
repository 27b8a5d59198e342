/** What the `tx` commands share: the id, and how a transaction is told. */
import { string } from "@oclif/core/args";
import type { TransactionInfo } from "../transaction.js";
import { usageError } from "./failure.js";

export const transactionArgument = string({
  description: "the id that `tx begin` printed",
  required: true,
  ignoreStdin: true,
});

/** @throws {CommandError} usage, for what cannot be an id */
export function checkTransactionId(id: string): string {
  if (/^[0-9a-f]{32}$/i.test(id)) return id.toLowerCase();
  throw usageError(
    `"${id}" is no transaction's id: it has 32 hex digits`,
    "balsa tx begin, or balsa tx list",
  );
}

export function transactionJson(info: TransactionInfo): Readonly<Record<string, unknown>> {
  const { id, status, isolation, readRevision, revision } = info;
  return { id, status, isolation, readRevision, ...(revision !== undefined && { revision }) };
}
