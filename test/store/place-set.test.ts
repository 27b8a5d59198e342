import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { PlaceSet } from "../../src/store/place-set.js";

const anyPlace = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.constantFrom(0x7fff, 0x8000, 0x8001, 0x1_0000, 3 * 0x8000 + 31, 3 * 0x8000 + 32, 0xff_ffff),
);
const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("add" as const), anyPlace) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("take" as const), anyPlace) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("takeAny" as const), fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("clear" as const), fc.constant(0)) },
);

describe("a set of places", () => {
  it("has what was added until it is taken out or the set is cleared", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
        const set = new PlaceSet();
        const model = new Set<number>();
        for (const [what, place] of steps) {
          if (what === "add" && !model.has(place)) {
            set.add(place);
            model.add(place);
          }
          if (what === "take") assert.equal(set.take(place), model.delete(place));
          if (what === "takeAny" && model.size > 0) assert.ok(model.delete(set.takeAny()));
          if (what === "clear") {
            set.clear();
            model.clear();
          }
          assert.equal(set.count, model.size);
        }
        while (model.size > 0) assert.ok(model.delete(set.takeAny()));
        assert.equal(set.count, 0);
      }),
      { numRuns: 500, seed: 20261122 },
    );
  });

  it("takes the highest place there can be", () => {
    const set = new PlaceSet();
    set.add(0xffff_ffff);
    assert.equal(set.takeAny(), 0xffff_ffff);
    assert.equal(set.take(0xffff_ffff), false);
  });
});
