/** Rows of a snapshot: every number and size comes back, and nothing but what was written is read. */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { describe, it } from "mocha";
import { MalformedRow, writeLong } from "../../src/codec/row.js";
import {
  SNAPSHOT_KINDS,
  SNAPSHOT_ROW_SIZE_MAX,
  type SnapshotHead,
  snapshotMarker,
} from "../../src/codec/snapshot.js";
import { SnapshotDecoder } from "../../src/codec/snapshot-decoder.js";
import { BLOCK_MEMORY_SIZE, SnapshotEncoder } from "../../src/codec/snapshot-encoder.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { stateRow, type StateRow } from "../../src/store/state-row.js";
import { kept } from "../store/whole-state.js";
import { CLUSTER_ID } from "./entries.js";

const HEAD: SnapshotHead = {
  clusterId: CLUSTER_ID,
  ...{ index: LogIndex(1), term: Term(1), checksum: 1, revision: 1, time: 1 },
  configuration: { voters: [NodeId("n1")], learners: [] },
  configurationIndex: LogIndex(0),
};
const LONG_MAX = Number.MAX_SAFE_INTEGER - 1;
const NUMBERS = [6, 7, 13, 20, 21, 27, 28, 29, 30, 31, 32, 48, 52]
  .flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1])
  .concat(0, 1, LONG_MAX - 1, LONG_MAX);

function blocksOf(rows: readonly StateRow[]): readonly Uint8Array[] {
  const encoder = new SnapshotEncoder(HEAD, new Uint8Array(BLOCK_MEMORY_SIZE));
  const blocks: Uint8Array[] = [];
  for (const row of rows) {
    const block = encoder.add(row);
    if (block !== undefined) blocks.push(block.slice());
  }
  const rest = encoder.rest();
  if (rest !== undefined) blocks.push(rest.slice());
  return [...blocks, encoder.end().slice()];
}

function rowsOf(blocks: readonly Uint8Array[]): readonly StateRow[] {
  const decoder = new SnapshotDecoder(HEAD);
  const rows: StateRow[] = [];
  for (const block of blocks) {
    assert.equal(SnapshotDecoder.blockHead(block, 0, block.length).size, block.length);
    decoder.begin(block, 0, block.length);
    const take = (row: StateRow): void => {
      rows.push(kept(row));
    };
    while (decoder.rows(1 + (rows.length % 7), take));
  }
  assert.ok(decoder.ended);
  return rows;
}

describe("a snapshot's rows", () => {
  it("come back whatever their numbers and sizes", () => {
    const rows = NUMBERS.map((number, i) =>
      stateRow("put", {
        key: new Uint8Array(1 + (i % 40)).fill(i),
        value: new Uint8Array((i * 997) % 20_000).fill(255 - (i % 255)),
        ...{ createRevision: number, modRevision: number, version: number, time: number },
      }),
    );
    const large = stateRow("key", { key: new Uint8Array(1), value: new Uint8Array(3_000_000) });
    const all = [...rows, large, ...rows];
    const blocks = blocksOf(all);
    assert.ok(blocks.length > 5);
    assert.deepEqual(rowsOf(blocks), all);
  });

  it("are written as large as they are read, and no larger", () => {
    const answer = (size: number): StateRow => stateRow("answer", { value: new Uint8Array(size) });
    const largest = answer(SNAPSHOT_ROW_SIZE_MAX - 104);
    const small = stateRow("session", { id: new Uint8Array(16) });
    assert.deepEqual(rowsOf(blocksOf([small, largest])), [small, largest]);
    assert.throws(() => blocksOf([answer(SNAPSHOT_ROW_SIZE_MAX - 103)]), /a row fits its bound/);
  });

  it("of earlier versions are read however large they are", () => {
    const value = new Uint8Array(SNAPSHOT_ROW_SIZE_MAX + 1).fill(7);
    const fields = Buffer.alloc(20);
    let end = writeLong(fields, 0, SNAPSHOT_KINDS.indexOf("answer"));
    end = writeLong(fields, writeLong(fields, end, 0), value.length);
    const rest = Buffer.concat([fields.subarray(0, end), value, Buffer.alloc(6)]);
    const start = Buffer.alloc(25);
    const at = writeLong(start, writeLong(start, 0, 1), 5 + rest.length);
    start[at] = 2;
    start.writeUInt32BE(crc32(rest), at + 1);
    const bytes = Buffer.concat([start.subarray(0, at + 5), rest, snapshotMarker(HEAD)]);
    const block = new Uint8Array(bytes);
    assert.equal(SnapshotDecoder.blockHead(block, 0, block.length).size, block.length);
    const rows: StateRow[] = [];
    const decoder = new SnapshotDecoder(HEAD);
    decoder.begin(block, 0, block.length);
    assert.equal(
      decoder.rows(1, (row) => rows.push(kept(row))),
      false,
    );
    assert.deepEqual(rows, [stateRow("answer", { value })]);
  });

  /** Puts `field` where a block of one row has its kind, under a checksum that fits. */
  const withKind = (field: readonly number[]): Uint8Array => {
    const [block] = blocksOf([stateRow("put", { key: Uint8Array.of(1) })]);
    assert.ok(block !== undefined);
    // count, size, branch, checksum, kind, …, marker
    const rows = Uint8Array.of(...field, ...block.subarray(8, block.length - 16));
    const head = [2, 2 * (5 + rows.length), 2];
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(rows));
    return Uint8Array.of(...head, ...checksum, ...rows, ...block.subarray(block.length - 16));
  };
  const cases: readonly (readonly [string, readonly number[], RegExp | undefined])[] = [
    ["as it is written", [8], undefined],
    ["with a byte more than it needs", [0x88, 0], /more bytes than it needs/],
    ["with three bytes more than it needs", [0x88, 0x80, 0x80, 0], /more bytes than it needs/],
    ["with five bytes more", [0x88, 0x80, 0x80, 0x80, 0x80, 0], /more bytes than it needs/],
    ["negative", [7], /negative/],
    ["negative and long", [0x81, 0x80, 0x80, 0x80, 1], /negative/],
    ["without end", new Array<number>(12).fill(0x80), /too large/],
    ["too large", [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], /too large/],
    ["of no kind", [100], /no row has the kind 50/],
  ];
  for (const [what, field, refusal] of cases) {
    it(`with a number ${what} ${refusal === undefined ? "are read" : "are refused"}`, () => {
      const block = withKind(field);
      const decode = (): void => {
        const decoder = new SnapshotDecoder(HEAD);
        decoder.begin(block, 0, block.length);
        decoder.rows(Infinity, () => undefined);
      };
      if (refusal === undefined) decode();
      else {
        assert.throws(decode, (error) => {
          return error instanceof MalformedRow && refusal.test(error.message);
        });
      }
    });
  }
});
