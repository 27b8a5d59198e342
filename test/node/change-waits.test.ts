import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import { describe, it } from "mocha";
import { RevisionWaits } from "../../src/node/revision-waits.js";
import type { KeyRange } from "../../src/node/service.js";
import { prefixEnd } from "../../src/store/key-order.js";
import { Store } from "../../src/store/store.js";

const NO_ID = new Uint8Array(0);

function put(store: Store, ...keys: string[]): void {
  const commands = keys.map((key) => {
    return {
      kind: "put",
      key: Buffer.from(key, "latin1"),
      value: NO_ID,
      condition: "none",
    } as const;
  });
  store.apply({ id: NO_ID, commands }, 1);
}

function range(from: string, end: string): KeyRange {
  return { from: Buffer.from(from, "latin1"), end: Buffer.from(end, "latin1") };
}

function prefix(text: string): KeyRange {
  const from = Buffer.from(text, "latin1");
  return { from, end: prefixEnd(from) };
}

/** What became of each who waited: its name, the error's code and where it is to look on. */
class Scene {
  readonly store = new Store();
  readonly waits = new RevisionWaits();
  told: (readonly [name: string, what: string, since: number])[] = [];

  wait(name: string, where: KeyRange, since = this.store.revision + 1, deadline = 10): () => void {
    const { revision } = this.store;
    return this.waits.changes.add(where, since, revision, deadline, (error, store, from) => {
      this.told.push([name, error?.code ?? (store === this.store ? "changed" : "?"), from]);
    });
  }

  serve(): Scene["told"] {
    this.waits.serve(this.store);
    const { told } = this;
    this.told = [];
    return told;
  }
}

describe("those who wait for a change within a range", () => {
  it("are told of theirs, once, from the first revision that concerns them", () => {
    const scene = new Scene();
    scene.wait("a*", prefix("a"));
    scene.wait("ab", range("ab", "ab\u0000"));
    scene.wait("b..d", range("b", "d"));
    scene.wait("late", prefix("a"), 4);
    scene.wait("all", prefix(""));
    put(scene.store, "x");
    assert.deepEqual(scene.serve(), [["all", "changed", 2]]);
    put(scene.store, "a");
    put(scene.store, "abc", "c");
    assert.deepEqual(scene.serve().toSorted(), [
      ["a*", "changed", 3],
      ["b..d", "changed", 4],
      ["late", "changed", 4],
    ]);
    put(scene.store, "ab");
    assert.deepEqual(scene.serve(), [["ab", "changed", 5]]);
    put(scene.store, "ab");
    assert.deepEqual(scene.serve(), []);
  });

  it("need not look again at what was looked at for them, whoever compacts it", () => {
    const scene = new Scene();
    scene.wait("a", prefix("a"));
    for (let i = 0; i < 5; i++) {
      put(scene.store, `b${i}`);
      scene.serve();
    }
    scene.waits.expire(11);
    assert.deepEqual(scene.told, [["a", "TIMEOUT", 7]]);
  });

  it("are all told when what changed was compacted before it was looked at", () => {
    const scene = new Scene();
    scene.wait("a", prefix("a"));
    scene.wait("b", prefix("b"), 9);
    put(scene.store, "b");
    put(scene.store, "b");
    scene.store.apply({ id: NO_ID, commands: [{ kind: "compact", revision: 3 }] }, 1);
    assert.deepEqual(scene.serve(), [
      ["a", "changed", 2],
      ["b", "changed", 9],
    ]);
  });

  it("are not told once they have given up, and told that the node closes", () => {
    const scene = new Scene();
    scene.wait("gone", prefix("a"))();
    scene.wait("left", prefix("a"));
    scene.waits.close();
    assert.deepEqual(scene.told, [["left", "CLOSED", 2]]);
    put(scene.store, "a");
    assert.deepEqual(scene.serve(), [["left", "CLOSED", 2]]);
  });

  it("are those whose range holds a changed key, and nobody else", () => {
    const text = fc.string({
      maxLength: 3,
      unit: fc.constantFrom("a", "b", "\u0000", "\u00ff"),
    });
    const where = fc.oneof(
      text.map(prefix),
      text.map((key) => range(key, `${key}\u0000`)),
      fc.tuple(text, text).map(([from, end]) => range(from, end)),
    );
    const keys = fc.array(
      fc.array(
        text.filter((key) => key !== ""),
        { minLength: 1, maxLength: 3 },
      ),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.array(where, { maxLength: 6 }), keys, (ranges, requests) => {
        const scene = new Scene();
        ranges.forEach((each, i) => scene.wait(String(i), each));
        for (const request of requests) put(scene.store, ...request);
        const want = ranges.flatMap(({ from, end }, i) => {
          const touched = requests.findIndex((request) =>
            request.some((text) => {
              const key = Buffer.from(text, "latin1");
              const isBehind = Buffer.compare(key, from) >= 0;
              return isBehind && (end.length === 0 || Buffer.compare(key, end) < 0);
            }),
          );
          return touched < 0 ? [] : [[String(i), "changed", touched + 2] as const];
        });
        assert.deepEqual(scene.serve().toSorted(), want.toSorted());
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  it("are not looked at when others' keys change, however many they are", () => {
    const scene = new Scene();
    let looks = 0;
    for (let i = 0; i < 10_000; i++) {
      const { from, end } =
        i % 2 === 0 ? prefix(`watch:${i}:`) : range(`key:${i}`, `key:${i}\u0000`);
      const counted: KeyRange = {
        get from() {
          looks++;
          return from;
        },
        end,
      };
      scene.wait(String(i), counted);
    }
    looks = 0;
    for (let i = 0; i < 100; i++) {
      put(scene.store, `other:${i}`);
      assert.deepEqual(scene.serve(), []);
    }
    assert.equal(looks, 0);
  });

  it("cost no copy of the values that others change, however many they are", () => {
    const { store, waits } = new Scene();
    const value = new Uint8Array(2000);
    for (let i = 0; i < 10_000; i++) {
      const key = Buffer.from(`other:${i}`);
      store.apply({ id: NO_ID, commands: [{ kind: "put", key, value, condition: "none" }] }, 1);
    }
    const { from, end } = prefix("watch:");
    waits.changes.add({ from, end }, store.revision + 1, store.revision, 10, () => assert.fail());
    store.apply({ id: NO_ID, commands: [{ kind: "deleteRange", key: NO_ID, end: NO_ID }] }, 1);
    const before = process.memoryUsage().arrayBuffers;
    waits.serve(store);
    const size = process.memoryUsage().arrayBuffers - before;
    assert.ok(size < 1_000_000, `${size} bytes`);
  });
});
