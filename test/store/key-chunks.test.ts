import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { CHUNK_WORD_COUNT, KeyChunks } from "../../src/store/key-chunks.js";

describe("chunks of slots", () => {
  it("are each apart from all others", () => {
    const chunks = new KeyChunks();
    const numbers = Array.from({ length: 1500 }, () => chunks.allocate());
    assert.equal(new Set(numbers).size, numbers.length);
    numbers.forEach((chunk, i) => {
      const first = KeyChunks.firstOf(chunk);
      chunks.wordsOf(chunk).fill(i + 1, first, first + CHUNK_WORD_COUNT);
    });
    numbers.forEach((chunk, i) => {
      const first = KeyChunks.firstOf(chunk);
      const words = chunks.wordsOf(chunk).subarray(first, first + CHUNK_WORD_COUNT);
      assert.equal(words.length, CHUNK_WORD_COUNT);
      assert.ok(words.every((word) => word === i + 1));
    });
  });

  it("are used again before there are more", () => {
    const chunks = new KeyChunks();
    const numbers = Array.from({ length: 700 }, () => chunks.allocate());
    for (const chunk of numbers) chunks.free(chunk);
    const again = Array.from({ length: 700 }, () => chunks.allocate());
    assert.deepEqual(new Set(again), new Set(numbers));
  });
});
