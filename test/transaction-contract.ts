/**
 * The contract of transactions, both kinds, and the table of anomalies: what each
 * level of isolation lets happen, as two transactions that get in each other's way.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Database } from "../src/database.js";
import { DatabaseError } from "../src/errors.js";
import type { KeyRecord } from "../src/operations.js";
import type { Isolation, TransactionBody } from "../src/transaction.js";
import { rejectsWith } from "./rejections.js";

const text = (record: KeyRecord | undefined): string | undefined =>
  record === undefined ? undefined : Buffer.from(record.value).toString("utf8");

async function keysOf(records: AsyncIterable<KeyRecord>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of records) keys.push(Buffer.from(key).toString("utf8"));
  return keys;
}

export function describeTransactions(db: () => Database): void {
  describe("transactions", () => {
    describeHeld(db);
    describeLocal(db);
    describeAnomalies(db);
  });
}

function describeHeld(db: () => Database): void {
  it("one that the cluster holds shows its own writes to itself alone, until its commit", async () => {
    await db().put("t/a", "1");
    await using tx = await db().begin();
    await tx.put("t/a", "2");
    await tx.put("t/b", "2");
    await tx.delete("t/c");
    assert.equal(text(await tx.get("t/a")), "2");
    assert.deepEqual(await keysOf(tx.list({ prefix: "t/" })), ["t/a", "t/b"]);
    assert.equal(text(await db().get("t/a")), "1");
    const { current } = await db().revisions();
    const { revision } = await tx.commit();
    assert.equal(revision, current + 1);
    assert.equal(text(await db().get("t/a")), "2");
  });

  it("goes on in another hand by its id, with what the first one has read", async () => {
    await db().put("t/a", "1");
    const tx = await db().begin();
    await tx.get("t/a");
    await tx.put("t/b", "1");
    const id = await tx.detach();
    const other = await db().transaction(id);
    assert.deepEqual([other.readRevision, other.isolation], [tx.readRevision, "serializable"]);
    await db().put("t/a", "2");
    const error = await rejectsWith(other.commit(), "CONFLICT");
    assert.equal(error.conflicts?.length, 1);
    assert.equal(Buffer.from(error.conflicts[0]?.key ?? []).toString(), "t/a");
    assert.ok((error.conflicts[0]?.currentRevision ?? 0) > (error.conflicts[0]?.readRevision ?? 0));
    assert.equal(await db().get("t/b"), undefined);
  });

  it("reads one moment, whatever happens meanwhile", async () => {
    await db().put("t/a", "1");
    await using tx = await db().begin();
    await db().put("t/a", "2");
    await db().put("t/b", "2");
    assert.equal(text(await tx.get("t/a")), "1");
    assert.deepEqual(await keysOf(tx.list({ prefix: "t/" })), ["t/a"]);
  });

  it("its commit tells the same when it is asked again, here and by another", async () => {
    const tx = await db().begin();
    await tx.put("t/a", "1");
    const first = await tx.commit();
    assert.deepEqual(await tx.commit(), first);
    assert.deepEqual(await (await db().transaction(tx.id)).commit(), first);
    const info = await tx.status();
    assert.deepEqual([info.status, info.revision], ["committed", first.revision]);
    await rejectsWith(tx.rollback(), "TRANSACTION_GONE");
    await rejectsWith(tx.put("t/a", "2"), "TRANSACTION_GONE");
    await rejectsWith(tx.get("t/a"), "TRANSACTION_GONE");
  });

  it("a rollback leaves no trace, and may be said twice", async () => {
    const tx = await db().begin();
    await tx.put("t/a", "1");
    await tx.rollback();
    await tx.rollback();
    assert.equal(await db().get("t/a"), undefined);
    assert.equal((await tx.status()).status, "rolled-back");
    await rejectsWith(tx.commit(), "TRANSACTION_GONE");
  });

  it("leaving its block without a commit rolls it back", async () => {
    let id = "";
    {
      await using tx = await db().begin();
      id = tx.id;
      await tx.put("t/a", "1");
      const open = await db().transactions();
      assert.ok(open.some((each) => each.id === id && each.status === "open"));
    }
    assert.equal((await (await db().transaction(id)).status()).status, "rolled-back");
    assert.ok(!(await db().transactions()).some((each) => each.id === id));
  });

  for (const { options, code } of [
    { options: { signal: AbortSignal.abort() }, code: "ABORTED" },
    { options: { timeoutMs: -1 }, code: "INVALID_ARGUMENT" },
  ] as const) {
    it(`leaving its block after a commit that failed as ${code} rolls it back`, async () => {
      let id = "";
      {
        await using tx = await db().begin();
        id = tx.id;
        await tx.put("t/a", "1");
        await rejectsWith(tx.commit(options), code);
      }
      assert.equal((await (await db().transaction(id)).status()).status, "rolled-back");
    });
  }

  it("what is done after a savepoint can be dropped", async () => {
    await using tx = await db().begin();
    await tx.put("t/a", "1");
    await tx.savepoint("one");
    await tx.put("t/a", "2");
    await tx.deleteRange({ prefix: "t/" });
    await tx.rollbackTo("one");
    assert.equal(text(await tx.get("t/a")), "1");
    await rejectsWith(tx.rollbackTo("two"), "INVALID_ARGUMENT");
    await tx.commit();
    assert.equal(text(await db().get("t/a")), "1");
  });

  const nonsense: readonly {
    readonly id: string;
    readonly code: "INVALID_ARGUMENT" | "TRANSACTION_GONE";
  }[] = [
    { id: "", code: "INVALID_ARGUMENT" },
    { id: "xyz", code: "INVALID_ARGUMENT" },
    { id: "00".repeat(15), code: "INVALID_ARGUMENT" },
    { id: "00".repeat(16), code: "TRANSACTION_GONE" },
  ];
  for (const { id, code } of nonsense) {
    it(`the id "${id}" is refused as ${code}`, async () => {
      await rejectsWith(db().transaction(id), code);
    });
  }

  it("a transaction that is too large says so, and goes on without what was too much", async () => {
    await using tx = await db().begin();
    const value = new Uint8Array(1024 * 1024);
    await tx.put("t/small", "1");
    for (let i = 0; i < 9; i += 1) await tx.put(`t/${i}`, value);
    await rejectsWith(tx.put("t/9", value), "REQUEST_TOO_LARGE");
    assert.equal((await tx.status()).status, "open");
    await tx.commit();
    assert.equal((await keysOf(db().list({ prefix: "t/" }))).length, 10);
  });
}

function describeLocal(db: () => Database): void {
  it("one of this process is sent whole, and returns what its function does", async () => {
    await db().put("t/a", "1");
    const seen = await db().transact(async (tx) => {
      const before = text(await tx.get("t/a"));
      await tx.put("t/a", "2");
      await tx.put("t/b", "2");
      await tx.delete("t/absent");
      assert.equal(text(await tx.get("t/a")), "2");
      assert.deepEqual(await keysOf(tx.list({ prefix: "t/" })), ["t/a", "t/b"]);
      await tx.savepoint("s");
      await tx.deleteRange({ prefix: "t/" });
      assert.equal(await tx.get("t/a"), undefined);
      assert.deepEqual(await keysOf(tx.list({ prefix: "t/" })), []);
      await tx.rollbackTo("s");
      return before;
    });
    assert.equal(seen, "1");
    assert.deepEqual(await keysOf(db().list({ prefix: "t/" })), ["t/a", "t/b"]);
  });

  it("its function runs again when it conflicts, and only then", async () => {
    await db().put("t/n", "0");
    let runs = 0;
    await db().transact(async (tx) => {
      runs += 1;
      const n = Number(text(await tx.get("t/n")));
      if (runs === 1) await db().put("t/n", "10");
      await tx.put("t/n", String(n + 1));
    });
    assert.deepEqual([runs, text(await db().get("t/n"))], [2, "11"]);
    let failed = 0;
    const broken = db().transact(async (tx) => {
      failed += 1;
      await tx.put("t/n", "99");
      throw new TypeError("mine");
    });
    await assert.rejects(broken, TypeError);
    assert.deepEqual([failed, text(await db().get("t/n"))], [1, "11"]);
    const ownConflict = db().transact(() => {
      failed += 1;
      throw new DatabaseError("CONFLICT", "somebody else's");
    });
    await rejectsWith(ownConflict, "CONFLICT");
    assert.equal(failed, 2);
  });

  it("gives up when its attempts are used up", async () => {
    await db().put("t/n", "0");
    let runs = 0;
    const lost = db().transact(
      async (tx) => {
        runs += 1;
        await tx.get("t/n");
        await db().put("t/n", String(runs));
        await tx.put("t/m", "1");
      },
      { attempts: 3 },
    );
    const error = await rejectsWith(lost, "CONFLICT");
    assert.equal(runs, 3);
    assert.equal(Buffer.from(error.conflicts?.[0]?.key ?? []).toString(), "t/n");
    await rejectsWith(
      db().transact(() => 1, { attempts: 0 }),
      "INVALID_ARGUMENT",
    );
  });

  it("a hundred increments at once lose none", async () => {
    await db().put("t/n", "0");
    const add = (): Promise<void> =>
      db().transact(
        async (tx) => {
          await tx.put("t/n", String(Number(text(await tx.get("t/n"))) + 1));
        },
        { attempts: 1000 },
      );
    for (let round = 0; round < 10; round += 1) await Promise.all(Array.from({ length: 10 }, add));
    assert.equal(text(await db().get("t/n")), "100");
  });

  it("is not used after its function", async () => {
    let leaked: TransactionBody | undefined;
    await db().transact((tx) => {
      leaked = tx;
    });
    assert.ok(leaked !== undefined);
    await rejectsWith(leaked.get("t/a"), "TRANSACTION_GONE");
    await rejectsWith(leaked.put("t/a", "1"), "TRANSACTION_GONE");
  });
}

/** One of two ways of holding a transaction, stepped through by hand. */
interface Stepped {
  readonly body: TransactionBody;
  /** @returns whether it committed, and not conflicted */
  commit(): Promise<boolean>;
}

async function held(db: Database, isolation: Isolation): Promise<Stepped> {
  const tx = await db.begin({ isolation });
  return { body: tx, commit: () => committed(tx.commit()) };
}

async function local(db: Database, isolation: Isolation): Promise<Stepped> {
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let whole: Promise<void> | undefined;
  const body = await new Promise<TransactionBody>((resolve) => {
    whole = db.transact(
      async (tx) => {
        // Any read says at which revision the transaction reads.
        await tx.get("anomaly/beginning");
        resolve(tx);
        await finished;
      },
      { isolation, attempts: 1 },
    );
  });
  return {
    body,
    commit: () => {
      finish();
      return committed(whole ?? Promise.resolve());
    },
  };
}

async function committed(commit: Promise<unknown>): Promise<boolean> {
  try {
    await commit;
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === "CONFLICT") return false;
    throw error;
  }
}

interface Anomaly {
  readonly name: string;
  /** @returns whether it happened */
  readonly happens: (db: Database, begin: () => Promise<Stepped>) => Promise<boolean>;
  /** whether it may, by isolation */
  readonly allowed: Readonly<Record<Isolation, boolean>>;
}

const NEVER = { serializable: false, snapshot: false } as const;

/** The table in docs/TRANSACTIONS.md is this one. */
export const ANOMALIES: readonly Anomaly[] = [
  {
    name: "dirty read",
    allowed: NEVER,
    happens: async (_db, begin) => {
      const tx = await begin();
      await tx.body.put("anomaly/a", "dirty");
      const other = await begin();
      const seen = text(await other.body.get("anomaly/a"));
      await tx.commit();
      return seen === "dirty";
    },
  },
  {
    name: "read skew",
    allowed: NEVER,
    happens: async (db, begin) => {
      const tx = await begin();
      const a = text(await tx.body.get("anomaly/a"));
      await db.batch([
        { kind: "put", key: "anomaly/a", value: "2" },
        { kind: "put", key: "anomaly/b", value: "2" },
      ]);
      return a !== text(await tx.body.get("anomaly/b"));
    },
  },
  {
    name: "lost update",
    allowed: NEVER,
    happens: async (_db, begin) => {
      const [one, two] = [await begin(), await begin()];
      await one.body.get("anomaly/a");
      await two.body.get("anomaly/a");
      await one.body.put("anomaly/a", "one");
      await two.body.put("anomaly/a", "two");
      const outcomes = [await one.commit(), await two.commit()];
      return outcomes.every((done) => done);
    },
  },
  {
    name: "write skew",
    allowed: { serializable: false, snapshot: true },
    happens: async (_db, begin) => {
      const [one, two] = [await begin(), await begin()];
      for (const { body } of [one, two]) {
        await body.get("anomaly/a");
        await body.get("anomaly/b");
      }
      await one.body.put("anomaly/a", "0");
      await two.body.put("anomaly/b", "0");
      const outcomes = [await one.commit(), await two.commit()];
      return outcomes.every((done) => done);
    },
  },
  {
    name: "phantom",
    allowed: { serializable: false, snapshot: true },
    happens: async (_db, begin) => {
      const [one, two] = [await begin(), await begin()];
      for (const { body } of [one, two]) await keysOf(body.list({ prefix: "anomaly/shift/" }));
      await one.body.put("anomaly/shift/one", "on");
      await two.body.put("anomaly/shift/two", "on");
      const outcomes = [await one.commit(), await two.commit()];
      return outcomes.every((done) => done);
    },
  },
];

function describeAnomalies(db: () => Database): void {
  for (const [holder, begin] of [
    ["held by the cluster", held],
    ["of this process", local],
  ] as const) {
    for (const isolation of ["serializable", "snapshot"] as const) {
      for (const { name, happens, allowed } of ANOMALIES) {
        const may = allowed[isolation] ? "may happen" : "does not happen";
        it(`${name} ${may} to ${isolation} transactions ${holder}`, async () => {
          await db().deleteRange({ prefix: "anomaly/" });
          await db().batch([
            { kind: "put", key: "anomaly/a", value: "1" },
            { kind: "put", key: "anomaly/b", value: "1" },
          ]);
          const happened = await happens(db(), () => begin(db(), isolation));
          assert.equal(happened, allowed[isolation]);
        });
      }
    }
  }
}
