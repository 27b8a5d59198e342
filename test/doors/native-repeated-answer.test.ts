/** What the native door tells of a session's request that comes again after its answer was too large to keep. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { ClientRequest } from "../../src/codec/client-message.js";
import { ClientDoor } from "../../src/doors/door.js";
import { nativeProtocol } from "../../src/doors/native/native-door.js";
import type { Request } from "../../src/store/command.js";
import { SingleNodeService } from "../client/single-node-service.js";
import { RawClient } from "./native-raw-client.js";

describe("doors: the native protocol, of a repeated answer that was too large to keep", () => {
  const id = new Uint8Array(0);
  const session = new Uint8Array(16).fill(7);
  const keys = [1, 2, 3, 4, 5].map((number) => Uint8Array.of(number));
  const request: Request = {
    id,
    commands: keys.map((key) => ({ kind: "delete", key })),
    session: { session, sequence: 1, acknowledged: 0 },
  };

  it("tells the counts, and says that it was applied where more is asked for", async () => {
    const service = new SingleNodeService();
    const { store } = service;
    store.apply({ id, commands: [{ kind: "openSession", session, ttl: 10_000 }] });
    const value = new Uint8Array(1 << 20);
    for (const key of keys) {
      store.apply({ id, commands: [{ kind: "put", key, value, condition: "none" }] });
    }
    const protocols = [nativeProtocol(service)];
    const door = await ClientDoor.listen({ host: "127.0.0.1", port: 0, protocols });
    const client = new RawClient(door.port);
    try {
      const ask = (id: number, answer: "whole" | "counts"): ClientRequest => {
        return { kind: "execute", id, timeoutMs: 1000, request, answer };
      };
      client.begin(ask(1, "whole"));
      const [first] = await client.answers(1);
      assert.ok(first?.kind === "answered");
      client.ask(ask(2, "whole"));
      const failed = (await client.answers(2)).at(-1);
      assert.ok(failed?.kind === "failed");
      assert.deepEqual([failed.code, failed.outcome], ["REQUEST_TOO_LARGE", "applied"]);
      client.ask(ask(3, "counts"));
      const told = (await client.answers(3)).at(-1);
      assert.ok(told?.kind === "executed" && told.result.kind === "applied");
      const counts = told.result.results.map(({ deletedCount }) => deletedCount);
      assert.deepEqual(counts, [1, 1, 1, 1, 1]);
      assert.equal(told.result.revision, first.result.revision);
    } finally {
      client.destroy();
      service.stop();
      await door.close();
    }
  });
});
