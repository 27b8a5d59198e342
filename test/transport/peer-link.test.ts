/** When a link dials again: one timer a failure, growing, and forgotten only by a peer that stays. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import sinon from "sinon";
import { PeerLink } from "../../src/transport/peer-link.js";
import { Happenings } from "./happenings.js";
import { reservePort } from "../ports.js";
import { heartbeat, N1, N3 } from "./transport-contract.js";
import { FakeListener, HELLO, welcomeAs, welcomeFrame, type Called } from "./wire.js";

const HANDSHAKE_MS = 5000;
const LOOKS_MAX = 100;

describe("peer link", () => {
  let clock: sinon.SinonFakeTimers;
  let happenings: Happenings;
  let port: number;
  let fake: FakeListener | undefined;
  let link: PeerLink;
  /** one draw for every redial that was scheduled */
  let scheduledCount: number;
  let events: string[];

  beforeEach(async () => {
    port = await reservePort();
    // Sockets have timers of their own: these are the link's and its lanes'.
    clock = sinon.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    happenings = new Happenings();
    scheduledCount = 0;
    events = [];
    link = new PeerLink({
      id: N1,
      addressText: `127.0.0.1:${port}`,
      address: { host: "127.0.0.1", port },
      hello: (lane) => ({ ...HELLO, lane }),
      random: () => {
        scheduledCount += 1;
        happenings.happened();
        return 0;
      },
      handshakeMs: HANDSHAKE_MS,
      onIncarnation: () => {
        // told again with the connection's status
      },
      onConnected: () => {
        note("connected");
      },
      onDisconnected: () => {
        note("disconnected");
      },
      onNotice: note,
    });
  });
  afterEach(async () => {
    link.close();
    const timerCount = clock.countTimers();
    clock.restore();
    await fake?.close();
    fake = undefined;
    assert.equal(timerCount, 0, "a closed link leaves no timer");
  });

  function note(event: string): void {
    events.push(event);
    happenings.happened();
  }

  async function listen(script: (called: Called) => void = welcomeAs(N1)): Promise<FakeListener> {
    fake = await FakeListener.listen(port, script, () => {
      happenings.happened();
    });
    return fake;
  }

  /** The next failure has scheduled its redial. */
  async function failure(): Promise<void> {
    const before = scheduledCount;
    await happenings.until(() => scheduledCount > before);
    // The draw comes first, then the timer, in the same call.
    await Promise.resolve();
    assert.equal(scheduledCount, before + 1, "two lanes, one redial");
    assert.equal(clock.countTimers(), 1, "one timer waits");
  }

  /** Exactly after `delayMs` both lanes are dialed. */
  function assertRedialsAfter(delayMs: number): void {
    clock.tick(delayMs - 1);
    assert.equal(clock.countTimers(), 1, `not before ${delayMs} ms`);
    clock.tick(1);
    assert.equal(clock.countTimers(), 2, `two handshakes after ${delayMs} ms`);
  }

  async function failTimes(count: number): Promise<void> {
    link.dial();
    for (let i = 0; i < count; i += 1) {
      await failure();
      clock.tick(2000);
    }
  }

  it("dials again after 25 ms, then twice as long each time, up to a second", async () => {
    link.dial();
    for (const delayMs of [25, 50, 100, 200, 400, 800, 1000, 1000]) {
      await failure();
      assertRedialsAfter(delayMs);
    }
    await failure();
    assert.deepEqual(events, []);
    assert.match(link.status().lastError ?? "", /ECONNREFUSED/);
  });

  it("a connection that does not last does not shorten the wait", async () => {
    const hangUp = (): void => {
      for (const { socket } of fake?.calls ?? []) socket.destroy();
    };
    await failTimes(3);
    await failure();
    await listen();
    clock.tick(2000);
    await happenings.until(() => events.length === 1);
    hangUp();
    await failure();
    assertRedialsAfter(400);

    await happenings.until(() => events.length === 3);
    for (let looks = 0; looks < 4; looks += 1) link.look(LOOKS_MAX);
    hangUp();
    await failure();
    assertRedialsAfter(25);
    assert.deepEqual(events, ["connected", "disconnected", "connected", "disconnected"]);
  });

  it("one lane refused while the other opens is no connection, one notice, one slow redial", async () => {
    const refusal = welcomeFrame({ kind: "refused", reason: "own-id", text: "you are me" });
    await listen((called) => {
      if (called.hello?.lane === "bulk") called.socket.write(refusal);
      else welcomeAs(N1)(called);
    });
    link.dial();
    await failure();
    assert.deepEqual(events, [`n1 at 127.0.0.1:${port} refuses this node (own-id): you are me`]);
    assert.equal(link.status().connected, false);
    link.hasten();
    assertRedialsAfter(2000);
  });

  it("a lane lost is both lost, reported once", async () => {
    const { calls } = await listen();
    link.dial();
    await happenings.until(() => events.length === 1);
    calls.find(({ hello }) => hello?.lane === "bulk")?.socket.destroy();
    await failure();
    await happenings.until(() => calls.every(({ socket }) => socket.destroyed));
    assert.deepEqual(events, ["connected", "disconnected"]);
    link.send(heartbeat(N3, 1));
    link.flush();
  });

  it("a peer that calls is called back at once, and not twice", async () => {
    await failTimes(5);
    await failure();
    await listen();
    link.hasten();
    link.hasten();
    await happenings.until(() => events.length === 1);
    link.hasten();
    assert.deepEqual(events, ["connected"]);
    assert.equal(fake?.calls.length, 2);
  });

  it("an answer that does not come ends the call after the time for a handshake", async () => {
    const { calls } = await listen(() => {
      // says nothing
    });
    link.dial();
    await happenings.until(() => calls.filter(({ hello }) => hello !== undefined).length === 2);
    clock.tick(HANDSHAKE_MS);
    assert.equal(scheduledCount, 1);
    assert.equal(clock.countTimers(), 1);
    assert.equal(link.status().lastError, `no answer within ${HANDSHAKE_MS} ms`);
  });

  it("closing while it dials, waits or is connected ends everything", async () => {
    link.dial();
    link.close();
    link.close();
    link.dial();
    link.hasten();
    assert.equal(scheduledCount, 0);
    assert.equal(link.status().connected, false);
  });
});
