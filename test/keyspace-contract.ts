/** The contract of `Keyspace`, for every implementation of `Database`. */
import assert from "node:assert/strict";
import { it } from "mocha";
import type { Database } from "../src/database.js";
import type { Codec, KeyspaceRange } from "../src/keyspace.js";
import { codecs } from "../src/value-codecs.js";
import { rejectsWith } from "./rejections.js";

interface User {
  readonly name: string;
  readonly age: number;
}
const user = codecs.json<User>();

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");

/** The part of the contract that is about keyspaces. */
export function describeKeyspaces(db: () => Database): void {
  describeSpaces(db);
  describeCodecFailures(db);
}

function describeSpaces(db: () => Database): void {
  it("a keyspace gives back what was put, and sees only its own", async () => {
    const users = db().keyspace("users/", { value: user });
    await db().put("other", "no JSON");
    const { revision } = await users.put("ada", { name: "Ada", age: 36 });
    const record = await users.get("ada");
    assert.deepEqual(record, {
      key: "ada",
      value: { name: "Ada", age: 36 },
      createRevision: revision,
      modRevision: revision,
      version: 1,
    });
    assert.equal(text((await db().get("users/ada"))?.value), '{"name":"Ada","age":36}');
    const listed: string[] = [];
    for await (const { key } of users.list()) listed.push(key);
    assert.deepEqual(listed, ["ada"]);
    assert.equal((await users.delete("ada")).deleted, 1);
    assert.equal(await users.get("ada"), undefined);
  });

  it("a keyspace is conditional, has a past, and is told of its changes", async () => {
    const users = db().keyspace("users/", { value: user });
    const ada = { name: "Ada", age: 36 };
    const first = await users.putIfAbsent("ada", ada);
    assert.ok(first.applied);
    const second = await users.putIfAbsent("ada", { name: "Eve", age: 1 });
    assert.ok(!second.applied);
    assert.deepEqual(second.current?.value, ada);
    const older = { ...ada, age: 37 };
    const put = await users.putIf("ada", older, first.revision);
    assert.ok(put.applied);
    assert.deepEqual((await users.get("ada", { revision: first.revision }))?.value, ada);
    await db().put("users0", "no JSON");
    const events = users.watch({}, { from: first.revision });
    const seen: unknown[] = [];
    for await (const event of events) {
      if (event.kind !== "changes") break;
      seen.push(event.changes.map(({ key, record }) => [key, record?.value.age]));
    }
    assert.deepEqual(seen, [[["ada", 36]], [["ada", 37]]]);
    assert.ok((await users.deleteIf("ada", put.revision)).applied);
    const kinds: string[] = [];
    for await (const { kind, record } of users.history("ada", { limit: 3 }))
      kinds.push(`${kind} ${record?.value.age ?? ""}`);
    assert.deepEqual(kinds, ["delete ", "put 37", "put 36"]);
  });

  it("a keyspace is changed in a transaction", async () => {
    const users = db().keyspace("users/", { value: user });
    await users.put("ada", { name: "Ada", age: 36 });
    await db().transact(async (tx) => {
      const inside = users.in(tx);
      const ada = await inside.get("ada");
      assert.ok(ada !== undefined);
      await inside.put("ada", { ...ada.value, age: ada.value.age + 1 });
      await inside.put("eve", { name: "Eve", age: 1 });
      await inside.delete("bob");
      const keys: string[] = [];
      for await (const { key } of inside.list()) keys.push(key);
      assert.deepEqual(keys, ["ada", "eve"]);
    });
    assert.equal((await users.get("ada"))?.value.age, 37);
    await using tx = await db().begin();
    await users.in(tx).deleteRange({ prefix: "e" });
    await tx.commit();
    assert.equal(await users.get("eve"), undefined);
  });

  const ranges: readonly { readonly range: KeyspaceRange<string>; readonly keys: string }[] = [
    { range: {}, keys: "a b b1 c" },
    { range: { prefix: "b" }, keys: "b b1" },
    { range: { from: "b" }, keys: "b b1 c" },
    { range: { to: "b1" }, keys: "a b" },
    { range: { from: "b", to: "c" }, keys: "b b1" },
    { range: { from: "", to: "b" }, keys: "a" },
  ];
  for (const prefix of ["k/", Uint8Array.of(255, 255), ""]) {
    for (const { range, keys } of ranges) {
      const where = typeof prefix === "string" ? JSON.stringify(prefix) : "0xffff";
      it(`the range ${JSON.stringify(range)} behind ${where} is [${keys}]`, async () => {
        const space = db().keyspace(prefix, { value: codecs.text });
        if (prefix === "k/")
          for (const outside of ["k.", "k0", "a", "z"]) await db().put(outside, "");
        for (const key of ["b1", "c", "a", "b"]) await space.put(key, key);
        const found: string[] = [];
        for await (const { key, value } of space.list(range)) {
          assert.equal(value, key);
          found.push(key);
        }
        assert.equal(found.join(" "), keys);
        assert.equal((await space.deleteRange(range)).deleted, found.length);
      });
    }
  }

  it("a keyspace inside a keyspace stands behind both prefixes, with codecs of its own", async () => {
    const outer = db().keyspace("a/", { value: user });
    const inner = outer.keyspace("b/", {
      key: codecs.bytes,
      value: await codecs.avro<number>("int"),
    });
    await inner.put(Uint8Array.of(7), -3);
    assert.deepEqual((await db().get("a/b/\u0007"))?.value, Uint8Array.of(5));
    assert.deepEqual((await inner.get(Uint8Array.of(7)))?.key, Uint8Array.of(7));
    assert.deepEqual(inner.prefix, new TextEncoder().encode("a/b/"));
  });

  it("a batch of a keyspace is one revision, and its conditions hold", async () => {
    const space = db().keyspace("k/", { value: user });
    const first = await space.put("old", { name: "Old", age: 90 });
    const ada: User = { name: "Ada", age: 36 };
    const batch = await space.batch([
      { kind: "put", key: "ada", value: ada, only: "if-absent" },
      { kind: "delete", key: "old" },
    ]);
    assert.deepEqual(batch, { revision: first.revision + 1, deleted: [0, 1] });
    const again = space.batch([
      { kind: "delete", key: "ada" },
      { kind: "put", key: "ada", value: ada, only: "if-absent" },
    ]);
    await rejectsWith(again, "CONDITION_FAILED");
    await rejectsWith(space.put("ada", ada, { only: "if-absent" }), "CONDITION_FAILED");
    assert.deepEqual((await space.get("ada"))?.value, ada);
  });
}

function describeCodecFailures(db: () => Database): void {
  it("a codec that throws is CODEC_FAILED, and applies nothing", async () => {
    const thrown = new RangeError("no");
    const failing: Codec<string> = {
      name: "failing",
      encode: (value) => {
        if (value === "bad") throw thrown;
        return new TextEncoder().encode(value);
      },
      decode: () => {
        throw thrown;
      },
    };
    const space = db().keyspace("k/", { key: codecs.text, value: failing });
    const error = await rejectsWith(space.put("k", "bad"), "CODEC_FAILED");
    assert.equal(error.cause, thrown);
    assert.equal(error.retryable, false);
    const batch = [
      { kind: "put", key: "a", value: "good" },
      { kind: "put", key: "k", value: "bad" },
    ] as const;
    await rejectsWith(space.batch(batch), "CODEC_FAILED");
    assert.equal((await db().list().next()).done, true);
    await space.put("k", "good");
    await space.put("k", "good again");
    await rejectsWith(space.get("k"), "CODEC_FAILED");
    await rejectsWith(space.list().next(), "CODEC_FAILED");
  });

  it("a codec that makes no bytes is CODEC_FAILED", async () => {
    const lying = { name: "lying", encode: () => "text" as unknown as Uint8Array, decode: String };
    await rejectsWith(db().keyspace("k/", { value: lying }).put("k", "v"), "CODEC_FAILED");
  });

  it("a keyspace refuses an empty key, and what is no codec", async () => {
    await rejectsWith(db().keyspace("k/", { value: codecs.text }).put("", "v"), "INVALID_ARGUMENT");
    const none = {} as unknown as Codec<string>;
    assert.throws(() => db().keyspace("k/", { value: none }), { code: "INVALID_ARGUMENT" });
    assert.throws(() => db().keyspace("k/", { key: none, value: codecs.text }), {
      code: "INVALID_ARGUMENT",
    });
  });

  it("a keyspace's operations end with their signal", async () => {
    const space = db().keyspace("k/", { value: codecs.text });
    const signal = AbortSignal.abort();
    await rejectsWith(space.get("k", { signal }), "ABORTED");
    await rejectsWith(space.put("k", "v", { signal }), "ABORTED");
    await rejectsWith(space.delete("k", { signal }), "ABORTED");
    await rejectsWith(space.deleteRange({}, { signal }), "ABORTED");
    await rejectsWith(space.batch([{ kind: "delete", key: "k" }], { signal }), "ABORTED");
    await rejectsWith(space.list({}, { signal }).next(), "ABORTED");
  });
}
