import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { RequestParser } from "../../../src/doors/resp/parser.js";
import { DEFAULT_LIMITS } from "../../../src/store/command.js";
import { COMMAND_OVERHEAD_SIZE } from "../../../src/store/limits.js";
import { encodeCommand } from "./resp-client.js";

/** 24 bytes are counted beside each argument. */
const LIMITS = { bulkSizeMax: 100, requestSizeMax: 346 };

type Outcome = readonly string[] | string;

/** Every request as its arguments, a fault as its reason; in order. */
function parse(chunks: readonly Buffer[], limits = LIMITS): Outcome[] {
  const parser = new RequestParser(limits);
  const outcomes: Outcome[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (;;) {
      const step = parser.next();
      if (step.kind === "more") break;
      if (step.kind === "fault") return [...outcomes, step.reason];
      outcomes.push(step.args.map((arg) => arg.toString("latin1")));
    }
  }
  return outcomes;
}

/** The same, with plain requests taken as the RESP door takes them. */
function parsePlainly(chunks: readonly Buffer[]): { outcomes: Outcome[]; plainCount: number } {
  const parser = new RequestParser(LIMITS);
  const outcomes: Outcome[] = [];
  let plainCount = 0;
  for (const chunk of chunks) {
    parser.push(chunk);
    for (;;) {
      const plain = parser.nextPlain();
      if (plain !== undefined) {
        plainCount++;
        outcomes.push(plainOutcome(plain, parser));
        continue;
      }
      const step = parser.next();
      if (step.kind === "more") break;
      if (step.kind === "fault") return { outcomes: [...outcomes, step.reason], plainCount };
      outcomes.push(withLowerName(step.args.map((arg) => arg.toString("latin1"))));
    }
  }
  return { outcomes, plainCount };
}

function plainOutcome(name: "get" | "set", parser: RequestParser): Outcome {
  const { bytes, keyStart, keySize, valueStart, valueSize } = parser;
  const key = bytes.toString("latin1", keyStart, keyStart + keySize);
  const value = bytes.toString("latin1", valueStart, valueStart + valueSize);
  assert.equal(parser.plainSize, 3 + key.length + (name === "set" ? value.length : 0));
  return name === "set" ? [name, key, value] : [name, key];
}

/** A plain request does not tell in which case its name was written. */
function withLowerName(outcome: Outcome): Outcome {
  if (typeof outcome === "string") return outcome;
  const [name = "", ...rest] = outcome;
  return /^(get|set)$/i.test(name) ? [name.toLowerCase(), ...rest] : outcome;
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const corpus: readonly {
  readonly title: string;
  readonly bytes: string;
  readonly want: readonly Outcome[];
}[] = [
  { title: "one multibulk", bytes: "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", want: [["GET", "a"]] },
  {
    title: "bulks that hold line ends and signs",
    bytes: "*3\r\n$4\r\n\r\n*1\r\n$0\r\n\r\n$3\r\n$\u0000\u00ff\r\n",
    want: [["\r\n*1", "", "$\u0000\u00ff"]],
  },
  {
    title: "a pipeline of both kinds",
    bytes: "*1\r\n$4\r\nPING\r\nPING a\r\n*1\r\n$1\r\nx\r\nb\n",
    want: [["PING"], ["PING", "a"], ["x"], ["b"]],
  },
  {
    title: "empty requests, which are nothing",
    bytes: "\r\n\n*0\r\n*-1\r\n  \r\nx\r\n",
    want: [["x"]],
  },
  {
    title: "quoted words",
    bytes: 'a "b c" \'d e\' "\\x41\\n\\"" \'\\\'\' "" x"y"\r\n',
    want: [["a", "b c", "d e", 'A\n"', "'", "", "xy"]],
  },
  { title: "a count that is no number", bytes: "*a\r\n", want: ["invalid multibulk length"] },
  { title: "a count with a leading zero", bytes: "*01\r\n", want: ["invalid multibulk length"] },
  { title: "no count", bytes: "*\r\n", want: ["invalid multibulk length"] },
  { title: "too many arguments", bytes: "*15\r\n", want: ["invalid multibulk length"] },
  { title: "as many arguments as may be, still to come", bytes: "*14\r\n", want: [] },
  {
    title: "arguments of too many bytes for their number",
    bytes: "*14\r\n$11\r\n",
    want: ["invalid bulk length"],
  },
  { title: "a bulk without its sign", bytes: "*1\r\n+a\r\n", want: ["expected '$', got '+'"] },
  { title: "a bulk of negative size", bytes: "*1\r\n$-1\r\n", want: ["invalid bulk length"] },
  { title: "a bulk too large", bytes: "*1\r\n$101\r\n", want: ["invalid bulk length"] },
  {
    title: "a bulk of astronomical size",
    bytes: "*1\r\n$99999999999999999999\r\n",
    want: ["invalid bulk length"],
  },
  {
    title: "a bulk longer than it says",
    bytes: "*1\r\n$1\r\nabc\r\n",
    want: ["expected CRLF after bulk"],
  },
  {
    title: "arguments too large together",
    bytes: `*3\r\n$100\r\n${"x".repeat(100)}\r\n$100\r\n${"x".repeat(100)}\r\n$75\r\n`,
    want: ["invalid bulk length"],
  },
  { title: "an open quote", bytes: 'x "y\r\n', want: ["unbalanced quotes in request"] },
  {
    title: "a quote inside a word's end",
    bytes: "'x'y\r\n",
    want: ["unbalanced quotes in request"],
  },
  {
    title: "good requests before a fault",
    bytes: "x\r\n*1\r\n!\r\n",
    want: [["x"], "expected '$', got '!'"],
  },
  { title: "nothing behind a fault", bytes: "*x\r\nPING\r\n", want: ["invalid multibulk length"] },
];

describe("the RESP parser", () => {
  it("takes whatever may be stored, and no more arguments than a few times what that takes", () => {
    const { valueSizeMax, requestSizeMax } = DEFAULT_LIMITS;
    for (const size of [1, 2, 100, 10_000]) {
      const bytes = Buffer.alloc(size, "x");
      const pairs = Math.floor(requestSizeMax / (COMMAND_OVERHEAD_SIZE + 2 * size));
      const args = Array.from({ length: 2 * pairs }, () => bytes);
      const parser = new RequestParser({
        bulkSizeMax: valueSizeMax,
        requestSizeMax: requestSizeMax + 1024,
      });
      parser.push(encodeCommand(["MSET", ...args]));
      const step = parser.next();
      assert.ok(step.kind === "request");
      assert.equal(step.args.length, 2 * pairs + 1);
      // What an argument costs beside its bytes is counted for the pipeline.
      assert.ok(step.size > 2 * pairs * (100 + size));
    }
  });

  for (const { title, bytes, want } of corpus) {
    it(`reads ${title}, however it is cut`, () => {
      const whole = Buffer.from(bytes, "latin1");
      assert.deepEqual(parse([whole]), want);
      assert.deepEqual(parse([...whole].map((byte) => Buffer.from([byte]))), want);
      for (let cut = 1; cut < whole.length; cut++) {
        assert.deepEqual(parse([whole.subarray(0, cut), whole.subarray(cut)]), want);
      }
    });
  }

  it("gives back any requests from any pieces", () => {
    const args = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(args, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (requests, sizes) => {
          const bytes = Buffer.concat(
            requests.map((each) => encodeCommand(each.map((arg) => Buffer.from(arg)))),
          );
          assert.deepEqual(
            parse(cut(bytes, sizes)),
            requests.map((each) => each.map((arg) => Buffer.from(arg).toString("latin1"))),
          );
        },
      ),
      { numRuns: 400, seed: 7 },
    );
  });

  it("finds the same requests where it takes plain ones by their bytes", () => {
    const word = fc.oneof(
      fc.constantFrom("k", "key:1", "x".repeat(99), "x".repeat(100), "x".repeat(101), "\r\n", ""),
      fc.string({ maxLength: 12, unit: "binary-ascii" }),
    );
    const name = fc.constantFrom(
      "GET",
      "get",
      "GeT",
      "SET",
      "set",
      "GEt",
      "GETS",
      "PUT",
      "\u0007ET",
    );
    const request = fc.tuple(name, fc.array(word, { maxLength: 3 })).map(([first, rest]) => {
      return encodeCommand([first, ...rest]).toString("latin1");
    });
    const twisted = fc.constantFrom(
      "*2\r\n$3\r\nGET\r\n$01\r\na\r\n",
      "*2\r\n$3\r\nGET\r\n$1\r\nab\r\n",
      "*2\r\n$3\r\nGET\r\n$\r\na\r\n",
      "*2\r\n$3\r\nGET\r\n$-1\r\na\r\n",
      "*2\r\n$3\r\nGET\r\n$1\rxa\r\n",
      "*2\rx$3\r\nGET\r\n$1\r\na\r\n",
      "*02\r\n$3\r\nGET\r\n$1\r\na\r\n",
      "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n",
      "*2\r\n$3\r\nGET\r\n$99999999999\r\na\r\n",
      "GET a\r\n",
    );
    const session = fc.array(fc.oneof({ weight: 9, arbitrary: request }, twisted), {
      maxLength: 8,
    });
    let plainCount = 0;
    fc.assert(
      fc.property(
        session,
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
        (requests, sizes) => {
          const bytes = Buffer.from(requests.join(""), "latin1");
          const want = parse([bytes]).map(withLowerName);
          for (const chunks of [[bytes], cut(bytes, sizes)]) {
            const plainly = parsePlainly(chunks);
            assert.deepEqual(plainly.outcomes, want);
            plainCount += plainly.plainCount;
          }
        },
      ),
      { numRuns: 2000, seed: 9 },
    );
    assert.ok(plainCount > 500, `${plainCount} were taken`);
  });

  it("survives any bytes: it throws nothing and reads on after none of its faults", () => {
    const hostile = fc.array(
      fc.oneof(
        fc.constantFrom(
          "*",
          "$",
          "\r\n",
          "\r",
          "\n",
          "1",
          "3",
          "-",
          "GET",
          '"',
          "'",
          "\\x",
          " ",
          "\u0000",
        ),
        fc.string({ maxLength: 5, unit: "binary-ascii" }),
      ),
    );
    fc.assert(
      fc.property(hostile, (pieces) => {
        const bytes = Buffer.from(pieces.join(""), "latin1");
        const whole = parse([bytes]);
        assert.deepEqual(parse([...bytes].map((byte) => Buffer.from([byte]))), whole);
        const fault = whole.findIndex((outcome) => typeof outcome === "string");
        assert.ok(fault < 0 || fault === whole.length - 1);
      }),
      { numRuns: 1000, seed: 8 },
    );
  });

  for (const [begin, reason] of [
    ["", "too big inline request"],
    ["*", "too big mbulk count string"],
    ["*1\r\n$", "too big bulk count string"],
  ] as const) {
    it(`gives up a line after ${JSON.stringify(begin)} that does not end within 64 KiB`, () => {
      const endless = Array.from({ length: 70 }, () => Buffer.from("1".repeat(1000)));
      assert.deepEqual(parse([Buffer.from(begin), ...endless]), [reason]);
      assert.deepEqual(parse([Buffer.from(begin), ...endless.slice(0, 60)]), []);
    });
  }

  it("says whether it holds the beginning of a request", () => {
    const parser = new RequestParser(LIMITS);
    const steps: readonly (readonly [bytes: string, partial: boolean])[] = [
      ["*1\r\n", true],
      ["$1\r\n", true],
      ["x\r", true],
      ["\n", false],
      ["PI", true],
      ["NG\n", false],
      ["\r\n", false],
      ["a\nb", true],
    ];
    assert.equal(parser.partial, false);
    for (const [bytes, partial] of steps) {
      parser.push(Buffer.from(bytes));
      while (parser.next().kind === "request");
      assert.equal(parser.partial, partial, JSON.stringify(bytes));
    }
  });

  it("joins a large bulk once, however many pieces it comes in", () => {
    const size = 4 * 1024 * 1024;
    const bytes = encodeCommand([Buffer.alloc(size, 7)]);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 1460) chunks.push(bytes.subarray(at, at + 1460));
    const concat = Buffer.concat.bind(Buffer);
    let joined = 0;
    try {
      Buffer.concat = (...args: Parameters<typeof Buffer.concat>) => {
        const result = concat(...args);
        joined += result.length;
        return result;
      };
      const limits = { bulkSizeMax: size, requestSizeMax: size + 24 };
      const [args = []] = parse(chunks, limits);
      assert.equal(args[0]?.length, size);
    } finally {
      Buffer.concat = concat;
    }
    assert.ok(joined <= size + 3000, `${joined} bytes were joined`);
  });

  it("keeps little more than the bytes of a value that drips in", () => {
    const size = 300_000;
    const bytes = encodeCommand([Buffer.alloc(size, "0123456789")]);
    const parser = new RequestParser({ bulkSizeMax: size, requestSizeMax: size + 24 });
    const allocate = Buffer.allocUnsafeSlow.bind(Buffer);
    let [count, allocated] = [0, 0];
    const drop = Buffer.alloc(1);
    let requests: readonly Buffer[] = [];
    try {
      Buffer.allocUnsafeSlow = (sizeOfOne) => {
        count += 1;
        allocated += sizeOfOne;
        return allocate(sizeOfOne);
      };
      const begun = bytes.indexOf("0123456789") + 1;
      parser.push(bytes.subarray(0, begun));
      assert.equal(parser.next().kind, "more");
      // The same byte of memory again and again: a parser that kept what came would see it change.
      for (const byte of bytes.subarray(begun)) {
        drop[0] = byte;
        parser.push(drop);
        const step = parser.next();
        if (step.kind === "request") requests = step.args;
      }
    } finally {
      Buffer.allocUnsafeSlow = allocate;
    }
    assert.ok(requests[0]?.equals(Buffer.alloc(size, "0123456789")));
    assert.ok(count < 30, `${count} buffers`);
    assert.ok(allocated < 1.5 * size, `${allocated} bytes`);
  });

  for (const begin of ["", "*", "*1\r\n$"]) {
    it(`looks once at what comes after ${JSON.stringify(begin)}, until the line ends`, () => {
      const parser = new RequestParser(LIMITS);
      let looks = 0;
      const lookedAt = (byte: string): Buffer => {
        const chunk = Buffer.from(byte);
        const includes = chunk.includes.bind(chunk);
        chunk.includes = (value: number) => {
          looks += 1;
          return includes(value);
        };
        return chunk;
      };
      parser.push(Buffer.from(`${begin}1`));
      assert.equal(parser.next().kind, "more");
      const count = 20_000;
      for (let i = 0; i < count; i++) {
        parser.push(lookedAt("1"));
        assert.equal(parser.next().kind, "more");
      }
      assert.ok(looks <= count, `${looks} looks at ${count} bytes`);
    });
  }

  it("joins small and large pieces in their order", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 1100 }), fc.constant(1)), {
      minLength: 1,
      maxLength: 20,
    });
    const value = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 31) % 251));
    const bytes = encodeCommand([value, "end"]);
    const limits = { bulkSizeMax: value.length, requestSizeMax: value.length + 3 + 2 * 24 };
    fc.assert(
      fc.property(sizes, (each) => {
        assert.deepEqual(parse(cut(bytes, each), limits), [[value.toString("latin1"), "end"]]);
      }),
      { numRuns: 30, seed: 4 },
    );
  });
});
