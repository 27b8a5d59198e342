/** Exactly once, as a client meets it: what is cut off is sent again and applied once. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { rejectsWith } from "../rejections.js";
import { RemoteScene } from "./remote-scene.js";

describe("client: sessions", () => {
  let scene: RemoteScene;
  beforeEach(() => {
    scene = new RemoteScene();
  });
  afterEach(() => scene.close());

  it("a write of a session is sent again, and applied once", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
    await db.put("k", "first");
    service.mood = "holding";
    const put = db.put("k", "v");
    await service.arrived(3);
    gate.cut();
    await service.arrived(4);
    // Both copies arrive, the second before the first.
    service.release(true);
    const { previous } = await put;
    assert.equal(Buffer.from(previous?.value ?? []).toString(), "first");
    assert.equal((await db.get("k"))?.version, 2);
    const [, , one, two] = service.executed;
    assert.deepEqual(one, two);
    assert.equal(one?.session?.sequence, 2);
    assert.equal(one.session.acknowledged, 1);
  });

  it("a session that has run out is opened anew; a write that was cut off in it stays unknown", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: { ttlMs: 1000 } });
    await db.put("k", "1");
    service.passTime(5000);
    await db.put("k", "2");
    assert.equal((await db.get("k"))?.version, 2);
    service.mood = "leaderless";
    await rejectsWith(db.put("k", "3", { timeoutMs: 1500 }), "NO_LEADER");
    service.mood = "holding";
    const count = service.arrivedCount;
    const put = db.put("k", "4");
    await service.arrived(count + 1);
    gate.cut();
    await service.arrived(count + 2);
    service.passTime(5000);
    service.release();
    const { requestId } = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
    assert.equal((await db.get("k"))?.version, 2);
    assert.deepEqual(await db.outcome(requestId ?? ""), { kind: "rejected" });
  });

  it("two thousand writes of one session at once keep within its window", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
    const puts = Array.from({ length: 2000 }, (_, i) => db.put(`k${i}`, "v"));
    await Promise.all(puts);
    assert.equal(service.store.size, 2000);
    assert.equal(service.store.revision, 2001);
  });
});
