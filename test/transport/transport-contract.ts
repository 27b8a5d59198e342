/**
 * What every Transport keeps, real or simulated: the suite runs on both
 * (transport.test.ts).
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { PeerMessage } from "../../src/codec/peer-message.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import type { Transport } from "../../src/transport/transport.js";
import { appendOf, everyMessage } from "../codec/peer-messages.js";
import type { Recorder } from "./happenings.js";

export const N1 = NodeId("n1");
export const N2 = NodeId("n2");
export const N3 = NodeId("n3");

/** A world with the nodes n1, n2 and n3, none of them started. */
export interface TransportWorld {
  /** whether messages of one lane arrive in the order they were sent */
  readonly keepsOrder: boolean;
  /** whether a lost peer is reported; the simulated network only shows it in `connections` */
  readonly reportsLoss: boolean;
  transportOf(id: NodeId): Transport;
  recorderOf(id: NodeId): Recorder;
  /** Lets the world go on until `condition` holds. */
  until(condition: () => boolean): Promise<void>;
  /** Lets arrive what is under way out of order. */
  settle(): Promise<void>;
  /** Closes one node for good; may be called again. */
  close(id: NodeId): Promise<void>;
}

export function heartbeat(from: NodeId, readRound: number): PeerMessage {
  return { kind: "heartbeat", from, term: Term(1), commitIndex: LogIndex(0), readRound };
}

export function transportContract(name: string, createWorld: () => Promise<TransportWorld>): void {
  describe(`transport contract: ${name}`, () => {
    const ids = [N1, N2, N3];
    let world: TransportWorld;

    beforeEach(async () => {
      world = await createWorld();
    });
    afterEach(async () => {
      for (const id of ids) await world.close(id);
    });

    const isConnected = (from: NodeId, to: NodeId): boolean => {
      const transport = world.transportOf(from);
      const connection = transport.connections().find(({ id }) => id === to);
      const connected = connection?.connected === true;
      assert.equal(transport.isConnected(to), connected);
      return connected;
    };

    async function startAll(): Promise<void> {
      for (const id of ids) await world.transportOf(id).start(world.recorderOf(id));
      await world.until(() =>
        ids.every((from) => ids.every((to) => from === to || isConnected(from, to))),
      );
    }

    function send(from: NodeId, to: NodeId, ...messages: readonly PeerMessage[]): void {
      for (const message of messages) world.transportOf(from).send(to, message);
      world.transportOf(from).flush();
    }

    const roundsOf = (id: NodeId): readonly number[] =>
      world
        .recorderOf(id)
        .messages.map((message) => (message.kind === "heartbeat" ? message.readRound : -1));

    /** What is sent last on the same way has arrived: so has everything before it that ever will. */
    async function barrier(from: NodeId, to: NodeId): Promise<void> {
      send(from, to, heartbeat(from, 999_999));
      await world.until(() => roundsOf(to).includes(999_999));
      await world.settle();
    }

    it("a message of every kind arrives as it was sent, and only where it was sent to", async () => {
      await startAll();
      for (const message of everyMessage(N1)) {
        world.recorderOf(N2).messages.length = 0;
        send(N1, N2, message);
        await world.until(() => world.recorderOf(N2).messages.length === 1);
        assert.deepEqual(world.recorderOf(N2).messages, [message]);
      }
      await barrier(N1, N3);
      assert.deepEqual(world.recorderOf(N3).messages, [heartbeat(N1, 999_999)]);
      assert.deepEqual(world.recorderOf(N1).messages, []);
    });

    it("messages of a turn all arrive, in their order where the transport keeps one", async () => {
      await startAll();
      const rounds = Array.from({ length: 500 }, (_, i) => i);
      send(N2, N1, ...rounds.map((round) => heartbeat(N2, round)));
      await world.until(() => world.recorderOf(N1).messages.length === rounds.length);
      const arrived = roundsOf(N1);
      assert.deepEqual(world.keepsOrder ? arrived : arrived.toSorted((a, b) => a - b), rounds);
    });

    it("large messages arrive whole, both ways at once", async () => {
      await startAll();
      const size = 4 * 1024 * 1024;
      send(N1, N2, appendOf(N1, size), appendOf(N1, size));
      send(N2, N1, appendOf(N2, size), appendOf(N2, size));
      const hasTwo = (id: NodeId): boolean => world.recorderOf(id).messages.length === 2;
      await world.until(() => hasTwo(N1) && hasTwo(N2));
      assert.deepEqual(world.recorderOf(N2).messages, [appendOf(N1, size), appendOf(N1, size)]);
      assert.deepEqual(world.recorderOf(N1).messages, [appendOf(N2, size), appendOf(N2, size)]);
    });

    it("what is sent before anyone started is dropped", async () => {
      send(N1, N2, heartbeat(N1, 1));
      await world.settle();
      await startAll();
      await barrier(N1, N2);
      assert.deepEqual(roundsOf(N2), [999_999]);
    });

    it("what is sent to a node nobody knows, or to oneself, is dropped", async () => {
      await startAll();
      send(N1, NodeId("n9"), heartbeat(N1, 1));
      await barrier(N1, N2);
      assert.deepEqual(roundsOf(N2), [999_999]);
      assert.deepEqual(roundsOf(N3), []);
    });

    it("connections tells of every other node, whether it can be reached", async () => {
      await startAll();
      const known = world.transportOf(N1).connections();
      assert.deepEqual(
        known.map(({ id, connected, lastError }) => ({ id, connected, lastError })),
        [N2, N3].map((id) => ({ id, connected: true, lastError: undefined })),
      );
      await world.close(N2);
      await world.until(() => !isConnected(N1, N2));
      assert.equal(isConnected(N1, N3), true);
    });

    it("a peer that goes away is reported once, and what is sent to it is dropped", async () => {
      await startAll();
      await world.close(N2);
      await world.until(() => !isConnected(N1, N2) && !isConnected(N3, N2));
      send(N1, N2, heartbeat(N1, 1));
      await barrier(N1, N3);
      const lost = world.reportsLoss ? [N2] : [];
      assert.deepEqual(world.recorderOf(N1).disconnected, lost);
      assert.deepEqual(world.recorderOf(N3).disconnected, lost);
    });

    it("after close nothing is delivered, reported or sent", async () => {
      await startAll();
      send(N2, N1, heartbeat(N2, 1));
      send(N1, N2, heartbeat(N1, 1));
      await world.close(N1);
      const { messages, disconnected, notices } = world.recorderOf(N1);
      const before = [messages.length, disconnected.length, notices.length];
      send(N1, N3, heartbeat(N1, 2));
      send(N2, N1, heartbeat(N2, 2));
      await world.until(() => !isConnected(N2, N1) && !isConnected(N3, N1));
      await barrier(N2, N3);
      await barrier(N3, N2);
      assert.deepEqual([messages.length, disconnected.length, notices.length], before);
      assert.deepEqual(roundsOf(N3), [999_999]);
    });

    it("close may be called again, before start too, and waits for the same end", async () => {
      await world.transportOf(N1).close();
      await startOnly(N2);
      const closing = world.transportOf(N2).close();
      await Promise.all([closing, world.transportOf(N2).close()]);
      await world.transportOf(N2)[Symbol.asyncDispose]();
    });

    async function startOnly(id: NodeId): Promise<void> {
      await world.transportOf(id).start(world.recorderOf(id));
    }
  });
}
