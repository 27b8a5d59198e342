/**
 * Bytes as people and JSON can see them.
 *
 * Text that is valid UTF-8 stays text and reads back to the same bytes; anything
 * else travels as base64 under a name that says so (`keyBase64`, `valueBase64`).
 */
import { isUtf8 } from "node:buffer";

/** `{ [name]: text }`, or `{ [name]Base64: base64 }` for bytes that are not UTF-8. */
export function bytesField(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const buffer = bufferOf(bytes);
  return isUtf8(buffer)
    ? { [name]: buffer.toString("utf8") }
    : { [`${name}Base64`]: buffer.toString("base64") };
}

/** For a terminal: text without control characters, cut to `lengthMax` characters; other bytes as `0x…`. */
export function printable(bytes: Uint8Array, lengthMax: number): string {
  const buffer = bufferOf(bytes);
  const text = isUtf8(buffer)
    ? buffer.toString("utf8").replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, escapeCharacter)
    : `0x${buffer.toString("hex")}`;
  if (text.length <= lengthMax) return text;
  const cut = text.slice(0, lengthMax - 1);
  // never half of a surrogate pair
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

function escapeCharacter(character: string): string {
  const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const code = character.charCodeAt(0).toString(16).padStart(2, "0");
  return named[character] ?? `\\x${code}`;
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Rows under a heading, in columns as wide as their widest cell; columns named in `right` align right. */
export function textTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<string> = new Set(),
): readonly string[] {
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const format = (row: readonly string[]): string =>
    heading
      .map((title, column) => {
        const cell = row[column] ?? "";
        const width = widths[column] ?? 0;
        return right.has(title) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [format(heading), ...rows.map(format)];
}

/** A number with thin groups: 1 234 567. */
export function grouped(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, " ");
}
