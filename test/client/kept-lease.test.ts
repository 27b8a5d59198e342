/** Leases that outlast what a timer of Node's can hold, and a request may take. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import sinon from "sinon";
import { databaseOver } from "../../src/embedded.js";
import { rejectsWith } from "../rejections.js";
import { SingleNodeService } from "./single-node-service.js";

const DAY = 86_400_000;
/** Milliseconds: what is longer, Node takes for one millisecond. */
const TIMER_MS_MAX = 2 ** 31 - 1;

describe("client: a lease of 300 days", () => {
  let clock: sinon.SinonFakeTimers;
  let service: SingleNodeService;

  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    service = new SingleNodeService();
  });

  afterEach(() => {
    clock.restore();
  });

  function keptCount(): number {
    return service.executed.filter(({ commands }) => commands[0]?.kind === "keepLease").length;
  }

  it("that nobody keeps is looked at after weeks, not all the time, and is lost in the end", async () => {
    await using db = databaseOver(service, () => Promise.resolve());
    const lease = await db.lease({ ttlMs: 300 * DAY, keepAlive: false });
    clock.next();
    assert.ok(clock.now > 20 * DAY && clock.now <= TIMER_MS_MAX, `${clock.now} ms`);
    clock.tick(299 * DAY - clock.now);
    assert.equal(lease.lost.aborted, false);
    clock.tick(DAY + 2);
    assert.equal(lease.lost.aborted, true);
    assert.equal(keptCount(), 0);
  });

  it("that is kept is asked for every few weeks, in requests of a day at most", async () => {
    await using db = databaseOver(service, () => Promise.resolve());
    const lease = await db.lease({ ttlMs: 300 * DAY });
    await clock.tickAsync(20 * DAY);
    assert.equal(keptCount(), 0);
    for (let month = 0; month < 24; month += 1) await clock.tickAsync(30 * DAY);
    assert.ok(keptCount() >= 24 && keptCount() <= 40, `${keptCount()} times`);
    assert.equal(lease.lost.aborted, false);
  });
});

describe("client: a lease whose revocation failed", () => {
  it("is revoked when that is asked again", async () => {
    const service = new SingleNodeService();
    await using db = databaseOver(service, () => Promise.resolve());
    const lease = await db.lease({ ttlMs: DAY });
    await db.put("k", "v", { lease });
    service.mood = "leaderless";
    await rejectsWith(lease.revoke(), "NO_LEADER");
    assert.equal(lease.lost.aborted, true);
    service.mood = "serving";
    await lease.revoke();
    assert.equal(await db.get("k"), undefined);
    const count = service.executed.length;
    await lease.revoke();
    assert.equal(service.executed.length, count);
  });
});
