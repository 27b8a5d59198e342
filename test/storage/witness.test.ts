import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import {
  readWitness,
  TAIL_VERDICTS,
  tailCase,
  TrailingZeros,
  WITNESS_PAGE_SIZE,
  WITNESS_SLOT_SIZE,
  type TailCase,
  type TailFacts,
  type TailVerdict,
  type Witness,
  WitnessEncoder,
} from "../../src/storage/witness.js";
import { randomOf } from "./entries.js";

const MARKER = new Uint8Array(16).fill(3);
const WITNESS: Witness = {
  generation: 2 ** 33 + 5,
  durableEnd: 5000,
  batchEnd: 7000,
  trailingZeros: 12,
};

function page(...records: readonly (Uint8Array | undefined)[]): Uint8Array {
  const bytes = new Uint8Array(WITNESS_PAGE_SIZE);
  records.forEach((record, slot) => {
    if (record !== undefined) bytes.set(record, slot * WITNESS_SLOT_SIZE);
  });
  return bytes;
}

function encoded(witness: Witness): Uint8Array {
  return new WitnessEncoder(8192, MARKER).encode(witness);
}

describe("a witness", () => {
  it("reads back from either slot, the newer one first", () => {
    const older = { ...WITNESS, generation: WITNESS.generation - 1, durableEnd: 1 };
    const [a, b] = [encoded(WITNESS), encoded(older)];
    assert.deepEqual(readWitness(page(a, b), 8192, MARKER), WITNESS);
    assert.deepEqual(readWitness(page(b, a), 8192, MARKER), WITNESS);
    assert.deepEqual(readWitness(page(undefined, b), 8192, MARKER), older);
    assert.equal(readWitness(page(), 8192, MARKER), undefined);
  });

  it("is none for another file, another size, or with a flipped bit", () => {
    const record = encoded(WITNESS);
    assert.equal(readWitness(page(record), 12288, MARKER), undefined);
    assert.equal(readWitness(page(record), 8192, new Uint8Array(16)), undefined);
    for (let bit = 0; bit < record.length * 8; bit++) {
      const damaged = record.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(readWitness(page(damaged), 8192, MARKER), undefined, `bit ${bit}`);
    }
  });
});

describe("the zeros that end a batch's sectors", () => {
  it("are counted alike however the batch was written", () => {
    const random = randomOf(4);
    for (let times = 0; times < 200; times++) {
      const bytes = new Uint8Array(Math.floor(random() * 4000));
      for (let i = 0; i < bytes.length; i++) if (random() < 0.01) bytes[i] = 1;
      const start = Math.floor(random() * 2000);
      const whole = new TrailingZeros(start);
      whole.add(bytes);
      const parts = new TrailingZeros(start);
      for (let from = 0; from < bytes.length;) {
        const to = from + 1 + Math.floor(random() * 700);
        parts.add(bytes.subarray(from, to));
        from = to;
      }
      assert.equal(parts.count, whole.count);
      let want = 0;
      for (let i = bytes.length - 1, run = true; i >= 0; i--) {
        if (i === bytes.length - 1 || (start + i + 1) % 512 === 0) run = true;
        run &&= bytes[i] === 0;
        if (run) want += 1;
      }
      assert.equal(whole.count, want);
    }
  });
});

/** One line for each row of the table in witness.ts, and the edges between them. */
const cases: readonly {
  readonly title: string;
  readonly facts: Partial<TailFacts>;
  readonly want: TailCase;
  readonly verdict: TailVerdict;
}[] = [
  {
    title: "no record is readable",
    facts: { offset: 6000, witness: undefined },
    want: "blind",
    verdict: "corrupt",
  },
  {
    title: "no record is readable and all is zero",
    facts: { offset: 6000, witness: undefined, restIsZero: true },
    want: "blind",
    verdict: "corrupt",
  },
  { title: "flushed bytes are bad", facts: { offset: 4999 }, want: "flushed", verdict: "corrupt" },
  {
    title: "flushed bytes are zeros to the end",
    facts: { offset: 4999, restIsZero: true },
    want: "flushed",
    verdict: "corrupt",
  },
  {
    title: "only zeros follow the batch",
    facts: { offset: 7000, restIsZero: true },
    want: "clean",
    verdict: "whole",
  },
  {
    title: "something unfinished follows the batch",
    facts: { offset: 7000 },
    want: "unflushed",
    verdict: "torn",
  },
  {
    title: "the batch misses a sector at its start",
    facts: { offset: 5000, trailingZeros: 13 },
    want: "unreached",
    verdict: "torn",
  },
  {
    title: "the batch misses all its sectors",
    facts: { offset: 5000, trailingZeros: 2000, restIsZero: true },
    want: "unreached",
    verdict: "torn",
  },
  {
    title: "the batch is all there and bad",
    facts: { offset: 6999, trailingZeros: 12 },
    want: "reached",
    verdict: "corrupt",
  },
  {
    title: "the batch has fewer zeros than written",
    facts: { offset: 6000, trailingZeros: 3 },
    want: "reached",
    verdict: "corrupt",
  },
];

describe("the verdict on an open segment's tail", () => {
  for (const { title, facts, want, verdict } of cases) {
    it(`is ${verdict} (${want}) when ${title}`, () => {
      const given: TailFacts = {
        offset: 6000,
        witness: WITNESS,
        restIsZero: false,
        trailingZeros: 12,
        ...facts,
      };
      assert.equal(tailCase(given), want);
      assert.equal(TAIL_VERDICTS[want], verdict);
    });
  }

  it("has every row of its table tried above", () => {
    const tried = new Set(cases.map(({ want }) => want));
    assert.deepEqual([...tried].sort(), Object.keys(TAIL_VERDICTS).sort());
  });
});

describe("data/README.md", () => {
  it("has the same table of verdicts", () => {
    const path = join(import.meta.dirname, "../../../data/README.md");
    const rows = [
      ...readFileSync(path, "utf8").matchAll(/^\| (\w+) \| [^|]+ \| (whole|torn|corrupt) \|/gm),
    ];
    assert.deepEqual(
      Object.fromEntries(rows.map(([, which, verdict]) => [which, verdict])),
      TAIL_VERDICTS,
    );
  });
});
