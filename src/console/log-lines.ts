/**
 * A row of the log as `log inspect` shows it: a JSON object for scripts, a line of
 * a table for people.
 *
 * `kind` is in lower case; a conditional put is a `put` with its `condition`.
 */
import type { Row } from "../codec/block.js";
import { rowDetail } from "./row-detail.js";
import { bufferOf, bytesField, printable } from "./text.js";

/** CONTRACT: a line of `log inspect --json`. */
export type LogLine = Readonly<Record<string, unknown>>;

export function logLine(row: Row): LogLine {
  return {
    index: row.index,
    term: row.term,
    ...command(row),
    time: new Date(row.time).toISOString(),
    request: bufferOf(row.request).toString("hex"),
    more: row.more,
    checksum: checksumText(row.checksum),
  };
}

function command(row: Row): LogLine {
  const key = bytesField("key", row.key);
  const value = bytesField("value", row.value);
  switch (row.kind) {
    case "noop":
      return { kind: "noop" };
    case "config":
      return { kind: "config", members: membersOf(row.value) };
    case "put":
      return { kind: "put", ...key, ...value };
    case "putIfAbsent":
      return { kind: "put", condition: "absent", ...key, ...value };
    case "putIfPresent":
      return { kind: "put", condition: "present", ...key, ...value };
    case "delete":
      return { kind: "delete", ...key };
    case "deleteRange":
      return { kind: "deleterange", ...key, ...bytesField("end", row.value) };
    case "increment":
      return { kind: "increment", ...key, by: bufferOf(row.value).toString("utf8") };
    case "append":
      return { kind: "append", ...key, ...value };
    default:
      return { kind: kindOf(row.kind), ...(rowDetail(row) ?? { ...key, ...value }) };
  }
}

/** The kind of a row as it is shown: a conditional put is a put. */
export function kindOf(kind: Row["kind"]): string {
  return kind === "putIfAbsent" || kind === "putIfPresent" ? "put" : kind.toLowerCase();
}

function membersOf(value: Uint8Array): unknown {
  try {
    return JSON.parse(bufferOf(value).toString("utf8"));
  } catch {
    return bufferOf(value).toString("base64");
  }
}

/** Eight hex digits: what two replicas' logs are compared by. */
export function checksumText(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

export const LOG_HEADING =
  "     INDEX   TERM  TIME                      CHECKSUM  KIND         KEY  VALUE";
const KEY_LENGTH_MAX = 60;
const VALUE_LENGTH_MAX = 80;

/** Columns for a person; `first` says whether the row is its block's first, the others leave the block's part empty. */
export function logText(row: Row, first: boolean): string {
  const { kind, detail } = words(row);
  const block = first
    ? `${String(row.index).padStart(10)} ${String(row.term).padStart(6)}  ${new Date(row.time).toISOString()}  ${checksumText(row.checksum)}`
    : " ".repeat(10 + 1 + 6 + 2 + 24 + 2 + 8);
  const request = row.request.length === 0 ? "" : `  #${bufferOf(row.request).toString("hex")}`;
  return `${block}  ${kind.padEnd(11)}  ${detail}${request}`.trimEnd();
}

function words(row: Row): { readonly kind: string; readonly detail: string } {
  const key = printable(row.key, KEY_LENGTH_MAX);
  const value = printable(row.value, VALUE_LENGTH_MAX);
  switch (row.kind) {
    case "noop":
      return { kind: "noop", detail: "" };
    case "config":
      return { kind: "config", detail: value };
    case "put":
      return { kind: "put", detail: `${key}  ${value}` };
    case "putIfAbsent":
      return { kind: "put", detail: `${key}  ${value}  (if absent)` };
    case "putIfPresent":
      return { kind: "put", detail: `${key}  ${value}  (if present)` };
    case "delete":
      return { kind: "delete", detail: key };
    case "deleteRange":
      return { kind: "deleterange", detail: `${key} up to ${value === "" ? "the end" : value}` };
    case "increment":
      return { kind: "increment", detail: `${key}  by ${value}` };
    case "append":
      return { kind: "append", detail: `${key}  +${value}` };
    default: {
      const words = Object.entries(rowDetail(row) ?? {})
        .filter(([name]) => name !== "key" && name !== "keyBase64")
        .map(([name, one]) => `${name} ${one}`);
      return { kind: kindOf(row.kind), detail: [key, ...words].join("  ").trim() };
    }
  }
}
