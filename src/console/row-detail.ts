/**
 * What rows say that the schema does not explain: numbers and byte strings in their
 * value (codec/request-row.ts), as names and values for people and scripts.
 */
import { ISOLATIONS, RELATIONS, TARGETS } from "../codec/request-shape.js";
import type { Row } from "../codec/block.js";
import { ByteReader, MalformedBytes } from "../store/bytes.js";
import { bufferOf, bytesField } from "./text.js";

/** Ids are hex, keys and values as ever, times and spans in milliseconds. */
export type RowDetail = Readonly<Record<string, string | number>>;

/** By the number that begins the value of an `expiry`. */
const EXPIRIES = ["lease", "ttl", "until", "keep"] as const;

/** Undefined for a kind whose key and value say it all; what is no such value is shown as it is. */
export function rowDetail(row: Row): RowDetail | undefined {
  try {
    return detailOf(row, new ByteReader(row.value));
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

function detailOf({ kind, key: bytes }: Row, value: ByteReader): RowDetail | undefined {
  const key = bytesField("key", bytes);
  switch (kind) {
    case "session":
      return {
        session: hexOf(value.bytes()),
        sequence: value.number(),
        acknowledged: value.number(),
      };
    case "readKey":
      return { ...key, revision: value.number() };
    case "readRange": {
      const revision = value.number();
      return { ...key, ...bytesField("end", value.bytes()), revision };
    }
    case "compare":
      return { ...key, ...compareDetail(value) };
    case "expiry":
      return expiryDetail(value);
    case "setExpiry":
    case "get":
      return key;
    case "getRange": {
      const limit = value.number();
      return { ...key, ...bytesField("end", value.bytes()), limit };
    }
    case "grantLease":
      return { lease: value.number(), ttl: value.number() };
    case "keepLease":
    case "revokeLease":
      return { lease: value.number() };
    case "openSession":
      return { session: hexOf(value.bytes()), ttl: value.number() };
    case "keepSession":
    case "closeSession":
      return { session: hexOf(value.bytes()) };
    case "begin":
      return {
        transaction: hexOf(value.bytes()),
        isolation: ISOLATIONS[value.number()] ?? "",
        idle: value.number(),
      };
    case "stage":
    case "commit":
    case "rollback":
      return { transaction: hexOf(value.bytes()) };
    case "savepoint":
    case "rollbackTo":
      return { transaction: hexOf(value.bytes()), ...bytesField("name", value.bytes()) };
    case "compact":
      return { revision: value.number() };
    case "each":
    case "otherwise":
    case "expire":
      return {};
    default:
      return undefined;
  }
}

function compareDetail(value: ByteReader): RowDetail {
  const target = TARGETS[value.number()] ?? "";
  const relation = RELATIONS[value.number()] ?? "";
  return target === "value"
    ? { target, relation, ...bytesField("value", value.bytes()) }
    : { target, relation, number: value.number() };
}

function expiryDetail(value: ByteReader): RowDetail {
  const kind = EXPIRIES[value.number()] ?? "";
  return kind === "keep" || kind === ""
    ? { expiry: kind }
    : { expiry: kind, [kind]: value.number() };
}

function hexOf(bytes: Uint8Array): string {
  return bufferOf(bytes).toString("hex");
}
