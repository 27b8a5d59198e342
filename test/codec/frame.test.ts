import assert from "node:assert/strict";
import { describe, it } from "mocha";
import fc from "fast-check";
import { encodeFrame, FRAME_HEADER_SIZE, FrameReader } from "../../src/codec/frame.js";
import { DatabaseError } from "../../src/errors.js";

const KIB = 1024;

/** Everything a reader handed out, copied, and the error that killed it. */
interface Reading {
  readonly bodies: Buffer[];
  readonly error: unknown;
  readonly pendingSize: number;
}

function read(chunks: Iterable<Buffer>, bodySizeMax = 64 * KIB): Reading {
  const bodies: Buffer[] = [];
  const reader = new FrameReader({
    bodySizeMax,
    onFrame: (body) => {
      bodies.push(Buffer.from(body));
    },
  });
  try {
    for (const chunk of chunks) reader.push(chunk);
  } catch (error) {
    return { bodies, error, pendingSize: 0 };
  }
  return { bodies, error: undefined, pendingSize: reader.pendingSize };
}

/** `stream` cut into pieces of at most `sizes[i]` bytes, the last size repeated. */
function* cut(stream: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let offset = 0, i = 0; offset < stream.length; i += 1) {
    const size = sizes[Math.min(i, sizes.length - 1)] ?? 1;
    yield stream.subarray(offset, offset + size);
    offset += size;
  }
}

function assertProtocol(error: unknown, text: RegExp): void {
  assert.ok(error instanceof DatabaseError, String(error));
  assert.equal(error.code, "PROTOCOL");
  assert.match(error.message, text);
}

describe("frame", () => {
  const bodies = ["", "a", "", "hello", "x".repeat(300)].map((text) => Buffer.from(text));
  const stream = Buffer.concat(bodies.map(encodeFrame));

  it("a frame is its length and its checksum, big-endian, then its body", () => {
    assert.equal(encodeFrame(Buffer.from("balsa")).toString("hex"), "0000000511c0859962616c7361");
    assert.equal(encodeFrame(Buffer.alloc(0)).toString("hex"), "0000000000000000");
  });

  it("every cut of a stream in two, and in equal pieces of every size, gives the same frames", () => {
    for (let size = 1; size <= stream.length; size += 1) {
      assert.deepEqual(read(cut(stream, [size])).bodies, bodies, `pieces of ${size}`);
      assert.deepEqual(read(cut(stream, [size, stream.length])).bodies, bodies, `cut at ${size}`);
    }
  });

  it("random bodies in random pieces come out as they went in", () => {
    const body = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 60 }),
        (sent, sizes) => {
          const want = sent.map((bytes) => Buffer.from(bytes));
          const got = read(cut(Buffer.concat(want.map(encodeFrame)), sizes));
          assert.deepEqual(got, { bodies: want, error: undefined, pendingSize: 0 });
        },
      ),
      { seed: 13_141, numRuns: 300 },
    );
  });

  it("an empty chunk changes nothing", () => {
    const pieces = [...cut(stream, [3])].flatMap((piece) => [Buffer.alloc(0), piece]);
    assert.deepEqual(read(pieces).bodies, bodies);
  });

  it("every single flipped bit is noticed, and no frame before it is lost", () => {
    const last = Buffer.from("the last frame");
    const whole = Buffer.concat([encodeFrame(Buffer.from("first")), encodeFrame(last)]);
    const start = FRAME_HEADER_SIZE + 5;
    for (let bit = start * 8; bit < whole.length * 8; bit += 1) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // A length that grew waits for bytes that never come; the next frame's bytes fail its checksum.
      const got = read([damaged, Buffer.alloc(2 * KIB)], KIB);
      assert.deepEqual(got.bodies, [Buffer.from("first")], `bit ${bit}`);
      assertProtocol(got.error, /checksum|at most/);
    }
  });

  const lengths: readonly {
    readonly length: number;
    readonly max: number;
    readonly ok: boolean;
  }[] = [
    { length: 1024, max: 1024, ok: true },
    { length: 1025, max: 1024, ok: false },
    { length: 0x7fffffff, max: 24 * KIB * KIB, ok: false },
    { length: 0x80000000, max: 24 * KIB * KIB, ok: false },
    { length: 0xffffffff, max: 24 * KIB * KIB, ok: false },
  ];
  for (const { length, max, ok } of lengths) {
    it(`a length of ${length} where ${max} is allowed is ${ok ? "believed" : "refused"} by its header alone`, () => {
      const header = Buffer.alloc(FRAME_HEADER_SIZE);
      header.writeUInt32BE(length);
      const got = read([header], max);
      if (ok) assert.equal(got.error, undefined);
      else assertProtocol(got.error, /at most/);
    });
  }

  it("a header that promises much allocates nothing until bytes come", () => {
    const header = Buffer.alloc(FRAME_HEADER_SIZE);
    header.writeUInt32BE(24 * KIB * KIB);
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 200 }, () => {
      const reader = new FrameReader({ bodySizeMax: 24 * KIB * KIB, onFrame: () => undefined });
      reader.push(header);
      reader.push(Buffer.from("x"));
      return reader;
    });
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 200 * 128 * KIB, `${grown} bytes for ${readers.length} readers`);
  });

  it("a large frame dripped byte by byte is read in linear time", () => {
    const body = Buffer.alloc(2 * KIB * KIB, 7);
    const got = read(cut(encodeFrame(body), [1]), 2 * KIB * KIB);
    assert.equal(got.bodies.length, 1);
    assert.ok(got.bodies[0]?.equals(body));
  });

  it("pendingSize counts the bytes of an unfinished frame", () => {
    const reader = new FrameReader({ bodySizeMax: KIB, onFrame: () => undefined });
    const frame = encodeFrame(Buffer.from("abc"));
    const seen: number[] = [];
    for (const piece of cut(frame, [1])) {
      reader.push(piece);
      seen.push(reader.pendingSize);
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]);
  });

  it("after an error the reader is dead and hands out nothing", () => {
    let count = 0;
    const reader = new FrameReader({ bodySizeMax: 4, onFrame: () => (count += 1) });
    assert.throws(() => {
      reader.push(encodeFrame(Buffer.from("12345")));
    }, DatabaseError);
    reader.push(encodeFrame(Buffer.from("1")));
    assert.equal(count, 0);
  });

  it("an owner that stops inside a frame gets no further one, not even of the same chunk", () => {
    const got: string[] = [];
    const reader: FrameReader = new FrameReader({
      bodySizeMax: KIB,
      onFrame: (body) => {
        got.push(body.toString());
        reader.stop();
      },
    });
    reader.push(Buffer.concat([encodeFrame(Buffer.from("a")), encodeFrame(Buffer.from("b"))]));
    assert.deepEqual(got, ["a"]);
  });

  it("a limit raised inside a frame holds for the rest of the chunk", () => {
    const got: number[] = [];
    const reader: FrameReader = new FrameReader({
      bodySizeMax: 8,
      onFrame: (body) => {
        got.push(body.length);
        reader.bodySizeMax = KIB;
      },
    });
    reader.push(Buffer.concat([encodeFrame(Buffer.alloc(8)), encodeFrame(Buffer.alloc(KIB))]));
    assert.deepEqual(got, [8, KIB]);
  });
});
