import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { hashOf } from "../../src/store/hash.js";
import { KeyTable } from "../../src/store/key-table.js";
import { Records } from "../../src/store/records.js";

/** A table beside a Map, under a hash that the test chooses. */
class Twin {
  readonly records = new Records();
  readonly table = new KeyTable(this.records);
  readonly places = new Map<string, number>();
  readonly hash: (bytes: Uint8Array) => number;

  constructor(hash = (bytes: Uint8Array): number => hashOf(bytes, 0, bytes.length)) {
    this.hash = hash;
  }

  toggle(text: string): void {
    const bytes = Buffer.from(text);
    const known = this.places.get(text);
    assert.equal(this.#find(bytes), known ?? 0);
    if (known === undefined) {
      const place = this.records.addKey(bytes, 0, bytes.length);
      this.table.add(this.hash(bytes), place);
      this.places.set(text, place);
    } else {
      this.table.remove(this.hash(bytes), known);
      this.records.arena.free(known);
      this.places.delete(text);
    }
  }

  check(texts: Iterable<string>): void {
    for (const text of texts)
      assert.equal(this.#find(Buffer.from(text)), this.places.get(text) ?? 0);
  }

  #find(bytes: Uint8Array): number {
    const found = this.#lookUp(bytes);
    // What stands first has the hash, or nothing is said.
    const first = this.table.firstWith(this.hash(bytes));
    const isPossible = first === 0 || this.hash(this.records.keyOf(first)) === this.hash(bytes);
    assert.ok(isPossible, "the first key with a hash has it");
    return found;
  }

  #lookUp(bytes: Uint8Array): number {
    // Somewhere in a larger array, as in a block.
    const block = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("behind")]);
    return this.table.find(this.hash(bytes), block, 6, bytes.length);
  }
}

describe("the table of keys", () => {
  it("finds what a Map finds, while keys come and go", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 120 }), { minLength: 50, maxLength: 600, size: "max" }),
        fc.constantFrom(0xffff_ffff, 0x7, 0xf000_000f, 0),
        (numbers, mask) => {
          const twin = new Twin((bytes) => (hashOf(bytes, 0, bytes.length) & mask) >>> 0);
          for (const number of numbers) twin.toggle(`key ${number}`);
          twin.check(Array.from({ length: 121 }, (_, i) => `key ${i}`));
        },
      ),
      { numRuns: 100, seed: 20261129 },
    );
  });

  it("splits and grows: 60,000 keys, half of them removed, half of these come back", () => {
    const twin = new Twin();
    const texts = Array.from({ length: 60_000 }, (_, i) => `user:${i}:name`);
    for (const text of texts) twin.toggle(text);
    twin.check(texts);
    for (const text of texts.filter((_, i) => i % 2 === 0)) twin.toggle(text);
    for (const text of texts.filter((_, i) => i % 4 === 0)) twin.toggle(text);
    twin.check(texts);
  });

  it("holds keys that were made to have equal hashes, wholly or in their first bits", () => {
    for (const hash of [
      () => 0xdead_beef,
      (bytes: Uint8Array) => ((hashOf(bytes, 0, bytes.length) & 0xffff) | 0xabcd_0000) >>> 0,
    ]) {
      const twin = new Twin(hash);
      const count = hash.length === 0 ? 1000 : 8000;
      const texts = Array.from({ length: count }, (_, i) => `key ${i}`);
      for (const text of texts) twin.toggle(text);
      twin.check(texts);
      for (const text of texts.slice(count / 4)) twin.toggle(text);
      twin.check(texts);
    }
  });
});

describe("the hash of a key", () => {
  it("is of the bytes, wherever they stand", () => {
    const bytes = Buffer.from("xxsome key of any lengthyy");
    for (let size = 0; size <= 20; size++) {
      const copy = new Uint8Array(bytes.subarray(2, 2 + size));
      assert.equal(hashOf(bytes, 2, size), hashOf(copy, 0, size));
    }
  });

  it("spreads keys that differ in one digit, bit or size over all 32 bits", () => {
    const keys = [
      ...Array.from({ length: 20_000 }, (_, i) => Buffer.from(`key-${String(i).padStart(8, "0")}`)),
      ...Array.from({ length: 500 }, (_, i) => Buffer.alloc(i)),
      ...Array.from({ length: 256 }, (_, i) => Buffer.from([i])),
    ];
    const counts = new Uint32Array(32);
    const seen = new Set<number>();
    for (const key of keys) {
      const hash = hashOf(key, 0, key.length);
      seen.add(hash);
      for (let bit = 0; bit < 32; bit++) counts[bit] = (counts[bit] ?? 0) + ((hash >>> bit) & 1);
    }
    // One of the last 256 is Buffer.alloc(1) again.
    assert.equal(seen.size, keys.length - 1);
    for (const count of counts) assert.ok(Math.abs(count / keys.length - 0.5) < 0.02, `${count}`);
  });
});
