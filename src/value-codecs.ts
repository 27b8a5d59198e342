/**
 * Codecs: how the keys and values of a keyspace become bytes and come back.
 *
 * A codec is a plain object, so anybody can write one; these are the usual ones.
 * Whatever one throws reaches the user as CODEC_FAILED (client/typed-keyspace.ts).
 */
import type { Schema } from "avsc";
import type { Codec } from "./database.js";

const LONE_SURROGATE = /\p{Surrogate}/u;
const TEXT_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const bytes: Codec<Uint8Array> = {
  name: "bytes",
  encode: (value) => value,
  decode: (stored) => stored,
};

const text: Codec<string> = {
  name: "text",
  encode(value) {
    // Encoding would put U+FFFD in its place, and two different texts would be one.
    if (LONE_SURROGATE.test(value)) throw new TypeError("half of a surrogate pair is no UTF-8");
    return Buffer.from(value, "utf8");
  },
  decode: (stored) => TEXT_DECODER.decode(stored),
};

/** What JSON says of a value: undefined of a function, a symbol and undefined itself. */
const stringify: (value: unknown) => string | undefined = JSON.stringify;

function json<T>(): Codec<T> {
  return {
    name: "json",
    encode(value) {
      const written = stringify(value);
      if (written === undefined) throw new TypeError(`${typeof value} has no JSON`);
      return Buffer.from(written, "utf8");
    },
    decode: (stored) => JSON.parse(TEXT_DECODER.decode(stored)) as T,
  };
}

async function avro<T>(schema: unknown): Promise<Codec<T>> {
  const { default: avsc } = await import("avsc");
  const type = avsc.Type.forSchema(schema as Schema);
  return {
    name: `avro ${type.typeName}`,
    encode: (value) => type.toBuffer(value),
    decode: (stored) =>
      type.fromBuffer(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)) as T,
  };
}

/**
 * The usual codecs.
 *
 * - `bytes`: as they are.
 * - `text`: UTF-8, strictly both ways; as a key it sorts by code point.
 * - `json<T>()`: JSON text. `T` is what you say it is: what is read back is not checked against it.
 *   For values; as keys, equal objects may be written differently.
 * - `avro<T>(schema)`: Avro's binary form of one value, without its schema, which the reader must know:
 *   keep it as it is, or give a changed one a keyspace of its own. The promise rejects as avsc does
 *   when it is no schema. For values that people you trust have written.
 *
 * @example
 * const db = await open({ directory });
 * const users = db.keyspace("users/", { value: codecs.json<{ name: string }>() });
 * await users.put("ada", { name: "Ada" });
 * const ada = await users.get("ada");
 * if (ada?.value.name !== "Ada") throw new Error("it was there");
 * await db.close();
 */
export const codecs: {
  readonly bytes: Codec<Uint8Array>;
  readonly text: Codec<string>;
  readonly json: <T>() => Codec<T>;
  readonly avro: <T>(schema: unknown) => Promise<Codec<T>>;
} = { bytes, text, json, avro };
