import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { figureCells, type Figure } from "../../bench/figures/figure.js";

describe("a figure that is wanted", () => {
  const figure = { what: "it", unit: "×", remark: "", wanted: 5 } as const;
  const cases: readonly {
    relation: Figure["relation"];
    measured: number | null;
    want: readonly string[];
  }[] = [
    { relation: "at least", measured: 5, want: ["≥ 5×", "5.00×", "met"] },
    { relation: "at least", measured: 4.99, want: ["≥ 5×", "4.99×", "NOT MET"] },
    { relation: "at most", measured: 5, want: ["≤ 5×", "5.00×", "met"] },
    { relation: "at most", measured: 14.21, want: ["≤ 5×", "14.2×", "NOT MET"] },
    { relation: "at most", measured: null, want: ["≤ 5×", "-", "not measured"] },
    { relation: "at least", measured: Number.NaN, want: ["≥ 5×", "NaN×", "NOT MET"] },
  ];
  for (const { relation, measured, want } of cases) {
    it(`${relation} 5, and ${measured ?? "nothing"} was measured: ${want[2] ?? ""}`, () => {
      assert.deepEqual(figureCells({ ...figure, relation, measured }).slice(1, 4), want);
    });
  }
});
