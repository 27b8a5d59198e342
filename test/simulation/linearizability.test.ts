/** The checker, tried on histories known to be good and known to be bad. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  checkLinearizable,
  REGISTER,
  type Operation,
  type RegisterInput,
  type RegisterOutput,
} from "../../src/simulation/linearizability.js";
import { randomStream } from "../../src/simulation/random.js";

type History = Operation<RegisterInput, RegisterOutput>[];

/**
 * A history as a drawing: a line a client, `w1` writes, `r1` reads 1, `r-` reads
 * absence, `d` deletes, `a1` puts if absent and succeeds, `A1` is refused, `i2`
 * increments to 2, `I` is refused for there is no number, and
 * `?` behind means that the client never learned the outcome. Columns are time.
 */
function parse(drawing: string): History {
  return drawing.split("\n").flatMap((line) =>
    [...line.matchAll(/([wrdaAiI])(\w|-)?(\?)?[^wrdaAiI|]*\|?/g)].map((match) => {
      const unknown = match[3] !== undefined;
      return {
        ...meaning(match[1] ?? "", match[2] ?? ""),
        ...(unknown ? { output: undefined } : {}),
        invokedAt: match.index,
        returnedAt: unknown ? Infinity : match.index + match[0].trimEnd().length,
      };
    }),
  );
}

function meaning(verb: string, value: string): { input: RegisterInput; output: RegisterOutput } {
  switch (verb) {
    case "r":
      return {
        input: { kind: "get" },
        output: { kind: "value", value: value === "-" ? undefined : value },
      };
    case "w":
      return { input: { kind: "put", value }, output: { kind: "done" } };
    case "d":
      return { input: { kind: "delete" }, output: { kind: "done" } };
    case "i":
      return { input: { kind: "increment" }, output: { kind: "value", value } };
    case "I":
      return { input: { kind: "increment" }, output: { kind: "refused" } };
    case "a":
      return { input: { kind: "putIfAbsent", value }, output: { kind: "done" } };
    default:
      return { input: { kind: "putIfAbsent", value }, output: { kind: "refused" } };
  }
}

const cases: readonly {
  readonly what: string;
  readonly good: boolean;
  readonly drawing: string;
}[] = [
  { what: "nothing at all", good: true, drawing: "" },
  { what: "a read of what was written", good: true, drawing: "w1| r1|" },
  { what: "an increment of nothing, and of its result", good: true, drawing: "i1| i2| r2|" },
  { what: "an increment that was lost", good: false, drawing: "i1| i1| r1|" },
  { what: "an increment of what is no number refused", good: true, drawing: "wx| I| rx|" },
  { what: "an increment of a number refused", good: false, drawing: "w7| I|" },
  { what: "an increment of what is no number done", good: false, drawing: "wx| i1|" },
  { what: "an increment that nobody has the answer of", good: true, drawing: "w1| i2? r2|" },
  { what: "a read of what was never written", good: false, drawing: "w1| r2|" },
  { what: "a stale read after the write returned", good: false, drawing: "w1| w2| r1|" },
  { what: "a stale read while the write is under way", good: true, drawing: "w1| w2--|\n     r1|" },
  {
    what: "a new value, then the old one, during one write",
    good: false,
    drawing: "w1| w2-------|\n     r2| r1|",
  },
  {
    what: "the old value, then the new one, during one write",
    good: true,
    drawing: "w1| w2-------|\n     r1| r2|",
  },
  { what: "an absent key read as absent", good: true, drawing: "r-| w1| d| r-|" },
  { what: "a deleted key read again", good: false, drawing: "w1| d| r1|" },
  { what: "an unknown write that happened", good: true, drawing: "w1| w2?\n       r2|" },
  { what: "an unknown write that never happened", good: true, drawing: "w1| w2?\n       r1| r1|" },
  { what: "an unknown write that happened late", good: true, drawing: "w1| w2?\n       r1| r2|" },
  { what: "an unknown write that unhappened", good: false, drawing: "w1| w2?\n       r2| r1|" },
  { what: "two first writers", good: false, drawing: "a1|\n    a2|" },
  { what: "one first writer of two at once", good: true, drawing: "a1---|\n A2--|\n      r1|" },
  { what: "nobody first of two at once", good: false, drawing: "A1---|\n A2--|" },
  {
    what: "two readers that see two writes in different orders",
    good: false,
    drawing: "w1----------|\nw2----------|\n  r1| r2|\n  r2| r1|",
  },
];

describe("the linearizability checker", () => {
  for (const { what, good, drawing } of cases) {
    it(`finds ${what} ${good ? "right" : "wrong"}`, () => {
      const verdict = checkLinearizable(REGISTER, parse(drawing));
      assert.equal(verdict.kind, good ? "linearizable" : "violation");
    });
  }

  /** A history of one real register: every operation takes effect at a moment between its call and return. */
  function honest(seed: number, count: number): History {
    const random = randomStream(seed, "history");
    const moments = Array.from({ length: count }, () => {
      const at = random.next() * count;
      return { at, early: random.next() * 3, late: random.next() * 3, kind: random.integer(0, 3) };
    }).toSorted((a, b) => a.at - b.at);
    let value: string | undefined;
    return moments.map(({ at, early, late, kind }, i) => {
      const invokedAt = at - early;
      const returnedAt = at + late;
      if (kind === 0) {
        value = `v${i}`;
        const input = { kind: "put", value } as const;
        const unknown = random.chance(0.2);
        return unknown
          ? { input, output: undefined, invokedAt, returnedAt: Infinity }
          : { input, output: { kind: "done" }, invokedAt, returnedAt };
      }
      if (kind === 1 && random.chance(0.3)) {
        value = undefined;
        return { input: { kind: "delete" }, output: { kind: "done" }, invokedAt, returnedAt };
      }
      return { input: { kind: "get" }, output: { kind: "value", value }, invokedAt, returnedAt };
    });
  }

  it("finds 200 histories of a real register right", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      assert.equal(
        checkLinearizable(REGISTER, honest(seed, 60)).kind,
        "linearizable",
        `seed ${seed}`,
      );
    }
  });

  it("finds the same histories wrong once a read returns what nobody can have seen", () => {
    let tampered = 0;
    for (let seed = 1; seed <= 200; seed += 1) {
      const history = honest(seed, 60);
      const last = history.findLast(({ input }) => input.kind === "get");
      if (last === undefined) continue;
      const lie = history.map((operation): History[number] =>
        operation === last
          ? { ...operation, output: { kind: "value", value: "never written" } }
          : operation,
      );
      assert.equal(checkLinearizable(REGISTER, lie).kind, "violation", `seed ${seed}`);
      tampered += 1;
    }
    assert.ok(tampered > 190);
  });

  /** Every order of every choice of what happened, the slow and simple way. */
  function isExplained(history: History): boolean {
    const explains = (left: History, state: { readonly value: string | undefined }): boolean => {
      if (left.every(({ output }) => output === undefined)) return true;
      const firstReturn = Math.min(...left.map(({ returnedAt }) => returnedAt));
      return left.some((next, at) => {
        if (next.invokedAt > firstReturn) return false;
        const after = REGISTER.apply(state, next.input, next.output);
        return after !== undefined && explains(left.toSpliced(at, 1), after);
      });
    };
    return explains(history, REGISTER.initial);
  }

  /** Few operations, few values, many overlaps, and answers that nobody checked. */
  function careless(seed: number): History {
    const random = randomStream(seed, "careless");
    const value = (): string => random.pick(["x", "y"]);
    return Array.from({ length: random.integer(2, 7) }, (): History[number] => {
      const invokedAt = random.integer(0, 12);
      const isKnown = random.chance(0.6);
      const returnedAt = isKnown ? invokedAt + random.integer(1, 6) : Infinity;
      const done = { kind: random.chance(0.6) ? "done" : "refused" } as const;
      switch (random.integer(0, 3)) {
        case 0: {
          const read = random.chance(0.2) ? undefined : value();
          const output = { kind: "value", value: read } as const;
          return { input: { kind: "get" }, output, invokedAt, returnedAt: invokedAt + 3 };
        }
        case 1: {
          const output = isKnown ? done : undefined;
          return { input: { kind: "putIfAbsent", value: value() }, output, invokedAt, returnedAt };
        }
        case 2: {
          const output = isKnown ? ({ kind: "done" } as const) : undefined;
          return { input: { kind: "put", value: value() }, output, invokedAt, returnedAt };
        }
        default: {
          const output = isKnown ? ({ kind: "done" } as const) : undefined;
          return { input: { kind: "delete" }, output, invokedAt, returnedAt };
        }
      }
    });
  }

  it("says of 4000 small careless histories what trying every order says", () => {
    let good = 0;
    for (let seed = 1; seed <= 4000; seed += 1) {
      const history = careless(seed);
      const isGood = isExplained(history);
      if (isGood) good += 1;
      const { kind } = checkLinearizable(REGISTER, history);
      assert.equal(kind, isGood ? "linearizable" : "violation", `seed ${seed}`);
    }
    assert.ok(good > 1000 && good < 3000, `${good} of them are good`);
  });

  it("says so when it gives up", () => {
    const many = parse(
      Array.from({ length: 9 }, (_, i) => `w${i}------------|`).join("\n") + "\n              rx|",
    );
    assert.equal(checkLinearizable(REGISTER, many, 50).kind, "undecided");
  });
});
