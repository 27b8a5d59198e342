/**
 * What `balsa shell` understands: the one-shot commands' words and answers, in one
 * connection, and inside the transaction where there is one.
 */
import type { ParseArgsConfig } from "node:util";
import type { KeyRecord } from "../operations.js";
import { changeJson, changeLine } from "./change-lines.js";
import { parseAge } from "./duration.js";
import { CommandError, EXIT, usageError } from "./failure.js";
import { checkKey } from "./kv-arguments.js";
import { rangeOf } from "./range-arguments.js";
import { recordJson } from "./records.js";
import type { ShellState } from "./shell-state.js";
import { statusLines } from "./status-table.js";
import { bytesField } from "./text.js";
import { checkTransactionId, transactionJson } from "./transaction-arguments.js";

/** A person thinks longer than a script; the cluster ends a transaction of nobody after this. */
const IDLE_DEFAULT = "10m";

/** A line's words behind the command's name. */
export interface ShellArguments {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

export interface ShellCommand {
  /** arguments and flags, as help shows them; arguments in brackets may be left out */
  readonly usage: string;
  readonly summary: string;
  readonly flags?: NonNullable<ParseArgsConfig["options"]>;
  /** what its first argument is, for completion */
  readonly completes?: "key" | "savepoint" | "command";
  run(state: ShellState, given: ShellArguments): Promise<void>;
}

export const SHELL_COMMANDS: ReadonlyMap<string, ShellCommand> = new Map<string, ShellCommand>([
  [
    "get",
    {
      usage: "KEY [--revision N]",
      summary: "read a key",
      flags: { revision: { type: "string" } },
      completes: "key",
      run: get,
    },
  ],
  [
    "put",
    {
      usage: "KEY VALUE [--ttl 30s] [--if-absent]",
      summary: "set a key",
      flags: { ttl: { type: "string" }, "if-absent": { type: "boolean" } },
      completes: "key",
      run: put,
    },
  ],
  ["delete", { usage: "KEY", summary: "remove a key", completes: "key", run: remove }],
  [
    "list",
    {
      usage: "[PREFIX] [--limit N]",
      summary: "keys and values, in byte order",
      flags: { limit: { type: "string" } },
      completes: "key",
      run: list,
    },
  ],
  [
    "history",
    {
      usage: "KEY [--limit N] [--oldest-first]",
      summary: "what a key was, and when",
      flags: { limit: { type: "string" }, "oldest-first": { type: "boolean" } },
      completes: "key",
      run: history,
    },
  ],
  [
    "watch",
    {
      usage: "[PREFIX] [--key] [--from REV] [--limit N]",
      summary: "changes as they are made, until Ctrl-C",
      flags: { key: { type: "boolean" }, from: { type: "string" }, limit: { type: "string" } },
      completes: "key",
      run: watch,
    },
  ],
  [
    "begin",
    {
      usage: "[--snapshot] [--idle 10m]",
      summary: "begin a transaction: get, put, delete and list happen in it",
      flags: { snapshot: { type: "boolean" }, idle: { type: "string" } },
      run: begin,
    },
  ],
  ["resume", { usage: "ID", summary: "go on with a transaction by its id", run: resume }],
  ["commit", { usage: "", summary: "apply all it has written, or nothing", run: commit }],
  [
    "rollback",
    {
      usage: "[SAVEPOINT]",
      summary: "give it up, or what was done after a savepoint",
      completes: "savepoint",
      run: rollback,
    },
  ],
  [
    "savepoint",
    {
      usage: "NAME",
      summary: "mark a place to roll back to",
      completes: "savepoint",
      run: savepoint,
    },
  ],
  ["detach", { usage: "", summary: "leave it open, for others by its id", run: detach }],
  ["status", { usage: "", summary: "the transaction's state, or the cluster's", run: status }],
  ["help", { usage: "[COMMAND]", summary: "this", completes: "command", run: help }],
  ["exit", { usage: "", summary: "or Ctrl-D", run: exit }],
]);

async function get(state: ShellState, { words, flags, signal }: ShellArguments): Promise<void> {
  const key = checkKey(words[0] ?? "");
  const revision = wholeNumber(flags, "revision");
  if (revision !== undefined) checkOutside(state, "--revision");
  const record = await (state.transaction === undefined
    ? state.database.get(key, { signal, ...(revision !== undefined && { revision }) })
    : state.transaction.get(key, { signal }));
  if (record === undefined)
    throw new CommandError("NOT_FOUND", EXIT.notFound, `there is no key "${key}"`);
  if (state.isJson) {
    await state.output.json(recordJson(record));
  } else {
    await state.writeBytes(record.value);
    await state.output.write("\n");
  }
}

async function put(state: ShellState, { words, flags, signal }: ShellArguments): Promise<void> {
  const key = checkKey(words[0] ?? "");
  const value = words[1] ?? "";
  const ttl = text(flags, "ttl");
  const expiry = ttl === undefined ? {} : { ttlMs: parseAge(ttl, "--ttl") };
  const isIfAbsent = flags["if-absent"] === true;
  const keyJson = bytesField("key", Buffer.from(key));
  const { transaction } = state;
  if (transaction !== undefined) {
    if (isIfAbsent) checkOutside(state, "--if-absent");
    state.noteWrite();
    await transaction.put(key, value, { ...expiry, signal });
    if (state.isJson) await state.output.json({ id: transaction.id, ...keyJson });
    return;
  }
  const { revision } = await state.database.put(key, value, {
    ...expiry,
    signal,
    ...(isIfAbsent && { only: "if-absent" as const }),
  });
  await state.answer({ ...keyJson, revision }, `revision ${revision}`);
}

async function remove(state: ShellState, { words, signal }: ShellArguments): Promise<void> {
  const key = checkKey(words[0] ?? "");
  const keyJson = bytesField("key", Buffer.from(key));
  const { transaction } = state;
  if (transaction !== undefined) {
    state.noteWrite();
    await transaction.delete(key, { signal });
    if (state.isJson) await state.output.json({ id: transaction.id, ...keyJson });
    return;
  }
  const { revision, deleted } = await state.database.delete(key, { signal });
  await state.answer(
    { ...keyJson, revision, deleted },
    deleted === 0 ? `no such key, still revision ${revision}` : `deleted, revision ${revision}`,
  );
}

async function list(state: ShellState, { words, flags, signal }: ShellArguments): Promise<void> {
  const limit = wholeNumber(flags, "limit");
  const options = { signal, ...(limit !== undefined && { limit }) };
  const source = state.transaction ?? state.database;
  for await (const record of source.list({ prefix: words[0] ?? "" }, options)) {
    if (state.isJson) await state.output.json(recordJson(record));
    else await writeRecord(state, record);
  }
}

async function writeRecord(state: ShellState, { key, value }: KeyRecord): Promise<void> {
  await state.writeBytes(key);
  await state.output.write("\t");
  await state.writeBytes(value);
  await state.output.write("\n");
}

async function history(state: ShellState, { words, flags, signal }: ShellArguments): Promise<void> {
  const limit = wholeNumber(flags, "limit");
  const order = flags["oldest-first"] === true ? "oldest-first" : "newest-first";
  const options = { signal, order, ...(limit !== undefined && { limit }) } as const;
  for await (const change of state.database.history(checkKey(words[0] ?? ""), options))
    await state.answer(changeJson(change), changeLine(change));
}

async function watch(state: ShellState, { words, flags, signal }: ShellArguments): Promise<void> {
  const from = wholeNumber(flags, "from");
  let left = wholeNumber(flags, "limit") ?? Infinity;
  const range = rangeOf(words[0], flags["key"] === true);
  const options = { signal, ...(from !== undefined && { from }) };
  for await (const event of state.database.watch(range, options)) {
    if (event.kind === "caughtUp") state.note(`caught up at revision ${event.revision}`);
    if (event.kind !== "changes") continue;
    for (const change of event.changes.slice(0, left))
      await state.answer(changeJson(change), changeLine(change));
    // Whoever watches wants to see it now.
    await state.output.flush();
    left -= event.changes.length;
    if (left <= 0) return;
  }
}

async function begin(state: ShellState, { flags, signal }: ShellArguments): Promise<void> {
  checkOutside(state, "begin");
  const isolation = flags["snapshot"] === true ? "snapshot" : "serializable";
  const idleMs = parseAge(text(flags, "idle") ?? IDLE_DEFAULT, "--idle");
  const transaction = await state.database.begin({ isolation, idleMs, signal });
  state.enter(transaction, false);
  const { id, readRevision } = transaction;
  await state.answer({ id, readRevision }, id);
}

async function resume(state: ShellState, { words, signal }: ShellArguments): Promise<void> {
  checkOutside(state, "resume");
  const id = checkTransactionId(words[0] ?? "");
  const transaction = await state.database.transaction(id, { signal });
  const info = await transaction.status({ signal });
  if (info.status !== "open") {
    throw new CommandError(
      "TRANSACTION_GONE",
      EXIT.notFound,
      `transaction ${id} is not open any more: ${info.status}`,
      { tryThis: "begin" },
    );
  }
  state.enter(transaction, true);
  await state.answer({ id, readRevision: info.readRevision }, id);
}

async function commit(state: ShellState, { signal }: ShellArguments): Promise<void> {
  const transaction = state.held("commit");
  const { revision } = await transaction.commit({ signal });
  state.leave();
  await state.answer(
    { id: transaction.id, status: "committed", revision },
    `committed, revision ${revision}`,
  );
}

async function rollback(state: ShellState, { words, signal }: ShellArguments): Promise<void> {
  const transaction = state.held("rollback");
  const { id } = transaction;
  const [name] = words;
  if (name === undefined) {
    await transaction.rollback({ signal });
    state.leave();
    await state.answer({ id, status: "rolled-back" }, "rolled back");
  } else {
    await transaction.rollbackTo(name, { signal });
    state.noteRolledBackTo(name);
    await state.answer({ id, status: "open" }, `back at ${name}`);
  }
}

async function savepoint(state: ShellState, { words, signal }: ShellArguments): Promise<void> {
  const transaction = state.held("savepoint");
  const name = words[0] ?? "";
  await transaction.savepoint(name, { signal });
  state.noteSavepoint(name);
  if (state.isJson) await state.output.json({ id: transaction.id, savepoint: name });
}

async function detach(state: ShellState, { signal }: ShellArguments): Promise<void> {
  const id = await state.held("detach").detach({ signal });
  state.leave();
  await state.answer({ id, status: "open" }, id);
}

async function status(state: ShellState, { signal }: ShellArguments): Promise<void> {
  if (state.transaction !== undefined) {
    const info = await state.transaction.status({ signal });
    await state.answer(
      transactionJson(info),
      `${info.id} ${info.status} (${info.isolation}, reads revision ${info.readRevision})`,
    );
    return;
  }
  const cluster = await state.database.status({ signal });
  await state.answer(cluster, statusLines(cluster).join("\n"));
}

function exit(state: ShellState): Promise<void> {
  state.isOver = true;
  return Promise.resolve();
}

async function help(state: ShellState, { words }: ShellArguments): Promise<void> {
  const shown =
    words[0] === undefined ? [...SHELL_COMMANDS] : [[words[0], commandNamed(words[0])] as const];
  for (const [name, { usage, summary }] of shown) {
    const line = `${name} ${usage}`.trimEnd();
    await state.answer({ command: name, usage: line, summary }, `${line.padEnd(47)} ${summary}`);
  }
}

/** @throws {CommandError} usage, for a name that is none */
export function commandNamed(name: string): ShellCommand {
  const command = SHELL_COMMANDS.get(name);
  if (command !== undefined) return command;
  throw usageError(`there is no command ${name}`, [...SHELL_COMMANDS.keys()].join(" "));
}

/** @throws {CommandError} usage, inside a transaction */
function checkOutside(state: ShellState, what: string): void {
  if (state.transaction === undefined) return;
  throw usageError(
    `${what} is not for inside a transaction, which reads one moment and ends by its commit`,
    "commit, rollback or detach first",
  );
}

function text(flags: ShellArguments["flags"], name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** @throws {CommandError} usage, for what is no whole number from 1 on */
function wholeNumber(flags: ShellArguments["flags"], name: string): number | undefined {
  const value = text(flags, name);
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw usageError(`--${name} "${value}" is no whole number from 1 on`, `--${name} 10`);
}
