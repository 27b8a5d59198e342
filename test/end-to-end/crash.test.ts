/**
 * The whole cluster killed amid writes, again and again: every acknowledged write
 * is there, and nobody lends a hand.
 */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { connect, DatabaseError } from "../../src/index.js";
import { ClusterProcesses, PATIENCE_MS } from "./processes.js";

const ROUNDS = Number(process.env["CRASH_ROUNDS"] ?? 10);
const BASE_PORT = 13241;
const WRITERS = 16;

describe("kill -9 of the whole cluster", function () {
  this.timeout(1_800_000);

  it(`loses no acknowledged write in ${ROUNDS} rounds`, async () => {
    await using cluster = new ClusterProcesses(3, BASE_PORT);
    /** what a client was told is durable */
    const acknowledged = new Map<string, string>();
    for (let round = 1; round <= ROUNDS; round += 1) {
      await cluster.start();
      await cluster.leader();
      const endpoints = cluster.endpoints.split(",");
      await using database = connect({ endpoints, timeoutMs: PATIENCE_MS });

      // Everything acknowledged in earlier rounds is there, byte for byte.
      const found = new Map<string, string>();
      for await (const { key, value } of database.list()) {
        found.set(Buffer.from(key).toString(), Buffer.from(value).toString());
      }
      for (const [key, value] of acknowledged) assert.equal(found.get(key), value, key);

      const powerOff = new AbortController();
      const { signal } = powerOff;
      const isOff = (): boolean => signal.aborted;
      let inRound = 0;
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        for (let i = 0; !isOff(); i += 1) {
          const key = `r${round}-w${writer}-${i}`;
          const value = `${key}-${"x".repeat((i * 37) % 400)}`;
          try {
            await database.put(key, value, { signal });
          } catch (error) {
            // Not acknowledged, nothing is owed; a disk that stands still may cost a leader before the power does.
            if (error instanceof DatabaseError && error.outcome === "unknown") continue;
            if (isOff()) return;
            throw error;
          }
          acknowledged.set(key, value);
          inRound += 1;
        }
      });
      await cluster.until("two hundred writes", async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return inRound >= 200 ? true : undefined;
      });
      await Promise.all(cluster.nodes.map((node) => node.end("SIGKILL")));
      powerOff.abort();
      await Promise.all(writers);
    }
    assert.ok(acknowledged.size >= ROUNDS * 200);
  });
});
