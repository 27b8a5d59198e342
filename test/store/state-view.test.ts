import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Request } from "../../src/store/command.js";
import type { StateRow } from "../../src/store/state-row.js";
import { Store } from "../../src/store/store.js";
import { anyWholeRequest, LIMITS } from "./any-request.js";
import { bytes, del, put, request } from "./requests.js";
import { kept, rest, restored } from "./whole-state.js";

function applyAll(store: Store, requests: readonly Request[], from = 0): void {
  requests.forEach((each, i) => {
    store.apply(each, 1_000_000 + (from + i) * 700);
  });
}

const ALL = { countMax: Infinity, sizeMax: Infinity };
const WAYS = ["at-once", "in-slices"] as const;

const code = (error: unknown): boolean => (error as { code?: unknown }).code === "CORRUPTION";

describe("a view of the state", () => {
  it("is of the moment it was opened, whatever is written while it is read", () => {
    fc.assert(
      fc.property(
        fc.array(anyWholeRequest, { maxLength: 30 }),
        fc.array(anyWholeRequest, { maxLength: 30 }),
        (before, during) => {
          const store = new Store(LIMITS);
          applyAll(store, before);
          const want = rest(store.openView());
          const view = store.openView();
          const rows: StateRow[] = [];
          during.forEach((each, i) => {
            rows.push(...view.next(1).map(kept));
            store.apply(each, 2_000_000 + i);
          });
          rows.push(...rest(view, 1));
          assert.deepEqual(rows, want);
        },
      ),
      { numRuns: 300, seed: 20261124 },
    );
  });

  it("looks at no more than so many keys that came later before it lets others go on", () => {
    const store = new Store();
    store.apply(request(put("zz", "old")));
    store.apply(request({ kind: "compact", revision: 2 }));
    const COUNT = 5000;
    for (let i = 0; i < COUNT; i++) store.apply(request(put(`a${i}`, "new")));
    const want = rest(store.openView());
    const view = store.openView();
    const rows: StateRow[] = [];
    let pauses = 0;
    for (;;) {
      const before = rows.length;
      const isMore = view.read(1000, (row) => {
        rows.push(kept(row));
      });
      if (!isMore) break;
      if (rows.length === before) pauses += 1;
    }
    view.close();
    assert.deepEqual(rows, want);
    assert.ok(pauses >= 3, `${pauses} pauses`);
    assert.equal(rows.filter(({ kind }) => kind === "key").length, 1);
    assert.equal(rows.filter(({ kind }) => kind === "put").length, COUNT);
  });

  it("looks at no more than so many sessions without answers before it lets others go on", () => {
    const store = new Store();
    const COUNT = 5000;
    for (let i = 0; i < COUNT; i++) {
      const session = new Uint8Array(16);
      new DataView(session.buffer).setUint32(0, i);
      store.apply(request({ kind: "openSession", session, ttl: 1000 }));
    }
    const view = store.openView();
    const counts: number[] = [];
    let count = 0;
    for (;;) {
      count = 0;
      const isMore = view.read(Infinity, () => {
        count += 1;
      });
      if (!isMore) break;
      counts.push(count);
    }
    view.close();
    assert.deepEqual(counts, [2 + COUNT, 0, 0, 0, 0]);
  });

  for (const way of WAYS) {
    it(`gives back the same state, which goes on alike, taken back ${way}`, () => {
      fc.assert(
        fc.property(
          fc.array(anyWholeRequest, { maxLength: 30 }),
          fc.array(anyWholeRequest, { maxLength: 10 }),
          (before, after) => {
            const store = new Store(LIMITS);
            applyAll(store, before);
            const rows = rest(store.openView());
            const other = restored(rows, undefined, way);
            assert.deepEqual(rest(other.openView()), rows);
            after.forEach((each, i) => {
              const time = 3_000_000 + i;
              assert.deepEqual(other.apply(each, time), store.apply(each, time));
            });
            assert.equal(other.stateHash(), store.stateHash());
            assert.deepEqual(rest(other.openView()), rest(store.openView()));
          },
        ),
        { numRuns: 300, seed: 20261125 },
      );
    });
  }

  it("comes in slices of the size that is asked for", () => {
    const store = new Store();
    for (let i = 0; i < 1000; i++) store.apply(request(put(`key${i}`, "0123456789")));
    const view = store.openView();
    const first = view.next(2000);
    assert.ok(first.length > 10);
    assert.ok(first.length < 100);
    assert.equal(first.length + rest(view).length, 1002);
  });

  it("ends when it is closed, and another may be opened", () => {
    const store = new Store();
    const view = store.openView();
    assert.throws(() => store.openView(), /one view at a time/);
    view.close();
    view.close();
    assert.deepEqual(view.next(1), []);
    store.openView().close();
  });
});

describe("a restore", () => {
  const source = new Store();
  source.apply(request(put("a", "1")), 5000);
  source.apply(request(put("b", "2")), 6000);
  source.apply(request(put("a", "3")), 7000);
  const rows = rest(source.openView());

  it("changes nothing before it is finished, and then everything at once", () => {
    const store = new Store();
    store.apply(request(put("old", "x")));
    const restore = store.beginRestore();
    for (const row of rows) restore.add(row);
    assert.equal(store.get(bytes("a")), undefined);
    assert.notEqual(store.get(bytes("old")), undefined);
    restore.finish();
    assert.deepEqual(store.get(bytes("a")), source.get(bytes("a")));
    assert.equal(store.get(bytes("old")), undefined);
    assert.equal(store.revision, source.revision);
    assert.equal(store.logTime, 7000);
  });

  it("has its keys in their order, whenever they came and whichever were deleted", () => {
    const store = new Store();
    const keyOf = (i: number): string => {
      const number = (i * 6151) % 9973;
      // some alike in more than a rank holds, some one another's beginnings, some with zeros behind
      if (number % 3 === 0) return `key/${number}`;
      return number % 3 === 1 ? `key/a-long-beginning/${number}` : `key/${"\0".repeat(number % 9)}`;
    };
    for (let i = 0; i < 6000; i++) {
      store.apply(request(put(keyOf(i), String(i))));
      if (i === 3000) store.apply(request({ kind: "compact", revision: store.revision }));
      if (i % 5 === 0) store.apply(request(del(keyOf(i >> 1))));
    }
    const all = (each: Store, revision: number): readonly unknown[] =>
      each.rangeAt(bytes(""), bytes(""), revision, ALL).keyValues;
    for (const way of WAYS) {
      const other = restored(rest(store.openView()), new Store(), way);
      const { compactedRevision, revision } = store;
      for (const at of [compactedRevision, compactedRevision + 1700, revision]) {
        assert.deepEqual(all(other, at), all(store, at));
      }
      for (let i = 0; i < 6000; i += 7) {
        const again = request(i % 2 === 0 ? put(keyOf(i), "again") : put(`key/${i}/new`, "new"));
        assert.deepEqual(other.apply(again), store.apply(again));
      }
      assert.deepEqual(all(other, other.revision), all(store, store.revision));
      assert.equal(other.stateHash(), store.stateHash());
    }
  });

  it("owns its bytes", () => {
    const chunk = Buffer.from("kv");
    const store = restored(
      rows.map((row) =>
        row.kind === "put" ? { ...row, key: row.key, value: chunk.subarray(1) } : row,
      ),
    );
    chunk.fill(0);
    assert.equal(Buffer.from(store.get(bytes("b"))?.value ?? []).toString(), "v");
  });

  const damages: readonly (readonly [string, (rows: StateRow[]) => void])[] = [
    ["nothing at all", (all) => all.splice(0)],
    ["only the first row", (all) => all.splice(1)],
    ["no first row", (all) => all.shift()],
    ["the first row twice", (all) => all.unshift(...all.slice(0, 1))],
    ["changes out of order", (all) => all.reverse()],
    [
      "a change beyond the revision",
      (all) => {
        change(all, 2, { modRevision: 99 });
      },
    ],
    [
      "a put of version 0",
      (all) => {
        change(all, 2, { version: 0 });
      },
    ],
    [
      "a record older than its creation",
      (all) => {
        change(all, 2, { createRevision: 3 });
      },
    ],
    [
      "an empty key",
      (all) => {
        change(all, 2, { key: bytes("") });
      },
    ],
    [
      "a deletion of nothing",
      (all) => {
        change(all, 2, { kind: "delete" });
      },
    ],
    [
      "a compaction beyond the revision",
      (all) => {
        change(all, 0, { createRevision: 9 });
      },
    ],
    [
      "revision 0",
      (all) => {
        change(all, 0, { modRevision: 0 });
      },
    ],
  ];
  for (const [title, damage] of damages) {
    it(`refuses ${title}`, () => {
      const damaged = [...rows];
      damage(damaged);
      assert.throws(() => restored(damaged), code);
    });
  }
});

function change(rows: StateRow[], place: number, fields: Partial<StateRow>): void {
  const row = rows[place];
  assert.ok(row !== undefined);
  rows[place] = { ...row, ...fields };
}
