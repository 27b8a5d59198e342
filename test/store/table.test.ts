/** The store's table of keys and their versions: memory that is used again, and the ways in that make no objects. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Command, KeyValue } from "../../src/store/command.js";
import { Lookups } from "../../src/store/lookups.js";
import { Leases } from "../../src/store/lease.js";
import { RecordRow, stateRow, type StateRow } from "../../src/store/state-row.js";
import { Store } from "../../src/store/store.js";
import { VersionedMap } from "../../src/store/versioned-map.js";
import { anyWholeRequest, LIMITS } from "./any-request.js";
import { bytes, put, request } from "./requests.js";
import { kept, rest, rowsOf } from "./whole-state.js";

const EVERYTHING = { countMax: Infinity, sizeMax: Infinity };
const NO_BYTES = new Uint8Array(0);

function putOf(key: Uint8Array, value: Uint8Array): Command {
  return { kind: "put", key, value, condition: "none" };
}

/** A put as a block has it: id, key and value somewhere in an array. */
function applyPut(
  store: Store,
  id: Uint8Array,
  key: Uint8Array,
  value: Uint8Array,
  time: number,
): number {
  const block = Buffer.concat([Buffer.alloc(70, 1), id, key, value]);
  const keyStart = 70 + id.length;
  const valueStart = keyStart + key.length;
  const revision = store.applyPut(
    block,
    keyStart,
    key.length,
    valueStart,
    value.length,
    70,
    id.length,
    time,
  );
  block.fill(0);
  return revision;
}

describe("a put from the bytes of a block", () => {
  it("does what the request does that it stands for, among all others", () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 3 }),
      fc.uint8Array({ minLength: 1, maxLength: 2000 }),
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            anyWholeRequest.map((each) => ({ each })),
            fc.record({
              key: anyBytes,
              value: anyBytes,
              id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
            }),
          ),
          { maxLength: 60, size: "max" },
        ),
        (steps) => {
          const [quick, plain] = [new Store(LIMITS), new Store(LIMITS)];
          steps.forEach((step, i) => {
            const time = 1_000_000 + 400 * i;
            if ("each" in step) {
              assert.deepEqual(quick.apply(step.each, time), plain.apply(step.each, time));
              return;
            }
            const { key, value, id } = step;
            const { revision } = plain.apply({ id, commands: [putOf(key, value)] }, time);
            assert.equal(applyPut(quick, id, key, value, time), revision);
            assert.deepEqual(quick.outcome(id), plain.outcome(id));
          });
          assert.deepEqual(rowsOf(quick), rowsOf(plain));
        },
      ),
      { numRuns: 150, seed: 20261201 },
    );
  });
});

describe("many puts from the bytes of a block", () => {
  for (const [keySize, valueSize] of [
    [14, 100],
    [112, 100],
    [40, 0],
    [20, 8],
  ] as const) {
    it(`leave what requests leave, of keys of ${keySize} bytes and values of ${valueSize}, many times each`, () => {
      const [quick, plain] = [new Store(), new Store()];
      const change = (time: number, ...commands: Command[]): void => {
        for (const store of [quick, plain]) store.apply(request(...commands), time);
      };
      let seed = keySize;
      for (let i = 1; i <= 6000; i++) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        const key = new Uint8Array(keySize).fill((seed >>> 16) % 40);
        // Now and then of another size.
        const value = new Uint8Array(valueSize + (i % 7 === 0 ? i % 50 : 0)).fill(i);
        const time = 1_000_000 + Math.floor(i / 10);
        const id = new Uint8Array(0);
        assert.equal(applyPut(quick, id, key, value, time), plain.revision + 1);
        plain.apply({ id, commands: [putOf(key, value)] }, time);
        if (i % 11 === 0) change(time, { kind: "delete", key });
        // Refused, and so taken back: by then the key was another, or was not there.
        const again = putOf(key, value.subarray(0, 1));
        if (i % 13 === 0) change(time, again, { kind: "increment", key, by: 1n });
        if (i % 17 === 0) change(time, { kind: "delete", key }, again, { kind: "expire" });
        // With a lease, and of a size that needs a wide version.
        const expiry = { kind: "ttl", ttl: 1_000_000 } as const;
        if (i % 19 === 0) change(time, { kind: "put", key, value, condition: "none", expiry });
        if (i % 601 === 0) change(time, putOf(key, new Uint8Array(70_000)));
        if (i % 1000 === 0) change(time, { kind: "compact", revision: plain.revision - 500 });
      }
      assert.deepEqual(rowsOf(quick), rowsOf(plain));
      assert.equal(quick.stateHash(), plain.stateHash());
      assert.deepEqual(quick.extent, plain.extent);
    });
  }
});

describe("a request that nobody waits for", () => {
  it("changes the same, and tells its revision, or why it was refused", () => {
    fc.assert(
      fc.property(fc.array(anyWholeRequest, { maxLength: 60, size: "max" }), (requests) => {
        const [silent, plain] = [new Store(LIMITS), new Store(LIMITS)];
        requests.forEach((each, i) => {
          const time = 1_000_000 + 400 * i;
          const result = silent.apply(each, time, "nothing");
          const wanted = plain.apply(each, time);
          assert.equal(result.kind, wanted.kind);
          assert.equal(result.revision, wanted.revision);
          if (wanted.kind === "rejected") assert.deepEqual(result, wanted);
        });
        assert.deepEqual(rowsOf(silent), rowsOf(plain));
      }),
      { numRuns: 150, seed: 20261202 },
    );
  });
});

describe("a place", () => {
  it("is where a key's value is, of any size, for whoever has room for it", () => {
    const store = new Store();
    for (const size of [0, 1, 7, 8, 9, 63, 100, 160, 1024, 1025, 70_000, 1_048_576]) {
      const value = new Uint8Array(size).map((_, i) => i * 7);
      store.apply(request(putOf(bytes("key"), value)));
      const place = store.find(Buffer.from("a key of it"), 2, 3);
      assert.equal(store.valueSizeAt(place), size);
      for (const [room, at] of [
        [size, 0],
        [size + 200, 77],
      ] as const) {
        const target = new Uint8Array(room).fill(9);
        store.copyValueAt(place, target, at);
        assert.ok(Buffer.from(value).equals(target.subarray(at, at + size)));
        assert.ok(target.subarray(0, at).every((byte) => byte === 9));
        assert.ok(target.subarray(at + size).every((byte) => byte === 9));
      }
    }
  });

  it("is -1 for a key that is absent, or deleted with its history kept", () => {
    const store = new Store();
    assert.equal(store.find(bytes("a"), 0, 1), -1);
    store.apply(request(put("a", "1")));
    assert.notEqual(store.find(bytes("a"), 0, 1), -1);
    store.apply(request({ kind: "delete", key: bytes("a") }));
    assert.equal(store.find(bytes("a"), 0, 1), -1);
  });
});

describe("keys that are looked up together", () => {
  it("are found where each is found alone: there, absent, deleted, of any size, twice", () => {
    const anyKey = fc.nat({ max: 60 }).map((number) => `key ${number}`);
    const anyChange = fc.record({
      key: anyKey,
      size: fc.constantFrom(-1, 0, 1, 43, 44, 63, 64, 65, 100, 5000, 65_536, 65_600, 300_000),
    });
    fc.assert(
      fc.property(
        fc.array(anyChange, { minLength: 20, maxLength: 80 }),
        fc.array(fc.array(anyKey, { minLength: 1, maxLength: 16 }), { minLength: 1, maxLength: 8 }),
        (changes, groups) => {
          const store = new Store();
          for (const { key, size } of changes) {
            const name = bytes(key);
            if (size < 0) store.apply(request({ kind: "delete", key: name }));
            else store.apply(request(putOf(name, new Uint8Array(size).fill(size))));
          }
          const lookups = new Lookups();
          for (const keys of groups) {
            for (const key of keys) lookups.add(Buffer.from(`a ${key} of them`), 2, key.length);
            store.findAll(lookups);
            keys.forEach((key, at) => {
              assert.equal(lookups.placeAt(at), store.find(bytes(key), 0, key.length));
            });
          }
        },
      ),
      { numRuns: 200, seed: 20261122 },
    );
  });

  it("are sixteen at most, and so many again when they were looked up", () => {
    const lookups = new Lookups();
    const store = new Store();
    store.apply(request(put("k", "v")));
    for (let group = 0; group < 2; group++) {
      for (let i = 0; i < 16; i++) {
        assert.equal(lookups.isFull, false);
        lookups.add(bytes("k"), 0, 1);
      }
      assert.equal(lookups.isFull, true);
      store.findAll(lookups);
    }
    assert.equal(lookups.isFull, false);
  });
});

describe("what the store answered", () => {
  it("stays as it was, whatever takes the place of its bytes", () => {
    const store = new Store({ ...LIMITS, valueSizeMax: 1_000_000, requestSizeMax: 2_000_000 });
    const sizes = [1, 50, 100, 1000, 100_000];
    const held: KeyValue[] = [];
    const copies: KeyValue[] = [];
    for (let round = 0; round < 30; round++) {
      for (const [i, size] of sizes.entries()) {
        const value = new Uint8Array(size).fill(round);
        const result = store.apply(request(putOf(bytes(`key ${i}`), value)));
        const [{ previous, current } = {}] = result.kind === "applied" ? result.results : [];
        for (const each of [previous, current, store.get(bytes(`key ${i}`))]) {
          if (each !== undefined) held.push(each);
        }
      }
      for (const each of store.range(NO_BYTES, NO_BYTES, 10, Infinity).keyValues) held.push(each);
      for (const each of held.slice(copies.length)) {
        copies.push({ ...each, key: each.key.slice(), value: each.value.slice() });
      }
      store.apply(request({ kind: "compact", revision: store.revision }));
    }
    assert.deepEqual(held, copies);
  });
});

describe("the versions of a key", () => {
  it("are all found at their revisions when there are thousands, lives and compactions among them", () => {
    const store = new Store();
    const key = bytes("hot");
    const values: (string | undefined)[] = [undefined, undefined];
    const compactedAt = (revision: number): void => {
      store.apply(request({ kind: "compact", revision }));
    };
    for (let revision = 2; revision <= 6000; revision++) {
      const isDeletion = revision % 97 === 0;
      const command = isDeletion
        ? ({ kind: "delete", key } as const)
        : put("hot", String(revision));
      assert.equal(store.apply(request(command)).revision, revision);
      values.push(isDeletion ? undefined : String(revision));
      // Taken back: it leaves nothing.
      if (revision % 5 === 0) {
        const refused = store.apply(
          request(put("hot", "x"), { kind: "increment", key: bytes("hot"), by: 1n }),
        );
        assert.equal(refused.kind, "rejected");
      }
      if (revision % 1500 === 0) compactedAt(revision - 1200);
    }
    for (let revision = store.compactedRevision; revision <= store.revision; revision++) {
      const found = store.at(key, revision);
      assert.equal(found && Buffer.from(found.value).toString(), values[revision]);
    }
    const { changes } = store.history(key, { ...EVERYTHING, order: "newest-first" });
    assert.equal(changes.length, store.revision - store.compactedRevision + 1);
  });

  it("are what they were where their numbers and sizes outgrow 15, 16 and 32 bits", () => {
    const key = bytes("key");
    for (const revision of [5, 2 ** 32 - 3, 2 ** 32, 2 ** 52]) {
      for (const version of [1, 2 ** 15 - 3, 2 ** 15, 2 ** 40]) {
        for (const size of [0, 100, 2 ** 16 - 2, 2 ** 16, 70_000]) {
          const map = new VersionedMap(new Leases());
          map.restoreRevisions(revision, revision);
          const value = new Uint8Array(size).fill(1);
          const numbers = { createRevision: 2, modRevision: revision, version };
          const first = new RecordRow();
          first.set(stateRow("key", { key, value, ...numbers }));
          map.restoreKey(first);
          const wanted: KeyValue[] = [];
          for (let i = 0; i < 6; i++) {
            const next = new Uint8Array(size + i).fill(i);
            if (i % 2 === 0) {
              map.begin(1);
              map.put(key, 0, key.length, next, 0, next.length, 0);
              map.end();
            } else {
              const block = Buffer.concat([key, next]);
              map.putAlone(block, 0, key.length, key.length, next.length, 1);
            }
            wanted.push({
              key,
              value: next,
              createRevision: 2,
              modRevision: revision + 1 + i,
              version: version + 1 + i,
            });
          }
          wanted.forEach((each, i) => {
            assert.deepEqual(map.at(key, revision + 1 + i), each);
          });
          const { value: kept, ...others } = map.at(key, revision) ?? assert.fail("it is there");
          assert.deepEqual(others, { key, ...numbers });
          assert.ok(Buffer.from(kept).equals(value));
        }
      }
    }
  });

  it("cost memory only while they are kept", () => {
    const map = new VersionedMap(new Leases());
    const value = new Uint8Array(3000);
    const set = (number: number, size: number): void => {
      map.begin(1);
      const key = Buffer.from(`key ${number}`);
      map.put(key, 0, key.length, value, 0, size, 0);
      map.end();
    };
    const grow = (count: number): void => {
      for (let i = 0; i < count; i++) {
        set(i % 1000, (i * 31) % 400);
        if (i % 500 === 499 && map.revision > 5000) map.compact(map.revision - 4000);
      }
    };
    grow(30_000);
    const { size } = map.records.arena;
    grow(200_000);
    assert.ok(map.records.arena.size < 1.3 * size, `${map.records.arena.size} after ${size}`);
    assert.equal(map.history.isBehind, false);
  });

  it("that a view reads are freed after it, a part with every request", () => {
    const map = new VersionedMap(new Leases());
    const change = (number: number): void => {
      map.begin(1);
      const key = Buffer.from(`key ${number}`);
      const record = map.findKey(key);
      if (record === 0) map.put(key, 0, key.length, key, 0, key.length, 0);
      else map.delete(record);
      map.end();
    };
    map.pin();
    for (let i = 0; i < 20_000; i++) change(i % 10_000);
    const { size } = map.records.arena;
    map.compact(map.revision);
    assert.equal(map.history.count, 0);
    assert.equal(map.records.arena.size, size);
    assert.equal(map.changedAt(Buffer.from("key 5")), 0);
    map.unpin();
    const states: boolean[] = [];
    for (let i = 0; i < 1000; i++) {
      states.push(map.history.isBehind);
      change(20_000);
    }
    assert.equal(states[0], true);
    assert.equal(states.at(-1), false);
    assert.equal(map.size, 0);
    map.compact(map.revision);
    assert.equal(map.records.arena.size, 0);
  });
});

describe("a view of a large table", () => {
  it("gives every key once, in order, while all of them change and come and go", () => {
    const store = new Store();
    for (let i = 0; i < 3000; i++) store.apply(request(put(`k${i}`, `${i}`)));
    store.apply(request({ kind: "compact", revision: store.revision }));
    const want = rest(store.openView());
    const view = store.openView();
    const rows: StateRow[] = [];
    for (let i = 0; ; i++) {
      const next = view.next(500);
      if (next.length === 0) break;
      rows.push(...next.map(kept));
      for (let j = 0; j < 40; j++) {
        const number = (i * 40 + j) * 7;
        store.apply(request({ kind: "delete", key: bytes(`k${number % 3000}`) }));
        store.apply(request(put(`k${(number * 3) % 5000}`, "another")));
      }
      store.apply(request({ kind: "compact", revision: store.revision }));
    }
    view.close();
    assert.deepEqual(rows, want);
  });
});
