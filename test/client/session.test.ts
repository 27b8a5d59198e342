/** Exactly once, as a client meets it: what is cut off is sent again and applied once. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { rejectsWith } from "../rejections.js";
import { PATIENT, RemoteScene } from "./remote-scene.js";
import { contentOf } from "./single-node-service.js";

/** Writes until the node's refusal is the last word: of a repeat on its way at the deadline nothing is known. */
async function untilRefused(write: () => Promise<unknown>): Promise<void> {
  let code: string | undefined;
  while (code === undefined || code === "OUTCOME_UNKNOWN") {
    code = await write().then(
      () => assert.fail("nobody leads"),
      (error: unknown) =>
        error instanceof DatabaseError ? error.code : assert.fail(String(error)),
    );
  }
  assert.equal(code, "NO_LEADER");
}

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
    await untilRefused(() => db.put("k", "3", { timeoutMs: 1500 }));
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

  it("what was cut off stays unknown when its repeat is refused or never leaves", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
    await db.put("k", "1");
    const tx = await db.begin();
    for (const write of [
      (signal: AbortSignal) => db.put("k", "2", { signal }),
      (signal: AbortSignal) => tx.commit({ signal }),
    ]) {
      const controller = new AbortController();
      const count = service.arrivedCount;
      service.mood = "holding";
      const written = write(controller.signal);
      await service.arrived(count + 1);
      service.mood = "leaderless";
      gate.cut();
      // Refused, and tried again: so the first refusal is known.
      await service.arrived(count + 3);
      controller.abort();
      const { requestId } = await rejectsWith(written, "OUTCOME_UNKNOWN", "unknown");
      assert.match(requestId ?? "", /^[0-9a-f]{32}$/);
    }
  });

  it("two thousand writes of one session at once keep within its window", async () => {
    const { gate, service } = await scene.node();
    const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
    const puts = Array.from({ length: 2000 }, (_, i) => db.put(`k${i}`, "v"));
    await Promise.all(puts);
    assert.equal(service.store.size, 2000);
    assert.equal(service.store.revision, 2001);
  });

  describe("a write that waits for others", () => {
    it("waits for its session no longer than it said, and until its signal", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
      service.mood = "holding";
      const patient = db.put("patient", "v");
      await service.arrived(1);
      await rejectsWith(db.put("short", "v", { timeoutMs: 20 }), "TIMEOUT");
      const controller = new AbortController();
      const given = db.put("given up", "v", { signal: controller.signal });
      controller.abort();
      await rejectsWith(given, "ABORTED");
      service.release();
      await patient;
      assert.deepEqual(contentOf(service.store), { patient: "v" });
    });

    it("has its own time for its session, not that of the write that came first", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
      service.mood = "holding";
      const short = db.put("short", "v", { timeoutMs: 20 });
      const patient = db.put("patient", "v");
      await rejectsWith(short, "TIMEOUT");
      await service.arrived(1);
      service.release();
      await patient;
      assert.deepEqual(contentOf(service.store), { patient: "v" });
      const opened = service.executed.filter(({ commands }) => commands[0]?.kind === "openSession");
      assert.equal(opened.length, 1);
    });

    it("has the session opened again when that failed while its own time lasts", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true, timeoutMs: 1000 });
      service.mood = "leaderless";
      const short = db.put("short", "v");
      const patient = db.put("patient", "v", { timeoutMs: PATIENT.timeoutMs });
      await assert.rejects(short, DatabaseError);
      service.mood = "serving";
      await patient;
      assert.deepEqual(contentOf(service.store), { patient: "v" });
    });

    it("waits for room in the window no longer than it said, and until its signal", async () => {
      const { gate, service } = await scene.node();
      const db = scene.client({ endpoints: [gate.endpoint], exactlyOnce: true });
      await db.put("first", "v");
      service.mood = "holding";
      const others = Array.from({ length: 900 }, (_, i) => db.put(`k${i}`, "v"));
      await service.arrived(2 + others.length);
      const patient = db.put("patient", "v");
      await rejectsWith(db.put("short", "v", { timeoutMs: 20 }), "TIMEOUT");
      const controller = new AbortController();
      const given = db.put("given up", "v", { signal: controller.signal });
      controller.abort();
      await rejectsWith(given, "ABORTED");
      service.release();
      await Promise.all([...others, patient]);
      assert.equal(service.store.size, 902);
      assert.equal(service.executed.at(-1)?.session?.sequence, 902);
    });
  });
});
