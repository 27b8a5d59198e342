/** Blocks held against a known checksum: the entry that was written, or nothing. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { entrySealer } from "../../src/codec/block.js";
import { readKnownBlock } from "../../src/codec/known-block.js";
import { LogIndex, NodeId, Term, type Entry } from "../../src/raft/types.js";
import { NOTHING, putEntries, randomOf } from "./entries.js";

const SEALER = entrySealer(() => 1_700_000_000_000);
const POSITION = { index: LogIndex(7), term: Term(3), previousChecksum: 99 };

function read(entry: Entry, block: Uint8Array, previousChecksum: number): Entry | undefined {
  const position = { index: entry.index, term: entry.term, previousChecksum };
  return readKnownBlock(block, 0, block.length, position, entry.checksum);
}

describe("a block that is known", () => {
  const [first, second] = putEntries(NOTHING, 2, randomOf(3), 200);
  assert.ok(first !== undefined && second !== undefined);
  const configuration = { voters: [NodeId("n1")], learners: [NodeId("n2")] };
  const entries = [
    { entry: second, previous: first.checksum },
    { entry: SEALER.noop(POSITION), previous: 99 },
    { entry: SEALER.configuration(POSITION, configuration), previous: 99 },
  ];
  for (const { entry, previous } of entries) {
    it(`gives back the entry that it was (${entry.kind})`, () => {
      assert.deepEqual(read(entry, entry.block, previous), entry);
    });

    it(`with any bit flipped gives nothing (${entry.kind})`, () => {
      for (let bit = 0; bit < 8 * entry.block.length; bit += 1) {
        const block = entry.block.slice();
        block[bit >> 3] = (block[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(read(entry, block, previous), undefined, `bit ${bit}`);
      }
    });

    it(`cut short, at another place or behind another entry gives nothing (${entry.kind})`, () => {
      for (let size = 0; size < entry.block.length; size += 1)
        assert.equal(read(entry, entry.block.subarray(0, size), previous), undefined);
      assert.equal(read(entry, entry.block, previous ^ 1), undefined);
      assert.equal(
        read({ ...entry, index: LogIndex(entry.index + 1) }, entry.block, previous),
        undefined,
      );
      assert.equal(
        read({ ...entry, term: Term(entry.term + 1) }, entry.block, previous),
        undefined,
      );
    });
  }
});
