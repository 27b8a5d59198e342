/** An even share of the damages of damage.ts; `npm run damage` tries every one. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { damagedFiles, type DamageOutcome } from "./damage.js";

/** Prime, so that every kind of damage and every place in a block has its turn. */
const STRIDE = 181;
const SIZE_MIN = 64 * 1024;

describe("data of which a bit flips, or an end is lost", function () {
  this.timeout(1_800_000);
  const files = damagedFiles();

  it("is real: a log and a snapshot of 64 KiB and more, hard state and identity", () => {
    const sizes = new Map<string, number>();
    for (const { subject, size } of files) sizes.set(subject, (sizes.get(subject) ?? 0) + size);
    assert.deepEqual([...sizes.keys()], ["log", "hard state", "snapshot", "identity"]);
    assert.ok((sizes.get("log") ?? 0) >= SIZE_MIN && (sizes.get("snapshot") ?? 0) >= SIZE_MIN);
    assert.ok(files.filter(({ subject }) => subject === "log").length >= 5);
  });

  for (const subject of ["log", "hard state", "snapshot", "identity"]) {
    it(`comes back exactly or is refused by name: ${subject}`, () => {
      const counts: Record<DamageOutcome, number> = { exact: 0, refused: 0 };
      for (const file of files.filter((one) => one.subject === subject)) {
        const stride = file.size < 4096 ? 1 : STRIDE;
        for (let number = 0; number < file.caseCount; number += stride) {
          counts[file.tryCase(number)] += 1;
        }
      }
      process.stdout.write(
        `      (${counts.exact + counts.refused} damages: ${counts.exact} exact, ${counts.refused} refused)\n`,
      );
      assert.ok(counts.exact + counts.refused > 500);
    });
  }
});
