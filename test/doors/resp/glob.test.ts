import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Glob } from "../../../src/doors/resp/glob.js";

const cases: readonly (readonly [
  pattern: string,
  yes: readonly string[],
  no: readonly string[],
])[] = [
  ["", [""], ["a"]],
  ["*", ["", "a", "\u0000\u00ff\n"], []],
  ["a*c", ["ac", "abc", "abcbc"], ["a", "acb", "bac"]],
  ["*a*b*", ["ab", "xaxbx"], ["ba", "a"]],
  ["?", ["a", "*", "\u00ff"], ["", "ab"]],
  ["[abc]x", ["ax", "cx"], ["dx", "x", "a"]],
  ["[a-c]", ["a", "b", "c"], ["d", "-"]],
  ["[c-a]", ["a", "b", "c"], ["d"]],
  ["[^a-c]", ["d", "-"], ["a", ""]],
  ["[a\\]b]", ["a", "]", "b"], ["\\"]],
  ["[]a]", [], ["]", "a", "]a]"]],
  ["[ab", ["a", "b"], ["["]],
  ["\\*", ["*"], ["a", "\\*"]],
  ["a\\", ["a\\"], ["a"]],
  ["h[^e]llo", ["hallo"], ["hello"]],
];

describe("a glob", () => {
  for (const [pattern, yes, no] of cases) {
    it(JSON.stringify(pattern), () => {
      const glob = new Glob(Buffer.from(pattern, "latin1"));
      for (const text of yes) assert.ok(glob.matches(Buffer.from(text, "latin1")), text);
      for (const text of no) assert.ok(!glob.matches(Buffer.from(text, "latin1")), text);
    });
  }

  it("knows the bytes that every match begins with", () => {
    for (const [pattern, prefix] of [
      ["user:*", "user:"],
      ["a?b", "a"],
      ["\\*x[ab]", "*x"],
      ["*", ""],
      ["whole", "whole"],
    ] as const) {
      assert.equal(Buffer.from(new Glob(Buffer.from(pattern)).prefix).toString(), prefix);
    }
  });

  it("matches as a regular expression of the same meaning does", () => {
    const letter = fc.constantFrom("a", "b", "*", "?", "[ab]", "[^a]");
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 7 }),
        fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 }),
        (letters, text) => {
          const source = letters.join("").replaceAll("*", "[^]*").replaceAll("?", "[^]");
          const glob = new Glob(Buffer.from(letters.join("")));
          assert.equal(glob.matches(Buffer.from(text)), new RegExp(`^${source}$`).test(text));
        },
      ),
      { numRuns: 1000, seed: 9 },
    );
  });

  it("longer than a word of its state matches as a regular expression does", () => {
    const token = fc.constantFrom("a", "?", "[ab]", "[^b]");
    const part = fc.array(token, { maxLength: 45 });
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 3 }),
        fc.string({ unit: fc.constantFrom("a", "a", "a", "b"), maxLength: 140 }),
        (parts, text) => {
          const pattern = parts.map((each) => each.join("")).join("*");
          const source = pattern.replaceAll("*", "[^]*").replaceAll("?", "[^]");
          const glob = new Glob(Buffer.from(pattern));
          assert.equal(glob.matches(Buffer.from(text)), new RegExp(`^${source}$`).test(text));
        },
      ),
      { numRuns: 500, seed: 9 },
    );
  });

  it("takes a step for each byte and 32 tokens, whatever it is", () => {
    const text = Buffer.alloc(8192, "a");
    for (const pattern of [`${"a*".repeat(2000)}b`, `*${"a".repeat(4000)}b`, "*".repeat(9000)]) {
      const glob = new Glob(Buffer.from(pattern));
      assert.equal(glob.matches(text), !pattern.endsWith("b"));
      assert.ok(glob.stepsFor(text) <= text.length * (4001 / 32 + 1));
    }
  });
});
