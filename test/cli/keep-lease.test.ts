import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import sinon from "sinon";
import { keepLease } from "../../src/console/keep-lease.js";
import { databaseOver } from "../../src/embedded.js";
import { SingleNodeService } from "../client/single-node-service.js";
import { rejectsWith } from "../rejections.js";

describe("a lease kept alive from the command line", () => {
  // Timers are real, but how long nobody has answered is not the machine's matter.
  let clock: sinon.SinonFakeTimers;
  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    clock.restore();
  });

  it("is kept through a time without a leader, until it is gone", async () => {
    const service = new SingleNodeService();
    await using database = databaseOver(service, () => Promise.resolve());
    const { id } = await database.lease({ ttlMs: 60, keepAlive: false });
    const status = await database.leaseStatus(id);
    assert.ok(status !== undefined);
    const told: string[] = [];
    const kept = async (): Promise<void> => {
      told.push("kept");
      const count = told.filter((one) => one === "kept").length;
      if (count === 1) service.mood = "leaderless";
      if (count === 2) await database.revokeLease(id);
    };
    const failed = (): void => {
      told.push("failed");
      service.mood = "serving";
    };
    await rejectsWith(keepLease(database, status, { kept, failed }), "LEASE_GONE");
    assert.deepEqual(told, ["kept", "failed", "kept"]);
  });

  it("ends when nobody has answered for its time to live", async () => {
    const service = new SingleNodeService();
    await using database = databaseOver(service, () => Promise.resolve());
    service.mood = "leaderless";
    const status = { id: 1, ttlMs: 20, remainingMs: 20, keys: [] };
    let failures = 0;
    const keeping = keepLease(database, status, {
      kept: () => Promise.resolve(),
      failed: () => {
        failures += 1;
        clock.tick(10);
      },
    });
    await rejectsWith(keeping, "NO_LEADER");
    assert.equal(failures, 3, "at 0, 10 and 20 ms");
  });
});
