import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "mocha";
import { databaseOver } from "../../src/embedded.js";
import { type DatabaseFixture, describeDatabaseContract } from "../database-contract.js";
import { rejectsWith } from "../rejections.js";
import { SingleNodeService } from "./single-node-service.js";

function open(): Promise<DatabaseFixture> {
  const service = new SingleNodeService();
  const stop = (): Promise<void> => {
    service.stop();
    return Promise.resolve();
  };
  return Promise.resolve({
    database: databaseOver(service, stop),
    stall: () => {
      service.mood = "stalled";
    },
    passTime: (ms) => {
      service.passTime(ms);
    },
    cleanUp: () => Promise.resolve(),
  });
}

describeDatabaseContract("embedded", open, { canStall: true, canPassTime: true });

describe("client: the embedded database", () => {
  it("what fails at once leaves nothing on the signal it was given", async () => {
    await using db = databaseOver(new SingleNodeService(), () => Promise.resolve());
    const { signal } = new AbortController();
    const gone = { index: 99, term: 1, revision: 1, size: 10, fileChecksum: 1 };
    await rejectsWith(db.readSaved(gone, 0, 10, { signal }), "INVALID_ARGUMENT");
    assert.deepEqual(getEventListeners(signal, "abort"), []);
  });

  it("a write given up after it was handed over is unknown, and may be applied", async () => {
    const service = new SingleNodeService();
    service.mood = "holding";
    await using db = databaseOver(service, () => Promise.resolve());
    const controller = new AbortController();
    const put = db.put("k", "v", { signal: controller.signal });
    controller.abort();
    const error = await rejectsWith(put, "OUTCOME_UNKNOWN", "unknown");
    const [request] = service.executed;
    assert.equal(error.requestId, Buffer.from(request?.id ?? []).toString("hex"));
    service.release();
    assert.equal((await db.get("k"))?.version, 1);
  });

  it("close stops the node once, and passes on what it answers", async () => {
    const service = new SingleNodeService();
    service.mood = "holding";
    let stopCount = 0;
    const db = databaseOver(service, () => {
      stopCount += 1;
      service.release();
      return Promise.resolve();
    });
    const put = db.put("k", "v");
    await Promise.all([db.close(), db.close()]);
    assert.equal((await put).previous, undefined);
    assert.equal(stopCount, 1);
  });

  it("what a stopped node leaves unanswered is settled by close", async () => {
    const service = new SingleNodeService();
    service.mood = "holding";
    const db = databaseOver(service, () => Promise.resolve());
    const put = rejectsWith(db.put("k", "v"), "OUTCOME_UNKNOWN", "unknown");
    const get = rejectsWith(db.get("k"), "CLOSED");
    await db.close();
    await Promise.all([put, get]);
  });

  it("a node that cannot be stopped fails close, and nothing hangs", async () => {
    const service = new SingleNodeService();
    service.mood = "holding";
    const db = databaseOver(service, () => Promise.reject(new Error("disk on fire")));
    const get = rejectsWith(db.get("k"), "CLOSED");
    await assert.rejects(db.close(), /disk on fire/);
    await get;
  });

  it("NO_LEADER and BUSY pass as they are: the node itself waits for a leader", async () => {
    const service = new SingleNodeService();
    await using db = databaseOver(service, () => Promise.resolve());
    service.mood = "leaderless";
    await rejectsWith(db.put("k", "v"), "NO_LEADER");
    service.mood = "busy";
    await rejectsWith(db.get("k"), "BUSY");
  });
});
