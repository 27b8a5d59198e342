/** What changed among the ranges that a request has read: the same whatever else it has read, and for one walk. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { randomStream } from "../../src/simulation/random.js";
import type { Conflict, Read } from "../../src/store/command.js";
import { conflictsOf } from "../../src/store/compare.js";
import { Leases } from "../../src/store/lease.js";
import { VersionedMap } from "../../src/store/versioned-map.js";
import { bytes } from "./requests.js";

const CONFLICT_COUNT_MAX = 100;

function change(map: VersionedMap, name: string, isPut: boolean): void {
  map.begin(1);
  const key = bytes(name);
  const record = map.findKey(key);
  if (record === 0 || isPut) map.put(key, 0, key.length, key, 0, key.length, 0);
  else map.delete(record);
  map.end();
}

/** Each range by itself, as nobody else reads anything. */
function oneByOne(map: VersionedMap, reads: readonly Read[]): readonly Conflict[] | "too-old" {
  const conflicts: Conflict[] = [];
  for (const read of reads) {
    if (conflicts.length >= CONFLICT_COUNT_MAX) break;
    const found = conflictsOf(map, [read]);
    if (found === "too-old") return found;
    conflicts.push(...found.slice(0, CONFLICT_COUNT_MAX - conflicts.length));
  }
  return conflicts;
}

describe("the conflicts of several ranges", () => {
  it("are those of each, in the order of the reads", () => {
    let conflictCount = 0;
    let tooOldCount = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomStream(seed, "conflicts");
      const map = new VersionedMap(new Leases());
      const keyCount = random.pick([3, 40, 300]);
      const name = (): string => `k${random.integer(0, keyCount)}`;
      for (let i = random.integer(0, 400); i > 0; i--) change(map, name(), random.chance(0.7));
      const old = random.integer(0, map.revision >> random.integer(0, 4));
      if (old > map.compactedRevision) map.compact(old);
      for (let round = 0; round < 8; round++) {
        const oldest = random.pick([0, map.compactedRevision, map.compactedRevision]);
        const reads = Array.from({ length: random.integer(2, 12) }, (): Read => {
          const revision = random.integer(oldest, map.revision);
          if (random.chance(0.2)) return { kind: "key", key: bytes(name()), revision };
          const [key, end] = [random.pick(["", name(), "k"]), random.pick(["", name(), "l"])];
          return { kind: "range", key: bytes(key), end: bytes(end), revision };
        });
        const found = conflictsOf(map, reads);
        assert.deepEqual(found, oneByOne(map, reads), `seed ${seed}`);
        if (found === "too-old") tooOldCount += 1;
        else conflictCount += found.length;
      }
    }
    assert.ok(conflictCount > 1000 && tooOldCount > 10, `${conflictCount}, ${tooOldCount}`);
  });

  it("cost one walk over the history, however many ranges there are", () => {
    const map = new VersionedMap(new Leases());
    for (let i = 0; i < 2000; i++) change(map, `k${i % 500}`, true);
    let steps = 0;
    const { history } = map;
    const versionAt = history.versionAt.bind(history);
    history.versionAt = (number) => {
      steps += 1;
      return versionAt(number);
    };
    const reads = Array.from({ length: 500 }, (_, i): Read => {
      return { kind: "range", key: bytes(`z${i}`), end: bytes(`z${i}\0`), revision: 2 + (i % 7) };
    });
    const found = conflictsOf(map, reads);
    assert.deepEqual(found, []);
    assert.ok(steps <= history.count, `${steps} steps`);
  });
});
