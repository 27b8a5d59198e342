/** How much history a node keeps is its operator's choice, and a wrong one is refused before anything is opened. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { open } from "../../src/index.js";
import { rejectsWith } from "../rejections.js";

/** A disk may stand still for seconds. */
const PATIENT = { timeoutMs: 60_000 } as const;

describe("node: the history that is kept", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "balsa-history-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it("is compacted beyond so many changes, and says what is left", async () => {
    await using db = await open({ directory, history: { changeCountMax: 10 } });
    for (let i = 0; i < 100; i += 1) await db.put("k", String(i), PATIENT);
    // The leader proposes it in a tick of its own.
    for (;;) {
      const { oldest, current } = await db.revisions(PATIENT);
      if (current - oldest <= 12) break;
    }
    const past = db.get("k", { revision: 2, ...PATIENT });
    const error = await rejectsWith(past, "REVISION_COMPACTED");
    assert.ok((error.revisions?.compacted ?? 0) > 2);
  });

  for (const history of [{ changeCountMax: 0 }, { ageMax: NaN }, { sizeMax: -1 }]) {
    it(`${JSON.stringify(history)} is refused`, async () => {
      await rejectsWith(open({ directory, history }), "INVALID_ARGUMENT");
    });
  }
});
