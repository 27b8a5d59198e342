/**
 * The rows behind the keys, both ways: sessions and their answers, transactions,
 * what became of requests. In rows:
 *
 *   session      id; createRevision: acknowledged; modRevision: deadline; version: ttl
 *   answer       id of the session; createRevision: sequence; value: answer.ts
 *   transaction  id; createRevision: read revision; modRevision: deadline; version: idle
 *                time; lease: 1 + isolation
 *   staged       id of the transaction; version: 0 delete, 1 put, 2 deleteRange; key;
 *                value: of a put, or the end of the range; createRevision: 0 no expiry,
 *                1 lease, 2 ttl (in modRevision), 3 until (in time), 4 keep
 *   savepoint    id of the transaction; key: its name; version: commands staged before it
 *   read         id of the transaction; key; version: 0 one key, 1 a range to `value`
 *   finished     id of the transaction; createRevision: read revision; modRevision:
 *                revision of the commit; version: status; lease: 1 + isolation;
 *                time: deadline, which is run time; value: answer.ts
 *   outcome      id of the request; modRevision: its revision, 0 when it was rejected;
 *                version: generation
 *
 * Deadlines are run time. Within a kind rows are in the order in which things came,
 * answers in the order of their sequences.
 */
import { unreachable } from "../assert.js";
import { decodeAnswer, encodeAnswer, ISOLATIONS, oneOf, STATUSES } from "./answer.js";
import { MalformedBytes } from "./bytes.js";
import type { Expiry, RequestResult, StagedCommand, StagedRead } from "./command.js";
import { keyText, textBytes } from "./key-order.js";
import type { Outcomes } from "./outcome.js";
import { keepAnswer, type SessionState } from "./session.js";
import { type StateRow, stateRow } from "./state-row.js";
import type { State } from "./state.js";
import {
  type FinishedTransaction,
  stage,
  type Transaction,
  type TransactionState,
} from "./transaction.js";

/** What the rows behind the keys are made of; each may be gone through more than once. */
export interface TailParts {
  readonly sessions: Iterable<SessionState>;
  readonly open: Iterable<TransactionState>;
  readonly finished: Iterable<FinishedTransaction>;
  readonly generations: Outcomes["generations"];
}

/** What is looked at, whether it has rows or not, before others may go on. */
const LOOK_COUNT = 1000;
type Rows = Generator<StateRow | undefined, void>;

/** Made as they are asked for; undefined: much was looked at that has no row. */
export function* tailRows({ sessions, open, finished, generations }: TailParts): Rows {
  for (const { id, acknowledged, deadline, ttl } of sessions) {
    yield stateRow("session", {
      id,
      createRevision: acknowledged,
      modRevision: deadline,
      version: ttl,
    });
  }
  yield* rowsOfEach(sessions, answerRows);
  for (const transaction of open) yield transactionRow(transaction);
  yield* rowsOfEach(open, stagedRows);
  yield* rowsOfEach(open, savepointRows);
  yield* rowsOfEach(open, readRows);
  for (const { id, deadline, detail, answer } of finished) {
    yield stateRow("finished", {
      id,
      value: encodeAnswer(answer),
      createRevision: detail.readRevision,
      modRevision: detail.revision,
      version: STATUSES.indexOf(detail.status),
      lease: 1 + ISOLATIONS.indexOf(detail.isolation),
      time: deadline,
    });
  }
  yield* outcomeRows(generations);
}

function* rowsOfEach<Item>(items: Iterable<Item>, rowsOf: (item: Item) => Rows): Rows {
  let lookCount = 0;
  for (const item of items) {
    lookCount += 1;
    if (lookCount % LOOK_COUNT === 0) yield undefined;
    yield* rowsOf(item);
  }
}

function* answerRows({ id, answers }: SessionState): Rows {
  if (answers.size === 0) return;
  for (const [sequence, answer] of [...answers].sort(([a], [b]) => a - b)) {
    yield stateRow("answer", { id, createRevision: sequence, value: encodeAnswer(answer) });
  }
}

// What a transaction has may grow at its end while its rows are made: what comes later is not of the view.

function* stagedRows({ id, commands }: TransactionState): Rows {
  const count = commands.length;
  for (let i = 0; i < count; i++) {
    const command = commands[i];
    if (command !== undefined) yield stagedRow(id, command);
  }
}

function* savepointRows({ id, savepoints }: TransactionState): Rows {
  for (const [name, version] of [...savepoints]) {
    yield stateRow("savepoint", { id, key: textBytes(name), version });
  }
}

function* readRows({ id, reads }: TransactionState): Rows {
  const count = reads.length;
  for (let i = 0; i < count; i++) {
    const read = reads[i];
    if (read !== undefined) yield readRow(id, read);
  }
}

function* outcomeRows(generations: Outcomes["generations"]): Generator<StateRow> {
  for (const [version, { generation, count }] of generations.entries()) {
    for (let i = 0; i < count; i++) {
      const modRevision = generation.revisionAt(i);
      yield stateRow("outcome", { id: generation.idAt(i), modRevision, version });
    }
  }
}

function transactionRow(transaction: TransactionState): StateRow {
  const { id, readRevision, deadline, idle, isolation } = transaction;
  return stateRow("transaction", {
    id,
    createRevision: readRevision,
    modRevision: deadline,
    version: idle,
    lease: 1 + ISOLATIONS.indexOf(isolation),
  });
}

function stagedRow(id: Uint8Array, command: StagedCommand): StateRow {
  const { key } = command;
  switch (command.kind) {
    case "delete":
      return stateRow("staged", { id, key });
    case "put":
      return stateRow("staged", {
        id,
        key,
        value: command.value,
        version: 1,
        ...expiryFields(command.expiry),
      });
    case "deleteRange":
      return stateRow("staged", { id, key, value: command.end, version: 2 });
    default:
      return unreachable(command);
  }
}

function expiryFields(expiry: Expiry | undefined): Partial<StateRow> {
  switch (expiry?.kind) {
    case undefined:
      return {};
    case "lease":
      return { createRevision: 1, lease: expiry.lease };
    case "ttl":
      return { createRevision: 2, modRevision: expiry.ttl };
    case "until":
      return { createRevision: 3, time: expiry.time };
    case "keep":
      return { createRevision: 4 };
  }
}

function readRow(id: Uint8Array, { key, end }: StagedRead): StateRow {
  return end === undefined
    ? stateRow("read", { id, key })
    : stateRow("read", { id, key, value: end, version: 1 });
}

// ---- the way back ----------------------------------------------------------

/** Takes a row back. @throws {MalformedBytes} when it cannot stand here */
export function takeTailRow({ sessions, transactions, outcomes }: State, row: StateRow): void {
  const { id, createRevision, modRevision, version, lease } = row;
  switch (row.kind) {
    case "session":
      must(sessions.get(id) === undefined, "a session stands twice");
      sessions.restore(new Uint8Array(id), version, modRevision, createRevision);
      return;
    case "answer": {
      const session = sessions.get(id);
      must(session !== undefined, "an answer has no session");
      must(createRevision > session.acknowledged, "an answer was acknowledged");
      must(!session.answers.has(createRevision), "an answer stands twice");
      keepAnswer(session, createRevision, decodeAnswer(row.value));
      return;
    }
    case "transaction":
      must(transactions.get(id) === undefined, "a transaction stands twice");
      transactions.restoreOpen(
        id,
        oneOf(ISOLATIONS, lease - 1),
        createRevision,
        version,
        modRevision,
      );
      return;
    case "staged":
      must(stage(openOf(transactions, id), [stagedCommand(row)], []), "too much is staged");
      return;
    case "savepoint":
      must(version <= openOf(transactions, id).commands.length, "a savepoint lies ahead");
      openOf(transactions, id).savepoints.set(keyText(row.key), version);
      return;
    case "read":
      must(stage(openOf(transactions, id), [], [stagedRead(row)]), "too much is read");
      return;
    case "finished":
      takeFinished(transactions, row);
      return;
    case "outcome":
      must(version <= 1, "there are two generations of outcomes");
      outcomes.restore(id, modRevision, version === 1);
      return;
    default:
      throw new MalformedBytes(`a row "${row.kind}" does not stand behind the keys`);
  }
}

function takeFinished(transactions: State["transactions"], row: StateRow): void {
  must(transactions.finished(row.id) === undefined, "a finished transaction stands twice");
  const answer: RequestResult = decodeAnswer(row.value);
  transactions.restoreFinished(
    {
      kind: "transaction",
      transaction: new Uint8Array(row.id),
      status: oneOf(STATUSES, row.version),
      isolation: oneOf(ISOLATIONS, row.lease - 1),
      readRevision: row.createRevision,
      revision: row.modRevision,
    },
    answer,
    row.time,
  );
}

function openOf(transactions: State["transactions"], id: Uint8Array): Transaction {
  const transaction = transactions.get(id);
  must(transaction !== undefined, "a row has no transaction");
  return transaction;
}

function stagedCommand(row: StateRow): StagedCommand {
  const { key, value } = row;
  switch (row.version) {
    case 0:
      return { kind: "delete", key };
    case 1: {
      const put = { kind: "put" as const, key, value, condition: "none" as const };
      const expiry = expiryOf(row);
      return expiry === undefined ? put : { expiry, ...put };
    }
    case 2:
      return { kind: "deleteRange", key, end: value };
    default:
      throw new MalformedBytes("a staged command is not known");
  }
}

function expiryOf({ createRevision, modRevision, lease, time }: StateRow): Expiry | undefined {
  switch (createRevision) {
    case 0:
      return undefined;
    case 1:
      return { kind: "lease", lease };
    case 2:
      return { kind: "ttl", ttl: modRevision };
    case 3:
      return { kind: "until", time };
    case 4:
      return { kind: "keep" };
    default:
      throw new MalformedBytes("an expiry is not known");
  }
}

function stagedRead({ key, value, version }: StateRow): StagedRead {
  must(version <= 1, "a read is of a key or of a range");
  return version === 0 ? { key } : { key, end: value };
}

function must(condition: boolean, truth: string): asserts condition {
  if (!condition) throw new MalformedBytes(truth);
}
