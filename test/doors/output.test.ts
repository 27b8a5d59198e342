import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Output, OutputArena } from "../../src/doors/output.js";
import type { Piece } from "../../src/doors/output.js";

/** A connection's output, and what should have come of it. */
class Told {
  readonly output: Output;
  said = "";
  heard = "";
  /** what a socket could not take at once, and reads later */
  unread: readonly Piece[] = [];

  constructor(arena: OutputArena) {
    this.output = new Output(arena);
  }

  read(): void {
    for (const { bytes } of this.unread) this.heard += bytes.toString("latin1");
    this.unread = [];
  }
}

const COUNT = 3;
const STEP = fc.record({
  connection: fc.integer({ min: 0, max: COUNT - 1 }),
  how: fc.constantFrom("reserve", "text", "refer"),
  size: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constantFrom(1000, 60_000, 70_000, 300_000)),
  turnEnds: fc.boolean(),
  /** which sockets are too slow to take what they are given */
  slow: fc.integer({ min: 0, max: 2 ** COUNT - 1 }),
});

function say(told: Told, how: "reserve" | "text" | "refer", text: string): void {
  const { output } = told;
  told.said += text;
  if (how === "text") {
    output.addLatin1(text);
  } else if (how === "refer") {
    output.refer(Buffer.from(text, "latin1"));
  } else {
    const at = output.reserve(text.length);
    output.bytes.set(Buffer.from(text, "latin1"), at);
  }
}

describe("the output of a door's connections", () => {
  it("is what each of them was told, whoever else is told in between and however slow", () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
        const arena = new OutputArena();
        const all = Array.from({ length: COUNT }, () => new Told(arena));
        const flush = (slow: number): void => {
          all.forEach((told, i) => {
            told.read();
            const size = told.output.size;
            told.unread = told.output.take();
            assert.equal(
              told.unread.reduce((sum, { bytes }) => sum + bytes.length, 0),
              size,
            );
            if ((slow & (1 << i)) === 0) told.read();
            else if (size > 0) arena.keep();
          });
          arena.reset();
        };
        steps.forEach(({ connection, how, size, turnEnds, slow }, i) => {
          const told = all[connection];
          assert.ok(told !== undefined);
          say(told, how, String.fromCharCode(97 + (i % 26)).repeat(size));
          if (turnEnds) flush(slow);
        });
        flush(0);
        for (const told of all) assert.ok(told.heard === told.said, "what was told came");
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it("of one connection is one piece, though others are told in between", () => {
    const arena = new OutputArena();
    const [one, other] = [new Output(arena), new Output(arena)];
    for (let i = 0; i < 20; i++) {
      one.addLatin1("+OK\r\n");
      other.addLatin1("+OK\r\n");
    }
    for (const output of [one, other]) assert.equal(output.take().length, 1);
  });

  it("lies in memory that is used again when all of it was taken", () => {
    const arena = new OutputArena();
    const output = new Output(arena);
    const buffers = new Set<ArrayBufferLike>();
    for (let turn = 0; turn < 100; turn++) {
      for (let i = 0; i < 100; i++) output.addLatin1("x".repeat(200));
      for (const { bytes } of output.take()) buffers.add(bytes.buffer);
      arena.reset();
    }
    assert.equal(buffers.size, 1);
  });
});
