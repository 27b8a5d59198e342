import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { zeta, Zipfian, ZIPFIAN_EXPONENT } from "../../bench/load/keys.js";
import { OPERATION } from "../../bench/load/operation.js";
import { Random } from "../../bench/load/random.js";
import {
  operationsOf,
  usualDistribution,
  WorkloadDemand,
  WORKLOADS,
  type DemandOptions,
} from "../../bench/load/workload.js";

const DRAWS = 200_000;

describe("chance", () => {
  it("is the same again from the same seed, and uniform", () => {
    const one = new Random(7);
    const other = new Random(7);
    const buckets = new Array<number>(10).fill(0);
    for (let at = 0; at < DRAWS; at += 1) {
      const value = one.next();
      assert.equal(value, other.next());
      buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] ?? 0) + 1;
    }
    for (const count of buckets) assert.ok(Math.abs(count / DRAWS - 0.1) < 0.005);
  });
});

describe("zipfian keys", () => {
  it("ranks come as often as 1 / r^0.99 says", () => {
    const count = 1000;
    const zipfian = new Zipfian(count, new Random(1));
    const seen = new Array<number>(count).fill(0);
    for (let at = 0; at < DRAWS; at += 1) {
      const rank = zipfian.rank();
      seen[rank] = (seen[rank] ?? 0) + 1;
    }
    const sum = zeta(count, ZIPFIAN_EXPONENT);
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 10],
      [10, 100],
      [100, 1000],
    ] as const) {
      let want = 0;
      let got = 0;
      for (let rank = from; rank < to; rank += 1) {
        want += 1 / (rank + 1) ** ZIPFIAN_EXPONENT / sum;
        got += (seen[rank] ?? 0) / DRAWS;
      }
      // Gray's formula is exact for the first two ranks and near for the rest.
      assert.ok(Math.abs(got - want) < 0.02, `ranks ${from} to ${to}: ${got} for ${want}`);
    }
  });

  for (const count of [1, 2, 3, 1000, 100_000, 39_916_801]) {
    it(`of ${count} keys every rank has a key of its own`, () => {
      const zipfian = new Zipfian(count, new Random(3));
      const keys = new Map<number, number>();
      for (let at = 0; at < 20_000; at += 1) {
        const key = zipfian.scrambled();
        assert.ok(Number.isSafeInteger(key) && key >= 0 && key < count);
        keys.set(key, (keys.get(key) ?? 0) + 1);
      }
      const most = Math.max(...keys.values()) / 20_000;
      const want = 1 / zeta(count, ZIPFIAN_EXPONENT);
      assert.ok(Math.abs(most - want) < 0.02, `the hottest key: ${most} for ${want}`);
    });
  }

  it("the sum's tail by its integral is the sum", () => {
    let exact = 0;
    for (let i = 1; i <= 300_000; i += 1) exact += i ** -ZIPFIAN_EXPONENT;
    assert.ok(Math.abs(zeta(300_000, ZIPFIAN_EXPONENT) - exact) < 1e-6);
  });
});

describe("workloads", () => {
  const options: Omit<DemandOptions, "workload"> = {
    keys: 500,
    distribution: "uniform",
    seed: 11,
  };

  for (const workload of WORKLOADS) {
    it(`${workload} asks for its operations, on keys that there are`, () => {
      const distribution = usualDistribution(workload);
      const demand = new WorkloadDemand({ ...options, workload, distribution });
      const asked = new Set<string>();
      const names = Object.entries(OPERATION);
      let inserted = options.keys;
      for (let at = 0; at < 5000; at += 1) {
        demand.next();
        asked.add(names.find(([, number]) => number === demand.operation)?.[0] ?? "?");
        if (demand.operation === OPERATION.insert) {
          assert.equal(demand.key, inserted);
          inserted += 1;
        }
        assert.ok(demand.key >= 0 && demand.key < inserted);
        if (demand.operation === OPERATION.transaction)
          assert.notEqual(demand.key, demand.otherKey);
        if (demand.operation === OPERATION.list)
          assert.ok(demand.count >= 1 && demand.count <= 100);
      }
      assert.deepEqual([...asked].toSorted(), operationsOf(workload).toSorted());
    });
  }

  it("YCSB's shares are YCSB's", () => {
    const demand = new WorkloadDemand({ ...options, workload: "ycsb-b" });
    let gets = 0;
    for (let at = 0; at < 50_000; at += 1) {
      demand.next();
      if (demand.operation === OPERATION.get) gets += 1;
    }
    assert.ok(Math.abs(gets / 50_000 - 0.95) < 0.01);
  });

  it("YCSB D reads mostly what was inserted last", () => {
    const demand = new WorkloadDemand({ ...options, workload: "ycsb-d" });
    let recent = 0;
    let gets = 0;
    let newest = options.keys - 1;
    for (let at = 0; at < 20_000; at += 1) {
      demand.next();
      if (demand.operation === OPERATION.insert) newest = demand.key;
      else {
        gets += 1;
        if (newest - demand.key < 25) recent += 1;
      }
    }
    assert.ok(recent / gets > 0.4, "a twentieth of the keys gets far more than its share");
  });
});
