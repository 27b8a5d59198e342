/** What the compiler must accept and refuse; it does the checking, when the tests are built. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { codecs, type Database, type Keyspace, type TypedRecord } from "../../src/index.js";

interface User {
  readonly name: string;
}

/** Never called: only its types count. */
export async function typesOf(db: Database): Promise<void> {
  const users: Keyspace<string, User> = db.keyspace("users/", { value: codecs.json<User>() });
  const record: TypedRecord<string, User> | undefined = await users.get("ada");
  // @ts-expect-error -- a record may be absent
  assert.ok(record.value);
  // @ts-expect-error -- a value of another type
  await users.put("ada", { nam: "Ada" });
  // @ts-expect-error -- without a codec for keys they are text
  await users.get(7);
  // @ts-expect-error -- a key of bytes has to be said
  const bytesKeys: Keyspace<Uint8Array, User> = db.keyspace("u/", { value: codecs.json<User>() });
  // @ts-expect-error -- a keyspace says what its values are
  db.keyspace("users/");
  // @ts-expect-error -- a batch is typed as well
  await users.batch([{ kind: "put", key: "ada", value: "Ada" }]);

  const numbers = await codecs.avro<number>("long");
  const byBytes = users.keyspace("n/", { key: codecs.bytes, value: numbers });
  const deep: Keyspace<Uint8Array, number> = byBytes;
  for await (const { key, value } of deep.list({ from: Uint8Array.of(1) })) {
    assert.ok(key.length > value);
  }
  // @ts-expect-error -- a range is of the keyspace's keys
  deep.list({ prefix: "text" });
  assert.ok(bytesKeys);
}

describe("types of the library", () => {
  it("were checked by the compiler", () => {
    assert.equal(typesOf.length, 1);
  });
});
