/**
 * The contract of `Database`, as one suite that runs on every implementation:
 * embedded, remote, on a real cluster.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { Database } from "../src/database.js";
import { DatabaseError, type ErrorCode } from "../src/errors.js";
import type { Bytes, KeyRecord, Range } from "../src/operations.js";
import { DEFAULT_LIMITS } from "../src/store/command.js";
import { describeHistory } from "./history-contract.js";
import { describeLeases } from "./lease-contract.js";
import { describeKeyspaces } from "./keyspace-contract.js";
import { rejectsWith } from "./rejections.js";
import { describeTransactions } from "./transaction-contract.js";
import { describeWatches } from "./watch-contract.js";

/** A Database to be tried, and how to clear up behind it. */
export interface DatabaseFixture {
  readonly database: Database;
  /** Makes the node take requests and answer nothing; where it can be done. */
  readonly stall?: () => void;
  /** Lets so many milliseconds pass by the leader's clock; where it can be done. */
  readonly passTime?: (ms: number) => void;
  /** Clears up what stands behind the database; called after it was closed. */
  readonly cleanUp: () => Promise<void>;
}

export interface DatabaseContractOptions {
  /** whether the fixtures have `stall` */
  readonly canStall: boolean;
  /** whether the fixtures have `passTime` */
  readonly canPassTime: boolean;
}

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");

async function keysOf(records: AsyncIterable<KeyRecord>): Promise<(string | undefined)[]> {
  const keys: (string | undefined)[] = [];
  for await (const { key } of records) keys.push(text(key));
  return keys;
}

/** Runs the contract on what `open` gives; the store behind it may hold anything and is emptied. */
export function describeDatabaseContract(
  name: string,
  open: () => Promise<DatabaseFixture>,
  options: DatabaseContractOptions,
): void {
  describe(`${name}: the contract of Database`, () => {
    let fixture: DatabaseFixture;
    let db: Database;

    beforeEach(async () => {
      fixture = await open();
      db = fixture.database;
      await db.deleteRange({ prefix: "" });
    });
    afterEach(async () => {
      await db.close();
      await fixture.cleanUp();
    });

    describeBytes(() => db);
    describeWrites(() => db);
    describeListing(() => db);
    describeKeyspaces(() => db);
    describeHistory(() => db);
    describeTransactions(() => db);
    describeWatches(() => db);
    const passTime = (): ((ms: number) => void) => {
      assert.ok(fixture.passTime !== undefined);
      return fixture.passTime;
    };
    describeLeases(() => db, options.canPassTime ? passTime : undefined);
    describeEnds(() => fixture);
    if (options.canStall) describeStall(() => fixture);
  });
}

function describeBytes(db: () => Database): void {
  const pairs: readonly { readonly name: string; readonly key: Bytes; readonly value: Bytes }[] = [
    { name: "ASCII text", key: "key", value: "value" },
    { name: "multi-byte text", key: "schlüssel/鍵/🔑", value: "größe 🎈 値" },
    { name: "an empty value", key: "empty", value: "" },
    { name: "every byte", key: Uint8Array.of(0, 255, 128, 10), value: allBytes() },
    { name: "zero bytes", key: Uint8Array.of(0), value: Uint8Array.of(0, 0, 0) },
    { name: "a Buffer", key: Buffer.from("buffer"), value: Buffer.from("content") },
    { name: "a byte order mark", key: "\ufeffkey", value: "\ufeff" },
    { name: "invalid UTF-8", key: Uint8Array.of(0xc3, 0x28), value: Uint8Array.of(0xff, 0xfe) },
  ];
  for (const { name, key, value } of pairs) {
    it(`keeps ${name} byte for byte`, async () => {
      await db().put(key, value);
      const record = await db().get(key);
      assert.deepEqual(record?.key, bytesOf(key));
      assert.deepEqual(record.value, bytesOf(value));
    });
  }

  it("takes the bytes as they are at the call", async () => {
    const key = Uint8Array.of(1, 2, 3);
    const value = Uint8Array.of(4, 5, 6);
    const put = db().put(key, value);
    key.fill(9);
    value.fill(9);
    await put;
    const record = await db().get(Uint8Array.of(1, 2, 3));
    assert.deepEqual(record?.value, Uint8Array.of(4, 5, 6));
  });

  it("hands out bytes that belong to the user", async () => {
    await db().put("k", "value");
    const first = await db().get("k");
    first?.key.fill(0);
    first?.value.fill(0);
    const second = await db().get("k");
    assert.equal(text(second?.value), "value");
    assert.equal(text(second?.key), "k");
  });

  it("takes keys and values up to the limits", async () => {
    const key = "k".repeat(DEFAULT_LIMITS.keySizeMax);
    const value = new Uint8Array(DEFAULT_LIMITS.valueSizeMax).fill(7);
    await db().put(key, value);
    const put = await db().put(key, "small");
    assert.equal(put.previous?.value.length, value.length);
    assert.ok(Buffer.from(put.previous.value).equals(value));
  });

  const tooLong = "k".repeat(DEFAULT_LIMITS.keySizeMax + 1);
  const tooLarge = new Uint8Array(DEFAULT_LIMITS.valueSizeMax + 1);
  const refused: readonly {
    readonly name: string;
    readonly run: (db: Database) => Promise<unknown>;
    readonly code: ErrorCode;
  }[] = [
    { name: "an empty key to put", run: (d) => d.put("", "v"), code: "INVALID_ARGUMENT" },
    { name: "an empty key to get", run: (d) => d.get(""), code: "INVALID_ARGUMENT" },
    { name: "an empty key to delete", run: (d) => d.delete(""), code: "INVALID_ARGUMENT" },
    { name: "a key over the limit", run: (d) => d.put(tooLong, "v"), code: "KEY_TOO_LARGE" },
    { name: "a key over the limit to get", run: (d) => d.get(tooLong), code: "KEY_TOO_LARGE" },
    {
      name: "a key over the limit to delete",
      run: (d) => d.delete(tooLong),
      code: "KEY_TOO_LARGE",
    },
    { name: "a value over the limit", run: (d) => d.put("k", tooLarge), code: "VALUE_TOO_LARGE" },
    {
      name: "a value far over the limit",
      run: (d) => d.put("k", new Uint8Array(20 * 1024 * 1024)),
      code: "VALUE_TOO_LARGE",
    },
    {
      name: "a batch over the limit",
      run: (d) =>
        d.batch(
          Array.from({ length: 5 }, (_, i) => ({
            kind: "put" as const,
            key: `k${i}`,
            value: new Uint8Array(DEFAULT_LIMITS.valueSizeMax),
          })),
        ),
      code: "REQUEST_TOO_LARGE",
    },
    {
      name: "half of a surrogate pair",
      run: (d) => d.put("\ud800", "v"),
      code: "INVALID_ARGUMENT",
    },
    { name: "a batch of nothing", run: (d) => d.batch([]), code: "INVALID_ARGUMENT" },
    {
      name: "a batch with one empty key",
      run: (d) =>
        d.batch([
          { kind: "put", key: "k", value: "v" },
          { kind: "delete", key: "" },
        ]),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "a range of no bounds to delete",
      run: (d) => d.deleteRange({}),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "a prefix with bounds",
      run: (d) => keysOf(d.list({ prefix: "a", from: "b" })),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "an empty upper bound",
      run: (d) => d.deleteRange({ to: "" }),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "a limit that is no number of keys",
      run: (d) => keysOf(d.list({}, { limit: -1 })),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "a timeout of nothing",
      run: (d) => d.get("k", { timeoutMs: 0 }),
      code: "INVALID_ARGUMENT",
    },
    {
      name: "a key that is a number",
      run: (d) => d.put(7 as unknown as string, "v"),
      code: "INVALID_ARGUMENT",
    },
  ];
  for (const { name, run, code } of refused) {
    it(`refuses ${name} and changes nothing`, async () => {
      await rejectsWith(run(db()), code);
      assert.deepEqual(await keysOf(db().list()), []);
    });
  }
}

function describeWrites(db: () => Database): void {
  it("an absent key is undefined", async () => {
    assert.equal(await db().get("absent"), undefined);
  });

  it("a put tells the revision and the key before it", async () => {
    const first = await db().put("k", "1");
    assert.equal(first.previous, undefined);
    const second = await db().put("k", "2");
    assert.equal(second.revision, first.revision + 1);
    assert.equal(text(second.previous?.value), "1");
    assert.equal(second.previous?.modRevision, first.revision);
  });

  it("create revision, modification revision and version follow a key through its lives", async () => {
    const created = await db().put("k", "1");
    const changed = await db().put("k", "2");
    const record = await db().get("k");
    assert.equal(record?.createRevision, created.revision);
    assert.equal(record.modRevision, changed.revision);
    assert.equal(record.version, 2);
    await db().delete("k");
    const again = await db().put("k", "3");
    const reborn = await db().get("k");
    assert.equal(reborn?.createRevision, again.revision);
    assert.equal(reborn.version, 1);
  });

  it("a put only if absent is refused for a present key", async () => {
    await db().put("k", "1", { only: "if-absent" });
    await rejectsWith(db().put("k", "2", { only: "if-absent" }), "CONDITION_FAILED");
    assert.equal(text((await db().get("k"))?.value), "1");
  });

  it("a put only if present is refused for an absent key", async () => {
    await rejectsWith(db().put("k", "1", { only: "if-present" }), "CONDITION_FAILED");
    assert.equal(await db().get("k"), undefined);
    await db().put("k", "1");
    await db().put("k", "2", { only: "if-present" });
    assert.equal(text((await db().get("k"))?.value), "2");
  });

  it("a delete counts what it removed, and raises the revision only then", async () => {
    const put = await db().put("k", "1");
    const first = await db().delete("k");
    assert.deepEqual(first, { revision: put.revision + 1, deleted: 1 });
    const second = await db().delete("k");
    assert.deepEqual(second, { revision: put.revision + 1, deleted: 0 });
  });

  const ranges: readonly { readonly range: Range; readonly left: readonly string[] }[] = [
    { range: { prefix: "b" }, left: ["a", "c"] },
    { range: { from: "b" }, left: ["a"] },
    { range: { to: "b1" }, left: ["b1", "c"] },
    { range: { from: "b", to: "b1" }, left: ["a", "b1", "c"] },
    { range: { from: "c", to: "a" }, left: ["a", "b", "b1", "c"] },
    { range: { prefix: "" }, left: [] },
  ];
  for (const { range, left } of ranges) {
    it(`deleting ${JSON.stringify(range)} leaves [${left.join(" ")}]`, async () => {
      for (const key of ["a", "b", "b1", "c"]) await db().put(key, "v");
      const { deleted } = await db().deleteRange(range);
      assert.equal(deleted, 4 - left.length);
      assert.deepEqual(await keysOf(db().list()), left);
    });
  }

  it("a batch is one revision, in order, and tells what it deleted", async () => {
    const put = await db().put("old", "1");
    const batch = await db().batch([
      { kind: "put", key: "a", value: "1" },
      { kind: "put", key: "a", value: "2" },
      { kind: "delete", key: "old" },
      { kind: "delete", key: "absent" },
    ]);
    assert.deepEqual(batch, { revision: put.revision + 1, deleted: [0, 0, 1, 0] });
    const record = await db().get("a");
    assert.equal(text(record?.value), "2");
    assert.equal(record?.createRevision, batch.revision);
    assert.deepEqual(await keysOf(db().list()), ["a"]);
  });

  it("a batch with one failed condition applies nothing", async () => {
    await db().put("present", "1");
    const batch = db().batch([
      { kind: "put", key: "a", value: "1" },
      { kind: "delete", key: "present" },
      { kind: "put", key: "present", value: "2", only: "if-absent" },
    ]);
    const error = await rejectsWith(batch, "CONDITION_FAILED");
    assert.match(error.message, /present/);
    assert.deepEqual(await keysOf(db().list()), ["present"]);
  });

  it("a thousand writes in flight are all applied, each at a revision of its own", async () => {
    const puts = Array.from({ length: 1000 }, (_, i) => db().put(`k${i % 10}`, `${i}`));
    const revisions = (await Promise.all(puts)).map(({ revision }) => revision);
    assert.equal(new Set(revisions).size, 1000);
    assert.equal(Math.max(...revisions) - Math.min(...revisions), 999);
    for (let i = 0; i < 10; i += 1) assert.equal((await db().get(`k${i}`))?.version, 100);
  });

  it("a thousand reads in flight each get their own answer", async () => {
    await db().batch(
      Array.from({ length: 1000 }, (_, i) => ({ kind: "put", key: `k${i}`, value: `v${i}` })),
    );
    const reads = Array.from({ length: 1000 }, async (_, i) => db().get(`k${i}`));
    const values = (await Promise.all(reads)).map((record) => text(record?.value));
    assert.deepEqual(
      values,
      Array.from({ length: 1000 }, (_, i) => `v${i}`),
    );
  });

  it("of a hundred puts only if absent exactly one wins", async () => {
    const puts = Array.from({ length: 100 }, (_, i) =>
      db().put("k", `${i}`, { only: "if-absent" }),
    );
    const settled = await Promise.allSettled(puts);
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
  });

  it("what was acknowledged is read", async () => {
    for (let i = 0; i < 20; i += 1) {
      await db().put("k", `${i}`);
      assert.equal(text((await db().get("k"))?.value), `${i}`);
    }
  });
}

function describeListing(db: () => Database): void {
  it("lists in byte order, not in that of letters", async () => {
    for (const key of ["b", "B", "ä", "a", "aa", "\u{1f511}", "\uff5e"]) await db().put(key, "v");
    const expected = ["B", "a", "aa", "b", "ä", "\uff5e", "\u{1f511}"];
    assert.deepEqual(await keysOf(db().list()), expected);
  });

  const cases: readonly {
    readonly range: Range;
    readonly limit?: number;
    readonly keys: readonly string[];
  }[] = [
    { range: {}, keys: ["a", "b", "b1", "b2", "c"] },
    { range: { prefix: "b" }, keys: ["b", "b1", "b2"] },
    { range: { prefix: "x" }, keys: [] },
    { range: { prefix: "" }, keys: ["a", "b", "b1", "b2", "c"] },
    { range: { from: "b1" }, keys: ["b1", "b2", "c"] },
    { range: { to: "b1" }, keys: ["a", "b"] },
    { range: { from: "b", to: "b2" }, keys: ["b", "b1"] },
    { range: { from: "c", to: "a" }, keys: [] },
    { range: {}, limit: 2, keys: ["a", "b"] },
    { range: {}, limit: 0, keys: [] },
    { range: { prefix: "b" }, limit: 10, keys: ["b", "b1", "b2"] },
  ];
  for (const { range, limit, keys } of cases) {
    const upTo = limit === undefined ? "" : ` up to ${limit}`;
    it(`lists ${JSON.stringify(range)}${upTo} as [${keys.join(" ")}]`, async () => {
      for (const key of ["c", "b2", "a", "b1", "b"]) await db().put(key, "v");
      const options = limit === undefined ? {} : { limit };
      assert.deepEqual(await keysOf(db().list(range, options)), keys);
    });
  }

  it("a prefix of 0xff bytes has no upper bound", async () => {
    await db().put(Uint8Array.of(255, 255, 1), "v");
    await db().put(Uint8Array.of(255, 254), "v");
    const keys: Uint8Array[] = [];
    for await (const { key } of db().list({ prefix: Uint8Array.of(255, 255) })) keys.push(key);
    assert.deepEqual(keys, [Uint8Array.of(255, 255, 1)]);
  });

  it("lists more keys than a page holds, each once", async () => {
    const keys = Array.from({ length: 2500 }, (_, i) => `k${String(i).padStart(5, "0")}`);
    for (let at = 0; at < keys.length; at += 500) {
      const slice = keys.slice(at, at + 500);
      await db().batch(slice.map((key) => ({ kind: "put", key, value: key })));
    }
    assert.deepEqual(await keysOf(db().list()), keys);
    assert.deepEqual(await keysOf(db().list({}, { limit: 1001 })), keys.slice(0, 1001));
    const middle = db().list({ from: "k00990", to: "k02010" });
    assert.deepEqual(await keysOf(middle), keys.slice(990, 2010));
  });

  it("lists more bytes than a page holds", async () => {
    const value = new Uint8Array(700 * 1024).fill(1);
    for (const key of ["a", "b", "c", "d"]) await db().put(key, value);
    let count = 0;
    for await (const record of db().list()) {
      count += 1;
      assert.equal(record.value.length, value.length);
    }
    assert.equal(count, 4);
  });

  it("goes on behind the longest key", async () => {
    const longest = "k".repeat(DEFAULT_LIMITS.keySizeMax);
    const value = new Uint8Array(DEFAULT_LIMITS.valueSizeMax);
    await db().put(longest, value);
    await db().put("z", "v");
    assert.deepEqual(await keysOf(db().list()), [longest, "z"]);
  });

  it("the longest key alone is deleted, reverted, and depended on in transactions", async () => {
    const longest = "k".repeat(DEFAULT_LIMITS.keySizeMax);
    const alone = { from: longest, to: `${longest}\0` };
    const first = await db().put(longest, "1");
    await db().put("l", "1");
    await db().transact(async (tx) => {
      assert.deepEqual(await keysOf(tx.list({}, { limit: 1 })), [longest]);
      await tx.put("m", "1");
    });
    const snapshot = { isolation: "snapshot" } as const;
    await db().transact(async (tx) => {
      await tx.get("l");
      await tx.put(longest, "2");
    }, snapshot);
    const held = await db().begin();
    assert.deepEqual(await keysOf(held.list({}, { limit: 1 })), [longest]);
    await held.put("n", "1");
    await held.commit();
    assert.equal((await db().revert(alone, first.revision)).changed, 1);
    assert.equal((await db().deleteRange(alone)).deleted, 1);
    assert.deepEqual(await keysOf(db().list()), ["l", "m", "n"]);
  });

  it("a listing may be left early", async () => {
    for (const key of ["a", "b", "c"]) await db().put(key, "v");
    for await (const { key } of db().list()) {
      assert.equal(text(key), "a");
      break;
    }
    assert.equal((await db().get("a"))?.version, 1);
  });
}

function describeEnds(fixture: () => DatabaseFixture): void {
  it("status names the nodes and the leader", async () => {
    let status = await fixture().database.status();
    // A cluster may be without one at any moment, not for long.
    while (status.leader === null) status = await fixture().database.status();
    assert.ok(status.nodes.some(({ id }) => id === status.leader));
  });

  it("a signal that has fired already sends nothing", async () => {
    const { database } = fixture();
    const signal = AbortSignal.abort(new Error("no longer wanted"));
    await rejectsWith(database.get("k", { signal }), "ABORTED");
    const error = await rejectsWith(database.put("k", "v", { signal }), "ABORTED");
    assert.match(String(error.cause), /no longer wanted/);
    await rejectsWith(keysOf(database.list({}, { signal })), "ABORTED");
    assert.equal(await database.get("k"), undefined);
  });

  it("a signal that fires after the answer changes nothing", async () => {
    const controller = new AbortController();
    const put = await fixture().database.put("k", "v", { signal: controller.signal });
    controller.abort();
    assert.equal((await fixture().database.get("k"))?.modRevision, put.revision);
  });

  it("is closed after close, which may be called twice", async () => {
    const { database } = fixture();
    await database.put("k", "v");
    await Promise.all([database.close(), database.close()]);
    await database.close();
    await rejectsWith(database.get("k"), "CLOSED");
    await rejectsWith(database.put("k", "v"), "CLOSED");
    await rejectsWith(database.batch([{ kind: "delete", key: "k" }]), "CLOSED");
    await rejectsWith(database.status(), "CLOSED");
    await rejectsWith(keysOf(database.list()), "CLOSED");
  });

  it("is closed at the end of its block", async () => {
    const { database } = fixture();
    {
      await using scoped = database;
      await scoped.put("k", "v");
    }
    await rejectsWith(database.get("k"), "CLOSED");
  });

  it("what is under way when it is closed is settled, not forgotten", async () => {
    const { database } = fixture();
    const operations = [database.put("k", "v"), database.get("k"), database.delete("other")];
    const settled = Promise.allSettled(operations);
    await database.close();
    for (const result of await settled) {
      if (result.status === "fulfilled") continue;
      assert.ok(result.reason instanceof DatabaseError);
      assert.ok(["CLOSED", "OUTCOME_UNKNOWN"].includes(result.reason.code), result.reason.code);
    }
  });
}

function describeStall(fixture: () => DatabaseFixture): void {
  it("a read that is not answered in time is TIMEOUT", async () => {
    fixture().stall?.();
    const error = await rejectsWith(fixture().database.get("k", { timeoutMs: 50 }), "TIMEOUT");
    assert.equal(error.retryable, true);
  });

  it("a write that is not answered in time is OUTCOME_UNKNOWN and names its request", async () => {
    fixture().stall?.();
    const put = fixture().database.put("k", "v", { timeoutMs: 50 });
    const error = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
    assert.match(error.requestId ?? "", /^[0-9a-f]{32}$/);
    assert.equal(error.retryable, false);
  });

  it("a write given up by its signal before it left was not applied", async () => {
    fixture().stall?.();
    const controller = new AbortController();
    const put = fixture().database.put("k", "v", { signal: controller.signal });
    const get = fixture().database.get("k", { signal: controller.signal });
    controller.abort();
    await rejectsWith(get, "ABORTED");
    const error: unknown = await put.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof DatabaseError);
    // In this process there is no moment between the call and the node.
    assert.ok(["ABORTED", "OUTCOME_UNKNOWN"].includes(error.code), error.code);
    assert.equal(error.outcome, error.code === "ABORTED" ? "not-applied" : "unknown");
  });
}

function allBytes(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, i) => i);
}

function bytesOf(bytes: Bytes): Uint8Array {
  return typeof bytes === "string" ? new TextEncoder().encode(bytes) : new Uint8Array(bytes);
}
