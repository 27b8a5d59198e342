/** Rows of puts, written by hand and read in one go: as everything else would have it. */
import assert from "node:assert/strict";
import avsc from "avsc";
import fc from "fast-check";
import { describe, it } from "mocha";
import { MalformedRow, RowReader, RowWriter } from "../../src/codec/row.js";
import { ROW_KINDS, ROW_SCHEMA } from "../../src/codec/schema.js";

const rowType = avsc.Type.forSchema(ROW_SCHEMA as unknown as avsc.Schema);
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const EMPTY = new Uint8Array(0);

/** Sizes on both sides of where a varint grows, and of where a copy is made by a call. */
const anyBytes = fc
  .oneof(fc.nat(30), fc.constantFrom(63, 64, 8191, 8192, 70_000))
  .chain((size) => fc.nat(255).map((byte) => new Uint8Array(size).fill(byte)));
const anyLong = fc.oneof(
  fc.nat(200),
  fc.constantFrom(0x3fff_ffff, 0x4000_0000, 2 ** 31, 2 ** 32, LONG_MAX),
);
const anyId = fc.constantFrom(EMPTY, new Uint8Array(16).fill(7));

describe("a row", () => {
  it("is written byte for byte as avsc writes it", () => {
    const writer = new RowWriter();
    const anyRow = fc.record({
      time: fc.option(anyLong, { nil: undefined }),
      index: anyLong,
      term: anyLong,
      kind: fc.constantFrom(...ROW_KINDS),
      more: fc.boolean(),
      request: anyId,
      key: anyBytes,
      value: anyBytes,
    });
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 4 }), (rows) => {
        writer.reset(3);
        for (const row of rows) writer.write(row, row.time, row);
        const expected = rows.map(({ time, ...row }) =>
          rowType.toBuffer({
            ...row,
            checksum: time === undefined ? null : Buffer.alloc(4),
            time: time ?? null,
            request: Buffer.from(row.request),
            key: Buffer.from(row.key),
            value: Buffer.from(row.value),
          }),
        );
        assert.equal(writer.rowCount, rows.length);
        assert.ok(Buffer.concat(expected).equals(writer.bytes.subarray(3)));
      }),
      { numRuns: 500, seed: 20261121 },
    );
  });
});

interface Seen {
  readonly offset: number;
  readonly request: string;
  readonly key: string;
  readonly value: string;
}

function seen(reader: RowReader): Seen {
  const { offset, request, key, value } = reader;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return { offset, request: hex(request), key: hex(key), value: hex(value) };
}

/** The row behind the first if it is a lone put of the same place, read the long way. */
function readTheLongWay(bytes: Uint8Array): Seen | undefined {
  const reader = new RowReader(bytes, 0, bytes.length);
  reader.next();
  const { index, term } = reader;
  try {
    reader.next();
  } catch (error) {
    assert.ok(error instanceof MalformedRow);
    return undefined;
  }
  const isPut = reader.kind === "put" && !reader.more;
  const isInside = reader.checksum === undefined && reader.time === undefined;
  const isSamePlace = reader.index === index && reader.term === term;
  return isPut && isInside && isSamePlace ? seen(reader) : undefined;
}

describe("a put read in one go", () => {
  const position = { index: 300, term: 70 };
  const writer = new RowWriter();

  function twoRows(key: Uint8Array, value: Uint8Array, request: Uint8Array, kind = "put"): Buffer {
    const fields = { more: false, request: EMPTY, key: new Uint8Array([1]), value: EMPTY };
    writer.reset(0);
    writer.write(position, 5, { kind: "put", ...fields });
    const known = ROW_KINDS.find((each) => each === kind) ?? "put";
    writer.write(position, undefined, { ...fields, kind: known, key, value, request });
    return Buffer.from(writer.bytes);
  }

  function assertAgrees(bytes: Uint8Array): boolean {
    const expected = readTheLongWay(bytes);
    const reader = new RowReader(bytes, 0, bytes.length);
    reader.next();
    const before = seen(reader);
    const isRead = reader.tryNextPut();
    if (isRead) {
      assert.deepEqual(seen(reader), expected);
      assert.deepEqual([reader.kind, reader.more, reader.time], ["put", false, undefined]);
    } else {
      assert.deepEqual(seen(reader), before, "nothing has happened");
    }
    return isRead;
  }

  it("has the fields it has the long way, and only what is a put is", () => {
    const small = anyBytes.filter(({ length }) => length < 8192);
    fc.assert(
      fc.property(small, small, anyId, (key, value, id) => {
        assert.equal(assertAgrees(twoRows(key, value, id)), true);
      }),
      { numRuns: 300, seed: 20261122 },
    );
    assertAgrees(twoRows(new Uint8Array(9000), new Uint8Array(70_000), EMPTY));
    for (const kind of ROW_KINDS) {
      assert.equal(assertAgrees(twoRows(EMPTY, EMPTY, EMPTY, kind)), kind === "put", kind);
    }
  });

  it("of which any byte is changed, or the end is missing, is what the long way makes of it", () => {
    const bytes = twoRows(new Uint8Array(5).fill(3), new Uint8Array(200), new Uint8Array(16));
    const start = bytes.length - 5 - 200 - 16 - 12;
    for (let at = start; at < bytes.length; at++) {
      assertAgrees(bytes.subarray(0, at));
      if (at > start + 50) continue;
      for (let byte = 0; byte < 256; byte++) {
        const harmed = Buffer.from(bytes);
        harmed[at] = byte;
        assertAgrees(harmed);
      }
    }
  });
});
