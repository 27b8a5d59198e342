import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { KeyIndex } from "../../src/store/key-index.js";
import { Records } from "../../src/store/records.js";

/** An index beside a Map of its keys, which is sorted when it is asked. */
class Twin {
  readonly records = new Records();
  readonly index = new KeyIndex(this.records);
  readonly places = new Map<string, number>();

  add(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    const place = this.records.addKey(bytes, 0, bytes.length);
    this.places.set(text, place);
    this.index.add(place);
  }

  remove(text: string): void {
    const place = this.places.get(text) ?? 0;
    this.places.delete(text);
    this.index.remove(place);
    this.records.arena.free(place);
  }

  from(text: string, countMax = Infinity): string[] {
    const found: string[] = [];
    const cursor = this.index.from(Buffer.from(text, "latin1"));
    while (cursor.key !== 0 && found.length < countMax) {
      found.push(Buffer.from(this.records.keyOf(cursor.key)).toString("latin1"));
      cursor.advance();
    }
    return found;
  }

  check(froms: readonly string[] = []): void {
    const sorted = [...this.places.keys()].sort();
    assert.equal(this.index.size, sorted.length);
    assert.deepEqual(this.from(""), sorted);
    for (const from of froms) {
      const first = sorted.findIndex((text) => text >= from);
      assert.deepEqual(this.from(from, 3), first < 0 ? [] : sorted.slice(first, first + 3));
    }
  }
}

const anyText = fc
  .array(fc.constantFrom(0, 1, 0x61, 0x62, 0xff), { minLength: 1, maxLength: 5 })
  .map((codes) => String.fromCharCode(...codes));

/** All of 0 to `count`, each once, far from order. */
function scattered(count: number, step = 7919): string[] {
  return Array.from({ length: count }, (_, i) => String((i * step) % count).padStart(6, "0"));
}

describe("the index of keys", () => {
  it("has the keys in byte order, while they come and go", () => {
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 100, maxLength: 1500, size: "max" }), (texts) => {
        const twin = new Twin();
        for (const text of texts) {
          if (twin.places.has(text)) twin.remove(text);
          else twin.add(text);
        }
        twin.check(texts.slice(0, 20));
      }),
      { numRuns: 60, seed: 20261130 },
    );
  });

  const COUNT = 20_011;
  const orders: readonly (readonly [string, readonly string[]])[] = [
    ["in order", scattered(COUNT, 1)],
    ["in the opposite order", scattered(COUNT, 1).toReversed()],
    ["at random", scattered(COUNT)],
    ["in two runs", [...scattered(COUNT, 2)]],
  ];
  for (const [title, texts] of orders) {
    it(`takes ${COUNT} keys ${title}, and gives up nine of ten, then all, in any order`, () => {
      for (const doomed of [texts, texts.toReversed(), scattered(COUNT, 104_729)]) {
        const twin = new Twin();
        for (const text of texts) twin.add(text);
        twin.check(["", "000500", "0100", "019", "9"]);
        for (const text of doomed.filter((_, i) => i % 10 !== 0)) twin.remove(text);
        twin.check(["000500", "0100"]);
        for (const text of doomed.filter((_, i) => i % 10 === 0)) twin.remove(text);
        twin.check();
        assert.equal(twin.records.arena.size, 0);
        twin.add("again");
        twin.check();
      }
    });
  }

  /** Keys whose hints lie: the same two or four bytes, ends that look like zeros, prefixes that come and go. */
  const likenesses: readonly (readonly [string, readonly string[]])[] = [
    [
      "that end where others have zeros",
      ["k", "k\0", "k\0\0", "k\0\0\0", "k\0\0\0\0", "k\0\0\0\0\0"],
    ],
    [
      "of bytes that are all high",
      ["\xff", "\xff\xff", "\xff\xff\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xfe"],
    ],
    [
      "with long prefixes",
      ["a", "b"].flatMap((letter) => [1, 500, 501, 8000].map((size) => letter.repeat(size))),
    ],
  ];
  for (const [title, stems] of likenesses) {
    it(`finds keys ${title}, also when it was asked before the next came`, () => {
      for (const order of [1, -1]) {
        const twin = new Twin();
        const texts = stems.flatMap((stem) => scattered(101).map((text) => stem + text));
        for (const [i, text] of (order === 1 ? texts : texts.toReversed()).entries()) {
          twin.add(text);
          // Looked for now, so that the nodes have hints when the next key comes.
          assert.deepEqual(twin.from(text, 1), [text]);
          if (i % 7 === 0) twin.remove(text);
        }
        twin.check([...stems, ...texts.filter((_, i) => i % 5 === 0)]);
      }
    });
  }

  it("costs six bytes a key in order, and less than ten at random", () => {
    for (const [step, most] of [
      [1, 6.2],
      [7919, 10],
    ] as const) {
      const twin = new Twin();
      const count = 300_007;
      const places = scattered(count, step).map((text) =>
        twin.records.addKey(Buffer.from(text), 0, text.length),
      );
      const before = twin.records.arena.size;
      for (const place of places) twin.index.add(place);
      // A page may be begun.
      const size = twin.records.arena.size - before - 256 * 1024;
      assert.ok(size <= most * count, `${size / count} bytes a key`);
    }
  });

  it("keeps few nodes for few keys, whichever are left", () => {
    const twin = new Twin();
    const texts = scattered(50_021, 1);
    for (const text of texts) twin.add(text);
    const places = [...twin.places.values()];
    for (const [i, place] of places.entries()) if (i % 50 !== 0) twin.index.remove(place);
    assert.equal(twin.index.size, 1001);
    // Of about 400 nodes nearly all are free for others now.
    const { size } = twin.records.arena;
    for (let i = 0; i < 350; i++) twin.records.arena.allocate(512);
    assert.ok(twin.records.arena.size <= size, "nodes were not given back");
  });
});
