import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { Outcomes } from "../../src/store/outcome.js";

function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(number % 3, number);
  return id;
}

function note(outcomes: Outcomes, number: number, revision: number): void {
  const around = Buffer.concat([Buffer.from([1, 2, 3]), idOf(number), Buffer.from([4])]);
  outcomes.note(around, 3, 16, revision);
}

describe("what became of requests", () => {
  it("is known of the last 32,768 ids at least, of no other, and stays what it was first", () => {
    const outcomes = new Outcomes();
    const count = 100_000;
    for (let number = 1; number <= count; number++) {
      note(outcomes, number, number % 7 === 0 ? 0 : number + 1);
      note(outcomes, number, 999_999);
    }
    for (let number = count - 32_768; number <= count; number++) {
      const wanted =
        number % 7 === 0 ? { kind: "rejected" } : { kind: "applied", revision: number + 1 };
      assert.deepEqual(outcomes.of(idOf(number)), wanted);
    }
    for (let number = count + 1; number <= 2 * count; number++) {
      assert.equal(outcomes.of(idOf(number)), undefined);
    }
    assert.equal(outcomes.of(idOf(1)), undefined);
    assert.equal(outcomes.of(new Uint8Array(15)), undefined);
  });

  it("stays as it was for whoever reads it, however many requests come meanwhile", () => {
    const outcomes = new Outcomes();
    const count = 50_000;
    for (let number = 1; number <= count; number++) note(outcomes, number, number + 1);
    const shown = outcomes.generations;
    for (let number = count + 1; number <= 5 * count; number++) note(outcomes, number, number + 1);
    let number = 0;
    for (const { generation, count: shownCount } of shown) {
      for (let i = 0; i < shownCount; i++) {
        number += 1;
        assert.deepEqual(generation.idAt(i), idOf(number));
        assert.equal(generation.revisionAt(i), number + 1);
      }
    }
    assert.equal(number, count);
  });
});
