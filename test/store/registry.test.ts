/** Things in their order, and a view of them, against a list that is copied. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Registry, type RegistryView } from "../../src/store/registry.js";

interface Thing {
  readonly order: number;
  state: number;
}

type Shown = Readonly<Thing>;

const anyStep = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), order: fc.nat(500) }),
  fc.record({ kind: fc.constant("delete" as const), order: fc.nat(500) }),
  fc.record({ kind: fc.constant("change" as const), order: fc.nat(500) }),
  fc.record({ kind: fc.constant("view" as const) }),
  fc.record({ kind: fc.constant("close" as const) }),
);

function copied({ order, state }: Shown): Shown {
  return { order, state };
}

describe("a registry", () => {
  it("shows a view what there was when it was opened, in order, whatever changes meanwhile", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(500), { maxLength: 400 }),
        fc.array(anyStep, { maxLength: 300 }),
        (first, steps) => {
          const registry = new Registry<Thing, Shown>(copied);
          for (const order of first) registry.add({ order, state: 0 });
          let view: RegistryView<Shown> | undefined;
          let expected: readonly Shown[] = [];
          for (const [i, step] of steps.entries()) {
            if (step.kind === "view") {
              if (view !== undefined) continue;
              expected = [...registry].map(copied);
              view = registry.openView();
            } else if (step.kind === "close") {
              view?.close();
              view = undefined;
            } else {
              const thing = registry.get(step.order);
              if (step.kind === "add" && thing === undefined) {
                registry.add({ order: step.order, state: -i });
              } else if (step.kind === "delete" && thing !== undefined) {
                registry.delete(thing);
              } else if (step.kind === "change" && thing !== undefined) {
                registry.changing(thing);
                thing.state = i + 1;
              }
            }
          }
          if (view !== undefined) {
            assert.deepEqual([...view], expected);
            assert.deepEqual([...view], expected, "and again");
          }
          const orders = [...registry].map(({ order }) => order);
          assert.deepEqual(
            orders,
            orders.toSorted((a, b) => a - b),
          );
          assert.equal(registry.size, orders.length);
        },
      ),
      { numRuns: 300, seed: 20261129 },
    );
  });

  it("copies what changes once, and nothing else", () => {
    const copies: number[] = [];
    const registry = new Registry<Thing, Shown>((thing) => {
      copies.push(thing.order);
      return copied(thing);
    });
    const things = Array.from({ length: 1000 }, (_, order) => ({ order, state: 0 }));
    for (const thing of things) {
      registry.add(thing);
      registry.changing(thing);
    }
    const view = registry.openView();
    for (const thing of things.slice(7, 9)) {
      registry.changing(thing);
      registry.changing(thing);
      registry.delete(thing);
    }
    assert.deepEqual(copies, [7, 8]);
    assert.equal([...view].length, 1000);
    view.close();
    assert.deepEqual([...view], []);
    assert.throws(() => {
      registry.openView();
      registry.openView();
    }, /one view at a time/);
  });
});
