/** The checker of transactions, tried on histories known to be good and known to be bad. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { randomStream } from "../../src/simulation/random.js";
import {
  checkSerializable,
  type ListOperation,
  type ListTransaction,
} from "../../src/simulation/serializability.js";

/**
 * A history, a line a transaction, one behind another in time: `a+1` appends 1 to a,
 * `a=12` reads [1 2] in a, `a=-` reads nothing. `?` at the end: nobody knows what became
 * of it, `!`: it was given up, `~`: it overlaps with everything.
 */
function parse(drawing: string): ListTransaction[] {
  return drawing
    .split("\n")
    .filter((line) => line !== "")
    .map((line, at) => {
      const operations = [...line.matchAll(/(\w)([+=])(\w+|-)/g)].map(
        ([, key = "", verb, value = ""]): ListOperation =>
          verb === "+"
            ? { kind: "append", key, element: value }
            : { kind: "read", key, elements: value === "-" ? [] : value.split("") },
      );
      const outcome = line.endsWith("?") ? "unknown" : line.endsWith("!") ? "aborted" : "committed";
      const overlaps = line.endsWith("~");
      return {
        name: `T${at + 1}`,
        outcome,
        operations,
        invokedAt: overlaps ? 0 : 10 * at + 1,
        returnedAt: outcome !== "committed" ? Infinity : overlaps ? 1000 : 10 * at + 5,
      };
    });
}

const good: readonly (readonly [what: string, drawing: string])[] = [
  ["nothing at all", ""],
  ["one after another", "a+1\na=1\na+2\na=12"],
  ["a read of its own append", "a+1 a=1\na+2 a=12"],
  ["two keys changed together and seen together", "a+1 b+2\na=1 b=2"],
  ["an old read while the writer is under way", "a+1~\na=-\na=1"],
  ["an unknown one that took place", "a+1 b+2?\na=1 b=2"],
  ["an unknown one that never did", "a+1?\na=-\na=-"],
  ["an unknown one that took place late", "a+1?\na=-\na=1"],
  ["one that was given up and left nothing", "a+1!\na=-"],
  ["two readers of one order", "a+1~\na+2~\na=1~\na=12~\na=12"],
];

const bad: readonly (readonly [what: string, drawing: string, text: RegExp])[] = [
  ["an element that nobody appended", "a=1", /nobody appended/],
  ["what was given up", "a+1!\na=1", /gave up/],
  ["an element twice", "a+1\na=11", /twice/],
  ["two orders of the same elements", "a+1~\na+2~\na=12~\na=21~", /and another/],
  ["an append that was lost", "a+1\na=-", /T1 -time→ T2|T2 -rw→ T1/],
  ["an append that was lost among others", "a+1\na+2\na=2", /circle/],
  ["a stale read", "a+1\na=1\na=-", /circle/],
  ["half of a transaction", "a+1 b+2~\na=1 b=-~", /-(wr|rw)→/],
  ["half of an unknown transaction", "a+1 b+2?\na=1\nb=-", /circle/],
  ["write skew", "a=- b+1~\nb=- a+2~", /T1 -rw→ T2 -rw→ T1/],
  ["a read that does not see its own append", "a+1 a=-", /its own appends/],
  ["a state between two appends of one transaction", "a+1 a+2~\na=1~\na=12~", /circle/],
  ["two reads of one transaction at two states", "a+1~\nb+2~\na=- b=2~\na=1 b=-~", /circle/],
];

describe("the checker of transactions", () => {
  for (const [what, drawing] of good) {
    it(`finds ${what} right`, () => {
      assert.deepEqual(checkSerializable(parse(drawing)), { kind: "serializable" });
    });
  }

  for (const [what, drawing, text] of bad) {
    it(`finds ${what} wrong`, () => {
      const verdict = checkSerializable(parse(drawing));
      assert.equal(verdict.kind, "violation");
      assert.match(verdict.text, text);
    });
  }

  /** A history of one real store: every transaction takes place at a moment between its call and return. */
  function honest(seed: number, count: number): ListTransaction[] {
    const random = randomStream(seed, "history");
    const moments = Array.from({ length: count }, () => random.next() * count).sort(
      (a, b) => a - b,
    );
    const lists = new Map<string, string[]>();
    return moments.map((at, i) => {
      const outcome = random.pick([
        ...(["committed", "committed", "committed", "unknown", "aborted"] as const),
      ]);
      const takesPlace = outcome === "committed" || (outcome === "unknown" && random.chance(0.5));
      const mine = new Map(lists);
      const operations = Array.from({ length: random.integer(1, 4) }, (_, n): ListOperation => {
        const key = random.pick(["a", "b", "c"]);
        const list = mine.get(key) ?? [];
        if (random.chance(0.5)) return { kind: "read", key, elements: list };
        const element = `${i}.${n}`;
        mine.set(key, [...list, element]);
        return { kind: "append", key, element };
      });
      if (takesPlace) for (const [key, list] of mine) lists.set(key, list);
      return {
        ...{ name: `T${i}`, outcome, operations, invokedAt: at - random.next() * 4 },
        returnedAt: outcome === "committed" ? at + random.next() * 4 : Infinity,
      };
    });
  }

  it("finds 300 histories of a real store right", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      assert.deepEqual(checkSerializable(honest(seed, 80)), { kind: "serializable" }, `${seed}`);
    }
  });

  it("finds them wrong once a read misses what was appended last before it began", () => {
    let tampered = 0;
    for (let seed = 1; seed <= 300; seed += 1) {
      const history = honest(seed, 80);
      const lie = history.findLast(
        ({ outcome, operations: [first] }) =>
          outcome === "committed" && first?.kind === "read" && first.elements.length > 1,
      );
      const [read] = lie?.operations ?? [];
      if (lie === undefined || read?.kind !== "read") continue;
      const element = read.elements.at(-1);
      const writer = history.find(({ operations }) =>
        operations.some((one) => one.kind === "append" && one.element === element),
      );
      // Only what had returned is owed to the reader; and the list must be seen in full by somebody.
      const isOwed = (writer?.returnedAt ?? Infinity) < lie.invokedAt;
      const isSeen = history.some(
        (other) =>
          other !== lie &&
          other.outcome === "committed" &&
          other.operations.some(
            (one) => one.kind === "read" && one.elements.includes(element ?? ""),
          ),
      );
      if (!isOwed || !isSeen) continue;
      const operations = [{ ...read, elements: read.elements.slice(0, -1) }];
      const told = history.map((one) => (one === lie ? { ...one, operations } : one));
      assert.equal(checkSerializable(told).kind, "violation", `seed ${seed}`);
      tampered += 1;
    }
    assert.ok(tampered > 50, `${tampered} were told`);
  });
});
