/** What a client says when its time is up, and what it makes of silence. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { rejectsWith } from "../rejections.js";
import { OwnTime } from "./own-time.js";
import { nobodysEndpoint, RemoteScene } from "./remote-scene.js";

describe("client: the time of the remote database", () => {
  let scene: RemoteScene;
  let time: OwnTime;
  beforeEach(() => {
    scene = new RemoteScene();
    time = new OwnTime();
  });
  afterEach(async () => {
    time.restore();
    await scene.close();
  });

  it("when all are down, an operation is UNAVAILABLE at its deadline and names them", async () => {
    const endpoints = [await nobodysEndpoint(), await nobodysEndpoint()];
    const db = scene.client({ endpoints, timeoutMs: 1000 });
    const begunAt = performance.now();
    const put = await time.untilSettled(rejectsWith(db.put("k", "v"), "UNAVAILABLE"));
    assert.ok(performance.now() - begunAt >= 1000);
    for (const endpoint of endpoints) assert.ok(put.message.includes(endpoint), put.message);
    assert.match(put.message, /ECONNREFUSED/);
    assert.equal(put.retryable, true);
    await time.untilSettled(rejectsWith(db.get("k"), "UNAVAILABLE"));
    await time.untilSettled(rejectsWith(db.status(), "UNAVAILABLE"));
  });

  for (const [mood, code] of [
    ["leaderless", "NO_LEADER"],
    ["busy", "BUSY"],
  ] as const) {
    it(`${code} until the deadline is ${code}: not applied`, async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint], timeoutMs: 1500 });
      await db.status();
      service.mood = mood;
      const put = await time.untilSettled(rejectsWith(db.put("k", "v"), code));
      assert.equal(put.retryable, true);
      await time.untilSettled(rejectsWith(db.get("k"), code));
      assert.ok(service.executed.length >= 2);
    });
  }

  it("a read that was refused says so, also when its repeat is under way at the deadline", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], timeoutMs: 1500 });
    service.mood = "leaderless";
    const get = rejectsWith(db.get("k"), "NO_LEADER");
    await service.arrived(1);
    service.mood = "holding";
    await time.until(() => service.readCount === 2);
    await time.untilSettled(get);
    assert.equal(service.waitingCount, 1);
  });

  it("a node that falls silent is left: reads go elsewhere, writes are unknown before their deadline", async () => {
    const silent = await scene.node();
    const good = await scene.node();
    const db = scene.client({
      endpoints: [silent.gate.endpoint, good.gate.endpoint],
      timeoutMs: 15_000,
      connectTimeoutMs: 250,
      silenceTimeoutMs: 250,
    });
    await db.put("k", "v");
    silent.gate.freeze();
    const begunAt = performance.now();
    const get = db.get("k");
    const put = db.put("k", "w");
    await time.untilSettled(rejectsWith(put, "OUTCOME_UNKNOWN", "unknown"));
    assert.equal(await time.untilSettled(get), undefined);
    assert.ok(performance.now() - begunAt < 15_000);
    assert.equal(good.service.readCount, 1);
  });

  it("a node that is slow but lives is waited for", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({
      endpoints: [gate.endpoint],
      timeoutMs: 1500,
      silenceTimeoutMs: 400,
    });
    await db.put("k", "v");
    service.mood = "holding";
    await time.untilSettled(rejectsWith(db.get("k"), "TIMEOUT"));
    assert.equal(gate.connectionCount, 1);
  });

  it("a stranger that closes at once is UNAVAILABLE", async () => {
    const endpoint = await scene.stranger((socket) => socket.end());
    const db = scene.client({ endpoints: [endpoint], timeoutMs: 1000 });
    const error = await time.untilSettled(rejectsWith(db.get("k"), "UNAVAILABLE"));
    assert.match(error.message, /client address of a node/);
  });

  it("a stranger that says nothing is UNAVAILABLE", async () => {
    const endpoint = await scene.stranger((socket) => socket.resume());
    const db = scene.client({ endpoints: [endpoint], timeoutMs: 200, connectTimeoutMs: 50 });
    const error = await time.untilSettled(rejectsWith(db.put("k", "v"), "UNAVAILABLE"));
    assert.match(error.message, /does not answer/);
  });
});
