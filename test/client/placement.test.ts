/** Which of its nodes a client talks to: reads to all of them, writes to the leader. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { CallOptions } from "../../src/client/call.js";
import { Channel } from "../../src/client/channel.js";
import { parseEndpoints } from "../../src/client/endpoint.js";
import { LeaderFollower } from "../../src/client/leader-follower.js";
import { nobodysEndpoint, RemoteScene } from "./remote-scene.js";

const OPTIONS: CallOptions = { timeoutMs: 250_000, signal: undefined, requestId: undefined };
const TIMEOUTS = { connectMs: 250_000, silenceMs: 250_000, unreachableMs: Infinity };

describe("client: its place in the cluster", () => {
  let scene: RemoteScene;
  beforeEach(() => {
    scene = new RemoteScene();
  });
  afterEach(() => scene.close());

  it("reads are spread over all endpoints, and writes stay at one", async () => {
    const nodes = [await scene.node(), await scene.node(), await scene.node()];
    const endpoints = nodes.map(({ gate }) => gate.endpoint);
    const db = scene.client({ endpoints });
    for (let i = 0; i < 30; i += 1) await db.get("k");
    await db.put("k", "v");
    await db.put("k", "v");
    assert.deepEqual(
      nodes.map(({ service }) => service.readCount),
      [10, 10, 10],
    );
    assert.deepEqual(
      nodes.map(({ service }) => service.executed.length),
      [2, 0, 0],
    );
  });

  it("reads stay at one endpoint when they are told to", async () => {
    const nodes = [await scene.node(), await scene.node()];
    const endpoints = nodes.map(({ gate }) => gate.endpoint);
    const db = scene.client({ endpoints, balanceReads: false });
    for (let i = 0; i < 10; i += 1) await db.get("k");
    assert.deepEqual(
      nodes.map(({ service }) => service.readCount),
      [10, 0],
    );
  });

  it("reads of an endpoint that is down go to the others", async () => {
    const up = await scene.node();
    const db = scene.client({ endpoints: [up.gate.endpoint, await nobodysEndpoint()] });
    for (let i = 0; i < 10; i += 1) await db.get("k");
    assert.equal(up.service.readCount, 10);
  });

  /** A channel to two nodes, of which the second is said to lead; and how its clock is set. */
  async function follow(leaderAddress: (second: string) => string | null): Promise<{
    readonly channel: Channel;
    readonly look: (afterMs: number) => Promise<void>;
    readonly endpoints: readonly string[];
  }> {
    const nodes = [await scene.node(), await scene.node()];
    const texts = nodes.map(({ gate }) => gate.endpoint);
    const endpoints = parseEndpoints(texts);
    const channel = new Channel(endpoints, TIMEOUTS);
    scene.onClose(() => channel.close());
    await channel.call({ kind: "status" }, OPTIONS);
    let now = 0;
    let asked: Promise<unknown> = Promise.resolve();
    const follower = new LeaderFollower(
      channel,
      endpoints,
      () => {
        const status = new Promise<never>((resolve) => {
          nodes[0]?.service.status(0, (_error, found) => {
            const leader = leaderAddress(texts[1] ?? "");
            const own = found?.nodes.map((node) => ({ ...node, client: leader }));
            resolve({ ...found, nodes: own } as never);
          });
        });
        asked = status;
        return status;
      },
      () => now,
    );
    follower.onWrite();
    return {
      channel,
      endpoints: texts,
      look: async (afterMs) => {
        now += afterMs;
        follower.onWrite();
        await asked;
      },
    };
  }

  it("a client that writes for a while moves to the leader, without losing a call", async () => {
    const { channel, look, endpoints } = await follow((second) => second);
    assert.equal(channel.endpoint?.text, endpoints[0]);
    const calls: Promise<unknown>[] = [];
    await look(5000);
    while (channel.endpoint?.text !== endpoints[1]) {
      calls.push(channel.call({ kind: "info" }, OPTIONS));
      await calls.at(-1);
    }
    await Promise.all(calls);
  });

  it("a client of a moment does not ask", async () => {
    let asked = false;
    const { look } = await follow((second) => {
      asked = true;
      return second;
    });
    await look(900);
    assert.equal(asked, false);
    await look(200);
    assert.equal(asked, true);
  });

  it("a leader whose address is none of the given ones is not followed", async () => {
    for (const address of [null, "10.0.0.1:14141"]) {
      const { channel, look, endpoints } = await follow(() => address);
      await look(5000);
      await channel.call({ kind: "info" }, OPTIONS);
      assert.equal(channel.endpoint?.text, endpoints[0]);
    }
  });
});
