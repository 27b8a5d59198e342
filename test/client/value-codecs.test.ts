import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "mocha";
import fc from "fast-check";
import { codecs } from "../../src/value-codecs.js";

const AVRO_USER = {
  type: "record",
  name: "User",
  fields: [
    { name: "name", type: "string" },
    { name: "age", type: ["null", "long"] },
  ],
};

describe("client: codecs", () => {
  it("text is UTF-8 both ways, whatever text it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        assert.equal(codecs.text.decode(codecs.text.encode(value)), value);
      }),
      { seed: 5 },
    );
    assert.equal(codecs.text.decode(codecs.text.encode("\ufeffmark")), "\ufeffmark");
  });

  it("text sorts by code point", () => {
    const inBytes = ["\uff5e", "a", "\u{1f511}", "ä"]
      .toSorted((a, b) => Buffer.compare(codecs.text.encode(a), codecs.text.encode(b)))
      .join(" ");
    assert.equal(inBytes, "a ä \uff5e \u{1f511}");
  });

  it("JSON gives back every value that JSON holds", () => {
    const json = codecs.json<unknown>();
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(json.decode(json.encode(value)), JSON.parse(JSON.stringify(value)));
      }),
      { seed: 5 },
    );
  });

  it("Avro holds a value of its schema", async () => {
    const user = await codecs.avro<{ name: string; age: number | null }>(AVRO_USER);
    const encoded = user.encode({ name: "Ada", age: 36 });
    assert.deepEqual(Buffer.from(encoded), Buffer.from([6, 0x41, 0x64, 0x61, 2, 72]));
    assert.deepEqual({ ...user.decode(encoded) }, { name: "Ada", age: 36 });
  });

  it("Avro reads bytes that lie in the middle of others", async () => {
    const long = await codecs.avro<number>("long");
    assert.equal(long.decode(Uint8Array.of(9, 2, 9).subarray(1, 2)), 1);
  });

  const refused: readonly { readonly name: string; readonly run: () => Promise<unknown> }[] = [
    { name: "half of a surrogate pair", run: async () => codecs.text.encode("\ud800") },
    { name: "bytes that are no UTF-8", run: async () => codecs.text.decode(Uint8Array.of(0xff)) },
    { name: "undefined as JSON", run: async () => codecs.json().encode(undefined) },
    { name: "a function as JSON", run: async () => codecs.json().encode(() => 1) },
    { name: "bytes that are no JSON", run: async () => codecs.json().decode(Uint8Array.of(0x7b)) },
    { name: "what is no schema", run: () => codecs.avro("no such type") },
    {
      name: "a value against its schema",
      run: async () => (await codecs.avro<unknown>("int")).encode("one"),
    },
    {
      name: "bytes behind a value",
      run: async () => (await codecs.avro("int")).decode(Uint8Array.of(2, 2)),
    },
    {
      name: "half a value",
      run: async () => (await codecs.avro("string")).decode(Uint8Array.of(6, 0x41)),
    },
  ];
  for (const { name, run } of refused) {
    it(`refuse ${name}`, async () => {
      await assert.rejects(run());
    });
  }

  it("Avro is loaded by the codec that needs it, not before", () => {
    const compiled = new URL("../../src/value-codecs.js", import.meta.url);
    assert.doesNotMatch(readFileSync(compiled, "utf8"), /^import .*avsc/m);
  });
});
