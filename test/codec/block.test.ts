import assert from "node:assert/strict";
import avsc from "avsc";
import fc from "fast-check";
import { describe, it } from "mocha";
import {
  decodeRequest,
  decodeRequests,
  decodeRows,
  encodeRequest,
  entrySealer,
  readBlock,
  readBlockHead,
  sealCommands,
} from "../../src/codec/block.js";
import { decodeConfiguration, encodeConfiguration } from "../../src/codec/configuration.js";
import { ROW_SCHEMA } from "../../src/codec/schema.js";
import { DatabaseError } from "../../src/errors.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import type { CommandsEntry, Entry, EntryPosition } from "../../src/raft/types.js";
import type { Command, Request } from "../../src/store/command.js";
import { sealRequests } from "./seal-requests.js";

const SEED = { seed: 20_260_901 };
const TIME = 1_790_000_000_000;
const rowType = avsc.Type.forSchema(ROW_SCHEMA as unknown as avsc.Schema);

function position(index: number, term = 1, previousChecksum = 0): EntryPosition {
  return { index: LogIndex(index), term: Term(term), previousChecksum };
}

function put(key: string, value: string): Command {
  return { kind: "put", key: bytes(key), value: bytes(value), condition: "none" };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function accepted(block: Uint8Array, previousChecksum: number): Entry {
  const read = readBlock(block, 0, previousChecksum);
  if (read.kind === "fault") assert.fail(read.reason);
  assert.equal(read.end, block.length);
  return read.entry;
}

/** fast-check's records have no prototype at times; what is decoded has one. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const anyBytes = fc.uint8Array({ maxLength: 40 }).map((array) => new Uint8Array(array));
const anyId = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => new Uint8Array(array)),
);
const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  record({
    kind: fc.constant("put" as const),
    key: anyBytes,
    value: anyBytes,
    condition: fc.constantFrom("none" as const, "absent" as const, "present" as const),
  }),
  record({ kind: fc.constant("delete" as const), key: anyBytes }),
  record({ kind: fc.constant("deleteRange" as const), key: anyBytes, end: anyBytes }),
  record({
    kind: fc.constant("increment" as const),
    key: anyBytes,
    by: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  }),
  record({ kind: fc.constant("append" as const), key: anyBytes, value: anyBytes }),
);
const anyRequest: fc.Arbitrary<Request> = record<Request>({
  id: anyId,
  commands: fc.array(anyCommand, { minLength: 1, maxLength: 4 }),
});
const anyPosition = fc
  .tuple(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
    fc.integer({ min: 0, max: 0xffffffff }),
  )
  .map(([index, term, checksum]) => position(index, term, checksum));

/** One block of every shape that the damage tests go through bit by bit. */
const samples: readonly { readonly name: string; readonly entry: Entry; readonly seed: number }[] =
  [
    { name: "a no-op", entry: entrySealer(() => TIME).noop(position(1)), seed: 0 },
    {
      name: "a configuration",
      entry: entrySealer(() => TIME).configuration(position(2, 1, 77), {
        voters: [NodeId("a"), NodeId("b")],
        learners: [NodeId("c")],
      }),
      seed: 77,
    },
    {
      name: "commands",
      entry: sealRequests(position(300, 70, 0xfedcba98), TIME, [
        {
          id: new Uint8Array(16).fill(7),
          commands: [put("k", "v"), { kind: "delete", key: bytes("x") }],
        },
        { id: new Uint8Array(0), commands: [{ kind: "increment", key: bytes("n"), by: -12n }] },
      ]),
      seed: 0xfedcba98,
    },
  ];

describe("block", () => {
  it("decodes to exactly the requests it was sealed from", () => {
    fc.assert(
      fc.property(
        anyPosition,
        fc.array(anyRequest, { minLength: 1, maxLength: 5 }),
        (at, requests) => {
          const sealed = sealRequests(at, TIME, requests);
          const entry = accepted(sealed.block, at.previousChecksum);
          assert.deepEqual(entry, sealed);
          assert.deepEqual(decodeRequests(entry), requests);
        },
      ),
      SEED,
    );
  });

  it("of puts where they lie is that of the same puts as requests", () => {
    const anyBytes = fc.uint8Array({ maxLength: 2000 });
    fc.assert(
      fc.property(
        anyPosition,
        fc.array(fc.tuple(anyBytes, anyBytes, anyBytes), { minLength: 1, maxLength: 20 }),
        (at, puts) => {
          const lying = puts.map(([before, key, value]) => ({
            bytes: Buffer.concat([before, key, value]),
            ...{ keyStart: before.length, keySize: key.length },
            ...{ valueStart: before.length + key.length, valueSize: value.length },
          }));
          const requests = puts.map(([, key, value]): Request => {
            const commands = [{ kind: "put", key, value, condition: "none" }] as const;
            return { id: new Uint8Array(0), commands };
          });
          const writes = requests.map((request, i) => {
            const lyingPut = lying[i];
            // Some of either kind together.
            return i % 3 === 2 || lyingPut === undefined ? { request } : { request, put: lyingPut };
          });
          assert.deepEqual(sealCommands(at, TIME, writes), sealRequests(at, TIME, requests));
        },
      ),
      SEED,
    );
  });

  it("is made of rows that avsc decodes", () => {
    fc.assert(
      fc.property(
        anyPosition,
        fc.array(anyRequest, { minLength: 1, maxLength: 5 }),
        (at, requests) => {
          const entry = sealRequests(at, TIME, requests);
          const head = readBlockHead(entry.block, 0);
          assert.ok(head !== undefined);
          const buffer = Buffer.from(entry.block);
          let offset = head.dataOffset;
          const rows = decodeRows(entry);
          assert.equal(rows.length, head.count);
          for (const row of rows) {
            const first: boolean = offset === head.dataOffset;
            const decoded = rowType.decode(buffer, offset);
            const checksum = Buffer.alloc(4);
            checksum.writeUInt32BE(entry.checksum);
            assert.deepEqual(
              { ...decoded.value },
              {
                checksum: first ? checksum : null,
                time: first ? TIME : null,
                index: row.index,
                term: row.term,
                kind: row.kind,
                more: row.more,
                request: Buffer.from(row.request),
                key: Buffer.from(row.key),
                value: Buffer.from(row.value),
              },
            );
            offset = decoded.offset;
          }
          assert.equal(offset, entry.block.length);
        },
      ),
      { ...SEED, numRuns: 50 },
    );
  });

  it("reads no-ops and configurations as what they are", () => {
    for (const { entry, seed } of samples) assert.deepEqual(accepted(entry.block, seed), entry);
    assert.deepEqual(
      samples.map(({ entry }) => entry.kind),
      ["noop", "configuration", "commands"],
    );
  });

  for (const { name, entry, seed } of samples) {
    it(`of ${name} does not survive any flipped bit`, () => {
      for (let bit = 0; bit < entry.block.length * 8; bit++) {
        const damaged = new Uint8Array(entry.block);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(readBlock(damaged, 0, seed).kind, "fault", `bit ${bit}`);
      }
    });

    it(`of ${name} does not survive any truncation`, () => {
      for (let size = 0; size < entry.block.length; size++) {
        const read = readBlock(entry.block.subarray(0, size), 0, seed);
        assert.equal(read.kind === "fault" && read.fault, "truncated", `size ${size}`);
      }
    });

    it(`of ${name} chains to no other predecessor`, () => {
      for (const wrong of [seed ^ 1, seed ^ 0x80000000, 0x12345678]) {
        const read = readBlock(entry.block, 0, wrong >>> 0);
        assert.equal(read.kind === "fault" && read.fault, "checksum");
      }
    });
  }

  it("is a view of the bytes it was read from, at any offset", () => {
    const entry = sealRequests(position(9), TIME, [
      { id: new Uint8Array(0), commands: [put("a", "b")] },
    ]);
    const around = Buffer.alloc(entry.block.length + 20, 0xaa);
    around.set(entry.block, 7);
    const read = readBlock(around, 7, 0);
    assert.ok(read.kind === "entry");
    assert.deepEqual(read.entry, entry);
    assert.equal(read.end, 7 + entry.block.length);
    assert.equal(read.entry.block.buffer, around.buffer);
  });

  it("costs at most 130 bytes a put of 14 + 100 bytes in a block of twenty", () => {
    const requests = Array.from({ length: 20 }, (_, i) => ({
      id: new Uint8Array(0),
      commands: [put(`key-${String(i).padStart(10, "0")}`, "v".repeat(100))],
    }));
    const { block } = sealRequests(position(1_000_000, 12), TIME, requests);
    const perPut = (block.length + 16) / 20;
    assert.ok(perPut <= 130, `${perPut} bytes a put`);
  });

  it("is sealed whole when its rows are larger than any buffer at hand", () => {
    const value = new Uint8Array(1024 * 1024).fill(0xfe);
    const commands: Command[] = [1, 2, 3].map((n) => ({
      kind: "put",
      key: bytes(`k${n}`),
      value,
      condition: "none",
    }));
    const entry = sealRequests(position(5), TIME, [{ id: new Uint8Array(0), commands }]);
    assert.deepEqual(decodeRequests(accepted(entry.block, 0) as CommandsEntry), [
      { id: new Uint8Array(0), commands },
    ]);
  });

  it("refuses what only a writer gone wrong can have written", () => {
    const { block } = sealRequests(position(2), TIME, [
      { id: new Uint8Array(0), commands: [put("k", "v")] },
    ]);
    const cases: readonly { readonly bytes: readonly number[]; readonly fault: string }[] = [
      { bytes: [], fault: "truncated" },
      { bytes: [0, 0], fault: "malformed" }, // zeros: a preallocated tail
      { bytes: [1, 40], fault: "malformed" }, // a negative count
      { bytes: [0x82, 0x00, 40], fault: "malformed" }, // an overlong varint
      { bytes: [2, 0xfe, 0xff, 0xff, 0xff, 0x7f], fault: "malformed" }, // 17 GB of rows
      { bytes: [0xfe, 0xff, 0xff, 0xff, 0x0f, 40], fault: "malformed" }, // 2^31 rows
      { bytes: [200, 1, 40], fault: "malformed" }, // 100 rows in 20 bytes
      { bytes: new Array<number>(40).fill(0x80), fault: "malformed" }, // a number without end
      { bytes: [2, 40, ...new Array<number>(20).fill(0)], fault: "malformed" }, // no checksum
      { bytes: [...block.subarray(0, 1), 2], fault: "malformed" },
    ];
    for (const { bytes: damaged, fault } of cases) {
      const read = readBlock(Uint8Array.from(damaged), 0, 0);
      assert.equal(read.kind === "fault" && read.fault, fault, JSON.stringify(damaged));
    }
  });
});

describe("a request alone", () => {
  it("decodes to what was encoded", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const encoded = encodeRequest(request);
        assert.deepEqual(decodeRequest(encoded), request);
        const fromBuffer = decodeRequest(Buffer.from(encoded));
        encoded.fill(0);
        assert.deepEqual(fromBuffer, request);
      }),
      SEED,
    );
  });

  it("is refused when cut, extended or random", () => {
    const encoded = encodeRequest({
      id: new Uint8Array(16),
      commands: [put("k", "v"), put("l", "w")],
    });
    const refused = (damaged: Uint8Array) => {
      assert.throws(() => decodeRequest(damaged), { name: "DatabaseError", code: "PROTOCOL" });
    };
    for (let size = 0; size < encoded.length; size++) refused(encoded.subarray(0, size));
    refused(Uint8Array.from([...encoded, 0]));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
        try {
          const request = decodeRequest(random);
          assert.deepEqual(encodeRequest(request), new Uint8Array(random));
        } catch (error) {
          assert.ok(error instanceof DatabaseError && error.code === "PROTOCOL", String(error));
        }
      }),
      SEED,
    );
  });
});

describe("a configuration", () => {
  it("has one form in bytes", () => {
    const configuration = { voters: [NodeId("a"), NodeId("b")], learners: [NodeId("c")] };
    const encoded = encodeConfiguration(configuration);
    assert.equal(Buffer.from(encoded).toString(), '{"voters":["a","b"],"learners":["c"]}');
    assert.deepEqual(decodeConfiguration(encoded), configuration);
  });

  const refused: readonly string[] = [
    "",
    "null",
    "[]",
    '{"voters":[],"learners":[]}',
    '{"voters":["b","a"],"learners":[]}',
    '{"voters":["a","a"],"learners":[]}',
    '{"voters":["a"],"learners":["a"]}',
    '{"voters":["a"]}',
    '{"voters":["-"],"learners":[]}',
    '{"voters":[1],"learners":[]}',
    '{"learners":[],"voters":["a"]}',
    '{"voters": ["a"],"learners":[]}',
    '\u{feff}{"voters":["a"],"learners":[]}',
  ];
  for (const text of refused) {
    it(`is refused as ${text === "" ? "nothing" : text}`, () => {
      assert.throws(() => decodeConfiguration(bytes(text)), { code: "CORRUPTION" });
    });
  }
});
