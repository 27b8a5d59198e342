/** The contract of leases and of keys that end by themselves. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Database } from "../src/database.js";
import type { ExpiryOptions } from "../src/lease.js";
import { rejectsWith } from "./rejections.js";

/** @param passTime lets so many milliseconds pass for the cluster, where that can be done */
export function describeLeases(
  db: () => Database,
  passTime: (() => (ms: number) => void) | undefined,
): void {
  describe("leases", () => {
    it("a lease that is revoked takes its keys with it", async () => {
      const lease = await db().lease({ ttlMs: 60_000 });
      await db().put("l/a", "1", { lease });
      await db().put("l/b", "1", { lease: lease.id });
      const status = await db().leaseStatus(lease.id);
      assert.equal(status?.ttlMs, 60_000);
      assert.ok(status.remainingMs <= 60_000);
      assert.equal(status.keys.length, 2);
      assert.equal((await db().get("l/a"))?.lease, lease.id);
      assert.ok((await db().leases()).includes(lease.id));
      await lease.revoke();
      await lease.revoke();
      assert.equal(lease.lost.aborted, true);
      assert.equal(await db().get("l/a"), undefined);
      assert.equal(await db().leaseStatus(lease.id), undefined);
      assert.ok(!(await db().leases()).includes(lease.id));
    });

    it("a lease that is gone is refused, and nothing is put", async () => {
      const lease = await db().lease({ ttlMs: 60_000, keepAlive: false });
      await db().revokeLease(lease.id);
      await rejectsWith(db().put("l/a", "1", { lease }), "LEASE_GONE");
      assert.equal(await db().get("l/a"), undefined);
      await rejectsWith(db().keepLease(lease.id), "LEASE_GONE");
      await rejectsWith(db().revokeLease(lease.id), "LEASE_GONE");
      await rejectsWith(lease.keepAlive(), "LEASE_GONE");
      assert.equal(lease.lost.aborted, true);
      await lease.revoke();
    });

    it("leaving its block revokes it", async () => {
      let id = 0;
      {
        await using lease = await db().lease({ ttlMs: 60_000 });
        id = lease.id;
        await lease.keepAlive();
      }
      assert.equal(await db().leaseStatus(id), undefined);
    });

    it("a key lives as long as it is told to", async () => {
      assert.equal(await db().timeToLive("l/a"), undefined);
      await db().put("l/a", "1");
      assert.equal(await db().timeToLive("l/a"), undefined);
      await db().put("l/a", "2", { ttlMs: 60_000 });
      const left = await db().timeToLive("l/a");
      assert.ok(left !== undefined && left > 0 && left <= 60_000);
      await db().put("l/a", "3", { keepExpiry: true });
      assert.notEqual(await db().timeToLive("l/a"), undefined);
      assert.equal(await db().expire("l/a", {}), true);
      assert.equal(await db().timeToLive("l/a"), undefined);
      assert.equal(await db().expire("l/absent", { ttlMs: 1000 }), false);
      await db().expire("l/a", { ttlMs: 60_000 });
      await db().put("l/a", "4");
      assert.equal(await db().timeToLive("l/a"), undefined);
    });

    it("a moment that has passed ends a key at once", async () => {
      await db().put("l/a", "1");
      assert.equal(await db().expire("l/a", { expiresAt: new Date(1) }), true);
      assert.equal(await db().get("l/a"), undefined);
    });

    const wrong: readonly { readonly name: string; readonly expiry: ExpiryOptions }[] = [
      { name: "two of them", expiry: { ttlMs: 1, expiresAt: 1 } },
      { name: "a time to live of 0", expiry: { ttlMs: 0 } },
      { name: "one that is no number", expiry: { ttlMs: "1" as unknown as number } },
      { name: "a date that is none", expiry: { expiresAt: new Date("nonsense") } },
      { name: "a lease 0", expiry: { lease: 0 } },
      { name: "a lease that is half", expiry: { lease: 1.5 } },
    ];
    for (const { name, expiry } of wrong) {
      it(`${name} is refused before anything is sent`, async () => {
        await rejectsWith(db().put("l/a", "1", expiry), "INVALID_ARGUMENT");
        await rejectsWith(db().expire("l/a", expiry), "INVALID_ARGUMENT");
      });
    }

    if (passTime === undefined) return;
    it("what has run out is gone, for all who look", async () => {
      await db().put("l/short", "1", { ttlMs: 1000 });
      await db().put("l/long", "1", { ttlMs: 100_000 });
      const lease = await db().lease({ ttlMs: 1000, keepAlive: false });
      await db().put("l/leased", "1", { lease });
      passTime()(5000);
      assert.equal(await db().get("l/short"), undefined);
      assert.equal(await db().get("l/leased"), undefined);
      assert.notEqual(await db().get("l/long"), undefined);
      await rejectsWith(db().keepLease(lease.id), "LEASE_GONE");
      const tx = await db().begin({ idleMs: 1000 });
      await tx.put("l/tx", "1");
      passTime()(5000);
      await rejectsWith(tx.commit(), "TRANSACTION_GONE");
      assert.equal((await tx.status()).status, "expired");
    });
  });
}
