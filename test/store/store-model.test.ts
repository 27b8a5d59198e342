import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Command } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { anyKey, anyRequest, LIMITS } from "./any-request.js";
import { ReferenceStore } from "./reference-store.js";

const NO_BYTES = new Uint8Array(0);

describe("the store against its reference", () => {
  it("answers every history alike and holds the same", () => {
    fc.assert(
      fc.property(
        fc.array(anyRequest, { maxLength: 40 }),
        anyKey,
        anyKey,
        (requests, from, end) => {
          const store = new Store(LIMITS);
          const reference = new ReferenceStore(LIMITS);
          for (const each of requests) {
            assert.deepEqual(store.apply(each), reference.apply(each));
            assert.equal(store.revision, reference.revision);
          }
          assert.equal(store.size, reference.records.length);
          assert.deepEqual(
            store.range(NO_BYTES, NO_BYTES, Infinity, Infinity).keyValues,
            reference.records,
          );
          assert.deepEqual(
            store.range(from, end, Infinity, Infinity).keyValues,
            reference.range(from, end),
          );
          for (const record of reference.records) assert.deepEqual(store.get(record.key), record);
          const liveSize = reference.records.reduce(
            (sum, { key, value }) => sum + key.length + value.length,
            0,
          );
          const { changeCount, size } = store.historySize;
          assert.deepEqual(store.extent, {
            rowCount: reference.records.length + changeCount,
            size: liveSize + size,
          });
        },
      ),
      { numRuns: 500, seed: 20261121 },
    );
  });

  it("pages through any range without a gap or a repetition", () => {
    fc.assert(
      fc.property(
        fc.array(anyRequest, { maxLength: 20 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 30 }),
        (requests, countMax, sizeMax) => {
          const store = new Store(LIMITS);
          for (const each of requests) store.apply(each);
          const seen = [];
          let from = NO_BYTES;
          for (;;) {
            const page = store.range(from, NO_BYTES, countMax, sizeMax);
            assert.ok(page.keyValues.length <= countMax);
            seen.push(...page.keyValues);
            const last = page.keyValues.at(-1);
            if (!page.more || last === undefined) break;
            from = new Uint8Array([...last.key, 0]);
          }
          assert.deepEqual(seen, store.range(NO_BYTES, NO_BYTES, Infinity, Infinity).keyValues);
        },
      ),
      { numRuns: 300, seed: 20261122 },
    );
  });

  it("keeps its keys in order when there are tens of thousands, some of them removed", () => {
    const store = new Store();
    const expected = new Set<string>();
    for (let i = 0; i < 30_000; i++) {
      const text = `key:${((i * 7919) % 30_011).toString(36)}`;
      const bytes = new Uint8Array(Buffer.from(text));
      const remove = i % 3 === 0;
      store.apply({
        id: NO_BYTES,
        commands: [{ kind: "put", key: bytes, value: bytes, condition: "none" }],
      });
      if (remove) store.apply({ id: NO_BYTES, commands: [{ kind: "delete", key: bytes }] });
      else expected.add(text);
    }
    const found = store
      .range(NO_BYTES, NO_BYTES, Infinity, Infinity)
      .keyValues.map(({ key: found }) => Buffer.from(found).toString());
    assert.deepEqual(found, [...expected].sort());
    assert.equal(store.size, expected.size);
  });
});

describe("the state hash", () => {
  it("tells states apart", () => {
    const byHash = new Map<string, string>();
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 15 }), (requests) => {
        const store = new Store(LIMITS);
        for (const each of requests) store.apply(each);
        const state = JSON.stringify([
          store.revision,
          store.range(NO_BYTES, NO_BYTES, Infinity, Infinity).keyValues.map((record) => ({
            ...record,
            key: [...record.key],
            value: [...record.value],
          })),
        ]);
        const hash = store.stateHash();
        assert.match(hash, /^[0-9a-f]{16}$/);
        assert.equal(byHash.get(hash) ?? state, state);
        byHash.set(hash, state);
      }),
      { numRuns: 500, seed: 20261123 },
    );
  });

  it("knows the order of the changes in a revision, which a watch shows", () => {
    const commands: Command[] = Array.from({ length: 50 }, (_, i) => ({
      kind: "put",
      key: new Uint8Array([i]),
      value: new Uint8Array([i, i]),
      condition: "none",
    }));
    const forwards = new Store();
    forwards.apply({ id: NO_BYTES, commands });
    const backwards = new Store();
    backwards.apply({ id: NO_BYTES, commands: commands.toReversed() });
    assert.notEqual(forwards.stateHash(), backwards.stateHash());
    for (const store of [forwards, backwards]) {
      store.apply({ id: NO_BYTES, commands: [{ kind: "compact", revision: 2 }] });
    }
    assert.equal(forwards.stateHash(), backwards.stateHash());
  });

  it("notices a byte that moves from key to value, or one revision", () => {
    const hashes = [
      [["ab", "c"]],
      [["a", "bc"]],
      [["abc", ""]],
      [
        ["ab", "c"],
        ["ab", "c"],
      ],
      [["ab", "c\u0000"]],
    ].map((puts) => {
      const store = new Store();
      for (const [k = "", v = ""] of puts) {
        store.apply({
          id: NO_BYTES,
          commands: [
            { kind: "put", key: Buffer.from(k), value: Buffer.from(v), condition: "none" },
          ],
        });
      }
      return store.stateHash();
    });
    assert.equal(new Set(hashes).size, hashes.length);
  });
});
