import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  formatRecord,
  readRecords,
  RecordError,
  type LoadRecord,
} from "../../src/console/ndjson.js";

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string | Uint8Array, size = 7, max?: number): Promise<LoadRecord[]> {
  const records: LoadRecord[] = [];
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  for await (const record of readRecords(chunksOf(bytes, size), max)) records.push(record);
  return records;
}

describe("NDJSON", () => {
  it("reads back any bytes it wrote, however they are chunked", async () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((one) => Buffer.from(one));
    const pairs = fc.array(fc.tuple(fc.oneof(bytes, text), fc.oneof(bytes, text)), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(pairs, fc.integer({ min: 1, max: 50 }), async (given, size) => {
        const lines = given.map(([key, value]) => `${formatRecord(key, value)}\n`).join("");
        const records = await read(lines, size);
        assert.deepEqual(
          records.map(({ key, value }) => [Buffer.from(key), Buffer.from(value)]),
          given.map(([key, value]) => [Buffer.from(key), Buffer.from(value)]),
        );
      }),
      { seed: 20_261_121, numRuns: 200 },
    );
  });

  it("bytes that are not UTF-8 travel as base64 under another name", () => {
    assert.equal(
      formatRecord(Buffer.of(0xff), Buffer.of(0xc3, 0x28)),
      '{"keyBase64":"/w==","valueBase64":"wyg="}',
    );
    assert.equal(formatRecord(Buffer.from("ключ"), Buffer.from("")), '{"key":"ключ","value":""}');
  });

  it("a byte order mark inside a value is kept", async () => {
    const value = Buffer.from("\ufeffx");
    const [record] = await read(formatRecord(Buffer.from("k"), value));
    assert.deepEqual(Buffer.from(record?.value ?? []), value);
  });

  it("passes over empty lines, line ends of Windows, further fields and a leading byte order mark", async () => {
    const records = await read(
      '\ufeff{"key":"a","value":"1","version":3}\r\n\n  \n{"key":"b","value":"2"}',
    );
    assert.deepEqual(
      records.map(({ key, lineNumber }) => [Buffer.from(key).toString(), lineNumber]),
      [
        ["a", 1],
        ["b", 4],
      ],
    );
  });

  const bad: readonly { line: string | Uint8Array; why: RegExp }[] = [
    { line: "{", why: /line 2: is not JSON/ },
    { line: "[]", why: /line 2: is not an object/ },
    { line: "null", why: /line 2: is not an object/ },
    { line: '{"value":"1"}', why: /line 2: has no "key"/ },
    { line: '{"key":"a"}', why: /line 2: has no "value"/ },
    { line: '{"key":1,"value":"1"}', why: /line 2: has a non-text "key"/ },
    { line: '{"key":"a","keyBase64":"YQ==","value":"1"}', why: /both "key" and "keyBase64"/ },
    { line: '{"key":"a","valueBase64":"!"}', why: /"valueBase64" is not base64/ },
    { line: '{"key":"a","valueBase64":"YQ="}', why: /"valueBase64" is not base64/ },
    { line: '{"key":"\\ud800","value":""}', why: /half a character/ },
    { line: Buffer.of(0x22, 0xff, 0x22), why: /line 2: is not UTF-8/ },
    { line: "x".repeat(200), why: /line 2: is longer than 100 bytes/ },
  ];
  for (const { line, why } of bad) {
    it(`names the line and the reason: ${why.source}`, async () => {
      const bytes = Buffer.concat([Buffer.from('{"key":"a","value":"1"}\n'), Buffer.from(line)]);
      await assert.rejects(read(bytes, 7, 100), (error: unknown) => {
        assert.ok(error instanceof RecordError);
        assert.match(error.message, why);
        assert.equal(error.lineNumber, 2);
        return true;
      });
    });
  }
});
