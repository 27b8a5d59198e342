import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { LogIndex, Term } from "../../src/raft/types.js";
import {
  openSegmentName,
  parseSegmentName,
  readSegmentHeader,
  sealedSegmentName,
  segmentHeader,
  syncMarker,
  type SegmentStart,
} from "../../src/storage/segment.js";
import { SegmentIndex } from "../../src/storage/segment-index.js";
import { CLUSTER_ID } from "./entries.js";

const START: SegmentStart = {
  clusterId: CLUSTER_ID,
  firstIndex: LogIndex(4712),
  previousChecksum: 0xdeadbeef,
  previousTerm: Term(9),
};

describe("a segment's header", () => {
  it("reads back as what it was made for", () => {
    const header = segmentHeader(START);
    const followed = Buffer.concat([header, Buffer.alloc(100, 7)]);
    assert.deepEqual(readSegmentHeader(followed), {
      kind: "header",
      start: START,
      size: header.length,
    });
    assert.deepEqual(header.slice(-16), syncMarker(START));
  });

  it("does not survive any flipped bit or any truncation", () => {
    const header = segmentHeader(START);
    for (let bit = 0; bit < header.length * 8; bit++) {
      const damaged = header.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(readSegmentHeader(damaged).kind, "fault", `bit ${bit}`);
    }
    for (let size = 0; size < header.length; size++)
      assert.equal(readSegmentHeader(header.subarray(0, size)).kind, "fault");
  });

  it("says so when it is of another version", () => {
    const text = Buffer.from(segmentHeader(START)).toString("latin1");
    const later = text.replace("balsa.version\x021", "balsa.version\x022");
    const read = readSegmentHeader(Buffer.from(later, "latin1"));
    assert.match(read.kind === "fault" ? read.reason : "", /version 2 .* version 1/);
  });

  it("makes another marker for every start", () => {
    const starts: readonly SegmentStart[] = [
      START,
      { ...START, clusterId: "f".repeat(32) },
      { ...START, firstIndex: LogIndex(4713) },
      { ...START, previousChecksum: 1 },
      { ...START, previousTerm: Term(8) },
    ];
    const markers = new Set(starts.map((start) => Buffer.from(syncMarker(start)).toString("hex")));
    assert.equal(markers.size, starts.length);
  });
});

describe("a segment's name", () => {
  it("says whether it is open and what it holds", () => {
    const open = openSegmentName(7);
    const sealed = sealedSegmentName(7, 1234);
    assert.equal(open, "00000000000000000007.open");
    assert.equal(sealed, "00000000000000000007-00000000000000001234.avro");
    assert.deepEqual(parseSegmentName(open), { kind: "open", name: open, firstIndex: 7 });
    assert.deepEqual(parseSegmentName(sealed), {
      kind: "sealed",
      name: sealed,
      firstIndex: 7,
      lastIndex: 1234,
    });
  });

  for (const name of [
    "7.open",
    "00000000000000000000.open",
    "00000000000000000007.open.tmp",
    "00000000000000000007-00000000000000000006.avro",
    "99999999999999999999.open",
    "fresh-1.tmp",
    "lost+found",
  ]) {
    it(`is not ${name}`, () => {
      assert.equal(parseSegmentName(name), undefined);
    });
  }
});

describe("a segment's index", () => {
  it("knows offsets, terms and checksums, also after a truncation", () => {
    const index = new SegmentIndex(START, 100);
    const terms = [9, 9, 10, 10, 10, 13, 14];
    terms.forEach((term, i) => {
      const kind = i % 3 === 1 ? "configuration" : "commands";
      index.add({ kind, term: Term(term), checksum: i * 7 }, 100 + (i + 1) * 50);
    });
    index.shrink();
    terms.forEach((term, i) => {
      assert.equal(index.term(4712 + i), term);
      assert.equal(index.checksum(4712 + i), i * 7);
      assert.equal(index.offset(4712 + i), 100 + i * 50);
    });
    assert.equal(index.countWithin(4712, 4718, 34 * 3), 3);
    assert.equal(index.countWithin(4712, 4718, 33), 0);
    assert.deepEqual(index.configurations, [4713, 4716]);
    index.truncate(4716);
    assert.equal(index.lastIndex, 4715);
    assert.equal(index.lastTerm, 10);
    assert.equal(index.end, 300);
    assert.deepEqual(index.configurations, [4713]);
    index.add({ kind: "noop", term: Term(20), checksum: 99 }, 333);
    assert.equal(index.term(4716), 20);
    index.truncate(4712);
    assert.equal(index.count, 0);
    assert.equal(index.lastTerm, START.previousTerm);
    assert.equal(index.lastChecksum, START.previousChecksum);
  });
});
