import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { CommandError } from "../../src/console/failure.js";
import { Loader, type LoadLimits, type LoadTarget } from "../../src/console/loader.js";
import { readRecords, type LoadRecord } from "../../src/console/ndjson.js";
import type { BatchOperation } from "../../src/operations.js";
import { DatabaseError } from "../../src/errors.js";

/** A store that answers later and in an order of its own, and refuses what a node would. */
class FakeStore implements LoadTarget {
  readonly map = new Map<string, string>();
  underWay = 0;
  underWayMax = 0;
  batchCount = 0;
  /** fails the batch with this number, from 1 */
  failAt = Number.POSITIVE_INFINITY;
  #chance = 12_345;

  async batch(operations: readonly BatchOperation[]): ReturnType<LoadTarget["batch"]> {
    this.batchCount += 1;
    const number = this.batchCount;
    this.underWay += 1;
    this.underWayMax = Math.max(this.underWayMax, this.underWay);
    await this.#later();
    this.underWay -= 1;
    if (number >= this.failAt) {
      throw new DatabaseError("OUTCOME_UNKNOWN", "the node went away", { requestId: "ab" });
    }
    for (const operation of operations) if (operation.kind === "put") this.#check(operation.value);
    for (const operation of operations) {
      if (operation.kind === "put") this.#set(operation.key, operation.value);
    }
    return { revision: 1, deleted: [] };
  }

  async put(key: string | Uint8Array, value: string | Uint8Array): ReturnType<LoadTarget["put"]> {
    await this.#later();
    this.#check(value);
    this.#set(key, value);
    return { revision: 1, previous: undefined };
  }

  #check(value: string | Uint8Array): void {
    if (value.length > 10)
      throw new DatabaseError("VALUE_TOO_LARGE", "the value has over 10 bytes");
  }

  #set(key: string | Uint8Array, value: string | Uint8Array): void {
    this.map.set(Buffer.from(key).toString(), Buffer.from(value).toString());
  }

  async #later(): Promise<void> {
    this.#chance = (this.#chance * 1_103_515_245 + 12_345) % 2 ** 31;
    for (let turn = 0; turn <= this.#chance % 5; turn += 1) await new Promise(setImmediate);
  }
}

const limits: LoadLimits = { batchCountMax: 5, batchSizeMax: 60, inFlightMax: 3 };

async function* records(pairs: readonly (readonly [string, string])[]): AsyncGenerator<LoadRecord> {
  let lineNumber = 0;
  for (const [key, value] of pairs) {
    lineNumber += 1;
    yield { key: Buffer.from(key), value: Buffer.from(value), lineNumber };
  }
}

describe("the loader", () => {
  it("loads everything, never with more under way than allowed", async () => {
    const store = new FakeStore();
    const pairs = Array.from({ length: 500 }, (_, at) => [`k${at}`, `v${at}`] as const);
    const counts: number[] = [];
    const loaded = await new Loader(store, (count) => counts.push(count), limits).load(
      records(pairs),
    );
    assert.equal(loaded, 500);
    assert.deepEqual(Object.fromEntries(store.map), Object.fromEntries(pairs));
    assert.equal(store.underWayMax, limits.inFlightMax);
    assert.equal(counts.at(-1), 500);
  });

  it("the last record of a key wins, however the answers come", async () => {
    const store = new FakeStore();
    const pairs = Array.from({ length: 400 }, (_, at) => [`k${(at * 7) % 9}`, String(at)] as const);
    await new Loader(store, undefined, limits).load(records(pairs));
    assert.deepEqual(Object.fromEntries(store.map), Object.fromEntries(pairs));
  });

  it("a batch keeps to its size, and a record larger than that travels alone", async () => {
    const store = new FakeStore();
    const key = "k".repeat(70);
    await new Loader(store, undefined, limits).load(
      records([
        ["a", "1"],
        [key, "2"],
        ["b", "3"],
      ]),
    );
    assert.equal(store.batchCount, 3);
  });

  it("what stands before a bad line is loaded, and the failure counts it", async () => {
    const store = new FakeStore();
    const text =
      '{"key":"a","value":"1"}\n{"key":"b","value":"2"}\nnonsense\n{"key":"c","value":"3"}\n';
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text);
    }
    await assert.rejects(
      new Loader(store, undefined, limits).load(readRecords(chunks())),
      (error) => {
        assert.ok(error instanceof CommandError);
        assert.equal(error.exitCode, 2);
        assert.match(error.message, /^line 3: is not JSON.*; 2 records are loaded$/);
        return true;
      },
    );
    assert.deepEqual([...store.map.keys()], ["a", "b"]);
  });

  it("a refused record is named by its line, although it came in a batch", async () => {
    const store = new FakeStore();
    const pairs = [
      ["a", "1"],
      ["b", "x".repeat(11)],
      ["c", "3"],
    ] as const;
    await assert.rejects(new Loader(store, undefined, limits).load(records(pairs)), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.code, "VALUE_TOO_LARGE");
      assert.equal(error.exitCode, 2);
      assert.match(error.message, /^from line 2 on: .*; 1 record is loaded$/);
      return true;
    });
    assert.deepEqual([...store.map.keys()], ["a"]);
  });

  it("an unknown outcome stops the load, exits 6 and counts only what was acknowledged", async () => {
    const store = new FakeStore();
    store.failAt = 4;
    const pairs = Array.from({ length: 200 }, (_, at) => [`k${at}`, "v"] as const);
    await assert.rejects(new Loader(store, undefined, limits).load(records(pairs)), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.exitCode, 6);
      assert.equal(error.requestId, "ab");
      assert.match(error.message, /^from line 16 on: .*; 15 records are loaded$/);
      return true;
    });
    assert.equal(store.map.size, 15);
    assert.equal(store.underWay, 0);
  });
});
