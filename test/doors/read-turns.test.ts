import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { ClientRequest } from "../../src/codec/client-message.js";
import { ClientDoor } from "../../src/doors/door.js";
import { nativeProtocol } from "../../src/doors/native/native-door.js";
import { ReadTurns } from "../../src/doors/read-turns.js";
import { DatabaseError } from "../../src/errors.js";
import { RawClient } from "./native-raw-client.js";
import { turns as loopTurns, until } from "./resp/serve.js";
import { SingleNodeService } from "./single-node-service.js";

/** None of them is to end because a machine is slow. */
const PATIENCE_MS = 600_000;
const EVERYTHING = { from: Buffer.alloc(0), end: Buffer.alloc(0) };

/** Reads take a millisecond each, and two of them are what there is time for in one go. */
function scene(): { service: SingleNodeService; turns: ReadTurns } {
  const service = new SingleNodeService();
  service.stepMs = 1;
  return { service, turns: new ReadTurns(service) };
}

describe("the turns of long reads", () => {
  it("are a few reads each, in the order of their coming", async () => {
    const { service, turns } = scene();
    const served: string[] = [];
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      turns.read(PATIENCE_MS, () => served.push(`${name}${service.localReadCount}`));
    }
    await until(() => served.length === 6);
    assert.deepEqual(served, ["a0", "b0", "c1", "d1", "e2", "f2"]);
    assert.equal(service.readCount, 6);
  });

  it("are given to others between the parts of one read", async () => {
    const { service, turns } = scene();
    const served: string[] = [];
    let parts = 0;
    const goOn = (): void => {
      const isDone = turns.tryServing(() => {
        served.push("part");
        return ++parts === 6 ? "done" : "again";
      });
      if (!isDone) turns.wait(goOn);
    };
    service.read(PATIENCE_MS, goOn);
    turns.read(PATIENCE_MS, () => served.push("other"));
    await until(() => served.length === 7);
    assert.deepEqual(served, ["part", "part", "part", "part", "other", "part", "part"]);
  });

  it("come to watches too, and not to those who gave up", async () => {
    const { turns } = scene();
    const served: number[] = [];
    const giveUps = [0, 1, 2, 3].map((number) =>
      turns.whenChanged(EVERYTHING, 0, PATIENCE_MS, () => {
        served.push(number);
        // The third one has waited for its turn by then.
        if (number === 1) queueMicrotask(() => giveUps[2]?.());
      }),
    );
    await until(() => served.length === 3);
    await loopTurns(3);
    assert.deepEqual(served, [0, 1, 3]);
  });

  it("are taken by the ranges and questions of native clients", async () => {
    const service = new SingleNodeService();
    service.stepMs = 1;
    const protocols = [nativeProtocol(service)];
    const door = await ClientDoor.listen({ host: "127.0.0.1", port: 0, protocols });
    const client = new RawClient(door.port);
    try {
      const page = { ...EVERYTHING, countMax: 1000, sizeMax: 1 << 20 };
      const query = { kind: "changes", since: 1, previous: false, waitMs: 0, ...page } as const;
      const timeoutMs = PATIENCE_MS;
      const asks = Array.from({ length: 50 }, (_, i): ClientRequest[] => [
        { kind: "range", id: 2 * i + 1, timeoutMs, ...page },
        { kind: "query", id: 2 * i + 2, timeoutMs, query },
      ]);
      // All of them have come before the first is answered.
      service.held = true;
      client.begin(...asks.flat(), { kind: "info", id: 101 });
      await client.answers(1);
      service.release();
      const answers = await client.answers(101);
      const kinds = answers.map(({ kind }) => kind);
      assert.deepEqual(new Set(kinds), new Set(["infoOf", "page", "found"]));
      assert.ok(service.localReadCount >= 49, `${service.localReadCount} goes`);
    } finally {
      client.destroy();
      await door.close();
    }
  });

  it("fail at once, all of them, with whoever looks for them", async () => {
    const { service, turns } = scene();
    service.readError = new DatabaseError("NO_LEADER", "no leader is known");
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 5; i++) turns.read(PATIENCE_MS, (error) => codes.push(error?.code));
    await until(() => codes.length === 5);
    assert.deepEqual(new Set(codes), new Set(["NO_LEADER"]));
    assert.equal(service.localReadCount, 0);
  });
});
