import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { KeyValue, RequestResult } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { anyKey, anyWholeRequest, LIMITS } from "./any-request.js";
import { ReferenceStore } from "./reference-store.js";
import { restored, rowsOf } from "./whole-state.js";

/** More of them in the night: `npm run model`. */
const RUN_COUNT = Number(process.env["MODEL_RUNS"] ?? 300);
const EVERYTHING = { countMax: Infinity, sizeMax: Infinity };
const NO_BYTES = new Uint8Array(0);

/** A request, how long after the one before it, and what is done to the store in between. */
const anyStep = fc.record({
  request: anyWholeRequest,
  pause: fc.constantFrom(0, 0, 3, 3, 700, 4_000, 60_000, -500),
  between: fc.constantFrom("nothing", "nothing", "nothing", "view", "slice", "restore"),
});

/** The model does not say which keys conflict. */
function plain(result: RequestResult): RequestResult {
  if (result.kind === "applied") return result;
  const { kind, reason, commandIndex, revision, current } = result;
  return { kind, reason, commandIndex, revision, current };
}

function recordsAt(store: Store, revision: number): readonly KeyValue[] {
  return store.rangeAt(NO_BYTES, NO_BYTES, revision, EVERYTHING).keyValues;
}

describe("the whole store against its reference", () => {
  it(`answers alike and holds the same, now and then, in ${RUN_COUNT} histories with views and restores in between`, () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { minLength: 10, maxLength: 90, size: "max" }),
        anyKey,
        (steps, key) => {
          let store = new Store(LIMITS);
          let view: ReturnType<Store["openView"]> | undefined;
          const reference = new ReferenceStore(LIMITS);
          let time = 1_000_000;
          for (const { request, pause, between } of steps) {
            time += pause;
            assert.deepEqual(
              plain(store.apply(request, time)),
              plain(reference.apply(request, time)),
            );
            assert.equal(store.revision, reference.revision);
            if (between === "view") view ??= store.openView();
            if (between === "slice") view?.next(40);
            if (between === "restore") {
              view?.close();
              view = undefined;
              const rows = rowsOf(store);
              const way = rows.length % 2 === 0 ? "at-once" : "in-slices";
              const other = restored(rows, undefined, way);
              assert.deepEqual(rowsOf(other), rows);
              assert.equal(other.stateHash(), store.stateHash());
              store = other;
            }
          }
          assert.equal(store.compactedRevision, reference.compacted);
          for (let revision = store.compactedRevision; revision <= store.revision; revision++) {
            if (revision === 0) continue;
            assert.deepEqual(recordsAt(store, revision), reference.at(revision));
            assert.deepEqual(
              store.at(key, revision),
              reference.at(revision).find((each) => Buffer.compare(each.key, key) === 0),
            );
          }
          assert.deepEqual(
            store.leases(),
            reference.leases
              .filter(({ ofKey }) => !ofKey)
              .map(({ id }) => id)
              .sort((a, b) => a - b),
          );
          checkChanges(store, reference);
        },
      ),
      { numRuns: RUN_COUNT, seed: 20261126 },
    );
  });

  it("does not depend on what only this node does: views, and where it was restored", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 10, maxLength: 90, size: "max" }), (steps) => {
        const plainStore = new Store(LIMITS);
        const viewed = new Store(LIMITS);
        let view = viewed.openView();
        let time = 1_000_000;
        for (const { request, pause, between } of steps) {
          time += pause;
          assert.deepEqual(viewed.apply(request, time), plainStore.apply(request, time));
          if (between === "view") {
            view.close();
            view = viewed.openView();
          }
          assert.deepEqual(viewed.dueRequest(time + 5), plainStore.dueRequest(time + 5));
        }
        view.close();
        assert.equal(viewed.stateHash(), plainStore.stateHash());
        assert.deepEqual(viewed.historySize, plainStore.historySize);
        assert.deepEqual(viewed.extent, plainStore.extent);
      }),
      { numRuns: RUN_COUNT, seed: 20261127 },
    );
  });
});

/** Every revision's changes are what differs between its records and the ones before. */
function checkChanges(store: Store, reference: ReferenceStore): void {
  const { compactedRevision } = store;
  const seen = new Map<number, string[]>();
  let from = Math.max(compactedRevision + 1, 2);
  for (;;) {
    const page = store.changesSince(Math.min(from, store.revision + 1), {
      countMax: 3,
      sizeMax: Infinity,
    });
    for (const { revision, key, kind, current, previous } of page.changes) {
      const name = Buffer.from(key).toString("hex");
      seen.set(revision, [...(seen.get(revision) ?? []), name]);
      const find = (records: readonly KeyValue[]): KeyValue | undefined =>
        records.find((each) => Buffer.compare(each.key, key) === 0);
      assert.deepEqual(current, find(reference.at(revision)));
      assert.equal(kind, current === undefined ? "delete" : "put");
      assert.deepEqual(previous, find(reference.at(revision - 1)));
    }
    from = page.nextRevision;
    if (!page.more) break;
  }
  assert.equal(from, store.revision + 1);
  for (let revision = Math.max(compactedRevision + 1, 2); revision < from; revision++) {
    const [before, now] = [reference.at(revision - 1), reference.at(revision)];
    const differing = [...before, ...now].filter(
      (record) => !(before.includes(record) && now.includes(record)),
    );
    const keys = new Set(differing.map(({ key }) => Buffer.from(key).toString("hex")));
    assert.deepEqual((seen.get(revision) ?? []).toSorted(), [...keys].sort());
  }
}
