/**
 * Codecs: how the keys and values of a keyspace become bytes and come back.
 *
 * A codec is a plain object, so anybody can write one; these are the usual ones.
 * Whatever one throws reaches the user as CODEC_FAILED (client/typed-keyspace.ts).
 */
import type { Schema } from "avsc";
import type { Codec } from "./keyspace.js";

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
 * import { codecs } from "balsa-db";
 * const users = db.keyspace("users/", { value: codecs.json<{ name: string }>() });
 * await users.put("ada", { name: "Ada" });
 * assert.equal((await users.get("ada"))?.value.name, "Ada");
 */
export const codecs: {
  /**
   * Bytes as they are.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const blobs = db.keyspace("blob/", { key: codecs.bytes, value: codecs.bytes });
   * await blobs.put(Uint8Array.of(1), Uint8Array.of(2, 3));
   * assert.deepEqual([...((await blobs.get(Uint8Array.of(1)))?.value ?? [])], [2, 3]);
   */
  readonly bytes: Codec<Uint8Array>;
  /**
   * Text as UTF-8; CODEC_FAILED when half of a surrogate pair stands alone, or when the bytes are no UTF-8.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const names = db.keyspace("name/", { value: codecs.text });
   * await names.put("ß", "Straße");
   * assert.equal((await names.get("ß"))?.value, "Straße");
   * await assert.rejects(names.put("half", "\ud800"), { code: "CODEC_FAILED", outcome: "not-applied" });
   */
  readonly text: Codec<string>;
  /**
   * JSON text; CODEC_FAILED for what JSON cannot say: undefined, functions, circles, bigints.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const flags = db.keyspace("flag/", { value: codecs.json<{ on: boolean }>() });
   * await flags.put("dark-mode", { on: true });
   * assert.deepEqual((await flags.get("dark-mode"))?.value, { on: true });
   */
  readonly json: <T>() => Codec<T>;
  /**
   * Avro's binary form; CODEC_FAILED for a value that the schema does not allow.
   *
   * @example
   * import { codecs } from "balsa-db";
   * const point = await codecs.avro<{ x: number; y: number }>({
   *   type: "record", name: "Point", fields: [{ name: "x", type: "int" }, { name: "y", type: "int" }],
   * });
   * const points = db.keyspace("point/", { value: point });
   * await points.put("home", { x: 3, y: -4 });
   * assert.equal((await db.get("point/home"))?.value.length, 2);
   */
  readonly avro: <T>(schema: unknown) => Promise<Codec<T>>;
} = { bytes, text, json, avro };
