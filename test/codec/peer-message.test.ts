import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "mocha";
import { BLOCK_ROWS_MAX, entrySealer } from "../../src/codec/block.js";
import { FRAME_HEADER_SIZE, FrameReader } from "../../src/codec/frame.js";
import {
  decodePeerMessage,
  encodePeerFrame,
  encodePeerMessage,
  MESSAGE_SIZE_MAX,
  type PeerMessage,
} from "../../src/codec/peer-message.js";
import { DatabaseError } from "../../src/errors.js";
import type { AppendEntries } from "../../src/raft/message.js";
import { LogIndex, NodeId, Term, type Entry } from "../../src/raft/types.js";
import { randomStream, type RandomStream } from "../../src/simulation/random.js";
import { appendOf, bytes, everyMessage, LONG_MAX } from "./peer-messages.js";

const N1 = NodeId("n1");

function assertRefused(decode: () => unknown, text: RegExp): void {
  assert.throws(decode, (error) => {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.equal(error.code, "PROTOCOL");
    assert.match(error.message, text);
    return true;
  });
}

/** Decodes hostile bytes: a message or a PROTOCOL error, nothing else. @returns whether it was accepted */
function accepts(body: Uint8Array): boolean {
  try {
    decodePeerMessage(body);
    return true;
  } catch (error) {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.equal(error.code, "PROTOCOL");
    return false;
  }
}

function randomBytes(random: RandomStream, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => random.integer(0, 255)));
}

/** One small harm: a flipped bit, a cut, a splice, an insertion. */
function mutate(random: RandomStream, body: Buffer): Buffer {
  const at = random.integer(0, body.length - 1);
  switch (random.integer(0, 4)) {
    case 0: {
      const flipped = Buffer.from(body);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.integer(0, 7));
      return flipped;
    }
    case 1:
      return body.subarray(0, at);
    case 2:
      return Buffer.concat([body.subarray(0, at), body.subarray(random.integer(0, at))]);
    case 3: {
      const inserted = randomBytes(random, random.integer(1, 12));
      return Buffer.concat([body.subarray(0, at), inserted, body.subarray(at)]);
    }
    default: {
      const extreme = Buffer.from(body);
      extreme.fill(
        random.pick([0, 1, 0x7f, 0x80, 0xff]),
        at,
        Math.min(body.length, at + random.integer(1, 9)),
      );
      return extreme;
    }
  }
}

describe("peer message", () => {
  for (const message of everyMessage()) {
    it(`${message.kind} comes back as it went`, () => {
      const body = encodePeerMessage(message);
      assert.deepEqual(decodePeerMessage(body), message);
      assert.deepEqual(encodePeerMessage(decodePeerMessage(body)), body);
    });
  }

  it("the messages above are of every kind", () => {
    const codes = new Set(everyMessage().map((message) => encodePeerMessage(message)[0]));
    assert.deepEqual(codes, new Set(Array.from({ length: 20 }, (_, code) => code)));
  });

  it("the bytes of version 3 on the wire stay what they are", () => {
    const hash = createHash("sha256");
    for (const message of everyMessage()) hash.update(encodePeerMessage(message));
    assert.equal(
      hash.digest("hex"),
      "9f041d6dbb19075da9224f5e0168c341a07f883d867a7def28aa4706db89923b",
    );
  });

  it("a message larger than the encoder's buffer comes back, and small ones after it", () => {
    const large = appendOf(N1, 8 * 1024 * 1024);
    assert.deepEqual(decodePeerMessage(encodePeerMessage(large)), large);
    for (const message of everyMessage(N1)) {
      assert.deepEqual(decodePeerMessage(encodePeerMessage(message)), message);
    }
  });

  it("a body keeps its bytes while others are encoded", () => {
    const bodies = everyMessage().map((message) => encodePeerMessage(message));
    assert.deepEqual(
      bodies.map((body) => decodePeerMessage(body)),
      everyMessage(),
    );
  });

  it("an append is made into a frame once for all who are sent the same", () => {
    const append = appendOf(N1);
    const frame = encodePeerFrame(append);
    assert.equal(encodePeerFrame({ ...append, entries: [...append.entries] }), frame);
    const changes: readonly Partial<AppendEntries>[] = [
      { leaderCommit: LogIndex(7) },
      { term: Term(9) },
      { entries: append.entries.slice(0, 2) },
      { entries: appendOf(N1, 11).entries },
      { from: NodeId("n9") },
    ];
    for (const change of changes) {
      const other = { ...append, ...change };
      assert.deepEqual(decodePeerMessage(encodePeerMessage(other)), other);
    }
    assert.deepEqual(decodePeerMessage(frame.head.subarray(FRAME_HEADER_SIZE)), append);
  });

  it("large blocks go out from where they lie, and small ones in one piece with the head", () => {
    const small = encodePeerFrame(appendOf(N1, 20_000));
    assert.deepEqual(small.blocks, []);
    const large = appendOf(N1, 200_000);
    const { head, blocks, size } = encodePeerFrame(large);
    assert.equal(blocks.length, large.entries.length);
    for (const [i, block] of blocks.entries()) assert.equal(block, large.entries[i]?.block);
    assert.ok(head.length < 100, `${head.length} bytes are copied`);

    const bodies: Buffer[] = [];
    const reader = new FrameReader({
      bodySizeMax: MESSAGE_SIZE_MAX,
      onFrame: (body) => bodies.push(Buffer.from(body)),
    });
    for (const piece of [head, ...blocks]) reader.push(Buffer.from(piece));
    assert.equal(head.length + blocks.reduce((sum, { length }) => sum + length, 0), size);
    assert.deepEqual(bodies, [encodePeerMessage(large)]);
    assert.deepEqual(decodePeerMessage(encodePeerMessage(large)), large);
  });

  for (const message of everyMessage()) {
    it(`a decoded ${message.kind} does not live in the bytes it came from`, () => {
      const body = encodePeerMessage(message);
      const decoded = decodePeerMessage(body);
      body.fill(0xff);
      assert.deepEqual(decoded, message);
    });
  }
});

describe("peer message, refused", () => {
  const heartbeat = encodePeerMessage({
    kind: "heartbeat",
    from: N1,
    term: Term(1),
    commitIndex: LogIndex(0),
    readRound: 0,
  });
  /** kind, "n1", term, commitIndex, readRound */
  const withTerm = (...term: readonly number[]): Buffer =>
    Buffer.concat([heartbeat.subarray(0, 4), Buffer.from(term), heartbeat.subarray(5)]);

  const cases: readonly { readonly what: string; readonly body: Buffer; readonly text: RegExp }[] =
    [
      { what: "nothing at all", body: Buffer.alloc(0), text: /it is empty/ },
      { what: "an unknown kind", body: Buffer.from([20]), text: /unknown kind 20/ },
      { what: "a kind alone", body: Buffer.from([6]), text: /cut short/ },
      {
        what: "a byte too few",
        body: heartbeat.subarray(0, heartbeat.length - 1),
        text: /cut short/,
      },
      {
        what: "a byte too many",
        body: Buffer.concat([heartbeat, Buffer.from([0])]),
        text: /bytes follow a record/,
      },
      { what: "a negative number", body: withTerm(1), text: /negative/ },
      { what: "a number in two bytes that needs one", body: withTerm(0x82, 0), text: /more bytes/ },
      {
        what: "2^53 - 1, which avsc does not write",
        body: withTerm(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f),
        text: /too large/,
      },
      {
        what: "2^53, which is no safe integer",
        body: withTerm(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20),
        text: /too large/,
      },
      {
        what: "2^63",
        body: withTerm(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
        text: /too large/,
      },
      {
        what: "a varint without end",
        body: withTerm(...new Array<number>(100_000).fill(0x80)),
        text: /too large/,
      },
      {
        what: "a sender that is no name",
        body: Buffer.from([15 - 1, 4, 0x2e, 0x2e, 0]),
        text: /from names no node/,
      },
      {
        what: "a sender that is not UTF-8",
        body: Buffer.from([14, 4, 0xc0, 0x80, 0]),
        text: /not UTF-8/,
      },
      {
        what: "a sender longer than the body",
        body: Buffer.from([14, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x61]),
        text: /cut short/,
      },
      {
        what: "a truth value of 2",
        body: Buffer.from([1, 4, 0x6e, 0x31, 2, 2]),
        text: /neither 0 nor 1/,
      },
      {
        what: "a request placed behind the end of any block",
        body: encodePeerMessage({
          kind: "forwardAccepted",
          from: N1,
          ...{ id: 1, first: 0, count: 2, index: LogIndex(7), term: Term(2) },
          position: BLOCK_ROWS_MAX - 1,
        }),
        text: /no block holds a request at/,
      },
      {
        what: "a request that is none",
        body: Buffer.from([11, 4, 0x6e, 0x31, 2, 2, 4, 1, 2]),
        text: /not a request/,
      },
    ];
  for (const { what, body, text } of cases) {
    it(what, () => {
      assertRefused(() => decodePeerMessage(body), text);
    });
  }

  it("a varint without end in the place of a size spoils nothing that comes after", () => {
    const append = encodePeerMessage(appendOf(N1));
    const forward = Buffer.concat([
      Buffer.from([11, 4, 0x6e, 0x31, 2, 2]),
      Buffer.alloc(200, 0x80),
      Buffer.from([0]),
    ]);
    assertRefused(() => decodePeerMessage(forward), /too large/);
    assert.deepEqual(decodePeerMessage(append), appendOf(N1));
  });

  it("every prefix of every message", () => {
    for (const message of everyMessage()) {
      const body = encodePeerMessage(message);
      for (let size = 0; size < body.length; size += size < 200 ? 1 : 37) {
        assert.equal(accepts(body.subarray(0, size)), false, `${message.kind}, ${size} bytes`);
      }
    }
  });

  it("10000 random bodies: each a message or a PROTOCOL error", () => {
    const random = randomStream(1, "bodies");
    for (let run = 0; run < 10_000; run += 1) {
      const body = randomBytes(random, random.integer(0, 40));
      if (body.length > 0 && random.chance(0.9)) body[0] = random.integer(0, 15);
      accepts(body);
    }
  });

  it("10000 harmed bodies: each a message or a PROTOCOL error", () => {
    const random = randomStream(2, "harm");
    const bodies = everyMessage().map((message) => encodePeerMessage(message));
    let acceptedCount = 0;
    for (let run = 0; run < 10_000; run += 1) {
      let body = random.pick(bodies);
      for (let harms = random.integer(1, 3); harms > 0 && body.length > 0; harms -= 1) {
        body = mutate(random, body);
      }
      if (accepts(body)) acceptedCount += 1;
    }
    assert.ok(acceptedCount > 0, "some harm is a message still");
    assert.ok(acceptedCount < 5_000, "most harm is noticed");
  });

  it("a flipped bit anywhere in an entry", () => {
    const append = appendOf(N1);
    const body = encodePeerMessage(append);
    const blocksSize = append.entries.reduce((size, { block }) => size + block.length, 0);
    for (let offset = body.length - blocksSize; offset < body.length; offset += 1) {
      const harmed = Buffer.from(body);
      harmed[offset] = (harmed[offset] ?? 0) ^ (1 << (offset % 8));
      assert.equal(accepts(harmed), false, `offset ${offset}`);
    }
  });
});

describe("peer message, entries", () => {
  const append = appendOf(N1);
  const [noop, configuration, commands] = append.entries;
  assert.ok(noop !== undefined && configuration !== undefined && commands !== undefined);
  const sealer = entrySealer(() => 0);
  const sealed = (index: number, term: number, previousChecksum: number): Entry =>
    sealer.noop({ index: LogIndex(index), term: Term(term), previousChecksum });
  const { prevLogChecksum } = append;

  const cases: readonly {
    readonly what: string;
    readonly message: PeerMessage;
    readonly text: RegExp;
  }[] = [
    {
      what: "entries that do not chain from prevLogChecksum",
      message: { ...append, prevLogChecksum: 1 },
      text: /entry 7: the checksum/,
    },
    {
      what: "an entry left out",
      message: { ...append, entries: [noop, commands] },
      text: /entry 8: the checksum/,
    },
    {
      what: "an entry twice",
      message: { ...append, entries: [noop, noop] },
      text: /entry 8: the checksum/,
    },
    {
      what: "entries in another order",
      message: { ...append, entries: [configuration, noop] },
      text: /entry 7: the checksum/,
    },
    {
      what: "an entry that chains but leaves out an index",
      message: { ...append, entries: [sealed(8, 3, prevLogChecksum)] },
      text: /not contiguous/,
    },
    {
      what: "entries behind another index than prevLogIndex",
      message: { ...append, prevLogIndex: LogIndex(5) },
      text: /not contiguous/,
    },
    {
      what: "an entry of a term before its predecessor's",
      message: { ...append, entries: [sealed(7, 1, prevLogChecksum)] },
      text: /before its predecessor's/,
    },
    {
      what: "an entry of a term ahead of the message's",
      message: { ...append, entries: [sealed(7, 6, prevLogChecksum)] },
      text: /ahead of the message's/,
    },
    {
      what: "a log ahead of the message's term",
      message: { ...append, prevLogTerm: Term(6), entries: [] },
      text: /ahead of the term/,
    },
    {
      what: "a checksum of more than 32 bits",
      message: { ...append, prevLogChecksum: 2 ** 32, entries: [] },
      text: /more than 32 bits/,
    },
    {
      what: "bytes that are no entry",
      message: { ...append, entries: [{ ...noop, block: bytes("no block at all") }] },
      text: /entry 7: /,
    },
    {
      what: "an entry behind the greatest index",
      message: { ...append, prevLogIndex: LogIndex(LONG_MAX) },
      text: /not contiguous/,
    },
  ];
  for (const { what, message, text } of cases) {
    it(`${what}: refused`, () => {
      assertRefused(() => decodePeerMessage(encodePeerMessage(message)), text);
    });
  }

  for (const announced of [0, 2, 4, 2 ** 52]) {
    it(`three entries announced as ${announced}: refused`, () => {
      const body = encodePeerMessage({ ...append, leaderCommit: LogIndex(8) });
      // count is the long in front of `blocks`, whose size takes two bytes
      const blocksSize = append.entries.reduce((size, { block }) => size + block.length, 0);
      assert.ok(blocksSize * 2 >= 0x80 && blocksSize * 2 < 0x4000, "a size of two bytes");
      const at = body.length - blocksSize - 3;
      assert.equal(body[at], 3 * 2);
      const lie = Buffer.concat([body.subarray(0, at), long(announced), body.subarray(at + 1)]);
      assertRefused(() => decodePeerMessage(lie), /entries announced, 3 found/);
    });
  }
});

/** A zig-zag varint. */
function long(value: number): Buffer {
  const digits: number[] = [];
  let rest = BigInt(value) * 2n;
  for (; rest >= 0x80n; rest >>= 7n) digits.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...digits, Number(rest)]);
}
